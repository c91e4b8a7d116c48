// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command chat is a server of chat rooms over lines of text; telnet and nc are the
// clients. It is also an example of package framer: session.go is the conversation, a
// [framer.Session], and member.go what is done about clients that are too slow for
// their room, by [framer.Conn.TryPush] and a [framer.Producer].
//
// Rooms may span machines: NATS, which is part of the program or exists already,
// carries what is said from node to node.
//
// Usage:
//
//	chat [-addr host:port] [-cert file -key file [-tls-addr host:port]] [-data directory]
//	chat -nats url[,url...] [-node name] [-creds file] ...
//
// The other flags are in the README.
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
	"sync"
	"syscall"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/cli"
	"github.com/goframer/framer/internal/logqueue"
)

func main() {
	// A write to a log that is closed fails, then, instead of ending the program.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(os.Args[1:], os.Stderr, catchSignals))
}

// catchSignals is called when there is something to end gracefully.
func catchSignals() <-chan os.Signal {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	return signals
}

// logTimeout is how long the last of a log may take to be read.
const logTimeout = time.Second

// run is the command. It returns the exit status: 2 if it was called wrongly.
func run(args []string, stderr io.Writer, catch func() <-chan os.Signal) int {
	o, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return cli.Misused
	}
	log := logqueue.New(stderr, 0)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), logTimeout)
		defer cancel()
		log.Close(ctx) // nobody is left to be told of its error
	}()
	if err := serve(o, log, catch); err != nil {
		fmt.Fprintln(log, "chat:", err)
		return cli.Failed
	}
	return 0
}

// serve serves until a signal comes or a listener fails.
func serve(o *options, stderr io.Writer, catch func() <-chan os.Signal) error {
	tlsConfig, err := o.loadCertificate()
	if err != nil {
		return err
	}
	listeners, err := o.listen()
	if err != nil {
		return err
	}
	defer listeners.close()
	log := o.newLogger(stderr)
	hub := newHub(o, tlsConfig, log)
	if err := hub.connect(); err != nil {
		return err
	}
	defer hub.close()
	if reason := hub.history.reason; reason != nil {
		log.Warn("chat: there is no history", "error", reason)
	}

	server := hub.newServer()
	fmt.Fprintf(stderr, "chat: node %s serves on %s\n", o.node, listeners.plain.Addr())
	if listeners.tls != nil {
		fmt.Fprintf(stderr, "chat: and with TLS on %s\n", listeners.tls.Addr())
	}
	signals := catch()
	ended := listeners.serve(server)
	select {
	case err = <-ended:
		server.Close()
	case <-signals:
		hub.closing.Store(true)
		err = shutdown(server, o.shutdownTimeout, signals)
	}
	for range ended { // until the sessions have returned
	}
	return err
}

// newServer returns the server of the sessions.
func (h *hub) newServer() *framer.Server {
	return &framer.Server{
		NewHandler: framer.Session(h.serve),
		TLSConfig:  h.tlsConfig,
		MaxConns:   h.maxConns,
		Refuse: func(nc net.Conn) {
			io.WriteString(nc, "* this server has too many connections, try again later\r\n")
		},
		Config: framer.Config{
			MaxMessageSize:  maxLine,
			MaxQueuedBytes:  h.queue,
			ReadIdleTimeout: h.idleTimeout,
			WriteTimeout:    h.writeTimeout,
			Logger:          h.log,
		},
	}
}

// listeners are what clients connect to.
type listeners struct {
	plain net.Listener
	tls   net.Listener // nil without -tls-addr
}

func (o *options) listen() (*listeners, error) {
	plain, err := cli.Listen(context.Background(), "addr", o.addr)
	if err != nil {
		return nil, err
	}
	l := &listeners{plain: plain}
	if o.tlsAddr == "" {
		return l, nil
	}
	if l.tls, err = cli.Listen(context.Background(), "tls-addr", o.tlsAddr); err != nil {
		plain.Close()
		return nil, err
	}
	return l, nil
}

// serve returns a channel of the errors, which is closed when all sessions have ended.
func (l *listeners) serve(server *framer.Server) <-chan error {
	ended := make(chan error, 2)
	var all sync.WaitGroup
	all.Go(func() { ended <- server.Serve(l.plain) })
	if l.tls != nil {
		all.Go(func() { ended <- server.ServeTLS(l.tls, "", "") })
	}
	go func() {
		all.Wait()
		close(ended)
	}()
	return ended
}

func (l *listeners) close() {
	l.plain.Close()
	if l.tls != nil {
		l.tls.Close()
	}
}

// loadCertificate returns nil if there is none.
func (o *options) loadCertificate() (*tls.Config, error) {
	if o.cert == "" {
		return nil, nil
	}
	certificate, err := cli.LoadCertificate(o.cert, o.key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}}, nil
}

func (o *options) newLogger(w io.Writer) *slog.Logger {
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// lineTimeout is how long, at a shutdown, a client may take for the rest of a line that it
// has begun.
const lineTimeout = time.Second

// shutdown has everybody told, and waits until they have left, until the timeout, or
// another signal. Who is still in the middle of a line after lineTimeout is not waited for.
func shutdown(server *framer.Server, timeout time.Duration, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(ctx) }()
	late := time.NewTimer(lineTimeout)
	defer late.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return cli.CutOff(err, timeout)
			}
			return nil
		case <-late.C:
			for c := range server.Conns() {
				c.TryPush([]byte(goodbye)) // which fails for who has been told
				c.CloseWhenDone()
			}
		case <-signals:
			cancel()
			signals = nil
		}
	}
}
