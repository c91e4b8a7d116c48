// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command restart shows how to replace a server while clients are using it, without
// losing a request. README.md describes three ways, and there is a script for each.
//
// Usage:
//
//	restart serve [-name n] [-listen address] [-grace d]
//	restart load -addr address [-c n] [-window n] [-turn n]
//	restart hold [-listen address] command [argument ...]
//
// Serve answers every line with the line, a space and its name. The name ends in the id
// of the process. It uses the socket that it is given by systemd, or by a program that
// acts like systemd. Otherwise it listens on the address. SIGTERM ends it gracefully: it
// still accepts connections for the time of -grace, and then ends. At SIGHUP it starts a
// successor on the same socket, and ends when the successor is ready. The last line that
// it prints is the number of requests it has executed.
//
// Load keeps a server busy until SIGTERM. It uses -c connections, with up to -window
// requests in flight on each. On every second one, it changes to a new connection after
// -turn requests. It fails if a request was not answered, or was answered twice. The last
// line that it prints is the number of answered requests.
//
// Hold does what systemd does for a socket unit and its service. It holds the socket and
// runs the command with it. At SIGHUP it restarts the command, and at SIGTERM it ends it.
//
// The exit status is 0 on success, 1 on failure and 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/goframer/framer/internal/cli"
)

func main() {
	err := run(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(cli.Misused)
	case err != nil:
		fmt.Fprintln(os.Stderr, "restart:", err)
		os.Exit(cli.Failed)
	}
}

// errUsage is returned for a wrong command line. The message has been printed already.
var errUsage = errors.New("wrong usage")

// about says what each command does.
var about = map[string]string{
	"serve": `
Restart serve answers every line with the line and its own name, until SIGTERM. At
SIGHUP a successor takes its socket over:

	restart serve -name lines -listen 127.0.0.1:7007
`,
	"load": `
Restart load sends lines to a server until SIGTERM, and fails if one was not answered:

	restart load -addr 127.0.0.1:7007
`,
	"hold": `
Restart hold holds a socket and runs a command with it, as systemd does. At SIGHUP it
restarts the command, at SIGTERM it ends it:

	restart hold -listen 127.0.0.1:7007 restart serve
`,
}

const usage = `Restart shows how a server is replaced while clients are at work. Its commands are

	restart serve   be a server
	restart load    be its clients
	restart hold    hold the socket of a server

"restart serve -h" has the flags of one.`

// maxShutdown is how long clients may take to leave at a shutdown. It is longer than the
// default of Config.LingerTimeout.
const maxShutdown = 10 * time.Second

func run(args []string) error {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	if name == "-h" || name == "-help" || name == "--help" {
		fmt.Fprintln(os.Stderr, usage)
		return flag.ErrHelp
	}
	if about[name] == "" {
		fmt.Fprintf(os.Stderr, "restart: want serve, load or hold, not %q (restart -h tells more)\n", name)
		return errUsage
	}
	flags := cli.NewFlags("restart "+name, about[name], os.Stderr)
	parse := func(check func() error) error {
		err := flags.Parse(args, check)
		if err != nil && !errors.Is(err, flag.ErrHelp) {
			return errUsage
		}
		return err
	}
	var address string
	if name != "load" {
		flags.AddressVar(&address, "listen", "127.0.0.1:0", "listen on `address`, if there is no socket")
	}
	switch name {
	case "serve":
		s := newServer()
		flags.StringVar(&s.name, "name", "server", "be called `name` in answers and output")
		flags.DurationVar(&s.grace, "grace", 0, 0, "go on to accept for this `duration` after SIGTERM")
		if err := parse(nil); err != nil {
			return err
		}
		return s.run(address)
	case "load":
		l := newLoad()
		flags.AddressVar(&l.address, "addr", "", "connect to `address`")
		flags.IntVar(&l.conns, "c", 32, 1, "use `n` connections at a time")
		flags.IntVar(&l.window, "window", 16, 1, "have up to `n` requests in flight on each")
		flags.IntVar(&l.turn, "turn", 10, 1, "after `n` requests, make a new connection in place of every second")
		err := parse(func() error {
			if l.address == "" {
				return errors.New("-addr is missing, the address of the server")
			}
			return nil
		})
		if err != nil {
			return err
		}
		return l.run(context.Background())
	}
	flags.Arguments = true
	err := parse(func() error {
		if flags.NArg() == 0 {
			return errors.New("the command to run is missing")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return hold(address, flags.Args())
}
