// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// An error of HandleShutdown ends the connection as any other error does.
func TestHandleShutdownFails(t *testing.T) {
	t.Parallel()
	for _, failure := range failures() {
		t.Run(failure.name, func(t *testing.T) {
			var logs logBook
			s := goodbye(t, nil)
			s.Config.Logger = slog.New(&logs)
			newHandler := s.NewHandler
			var closedWith error
			connected := make(chan struct{})
			s.NewHandler = func(c *framer.Conn) framer.Handler {
				h := newHandler(c).(*script)
				h.onConnect = func() error {
					close(connected)
					return nil
				}
				h.onShutdown = func() error {
					h.Push([]byte("last words"))
					return failure.fail()
				}
				h.onClose = func(err error) { closedWith = err }
				return h
			}
			nc, peer := tcpPair(t)
			served := make(chan struct{})
			go func() {
				defer close(served)
				s.ServeConn(t.Context(), nc)
			}()
			<-connected
			shutdown := call(func() error { return s.Shutdown(t.Context()) })
			if got := readAll(t, peer); got != "last words" {
				t.Errorf("the peer got %q", got)
			}
			peer.Close()
			if err := <-shutdown; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			<-served
			failure.check(t, closedWith, &logs)
		})
	}
}

// A Session learns of Shutdown when it would have to wait.
func TestShutdownSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		s := framer.Server{NewHandler: framer.Session(func(c *framer.Conn) error {
			for {
				line, err := c.Next(framer.Delimiter("\n"))
				if err != nil {
					fmt.Fprintf(c, "%v", err)
					return err
				}
				time.Sleep(time.Second)
				fmt.Fprintf(c, "%s\n", line)
			}
		})}
		result := call(func() error { return s.ServeConn(t.Context(), nc) })
		writeString(t, peer, "1\n2\n")
		synctest.Wait()
		shutdown := call(func() error { return s.Shutdown(t.Context()) })
		if got, want := readAll(t, peer), "1\n2\n"+framer.ErrServerClosed.Error(); got != want {
			t.Errorf("the peer got %q, want %q", got, want)
		}
		peer.Close()
		if err := errors.Join(<-shutdown, <-result); err != nil {
			t.Error(err)
		}
	})
}

// A Session gets ErrServerClosed once, and can then finish what it has begun. If it never
// ends, the end of the context ends it.
func TestShutdownSessionGoesOn(t *testing.T) {
	t.Parallel()
	lines := framer.Delimiter("\n")
	t.Run("ends", func(t *testing.T) {
		onTransports(t, func(t *testing.T, nc, peer net.Conn) {
			var s framer.Server
			told := make(chan struct{})
			s.NewHandler = framer.Session(func(c *framer.Conn) error {
				header, err := c.Next(lines)
				if err != nil {
					return err
				}
				transaction := string(header)
				c.Push([]byte("begun\n"))
				for closed := 0; ; {
					line, err := c.Next(lines)
					switch {
					case err == framer.ErrServerClosed:
						if closed++; closed > 1 {
							t.Error("Next has returned ErrServerClosed twice")
						}
						close(told)
					case err != nil:
						return err
					case string(line) == "end":
						fmt.Fprintf(c, "%s\n", transaction)
						return nil
					default:
						transaction += " " + string(line)
					}
				}
			})
			served := call(func() error { return s.ServeConn(t.Context(), nc) })
			writeString(t, peer, "begin\n")
			readString(t, peer, "begun\n")
			shutdown := call(func() error { return s.Shutdown(t.Context()) })
			<-told
			for _, line := range []string{"one\n", "tw", "o\n", "end\n"} {
				writeString(t, peer, line)
			}
			if got := readAll(t, peer); got != "begin one two\n" {
				t.Errorf("the peer got %q", got)
			}
			peer.Close()
			if err := errors.Join(<-shutdown, <-served); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("never ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := framertest.Pipe()
			defer peer.Close()
			var s framer.Server
			s.NewHandler = framer.Session(func(c *framer.Conn) error {
				for {
					if _, err := c.Next(lines); err != nil && err != framer.ErrServerClosed {
						return err
					}
				}
			})
			served := call(func() error { return s.ServeConn(t.Context(), nc) })
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
				t.Errorf("Shutdown: %v, want DeadlineExceeded", err)
			}
			if err := <-served; err != framer.ErrServerClosed {
				t.Errorf("ServeConn: %v, want ErrServerClosed", err)
			}
		})
	})
}

// Connections come and go, and get broadcasts, while the server closes or shuts down.
func TestServerEndsUnderLoad(t *testing.T) {
	t.Parallel()
	ends := map[string]func(s *framer.Server) error{
		"Close":    (*framer.Server).Close,
		"Shutdown": func(s *framer.Server) error { return s.Shutdown(t.Context()) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				testServerEndsUnderLoad(t, end)
			}
		})
	}
}

func testServerEndsUnderLoad(t *testing.T, end func(s *framer.Server) error) {
	var states sync.Map // maps a Conn to its state
	s := goodbye(t, nil)
	s.Config.Logger = slog.New(slog.DiscardHandler)
	s.ConnState = func(c *framer.Conn, state framer.ConnState) {
		before, known := states.Swap(c, state)
		if known != (state != framer.StateNew) || known && before.(framer.ConnState) >= state {
			t.Errorf("state %v follows %v", state, before)
		}
	}
	l := listen(t, "tcp", "127.0.0.1:0")
	served := call(func() error { return s.Serve(l) })
	var clients sync.WaitGroup
	echoed := make(chan struct{}, 1)
	for range 8 {
		clients.Go(func() {
			for {
				nc, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					return
				}
				fmt.Fprint(nc, "hello\n")
				n, _ := io.ReadFull(nc, make([]byte, 6))
				nc.Close()
				if n == 6 {
					select {
					case echoed <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	for range 20 {
		<-echoed
		for c := range s.Conns() {
			c.TryPush([]byte("broadcast\n"))
		}
	}
	if err := end(s); err != nil {
		t.Error(err)
	}
	if err := <-served; err != framer.ErrServerClosed {
		t.Errorf("Serve: %v, want ErrServerClosed", err)
	}
	clients.Wait()
	states.Range(func(c, state any) bool {
		if state != framer.StateClosed {
			t.Errorf("%v was left in state %v", c, state)
		}
		return true
	})
	if stats := s.Stats(); stats.Conns != 0 || stats.QueuedBytes != 0 {
		t.Errorf("after the end: %+v", stats)
	}
}

// After ErrStayOpen the connection goes on, until the handler closes it, the peer closes
// it, or the context of Shutdown ends.
func TestErrStayOpen(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func() error{
		"as it is": func() error { return framer.ErrStayOpen },
		"wrapped":  func() error { return fmt.Errorf("in a transaction: %w", framer.ErrStayOpen) },
	} {
		for _, ends := range []string{"CloseWhenDone", "peer", "context", "error"} {
			t.Run(name+"/"+ends, func(t *testing.T) {
				onTransports(t, func(t *testing.T, nc, peer net.Conn) {
					errBad := errors.New("bad")
					var s fullScript
					s.t = t
					connected := make(chan struct{})
					s.onConnect = func() error { close(connected); return nil }
					s.onShutdown = func() error {
						return errors.Join(s.Push([]byte("finish, please\n")), wrap())
					}
					s.onFound = func() error {
						switch line := string(s.Take()); line {
						case "done":
							return errors.Join(s.Push([]byte("bye\n")), s.CloseWhenDone())
						case "fail":
							return errBad
						default:
							return s.Push([]byte(line + "\n"))
						}
					}
					server := framer.Server{NewHandler: s.newHandler}
					server.Config.Logger = slog.New(slog.DiscardHandler)
					served := call(func() error { return server.ServeConn(context.Background(), nc) })
					handshake(t, peer)
					<-connected
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					shutdown := call(func() error { return server.Shutdown(ctx) })
					readString(t, peer, "finish, please\n")
					for range 50 {
						exchange(t, peer)
					}
					again := call(func() error { return server.Shutdown(ctx) }) // HandleShutdown is called only once
					exchange(t, peer)
					var want, wantShutdown error
					switch ends {
					case "CloseWhenDone":
						writeString(t, peer, "done\n")
						if got := readAll(t, peer); got != "bye\n" {
							t.Errorf("the peer got %q", got)
						}
						peer.Close()
					case "peer":
						peer.Close()
					case "error":
						writeString(t, peer, "fail\n")
						readAll(t, peer)
						peer.Close()
						want = errBad
					case "context":
						cancel()
						want, wantShutdown = framer.ErrServerClosed, context.Canceled
					}
					if err := <-served; !errors.Is(err, want) {
						t.Errorf("served: %v, want %v", err, want)
					}
					// One of the two calls may return nil, because the other has closed
					// all connections.
					if err := errors.Join(<-shutdown, <-again); !errors.Is(err, wantShutdown) {
						t.Errorf("Shutdown: %v, want %v", err, wantShutdown)
					}
					if n := s.called("shutdown"); n != 1 {
						t.Errorf("HandleShutdown was called %d times", n)
					}
				})
			})
		}
	}
}

// A Session can finish its transaction after Next has returned ErrServerClosed.
func TestSessionStaysOpen(t *testing.T) {
	t.Parallel()
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		server := framer.Server{NewHandler: framer.Session(func(c *framer.Conn) error {
			c.Push([]byte("ready\n"))
			told := 0
			for {
				line, err := c.Next(framer.Delimiter("\n"))
				if err == framer.ErrServerClosed {
					told++
					err = c.Push([]byte("finish, please\n"))
				} else if err == nil && string(line) == "done" {
					_, err := fmt.Fprintf(c, "told %d times\n", told)
					return err
				}
				if err != nil {
					return err
				}
			}
		})}
		served := call(func() error { return server.ServeConn(context.Background(), nc) })
		readString(t, peer, "ready\n")
		shutdown := call(func() error { return server.Shutdown(t.Context()) })
		readString(t, peer, "finish, please\n")
		writeString(t, peer, "one\n")
		writeString(t, peer, "two\nth")
		writeString(t, peer, "ree\ndone\n")
		if got := readAll(t, peer); got != "told 1 times\n" {
			t.Errorf("the peer got %q", got)
		}
		peer.Close()
		if err := errors.Join(<-served, <-shutdown); err != nil {
			t.Error(err)
		}
	})
}
