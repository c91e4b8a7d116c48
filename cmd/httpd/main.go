// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command httpd serves a directory over HTTP/1.1. It is also an example of how to use
// package framer. It began as the http_request_handler of asynchat's documentation, and
// has grown to something useful.
//
// A [framer.Session] reads the header of a request up to the empty line, and the body by
// its length or by its chunks. Package net/http parses the header. An http.Handler, which
// is [http.FileServer], answers. What it writes is pushed.
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
	"net/http"
	"os"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/cli"
	"github.com/goframer/framer/internal/logqueue"
)

func main() {
	cli.IgnoreSIGPIPE()
	log := logqueue.New(os.Stderr, 0)
	code := run(os.Args[1:], log, cli.CatchSignals)
	log.Close() // nobody could be told of its error
	os.Exit(code)
}

// options are the values of the flags.
type options struct {
	addr, dir, cert, key string
	verbose, demo        bool
	maxHeader, maxConns  int
	requestTimeout       time.Duration
	idleTimeout          time.Duration
	writeTimeout         time.Duration
	shutdownTimeout      time.Duration
}

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	flags := cli.NewFlags("httpd", about, stderr)
	flags.AddressVar(&o.addr, "addr", "127.0.0.1:8080", "`address` to listen on; :8080 is all interfaces, port 0 any free one")
	flags.StringVar(&o.dir, "dir", ".", "`directory` to serve")
	flags.StringVar(&o.cert, "cert", "", "`file` with the certificate chain, for TLS")
	flags.StringVar(&o.key, "key", "", "`file` with the key of the certificate")
	flags.BoolVar(&o.verbose, "v", false, "log every answer, and why connections end")
	flags.BoolVar(&o.demo, "demo", false, "answer POST /echo and GET /stream?lines=N, too")
	flags.IntVar(&o.maxHeader, "max-header", 64<<10, 1, "greatest size of a request's header in `bytes`")
	flags.IntVar(&o.maxConns, "max-conns", 0, 0, "greatest `number` of connections at once, further ones wait; 0 is no limit")
	flags.DurationVar(&o.requestTimeout, "request-timeout", 30*time.Second, 0, "`duration` for a header, and for a body, from its first byte to its last; 0 is no limit")
	flags.DurationVar(&o.idleTimeout, "idle-timeout", time.Minute, 0, "`duration` for a connection on which nothing moves; 0 is no limit")
	flags.DurationVar(&o.writeTimeout, "write-timeout", time.Minute, 0, "`duration` for a client that does not take its answer; 0 is no limit")
	flags.DurationVar(&o.shutdownTimeout, "shutdown-timeout", 10*time.Second, 0, "`duration` for the answers in progress when a signal ends the server; 0 is no limit")
	return o, flags.Parse(args, o.check)
}

// about is the beginning of the usage text.
const about = `
Httpd serves a directory over HTTP/1.1, or over HTTPS with -cert and -key:

	httpd -dir public
	httpd -dir public -addr :8443 -cert cert.pem -key key.pem
`

// check checks flags that depend on each other.
func (o *options) check() error {
	if (o.cert == "") != (o.key == "") {
		return errors.New("-cert and -key go together")
	}
	return nil
}

// run runs the command. It returns the exit status, which is 2 for a wrong command line.
func run(args []string, stderr io.Writer, catch func() <-chan os.Signal) int {
	o, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return cli.Misused
	}
	if err := serve(o, stderr, catch); err != nil {
		fmt.Fprintln(stderr, "httpd:", err)
		return cli.Failed
	}
	return 0
}

// serve serves until a signal arrives or the listener fails.
func serve(o *options, stderr io.Writer, catch func() <-chan os.Signal) error {
	s, err := openSite(o.dir)
	if err != nil {
		return fmt.Errorf("-dir: %w", err)
	}
	defer s.root.Close()
	server := newServer(o, s.handler(o.demo), stderr)
	var config *tls.Config
	scheme := "http"
	if o.cert != "" {
		certificate, err := cli.LoadCertificate(o.cert, o.key)
		if err != nil {
			return err
		}
		config = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
		scheme = "https"
	}
	l, err := cli.Listen(context.Background(), "addr", o.addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "httpd: serving %s on %s://%s/\n", o.dir, scheme, l.Addr())
	if config != nil {
		l = tlsListener{l, config}
	}

	signals := catch()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-signals:
	}
	err = shutdown(server, o.shutdownTimeout, signals)
	<-ended
	return err
}

func newServer(o *options, handler http.Handler, stderr io.Writer) *framer.Server {
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelInfo
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	s := &server{handler: handler, log: logger, maxHeader: o.maxHeader, requestTimeout: o.requestTimeout}
	fs := &framer.Server{
		NewHandler: framer.Session(s.serve),
		MaxConns:   o.maxConns,
		Config: framer.Config{
			MaxQueuedBytes: 256 << 10,
			MessageTimeout: o.requestTimeout,
			IdleTimeout:    o.idleTimeout,
			WriteTimeout:   o.writeTimeout,
			Logger:         logger,
		},
	}
	if o.writeTimeout == 0 {
		fs.Config.WriteTimeout = -1 // zero would be the default
	}
	fs.RegisterOnShutdown(func() { s.closing.Store(true) })
	return fs
}

// shutdown waits until the answers in progress are sent, until the timeout if there is
// one, or until another signal.
func shutdown(server *framer.Server, timeout time.Duration, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
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
		return cli.CutOff(err, timeout)
	}
	return nil
}
