// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// Every method can call Hijack, and no input is lost: the function of Hijack gets the
// input that the method was not given.
func TestHijackInEveryMethod(t *testing.T) {
	t.Parallel()
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

// In a Session, the function of Hijack also gets the beginning of a message, and what was
// not read from a reader of NextReader.
func TestHijackInMessage(t *testing.T) {
	t.Parallel()
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

// If the connection ends in another way, the function of Hijack is not called, and the
// end is the same as without Hijack.
func TestHijackIsNotCalled(t *testing.T) {
	t.Parallel()
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

// If the function of Hijack fails, the connection is closed, and the failure is the
// reason.
func TestHijackFails(t *testing.T) {
	t.Parallel()
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

// The connection can be closed until the function of Hijack has returned.
func TestCloseDuringHijack(t *testing.T) {
	t.Parallel()
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

// Output of any size is sent before the function of Hijack is called, also while other
// goroutines push. A goroutine whose push was not accepted gets an error.
func TestHijackAfterOutput(t *testing.T) {
	t.Parallel()
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

// No limit of the Conn applies while the function of Hijack runs.
func TestHijackHasNoTimeout(t *testing.T) {
	t.Parallel()
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
					time.Sleep(time.Second / 2) // Hijack has to wait for this producer
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

// If the peer takes nothing, the function of Hijack is not called.
func TestHijackAfterWriteTimeout(t *testing.T) {
	t.Parallel()
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

// After CloseWrite the function of Hijack can read, and the peer has seen the end of the
// output.
func TestHijackAfterCloseWrite(t *testing.T) {
	t.Parallel()
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

// Another goroutine ends the connection while Hijack takes it away. The connection ends,
// the peer sees that, and the function of Hijack is called at most once.
func TestEndsDuringHijack(t *testing.T) {
	t.Parallel()
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
							c.Push([]byte("last words")) // fails if the connection is closed already
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

// While the function of Hijack runs, the connection belongs to the server. Shutdown waits
// for it, and closes it when its context ends.
func TestShutdownDuringHijack(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{true, false} {
		t.Run(fmt.Sprint(ends), func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				server := framer.Server{NewHandler: framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, _ []byte) error {
					c.Hijack(func(nc net.Conn) {
						io.WriteString(nc, "hijacked")
						io.Copy(nc, nc)
						nc.Close()
					})
					return nil
				})}
				served := call(func() error { return server.ServeConn(context.Background(), nc) })
				writeString(t, peer, "hijack\n")
				readString(t, peer, "hijacked")
				if n := server.Stats().Conns; n != 1 {
					t.Errorf("the server has %d connections, want 1", n)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				shutdown := call(func() error { return server.Shutdown(ctx) })
				exchange(t, peer)
				var want, wantShutdown error
				if ends {
					peer.Close()
				} else {
					cancel()
					want, wantShutdown = framer.ErrServerClosed, context.Canceled
				}
				if err := <-served; !errors.Is(err, want) {
					t.Errorf("served: %v, want %v", err, want)
				}
				if err := <-shutdown; !errors.Is(err, wantShutdown) {
					t.Errorf("Shutdown: %v, want %v", err, wantShutdown)
				}
			})
		})
	}
}
