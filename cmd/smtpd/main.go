// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command smtpd is a mail server for development. It accepts every mail, for any
// recipient, and prints it or writes it to a file. It replaces
//
//	python -m smtpd -n -c DebuggingServer localhost:1025
//
// which Python had until version 3.12. It is also an example of how to use package
// framer: session.go is the conversation, which reads commands by Next and mails by
// NextReader.
//
// Smtpd delivers nothing.
//
// Usage:
//
//	smtpd [-addr host:port] [-dir directory | -maildir directory] [-auth] [-v]
//
// The README describes the other flags.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/cli"
	"github.com/goframer/framer/internal/logqueue"
)

func main() {
	cli.IgnoreSIGPIPE()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, cli.CatchSignals))
}

// cutOffTimeout is how long connections may take to clean up after they were cut off.
const cutOffTimeout = time.Second

// run runs the command. It returns the exit status, which is 2 for a wrong command line.
func run(args []string, stdout, stderr io.Writer, catch func() <-chan os.Signal) int {
	o, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return cli.Misused
	}
	log := logqueue.New(stderr, 0)
	defer log.Close() // nobody could be told of its error
	if err := serve(o, stdout, log, catch); err != nil {
		fmt.Fprintln(log, "smtpd:", err)
		return cli.Failed
	}
	return 0
}

// serve serves until a signal arrives or the listener fails.
func serve(o *options, stdout, stderr io.Writer, catch func() <-chan os.Signal) error {
	store, err := o.newStore(stdout)
	if err != nil {
		return err
	}
	m := &mailServer{options: *o, store: store, log: o.newLogger(stderr)}
	if o.tls || o.startTLS {
		if m.tlsConfig, err = newTLSConfig(o); err != nil {
			return err
		}
	}
	l, err := cli.Listen(context.Background(), "addr", o.addr)
	if err != nil {
		return err
	}
	server := m.newServer()
	scheme, start := "smtp", server.Serve
	if o.tls {
		scheme, start = "smtps", func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	fmt.Fprintf(stderr, "smtpd: serving on %s://%s\n", scheme, l.Addr())

	signals := catch()
	ended := make(chan error, 1)
	go func() { ended <- start(l) }()
	select {
	case err := <-ended:
		return err
	case <-signals:
	}
	return shutdown(server, o.shutdownTimeout, signals, ended)
}

// A mailServer is what all sessions share.
type mailServer struct {
	options
	store     store
	tlsConfig *tls.Config // nil if there is no TLS
	log       *slog.Logger
}

// newServer returns a framer.Server that runs the sessions of m.
func (m *mailServer) newServer() *framer.Server {
	server := &framer.Server{
		NewHandler: framer.Session(m.serveConn),
		MaxConns:   m.maxConns,
		Refuse: func(nc net.Conn) {
			fmt.Fprintf(nc, "421 4.7.0 %s too many connections, try again later\r\n", m.hostname)
		},
		Config: framer.Config{
			ReadIdleTimeout: m.timeout,
			MessageTimeout:  m.timeout,
			Logger:          m.log,
		},
	}
	if m.tls {
		server.TLSConfig = m.tlsConfig
	}
	return server
}

// shutdown waits until the mails that have begun are received, until the timeout, or
// until another signal. It does not wait for a mail that can't be printed.
func shutdown(server *framer.Server, timeout time.Duration, signals <-chan os.Signal, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(ctx) }()
	var err error
	select {
	case err = <-done:
	case <-signals:
		cancel()
		err = <-done
	}
	if err == nil {
		<-ended
		return nil
	}
	select {
	case <-ended:
	case <-time.After(cutOffTimeout):
	}
	return cli.CutOff(err, timeout)
}
