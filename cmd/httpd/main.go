// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command httpd serves a directory over HTTP/1.1. It is also an example of the
// package framer: the http_request_handler of asynchat's documents, grown to
// something one can use.
//
// A [framer.Handler] reads the header of a request up to the empty line, then as
// many bytes as Content-Length says, then answers; what follows is the next
// request. The package net/http is used to parse and to format, not to serve.
//
// Besides the files there are POST /echo, which sends the body back, and
// GET /stream?lines=N, which counts in chunks.
//
// Usage:
//
//	httpd [-addr host:port] [-dir directory] [-cert file -key file] [-v]
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
	"os/signal"
	"syscall"
	"time"

	"github.com/goframer/framer"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(os.Args[1:], os.Stderr, signals))
}

// options are the flags.
type options struct {
	addr, dir, cert, key string
	verbose              bool
	maxHeader            int
	maxBody              int64
	maxConns             int
	requestTimeout       time.Duration
	idleTimeout          time.Duration
	writeTimeout         time.Duration
	shutdownTimeout      time.Duration
}

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	flags := flag.NewFlagSet("httpd", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address to listen on; port 0 is any free one")
	flags.StringVar(&o.dir, "dir", ".", "directory to serve")
	flags.StringVar(&o.cert, "cert", "", "`file` with the certificate chain, for TLS")
	flags.StringVar(&o.key, "key", "", "`file` with the key of the certificate")
	flags.BoolVar(&o.verbose, "v", false, "log every answer")
	flags.IntVar(&o.maxHeader, "max-header", 64<<10, "greatest size of a request's header in `bytes`")
	flags.Int64Var(&o.maxBody, "max-body", 1<<20, "greatest size of a request's body in `bytes`")
	flags.IntVar(&o.maxConns, "max-conns", 0, "connections at once; 0 is no limit")
	flags.DurationVar(&o.requestTimeout, "request-timeout", 30*time.Second, "for a header, and for a body, from its first byte to its last; 0 is no limit")
	flags.DurationVar(&o.idleTimeout, "idle-timeout", time.Minute, "for a connection on which nothing moves; 0 is no limit")
	flags.DurationVar(&o.writeTimeout, "write-timeout", time.Minute, "for a client that does not take its answer; 0 is no limit")
	flags.DurationVar(&o.shutdownTimeout, "shutdown-timeout", 10*time.Second, "for the answers in progress when a signal ends the server")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	err := o.check(flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, "httpd:", err)
		flags.Usage()
	}
	return o, err
}

func (o *options) check(args []string) error {
	switch {
	case len(args) > 0:
		return fmt.Errorf("unexpected argument %q", args[0])
	case (o.cert == "") != (o.key == ""):
		return errors.New("-cert and -key go together")
	case o.maxHeader <= 0:
		return errors.New("-max-header must be positive")
	case o.maxBody < 0 || o.maxConns < 0:
		return errors.New("-max-body and -max-conns must not be negative")
	case min(o.requestTimeout, o.idleTimeout, o.writeTimeout, o.shutdownTimeout) < 0:
		return errors.New("a timeout must not be negative")
	}
	return nil
}

// run is the command. It returns the exit code: 2 if it was called wrongly.
func run(args []string, stderr io.Writer, signals <-chan os.Signal) int {
	o, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if err := serve(o, stderr, signals); err != nil {
		fmt.Fprintln(stderr, "httpd:", err)
		return 1
	}
	return 0
}

// serve serves until a signal comes or the listener fails.
func serve(o *options, stderr io.Writer, signals <-chan os.Signal) error {
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	server := newServer(o, root, stderr)
	scheme, start := "http", server.Serve
	if o.cert != "" {
		certificate, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return fmt.Errorf("certificate %s with key %s: %w", o.cert, o.key, err)
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
		scheme, start = "https", func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	l, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "httpd: serving %s on %s://%s/\n", o.dir, scheme, l.Addr())

	ended := make(chan error, 1)
	go func() { ended <- start(l) }()
	select {
	case err := <-ended:
		return err
	case <-signals:
	}
	err = shutdown(server, o.shutdownTimeout, signals)
	<-ended
	return err
}

func newServer(o *options, root *os.Root, stderr io.Writer) *framer.Server {
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelInfo
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	s := &site{root: root, log: logger, maxHeader: o.maxHeader, maxBody: o.maxBody}
	writeTimeout := o.writeTimeout
	if writeTimeout == 0 {
		writeTimeout = -1 // zero would be the default
	}
	return &framer.Server{
		NewHandler: s.newHandler,
		MaxConns:   o.maxConns,
		Protocol:   "http/1.1",
		Config: framer.Config{
			MaxMessageSize: max(int64(o.maxHeader), o.maxBody), // the handler tells them apart
			MessageTimeout: o.requestTimeout,
			IdleTimeout:    o.idleTimeout,
			WriteTimeout:   writeTimeout,
			Logger:         logger,
		},
	}
}

// shutdown lets the answers in progress come to their end, until the timeout or
// another signal.
func shutdown(server *framer.Server, timeout time.Duration, signals <-chan os.Signal) error {
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
	if err != nil {
		return fmt.Errorf("shutdown: connections were cut off: %w", err)
	}
	return nil
}
