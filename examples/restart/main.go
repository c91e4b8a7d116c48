// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command restart shows how a server is replaced while clients are at work, without
// losing one of their requests. README.md has the three ways, and a script for each.
//
// Usage:
//
//	restart serve [-name n] [-listen address] [-grace d]
//	restart load -addr address [-c n] [-window n] [-turn n]
//	restart hold [-listen address] command [argument ...]
//
// Serve answers every line with the line, a space and its name, which ends in the id of
// the process. It uses the socket that it is given, by systemd or who acts like it, or
// else listens on the address. SIGTERM ends it in order; before that, it goes on to
// accept for the time of -grace. At SIGHUP it starts a successor on the same socket, and
// ends when that is ready. The last that it prints is how many requests it has executed.
//
// Load keeps a server busy over -c connections, with up to -window requests in flight
// on each, until SIGTERM. Every second one is replaced by a new connection after -turn
// requests. It fails if a request was not answered, or answered twice. The last that it
// prints is how many were answered.
//
// Hold does what systemd does for a socket unit and its service: it holds the socket and
// runs the command with it. At SIGHUP it restarts the command, at SIGTERM it ends it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "restart:", err)
		os.Exit(1)
	}
}

// maxShutdown is how long clients may take to leave once they were told. It is longer
// than the default of Config.LingerTimeout.
const maxShutdown = 10 * time.Second

func run(args []string) error {
	if len(args) == 0 {
		args = []string{""}
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	address := flags.String("listen", "127.0.0.1:0", "listen on `address`, if there is no socket")
	switch args[0] {
	case "serve":
		s := newServer()
		flags.StringVar(&s.name, "name", "server", "be called `name` in answers and output")
		flags.DurationVar(&s.grace, "grace", 0, "go on to accept for this `duration` after SIGTERM")
		flags.Parse(args[1:])
		return s.run(*address)
	case "load":
		l := newLoad()
		flags.StringVar(&l.address, "addr", "", "connect to `address`")
		flags.IntVar(&l.conns, "c", 32, "use `n` connections at a time")
		flags.IntVar(&l.window, "window", 16, "have up to `n` requests in flight on each")
		flags.IntVar(&l.turn, "turn", 10, "after `n` requests, make a new connection in place of every second")
		flags.Parse(args[1:])
		return l.run(context.Background())
	case "hold":
		flags.Parse(args[1:])
		return hold(*address, flags.Args())
	}
	return fmt.Errorf("usage: restart serve, load or hold; -h after it has the flags")
}
