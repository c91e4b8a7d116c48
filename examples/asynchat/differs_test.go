// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package asynchat_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// discardLog is for tests whose connections end with an error.
var discardLog = &framer.Config{Logger: slog.New(slog.DiscardHandler)}

// connect returns the client's side of a TCP connection whose other side is a Conn, and
// a channel for what Serve returns. cfg may be nil.
func connect(t *testing.T, newHandler func(*framer.Conn) framer.Handler, cfg *framer.Config) (client *net.TCPConn, served <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- framer.NewConn(ours, newHandler, cfg).Serve(context.Background()) }()
	return nc.(*net.TCPConn), result
}

// exchange sends input and ends the client's side. It returns all that comes back, and
// what Serve returns.
func exchange(t *testing.T, input string, newHandler func(*framer.Conn) framer.Handler, cfg *framer.Config) (output string, reason error) {
	t.Helper()
	client, served := connect(t, newHandler, cfg)
	if _, err := io.WriteString(client, input); err != nil {
		t.Fatal(err)
	}
	client.CloseWrite()
	answer, err := io.ReadAll(client)
	if err != nil {
		t.Errorf("reading the answer: %v", err)
	}
	client.Close()
	return string(answer), <-served
}

// A recorder records the calls of its methods.
type recorder struct {
	*framer.Conn
	calls []string
	found func() error // what else FoundTerminator does, or nil
}

func (r *recorder) CollectIncomingData(data []byte) error {
	r.calls = append(r.calls, "collect "+string(data))
	return nil
}

func (r *recorder) FoundTerminator() error {
	r.calls = append(r.calls, "found")
	if r.found != nil {
		return r.found()
	}
	return nil
}

func (r *recorder) HandleClose(error) { r.calls = append(r.calls, "close") }

// record returns a function that makes r the handler, with the terminator t.
func record(r *recorder, t framer.Terminator) func(*framer.Conn) framer.Handler {
	return func(c *framer.Conn) framer.Handler {
		r.Conn = c
		c.SetTerminator(t)
		return r
	}
}

// data returns all that CollectIncomingData received.
func (r *recorder) data() (data string) {
	for _, call := range r.calls {
		if piece, ok := strings.CutPrefix(call, "collect "); ok {
			data += piece
		}
	}
	return data
}

// check compares the calls with want.
func (r *recorder) check(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(r.calls, want) {
		t.Errorf("the calls were %q, want %q", r.calls, want)
	}
}

// asynchat sends only the first 65,536 of the four million bytes.
func TestHalfCloseLosesNothing(t *testing.T) {
	reply := bytes.Repeat([]byte("x"), 4_000_000)
	output, reason := exchange(t, "request\n", framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
		return c.Push(reply)
	}), nil)
	if len(output) != len(reply) || reason != nil {
		t.Errorf("%d of %d bytes came, reason %v", len(output), len(reply), reason)
	}
}

// asynchat closes with unread input. TCP then resets the connection, which destroys what
// the client has not read yet. So does a Pipe.
func TestCloseWithUnreadInputLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reply := bytes.Repeat([]byte("x"), 10_000)
		client, nc := framertest.Pipe()
		served := make(chan error)
		go func() {
			served <- framer.NewConn(nc, framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
				if err := c.Push(reply); err != nil {
					return err
				}
				return c.CloseWhenDone()
			}), nil).Serve(context.Background())
		}()
		io.WriteString(client, "request\n"+strings.Repeat("too much\n", 4_000))
		synctest.Wait() // nothing goes on until the client reads
		answer, err := io.ReadAll(client)
		client.Close()
		if len(answer) != len(reply) || err != nil {
			t.Errorf("%d of %d bytes came, then %v", len(answer), len(reply), err)
		}
		if reason := <-served; reason != nil {
			t.Errorf("reason %v", reason)
		}
	})
}

// asynchat never delivers the "\r" that it has held back, and does not report that the
// message is incomplete.
func TestHeldBytesAreDelivered(t *testing.T) {
	var r recorder
	_, reason := exchange(t, "ab\r", record(&r, framer.Delimiter("\r\n")), nil)
	if data := r.data(); data != "ab\r" {
		t.Errorf("%q was delivered", data)
	}
	if reason != io.ErrUnexpectedEOF {
		t.Errorf("reason %v", reason)
	}
}

// After set_terminator(0), asynchat collects for ever.
func TestLengthZero(t *testing.T) {
	var r recorder
	r.found = func() error {
		if len(r.calls) == 1 {
			return r.SetTerminator(framer.Length(0)) // an empty body
		}
		return r.SetTerminator(framer.Delimiter("\n"))
	}
	exchange(t, "\nnext\n", record(&r, framer.Delimiter("\n")), nil)
	r.check(t, "found", "found", "collect next", "found", "close")
}

// This is as in asynchat.
func TestLengthIsForOnce(t *testing.T) {
	var r recorder
	exchange(t, "abcd", record(&r, framer.Length(3)), nil)
	r.check(t, "collect abc", "found", "collect d", "close")
}

// In asynchat, an empty string means None, a negative number raises an exception, and a
// large number has no limit.
func TestSenselessTerminators(t *testing.T) {
	newHandler := func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter("\n"))
		for _, senseless := range []framer.Terminator{framer.Delimiter(""), framer.Length(-1), framer.Length(2 << 20)} {
			if err := c.SetTerminator(senseless); err == nil {
				t.Errorf("SetTerminator(%v) succeeds", senseless)
			}
			if got := c.Terminator(); got != framer.Delimiter("\n") {
				t.Errorf("after SetTerminator(%v) the terminator is %v", senseless, got)
			}
		}
		c.SetTerminator(framer.Delimiter("\n")) // otherwise the connection would end with the error
		return &recorder{Conn: c}
	}
	if _, reason := exchange(t, "line\n", newHandler, nil); reason != nil {
		t.Errorf("reason %v", reason)
	}
}

// asynchat goes on to call found_terminator for what was read already. It silently drops
// what is pushed after close_when_done.
func TestCloseWhenDoneIsTheEnd(t *testing.T) {
	var r recorder
	var late error
	r.found = func() error {
		r.Push([]byte("bye"))
		r.CloseWhenDone()
		late = r.Push([]byte("late"))
		return nil
	}
	output, reason := exchange(t, "one\ntwo\n", record(&r, framer.Delimiter("\n")), nil)
	r.check(t, "collect one", "found", "close")
	if output != "bye" || reason != nil || !errors.Is(late, net.ErrClosed) {
		t.Errorf("output %q, reason %v, the late push returned %v", output, reason, late)
	}
}

// In asynchat, discard_buffers also drops the None of close_when_done, and the connection
// stays open.
func TestDiscardKeepsClose(t *testing.T) {
	client, served := connect(t, framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
		c.CloseWhenDone()
		c.DiscardBuffers()
		return nil
	}), nil)
	io.WriteString(client, "quit\n")
	if output, err := io.ReadAll(client); len(output) > 0 || err != nil {
		t.Errorf("read %q, %v", output, err)
	}
	client.Close()
	if err := <-served; err != nil {
		t.Errorf("reason %v", err)
	}
}

// A panic ends one connection, as an exception does in asynchat. What was pushed before
// is sent.
func TestPanicEndsOneConnection(t *testing.T) {
	newHandler := framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
		if string(msg) == "bad" {
			panic("a mistake")
		}
		return c.Push(msg)
	})
	good, served := connect(t, newHandler, nil)
	output, reason := exchange(t, "first\nbad\nnever\n", newHandler, discardLog)
	var p *framer.PanicError
	if output != "first" || !errors.As(reason, &p) || p.Value != "a mistake" || len(p.Stack) == 0 {
		t.Errorf("output %q, reason %v", output, reason)
	}
	io.WriteString(good, "ok\n")
	good.CloseWrite()
	if output, _ := io.ReadAll(good); string(output) != "ok" {
		t.Errorf("the other connection has answered %q", output)
	}
	good.Close()
	if err := <-served; err != nil {
		t.Errorf("reason of the other connection: %v", err)
	}
}

// asynchat keeps a bytearray, and sends what is in it when its turn comes.
func TestPushCopies(t *testing.T) {
	output, _ := exchange(t, "go\n", framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
		data := bytes.Repeat([]byte("a"), 100_000)
		for range 3 {
			if err := c.Push(data); err != nil {
				return err
			}
		}
		for i := range data {
			data[i] = 'b'
		}
		return nil
	}), nil)
	if want := string(bytes.Repeat([]byte("a"), 300_000)); output != want {
		t.Errorf("%d bytes came, %d of them were changed", len(output), bytes.Count([]byte(output), []byte("b")))
	}
}
