// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.
package framer_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
	"github.com/google/go-cmp/cmp"
)

// The comments "asynchat:" and "asyncore:" name the tests of CPython whose
// counterpart a test is.
// asynchat: line_terminator1, line_terminator2, line_terminator3,
// numeric_terminator1, numeric_terminator2, none_terminator, empty_line
func TestConnDividesInput(t *testing.T) {
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

// asynchat: find_prefix_at_end. What could begin the delimiter is held back, and
// nothing else.
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

// asynchat: disallow_negative_terminator. A senseless terminator is refused, and the
// one in force stays. During a Length, it is what remains.
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
		return s.SetTerminator(s.Terminator()) // or the refusal would end the connection
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

// endInput ends what peer sends, in the way that it can.
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

// asyncore: unhandled. A Handler needs no hook.
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

func TestConnStats(t *testing.T) {
	nc, peer := tcpPair(t)
	defer peer.Close()
	var s script
	s.onFound = func() error { return s.Push([]byte("reply\n")) }
	c := s.serve(t, nc, framer.Config{})
	writeString(t, peer, "one\ntwo\nthree")
	readString(t, peer, "reply\nreply\n")
	endInput(t, peer)
	readAll(t, peer)
	c.Wait()
	want := framer.ConnStats{BytesRead: 13, BytesWritten: 12, MessagesRead: 2}
	if diff := cmp.Diff(want, c.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// asyncore: close_twice
func TestCloseTwice(t *testing.T) {
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

// handshake does the peer's part of a TLS handshake.
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

// asyncore: close_after_conn_broken, of both kinds: a reset while reading, and one
// that is only seen in writing. No error of the network is logged as a fault.
func TestConnectionBroken(t *testing.T) {
	reset := func(t *testing.T, peer net.Conn) {
		t.Helper()
		if err := peer.(*net.TCPConn).SetLinger(0); err != nil {
			t.Error(err)
		}
		peer.Close()
	}
	t.Run("reading", func(t *testing.T) {
		nc, peer := tcpPair(t)
		var s script
		var logs logBook
		c := s.serve(t, nc, framer.Config{Logger: slog.New(&logs)})
		writeString(t, peer, "unfinished")
		reset(t, peer)
		if err := c.Wait(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Wait: %v, want ECONNRESET", err)
		}
		for _, r := range logs.find("framer: connection ended") {
			if r.Level != slog.LevelDebug {
				t.Errorf("logged at level %v, want Debug", r.Level)
			}
		}
	})
	t.Run("writing", func(t *testing.T) {
		nc, peer := tcpPair(t)
		var s script
		broken := make(chan struct{})
		p := &closeCounter{Producer: framer.ProducerFunc(func() ([]byte, error) {
			<-broken
			return []byte("more"), nil
		})}
		s.onFound = func() error {
			if err := s.PushWithProducer(p); err != nil {
				return err
			}
			reset(t, peer)
			close(broken)
			<-s.Context().Done() // nothing is read, so that only the writer can tell
			return nil
		}
		c := s.serve(t, nc, framer.Config{})
		writeString(t, peer, "request\n")
		err := c.Wait()
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Wait: %v, want ECONNRESET or EPIPE", err)
		}
		if n := p.closed.Load(); n != 1 {
			t.Errorf("the producer was closed %d times, want 1", n)
		}
	})
}

// A moodyConn has a Read that fails now and then with an error that passes.
type moodyConn struct {
	net.Conn
	reads int
}

func (c *moodyConn) Read(p []byte) (int, error) {
	if c.reads++; c.reads%3 != 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Read(p)
}

// asynchat: blockingioerror
func TestTemporaryReadErrors(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
	c := s.serve(t, &moodyConn{Conn: nc}, framer.Config{})
	for range 10 {
		writeString(t, peer, "hello\n")
		readString(t, peer, "hello\n")
	}
	peer.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// A brokenClockConn has deadlines that have always passed.
type brokenClockConn struct{ net.Conn }

func (brokenClockConn) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// A connection whose deadlines don't work is given up rather than asked for ever.
func TestSenselessDeadlines(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	c := s.serve(t, brokenClockConn{nc}, framer.Config{})
	if err := c.Wait(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("Wait: %v, want io.ErrNoProgress", err)
	}
}

// How an end is logged depends on whose doing it is, not on the value of the error: a
// handler may return one of the network, and panic with one. A peer can't fill the log.
func TestLogLevels(t *testing.T) {
	errOfNetwork := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	values := map[string]error{
		"bad": errors.New("bad"), "EOF": io.EOF, "unexpected EOF": io.ErrUnexpectedEOF, "reset": syscall.ECONNRESET,
		"network": errOfNetwork, "closed": net.ErrClosed, "timeout": os.ErrDeadlineExceeded, "canceled": context.Canceled,
	}
	for name, err := range values {
		fail := func(c *framer.Conn, _ []byte) error { return err }
		testLog(t, "handler/"+name, slog.LevelWarn, "connection ended", err.Error(), fail)
		testLog(t, "panic/"+name, slog.LevelError, "panic in the handler", "framer: panic: "+err.Error(), func(*framer.Conn, []byte) error { panic(err) })
		testLog(t, "panic after close/"+name, slog.LevelError, "panic in the handler", "framer: panic: "+err.Error(), func(c *framer.Conn, _ []byte) error {
			c.Close()
			panic(err)
		})
		testLog(t, "panic after reset/"+name, slog.LevelError, "panic in the handler", "framer: panic: "+err.Error(), func(c *framer.Conn, _ []byte) error {
			c.NetConn().(*net.TCPConn).CloseRead()
			c.Push(make([]byte, 1))
			panic(err)
		})
		producer := func(f func() ([]byte, error)) func(*framer.Conn, []byte) error {
			return func(c *framer.Conn, _ []byte) error { return c.PushWithProducer(framer.ProducerFunc(f)) }
		}
		if err != io.EOF {
			testLog(t, "producer/"+name, slog.LevelWarn, "connection ended", err.Error(), producer(func() ([]byte, error) { return nil, err }))
		}
		testLog(t, "panic of a producer/"+name, slog.LevelError, "panic in a producer", "framer: panic: "+err.Error(), producer(func() ([]byte, error) { panic(err) }))
	}
	testLog(t, "CloseWhenDone", slog.LevelDebug, "connection ended", "CloseWhenDone", func(c *framer.Conn, _ []byte) error { return c.CloseWhenDone() })
	testLog(t, "Close", slog.LevelDebug, "connection ended", "framer: connection is closed: use of closed network connection",
		func(c *framer.Conn, _ []byte) error { return c.Close() })
	testLog(t, "the peer's end", slog.LevelDebug, "connection ended", "the peer has ended its side", func(*framer.Conn, []byte) error { return nil })
}

// testLog has a handler for a line end the connection with f, and wants one record of
// the level with the message, which says how it ended.
func testLog(t *testing.T, name string, level slog.Level, message, text string, f func(*framer.Conn, []byte) error) {
	styles := lineStyles(f)
	for style, newHandler := range styles {
		t.Run(name+"/"+style, func(t *testing.T) {
			nc, peer := tcpPair(t)
			var logs logBook
			c := serve(t, nc, newHandler, framer.Config{Logger: slog.New(&logs)})
			writeString(t, peer, "request\n")
			peer.(*net.TCPConn).CloseWrite()
			c.Wait()
			peer.Close()
			records := logs.find("framer: " + message)
			if len(records) != 1 {
				t.Fatalf("%d records, want 1", len(records))
			}
			r := records[0]
			got := attr(r, "error") + attr(r, "end")
			if style == "session" && text == "the peer has ended its side" {
				got = strings.Replace(got, "the Session has returned", text, 1)
			}
			if r.Level != level || got != text {
				t.Errorf("logged %q at level %v, want %q at %v", got, r.Level, text, level)
			}
			if got, want := attr(r, "remote"), c.RemoteAddr().String(); got != want {
				t.Errorf("remote=%s, want %s", got, want)
			}
		})
	}
}

// failures are the ways in which a callback can fail. check is given the reason
// why the connection ended.
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

// asyncore: readwriteexc. Whatever fails in a handler, what it has pushed before
// arrives, and the peer sees an orderly end.
func TestHandlerFails(t *testing.T) {
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

// What HandleClose does wrong is logged, and nothing hangs.
func TestHandleCloseFails(t *testing.T) {
	for _, failure := range failures()[1:] {
		t.Run(failure.name, func(t *testing.T) {
			nc, peer := net.Pipe()
			var s script
			var logs logBook
			s.onClose = func(error) { failure.fail() }
			c := s.serve(t, nc, framer.Config{Logger: slog.New(&logs)})
			peer.Close()
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
			records := logs.find("framer: panic in HandleClose")
			if failure.name == "panic" && (len(records) != 1 || !strings.Contains(attr(records[0], "stack"), "framer_test.failures")) {
				t.Errorf("logged %v, want the panic and its stack", records)
			}
		})
	}
}

// A connection without a handler is closed, and whoever waits for it is told.
func TestNewHandlerFails(t *testing.T) {
	ways := append(failures()[1:], failure{"nil", func() error { return nil }, func(t *testing.T, err error, _ *logBook) {
		if err == nil {
			t.Error("ended without an error")
		}
	}})
	for _, failure := range ways {
		t.Run(failure.name, func(t *testing.T) {
			nc, peer := tcpPair(t)
			defer peer.Close()
			var logs logBook
			c := serve(t, nc, func(*framer.Conn) framer.Handler {
				failure.fail()
				return nil
			}, framer.Config{Logger: slog.New(&logs)})
			if got := readAll(t, peer); got != "" {
				t.Errorf("the peer got %q", got)
			}
			failure.check(t, c.Wait(), &logs)
		})
	}
}

// Not even the messages that are read already are given to a handler that has
// closed.
func TestNoCallbackAfterClose(t *testing.T) {
	closes := map[string]func(*framer.Conn) error{
		"Close":         (*framer.Conn).Close,
		"CloseWhenDone": (*framer.Conn).CloseWhenDone,
	}
	for name, closeConn := range closes {
		for _, hook := range []string{"connect", "collect", "found", "oversize"} {
			t.Run(name+"/"+hook, func(t *testing.T) {
				onTransports(t, func(t *testing.T, nc, peer net.Conn) {
					var s script
					f := func() error { return closeConn(s.Conn) }
					switch hook {
					case "connect":
						s.onConnect = f
					case "collect":
						s.onCollect = func([]byte) error { return f() }
					case "found":
						s.onFound = f
					case "oversize":
						s.onOversize = func(*framer.MessageTooLongError) error { return f() }
					}
					c := s.serve(t, nc, framer.Config{MaxMessageSize: 6})
					go io.WriteString(peer, "1\n2\n3\nmuch too long\n4\n5\n")
					io.Copy(io.Discard, peer)
					peer.Close()
					c.Wait()
					// The hook is followed by close only.
					if got := s.calls[len(s.calls)-2:]; !slices.Equal(got, []string{hook, "close"}) || s.called(hook) != 1 {
						t.Errorf("the calls are %v, want %s once and then close", s.calls, hook)
					}
				})
			})
		}
	}
}

// asynchat: close_when_done. Every byte arrives though the peer, which reads little
// by little, sends all the while, and nobody reads that.
func TestCloseWhenDoneDeliversAll(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16)
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		s.onFound = func() error {
			return errors.Join(s.PushWithProducer(framer.NewBytesProducer(payload)), s.CloseWhenDone())
		}
		c := s.serve(t, nc, framer.Config{})
		writeString(t, peer, "request\n")
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			rubbish := []byte("rubbish\n")
			for {
				if _, err := peer.Write(rubbish); err != nil {
					return
				}
			}
		}()
		var got int
		buf := make([]byte, 5000)
		for {
			n, err := peer.Read(buf)
			if !bytes.Equal(buf[:n], payload[got:got+n]) {
				t.Fatalf("wrong data at %d", got)
			}
			got += n
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
		}
		if got != len(payload) {
			t.Errorf("the peer got %d bytes, want %d", got, len(payload))
		}
		peer.Close()
		<-stopped
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if n := s.called("found"); n != 1 {
			t.Errorf("FoundTerminator was called %d times, want 1", n)
		}
	})
}

// asyncore: handle_close. The peer ends its side while output waits: it arrives.
func TestPeerHalfCloses(t *testing.T) {
	reply := strings.Repeat("r", 4_000_000)
	tests := []struct {
		name, input string
		want        error
	}{
		{"after a message", "request\n", nil},
		{"in a message", "request\nrest", io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				if !canHalfClose(peer) {
					return
				}
				var s script
				var closedWith error
				s.onFound = func() error { return s.Push([]byte(reply)) }
				s.onClose = func(err error) { closedWith = err }
				c := s.serve(t, nc, framer.Config{})
				writeString(t, peer, test.input)
				endInput(t, peer)
				if got := readAll(t, peer); got != reply {
					t.Errorf("the peer got %d bytes, want %d", len(got), len(reply))
				}
				if err := c.Wait(); err != test.want || closedWith != test.want {
					t.Errorf("Wait: %v, HandleClose: %v, want %v", err, closedWith, test.want)
				}
			})
		})
	}
}

// Close from another goroutine ends whatever the connection waits in.
func TestCloseWhileBlocked(t *testing.T) {
	big := make([]byte, 64<<20)
	tests := []struct {
		name    string
		connect func(s *script, blocked func()) error
	}{
		{"in a read", func(_ *script, blocked func()) error {
			blocked()
			return nil
		}},
		{"in a write", func(s *script, blocked func()) error {
			blocked()
			return s.PushWithProducer(framer.NewBytesProducer(big))
		}},
		{"in Push", func(s *script, blocked func()) error {
			err := s.PushWithProducer(framer.NewBytesProducer(big))
			blocked()
			for err == nil {
				err = s.Push(big[:1<<20])
			}
			if !errors.Is(err, net.ErrClosed) {
				s.t.Errorf("Push: %v, want net.ErrClosed", err)
			}
			return err
		}},
		{"in Flush", func(s *script, blocked func()) error {
			err := s.PushWithProducer(framer.NewBytesProducer(big))
			blocked()
			err = errors.Join(err, s.Flush(context.Background()))
			if !errors.Is(err, net.ErrClosed) {
				s.t.Errorf("Flush: %v, want net.ErrClosed", err)
			}
			return err
		}},
		{"in a producer", func(s *script, blocked func()) error {
			return s.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
				blocked()
				<-s.Context().Done()
				return nil, s.Context().Err()
			}))
		}},
		{"closing", func(s *script, blocked func()) error {
			blocked()
			return errors.Join(s.PushWithProducer(framer.NewBytesProducer(big)), s.CloseWhenDone())
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				var s script
				blocked := make(chan struct{})
				s.onConnect = func() error { return test.connect(&s, func() { close(blocked) }) }
				c := s.serve(t, nc, framer.Config{})
				handshake(t, peer)
				<-blocked
				c.Close()
				if err := c.Wait(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Wait: %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

// CloseWhenDone from another goroutine is not held up by a read.
func TestCloseWhenDoneWhileReading(t *testing.T) {
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

// The end of Serve's context closes the connection at once, with its cause.
func TestServeContextEnds(t *testing.T) {
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

// The context has ended, with the reason, when HandleClose is called, and the
// connection is closed, whoever has closed it.
func TestEndIsCompleteInHandleClose(t *testing.T) {
	errBad := errors.New("bad")
	tests := []struct {
		name string
		end  func(c *framer.Conn) error
		want error
	}{
		{"error", func(*framer.Conn) error { return errBad }, errBad},
		{"orderly", func(c *framer.Conn) error { return c.CloseWhenDone() }, net.ErrClosed},
		{"closed", func(c *framer.Conn) error { return c.Close() }, net.ErrClosed},
		{"closed by others", func(c *framer.Conn) error {
			go c.Close()
			return nil
		}, net.ErrClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			nc, peer := net.Pipe()
			defer peer.Close()
			var s script
			s.onConnect = func() error { return test.end(s.Conn) }
			s.onClose = func(error) {
				if cause := context.Cause(s.Context()); !errors.Is(cause, test.want) {
					t.Errorf("in HandleClose the cause is %v, want %v", cause, test.want)
				}
				if _, err := nc.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("in HandleClose the connection is not closed: Write returned %v", err)
				}
				if err := s.Push([]byte("x")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("in HandleClose Push returned %v, want net.ErrClosed", err)
				}
			}
			s.serve(t, nc, framer.Config{}).Wait()
		})
	}
}

// A slowCloseConn is long in Close.
type slowCloseConn struct {
	net.Conn
	closing chan struct{} // closed when Close is called
	proceed chan struct{} // Close goes on when it is closed
}

func (c *slowCloseConn) Close() error {
	select {
	case <-c.closing:
	default:
		close(c.closing)
	}
	<-c.proceed
	return c.Conn.Close()
}

// While another goroutine is about to close the connection, the one of Serve must
// not take it for closed.
func TestEndWaitsForClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		slow := &slowCloseConn{nc, make(chan struct{}), make(chan struct{})}
		var s script
		c := s.serve(t, slow, framer.Config{})
		synctest.Wait()
		go c.Close()
		<-slow.closing
		peer.Close() // now the reader has an error of its own
		synctest.Wait()
		if s.called("close") != 0 {
			t.Error("HandleClose was called before the connection was closed")
		}
		if err := c.Push([]byte("data")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Push: %v, want net.ErrClosed", err)
		}
		close(slow.proceed)
		c.Wait()
	})
}

// Many ends at once: there is one, and it is complete.
func TestEndsRace(t *testing.T) {
	for i := range 200 {
		nc, peer := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		var s script
		s.t = t
		s.onClose = func(error) {
			if s.Context().Err() == nil {
				t.Error("the context has not ended in HandleClose")
			}
		}
		p := &closeCounter{Producer: framer.NewSimpleProducer(make([]byte, 100), 1)}
		c := framer.NewConn(nc, s.newHandler, &framer.Config{Logger: slog.New(slog.DiscardHandler)})
		start := make(chan struct{})
		done := make(chan struct{}, 8)
		for _, f := range []func(){
			func() { c.Serve(ctx) },
			func() { c.Close() },
			func() { c.CloseWhenDone() },
			func() { cancel() },
			func() { peer.Close() },
			func() { c.DiscardBuffers() },
			func() { c.PushWithProducer(p) },
			func() { c.Push([]byte("data")) },
		} {
			go func() {
				<-start
				f()
				done <- struct{}{}
			}()
		}
		close(start)
		for range cap(done) {
			<-done
		}
		cancel()
		c.Wait()
		if n := p.closed.Load(); n != 1 {
			t.Fatalf("round %d: the producer was closed %d times, want 1", i, n)
		}
		if n := s.called("close"); n > 1 { // 0 if it was closed before Serve
			t.Fatalf("round %d: HandleClose was called %d times", i, n)
		}
		if got := c.Stats().QueuedBytes; got != 0 {
			t.Fatalf("round %d: %d bytes are queued after the end", i, got)
		}
	}
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
			cancel() // is for the connecting only
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

// HandleConnect is called after the TLS handshake, or not at all.
func TestTLSHandshakeFails(t *testing.T) {
	nc, peer := tcpPair(t)
	defer peer.Close()
	server, _ := tlsConfigs(t)
	var s script
	var logs logBook
	c := s.serve(t, tls.Server(nc, server), framer.Config{Logger: slog.New(&logs)})
	c.Push([]byte("secret\n"))
	writeString(t, peer, "GET / HTTP/1.1\r\n\r\n")
	got, _ := io.ReadAll(peer)
	if bytes.Contains(got, []byte("secret")) {
		t.Errorf("the peer got %q", got)
	}
	if err := c.Wait(); err == nil || !strings.HasPrefix(err.Error(), "framer: TLS handshake: ") {
		t.Errorf("Wait: %v, want an error of the handshake", err)
	}
	if diff := cmp.Diff([]string{"close"}, s.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// A TLS peer that is cut off within a record has not ended its side.
func TestTLSTruncation(t *testing.T) {
	nc, peer := tcpPair(t)
	defer peer.Close()
	server, client := tlsConfigs(t)
	var s script
	s.onFound = func() error { return s.Push([]byte("reply\n")) }
	c := s.serve(t, tls.Server(nc, server), framer.Config{})
	tc := tls.Client(peer, client)
	writeString(t, tc, "request\n")
	readString(t, tc, "reply\n")
	writeString(t, peer, "\x17\x03\x03") // the beginning of a record's header
	endInput(t, peer)
	readAll(t, tc)
	if err := c.Wait(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Wait: %v, want io.ErrUnexpectedEOF", err)
	}
}

// An errorCase is an error that a handler returns, or panics with.
type errorCase struct {
	name string
	err  error
}

// userErrors are errors that look like an end that is in order, and are none.
func userErrors() (list []errorCase) {
	for _, err := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, framer.ErrServerClosed, context.Canceled, os.ErrDeadlineExceeded, syscall.ECONNRESET,
		&framer.PanicError{Value: "of another connection"}, &framer.MessageTooLongError{Limit: 1, Seen: 2},
	} {
		list = append(list, errorCase{err.Error(), err}, errorCase{"wrapped " + err.Error(), fmt.Errorf("backend: %w", err)})
	}
	return list
}

// A hookedHandler calls f in one of its methods.
type hookedHandler struct {
	script
	hook string
	f    func(c *framer.Conn) error
}

func (h *hookedHandler) HandleReadComplete() error {
	if h.hook == "HandleReadComplete" {
		return h.f(h.Conn)
	}
	return nil
}

// hooks are the places where a handler can fail. All but HandleShutdown are called
// for the input in TestUserErrors.
var hooks = []string{
	"newHandler", "HandleConnect", "CollectIncomingData", "FoundTerminator", "HandleOversize", "HandleReadComplete",
	"HandleShutdown", "HandleClose", "Messages", "Session",
}

// newHooked makes a handler that calls f in the hook. An error of newHandler is a
// panic, and what HandleClose returns is not used.
func newHooked(t *testing.T, hook string, f func(c *framer.Conn) error) func(*framer.Conn) framer.Handler {
	switch hook {
	case "Messages":
		return framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, _ []byte) error { return f(c) })
	case "Session":
		return framer.Session(f)
	}
	h := &hookedHandler{hook: hook, f: f}
	h.t = t
	call := func() error { return f(h.Conn) }
	switch hook {
	case "HandleConnect":
		h.onConnect = call
	case "CollectIncomingData":
		h.onCollect = func([]byte) error { return call() }
	case "FoundTerminator":
		h.onFound = call
	case "HandleOversize":
		h.onOversize = func(*framer.MessageTooLongError) error { return call() }
	case "HandleShutdown":
		h.onShutdown = call
	case "HandleClose":
		h.onClose = func(error) { call() }
	}
	return func(c *framer.Conn) framer.Handler {
		h.newHandler(c)
		if hook == "newHandler" {
			if err := f(c); err != nil {
				panic(err)
			}
		}
		return h
	}
}

// runHooked serves a connection whose handler calls f in the hook, and returns why it
// has ended, and the log.
func runHooked(t *testing.T, hook string, f func(c *framer.Conn) error) (logs *logBook, reason error) {
	logs = new(logBook)
	nc, peer := memoryPair(t)
	if hook == "HandleShutdown" {
		nc, peer = tcpPair(t) // leaves at once
	}
	defer peer.Close()
	input := "line\n"
	if hook == "HandleOversize" {
		input = "a long line\n"
	}
	writeString(t, peer, input)
	var s framer.Server
	s.Config = framer.Config{Logger: slog.New(logs), MaxMessageSize: 8, LingerTimeout: -1}
	s.NewHandler = newHooked(t, hook, f)
	served := call(func() error { return s.ServeConn(t.Context(), nc) })
	if hook == "HandleShutdown" {
		for s.Stats().MessagesRead == 0 {
			runtime.Gosched()
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	endInput(t, peer)
	return logs, <-served
}

// above returns the records at a level above Info.
func (b *logBook) above() (records []slog.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		if r.Level > slog.LevelInfo {
			records = append(records, r)
		}
	}
	return records
}

// An error of a handler is an error, whatever it wraps, and logged as such.
func TestUserErrors(t *testing.T) {
	for _, hook := range hooks {
		if hook == "newHandler" || hook == "HandleClose" {
			continue // have no error
		}
		for _, test := range userErrors() {
			if hook == "Session" && errors.Is(test.err, framer.ErrServerClosed) {
				continue // says that it was told
			}
			logs, err := runHooked(t, hook, func(*framer.Conn) error { return test.err })
			if err != test.err {
				t.Errorf("%s, %s: ended with %v", hook, test.name, err)
			}
			records := logs.above()
			if len(records) != 1 || records[0].Level != slog.LevelWarn || attr(records[0], "error") != test.err.Error() {
				t.Errorf("%s, %s: logged %v, want the error at Warn", hook, test.name, records)
			}
		}
	}
}

// An uncomparable is an error that can't be compared, and panics if it is asked.
type uncomparable []func()

func (uncomparable) Error() string { panic("Error") }

// panicValues are values that panic can be called with.
func panicValues() map[string]any {
	values := map[string]any{
		"error": errors.New("bad"), "string": "bad", "nil": nil, "slice": []int{1}, "func": func() {},
		"PanicError": &framer.PanicError{Value: "other"}, "uncomparable": uncomparable{nil},
	}
	for _, test := range userErrors() {
		values[test.name] = test.err
	}
	return values
}

// checkPanicLog wants one record of a panic, at Error and with the stack.
func checkPanicLog(t *testing.T, name string, logs *logBook) {
	t.Helper()
	records := logs.above()
	if len(records) != 1 || records[0].Level != slog.LevelError || !strings.Contains(attr(records[0], "stack"), "framer_test.") {
		t.Errorf("%s: logged %v, want the panic at Error with its stack", name, records)
	}
}

// A panic is logged once, at level Error and with its stack, whatever its value, and
// though there may be a reason for the end already.
func TestPanicsAreLogged(t *testing.T) {
	for _, hook := range hooks {
		for name, value := range panicValues() {
			logs, err := runHooked(t, hook, func(*framer.Conn) error { panic(value) })
			checkPanicLog(t, hook+", "+name, logs)
			var p *framer.PanicError
			if !errors.As(err, &p) && hook != "HandleClose" {
				t.Errorf("%s, %s: ended with %v", hook, name, err)
			}
		}
		for _, name := range []string{"Close", "CloseWhenDone", "broken", "DiscardBuffers"} {
			logs, _ := runHooked(t, hook, func(c *framer.Conn) error {
				switch name {
				case "Close":
					c.Close()
				case "CloseWhenDone":
					c.CloseWhenDone()
				case "broken":
					c.NetConn().Close()
					c.Push([]byte("x"))
				case "DiscardBuffers":
					c.Push([]byte("x"))
					c.DiscardBuffers()
				}
				panic("bad")
			})
			checkPanicLog(t, hook+" after "+name, logs)
		}
	}
	fail := func() error { panic("bad") }
	for _, p := range producersThatFail(fail) {
		logs, _ := runHooked(t, "FoundTerminator", func(c *framer.Conn) error { return c.PushWithProducer(p.Producer) })
		checkPanicLog(t, p.name, logs)
	}
	for _, p := range producersThatFail(fail)[2:] { // the others are never asked
		logs, _ := runHooked(t, "FoundTerminator", func(c *framer.Conn) error {
			c.CloseWhenDone()
			c.PushWithProducer(p.Producer)
			return nil
		})
		checkPanicLog(t, p.name+" after CloseWhenDone", logs)
	}
}

type namedProducer struct {
	name string
	framer.Producer
}

// A failingCloser is a Producer whose Close calls f.
type failingCloser struct {
	framer.Producer
	f func() error
}

func (p failingCloser) Close() error { return p.f() }

// producersThatFail are producers that call f.
func producersThatFail(f func() error) []namedProducer {
	data := func() framer.Producer { return framer.NewBytesProducer([]byte("data")) }
	return []namedProducer{
		{"More", framer.ProducerFunc(func() ([]byte, error) { return nil, f() })},
		{"More behind another", framer.Concat(data(), framer.ProducerFunc(func() ([]byte, error) { return nil, f() }))},
		{"Close", failingCloser{data(), f}},
		{"OnDone", framer.OnDone(data(), func(int64, error) { f() })},
	}
}

// A producer's error is at Warn.
func TestProducerErrorsAreLogged(t *testing.T) {
	for _, test := range userErrors() {
		var panicked *framer.PanicError
		if test.err == io.EOF || errors.As(test.err, &panicked) {
			continue // is its end, or is taken for a panic
		}
		for _, p := range producersThatFail(func() error { return test.err }) {
			if p.name == "OnDone" {
				continue
			}
			logs, _ := runHooked(t, "FoundTerminator", func(c *framer.Conn) error { return c.PushWithProducer(p.Producer) })
			if records := logs.above(); len(records) != 1 || records[0].Level != slog.LevelWarn {
				t.Errorf("%s, %s: logged %v, want one record at Warn", p.name, test.name, records)
			}
		}
	}
}

// Nothing that a peer can do is logged above Info.
func TestPeerCannotFillLog(t *testing.T) {
	long := framer.Delimiter("\n")
	wrapping := framer.Session(func(c *framer.Conn) error {
		for {
			line, err := c.Next(long)
			if err != nil {
				return fmt.Errorf("read: %w", err)
			}
			if err := c.Push(append(line, '\n')); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
	})
	late := framer.Session(func(c *framer.Conn) error {
		var first error
		for {
			_, err := c.Next(long)
			if first == nil {
				first = err
			}
			if err != nil && !isTooLong(err) {
				return fmt.Errorf("first: %w", first)
			}
		}
	})
	counting := framer.Session(func(c *framer.Conn) error {
		_, err := c.Next(framer.Length(1000))
		return fmt.Errorf("body: %w", err)
	})
	hooked := func(f func(s *script)) func(*framer.Conn) framer.Handler {
		return func(c *framer.Conn) framer.Handler {
			s := &script{t: t}
			s.newHandler(c)
			f(s)
			return s
		}
	}
	claims := hooked(func(s *script) {
		s.onFound = func() error { return s.SetTerminator(framer.Length(1000)) }
	})
	ignores := hooked(func(s *script) {
		s.onFound = func() error {
			s.SetTerminator(framer.Length(1000))
			return nil
		}
	})
	wraps := hooked(func(s *script) {
		s.onOversize = func(e *framer.MessageTooLongError) error { return fmt.Errorf("no: %w", e) }
	})
	floods := hooked(func(s *script) {
		s.onFound = func() error {
			s.PushWithProducer(framer.NewSimpleProducer(make([]byte, 64<<20), 4096))
			for {
				if err := s.Push(make([]byte, 4096)); err != nil {
					return errors.New("could not push")
				}
			}
		}
	})
	lines := lineStyles(func(c *framer.Conn, line []byte) error { return c.Push(append(line, '\n')) })
	reset := func(t *testing.T, peer net.Conn) {
		peer.(*net.TCPConn).SetLinger(0)
		peer.Close()
	}
	finish := func(_ *testing.T, peer net.Conn) {
		peer.(*net.TCPConn).CloseWrite() // fails if the connection has ended before
	}
	handlers := map[string]func(*framer.Conn) framer.Handler{
		"wrapping": wrapping, "late": late, "counting": counting, "claims": claims, "ignores": ignores, "wraps": wraps,
	}
	for style, newHandler := range lines {
		handlers[style] = newHandler
	}
	for name, newHandler := range handlers {
		for _, input := range []string{"", "line\n", "line\nli", "much too long\nshort\n", "\x16\x03\x01\x02\x00\x01"} {
			for end, f := range map[string]func(*testing.T, net.Conn){"reset": reset, "end": finish, "silence": func(*testing.T, net.Conn) {}} {
				testPeerCannotFillLog(t, name+" "+end, newHandler, false, input, f)
			}
			testPeerCannotFillLog(t, name+" over TLS", newHandler, true, input, finish)
		}
	}
	testPeerCannotFillLog(t, "floods", floods, false, "line\n", func(t *testing.T, peer net.Conn) {
		io.CopyN(io.Discard, peer, 1<<20)
		reset(t, peer)
	})
}

func testPeerCannotFillLog(t *testing.T, name string, newHandler func(*framer.Conn) framer.Handler, overTLS bool, input string, end func(*testing.T, net.Conn)) {
	nc, peer := tcpPair(t)
	defer peer.Close()
	if overTLS {
		nc = tls.Server(nc, new(tls.Config))
	}
	var logs logBook
	c := serve(t, nc, newHandler, framer.Config{
		Logger: slog.New(&logs), MaxMessageSize: 8, LingerTimeout: -1,
		MessageTimeout: 2 * time.Millisecond, IdleTimeout: 2 * time.Millisecond,
	})
	io.WriteString(peer, input) // it may be too late already
	end(t, peer)
	err := c.Wait()
	for _, r := range logs.above() {
		t.Errorf("%s, %q: ended with %v, logged %v %s %s at %v", name, input, err, r.Message, attr(r, "error"), attr(r, "stack"), r.Level)
	}
}

// A terminator that was refused, and the error ignored, ends the connection, unless
// another one is set, or the handler has closed.
func TestRefusedTerminators(t *testing.T) {
	for _, hook := range hooks {
		if hook == "HandleClose" {
			continue
		}
		for _, mend := range []string{"", "SetTerminator", "CloseWhenDone"} {
			var refusal error
			calls := 0
			logs, err := runHooked(t, hook, func(c *framer.Conn) error {
				if calls++; calls > 1 {
					return nil
				}
				refusal = c.SetTerminator(framer.Delimiter(""))
				switch mend {
				case "SetTerminator":
					if err := c.SetTerminator(framer.Delimiter("\n")); err != nil {
						t.Error(err)
					}
				case "CloseWhenDone":
					c.CloseWhenDone()
				}
				return nil
			})
			records := logs.above()
			switch {
			case mend != "" && (err != nil || len(records) != 0):
				t.Errorf("%s, then %s: ended with %v, logged %v", hook, mend, err, records)
			case mend == "" && (err != refusal || len(records) != 1 || records[0].Level != slog.LevelWarn):
				t.Errorf("%s: ended with %v, logged %v, want %v", hook, err, records, refusal)
			}
		}
	}
	// Next mends it.
	_, err := runHooked(t, "Session", func(c *framer.Conn) error {
		c.SetTerminator(framer.Delimiter(""))
		line, err := c.Next(framer.Delimiter("\n"))
		if err != nil || string(line) != "line" {
			t.Errorf("Next: %q, %v", line, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What newHandler waits for over TLS is sent after the handshake only.
func TestNewHandlerWaitsOverTLS(t *testing.T) {
	waits := map[string]func(c *framer.Conn) error{
		"Push":  func(c *framer.Conn) error { c.Push(make([]byte, 8)); return c.Push(make([]byte, 8)) },
		"Flush": func(c *framer.Conn) error { c.Push(make([]byte, 8)); return c.Flush(context.Background()) },
		"PushWithProducer": func(c *framer.Conn) (err error) {
			for err == nil {
				err = c.PushWithProducer(framer.NewSimpleProducer([]byte("data"), 1))
			}
			return err
		},
	}
	for name, wait := range waits {
		for _, result := range []string{"handler", "nil", "panic"} {
			t.Run(name+"/"+result, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := framertest.Pipe()
					defer peer.Close()
					var waitErr error
					c := serve(t, tls.Server(nc, new(tls.Config)), func(c *framer.Conn) framer.Handler {
						waitErr = wait(c)
						switch result {
						case "panic":
							panic("bad")
						case "nil":
							return nil
						}
						return &lineHandler{Conn: c}
					}, framer.Config{MaxQueuedBytes: 10, HandshakeTimeout: time.Second})
					wantTimeout(t, wantEndAfter(t, c, time.Second), "HandshakeTimeout")
					if !errors.Is(waitErr, net.ErrClosed) {
						t.Errorf("newHandler got %v, want net.ErrClosed", waitErr)
					}
				})
			})
		}
	}
}

// The end of Serve's context ends what newHandler waits for.
func TestContextEndsInNewHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c := serveContext(t, ctx, nc, func(c *framer.Conn) framer.Handler {
			c.Push([]byte("data"))
			c.Flush(context.Background())
			return &lineHandler{Conn: c}
		}, framer.Config{})
		if err := wantEndAfter(t, c, time.Second); err != context.DeadlineExceeded {
			t.Errorf("Wait: %v, want DeadlineExceeded", err)
		}
	})
}

// A tls.Conn that has shaken hands does not do so again, and newHandler can push.
func TestHandshakeIsOver(t *testing.T) {
	nc, peer := tcpPair(t)
	server, client := tlsConfigs(t)
	nc, peer = tls.Server(nc, server), tls.Client(peer, client)
	defer peer.Close()
	done := call(func() error { handshake(t, nc); return nil })
	handshake(t, peer)
	<-done
	var states []framer.ConnState
	const size = 4 << 20
	s := framer.Server{
		NewHandler: func(c *framer.Conn) framer.Handler {
			for range size / 4096 {
				c.Push(make([]byte, 4096)) // more than the queue holds
			}
			if got := c.String(); !strings.HasSuffix(got, "(new)") {
				t.Errorf("in newHandler the connection is %s", got)
			}
			return newEchoLine(c)
		},
		ConnState: func(c *framer.Conn, state framer.ConnState) { states = append(states, state) },
	}
	served := call(func() error { return s.ServeConn(t.Context(), nc) })
	if n, err := io.CopyN(io.Discard, peer, size); err != nil {
		t.Fatalf("got %d bytes and %v", n, err)
	}
	checkEcho(t, peer)
	peer.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if want := []framer.ConnState{framer.StateNew, framer.StateActive, framer.StateClosing, framer.StateClosed}; !slices.Equal(states, want) {
		t.Errorf("the states are %v, want %v", states, want)
	}
}

// Texts that people read when they look for a mistake.
func TestTexts(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	c := framer.NewConn(nc, nil, &framer.Config{Logger: slog.New(slog.DiscardHandler)})
	c.Serve(t.Context()) // there is no Handler
	twice := c.Serve(t.Context())
	nc, peer = net.Pipe()
	defer peer.Close()
	c = framer.NewConn(nc, nil, &framer.Config{Logger: slog.New(slog.DiscardHandler)})
	var discarded error
	c.PushWithProducer(framer.OnDone(framer.NewBytesProducer([]byte("x")), func(_ int64, err error) { discarded = err }))
	c.DiscardBuffers()
	c.Close()
	for _, test := range []struct {
		err  error
		want string
	}{
		{twice, "framer: Serve was called before: use of closed network connection"},
		{c.Serve(t.Context()), "framer: Serve was called after Close: use of closed network connection"},
		{discarded, "framer: output was discarded (Conn.DiscardBuffers)"},
	} {
		if test.err == nil || test.err.Error() != test.want || !errors.Is(test.err, net.ErrClosed) {
			t.Errorf("%v, want %s", test.err, test.want)
		}
	}
}

// The record of an end that is in order says which it was.
func TestOrderlyEndsAreTold(t *testing.T) {
	ends := map[string]string{"CloseWhenDone": "CloseWhenDone", "Shutdown": "Shutdown", "peer": "the peer has ended its side"}
	for end, want := range ends {
		for _, style := range styles {
			nc, peer := memoryPair(t)
			var logs logBook
			f := func(*framer.Conn, []byte) error { return nil }
			if end == "CloseWhenDone" {
				f = func(c *framer.Conn, _ []byte) error { return c.CloseWhenDone() }
			}
			s := framer.Server{NewHandler: lineStyles(f)[style], Config: framer.Config{Logger: slog.New(&logs)}}
			served := call(func() error { return s.ServeConn(t.Context(), nc) })
			writeString(t, peer, "line\n")
			for s.Stats().BytesRead == 0 {
				runtime.Gosched()
			}
			shutdown := make(<-chan error)
			if end == "Shutdown" {
				shutdown = call(func() error { return s.Shutdown(t.Context()) })
				readAll(t, peer)
			}
			peer.Close()
			if err := <-served; err != nil {
				t.Error(err)
			}
			if end == "Shutdown" {
				<-shutdown
			}
			records := logs.find("framer: connection ended")
			if len(records) != 1 || attr(records[0], "end") != want || records[0].Level != slog.LevelDebug {
				t.Errorf("%s, %s: logged %v", end, style, records)
			}
		}
	}
}

// Nothing of a message that was thrown away, or discarded, becomes part of another one,
// or counts for its limit.
func TestThrownAwayMessages(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		var got []string
		s.onOversize = func(e *framer.MessageTooLongError) error {
			got = append(got, fmt.Sprintf("%d of %d: %s", e.Seen, e.Limit, e.Head))
			return nil
		}
		s.onFound = func() error {
			line := string(s.Take())
			if line == "discard" {
				s.DiscardBuffers()
			}
			got = append(got, line)
			return s.Push([]byte(line + "\n"))
		}
		c := s.serve(t, nc, framer.Config{MaxMessageSize: 8})
		for range 3 {
			writeString(t, peer, "123456789 and more")
			writeString(t, peer, " of it\n12345678\n")
			readString(t, peer, "12345678\n")
		}
		writeString(t, peer, "discard\n12345678\nxyz")
		readString(t, peer, "discard\n")
		peer.Close()
		c.Wait()
		if s.Len() > 8 {
			t.Errorf("the Collector has %q", s.Bytes())
		}
		for i, text := range got {
			long := strings.Contains(text, " of 8: 123456789")
			if i%2 == 0 && i < 6 && !long || i%2 == 1 && text != "12345678" || i == 6 && text != "discard" {
				t.Errorf("messages %q", got)
				break
			}
		}
	})
}

// Every value of every field of Config can be served with, if it is no sensible limit.
func TestExtremeConfigs(t *testing.T) {
	exchangeWith := func(name string, nc, peer net.Conn, cfg *framer.Config) {
		c := framer.NewConn(nc, lineStyles(func(c *framer.Conn, line []byte) error { return c.Push(append(line, '\n')) })["Handler"], cfg)
		served := call(func() error { return c.Serve(t.Context()) })
		peer.SetDeadline(time.Now().Add(time.Minute))
		exchange(t, peer)
		writeString(t, peer, "line\nli")
		writeString(t, peer, "ne\n")
		readString(t, peer, "line\nline\n")
		peer.Close()
		if err := <-served; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	pairs := transports()
	nc, peer := pairs[0].pair(t)
	exchangeWith("nil", nc, peer, nil)
	fields := reflect.TypeFor[framer.Config]()
	for i := range fields.NumField() {
		field := fields.Field(i)
		values := []int64{-1, math.MinInt, math.MinInt64, math.MaxInt, math.MaxInt64, math.MaxInt - 1, math.MaxInt64 - 1}
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			var cfg framer.Config
			v := reflect.ValueOf(&cfg).Elem().Field(i)
			if !v.CanInt() || v.OverflowInt(value) {
				continue
			}
			v.SetInt(value)
			for _, tr := range pairs {
				if tr.name == "tls-client" || tr.name == "tcp6" || tr.name == "unix" {
					continue
				}
				nc, peer := tr.pair(t)
				exchangeWith(fmt.Sprintf("%s: %d on %s", field.Name, value, tr.name), nc, peer, &cfg)
			}
		}
	}
}

// A badLogger panics, or waits for a channel.
type badLogger struct {
	logBook
	wait chan struct{}
}

func (b *badLogger) Handle(context.Context, slog.Record) error {
	if b.wait == nil {
		panic("no log")
	}
	<-b.wait
	return nil
}

// A Logger that does not work keeps no connection from its end.
func TestBadLoggers(t *testing.T) {
	ends := map[string]func(c *framer.Conn) error{
		"error": func(*framer.Conn) error { return errors.New("bad") },
		"panic": func(*framer.Conn) error { panic("bad") },
		"close": (*framer.Conn).Close,
		"producer": func(c *framer.Conn) error {
			return c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) { panic("bad") }))
		},
		"producer close": func(c *framer.Conn) error {
			return c.PushWithProducer(failingCloser{framer.NewBytesProducer([]byte("x")), func() error { panic("bad") }})
		},
	}
	for name, end := range ends {
		for _, blocks := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", name, blocks), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := framertest.Pipe()
					logger := new(badLogger)
					if blocks {
						logger.wait = make(chan struct{})
					}
					var s script
					s.onFound = func() error { return end(s.Conn) }
					c := s.serve(t, nc, framer.Config{Logger: slog.New(logger)})
					writeString(t, peer, "line\n")
					synctest.Wait()
					if blocks {
						if s.called("close") != 0 {
							t.Error("HandleClose was called before there was a record")
						}
						c.Close()
						io.Copy(io.Discard, peer) // the connection is closed
						close(logger.wait)
					}
					peer.Close()
					c.Wait()
				})
			})
		}
	}
}

// A namelessConn has no addresses.
type namelessConn struct {
	net.Conn
	typed bool // it has nil pointers for them
}

func (c namelessConn) LocalAddr() net.Addr {
	if c.typed {
		return (*net.TCPAddr)(nil)
	}
	return nil
}

func (c namelessConn) RemoteAddr() net.Addr { return c.LocalAddr() }

func TestConnWithoutAddresses(t *testing.T) {
	for _, typed := range []bool{false, true} {
		onTransports(t, func(t *testing.T, nc, peer net.Conn) {
			if _, ok := nc.(*tls.Conn); ok {
				return // has the addresses of what is below
			}
			var log bytes.Buffer
			var s script
			s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c := s.serve(t, namelessConn{nc, typed}, framer.Config{Logger: logger})
			exchange(t, peer)
			if got := c.String(); got != "<nil>-><nil> (active)" {
				t.Errorf("it is %s", got)
			}
			endInput(t, peer)
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log.String(), "remote=<nil>") {
				t.Errorf("the log is %q", log.String())
			}
		})
	}
}

// A TLS peer that goes on with something else gets no orderly end, and can't hold the
// connection up.
func TestTLSRubbish(t *testing.T) {
	for name, newHandler := range lineStyles(func(c *framer.Conn, line []byte) error {
		return c.PushWithProducer(framer.NewBytesProducer(make([]byte, 8<<20)))
	}) {
		nc, peer := tcpPair(t)
		server, client := tlsConfigs(t)
		var logs logBook
		c := serve(t, tls.Server(nc, server), newHandler, framer.Config{Logger: slog.New(&logs)})
		tc := tls.Client(peer, client)
		writeString(t, tc, "line\n")
		io.CopyN(io.Discard, tc, 1000)
		io.WriteString(peer, "GET / HTTP/1.1\r\n\r\n")
		io.Copy(io.Discard, peer)
		peer.Close()
		if err := c.Wait(); err == nil {
			t.Errorf("%s: the end is in order", name)
		}
		if records := logs.above(); len(records) != 0 {
			t.Errorf("%s: logged %v", name, records)
		}
	}
}

// A fullScript is a script that has a say in timeouts and at the end of the input, too.
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

// A seeThroughConn wraps a connection and lets look through it.
type seeThroughConn struct{ net.Conn }

func (c seeThroughConn) NetConn() net.Conn { return c.Conn }

// onWrappedTransports is onTransports, with connections that wrap another one as well.
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

// A hijacking line takes the connection away: what was pushed before is sent first, and
// what has come behind the line is read first, however much it is.
func TestHijack(t *testing.T) {
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
			io.ReadFull(nc, got[:min(size, 1)]) // there is no deadline left
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

// Hijack can be called by every method, and nothing is lost: what the method was not
// given is left for the function.
func TestHijackInEveryMethod(t *testing.T) {
	tests := []struct {
		hook, input, rest string
		set               func(s *fullScript, f func() error)
	}{
		{"connect", "one\ntwo", "one\ntwo", func(s *fullScript, f func() error) { s.onConnect = f }},
		{"collect", "one\ntwo", "\ntwo", func(s *fullScript, f func() error) { s.onCollect = func([]byte) error { return f() } }},
		{"found", "one\ntwo", "two", func(s *fullScript, f func() error) { s.onFound = f }},
		{"oversize", "longer than that\ntwo", " than that\ntwo", func(s *fullScript, f func() error) {
			s.onOversize = func(*framer.MessageTooLongError) error { return f() }
		}},
		{"timeout", "one\ntwo", "", func(s *fullScript, f func() error) {
			s.onTimeout = func(error) error {
				if s.Stats().BytesRead == 0 {
					return nil
				}
				return f()
			}
		}},
		{"end", "one\ntwo", "", func(s *fullScript, f func() error) { s.onEnd = func(error) error { return f() } }},
		{"end", "one\n", "", func(s *fullScript, f func() error) { s.onEnd = func(error) error { return f() } }},
	}
	for _, test := range tests {
		t.Run(test.hook, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				if !canHalfClose(peer) {
					return
				}
				var s fullScript
				rest := make(chan string, 1)
				test.set(&s, func() error {
					s.Hijack(func(nc net.Conn) {
						got, err := io.ReadAll(nc)
						if err != nil {
							t.Error(err)
						}
						rest <- string(got)
						io.WriteString(nc, "done")
						nc.Close()
					})
					return nil
				})
				cfg := framer.Config{MaxMessageSize: 6}
				if test.hook == "timeout" {
					cfg.ReadIdleTimeout = time.Millisecond
				}
				c := s.serve(t, nc, cfg)
				writeString(t, peer, test.input)
				for test.hook == "timeout" && !strings.Contains(c.String(), "clos") {
					runtime.Gosched()
				}
				endInput(t, peer)
				if got := readAll(t, peer); got != "done" {
					t.Errorf("the peer got %q", got)
				}
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
				select {
				case got := <-rest:
					if got != test.rest {
						t.Errorf("the function got %q, want %q", got, test.rest)
					}
				default:
					t.Errorf("the function was not called: %v", s.calls)
				}
				if n := len(s.calls); s.called(test.hook) != 1 && test.hook != "timeout" || !slices.Equal(s.calls[n-2:], []string{test.hook, "close"}) {
					t.Errorf("the calls are %v, want %s once and then close", s.calls, test.hook)
				}
			})
		})
	}
}

// In a Session, a message of which a part has come is left to the function as well, and
// what was not read from a reader.
func TestHijackInMessage(t *testing.T) {
	sessions := map[string]func(c *framer.Conn) error{
		"Next": func(c *framer.Conn) error {
			_, err := c.Next(framer.Delimiter("!"))
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("Next: %v", err)
			}
			return nil
		},
		"NextReader": func(c *framer.Conn) error {
			r, err := c.NextReader(framer.Delimiter("!"))
			if err != nil {
				return err
			}
			_, err = io.ReadFull(r, make([]byte, 3))
			return err
		},
		"NextReader of Split": func(c *framer.Conn) error {
			r, err := c.NextReader(framer.Split(bufio.ScanLines))
			if err != nil {
				return err
			}
			_, err = io.ReadFull(r, make([]byte, 3))
			return err
		},
	}
	wants := map[string]string{"Next": "01234\n56789end", "NextReader": "34\n56789end", "NextReader of Split": "3456789end"}
	for name, session := range sessions {
		t.Run(name, func(t *testing.T) {
			onWrappedTransports(t, func(t *testing.T, nc, peer net.Conn) {
				c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
					err := session(c)
					c.Hijack(func(nc net.Conn) {
						got := make([]byte, len(wants[name]))
						io.ReadFull(nc, got)
						nc.Write(got)
						nc.Close()
					})
					return err
				}), framer.Config{MessageTimeout: time.Millisecond})
				writeString(t, peer, "01234\n56789")
				writeString(t, peer, "end")
				if got := readAll(t, peer); got != wants[name] {
					t.Errorf("the function got %q, want %q", got, wants[name])
				}
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Where the conversation has another end, the function of Hijack is not called, and the
// end is what it would be without it.
func TestHijackIsNotCalled(t *testing.T) {
	ends := failures()
	orderly := func(t *testing.T, err error, _ *logBook) {
		if err != nil {
			t.Error(err)
		}
	}
	var c *framer.Conn
	ends = append(ends,
		failure{"CloseWhenDone", func() error { return c.CloseWhenDone() }, orderly},
		failure{"CloseWhenDone and error", func() error { return errors.Join(c.CloseWhenDone(), errors.New("bad")) }, func(t *testing.T, err error, _ *logBook) {
			if err == nil || err.Error() != "bad" {
				t.Errorf("ended with %v, want bad", err)
			}
		}})
	for style := range lineStyles(nil) {
		for _, end := range ends {
			t.Run(style+"/"+end.name, func(t *testing.T) {
				onWrappedTransports(t, func(t *testing.T, nc, peer net.Conn) {
					var logs logBook
					newHandler := lineStyles(func(conn *framer.Conn, line []byte) error {
						c = conn
						c.Hijack(func(net.Conn) { t.Error("the function is called") })
						if err := c.Push([]byte("last words")); err != nil {
							t.Error(err)
						}
						return end.fail()
					})[style]
					c := serve(t, nc, newHandler, framer.Config{LingerTimeout: time.Hour, Logger: slog.New(&logs)})
					writeString(t, peer, "hijack\n")
					if got := readAll(t, peer); got != "last words" {
						t.Errorf("the peer got %q", got)
					}
					peer.Close()
					end.check(t, c.Wait(), &logs)
				})
			})
		}
	}
}

// The function of Hijack fails: the connection is closed, and that is the reason.
func TestHijackFails(t *testing.T) {
	for _, failure := range failures()[1:] {
		t.Run(failure.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				var s script
				var logs logBook
				s.onConnect = func() error {
					s.Hijack(func(net.Conn) { failure.fail() })
					return nil
				}
				c := s.serve(t, nc, framer.Config{Logger: slog.New(&logs)})
				handshake(t, peer)
				if n, err := peer.Read(make([]byte, 1)); err == nil {
					t.Errorf("the peer read %d bytes", n)
				}
				err := c.Wait()
				if failure.name != "panic" {
					failure.check(t, err, &logs)
					return
				}
				var p *framer.PanicError
				if !errors.As(err, &p) {
					t.Errorf("ended with %v, want a PanicError", err)
				}
				if r := logs.find("framer: panic in the function of Hijack"); len(r) != 1 || r[0].Level != slog.LevelError {
					t.Errorf("logged %v, want the panic at level Error", r)
				}
			})
		})
	}
}

// Until the function of Hijack has returned, the connection can be closed.
func TestCloseDuringHijack(t *testing.T) {
	errBad := errors.New("bad")
	for name, test := range map[string]struct {
		end  func(c *framer.Conn, cancel context.CancelCauseFunc)
		want error
	}{
		"Close":          {func(c *framer.Conn, _ context.CancelCauseFunc) { c.Close() }, net.ErrClosed},
		"CloseWithError": {func(c *framer.Conn, _ context.CancelCauseFunc) { c.CloseWithError(errBad) }, errBad},
		"context":        {func(_ *framer.Conn, cancel context.CancelCauseFunc) { cancel(errBad) }, errBad},
	} {
		t.Run(name, func(t *testing.T) {
			onWrappedTransports(t, func(t *testing.T, nc, peer net.Conn) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var s script
				s.t = t
				begun, read := make(chan struct{}), make(chan error, 1)
				s.onConnect = func() error {
					s.Hijack(func(nc net.Conn) {
						close(begun)
						for {
							nc.SetReadDeadline(time.Time{})
							_, err := nc.Read(make([]byte, 1))
							if !errors.Is(err, os.ErrDeadlineExceeded) {
								read <- err
								return
							}
						}
					})
					return nil
				}
				c := serveContext(t, ctx, nc, s.newHandler, framer.Config{})
				handshake(t, peer)
				<-begun
				test.end(c, cancel)
				if err := <-read; err == nil {
					t.Error("the function can read")
				}
				if err := c.Wait(); !errors.Is(err, test.want) {
					t.Errorf("Wait: %v, want %v", err, test.want)
				}
				if err := context.Cause(c.Context()); !errors.Is(err, test.want) {
					t.Errorf("the context ended with %v, want %v", err, test.want)
				}
				if _, err := io.Copy(io.Discard, peer); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the peer does not see the end")
				}
			})
		})
	}
}

// What was handed on stays open when Serve has returned; nothing of the Conn's touches it
// any more.
func TestHijackHandsOn(t *testing.T) {
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

// Output of any size is sent before the function of Hijack is called, also while others
// push; and what they could not push they know.
func TestHijackAfterOutput(t *testing.T) {
	const size = 4 << 20
	onWrappedTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		var pushed int64
		pushing := make(chan struct{})
		s.onFound = func() error {
			go func() {
				defer close(pushing)
				for s.Push([]byte("xxxxxxxx")) == nil {
					pushed += 8
				}
			}()
			s.Hijack(func(nc net.Conn) {
				<-pushing
				io.WriteString(nc, "end")
				nc.Close()
			})
			return s.PushWithProducer(framer.NewReaderProducer(bytes.NewReader(bytes.Repeat([]byte("x"), size))))
		}
		c := s.serve(t, nc, framer.Config{})
		writeString(t, peer, "hijack\n")
		got := readAll(t, peer)
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if want := strings.Repeat("x", size+int(pushed)) + "end"; got != want {
			t.Errorf("the peer got %d bytes, want %d", len(got), len(want))
		}
	})
}

// No limit of the Conn's is left when the function of Hijack runs.
func TestHijackHasNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		defer peer.Close()
		var s script
		s.onFound = func() error {
			s.Hijack(func(nc net.Conn) {
				time.Sleep(24 * time.Hour)
				io.WriteString(nc, "end")
				nc.Close()
			})
			return s.PushWithProducer(framer.ProducerFunc(func() func() ([]byte, error) {
				pieces := 2
				return func() ([]byte, error) {
					time.Sleep(time.Second / 2) // Hijack has to wait for it
					pieces--
					return []byte("piece\n")[:6*min(1, max(pieces, 0))], nil
				}
			}()))
		}
		c := s.serve(t, nc, framer.Config{WriteTimeout: time.Second, IdleTimeout: time.Second, ReadIdleTimeout: time.Second, MessageTimeout: time.Second, LingerTimeout: time.Second})
		writeString(t, peer, "hijack\n")
		if got := readAll(t, peer); got != "piece\nend" {
			t.Errorf("the peer got %q", got)
		}
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// A peer that takes nothing keeps the function of Hijack from being called.
func TestHijackAfterWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		var s script
		s.onFound = func() error {
			s.Hijack(func(net.Conn) { t.Error("the function is called") })
			return s.Push([]byte("output"))
		}
		c := s.serve(t, nc, framer.Config{WriteTimeout: time.Second})
		writeString(t, peer, "hijack\n")
		wantTimeout(t, wantEndAfter(t, c, time.Second), "WriteTimeout")
	})
}

// After CloseWrite the function of Hijack can read, and the peer knows the end.
func TestHijackAfterCloseWrite(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		if !canHalfClose(nc) {
			return
		}
		var s script
		rest := make(chan string, 1)
		s.onFound = func() error {
			s.Hijack(func(nc net.Conn) {
				defer nc.Close()
				got, err := io.ReadAll(nc)
				if err != nil {
					t.Error(err)
				}
				rest <- string(got)
			})
			return errors.Join(s.Push([]byte("last words")), s.CloseWrite())
		}
		c := s.serve(t, nc, framer.Config{LingerTimeout: time.Millisecond})
		writeString(t, peer, "hijack\nmore ")
		if got := readAll(t, peer); got != "last words" {
			t.Errorf("the peer got %q", got)
		}
		writeString(t, peer, "and more")
		endInput(t, peer)
		if got := <-rest; got != "more and more" {
			t.Errorf("the function got %q", got)
		}
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// Whoever ends the connection while it is taken away, from another goroutine: it ends,
// the peer sees that, and the function is called once at most.
func TestEndsDuringHijack(t *testing.T) {
	ends := map[string]func(c *framer.Conn) error{
		"Close":         (*framer.Conn).Close,
		"CloseWhenDone": (*framer.Conn).CloseWhenDone,
		"CloseWrite":    (*framer.Conn).CloseWrite,
		"discards":      func(c *framer.Conn) error { c.DiscardBuffers(); return nil },
	}
	for style := range lineStyles(nil) {
		for name, end := range ends {
			t.Run(style+"/"+name, func(t *testing.T) {
				for range 3 {
					onTransports(t, func(t *testing.T, nc, peer net.Conn) {
						var calls atomic.Int32
						ended := make(chan error, 1)
						c := serve(t, nc, lineStyles(func(c *framer.Conn, line []byte) error {
							go func() { ended <- end(c) }()
							c.Hijack(func(nc net.Conn) {
								calls.Add(1)
								nc.Close()
							})
							c.Push([]byte("last words")) // unless it is closed already
							return nil
						})[style], framer.Config{LingerTimeout: time.Millisecond})
						writeString(t, peer, "hijack\n")
						io.Copy(io.Discard, peer)
						peer.Close()
						if err := <-ended; err != nil && !errors.Is(err, errors.ErrUnsupported) {
							t.Error(err)
						}
						if err := c.Wait(); err != nil && (name != "Close" || !errors.Is(err, net.ErrClosed)) {
							t.Errorf("Wait: %v", err)
						}
						if n := calls.Load(); n > 1 || n == 0 && name != "Close" && name != "CloseWhenDone" {
							t.Errorf("the function was called %d times", n)
						}
					})
				}
			})
		}
	}
}

// CloseWrite ends one side: the peer sees the end behind what was pushed, goes on, and is
// heard.
func TestCloseWrite(t *testing.T) {
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

// So it is from another goroutine, and before Serve.
func TestCloseWriteFromOutside(t *testing.T) {
	for style := range lineStyles(nil) {
		t.Run(style, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				if !canHalfClose(nc) {
					return
				}
				lines := make(chan string, 3)
				c := serve(t, nc, lineStyles(func(c *framer.Conn, line []byte) error {
					lines <- string(line)
					return nil
				})[style], framer.Config{})
				writeString(t, peer, "one\n")
				<-lines
				if err := c.CloseWrite(); err != nil {
					t.Error(err)
				}
				if got := readAll(t, peer); got != "" {
					t.Errorf("the peer got %q", got)
				}
				writeString(t, peer, "two\n")
				if got := <-lines; got != "two" {
					t.Errorf("got %q after CloseWrite", got)
				}
				endInput(t, peer)
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	t.Run("before Serve", func(t *testing.T) {
		nc, peer := tcpPair(t)
		defer peer.Close()
		var s script
		s.t = t
		c := framer.NewConn(nc, s.newHandler, nil)
		if err := errors.Join(c.Push([]byte("all")), c.CloseWrite()); err != nil {
			t.Error(err)
		}
		served := call(func() error { return c.Serve(t.Context()) })
		if got := readAll(t, peer); got != "all" {
			t.Errorf("the peer got %q", got)
		}
		peer.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// After CloseWrite the input is no rest that is read for LingerTimeout, but the
// conversation; at its end, that counts from the beginning.
func TestCloseWriteOutlastsLinger(t *testing.T) {
	for name, pair := range bubblePairs {
		if name == "pipe" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := pair(t)
				defer peer.Close()
				var s script
				s.onFound = func() error {
					if string(s.Take()) == "end" {
						return s.CloseWhenDone()
					}
					return s.CloseWrite()
				}
				c := s.serve(t, nc, framer.Config{LingerTimeout: time.Second, WriteTimeout: time.Second})
				writeString(t, peer, "half\n")
				if got := readAll(t, peer); got != "" {
					t.Errorf("the peer got %q", got)
				}
				wantOpenFor(t, c, time.Hour)
				writeString(t, peer, "more\n")
				wantOpenFor(t, c, time.Hour)
				writeString(t, peer, "end\n")
				if err := wantEndAfter(t, c, time.Second); err != nil {
					t.Error(err)
				}
				if n := s.called("found"); n != 3 {
					t.Errorf("%d lines, want 3", n)
				}
			})
		})
	}
}

// The reason that is given to CloseWithError is told to all, at level Info.
func TestCloseWithError(t *testing.T) {
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

// The handler that newHandler has returned is found from elsewhere.
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

// HandleEnd comes once, behind all that the peer has sent, and what it pushes arrives.
func TestHandleEnd(t *testing.T) {
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
				if n := s.called("end"); n != 1 {
					t.Errorf("HandleEnd was called %d times", n)
				}
			})
		})
	}
}

// It is not called where the connection has another end.
func TestHandleEndIsNotCalled(t *testing.T) {
	for name, f := range map[string]func(s *fullScript) error{
		"CloseWhenDone": func(s *fullScript) error { return s.CloseWhenDone() },
		"Close":         func(s *fullScript) error { return s.Close() },
		"error":         func(s *fullScript) error { return errors.New("bad") },
		"EOF":           func(s *fullScript) error { return io.ErrUnexpectedEOF },
	} {
		t.Run(name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				var s fullScript
				s.onFound = func() error { return f(&s) }
				c := s.serve(t, nc, framer.Config{})
				writeString(t, peer, "line\nhal")
				endInput(t, peer)
				peer.Close()
				c.Wait()
				if s.called("end") != 0 {
					t.Errorf("the calls are %v", s.calls)
				}
			})
		})
	}
}
