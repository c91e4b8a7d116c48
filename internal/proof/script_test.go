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
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
)

// A script is a Handler made of functions, which are all optional. It records the names
// of the methods that are called. It fails the test if two methods run at once, if one
// runs after HandleClose, or if HandleClose is not called exactly once.
type script struct {
	*framer.Conn
	framer.Collector
	onConnect  func() error
	onCollect  func(data []byte) error // called in place of the Collector's method
	onFound    func() error
	onOversize func(e *framer.MessageTooLongError) error
	onShutdown func() error
	onClose    func(err error)

	t     *testing.T
	busy  atomic.Bool
	mu    sync.Mutex
	calls []string
}

// enter records the call of a method. The method must call leave when it ends.
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

// newHandler makes s the Handler of c. Each message is a line.
func (s *script) newHandler(c *framer.Conn) framer.Handler {
	s.Conn = c
	if err := c.SetTerminator(framer.Delimiter("\n")); err != nil {
		s.t.Error(err)
	}
	return s
}

// serve runs s on nc. It closes the connection at the end of the test.
func (s *script) serve(t *testing.T, nc net.Conn, cfg framer.Config) *framer.Conn {
	t.Helper()
	s.t = t
	t.Cleanup(func() { // runs after the cleanup function of serve
		if n := s.called("close"); n != 1 {
			t.Errorf("HandleClose was called %d times, want 1", n)
		}
	})
	return serve(t, nc, s.newHandler, cfg)
}

// serve runs a Conn on nc. It closes the connection at the end of the test.
func serve(t *testing.T, nc net.Conn, newHandler func(*framer.Conn) framer.Handler, cfg framer.Config) *framer.Conn {
	t.Helper()
	return serveContext(t, context.Background(), nc, newHandler, cfg)
}

func serveContext(t *testing.T, ctx context.Context, nc net.Conn, newHandler func(*framer.Conn) framer.Handler, cfg framer.Config) *framer.Conn {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = discardLogger()
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

// startServer runs s on l. It closes s at the end of the test.
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

// lineStyles returns handlers of every style that call f for every line.
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

// A logBook is a slog.Handler that keeps all records.
type logBook struct {
	mu      sync.Mutex
	records []slog.Record
}

func (b *logBook) Enabled(context.Context, slog.Level) bool { return true }

func (b *logBook) WithAttrs([]slog.Attr) slog.Handler { return b }

func (b *logBook) WithGroup(string) slog.Handler { return b }

func (b *logBook) Handle(_ context.Context, r slog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, r)
	return nil
}

// find returns the records that have the message.
func (b *logBook) find(message string) (found []slog.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		if r.Message == message {
			found = append(found, r)
		}
	}
	return found
}

// attr returns the value of an attribute of r as a string.
func attr(r slog.Record, key string) (value string) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == key {
			value = a.Value.String()
		}
		return true
	})
	return value
}

// A closeCounter is a Producer that counts how often it is closed.
type closeCounter struct {
	framer.Producer
	closed atomic.Int32
}

func (p *closeCounter) Close() error {
	p.closed.Add(1)
	return nil
}

// discardLogger returns a Logger for tests that want no records.
func discardLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// A fullScript is a script that also has HandleTimeout and HandleEnd.
type fullScript struct {
	script
	onTimeout func(err error) error
	onEnd     func(err error) error
}

func (s *fullScript) HandleTimeout(err error) error {
	defer s.enter("timeout")()
	if s.onTimeout == nil {
		return err
	}
	return s.onTimeout(err)
}

func (s *fullScript) HandleEnd(err error) error {
	defer s.enter("end")()
	if s.onEnd == nil {
		return nil
	}
	return s.onEnd(err)
}

func (s *fullScript) newHandler(c *framer.Conn) framer.Handler {
	s.script.newHandler(c)
	return s
}

// serve runs s on nc, as the method of script does.
func (s *fullScript) serve(t *testing.T, nc net.Conn, cfg framer.Config) *framer.Conn {
	t.Helper()
	s.t = t
	return serve(t, nc, s.newHandler, cfg)
}

// wantEndAfter fails the test unless c is open one nanosecond before d has passed, and
// has ended when d has passed. It returns the reason.
func wantEndAfter(t *testing.T, c *framer.Conn, d time.Duration) error {
	t.Helper()
	wantOpenFor(t, c, d-1)
	time.Sleep(time.Nanosecond)
	synctest.Wait()
	select {
	case <-c.Context().Done():
	default:
		t.Fatalf("the connection is open after %v", d)
	}
	return c.Wait()
}

// wantOpenFor fails the test if c ends within d.
func wantOpenFor(t *testing.T, c *framer.Conn, d time.Duration) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	select {
	case <-c.Context().Done():
		t.Fatalf("the connection has ended within %v: %v", d, c.Wait())
	default:
	}
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	nc, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(watchdog)) // a failing test must not hang
	return nc
}

// checkEcho fails the test unless the server sends a line back.
func checkEcho(t *testing.T, peer net.Conn) {
	t.Helper()
	writeString(t, peer, "hello\r\n")
	readString(t, peer, "hello\r\n")
}

var styles = []string{"Handler", "Messages", "Session"}

// A gate blocks a handler until its test lets the handler go on.
type gate struct{ entered, left chan struct{} }

func newGate() *gate { return &gate{make(chan struct{}), make(chan struct{})} }

// pass is called by the handler. It blocks until open is called. It returns an error if
// the connection ends before.
func (g *gate) pass(c *framer.Conn) error {
	for _, step := range []chan struct{}{g.entered, g.left} {
		select {
		case step <- struct{}{}:
		case <-c.Context().Done():
			return context.Cause(c.Context())
		}
	}
	return nil
}

// await blocks until the handler of c calls pass.
func (g *gate) await(t *testing.T, c *framer.Conn) { meet(t, c, g.entered) }

// open lets pass return in the handler of c.
func (g *gate) open(t *testing.T, c *framer.Conn) { meet(t, c, g.left) }

func meet(t *testing.T, c *framer.Conn, step <-chan struct{}) {
	t.Helper()
	select {
	case <-step:
	case <-c.Context().Done():
		t.Fatalf("the connection has ended: %v", context.Cause(c.Context()))
	}
}
