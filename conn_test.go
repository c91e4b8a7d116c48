// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/google/go-cmp/cmp"
)

// A comment that begins with "asynchat:" or "asyncore:" names the tests of CPython to
// which a test corresponds.

// asynchat: line_terminator1, line_terminator2, line_terminator3,
// numeric_terminator1, numeric_terminator2, none_terminator, empty_line
func TestConnDividesInput(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		term     framer.Terminator
		input    string
		messages []string
		rest     string
	}{
		{"line_terminator1", framer.Delimiter("\n"), "hello world\nI'm not dead yet!\n", []string{"hello world", "I'm not dead yet!"}, ""},
		{"line_terminator2", framer.Delimiter("\r\n"), "hello world\r\nI'm not dead yet!\r\n", []string{"hello world", "I'm not dead yet!"}, ""},
		{"line_terminator3", framer.Delimiter("qqq"), "hello worldqqqI'm not dead yet!qqq", []string{"hello world", "I'm not dead yet!"}, ""},
		{"numeric_terminator1", framer.Length(1), "hello world", []string{"h"}, "ello world"},
		{"numeric_terminator2", framer.Length(6), "hello world", []string{"hello "}, "world"},
		{"none_terminator", framer.None(), "hello world\nI'm not dead yet!\n", nil, "hello world\nI'm not dead yet!\n"},
		{"empty_line", framer.Delimiter("\n"), "hello world\n\nI'm not dead yet!\n", []string{"hello world", "", "I'm not dead yet!"}, ""},
	}
	for _, test := range tests {
		for size := 1; size <= 3; size++ {
			t.Run(fmt.Sprintf("%s/%d", test.name, size), func(t *testing.T) {
				onTransports(t, func(t *testing.T, nc, peer net.Conn) {
					var messages []string
					var s script
					s.onConnect = func() error { return s.SetTerminator(test.term) }
					s.onFound = func() error {
						messages = append(messages, string(s.Take()))
						return nil
					}
					c := s.serve(t, nc, framer.Config{})
					for piece := range slices.Chunk([]byte(test.input), size) {
						writeString(t, peer, string(piece))
					}
					endInput(t, peer)
					if err := c.Wait(); err != nil {
						t.Error(err)
					}
					if diff := cmp.Diff(test.messages, messages); diff != "" {
						t.Errorf("messages (-want +got):\n%s", diff)
					}
					if rest := string(s.Bytes()); rest != test.rest {
						t.Errorf("the rest is %q, want %q", rest, test.rest)
					}
				})
			})
		}
	}
}

// asynchat: find_prefix_at_end. The bytes with which a delimiter may begin are held back,
// and no others.
func TestConnHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		var s script
		s.onConnect = func() error { return s.SetTerminator(framer.Delimiter("\r\n")) }
		s.serve(t, nc, framer.Config{})
		for _, step := range []struct{ input, want string }{
			{"qwerty\r", "qwerty"},
			{"x", "qwerty\rx"},
			{"qwertydkjf", "qwerty\rxqwertydkjf"},
		} {
			writeString(t, peer, step.input)
			synctest.Wait()
			if got := string(s.Bytes()); got != step.want {
				t.Errorf("after %q the handler has %q, want %q", step.input, got, step.want)
			}
		}
	})
}

// asynchat: disallow_negative_terminator. A terminator that makes no sense is refused, and
// the old one stays in force. During a Length, Terminator returns what is left of it.
func TestConnTerminator(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	var got []framer.Terminator
	s.onConnect = func() error { return s.SetTerminator(framer.Length(5)) }
	s.onCollect = func([]byte) error {
		if err := s.SetTerminator(framer.Length(-1)); err == nil {
			t.Error("a negative length was accepted")
		}
		got = append(got, s.Terminator())
		return s.SetTerminator(s.Terminator()) // otherwise the refusal would end the connection
	}
	c := s.serve(t, nc, framer.Config{})
	writeString(t, peer, "ab")
	writeString(t, peer, "cde")
	writeString(t, peer, "f")
	peer.Close()
	c.Wait()
	if want := []framer.Terminator{framer.Length(3), framer.None(), framer.None()}; !slices.Equal(got, want) {
		t.Errorf("the terminators are %v, want %v", got, want)
	}
}

// endInput ends the output of peer, by CloseWrite if peer has it.
func endInput(t *testing.T, peer net.Conn) {
	t.Helper()
	var err error
	if half, ok := peer.(interface{ CloseWrite() error }); ok {
		err = half.CloseWrite()
	} else {
		err = peer.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

// asyncore: handle_connect, handle_accept, handle_accepted, handle_read,
// handle_write, handle_close, readwrite, connection_attributes
func TestHooksAreCalledOnce(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		s.onConnect = func() error { return s.Push([]byte("welcome\n")) }
		s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
		c := s.serve(t, nc, framer.Config{})
		readString(t, peer, "welcome\n")
		writeString(t, peer, "hello\n")
		readString(t, peer, "hello\n")
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"connect", "collect", "found", "close"}, s.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// asyncore: unhandled. A Handler needs none of the optional methods.
func TestMinimalHandler(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		c := serve(t, nc, func(c *framer.Conn) framer.Handler {
			c.SetTerminator(framer.Delimiter("\r\n"))
			return &echo{Conn: c}
		}, framer.Config{})
		writeString(t, peer, "hello\r\n")
		readString(t, peer, "hello\r\n")
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// asyncore: dispatcher_with_send.send
// asynchat: push, string_producer, simple_producer
func TestOutputArrivesJoined(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		s.onConnect = func() error {
			return errors.Join(
				s.Push([]byte("Suppose there isn't a ")),
				s.Push(nil),
				s.PushWithProducer(framer.NewBytesProducer([]byte("16-ton "))),
				s.PushWithProducer(framer.NewSimpleProducer([]byte("weight?"), 3)),
				s.Push([]byte("\n")),
				s.CloseWhenDone(),
			)
		}
		c := s.serve(t, nc, framer.Config{})
		if got, want := readAll(t, peer), "Suppose there isn't a 16-ton weight?\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// asyncore: basic, repr, connection_attributes
func TestConnString(t *testing.T) {
	nc, peer := tcpPair(t)
	defer peer.Close()
	addresses := fmt.Sprintf("%v->%v", peer.RemoteAddr(), peer.LocalAddr())
	var s script
	active := make(chan string, 1)
	closing := make(chan string, 1)
	s.onConnect = func() error {
		active <- s.String()
		return nil
	}
	s.onClose = func(error) { closing <- s.String() }
	s.t = t
	c := framer.NewConn(nc, s.newHandler, nil)
	if got, want := c.String(), addresses+" (new)"; got != want {
		t.Errorf("before Serve: %s, want %s", got, want)
	}
	peer.Close()
	if err := c.Serve(t.Context()); err != nil {
		t.Error(err)
	}
	if got, want := <-active, addresses+" (active)"; got != want {
		t.Errorf("in HandleConnect: %s, want %s", got, want)
	}
	if got, want := <-closing, addresses+" (closed)"; got != want {
		t.Errorf("in HandleClose: %s, want %s", got, want)
	}
	if c.NetConn() != nc || c.LocalAddr() != nc.LocalAddr() || c.RemoteAddr() != nc.RemoteAddr() {
		t.Error("the connection and its addresses are not those that were given")
	}
}

func TestConnStateString(t *testing.T) {
	var got []string
	for s := framer.StateNew; s <= framer.StateClosed+1; s++ {
		got = append(got, s.String())
	}
	want := []string{"new", "handshake", "active", "closing", "closed", "ConnState(5)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

// asyncore: close_twice
func TestCloseTwice(t *testing.T) {
	t.Parallel()
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		connected := make(chan struct{})
		s.onConnect = func() error {
			close(connected)
			return nil
		}
		c := s.serve(t, nc, framer.Config{})
		handshake(t, peer)
		<-connected
		for range 2 {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := c.Wait(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Wait: %v, want net.ErrClosed", err)
		}
		if err := errors.Join(c.Close(), c.CloseWhenDone()); err != nil {
			t.Errorf("after the end: %v", err)
		}
	})
}

// handshake performs the peer's part of a TLS handshake, if there is one.
func handshake(t *testing.T, peer net.Conn) {
	t.Helper()
	if tc, ok := peer.(interface{ Handshake() error }); ok {
		if err := tc.Handshake(); err != nil {
			t.Error(err)
		}
	}
}

func TestCloseBeforeServe(t *testing.T) {
	nc, peer := net.Pipe()
	p := &closeCounter{Producer: framer.NewBytesProducer([]byte("data"))}
	c := framer.NewConn(nc, func(*framer.Conn) framer.Handler {
		t.Error("newHandler is called")
		return nil
	}, nil)
	if err := c.PushWithProducer(p); err != nil {
		t.Error(err)
	}
	c.Close()
	if got := readAll(t, peer); got != "" {
		t.Errorf("the peer got %q", got)
	}
	if n := p.closed.Load(); n != 1 {
		t.Errorf("the producer was closed %d times, want 1", n)
	}
	if err := c.Wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Wait: %v, want net.ErrClosed", err)
	}
	if err := c.Serve(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v, want net.ErrClosed", err)
	}
}

func TestServeTwice(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	again := make(chan error, 1)
	s.onConnect = func() error {
		again <- s.Serve(t.Context())
		return nil
	}
	c := s.serve(t, nc, framer.Config{})
	if err := <-again; err == nil {
		t.Error("the second Serve returned no error")
	}
	peer.Close()
	if err := c.Wait(); err != nil {
		t.Errorf("the first Serve: %v", err)
	}
}

// failures returns the ways in which a callback can fail. check is given the reason of the
// connection's end.
func failures() []failure {
	errBad := errors.New("bad")
	return []failure{
		{"error", func() error { return errBad }, func(t *testing.T, err error, _ *logBook) {
			if err != errBad {
				t.Errorf("ended with %v, want %v", err, errBad)
			}
		}},
		{"panic", func() error { panic(errBad) }, checkPanic},
		{"goexit", func() error { runtime.Goexit(); return nil }, func(t *testing.T, err error, _ *logBook) {
			if err == nil {
				t.Error("ended without an error")
			}
		}},
	}
}

type failure struct {
	name  string
	fail  func() error
	check func(t *testing.T, err error, logs *logBook)
}

// asyncore: compact_traceback, handle_error
func checkPanic(t *testing.T, err error, logs *logBook) {
	t.Helper()
	var p *framer.PanicError
	if !errors.As(err, &p) {
		t.Fatalf("ended with %v, want a PanicError", err)
	}
	if e, ok := p.Value.(error); !ok || e.Error() != "bad" || !errors.Is(err, e) {
		t.Errorf("the value of the panic is %v, want the error %q", p.Value, "bad")
	}
	if !bytes.Contains(p.Stack, []byte("framer_test.failures")) {
		t.Errorf("the stack does not show where the panic was:\n%s", p.Stack)
	}
	var records []slog.Record
	for _, where := range []string{"the handler", "newHandler", "a producer"} {
		records = append(records, logs.find("framer: panic in "+where)...)
	}
	if len(records) != 1 || records[0].Level != slog.LevelError || attr(records[0], "stack") != string(p.Stack) {
		t.Errorf("logged %v, want the panic at level Error with its stack", records)
	}
}

// asyncore: readwriteexc. If a handler fails, the peer still receives what was pushed
// before, and an orderly end.
func TestHandlerFails(t *testing.T) {
	t.Parallel()
	hooks := []struct {
		name string
		set  func(s *script, f func() error)
	}{
		{"connect", func(s *script, f func() error) { s.onConnect = f }},
		{"collect", func(s *script, f func() error) { s.onCollect = func([]byte) error { return f() } }},
		{"found", func(s *script, f func() error) { s.onFound = f }},
		{"oversize", func(s *script, f func() error) {
			s.onOversize = func(*framer.MessageTooLongError) error { return f() }
		}},
	}
	for _, hook := range hooks {
		for _, failure := range failures() {
			t.Run(hook.name+"/"+failure.name, func(t *testing.T) {
				onTransports(t, func(t *testing.T, nc, peer net.Conn) {
					testHandlerFails(t, nc, peer, hook.set, failure, hook.name)
				})
			})
		}
	}
}

func testHandlerFails(t *testing.T, nc, peer net.Conn, set func(*script, func() error), failure failure, hook string) {
	lastWords := strings.Repeat("last words ", 10000)
	var s script
	var closedWith error
	s.onClose = func(err error) { closedWith = err }
	set(&s, func() error {
		if err := s.Push([]byte(lastWords)); err != nil {
			t.Error(err)
		}
		return failure.fail()
	})
	var logs logBook
	c := s.serve(t, nc, framer.Config{MaxMessageSize: 20, Logger: slog.New(&logs)})
	go io.WriteString(peer, "message\na message that is too long\nanother message\n")
	if got := readAll(t, peer); got != lastWords {
		t.Errorf("the peer got %d bytes, want %d", len(got), len(lastWords))
	}
	peer.Close()
	err := c.Wait()
	failure.check(t, err, &logs)
	if closedWith != err {
		t.Errorf("HandleClose got %v, Wait returned %v", closedWith, err)
	}
	if n := s.called(hook); n != 1 {
		t.Errorf("the hook was called %d times, want 1", n)
	}
}

// CloseWhenDone of another goroutine does not wait for a read to return.
func TestCloseWhenDoneWhileReading(t *testing.T) {
	t.Parallel()
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		collected := make(chan struct{})
		s.onCollect = func([]byte) error {
			close(collected)
			return nil
		}
		c := s.serve(t, nc, framer.Config{})
		writeString(t, peer, "half a mess")
		<-collected
		if err := errors.Join(c.Push([]byte("bye\n")), c.CloseWhenDone()); err != nil {
			t.Error(err)
		}
		if got := readAll(t, peer); got != "bye\n" {
			t.Errorf("the peer got %q, want %q", got, "bye\n")
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

type contextKey struct{}

// When the context of Serve ends, the connection is closed at once. The reason is the
// cause of the context.
func TestServeContextEnds(t *testing.T) {
	t.Parallel()
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		errStop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), contextKey{}, "value"))
		defer cancel(nil)
		var s script
		s.t = t
		connected := make(chan struct{})
		s.onConnect = func() error {
			close(connected)
			return nil
		}
		c := serveContext(t, ctx, nc, s.newHandler, framer.Config{})
		handshake(t, peer)
		<-connected
		if got := c.Context().Value(contextKey{}); got != "value" {
			t.Errorf("the context has the value %v", got)
		}
		if err := c.Context().Err(); err != nil {
			t.Errorf("the context has ended: %v", err)
		}
		cancel(errStop)
		if err := c.Wait(); err != errStop {
			t.Errorf("Wait: %v, want %v", err, errStop)
		}
		<-c.Context().Done()
		if cause := context.Cause(c.Context()); cause != errStop {
			t.Errorf("the cause is %v, want %v", cause, errStop)
		}
	})
}

func TestDial(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			address := "127.0.0.1:0"
			if network == "unix" {
				address = t.TempDir() + "/socket"
			}
			l, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "value"))
			var s script
			s.t = t
			s.onConnect = func() error { return s.Push([]byte("hello\n")) }
			var answer string
			s.onFound = func() error {
				answer = string(s.Take())
				return s.CloseWhenDone()
			}
			c, err := framer.Dial(ctx, network, l.Addr().String(), s.newHandler, nil)
			if err != nil {
				t.Fatal(err)
			}
			if s.Conn != c {
				t.Error("newHandler was not called before Dial returned")
			}
			cancel() // ctx only limits the time for connecting
			if got := c.Context().Value(contextKey{}); got != "value" {
				t.Errorf("the context has the value %v", got)
			}
			peer, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			readString(t, peer, "hello\n")
			writeString(t, peer, "answer\n")
			readAll(t, peer)
			peer.Close()
			if err := c.Wait(); err != nil || answer != "answer" {
				t.Errorf("Wait: %v; the answer was %q", err, answer)
			}
		})
	}
}

func TestDialFails(t *testing.T) {
	never := func(*framer.Conn) framer.Handler {
		t.Error("newHandler is called")
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := framer.Dial(ctx, "tcp", l.Addr().String(), never, nil); err == nil {
		t.Error("Dial with a context that has ended returned no error")
	}
	if _, err := framer.Dial(t.Context(), "unix", t.TempDir()+"/none", never, nil); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("Dial: %v, want ENOENT", err)
	}
	c, err := framer.Dial(t.Context(), "tcp", l.Addr().String(), func(*framer.Conn) framer.Handler { return nil }, &framer.Config{Logger: slog.New(slog.DiscardHandler)})
	if err == nil || c != nil {
		t.Errorf("Dial without a Handler: %v, %v", c, err)
	}
}

// A fullScript is a script that also has the methods for timeouts and for the end of the
// input.
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

// serve is serve for a fullScript.
func (s *fullScript) serve(t *testing.T, nc net.Conn, cfg framer.Config) *framer.Conn {
	t.Helper()
	s.t = t
	return serve(t, nc, s.newHandler, cfg)
}

// A seeThroughConn wraps a connection and returns it by NetConn.
type seeThroughConn struct{ net.Conn }

func (c seeThroughConn) NetConn() net.Conn { return c.Conn }

// onWrappedTransports is onTransports, and runs test with wrapped connections as well.
func onWrappedTransports(t *testing.T, test func(t *testing.T, nc, peer net.Conn)) {
	t.Helper()
	onTransports(t, test)
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"opaque":      func(nc net.Conn) net.Conn { return struct{ net.Conn }{nc} },
		"see-through": func(nc net.Conn) net.Conn { return seeThroughConn{nc} },
	} {
		t.Run(name, func(t *testing.T) {
			nc, peer := tcpPair(t)
			t.Cleanup(func() { peer.Close() })
			peer.SetDeadline(time.Now().Add(time.Minute))
			test(t, wrap(nc), peer)
		})
	}
}

// A line makes the handler call Hijack. What was pushed before is sent first. What has
// come after the line is read first, however much it is.
func TestHijack(t *testing.T) {
	t.Parallel()
	for style := range lineStyles(nil) {
		for _, size := range []int{0, 5, 300 << 10} {
			t.Run(fmt.Sprintf("%s/%d", style, size), func(t *testing.T) {
				onWrappedTransports(t, func(t *testing.T, nc, peer net.Conn) { testHijack(t, style, size, nc, peer) })
			})
		}
	}
}

func testHijack(t *testing.T, style string, size int, nc, peer net.Conn) {
	raw := pattern(size)
	newHandler := lineStyles(func(c *framer.Conn, line []byte) error {
		if string(line) != "hijack" {
			return c.Push(append(line, '\n'))
		}
		c.Hijack(func(nc net.Conn) {
			defer nc.Close()
			got := make([]byte, size)
			if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, raw) {
				t.Errorf("the function did not get what was sent: %v", err)
			}
			io.WriteString(nc, "raw")
			io.ReadFull(nc, got[:min(size, 1)]) // a deadline that was left would end this read
		})
		return c.Push([]byte("taking over\n"))
	})[style]
	var logs logBook
	c := serve(t, nc, newHandler, framer.Config{IdleTimeout: time.Hour, Logger: slog.New(&logs)})
	go io.WriteString(peer, "one\nhijack\n"+string(raw))
	readString(t, peer, "one\ntaking over\nraw")
	if size > 0 {
		writeString(t, peer, "x")
	}
	if got := readAll(t, peer); got != "" {
		t.Errorf("the peer got %q as well", got)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if err := c.Push([]byte("too late")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Push after Hijack: %v", err)
	}
	if r := logs.find("framer: connection ended"); len(r) != 1 || attr(r[0], "end") != "Hijack" {
		t.Errorf("logged %v, want the end by Hijack", r)
	}
}

// A connection that the function of Hijack hands on stays open after Serve has returned.
// The Conn does not touch it any more.
func TestHijackHandsOn(t *testing.T) {
	t.Parallel()
	onWrappedTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		handed := make(chan net.Conn, 1)
		s.onFound = func() error {
			s.Hijack(func(nc net.Conn) { handed <- nc })
			return nil
		}
		c := s.serve(t, nc, framer.Config{})
		writeString(t, peer, "hijack\n")
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		c.Close()
		c.CloseWithError(errors.New("bad"))
		taken := <-handed
		sent := call(func() error { _, err := io.WriteString(taken, "still open"); return err })
		readString(t, peer, "still open")
		if err := errors.Join(<-sent, taken.Close()); err != nil {
			t.Error(err)
		}
	})
}

// After CloseWrite, the peer sees the end of the output after what was pushed. It goes on
// sending, and its messages are still handled.
func TestCloseWrite(t *testing.T) {
	t.Parallel()
	for style := range lineStyles(nil) {
		t.Run(style, func(t *testing.T) {
			onWrappedTransports(t, func(t *testing.T, nc, peer net.Conn) {
				_, seeThrough := nc.(seeThroughConn)
				can := canHalfClose(nc) || seeThrough
				var got []string
				c := serve(t, nc, lineStyles(func(c *framer.Conn, line []byte) error {
					got = append(got, string(line))
					if string(line) != "half" {
						return nil
					}
					if err := c.Push([]byte("last words")); err != nil {
						return err
					}
					for range 2 {
						if err := c.CloseWrite(); can != (err == nil) || !can && !errors.Is(err, errors.ErrUnsupported) {
							t.Errorf("CloseWrite: %v", err)
						}
					}
					if !can {
						return c.CloseWhenDone()
					}
					if err := c.Push([]byte("too late")); !errors.Is(err, net.ErrClosed) {
						t.Errorf("Push after CloseWrite: %v", err)
					}
					return nil
				})[style], framer.Config{LingerTimeout: time.Millisecond})
				writeString(t, peer, "half\n")
				if got := readAll(t, peer); got != "last words" {
					t.Errorf("the peer got %q", got)
				}
				want := []string{"half"}
				if can {
					writeString(t, peer, "one\n")
					writeString(t, peer, "two\n")
					want = append(want, "one", "two")
				}
				if canHalfClose(peer) {
					endInput(t, peer)
				} else {
					peer.Close()
				}
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("lines (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Serve, Wait and HandleClose report the error of CloseWithError. It is logged at level
// Info.
func TestCloseWithError(t *testing.T) {
	t.Parallel()
	errSlow := errors.New("too slow")
	onWrappedTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		var logs logBook
		var closedWith error
		connected := make(chan struct{})
		s.onConnect = func() error {
			close(connected)
			return nil
		}
		s.onClose = func(err error) { closedWith = err }
		c := s.serve(t, nc, framer.Config{Logger: slog.New(&logs)})
		handshake(t, peer)
		<-connected
		for _, err := range []error{errSlow, errors.New("another"), nil} {
			if err := c.CloseWithError(err); err != nil {
				t.Error(err)
			}
		}
		if err := c.Wait(); err != errSlow || closedWith != errSlow || context.Cause(c.Context()) != errSlow {
			t.Errorf("Wait returned %v, HandleClose got %v, the context %v", err, closedWith, context.Cause(c.Context()))
		}
		if err := c.Push([]byte("too late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Push after CloseWithError: %v", err)
		}
		if r := logs.find("framer: connection ended"); len(r) != 1 || r[0].Level != slog.LevelInfo || attr(r[0], "error") != "too slow" {
			t.Errorf("logged %v, want the reason at level Info", r)
		}
	})
	nc, peer := net.Pipe()
	defer peer.Close()
	c := framer.NewConn(nc, new(script).newHandler, nil)
	c.CloseWithError(nil)
	if err := c.Wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after CloseWithError(nil): %v", err)
	}
}

// The method Handler returns the handler that newHandler has returned.
func TestConnHandler(t *testing.T) {
	nc, peer := net.Pipe()
	var s script
	entered, left, connected := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.t = t
	s.onConnect = func() error {
		close(connected)
		return nil
	}
	c := serve(t, nc, func(c *framer.Conn) framer.Handler {
		close(entered)
		<-left
		return s.newHandler(c)
	}, framer.Config{})
	<-entered
	if h := c.Handler(); h != nil {
		t.Errorf("the handler is %v before it was made", h)
	}
	close(left)
	<-connected
	if h := c.Handler(); h != framer.Handler(&s) {
		t.Errorf("the handler is %v", h)
	}
	peer.Close()
	c.Wait()
	if h := c.Handler(); h != framer.Handler(&s) {
		t.Errorf("in the end the handler is %v", h)
	}
}

// HandleEnd is called once, after all that the peer has sent was handled. The peer
// receives what it pushes.
func TestHandleEnd(t *testing.T) {
	t.Parallel()
	errBad := errors.New("bad")
	for name, test := range map[string]struct {
		input string
		given error
		give  func(given error) error
		want  error
	}{
		"nothing came":          {"", nil, func(error) error { return nil }, nil},
		"whole":                 {"line\n", nil, func(error) error { return nil }, nil},
		"whole, error":          {"line\n", nil, func(error) error { return errBad }, errBad},
		"unfinished":            {"line\nhal", io.ErrUnexpectedEOF, func(error) error { return nil }, io.ErrUnexpectedEOF},
		"unfinished, the same":  {"line\nhal", io.ErrUnexpectedEOF, func(err error) error { return err }, io.ErrUnexpectedEOF},
		"unfinished, more":      {"line\nhal", io.ErrUnexpectedEOF, func(err error) error { return fmt.Errorf("bye: %w", err) }, io.ErrUnexpectedEOF},
		"unfinished, another":   {"line\nhal", io.ErrUnexpectedEOF, func(error) error { return errBad }, errBad},
		"unfinished, held back": {"line\n\r", io.ErrUnexpectedEOF, func(error) error { return nil }, io.ErrUnexpectedEOF},
		"panic":                 {"line\n", nil, func(error) error { panic(errBad) }, errBad},
	} {
		t.Run(name, func(t *testing.T) {
			onWrappedTransports(t, func(t *testing.T, nc, peer net.Conn) {
				if !canHalfClose(peer) {
					return
				}
				var s fullScript
				s.onConnect = func() error { return s.SetTerminator(framer.AnyDelimiter("\n", "\r\r")) }
				s.onEnd = func(err error) error {
					if err != test.given {
						t.Errorf("HandleEnd got %v, want %v", err, test.given)
					}
					fmt.Fprintf(&s, "in the end %q", s.Bytes())
					return test.give(err)
				}
				c := s.serve(t, nc, framer.Config{})
				writeString(t, peer, test.input)
				endInput(t, peer)
				_, rest, _ := strings.Cut(test.input, "\n")
				if got, want := readAll(t, peer), fmt.Sprintf("in the end %q", rest); got != want {
					t.Errorf("the peer got %q, want %q", got, want)
				}
				if err := c.Wait(); !errors.Is(err, test.want) {
					t.Errorf("Wait: %v, want %v", err, test.want)
				}
				if got, truncated := c.Stats().End, test.want == io.ErrUnexpectedEOF; truncated != (got == framer.EndTruncated) {
					t.Errorf("ended because of %v", got)
				}
				if n := s.called("end"); n != 1 {
					t.Errorf("HandleEnd was called %d times", n)
				}
			})
		})
	}
}
