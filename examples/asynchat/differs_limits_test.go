// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package asynchat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// In asynchat, a line without an end uses memory until there is none left.
func TestMessageLimit(t *testing.T) {
	cfg := &framer.Config{MaxMessageSize: 100, Logger: slog.New(slog.DiscardHandler)}
	var r recorder
	_, reason := exchange(t, strings.Repeat("x", 1000), record(&r, framer.Delimiter("\n")), cfg)
	var long *framer.MessageTooLongError
	if !errors.As(reason, &long) || long.Limit != 100 || len(r.data()) > 100 {
		t.Errorf("reason %v, %d bytes were collected", reason, len(r.data()))
	}
}

// In asynchat, the queue takes everything that is pushed to a client that does not read.
// Here Push blocks. While it blocks, nothing is read, which slows the client down.
func TestQueueLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, nc := framertest.Pipe()
		nc.HoldWrites(true) // the client does not read
		cfg := &framer.Config{MaxQueuedBytes: 1000, WriteTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler)}
		var tried error
		c := framer.NewConn(nc, framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
			for {
				if tried = c.TryPush(make([]byte, 600)); tried != nil {
					break
				}
			}
			return c.Push(make([]byte, 600)) // blocks, and fails when the connection has ended
		}), cfg)
		io.WriteString(client, "go\n")
		began := time.Now()
		reason := c.Serve(context.Background())
		if tried != framer.ErrQueueFull {
			t.Errorf("TryPush returned %v", tried)
		}
		if passed := time.Since(began); passed < time.Minute || passed > 2*time.Minute {
			t.Errorf("the connection ended after %v, reason %v", passed, reason)
		}
		client.Close()
	})
}

// In asynchat, channels belong to the thread of the loop.
func TestPushFromAnyGoroutine(t *testing.T) {
	const pushers, each = 8, 100
	newHandler := framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
		var all sync.WaitGroup
		for i := range pushers {
			all.Go(func() {
				for range each {
					fmt.Fprintf(c, "from %d\n", i)
				}
			})
		}
		all.Wait()
		return c.CloseWhenDone()
	})
	output, _ := exchange(t, "go\n", newHandler, nil)
	lines := slices.Collect(strings.Lines(output))
	slices.Sort(lines)
	if got := len(lines); got != pushers*each {
		t.Fatalf("%d lines came, want %d", got, pushers*each)
	}
	for i, line := range lines { // no push is torn
		if want := fmt.Sprintf("from %d\n", i/each); line != want {
			t.Fatalf("line %d is %q, want %q", i, line, want)
		}
	}
}

// In asynchat, a producer that raises an exception stays first in the queue.
func TestProducerErrorEndsTheConnection(t *testing.T) {
	failure := errors.New("the disk is broken")
	closed := 0
	newHandler := framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
		failing := framer.ProducerFunc(func() ([]byte, error) { return nil, failure })
		return c.PushWithProducer(framer.OnDone(failing, func(int64, error) { closed++ }))
	})
	client, served := connect(t, newHandler, discardLog)
	io.WriteString(client, "go\n")
	if reason := <-served; !errors.Is(reason, failure) || closed != 1 {
		t.Errorf("reason %v, the producer was ended %d times", reason, closed)
	}
}

// In asynchat, an error of accept closes the listening socket. So does an exception in
// the constructor of the handler.
func TestListenerSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panics := true
		server := &framer.Server{Config: *discardLog, NewHandler: func(c *framer.Conn) framer.Handler {
			if panics {
				panics = false
				panic("a mistake")
			}
			return newLineHandlerWithoutLog(c)
		}}
		l := framertest.Listen()
		var loop sync.WaitGroup
		loop.Go(func() { server.Serve(l) })
		l.Fail(syscall.EMFILE)
		first, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		io.ReadAll(first) // up to its end
		first.Close()
		client, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		framertest.Play(t, client, framertest.Send("still here\r\n"), framertest.ExpectLine("still here"))
		client.Close()
		server.Shutdown(context.Background())
		loop.Wait()
	})
}

func newLineHandlerWithoutLog(c *framer.Conn) framer.Handler {
	return framer.Messages(framer.Delimiter("\r\n"), func(c *framer.Conn, msg []byte) error {
		return c.Push(append(msg, "\r\n"...))
	})(c)
}

// VerifyConn refuses a connection before there is a handler, as verify_request does.
func TestRefusedClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &framer.Server{
			Config: *discardLog,
			NewHandler: func(*framer.Conn) framer.Handler {
				t.Error("there is a handler")
				return nil
			},
			VerifyConn: func(net.Conn) error { return errors.New("not you") },
		}
		client, nc := framertest.Pipe()
		err := server.ServeConn(context.Background(), nc)
		if rest, readErr := io.ReadAll(client); err == nil || len(rest) > 0 || readErr != nil {
			t.Errorf("ServeConn returned %v, the client has read %q, %v", err, rest, readErr)
		}
	})
}

// If collect_incoming_data sets a count, asynchat subtracts the piece from it.
func TestTerminatorSetWhileCollecting(t *testing.T) {
	var r collectingRecorder
	exchange(t, "ab\ncd\n", func(c *framer.Conn) framer.Handler {
		r.Conn = c
		return &r // under None at first
	}, &framer.Config{ReadBufferSize: 1})
	r.check(t, "collect a", "collect b", "collect \n", "collect c", "found", "collect d", "collect \n", "close")
}

// A collectingRecorder sets a terminator when it receives its first byte.
type collectingRecorder struct{ recorder }

func (r *collectingRecorder) CollectIncomingData(data []byte) error {
	if len(r.calls) == 0 {
		r.SetTerminator(framer.Length(3)) // "b", "\n" and "c"
	}
	return r.recorder.CollectIncomingData(data)
}

// A Go string holds bytes, mostly UTF-8. For another encoding, convert before Push.
func TestEncodings(t *testing.T) {
	output, _ := exchange(t, "café\n", framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
		_, err := fmt.Fprintf(c, "%d bytes, %d characters, %s", len(msg), len([]rune(string(msg))), latin1(string(msg)))
		return err
	}), nil)
	if want := "5 bytes, 4 characters, caf\xe9"; output != want {
		t.Errorf("output %q, want %q", output, want)
	}
}

// latin1 returns s in ISO 8859-1, which asynchat calls latin-1.
func latin1(s string) []byte {
	var encoded []byte
	for _, r := range s {
		if r > 0xff {
			r = '?'
		}
		encoded = append(encoded, byte(r))
	}
	return encoded
}

// In asynchat, a silent client stays connected for ever.
func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, nc := framertest.Pipe()
		cfg := &framer.Config{IdleTimeout: time.Hour, LingerTimeout: -1, Logger: slog.New(slog.DiscardHandler)}
		began := time.Now()
		reason := framer.NewConn(nc, newLineHandlerWithoutLog, cfg).Serve(context.Background())
		if passed := time.Since(began); passed != time.Hour {
			t.Errorf("the connection ended after %v, reason %v", passed, reason)
		}
		client.Close()
	})
}
