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
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
	"github.com/google/go-cmp/cmp"
)

// wantEndAfter fails the test unless c is open until one nanosecond before d has passed,
// and has ended when d has passed. It returns the reason.
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

// wantTimeout fails the test unless err is the timeout of limit, a field of Config.
func wantTimeout(t *testing.T, err error, limit string) {
	t.Helper()
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "(Config."+limit+")") {
		t.Errorf("ended with %v, want a timeout of %s", err, limit)
	}
}

func TestMessageTimeout(t *testing.T) { synctest.Test(t, testMessageTimeout) }

func testMessageTimeout(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	s.onFound = func() error {
		time.Sleep(time.Hour) // the time that the handler takes does not count
		return nil
	}
	c := s.serve(t, nc, framer.Config{MessageTimeout: 10 * time.Second})
	wantOpenFor(t, c, time.Hour) // no message has begun
	for range 3 {
		writeString(t, peer, "a")
		wantOpenFor(t, c, 9*time.Second)
		writeString(t, peer, "b\n")
		wantOpenFor(t, c, 2*time.Hour)
	}
	writeString(t, peer, "a")
	for range 9 {
		wantOpenFor(t, c, time.Second)
		writeString(t, peer, "a") // does not prolong the time for the message
	}
	wantTimeout(t, wantEndAfter(t, c, time.Second), "MessageTimeout")
}

// The time that a dropped message takes does not count for the next message.
func TestMessageTimeoutAfterOversize(t *testing.T) { synctest.Test(t, testMessageTimeoutAfterOversize) }

func testMessageTimeoutAfterOversize(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	s.onOversize = func(*framer.MessageTooLongError) error { return nil }
	c := s.serve(t, nc, framer.Config{MessageTimeout: 10 * time.Second, MaxMessageSize: 3})
	for range 5 {
		writeString(t, peer, "too long")
		wantOpenFor(t, c, 9*time.Second)
		writeString(t, peer, "\n")
	}
	writeString(t, peer, "too long")
	wantTimeout(t, wantEndAfter(t, c, 10*time.Second), "MessageTimeout")
}

func TestIdleTimeout(t *testing.T) { synctest.Test(t, testIdleTimeout) }

func testIdleTimeout(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	s.onFound = func() error {
		time.Sleep(time.Hour) // a connection whose handler runs is not idle
		return nil
	}
	c := s.serve(t, nc, framer.Config{IdleTimeout: 10 * time.Second})
	const almost = 10*time.Second - 1
	// Input and output, more often than a loop with a limit of rounds would allow.
	for range 200 {
		wantOpenFor(t, c, almost)
		writeString(t, peer, "x")
		wantOpenFor(t, c, almost)
		c.Push([]byte("y"))
		readString(t, peer, "y")
	}
	for range 200 {
		wantOpenFor(t, c, almost)
		c.Push([]byte("y"))
		readString(t, peer, "y")
	}
	writeString(t, peer, "\n")
	wantOpenFor(t, c, time.Hour)
	wantTimeout(t, wantEndAfter(t, c, 10*time.Second), "IdleTimeout")
}

// A peer that takes a long output slowly is not idle, even if that is a single write.
func TestSlowDownloadIsNotIdle(t *testing.T) { synctest.Test(t, testSlowDownloadIsNotIdle) }

func testSlowDownloadIsNotIdle(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	c := s.serve(t, nc, framer.Config{IdleTimeout: 10 * time.Second})
	c.Push(make([]byte, 40))
	for range 40 {
		wantOpenFor(t, c, 3*time.Second)
		readString(t, peer, "\x00")
	}
	wantTimeout(t, wantEndAfter(t, c, 10*time.Second), "IdleTimeout")
}

// After a timeout of input, output that waits is still sent.
func TestTimeoutEndsInOrder(t *testing.T) { synctest.Test(t, testTimeoutEndsInOrder) }

func testTimeoutEndsInOrder(t *testing.T) {
	nc, peer := framertest.Pipe()
	defer peer.Close()
	var s script
	c := s.serve(t, nc, framer.Config{MessageTimeout: time.Second})
	writeString(t, peer, "unfinished")
	synctest.Wait()
	peer.HoldReads(true)
	c.Push([]byte("too late\n"))
	wantOpenFor(t, c, 2*time.Second)
	peer.HoldReads(false)
	if got := readAll(t, peer); got != "too late\n" {
		t.Errorf("the peer got %q", got)
	}
	peer.Close()
	wantTimeout(t, c.Wait(), "MessageTimeout")
}

func TestWriteTimeout(t *testing.T) {
	tests := []struct {
		name string
		push func(c *framer.Conn) error
	}{
		{"push", func(c *framer.Conn) error { return c.Push(make([]byte, 100)) }},
		{"producer", func(c *framer.Conn) error {
			return c.PushWithProducer(framer.NewSimpleProducer(make([]byte, 100), 30))
		}},
		{"closing", func(c *framer.Conn) error {
			return errors.Join(c.Push(make([]byte, 100)), c.CloseWhenDone())
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := net.Pipe()
				defer peer.Close()
				var s script
				c := s.serve(t, nc, framer.Config{WriteTimeout: 10 * time.Second})
				wantOpenFor(t, c, time.Hour) // nothing waits to be written
				if err := test.push(c); err != nil {
					t.Fatal(err)
				}
				for range 50 { // a slow peer is not one that has stopped reading
					wantOpenFor(t, c, 9*time.Second)
					readString(t, peer, "\x00")
				}
				// The time counts from the beginning of the write that waits, or, if
				// the peer has taken some of a write, from the end of that write.
				wantOpenFor(t, c, 9*time.Second)
				time.Sleep(11 * time.Second)
				synctest.Wait()
				if c.Context().Err() == nil {
					t.Fatal("the connection is open")
				}
				wantTimeout(t, c.Wait(), "WriteTimeout")
			})
		})
	}
}

// A peer that takes nothing at all is dropped after exactly the WriteTimeout.
func TestWriteTimeoutIsExact(t *testing.T) {
	tests := []struct {
		name string
		cfg  framer.Config
		want time.Duration
	}{
		{"default", framer.Config{}, time.Minute},
		{"set", framer.Config{WriteTimeout: 10 * time.Second}, 10 * time.Second},
	}
	for _, test := range tests {
		for _, closing := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := net.Pipe()
					defer peer.Close()
					var s script
					c := s.serve(t, nc, test.cfg)
					c.Push(make([]byte, 100))
					if closing {
						c.CloseWhenDone()
					}
					wantTimeout(t, wantEndAfter(t, c, test.want), "WriteTimeout")
				})
			})
		}
	}
}

func TestNoWriteTimeout(t *testing.T) { synctest.Test(t, testNoWriteTimeout) }

func testNoWriteTimeout(t *testing.T) {
	nc, peer := net.Pipe()
	var s script
	c := s.serve(t, nc, framer.Config{WriteTimeout: -1})
	c.Push([]byte("data"))
	c.CloseWhenDone()
	wantOpenFor(t, c, 1000*time.Hour)
	if got := readAll(t, peer); got != "data" {
		t.Errorf("the peer got %q", got)
	}
	peer.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// While the connection closes, a producer must not be silent for longer than WriteTimeout.
// Before that, it may be.
func TestSilentProducer(t *testing.T) {
	for _, peerDone := range []bool{false, true} {
		name := map[bool]string{false: "CloseWhenDone", true: "peer done"}[peerDone]
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				defer peer.Close()
				var s script
				c := s.serve(t, nc, framer.Config{WriteTimeout: 10 * time.Second})
				pieces := make(chan string)
				c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
					select {
					case piece := <-pieces:
						return []byte(piece), nil
					case <-c.Context().Done():
						return nil, c.Context().Err()
					}
				}))
				wantOpenFor(t, c, time.Hour)
				if peerDone {
					endInput(t, peer)
				} else {
					c.CloseWhenDone()
				}
				synctest.Wait()
				for range 200 {
					wantOpenFor(t, c, 9*time.Second)
					pieces <- "x"
					readString(t, peer, "x")
				}
				wantTimeout(t, wantEndAfter(t, c, 10*time.Second), "WriteTimeout")
			})
		})
	}
}

func TestLingerTimeout(t *testing.T) {
	tests := []struct {
		name string
		cfg  framer.Config
		want time.Duration
	}{
		{"default", framer.Config{}, 5 * time.Second},
		{"set", framer.Config{LingerTimeout: time.Second}, time.Second},
		{"off", framer.Config{LingerTimeout: -1}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				defer peer.Close()
				var s script
				c := s.serve(t, nc, test.cfg)
				synctest.Wait()
				begin := time.Now()
				c.Push([]byte("data"))
				c.CloseWhenDone()
				if got := readAll(t, peer); got != "data" {
					t.Errorf("the peer got %q", got)
				}
				rubbish := make(chan struct{})
				go func() { // this input is thrown away, and does not prolong the wait
					defer close(rubbish)
					var err error
					for err == nil {
						time.Sleep(time.Millisecond)
						_, err = peer.Write([]byte("rubbish"))
					}
				}()
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
				if got := time.Since(begin); got != test.want {
					t.Errorf("lingered for %v, want %v", got, test.want)
				}
				<-rubbish
			})
		})
	}
}

// When the peer ends its side, the wait is over.
func TestLingerEndsWithPeer(t *testing.T) { synctest.Test(t, testLingerEndsWithPeer) }

func testLingerEndsWithPeer(t *testing.T) {
	nc, peer := framertest.Pipe()
	var s script
	c := s.serve(t, nc, framer.Config{})
	c.CloseWhenDone()
	wantOpenFor(t, c, time.Second)
	peer.Close()
	synctest.Wait()
	if c.Context().Err() == nil {
		t.Error("the connection is open")
	}
}

// LingerTimeout begins when the handler has returned, even if that takes long after
// CloseWhenDone.
func TestLingerBeginsAfterHandler(t *testing.T) { synctest.Test(t, testLingerBeginsAfterHandler) }

func testLingerBeginsAfterHandler(t *testing.T) {
	nc, peer := framertest.Pipe()
	defer peer.Close()
	var s script
	s.onConnect = func() error {
		s.CloseWhenDone()
		time.Sleep(time.Hour)
		return nil
	}
	c := s.serve(t, nc, framer.Config{})
	time.Sleep(time.Hour)
	if err := wantEndAfter(t, c, 5*time.Second); err != nil {
		t.Error(err)
	}
}

func TestHandshakeTimeout(t *testing.T) {
	tests := []struct {
		name string
		cfg  framer.Config
		want time.Duration
	}{
		{"default", framer.Config{}, 10 * time.Second},
		{"set", framer.Config{HandshakeTimeout: time.Second}, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				defer peer.Close()
				server, _ := tlsConfigs(t)
				var s script
				c := s.serve(t, tls.Server(nc, server), test.cfg)
				c.CloseWhenDone() // does not prolong the handshake
				wantTimeout(t, wantEndAfter(t, c, test.want), "HandshakeTimeout")
				if s.called("connect") != 0 {
					t.Error("HandleConnect was called")
				}
			})
		})
	}
}

// After a write over TLS there is no write deadline. TLS itself may have to write later,
// in a Read.
func TestTLSWriteDeadlineIsCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		server, client := tlsConfigs(t)
		spy := &deadlineConn{Conn: nc}
		var s script
		c := s.serve(t, tls.Server(spy, server), framer.Config{})
		tc := tls.Client(peer, client)
		c.Push([]byte("hello"))
		readString(t, tc, "hello")
		synctest.Wait()
		if spy.armed.Load() {
			t.Error("there is still a deadline")
		}
		tc.Close()
		io.Copy(io.Discard, peer)
	})
}

// A deadlineConn records whether a write deadline is set.
type deadlineConn struct {
	net.Conn
	armed atomic.Bool
}

func (c *deadlineConn) SetWriteDeadline(t time.Time) error {
	c.armed.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

// bubblePairs are the connections that work in a synctest bubble.
var bubblePairs = map[string]func(t *testing.T) (nc, peer net.Conn){
	"pipe":   func(*testing.T) (nc, peer net.Conn) { return net.Pipe() },
	"memory": memoryPair,
	"tls": func(t *testing.T) (nc, peer net.Conn) {
		a, b := framertest.Pipe()
		server, client := tlsConfigs(t)
		return tls.Server(a, server), tls.Client(b, client)
	},
}

// After a timeout, the next call of Next has the whole time again, any number of times. So
// a Session can ask whether the peer is still there.
func TestSessionPings(t *testing.T) {
	t.Parallel()
	for name, pair := range bubblePairs {
		for _, cfg := range []framer.Config{
			{IdleTimeout: 10 * time.Second},
			{MessageTimeout: 10 * time.Second},
			{MessageTimeout: 10 * time.Second, IdleTimeout: 11 * time.Second},
			{MessageTimeout: 11 * time.Second, IdleTimeout: 10 * time.Second},
		} {
			t.Run(fmt.Sprintf("%s/%v/%v", name, cfg.MessageTimeout, cfg.IdleTimeout), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testSessionPings(t, pair, cfg) })
			})
		}
	}
}

func testSessionPings(t *testing.T, pair func(t *testing.T) (nc, peer net.Conn), cfg framer.Config) {
	const rounds = 150 // more than a loop with a limit of rounds would allow
	nc, peer := pair(t)
	defer peer.Close()
	c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
		if _, err := c.Next(framer.Delimiter("\n")); err != nil {
			return err
		}
		for {
			begun := time.Now()
			line, err := c.Next(framer.Delimiter("\n"))
			if errors.Is(err, os.ErrDeadlineExceeded) {
				if got := time.Since(begun); got != 10*time.Second || string(line) != "hal" {
					return fmt.Errorf("Next: %q and %w after %v", line, err, got)
				}
				c.Push([]byte("ping\n"))
				continue
			}
			if err != nil {
				return err
			}
			if string(line) != "half" {
				return fmt.Errorf("Next: %q", line)
			}
			return c.Push([]byte("bye\n"))
		}
	}), cfg)
	writeString(t, peer, "hello\n")
	writeString(t, peer, "hal")
	synctest.Wait()
	begun := time.Now()
	for i := range rounds {
		readString(t, peer, "ping\n")
		if got, want := time.Since(begun), time.Duration(i+1)*10*time.Second; got != want {
			t.Fatalf("ping %d after %v, want %v", i, got, want)
		}
		synctest.Wait()
	}
	time.Sleep(10*time.Second - 1)
	writeString(t, peer, "f\n")
	readString(t, peer, "bye\n")
	if got, want := time.Since(begun), (rounds+1)*10*time.Second-1; got != want {
		t.Errorf("the end after %v, want %v", got, want)
	}
	peer.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// beginningOf returns what Next returns at a timeout if only the beginning of a message
// has come.
func beginningOf(term framer.Terminator, beginning string) string {
	if strings.HasPrefix(term.String(), "Split") {
		return "" // only the SplitFunc knows what belongs to the message
	}
	return strings.Trim(beginning, "\x00\x04\r")
}

// At a timeout, Next returns the same on every transport.
func TestNextAtTimeout(t *testing.T) {
	t.Parallel()
	for name, half := range halves {
		t.Run(name, func(t *testing.T) {
			for _, tr := range transports() {
				nc, peer := tr.pair(t)
				timeouts := make(chan string)
				done := make(chan struct{})
				c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
					for {
						msg, err := c.Next(half.term)
						if err == nil {
							return c.Push(msg)
						}
						if !errors.Is(err, os.ErrDeadlineExceeded) {
							return err
						}
						select {
						case timeouts <- string(msg):
						case <-done:
						}
					}
				}), framer.Config{MessageTimeout: time.Millisecond})
				writeString(t, peer, half.first)
				want := beginningOf(half.term, half.first)
				for range 3 {
					if got := <-timeouts; got != want {
						t.Errorf("%s: Next returned %q, want %q", tr.name, got, want)
					}
				}
				close(done)
				writeString(t, peer, half.rest)
				if got := readAll(t, peer); got != "half" {
					t.Errorf("%s: in the end Next returned %q, want %q", tr.name, got, "half")
				}
				peer.Close()
				if err := c.Wait(); err != nil {
					t.Errorf("%s: %v", tr.name, err)
				}
			}
		})
	}
}

// A patchyReader returns its pieces one by one, with a timeout before each of them.
type patchyReader struct {
	pieces []string
	failed bool
}

func (r *patchyReader) Read(p []byte) (int, error) {
	if r.failed = !r.failed; r.failed {
		return 0, os.ErrDeadlineExceeded
	}
	if len(r.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.pieces[0])
	if r.pieces[0] = r.pieces[0][n:]; r.pieces[0] == "" {
		r.pieces = r.pieces[1:]
	}
	return n, nil
}

// At a timeout, Next of a Framer returns the same as Next of a Conn.
func TestFramerNextAtTimeout(t *testing.T) {
	for name, half := range halves {
		f := framer.NewFramer(&patchyReader{pieces: []string{half.first, half.rest}}, nil)
		var got []string
		for {
			msg, err := f.Next(half.term)
			got = append(got, string(msg))
			if err == nil {
				break
			}
			if err != os.ErrDeadlineExceeded {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if diff := cmp.Diff([]string{"", beginningOf(half.term, half.first), "half"}, got); diff != "" {
			t.Errorf("%s: messages (-want +got):\n%s", name, diff)
		}
	}
}

// A peer that sends or takes a byte now and then passes all timeouts, but not a minimum
// rate. A peer that is as fast as the minimum rate may take as long as it likes.
func TestMinRates(t *testing.T) {
	tests := []struct {
		name  string
		cfg   framer.Config
		rate  int // of the peer, in bytes a second
		after time.Duration
		limit string
	}{
		{"read, too slow", framer.Config{MinReadRate: 100}, 99, 5 * time.Second, "MinReadRate"},
		{"read, fast enough", framer.Config{MinReadRate: 100}, 101, 0, ""},
		{"write, too slow", framer.Config{MinWriteRate: 240}, 100, 0, "MinWriteRate"},
		{"write, fast enough", framer.Config{MinWriteRate: 240}, 400, 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.cfg.MaxMessageSize, test.cfg.WriteBufferSize = -1, 512
				nc, peer := net.Pipe()
				var s script
				c := s.serve(t, nc, test.cfg)
				defer c.Close()
				defer peer.Close()
				time.Sleep(time.Hour) // no rate applies between messages, and without output
				synctest.Wait()
				if test.cfg.MinWriteRate > 0 {
					c.Push(make([]byte, 1<<20))
				}
				start := time.Now()
				for time.Since(start) < 10*time.Minute && c.Context().Err() == nil {
					time.Sleep(time.Second)
					if test.cfg.MinWriteRate > 0 {
						io.ReadFull(peer, make([]byte, test.rate))
					} else {
						peer.Write(bytes.Repeat([]byte("x"), test.rate))
					}
					synctest.Wait()
				}
				if test.limit == "" {
					if err := context.Cause(c.Context()); err != nil {
						t.Errorf("ended after %v: %v", time.Since(start), err)
					}
					return
				}
				wantTimeout(t, c.Wait(), test.limit)
				if took := time.Since(start); test.after > 0 && took > test.after+2*time.Second || took < 5*time.Second {
					t.Errorf("ended after %v", took)
				}
			})
		})
	}
}

// If SetConfig is called in the middle of a message, the message keeps its limit.
func TestSetConfigInMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
			lines := framer.Delimiter("\n")
			for {
				line, err := c.Next(lines)
				var long *framer.MessageTooLongError
				switch {
				case errors.Is(err, os.ErrDeadlineExceeded):
					cfg := c.Config()
					cfg.MaxMessageSize = 4
					c.SetConfig(cfg)
				case errors.As(err, &long):
					return c.Push([]byte("too long"))
				case err != nil:
					return err
				default:
					c.Push(append(line, '\n'))
				}
			}
		}), framer.Config{MessageTimeout: time.Second})
		writeString(t, peer, "twelve")
		time.Sleep(2 * time.Second)
		writeString(t, peer, " bytes\n")
		readString(t, peer, "twelve bytes\n")
		go io.WriteString(peer, "twelve\n")
		readString(t, peer, "too long")
		peer.Close()
		c.Wait()
	})
}

// A message in the middle of which SetConfig was called may have no end: a SplitFunc drops
// it, or StartTLS does. The new limit applies after that all the same.
func TestSetConfigInMessageWithoutEnd(t *testing.T) {
	tooLong := strings.Repeat("x", 100) + "\n"
	limit := func(s *script) {
		cfg := s.Config()
		cfg.MaxMessageSize = 10
		s.SetConfig(cfg)
	}
	want := func(t *testing.T, c *framer.Conn) {
		t.Helper()
		if long, ok := errors.AsType[*framer.MessageTooLongError](c.Wait()); !ok || long.Limit != 10 {
			t.Errorf("Wait: %v, want the limit of 10 bytes to be exceeded", c.Wait())
		}
	}
	t.Run("Split", func(t *testing.T) {
		nc, peer := net.Pipe() // one write is one read
		lines := func(data []byte, _ bool) (advance int, token []byte, err error) {
			end := bytes.IndexByte(data, '\n')
			switch {
			case end < 0:
				return 0, nil, nil
			case data[0] == '#': // a comment is no token
				return end + 1, nil, nil
			}
			return end + 1, data[:end], nil
		}
		s := script{t: t}
		c := serve(t, nc, func(c *framer.Conn) framer.Handler {
			s.newHandler(c)
			s.onConnect = func() error { return s.SetTerminator(framer.Split(lines)) }
			return completeScript{&s, func() error {
				limit(&s)
				return s.Push([]byte("ok\n"))
			}}
		}, framer.Config{})
		writeString(t, peer, "first\n# a comm")
		readString(t, peer, "ok\n")
		writeString(t, peer, "ent\n")
		writeString(t, peer, tooLong)
		peer.Close()
		want(t, c)
	})
	t.Run("StartTLS", func(t *testing.T) {
		server, client := tlsConfigs(t)
		nc, peer := tcpPair(t)
		defer peer.Close()
		var s script
		s.onConnect = func() error { return s.SetTerminator(framer.Delimiter("\n")) }
		s.onCollect = func(data []byte) error {
			if string(data) != "abc" {
				return s.Collector.CollectIncomingData(data)
			}
			limit(&s)
			s.Push([]byte("ok\n"))
			return s.StartTLS(tls.Server, server)
		}
		c := s.serve(t, nc, framer.Config{})
		writeString(t, peer, "abc")
		readString(t, peer, "ok\n")
		encrypted := tls.Client(peer, client)
		writeString(t, encrypted, tooLong)
		encrypted.CloseWrite()
		want(t, c)
	})
}

// A completeScript is a script with HandleReadComplete.
type completeScript struct {
	*script
	onReadComplete func() error
}

func (s completeScript) HandleReadComplete() error { return s.onReadComplete() }

// If SetConfig and SetTerminator are called in the middle of a message, the new limit
// applies to the rest.
func TestSetConfigAndTerminator(t *testing.T) {
	long := strings.Repeat("x", 50)
	for _, test := range []struct {
		t   framer.Terminator
		msg string
	}{
		{framer.Delimiter("\n"), long + "\n"},
		{framer.AnyDelimiter("\r\n", "\n"), long + "\n"},
		{framer.AnyDelimiter("a", "b"), long + "b"},
		{framer.LengthPrefix(framer.Prefix{Size: 1}), "\x32" + long},
		{framer.FixedLength(50), long},
		{framer.Split(bufio.ScanLines), long + "\n"},
	} {
		for _, raised := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				before, after := int64(100), int64(10)
				if raised {
					before, after = 10, 100
				}
				c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
					if msg, err := c.Next(framer.Delimiter(";")); !errors.Is(err, os.ErrDeadlineExceeded) {
						return fmt.Errorf("%q, %v", msg, err)
					}
					cfg := c.Config()
					cfg.MaxMessageSize = after
					c.SetConfig(cfg)
					var tooLong *framer.MessageTooLongError
					if _, err := c.Next(test.t); errors.As(err, &tooLong) { // otherwise it returns what has come already
						return err
					}
					_, err := c.Next(test.t)
					return err
				}), framer.Config{MaxMessageSize: before, MessageTimeout: time.Second})
				writeString(t, peer, "ab")
				time.Sleep(2 * time.Second)
				writeString(t, peer, strings.Repeat(test.msg, 3))
				peer.Close()
				var tooLong *framer.MessageTooLongError
				if err := c.Wait(); errors.As(err, &tooLong) == raised {
					t.Errorf("%v, %d after %d: %v", test.t, after, before, err)
				}
			})
		}
	}
}

// The limits of SetConfig apply from the next message, wait and push on.
func TestSetConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		lines := framer.Delimiter("\n")
		c := serve(t, nc, framer.Messages(lines, func(c *framer.Conn, line []byte) error {
			cfg := c.Config()
			if cfg.ReadBufferSize != 16 {
				t.Errorf("ReadBufferSize is %d", cfg.ReadBufferSize)
			}
			switch string(line) {
			case "long":
				cfg.MaxMessageSize, cfg.ReadBufferSize = 1000, 1
			case "quick":
				cfg.MessageTimeout = time.Second
			case "idle":
				cfg.IdleTimeout, cfg.MessageTimeout = time.Minute, 0
			case "full":
				cfg.MaxQueuedBytes = 2
			}
			c.SetConfig(cfg)
			if string(line) == "full" {
				nc.HoldWrites(true)
				c.Push([]byte("12"))
				synctest.Wait() // the writer has taken it
				if err := c.TryPush([]byte("345")); err != framer.ErrQueueFull {
					t.Errorf("TryPush: %v, want ErrQueueFull", err)
				}
				nc.HoldWrites(false)
				return nil
			}
			return c.Push(append(line, '\n'))
		}), framer.Config{MaxMessageSize: 5, ReadBufferSize: 16, LingerTimeout: -1})
		exchangeLine := func(line string) {
			writeString(t, peer, line+"\n")
			readString(t, peer, line+"\n")
		}
		exchangeLine("long")
		exchangeLine(strings.Repeat("x", 1000))
		exchangeLine("quick")
		writeString(t, peer, "hal")
		time.Sleep(time.Second - 1)
		writeString(t, peer, "f\n")
		readString(t, peer, "half\n")
		exchangeLine("idle")
		writeString(t, peer, "hal")
		time.Sleep(59 * time.Second)
		writeString(t, peer, "f\n")
		readString(t, peer, "half\n")
		writeString(t, peer, "full\n")
		readString(t, peer, "12")
		wantTimeout(t, wantEndAfter(t, c, time.Minute), "IdleTimeout")
		peer.Close()
	})
}

// New time limits for output apply from SetConfig on, whatever the limits were before: to a
// write that waits already, to one that begins to wait later, and to a producer that has
// nothing to say while the connection closes.
func TestSetConfigForOutput(t *testing.T) {
	t.Parallel()
	const before = 10 * time.Second // how long a write has waited when SetConfig is called
	limits := map[string]struct {
		cfg   framer.Config
		after time.Duration
	}{
		"WriteTimeout": {framer.Config{WriteTimeout: 12 * time.Second}, 12 * time.Second},
		"MinWriteRate": {framer.Config{WriteTimeout: -1, MinWriteRate: 1 << 20}, 5 * time.Second},
		"IdleTimeout":  {framer.Config{WriteTimeout: -1, IdleTimeout: 12 * time.Second}, 12 * time.Second},
	}
	waits := map[string]struct {
		waited time.Duration // when SetConfig is called
		not    string        // a limit that does not apply
		wait   func(c *framer.Conn, peer net.Conn, change func())
	}{
		"already": {waited: before, wait: func(c *framer.Conn, _ net.Conn, change func()) {
			c.Push([]byte("nobody reads this"))
			time.Sleep(before)
			change()
		}},
		"later": {wait: func(c *framer.Conn, peer net.Conn, change func()) {
			c.Push([]byte("hello"))
			time.Sleep(before)
			io.ReadFull(peer, make([]byte, 5))
			change()
			c.Push([]byte("nobody reads this"))
		}},
		"producer": {not: "MinWriteRate", wait: func(c *framer.Conn, peer net.Conn, change func()) {
			c.Push([]byte("hello"))
			time.Sleep(before)
			io.ReadFull(peer, make([]byte, 5))
			r, _ := net.Pipe()
			c.PushWithProducer(framer.NewReaderProducer(r))
			change()
			c.CloseWhenDone()
		}},
	}
	for _, old := range []time.Duration{-1, before + 1, time.Minute, time.Hour} {
		for when, test := range waits {
			for limit, next := range limits {
				if limit == test.not {
					continue
				}
				t.Run(fmt.Sprintf("%v/%s/%s", old, when, limit), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						nc, peer := net.Pipe()
						defer peer.Close()
						c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
							test.wait(c, peer, func() { c.SetConfig(next.cfg) })
							c.CloseWhenDone() // nobody reads any more, so that IdleTimeout applies to output
							return nil
						}), framer.Config{WriteTimeout: old})
						wantOpenFor(t, c, before)
						after := next.after
						if limit != "MinWriteRate" { // that counts from the change on
							after -= test.waited
						}
						wantTimeout(t, wantEndAfter(t, c, after), limit)
					})
				})
			}
		}
	}
}

// A peer that takes nothing is dropped in time, however often SetConfig is called.
func TestSetConfigAgainAndAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(cfg *framer.Config, i int){
		"unchanged":      func(*framer.Config, int) {},
		"MaxMessageSize": func(cfg *framer.Config, i int) { cfg.MaxMessageSize = int64(1000 + i) },
		"WriteTimeout":   func(cfg *framer.Config, i int) { cfg.WriteTimeout = time.Minute + time.Duration(i%2) },
		"MinWriteRate":   func(cfg *framer.Config, i int) { cfg.MinWriteRate = i % 2 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := net.Pipe()
				defer peer.Close()
				c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
					c.Push([]byte("nobody reads this"))
					for i := range 100 {
						time.Sleep(time.Second)
						cfg := c.Config()
						change(&cfg, i)
						c.SetConfig(cfg)
					}
					return nil
				}), framer.Config{})
				wantOpenFor(t, c, time.Minute-1)
				time.Sleep(time.Second)
				synctest.Wait()
				wantTimeout(t, context.Cause(c.Context()), "WriteTimeout")
				c.Wait()
			})
		})
	}
}

// A write that waits when the connection begins to close goes on to wait, also if there is a
// producer behind it: its time limits and WaitingSince count from its beginning.
func TestCloseDuringWrite(t *testing.T) {
	t.Parallel()
	for limit, cfg := range map[string]framer.Config{
		"WriteTimeout": {WriteTimeout: 5 * time.Second},
		"MinWriteRate": {WriteTimeout: -1, MinWriteRate: 1 << 20},
		"IdleTimeout":  {WriteTimeout: -1, IdleTimeout: 5 * time.Second},
	} {
		for _, behind := range []framer.Producer{nil, framer.NewBytesProducer([]byte("nor this"))} {
			t.Run(fmt.Sprint(limit, "/", behind != nil), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := net.Pipe()
					defer peer.Close()
					var s script
					c := s.serve(t, nc, cfg)
					c.Push([]byte("nobody reads this"))
					if behind != nil {
						c.PushWithProducer(framer.OnDone(behind, func(int64, error) {}))
					}
					began := time.Now()
					wantOpenFor(t, c, 4*time.Second)
					c.CloseWhenDone()
					synctest.Wait()
					if got := c.Stats().WaitingSince; !got.Equal(began) {
						t.Errorf("output waits since %v, want %v", got, began)
					}
					wantTimeout(t, wantEndAfter(t, c, time.Second), limit)
				})
			})
		}
	}
}

// onTimeouts runs test in a bubble for each timeout of input, all of which are ten
// seconds.
func onTimeouts(t *testing.T, test func(t *testing.T, nc, peer net.Conn, cfg framer.Config, limit string)) {
	for name, pair := range bubblePairs {
		for limit, cfg := range map[string]framer.Config{
			"MessageTimeout":  {MessageTimeout: 10 * time.Second},
			"IdleTimeout":     {IdleTimeout: 10 * time.Second},
			"ReadIdleTimeout": {ReadIdleTimeout: 10 * time.Second},
		} {
			t.Run(name+"/"+limit, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := pair(t)
					defer peer.Close()
					test(t, nc, peer, cfg, limit)
				})
			})
		}
	}
}

// If HandleTimeout returns nil, the wait has the whole time again, any number of times,
// and the message goes on.
func TestHandleTimeoutPings(t *testing.T) {
	onTimeouts(t, func(t *testing.T, nc, peer net.Conn, cfg framer.Config, limit string) {
		const rounds = 150 // more than a loop with a limit of rounds would allow
		var s fullScript
		s.onTimeout = func(err error) error {
			wantTimeout(t, err, limit)
			return s.Push([]byte("ping\n"))
		}
		s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
		c := s.serve(t, nc, cfg)
		writeString(t, peer, "hal")
		begun := time.Now()
		for i := range rounds {
			readString(t, peer, "ping\n")
			if got, want := time.Since(begun), time.Duration(i+1)*10*time.Second; got != want {
				t.Fatalf("ping %d after %v, want %v", i, got, want)
			}
		}
		writeString(t, peer, "f\n")
		readString(t, peer, "half\n")
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if got := s.called("timeout"); got != rounds {
			t.Errorf("HandleTimeout was called %d times, want %d", got, rounds)
		}
	})
}

// HandleTimeout decides how the connection ends, and the peer receives what it pushes.
func TestHandleTimeoutEnds(t *testing.T) {
	errBad := errors.New("bad")
	for name, way := range map[string]struct {
		end  func(s *fullScript, err error) error
		want error
	}{
		"the same":            {func(_ *fullScript, err error) error { return err }, os.ErrDeadlineExceeded},
		"the same, with more": {func(_ *fullScript, err error) error { return fmt.Errorf("bye: %w", err) }, os.ErrDeadlineExceeded},
		"its own":             {func(*fullScript, error) error { return errBad }, errBad},
		"panic":               {func(*fullScript, error) error { panic(errBad) }, errBad},
		"CloseWhenDone":       {func(s *fullScript, _ error) error { return s.CloseWhenDone() }, nil},
		"bad terminator":      {func(s *fullScript, _ error) error { s.SetTerminator(framer.Length(1 << 40)); return nil }, new(framer.MessageTooLongError)},
		"Close": {func(s *fullScript, _ error) error {
			err := s.Flush(s.Context()) // otherwise the peer might receive nothing
			s.Close()
			return err
		}, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			onTimeouts(t, func(t *testing.T, nc, peer net.Conn, cfg framer.Config, _ string) {
				var s fullScript
				s.onTimeout = func(err error) error {
					if err := s.Push([]byte("421 timeout\r\n")); err != nil {
						t.Error(err)
					}
					return way.end(&s, err)
				}
				c := s.serve(t, nc, cfg)
				writeString(t, peer, "hal")
				begun := time.Now()
				readString(t, peer, "421 timeout\r\n")
				if got := time.Since(begun); got != 10*time.Second {
					t.Errorf("the timeout came after %v", got)
				}
				io.Copy(io.Discard, peer) // otherwise the peer's close might reset the connection
				peer.Close()
				err := c.Wait()
				if _, ok := way.want.(*framer.MessageTooLongError); ok {
					if _, ok := err.(*framer.MessageTooLongError); !ok {
						t.Errorf("Wait: %v", err)
					}
				} else if !errors.Is(err, way.want) {
					t.Errorf("Wait: %v, want %v", err, way.want)
				}
				if timeout, ok := errors.AsType[*framer.TimeoutError](err); ok && c.Stats().End != timeout.Reason {
					t.Errorf("ended because of %v, want %v", c.Stats().End, timeout.Reason)
				}
				if n := s.called("timeout"); n != 1 || s.calls[len(s.calls)-1] != "close" {
					t.Errorf("the calls are %v", s.calls)
				}
			})
		})
	}
}

// A terminator that HandleTimeout sets applies to what has come already.
func TestHandleTimeoutSetsTerminator(t *testing.T) {
	onTimeouts(t, func(t *testing.T, nc, peer net.Conn, cfg framer.Config, _ string) {
		var s fullScript
		s.onTimeout = func(error) error { return s.SetTerminator(framer.Delimiter("!")) }
		s.onFound = func() error { return errors.Join(s.Push(s.Take()), s.CloseWhenDone()) }
		c := s.serve(t, nc, cfg)
		writeString(t, peer, "hal")
		time.Sleep(11 * time.Second)
		writeString(t, peer, "f\n!")
		readString(t, peer, "half\n")
		io.Copy(io.Discard, peer) // otherwise the peer's close might reset the connection
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// Only input counts for ReadIdleTimeout, and only the time of waits for input.
func TestReadIdleTimeout(t *testing.T) {
	for name, pair := range bubblePairs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testReadIdleTimeout(t, pair) })
		})
	}
}

func testReadIdleTimeout(t *testing.T, pair func(*testing.T) (nc, peer net.Conn)) {
	nc, peer := pair(t)
	defer peer.Close()
	var s script
	s.onFound = func() error {
		time.Sleep(time.Hour) // the time that the handler takes does not count
		return nil
	}
	c := s.serve(t, nc, framer.Config{ReadIdleTimeout: 10 * time.Second, IdleTimeout: time.Minute, LingerTimeout: -1})
	handshake(t, peer)
	for range 20 {
		wantOpenFor(t, c, 10*time.Second-1)
		writeString(t, peer, "x")
	}
	writeString(t, peer, "\n")
	wantOpenFor(t, c, time.Hour)
	for range 9 {
		c.Push([]byte("broadcast\n"))
		readString(t, peer, "broadcast\n")
		c.DiscardBuffers() // interrupts the wait, but does not prolong it
		wantOpenFor(t, c, time.Second)
	}
	wantTimeout(t, wantEndAfter(t, c, time.Second), "ReadIdleTimeout")
}

// While a write is stuck, IdleTimeout ends the connection without a call of HandleTimeout.
func TestNoHandleTimeoutWhileWriteIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		var s fullScript
		s.onTimeout = func(error) error { return nil }
		c := s.serve(t, nc, framer.Config{IdleTimeout: 10 * time.Second})
		c.Push([]byte("stuck"))
		wantTimeout(t, wantEndAfter(t, c, 10*time.Second), "IdleTimeout")
		if s.called("timeout") != 0 {
			t.Error("HandleTimeout was called")
		}
	})
}

// A server of IRC asks a silent client whether it is still there. A client that does not
// answer is dropped, however much output it takes.
func TestPingLoop(t *testing.T) {
	onTimeouts(t, func(t *testing.T, nc, peer net.Conn, cfg framer.Config, limit string) {
		if limit != "ReadIdleTimeout" {
			return
		}
		var s fullScript
		pinged := false
		s.onTimeout = func(err error) error {
			if pinged {
				s.Push([]byte("ERROR :Ping timeout\n"))
				return err
			}
			pinged = true
			return s.Push([]byte("PING :1\n"))
		}
		s.onFound = func() error {
			pinged = false
			s.Reset()
			return nil
		}
		c := s.serve(t, nc, cfg)
		handshake(t, peer)
		for range 5 {
			readString(t, peer, "PING :1\n")
			time.Sleep(9 * time.Second)
			writeString(t, peer, "PONG :1\n")
		}
		begun := time.Now()
		readString(t, peer, "PING :1\n")
		for range 3 {
			time.Sleep(3 * time.Second)
			c.Push([]byte("PRIVMSG\n"))
			readString(t, peer, "PRIVMSG\n")
		}
		readString(t, peer, "ERROR :Ping timeout\n")
		if got := time.Since(begun); got != 20*time.Second {
			t.Errorf("dropped after %v, want 20s", got)
		}
		peer.Close()
		wantTimeout(t, c.Wait(), limit)
	})
}

// A connection is idle, and then its output waits because the peer takes nothing. It ends,
// even if WriteTimeout is off.
func TestIdleBeforeOutputIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
			_, err := c.Next(framer.None())
			return errors.Join(err, c.Push(make([]byte, 1<<10)))
		}), framer.Config{WriteTimeout: -1, IdleTimeout: 10 * time.Second})
		wantTimeout(t, wantEndAfter(t, c, 20*time.Second), "IdleTimeout")
	})
}
