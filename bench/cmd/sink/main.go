// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command sink receives and checks what the program send sends. It is a separate process,
// so that its work does not count as work of the sender.
//
// It opens one connection for control, and then as many as the flags say. On these it
// receives the bytes in windows. When each connection has received -window bytes, the
// sink writes one byte on the control connection. After -windows of them it prints a
// report.Sink as JSON.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/goframer/framer/bench/internal/payload"
	"github.com/goframer/framer/bench/internal/report"
)

type options struct {
	addr       string
	expect     string
	conns      int
	size       int
	goroutines int
	window     int64
	windows    int
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2)
	}
	if err := run(o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
}

// parse reads the flags. It prints errors on stderr.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("sink", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.addr, "addr", "", "address of the sender")
	fs.StringVar(&o.expect, "expect", "count", "what comes: count (anything), pattern (of -size bytes, repeated) or order (numbered messages)")
	fs.IntVar(&o.conns, "conns", 1, "connections")
	fs.IntVar(&o.size, "size", 1, "bytes of the pattern")
	fs.IntVar(&o.goroutines, "goroutines", 1, "goroutines that number their messages")
	fs.Int64Var(&o.window, "window", 1, "bytes in a window of a connection")
	fs.IntVar(&o.windows, "windows", 1, "windows")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 || o.addr == "" || min(o.conns, o.size, o.goroutines, o.windows) < 1 || o.window < 1 {
		err := errors.New("sink: an address, and positive numbers, are needed")
		fmt.Fprintln(stderr, err)
		return o, err
	}
	if _, err := newCheckers(o); err != nil {
		fmt.Fprintln(stderr, "sink:", err)
		return o, err
	}
	return o, nil
}

// newCheckers returns the function that makes the checker of a connection, or nil if
// nothing is checked.
func newCheckers(o options) (func() checker, error) {
	switch o.expect {
	case "count":
		return nil, nil
	case "pattern":
		p := payload.Pattern(o.size)
		return func() checker { return payload.NewRepeatChecker(p) }, nil
	case "order":
		return func() checker { return payload.NewOrderChecker(o.goroutines) }, nil
	}
	return nil, fmt.Errorf("-expect is %q, not count, pattern or order", o.expect)
}

func run(o options, stdout io.Writer) error {
	control, err := net.Dial("tcp", o.addr)
	if err != nil {
		return err
	}
	defer control.Close()
	newChecker, err := newCheckers(o)
	if err != nil {
		return err
	}
	r, err := newReceiver(o.addr, o.conns, newChecker)
	if err != nil {
		return err
	}
	defer r.close()
	for range o.windows {
		if err := r.receive(o.window); err != nil {
			return err
		}
		if _, err := control.Write([]byte{1}); err != nil {
			return err
		}
	}
	return json.NewEncoder(stdout).Encode(report.Sink{
		Conns: o.conns,
		Bytes: int64(o.conns) * int64(o.windows) * o.window,
	})
}
