// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"
)

// options are the flags.
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

// parseFlags reads the command line. Errors have been printed when it returns.
func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	flags := flag.NewFlagSet("smtpd", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:1025", "`address` to listen on; port 0 is any free one")
	flags.StringVar(&o.hostname, "hostname", defaultHostname(), "`name` of this server in greetings and headers")
	flags.StringVar(&o.dir, "dir", "", "write each mail to a file of this `directory`, in place of printing it")
	flags.StringVar(&o.maildir, "maildir", "", "write each mail to this `directory`, a Maildir, in place of printing it")
	flags.BoolVar(&o.startTLS, "starttls", false, "offer STARTTLS")
	flags.BoolVar(&o.tls, "tls", false, "speak TLS from the beginning")
	flags.StringVar(&o.cert, "cert", "", "`file` with the certificate chain; by default a self-signed one is made")
	flags.StringVar(&o.key, "key", "", "`file` with the key of the certificate")
	flags.BoolVar(&o.auth, "auth", false, "offer AUTH, and accept any name with any password")
	flags.Int64Var(&o.maxSize, "max-size", 35<<20, "greatest size of a mail in `bytes`; 0 is no limit")
	flags.IntVar(&o.maxRecipients, "max-recipients", 1000, "recipients of a mail; 0 is no limit")
	flags.IntVar(&o.maxConns, "max-conns", 100, "connections at once; 0 is no limit")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "for a client that sends nothing, and for a command; 0 is no limit")
	flags.DurationVar(&o.dataTimeout, "data-timeout", 10*time.Minute, "for a mail, from its first byte to its last; 0 is no limit")
	flags.DurationVar(&o.shutdownTimeout, "shutdown-timeout", 10*time.Second, "for the mails in progress when a signal ends the server")
	flags.BoolVar(&o.verbose, "v", false, "log every mail, and why connections end")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	err := o.check(flags)
	if err != nil {
		fmt.Fprintln(stderr, "smtpd:", err)
		flags.Usage()
	}
	return o, err
}

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
	case o.maxSize < 0 || o.maxRecipients < 0 || o.maxConns < 0:
		return errors.New("-max-size, -max-recipients and -max-conns must not be negative")
	case min(o.timeout, o.dataTimeout, o.shutdownTimeout) < 0:
		return errors.New("a timeout must not be negative")
	}
	return checkAddress(o.addr)
}

// checkAddress returns an error if address is not one to listen on.
func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil && port == "" {
		err = errors.New("missing port")
	}
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("-addr %s: %w", address, err)
	}
	return nil
}

// defaultHostname returns the name of this machine, if it can be said in SMTP.
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

// newStore returns what the mails are for.
func (o *options) newStore(stdout io.Writer) (store, error) {
	switch {
	case o.dir != "":
		return newDirStore(o.dir)
	case o.maildir != "":
		return newMaildir(o.maildir, o.hostname)
	}
	return &printer{w: stdout}, nil
}
