// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goframer/framer"
)

// A script is a Handler of functions, all optional. It records the names of the
// methods that are called, and fails the test if two run at once, if one runs
// after HandleClose, or if HandleClose is not called exactly once.
type script struct {
	*framer.Conn
	framer.Collector
	onConnect  func() error
	onCollect  func(data []byte) error // in place of the Collector
	onFound    func() error
	onOversize func(e *framer.MessageTooLongError) error
	onShutdown func() error
	onClose    func(err error)

	t     *testing.T
	busy  atomic.Bool
	mu    sync.Mutex
	calls []string
}

// enter notes the call of a method; what it returns must be called at its end.
func (s *script) enter(name string) (leave func()) {
	if !s.busy.CompareAndSwap(false, true) {
		s.t.Errorf("%s is called while another method runs", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.calls, "close") {
		s.t.Errorf("%s is called after HandleClose", name)
	}
	s.calls = append(s.calls, name)
	return func() { s.busy.Store(false) }
}

// called returns how often the method was called.
func (s *script) called(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c == name {
			n++
		}
	}
	return n
}

func (s *script) HandleConnect() error {
	defer s.enter("connect")()
	if s.onConnect == nil {
		return nil
	}
	return s.onConnect()
}

func (s *script) CollectIncomingData(data []byte) error {
	defer s.enter("collect")()
	if s.onCollect == nil {
		return s.Collector.CollectIncomingData(data)
	}
	return s.onCollect(data)
}

func (s *script) FoundTerminator() error {
	defer s.enter("found")()
	if s.onFound == nil {
		s.Reset()
		return nil
	}
	return s.onFound()
}

func (s *script) HandleOversize(e *framer.MessageTooLongError) error {
	defer s.enter("oversize")()
	if s.onOversize == nil {
		return e
	}
	return s.onOversize(e)
}

func (s *script) HandleShutdown() error {
	defer s.enter("shutdown")()
	if s.onShutdown == nil {
		return nil
	}
	return s.onShutdown()
}

func (s *script) HandleClose(err error) {
	defer s.enter("close")()
	if s.onClose != nil {
		s.onClose(err)
	}
}

// newHandler makes s the Handler of c, with lines as its messages.
func (s *script) newHandler(c *framer.Conn) framer.Handler {
	s.Conn = c
	if err := c.SetTerminator(framer.Delimiter("\n")); err != nil {
		s.t.Error(err)
	}
	return s
}

// serve runs s on nc. At the end of the test the connection is closed.
func (s *script) serve(t *testing.T, nc net.Conn, cfg framer.Config) *framer.Conn {
	t.Helper()
	s.t = t
	t.Cleanup(func() { // runs after the one of serve
		if n := s.called("close"); n != 1 {
			t.Errorf("HandleClose was called %d times, want 1", n)
		}
	})
	return serve(t, nc, s.newHandler, cfg)
}

// serve runs a Conn on nc. At the end of the test the connection is closed.
func serve(t *testing.T, nc net.Conn, newHandler func(*framer.Conn) framer.Handler, cfg framer.Config) *framer.Conn {
	t.Helper()
	return serveContext(t, context.Background(), nc, newHandler, cfg)
}

func serveContext(t *testing.T, ctx context.Context, nc net.Conn, newHandler func(*framer.Conn) framer.Handler, cfg framer.Config) *framer.Conn {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := framer.NewConn(nc, newHandler, &cfg)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := c.Serve(ctx)
		if waited := c.Wait(); waited != err {
			t.Errorf("Serve returned %v, Wait %v", err, waited)
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c
}

// startServer runs s on l. At the end of the test it is closed.
func startServer(t *testing.T, s *framer.Server, l net.Listener) (served <-chan error) {
	t.Helper()
	if s.Config.Logger == nil {
		s.Config.Logger = slog.New(slog.DiscardHandler)
	}
	result := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		result <- s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return result
}

func newEchoLine(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &echo{Conn: c}
}

// echo sends every line back.
type echo struct {
	*framer.Conn
	framer.Collector
}

func (e *echo) FoundTerminator() error { return e.Push(append(e.Take(), "\r\n"...)) }

// A lineHandler calls f for every line.
type lineHandler struct {
	*framer.Conn
	framer.Collector
	f func(c *framer.Conn, line []byte) error
}

func (h *lineHandler) FoundTerminator() error {
	defer h.Reset()
	return h.f(h.Conn, slices.Clip(h.Bytes()))
}

// lineStyles are the ways to have f called for every line.
func lineStyles(f func(c *framer.Conn, line []byte) error) map[string]func(*framer.Conn) framer.Handler {
	lines := framer.Delimiter("\n")
	return map[string]func(*framer.Conn) framer.Handler{
		"Handler": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(lines)
			return &lineHandler{Conn: c, f: f}
		},
		"Messages": framer.Messages(lines, f),
		"Replies": framer.Replies(lines, func(c *framer.Conn, line, reply []byte) ([]byte, error) {
			return nil, f(c, line)
		}),
		"Session": framer.Session(func(c *framer.Conn) error {
			for {
				line, err := c.Next(lines)
				if err != nil {
					return err
				}
				if err := f(c, line); err != nil {
					return err
				}
			}
		}),
	}
}
