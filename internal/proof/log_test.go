// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// The level at which an end is logged depends on who has caused it, and not on the error:
// a handler may return an error of the network, or panic with one. A peer can't fill the
// log.
func TestLogLevels(t *testing.T) {
	t.Parallel()
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

// testLog serves a connection whose handler calls f for a line. It wants one record with
// the message, at the level, whose text says how the connection has ended.
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

// An uncomparable is an error that can't be compared: to compare it with == panics.
type uncomparable []func()

func (uncomparable) Error() string { panic("Error") }

// panicValues returns values for calls of panic.
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

// checkPanicLog wants one record of a panic, at level Error and with the stack.
func checkPanicLog(t *testing.T, name string, logs *logBook) {
	t.Helper()
	records := logs.above()
	if len(records) != 1 || records[0].Level != slog.LevelError || !strings.Contains(attr(records[0], "stack"), "proof_test.") {
		t.Errorf("%s: logged %v, want the panic at Error with its stack", name, records)
	}
}

// A panic is logged once, at level Error and with its stack, whatever its value is, and
// even if the connection already has a reason to end.
func TestPanicsAreLogged(t *testing.T) {
	t.Parallel()
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
	for _, p := range producersThatFail(fail)[2:] { // after CloseWhenDone, More of the others is never called
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

// producersThatFail returns producers that call f.
func producersThatFail(f func() error) []namedProducer {
	data := func() framer.Producer { return framer.NewBytesProducer([]byte("data")) }
	return []namedProducer{
		{"More", framer.ProducerFunc(func() ([]byte, error) { return nil, f() })},
		{"More behind another", framer.Concat(data(), framer.ProducerFunc(func() ([]byte, error) { return nil, f() }))},
		{"Close", failingCloser{data(), f}},
		{"OnDone", framer.OnDone(data(), func(int64, error) { f() })},
	}
}

// A producer's error is logged at level Warn.
func TestProducerErrorsAreLogged(t *testing.T) {
	t.Parallel()
	for _, test := range userErrors() {
		var panicked *framer.PanicError
		if test.err == io.EOF || errors.As(test.err, &panicked) {
			continue // io.EOF is the end of a producer, and a PanicError counts as a panic
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

// Nothing that a peer can do is logged above level Info.
func TestPeerCannotFillLog(t *testing.T) {
	t.Parallel()
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
		peer.(*net.TCPConn).CloseWrite() // fails if the connection has ended
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
	io.WriteString(peer, input) // fails if the connection has ended
	end(t, peer)
	err := c.Wait()
	for _, r := range logs.above() {
		t.Errorf("%s, %q: ended with %v, logged %v %s %s at %v", name, input, err, r.Message, attr(r, "error"), attr(r, "stack"), r.Level)
	}
}

// The record of an end in order says which end it was.
func TestOrderlyEndsAreTold(t *testing.T) {
	t.Parallel()
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

// A badLogger panics, or blocks until a channel is closed.
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

// A Logger that fails does not keep a connection from ending.
func TestBadLoggers(t *testing.T) {
	t.Parallel()
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
						io.Copy(io.Discard, peer) // returns when the connection is closed
						close(logger.wait)
					}
					peer.Close()
					c.Wait()
				})
			})
		}
	}
}

// These texts are for people who look for a mistake.
func TestTexts(t *testing.T) {
	t.Parallel()
	nc, peer := net.Pipe()
	defer peer.Close()
	c := framer.NewConn(nc, nil, &framer.Config{Logger: slog.New(slog.DiscardHandler)})
	c.Serve(t.Context()) // fails, because there is no Handler
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
