// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// options are what the command line says.
type options struct {
	serve, dial, file    string
	lines, once, verbose bool
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
	flags.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" { // from an empty variable in a script, perhaps
			err = fmt.Errorf("-%s needs a value", f.Name)
		}
	})
	switch {
	case err != nil:
		return err
	case o.serving() && o.dial != "":
		return errors.New("-dial is for the client only, -serve and -lines for the server only")
	case o.serving() && o.file != "":
		return errors.New("-file is for the client; a server has no use for it")
	case o.once && !o.serving():
		return errors.New("-once needs -serve or -lines")
	}
	return nil
}
