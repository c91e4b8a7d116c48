// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command chat is a server of chat rooms. The clients are telnet and nc: everything is
// lines of text. It is also an example of package framer: session.go is the conversation,
// a [framer.Session], and member.go deals with clients that are too slow for their room,
// by [framer.Conn.TryPush] and a [framer.Producer].
//
// A room can span machines. NATS carries what is said from node to node. It is part of
// the program, or is already there.
//
// Usage:
//
//	chat [-addr host:port] [-cert file -key file [-tls-addr host:port]] [-data directory]
//	chat -nats url[,url...] [-node name] [-creds file] ...
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
	"sync"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/cli"
	"github.com/goframer/framer/internal/logqueue"
)

func main() {
	cli.IgnoreSIGPIPE()
	os.Exit(run(os.Args[1:], os.Stderr, cli.CatchSignals))
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
	log := logqueue.New(stderr, 0)
	defer log.Close() // nobody could be told of its error
	if err := serve(o, log, catch); err != nil {
		fmt.Fprintln(log, "chat:", err)
		return cli.Failed
	}
	return 0
}

// serve serves until a signal arrives or a listener fails.
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
	for range ended { // until all sessions have returned
	}
	return err
}

// newServer returns the server that runs the sessions.
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

// listeners are the listeners for clients.
type listeners struct {
	plain net.Listener
	tls   net.Listener // nil if there is no -tls-addr
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

// serve serves on all listeners. It returns a channel of their errors, which is closed
// when all sessions have ended.
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

// loadCertificate returns the TLS configuration of the flags, or nil if they name no
// certificate.
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

// lineTimeout is how long a client that has begun a line may take to finish it at a
// shutdown.
const lineTimeout = time.Second

// shutdown tells all clients that the server shuts down. It waits until they have left,
// until the timeout, or until another signal. After lineTimeout it no longer waits for
// clients that are in the middle of a line.
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
				c.TryPush([]byte(goodbye)) // fails if the client has been told already
				c.CloseWhenDone()
			}
		case <-signals:
			cancel()
			signals = nil
		}
	}
}
