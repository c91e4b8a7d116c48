// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// newEcho returns handlers that send every line back.
var newEcho = framer.Messages(framer.Delimiter("\r\n"), func(c *framer.Conn, line []byte) error {
	return c.Push(append(line, "\r\n"...))
})

// Accept returns the other ends of what Dial returns, in the same order.
func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := framertest.Listen()
		defer l.Close()
		type dialed struct {
			conn *framertest.Conn
			err  error
		}
		clients := make(chan dialed)
		go func() {
			for range 2 {
				c, err := l.Dial()
				clients <- dialed{c, err}
			}
		}()
		for _, text := range []string{"first", "second"} {
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			client := <-clients
			if client.err != nil {
				t.Fatal(client.err)
			}
			write(t, client.conn, text)
			read(t, server, text)
			write(t, server, "to "+text)
			read(t, client.conn, "to "+text)
		}
		if l.Addr().Network() != "pipe" || l.Addr().String() == "" {
			t.Errorf("address %v of network %q", l.Addr(), l.Addr().Network())
		}
	})
}

// Close ends calls of Accept, Dial and Fail that wait, and later calls fail. It closes no
// connection.
func TestListenerClose(t *testing.T) {
	operations := map[string]func(l *framertest.Listener) error{
		"accept": func(l *framertest.Listener) error {
			_, err := l.Accept()
			return err
		},
		"dial": func(l *framertest.Listener) error {
			_, err := l.Dial()
			return err
		},
		"fail": func(l *framertest.Listener) error {
			if l.Fail(syscall.EMFILE) {
				return nil
			}
			return &net.OpError{Op: "fail", Err: net.ErrClosed}
		},
	}
	for op, f := range operations {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := framertest.Listen()
				go l.Dial()
				server, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				done := begin(t, func([]byte) (int, error) { return 0, f(l) }, nil)
				l.Close()
				for _, err := range []error{(<-done).err, f(l)} {
					var opError *net.OpError
					if !errors.Is(err, net.ErrClosed) || !errors.As(err, &opError) || opError.Op != op {
						t.Errorf("%s after Close: %v", op, err)
					}
				}
				if err := l.Close(); err != nil {
					t.Errorf("a further Close: %v", err)
				}
				write(t, server, "still open")
			})
		})
	}
}

// Fail makes one call of Accept fail.
func TestListenerFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := framertest.Listen()
		failed := make(chan bool, 1)
		go func() { failed <- l.Fail(syscall.EMFILE) }()
		if c, err := l.Accept(); c != nil || !errors.Is(err, syscall.EMFILE) {
			t.Errorf("Accept: %v, %v; want EMFILE", c, err)
		}
		if !<-failed {
			t.Error("Fail reports that the listener is closed")
		}
		accepting := begin(t, func([]byte) (int, error) {
			_, err := l.Accept()
			return 0, err
		}, nil)
		l.Close()
		wantResult(t, accepting, 0, net.ErrClosed)
	})
}

// A server works on a Listener as on a TCP listener, and without delay. It sends lines
// back, gets over a lack of file descriptors, and delivers all its output in a shutdown.
func TestListenerServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := framertest.Listen()
		s := framer.Server{NewHandler: newEcho, Config: framer.Config{Logger: slog.New(slog.DiscardHandler)}}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()

		client, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		framertest.Play(t, client, framertest.Send("one\r\n"), framertest.Expect("one\r\n"))
		start := time.Now()
		l.Fail(syscall.EMFILE)
		second, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(start) == 0 {
			t.Error("the server has not waited after EMFILE")
		}
		framertest.Play(t, second, framertest.Send("two\r\n"), framertest.Expect("two\r\n"), framertest.Close())

		client.HoldReads(true)
		write(t, client, "three\r\n")
		synctest.Wait()
		shutdown := begin(t, func([]byte) (int, error) { return 0, s.Shutdown(t.Context()) }, nil)
		client.HoldReads(false)
		framertest.Play(t, client, framertest.Expect("three\r\n"), framertest.ExpectEnd(), framertest.Close())
		wantResult(t, shutdown, 0, nil)
		if err := <-served; err != framer.ErrServerClosed {
			t.Errorf("Serve: %v, want ErrServerClosed", err)
		}
		if _, err := l.Dial(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Dial after Shutdown: %v, want net.ErrClosed", err)
		}
	})
}

// When Serve returns nil, the peer sees the end of the output. When it returns a
// producer's error, the peer sees a reset.
func TestConnResetsTornOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, nc := framertest.Pipe()
		torn := framer.ProducerFunc(func() ([]byte, error) { return nil, errors.New("disk on fire") })
		c := framer.NewConn(nc, framer.Session(func(c *framer.Conn) error {
			c.Push([]byte("the beginning"))
			return c.PushWithProducer(torn)
		}), &framer.Config{Logger: slog.New(slog.DiscardHandler)})
		c.Serve(t.Context())
		if _, err := io.ReadAll(client); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer reads to the end with %v, want ECONNRESET", err)
		}
	})
}

// If the network does not deliver any more, the timeouts of a Conn end it. They use the
// clock of the bubble.
func TestConnTimeouts(t *testing.T) {
	tests := map[string]struct {
		cfg  framer.Config
		push int
	}{
		"idle":  {cfg: framer.Config{IdleTimeout: time.Hour, LingerTimeout: -1}},
		"write": {cfg: framer.Config{WriteTimeout: time.Hour}, push: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, nc := framertest.Pipe()
				nc.HoldReads(true)
				nc.HoldWrites(true)
				c := framer.NewConn(nc, newEcho, &test.cfg)
				c.Push(make([]byte, test.push))
				start := time.Now()
				if err := c.Serve(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Serve: %v, want a timeout", err)
				}
				if got := time.Since(start); got != time.Hour {
					t.Errorf("Serve has returned after %v, want an hour", got)
				}
			})
		})
	}
}
