// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
)

// A timeoutConn sets deadlines of its own, as many wrappers do.
type timeoutConn struct {
	net.Conn
	d time.Duration
}

func (c timeoutConn) Read(p []byte) (int, error) {
	c.Conn.SetReadDeadline(time.Now().Add(c.d))
	return c.Conn.Read(p)
}

func (c timeoutConn) Write(p []byte) (int, error) {
	c.Conn.SetWriteDeadline(time.Now().Add(c.d))
	return c.Conn.Write(p)
}

// wantEnd fails the test unless c ends after d, because of limit.
func wantEnd(t *testing.T, c *framer.Conn, d time.Duration, limit string) {
	t.Helper()
	time.Sleep(d - 1)
	synctest.Wait()
	if c.Context().Err() != nil {
		t.Fatalf("ended too early: %v", c.Wait())
	}
	time.Sleep(time.Nanosecond)
	synctest.Wait()
	if c.Context().Err() == nil {
		c.Close()
		t.Fatalf("still open after %v", d)
	}
	if err := c.Wait(); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "Config."+limit) {
		t.Errorf("ended with %v, want a timeout of %s", err, limit)
	}
}

// A net.Conn that sets deadlines of its own does not begin the wait for the peer anew with
// each of them. It prolongs a shutdown only by its own time limit.
func TestDeadlinesOfAWrapper(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{5 * time.Second, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := net.Pipe()
			defer peer.Close()
			c := serve(t, timeoutConn{nc, d}, framer.Session(func(c *framer.Conn) error {
				c.Push([]byte("nobody reads this"))
				<-c.Context().Done()
				return nil
			}), framer.Config{})
			wantEnd(t, c, time.Minute, "WriteTimeout")
		})
		synctest.Test(t, func(t *testing.T) {
			nc, peer := net.Pipe()
			defer peer.Close()
			var s script
			server := framer.Server{NewHandler: s.newHandler, Config: framer.Config{LingerTimeout: -1}}
			served := call(func() error { return server.ServeConn(t.Context(), timeoutConn{nc, d}) })
			time.Sleep(5 * time.Minute)
			began := time.Now()
			if err := errors.Join(server.Shutdown(t.Context()), <-served); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > d {
				t.Errorf("with deadlines of %v, the shutdown took %v", d, took)
			}
		})
	}
}

// MinWriteRate may be switched on and off, and changed: each time it begins to count anew,
// with its time of grace, also for a write that waits.
func TestMinWriteRateChanges(t *testing.T) {
	t.Parallel()
	on, off := framer.Config{WriteTimeout: -1, MinWriteRate: 1 << 20}, framer.Config{WriteTimeout: -1}
	onPipe := func(t *testing.T, cfg framer.Config, f func(c *framer.Conn, peer net.Conn)) {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := net.Pipe()
			defer peer.Close()
			c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
				f(c, peer)
				c.Next(framer.None())
				return nil
			}), cfg)
			time.Sleep(time.Hour)
			wantEnd(t, c, 5*time.Second, "MinWriteRate")
		})
	}
	t.Run("on during a wait", func(t *testing.T) {
		onPipe(t, off, func(c *framer.Conn, _ net.Conn) {
			c.Push([]byte("nobody reads this"))
			time.Sleep(time.Hour)
			c.SetConfig(on)
		})
	})
	t.Run("raised during a wait", func(t *testing.T) {
		slow := off
		slow.MinWriteRate = 1
		onPipe(t, slow, func(c *framer.Conn, _ net.Conn) {
			c.Push([]byte("nobody reads this"))
			time.Sleep(time.Hour)
			c.SetConfig(on)
		})
	})
	t.Run("off and on", func(t *testing.T) {
		onPipe(t, on, func(c *framer.Conn, peer net.Conn) {
			c.Push([]byte("1"))
			synctest.Wait() // the write waits
			c.SetConfig(off)
			time.Sleep(time.Hour)
			peer.Read(make([]byte, 1))
			c.Flush(context.Background())
			c.SetConfig(on)
			c.Push([]byte("nobody reads this"))
		})
	})
}

// A connection that ignores deadlines is ended by force, also if the limit was switched off
// and on again meanwhile.
func TestLimitOffAndOnAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		c := serve(t, deafConn{nc}, framer.Session(func(c *framer.Conn) error {
			c.Push([]byte("nobody reads this"))
			time.Sleep(11 * time.Second) // it was told to return after ten
			c.SetConfig(framer.Config{WriteTimeout: -1})
			time.Sleep(10 * time.Second)
			c.SetConfig(framer.Config{WriteTimeout: 10 * time.Second})
			<-c.Context().Done()
			return nil
		}), framer.Config{WriteTimeout: 10 * time.Second})
		wantEnd(t, c, 21*time.Second, "WriteTimeout")
	})
}

// A hidingConn is a connection whose system does not tell a write that waits that there is
// room again. A new write finds it.
type hidingConn struct {
	net.Conn
	writes int
	told   chan struct{} // receives when a write is told to return
}

func (*hidingConn) LocalAddr() net.Addr { return new(net.TCPAddr) }

func (c *hidingConn) SetWriteDeadline(d time.Time) error {
	if !d.IsZero() && d.Before(time.Now()) {
		c.told <- struct{}{}
	}
	return nil
}

func (c *hidingConn) Write(p []byte) (int, error) {
	if c.writes++; c.writes%2 == 1 {
		<-c.told
		return 0, os.ErrDeadlineExceeded
	}
	return len(p), nil
}

// A write that was told to return, and its last attempt, are one wait: it is one stall, and
// its time counts once for MinWriteRate.
func TestLastAttemptIsPartOfTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		const writes, size = 16, 64 << 10
		c := serve(t, &hidingConn{Conn: nc, told: make(chan struct{}, 1)}, framer.Session(func(c *framer.Conn) error {
			return errors.Join(c.Push(make([]byte, writes*size)), c.Flush(context.Background()))
		}), framer.Config{WriteTimeout: 10 * time.Second, MinWriteRate: size / 15, LingerTimeout: -1}) // the peer takes size in ten seconds
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if got := c.Stats().WriteStalls; got != writes {
			t.Errorf("%d stalls, want %d", got, writes)
		}
	})
}

// MinWriteRate does not end a connection to a peer that is fast enough, whatever the size of
// a write is.
func TestMinWriteRateOfLargeWrites(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := net.Pipe()
			c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
				for range 4 {
					c.PushWithProducer(framer.NewBytesProducer(make([]byte, 10000)))
				}
				return nil
			}), framer.Config{WriteBufferSize: size, MinWriteRate: 1000, LingerTimeout: -1})
			got := 0
			for buf := make([]byte, 2000); ; {
				time.Sleep(time.Second)
				n, err := peer.Read(buf)
				if got += n; err != nil {
					break
				}
			}
			if err := c.Wait(); got != 40000 || err != nil {
				t.Errorf("with WriteBufferSize %d, the peer got %d bytes: %v", size, got, err)
			}
			peer.Close()
		})
	}
}
