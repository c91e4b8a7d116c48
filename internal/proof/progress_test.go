// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"errors"
	"io"
	"math"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
)

// inMemory runs test in a bubble, on a pipe without a buffer and on one with a buffer.
func inMemory(t *testing.T, test func(t *testing.T, nc, peer net.Conn)) {
	for name, pair := range map[string]func(*testing.T) (nc, peer net.Conn){
		"net.Pipe": func(*testing.T) (nc, peer net.Conn) { return net.Pipe() },
		"Pipe":     memoryPair,
		"wrapped": func(t *testing.T) (nc, peer net.Conn) {
			nc, peer = memoryPair(t)
			return struct{ net.Conn }{nc}, peer
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := pair(t)
				defer peer.Close()
				test(t, nc, peer)
			})
		})
	}
}

// While a write is stuck, the earlier of WriteTimeout and IdleTimeout ends the
// connection, to the nanosecond. Input prolongs only IdleTimeout.
func TestStuckWriteIsIdle(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		write, idle time.Duration
		input       bool
		want        time.Duration
		limit       string
	}{
		{"no WriteTimeout", -1, 10 * time.Second, false, 10 * time.Second, "IdleTimeout"},
		{"shorter", time.Minute, 10 * time.Second, false, 10 * time.Second, "IdleTimeout"},
		{"longer", 10 * time.Second, time.Minute, false, 10 * time.Second, "WriteTimeout"},
		{"shorter, with input", time.Minute, 10 * time.Second, true, time.Minute, "WriteTimeout"},
		{"longer, with input", 10 * time.Second, time.Minute, true, 10 * time.Second, "WriteTimeout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, nc, peer net.Conn) {
				var s script
				c := s.serve(t, nc, framer.Config{WriteTimeout: test.write, IdleTimeout: test.idle})
				if test.input {
					go func() {
						for {
							select {
							case <-time.After(7 * time.Second):
							case <-c.Context().Done():
								return
							}
							if _, err := io.WriteString(peer, "line\n"); err != nil {
								return
							}
						}
					}()
				}
				c.Push(make([]byte, 1<<20))
				wantTimeout(t, wantEndAfter(t, c, test.want), test.limit)
			})
		})
	}
}

// While the connection is closing, IdleTimeout does not apply, whatever the connection
// waits for.
func TestClosingIsNotIdle(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	tests := map[string]func(c *framer.Conn) error{
		"pushes": func(c *framer.Conn) error { return c.Push(make([]byte, size)) },
		"producer": func(c *framer.Conn) error {
			return c.PushWithProducer(framer.NewBytesProducer(make([]byte, size)))
		},
		"silent producer": func(c *framer.Conn) error {
			asked := false
			return c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
				if asked {
					return nil, nil
				}
				asked = true
				time.Sleep(50 * time.Second)
				return make([]byte, size), nil
			}))
		},
	}
	for name, push := range tests {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, nc, peer net.Conn) {
				var s script
				c := s.serve(t, nc, framer.Config{IdleTimeout: time.Second, MaxQueuedBytes: -1})
				if err := errors.Join(push(c), c.CloseWhenDone()); err != nil {
					t.Fatal(err)
				}
				wantOpenFor(t, c, 50*time.Second)
				if n, err := io.CopyN(io.Discard, peer, size/2); err != nil {
					t.Fatal(n, err)
				}
				wantOpenFor(t, c, 50*time.Second)
				if got := readAll(t, peer); len(got) != size/2 {
					t.Errorf("the peer got %d bytes more, want %d", len(got), size/2)
				}
				peer.Close()
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A deafConn ignores deadlines.
type deafConn struct{ net.Conn }

func (deafConn) SetDeadline(time.Time) error      { return nil }
func (deafConn) SetReadDeadline(time.Time) error  { return nil }
func (deafConn) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// A connection that ignores deadlines is closed after the timeout and a quarter of it.
func TestWriteTimeoutWithoutDeadlines(t *testing.T) {
	t.Parallel()
	for _, closing := range []bool{false, true} {
		inMemory(t, func(t *testing.T, nc, peer net.Conn) {
			var s script
			c := s.serve(t, deafConn{nc}, framer.Config{WriteTimeout: 20 * time.Second})
			c.Push(make([]byte, 1<<20))
			if closing {
				c.CloseWhenDone()
			}
			wantOpenFor(t, c, 20*time.Second)
			wantTimeout(t, wantEndAfter(t, c, 5*time.Second), "WriteTimeout")
		})
	}
}

// The longest and the shortest WriteTimeout work.
func TestExtremeWriteTimeouts(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		c := s.serve(t, nc, framer.Config{WriteTimeout: math.MaxInt64, LingerTimeout: math.MaxInt64})
		c.Push(make([]byte, 1<<20))
		c.CloseWhenDone()
		wantOpenFor(t, c, 10000*time.Hour)
		if got := readAll(t, peer); len(got) != 1<<20 {
			t.Errorf("the peer got %d bytes", len(got))
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
	inMemory(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		c := s.serve(t, nc, framer.Config{WriteTimeout: 1})
		wantOpenFor(t, c, time.Hour)
		c.Push(make([]byte, 1<<20))
		wantTimeout(t, wantEndAfter(t, c, 1), "WriteTimeout")
	})
}
