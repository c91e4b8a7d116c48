// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"time"
)

// options are what the command line says.
type options struct {
	serve, dial, file    string
	lines, once, verbose bool
	timeout              time.Duration // 0 means the default of the side
}

// serving reports whether there is only a server.
func (o *options) serving() bool { return o.serve != "" || o.lines }

// parse reads the command line. Errors have been printed when it returns.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.dial, "dial", "", "be the client only, of the server at `address`")
	flags.StringVar(&o.file, "file", "", "send the file `name` in place of the built-in text")
	flags.BoolVar(&o.lines, "lines", false, "be a server that sends every line back, by default on a free port")
	flags.BoolVar(&o.once, "once", false, "serve one client, then exit")
	flags.StringVar(&o.serve, "serve", "", "be the server only, on `address`, until interrupted")
	flags.DurationVar(&o.timeout, "timeout", 0, "end a connection on which nothing happens for this `duration`\n(default 10s for the client, 1m for a server)")
	flags.BoolVar(&o.verbose, "v", false, "print the conversation, call by call")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	err := o.check(flags)
	if err != nil {
		fmt.Fprintln(stderr, "echo:", err)
		flags.Usage()
	}
	return o, err
}

// check finds what makes no sense together.
func (o *options) check(flags *flag.FlagSet) error {
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	flags.Visit(func(f *flag.Flag) { err = cmp.Or(err, o.checkFlag(f)) })
	switch {
	case err != nil:
		return err
	case o.serving() && o.dial != "":
		return errors.New("-dial is for the client only, -serve and -lines for the server only")
	case o.serving() && o.file != "":
		return errors.New("-file is for the client; a server has no use for it")
	case o.once && !o.serving():
		return errors.New("-once needs -serve or -lines")
	case o.timeout > 0 && !o.serving() && o.dial == "":
		return errors.New("-timeout needs -serve, -lines or -dial")
	}
	return nil
}

// checkFlag finds what makes no sense for a flag that was given.
func (o *options) checkFlag(f *flag.Flag) error {
	if f.Value.String() == "" { // from an empty variable in a script, perhaps
		return fmt.Errorf("-%s needs a value", f.Name)
	}
	var err error
	switch f.Name {
	case "serve":
		_, err = port(o.serve)
	case "dial":
		var n int
		if n, err = port(o.dial); err == nil && n == 0 {
			err = errors.New("no server has port 0")
		}
	case "timeout":
		if o.timeout <= 0 {
			err = errors.New("a timeout is longer than 0")
		}
	}
	if err != nil {
		return fmt.Errorf("-%s=%v: %w", f.Name, f.Value, err)
	}
	return nil
}

// port returns the port of an address. Package net takes one that is missing behind
// the colon for port 0, and so for any.
func port(address string) (int, error) {
	_, name, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	if name == "" {
		return 0, errors.New("missing port in address")
	}
	return net.LookupPort("tcp", name)
}
