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

	// goodbye is the last line on a connection that the server ends. What the client has
	// sent and got no answer for before it was not executed, and is safe to be sent
	// again elsewhere: after HandleShutdown, no request reaches the handler.
	goodbye = "goodbye"
)

// A server answers lines.
type server struct {
	framer.Server
	name     string
	grace    time.Duration
	executed atomic.Int64 // requests
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

// HandleShutdown is called when what has come is answered.
func (c *conn) HandleShutdown() error { return c.Push([]byte(goodbye + lineEnd)) }

// run serves until a signal comes.
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
	if err := notifyReady(); err != nil { // the socket takes connections from now on
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

// end ends s, which has served what has come.
func (s *server) end(served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), maxShutdown)
	defer cancel()
	err := s.Shutdown(ctx)
	<-served
	fmt.Printf("%s: executed %d\n", s.name, s.executed.Load())
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s: %w", s.name, cli.CutOff(err, maxShutdown))
	}
	return nil // what else there can be is about a listener that was closed before
}

// A listener can stop to accept in a while.
type listener struct {
	*net.TCPListener
	stopped chan struct{} // closed when it has
}

// stopAfter has connections accepted for another d.
//
// Who sends them, such as a load balancer or DNS, learns only after a while that it should
// not, and what is in the queue of a socket that is closed is lost.
func (l *listener) stopAfter(d time.Duration) { l.SetDeadline(time.Now().Add(d)) }

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.TCPListener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		close(l.stopped)
		return nil, net.ErrClosed // Serve waits for its connections then
	}
	return nc, err
}
