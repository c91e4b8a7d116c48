// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/cli"
)

const (
	lineEnd = "\n"

	// goodbye is the last line on a connection that the server ends. After
	// HandleShutdown, no request reaches the handler. So a request that was sent and not
	// answered before the goodbye was not executed, and the client can safely send it
	// again, to another server.
	goodbye = "goodbye"
)

// A server answers lines.
type server struct {
	framer.Server
	name     string
	grace    time.Duration
	executed atomic.Int64 // number of executed requests
}

func newServer() *server {
	s := new(server)
	s.NewHandler = func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter(lineEnd))
		return &conn{Conn: c, s: s}
	}
	return s
}

// A conn is the handler of one connection.
type conn struct {
	*framer.Conn
	framer.Collector
	s *server
}

func (c *conn) FoundTerminator() error {
	c.s.executed.Add(1)
	answer := append(c.Take(), ' ')
	answer = append(answer, c.s.name...)
	return c.Push(append(answer, lineEnd...))
}

// HandleShutdown is called when all requests that have come are answered.
func (c *conn) HandleShutdown() error { return c.Push([]byte(goodbye + lineEnd)) }

// run serves until a signal arrives.
func (s *server) run(address string) error {
	s.name = fmt.Sprintf("%s/%d", s.name, os.Getpid())
	socket, err := listen(address)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)

	l := &listener{TCPListener: socket, stopped: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	if err := notifyReady(); err != nil { // the socket accepts connections from now on
		return err
	}
	fmt.Printf("%s: serving on %s\n", s.name, l.Addr())
	for {
		select {
		case err := <-served:
			return err
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				if err := startSuccessor(socket); err != nil {
					fmt.Fprintf(os.Stderr, "%s: goes on: %v\n", s.name, err)
					continue
				}
			} else if s.grace > 0 {
				l.stopAfter(s.grace)
				select {
				case <-l.stopped:
				case err := <-served:
					return err
				}
			}
			return s.end(served)
		}
	}
}

// end ends s when it has served the requests that have come.
func (s *server) end(served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), maxShutdown)
	defer cancel()
	err := s.Shutdown(ctx)
	<-served
	fmt.Printf("%s: executed %d\n", s.name, s.executed.Load())
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s: %w", s.name, cli.CutOff(err, maxShutdown))
	}
	return nil // any other error comes from the listener, which may have been closed before
}

// A listener is a TCP listener that can stop after a delay.
type listener struct {
	*net.TCPListener
	stopped chan struct{} // closed when the listener has stopped
}

// stopAfter makes Accept fail after d.
//
// A load balancer, or DNS, learns only after a while that it must send no more clients.
// When a socket is closed, the connections in its queue are lost.
func (l *listener) stopAfter(d time.Duration) { l.SetDeadline(time.Now().Add(d)) }

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.TCPListener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		close(l.stopped)
		return nil, net.ErrClosed // Serve then waits for its connections
	}
	return nc, err
}
