// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A listener without clients does not take a place from other listeners.
func TestMaxConnsWithIdleListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		idle, l := framertest.Listen(), framertest.Listen()
		s := framer.Server{NewHandler: newEchoLine, MaxConns: 1}
		startServer(t, &s, idle)
		startServer(t, &s, l)
		synctest.Wait()
		for range 3 {
			peer, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			checkEcho(t, peer)
			peer.Close()
		}
		nc, peer := framertest.Pipe()
		given := call(func() error { return s.ServeConn(t.Context(), nc) })
		checkEcho(t, peer)
		peer.Close()
		if err := <-given; err != nil {
			t.Error(err)
		}
	})
}

// If Refuse takes too long, its deadline or the end of the server ends it. If it panics,
// the connection is closed.
func TestRefuseHasLimits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		refuse func(nc net.Conn)
		end    func(s *framer.Server)
		after  time.Duration
	}{
		"a peer that does not read": {func(nc net.Conn) { nc.Write(make([]byte, 1<<20)) }, nil, 5 * time.Second},
		"a peer that does not end":  {func(nc net.Conn) {}, nil, 5 * time.Second},
		"a panic":                   {func(nc net.Conn) { panic("no") }, nil, 0},
		"Close":                     {func(nc net.Conn) { nc.Write(make([]byte, 1<<20)) }, func(s *framer.Server) { s.Close() }, time.Second},
		"Shutdown": {func(nc net.Conn) {}, func(s *framer.Server) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			s.Shutdown(ctx)
		}, time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan time.Time, 1)
				l := framertest.Listen()
				s := framer.Server{NewHandler: newEchoLine, MaxConns: 1, Refuse: test.refuse, Config: framer.Config{Logger: slog.New(slog.DiscardHandler)}}
				served := call(func() error { return s.Serve(endNotes{l, ended}) })
				first, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				checkEcho(t, first)
				second, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if test.end != nil {
					time.Sleep(time.Second)
					go test.end(&s)
				}
				if after := (<-ended).Sub(start); after != test.after {
					t.Errorf("closed after %v, want %v", after, test.after)
				}
				second.Close()
				first.Close()
				s.Close()
				<-served
			})
		})
	}
}

// endNotes reports the time at which a connection is first closed. In the test that is
// the second connection.
type endNotes struct {
	net.Listener
	ended chan time.Time
}

func (l endNotes) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &noteClose{nc.(*framertest.Conn), l.ended}, nil
}

type noteClose struct {
	*framertest.Conn
	ended chan time.Time
}

func (c *noteClose) Close() error {
	select {
	case c.ended <- time.Now():
	default:
	}
	return c.Conn.Close()
}

// Zero and negative values of MaxConns mean no limit.
func TestNoMaxConns(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, -1} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := framertest.Listen()
				s := framer.Server{NewHandler: newEchoLine, MaxConns: limit}
				startServer(t, &s, l)
				for range 10 {
					peer, err := l.Dial()
					if err != nil {
						t.Fatal(err)
					}
					defer peer.Close()
					checkEcho(t, peer)
				}
				if got := s.Stats().Conns; got != 10 {
					t.Errorf("%d connections are open, want 10", got)
				}
			})
		})
	}
}

// ServeConn stops waiting for a place when its context ends, or when the server is
// closed.
func TestServeConnWaitsInVain(t *testing.T) {
	t.Parallel()
	ends := map[string]struct {
		end  func(s *framer.Server, cancel func())
		want error
	}{
		"context": {func(_ *framer.Server, cancel func()) { cancel() }, context.Canceled},
		"Close":   {func(s *framer.Server, _ func()) { s.Close() }, framer.ErrServerClosed},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := framer.Server{NewHandler: newEchoLine, MaxConns: 1}
				nc, peer := framertest.Pipe()
				first := call(func() error { return s.ServeConn(t.Context(), nc) })
				checkEcho(t, peer)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				nc, other := framertest.Pipe()
				second := call(func() error { return s.ServeConn(ctx, nc) })
				waits(t, "ServeConn", second)
				end.end(&s, cancel)
				if err := <-second; !errors.Is(err, end.want) {
					t.Errorf("ServeConn: %v, want %v", err, end.want)
				}
				readAll(t, other)
				peer.Close()
				<-first
			})
		})
	}
}
