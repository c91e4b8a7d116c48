// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/goframer/framer/internal/cli"
)

// options are the values of the flags.
type options struct {
	addr, hostname  string
	dir, maildir    string
	cert, key       string
	startTLS, tls   bool
	auth, verbose   bool
	maxSize         int64
	maxRecipients   int
	maxConns        int
	timeout         time.Duration
	dataTimeout     time.Duration
	shutdownTimeout time.Duration
}

// parseFlags reads the command line. If there is an error, parseFlags has printed it.
func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	flags := cli.NewFlags("smtpd", about, stderr)
	flags.AddressVar(&o.addr, "addr", "127.0.0.1:1025", "`address` to listen on; port 0 is any free one")
	flags.StringVar(&o.hostname, "hostname", defaultHostname(), "`name` of this server in greetings and headers")
	flags.StringVar(&o.dir, "dir", "", "write each mail to a file of this `directory`, in place of printing it")
	flags.StringVar(&o.maildir, "maildir", "", "write each mail to this `directory`, a Maildir, in place of printing it")
	flags.BoolVar(&o.startTLS, "starttls", false, "offer STARTTLS")
	flags.BoolVar(&o.tls, "tls", false, "speak TLS from the beginning")
	flags.StringVar(&o.cert, "cert", "", "`file` with the certificate chain; by default a self-signed one is made")
	flags.StringVar(&o.key, "key", "", "`file` with the key of the certificate")
	flags.BoolVar(&o.auth, "auth", false, "offer AUTH, and accept any name with any password")
	flags.Int64Var(&o.maxSize, "max-size", 35<<20, 0, "greatest size of a mail in `bytes`; 0 is no limit")
	flags.IntVar(&o.maxRecipients, "max-recipients", 1000, 0, "greatest `number` of recipients of a mail; 0 is no limit")
	flags.IntVar(&o.maxConns, "max-conns", 100, 0, "greatest `number` of connections at once, further ones are refused; 0 is no limit")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, 0, "`duration` for a client that sends nothing, and for a command; 0 is no limit")
	flags.DurationVar(&o.dataTimeout, "data-timeout", 10*time.Minute, 0, "`duration` for a mail, from its first byte to its last; 0 is no limit")
	flags.DurationVar(&o.shutdownTimeout, "shutdown-timeout", 10*time.Second, 0, "`duration` for the mails in progress when a signal ends the server")
	flags.BoolVar(&o.verbose, "v", false, "log every mail, and why connections end")
	return o, flags.Parse(args, o.check)
}

// about is the beginning of the usage text.
const about = `
Smtpd is a mail server for development: it accepts every mail, for whomever, and
prints it, or writes it to files. Nothing is delivered anywhere:

	smtpd
	smtpd -addr :1025 -maildir mails -v
`

// check checks flags that depend on each other.
func (o *options) check() error {
	switch {
	case o.dir != "" && o.maildir != "":
		return errors.New("-dir and -maildir exclude each other")
	case (o.cert == "") != (o.key == ""):
		return errors.New("-cert and -key go together")
	case o.tls && o.startTLS:
		return errors.New("-starttls and -tls exclude each other")
	case o.cert != "" && !o.tls && !o.startTLS:
		return errors.New("-cert needs -starttls or -tls")
	case !isHostname(o.hostname):
		return fmt.Errorf("-hostname %q is not the name of a host", o.hostname)
	}
	return nil
}

// defaultHostname returns the name of this machine, if SMTP allows it.
func defaultHostname() string {
	if name, err := os.Hostname(); err == nil && isHostname(name) {
		return name
	}
	return "localhost"
}

func (o *options) newLogger(w io.Writer) *slog.Logger {
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// newStore returns the store that the flags ask for.
func (o *options) newStore(stdout io.Writer) (store, error) {
	var s store
	var err error
	name := ""
	switch {
	case o.dir != "":
		name = "-dir"
		s, err = newDirStore(o.dir)
	case o.maildir != "":
		name = "-maildir"
		s, err = newMaildir(o.maildir, o.hostname)
	default:
		name = "a file for a mail that is to be printed (TMPDIR)"
		s, err = newPrinter(stdout)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}
