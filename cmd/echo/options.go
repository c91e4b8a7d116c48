// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/goframer/framer/internal/cli"
)

// options are the values of the flags.
type options struct {
	serve, dial, file    string
	lines, once, verbose bool
	timeout              time.Duration // 0 means the default for a client or a server
}

// serving reports whether this process is only a server.
func (o *options) serving() bool { return o.serve != "" || o.lines }

// parse reads the command line. If there is an error, parse has printed it.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := cli.NewFlags("echo", about, stderr)
	flags.AddressVar(&o.dial, "dial", "", "be the client only, of the server at `address`")
	flags.StringVar(&o.file, "file", "", "send the file `name` in place of the built-in text")
	flags.BoolVar(&o.lines, "lines", false, "be a server that sends every line back, by default on a free port")
	flags.BoolVar(&o.once, "once", false, "serve one client, then exit")
	flags.AddressVar(&o.serve, "serve", "", "be the server only, on `address`, until interrupted")
	flags.DurationVar(&o.timeout, "timeout", 0, 1, "end a connection on which nothing happens for this `duration`\n(default 10s for the client, 1m for a server)")
	flags.BoolVar(&o.verbose, "v", false, "print the conversation, call by call")
	err := flags.Parse(args, o.check)
	return o, err
}

// about is the beginning of the usage text.
const about = `
Echo sends a text to a server, which sends it back, and compares. Without flags it is
both; -v shows the conversation:

	echo -v
	echo -serve 127.0.0.1:7007
	echo -dial 127.0.0.1:7007 -file text.txt
	echo -lines -serve 127.0.0.1:7007
`

// check returns an error for flags that make no sense together.
func (o *options) check() error {
	_, port, _ := net.SplitHostPort(o.dial)
	switch {
	case port == "0":
		return fmt.Errorf("-dial %s: no server has port 0", o.dial)
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
