// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
)

// After a handler has closed the connection, it is given no message, not even one that
// was read already.
func TestNoCallbackAfterClose(t *testing.T) {
	t.Parallel()
	closes := map[string]func(*framer.Conn) error{
		"Close":         (*framer.Conn).Close,
		"CloseWhenDone": (*framer.Conn).CloseWhenDone,
	}
	for name, closeConn := range closes {
		for _, hook := range []string{"connect", "collect", "found", "oversize"} {
			t.Run(name+"/"+hook, func(t *testing.T) {
				onTransports(t, func(t *testing.T, nc, peer net.Conn) {
					var s script
					f := func() error { return closeConn(s.Conn) }
					switch hook {
					case "connect":
						s.onConnect = f
					case "collect":
						s.onCollect = func([]byte) error { return f() }
					case "found":
						s.onFound = f
					case "oversize":
						s.onOversize = func(*framer.MessageTooLongError) error { return f() }
					}
					c := s.serve(t, nc, framer.Config{MaxMessageSize: 6})
					go io.WriteString(peer, "1\n2\n3\nmuch too long\n4\n5\n")
					io.Copy(io.Discard, peer)
					peer.Close()
					c.Wait()
					// Only close may follow the hook.
					if got := s.calls[len(s.calls)-2:]; !slices.Equal(got, []string{hook, "close"}) || s.called(hook) != 1 {
						t.Errorf("the calls are %v, want %s once and then close", s.calls, hook)
					}
				})
			})
		}
	}
}

// asynchat: close_when_done. All output arrives, although the peer reads slowly and goes
// on to send data that nobody reads.
func TestCloseWhenDoneDeliversAll(t *testing.T) {
	t.Parallel()
	payload := bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16)
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		s.onFound = func() error {
			return errors.Join(s.PushWithProducer(framer.NewBytesProducer(payload)), s.CloseWhenDone())
		}
		c := s.serve(t, nc, framer.Config{})
		writeString(t, peer, "request\n")
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			rubbish := []byte("rubbish\n")
			for {
				if _, err := peer.Write(rubbish); err != nil {
					return
				}
			}
		}()
		var got int
		buf := make([]byte, 5000)
		for {
			n, err := peer.Read(buf)
			if !bytes.Equal(buf[:n], payload[got:got+n]) {
				t.Fatalf("wrong data at %d", got)
			}
			got += n
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
		}
		if got != len(payload) {
			t.Errorf("the peer got %d bytes, want %d", got, len(payload))
		}
		peer.Close()
		<-stopped
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if n := s.called("found"); n != 1 {
			t.Errorf("FoundTerminator was called %d times, want 1", n)
		}
	})
}

// asyncore: handle_close. The peer ends its side while output waits. The output arrives.
func TestPeerHalfCloses(t *testing.T) {
	t.Parallel()
	reply := strings.Repeat("r", 4_000_000)
	tests := []struct {
		name, input string
		want        error
	}{
		{"after a message", "request\n", nil},
		{"in a message", "request\nrest", io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				if !canHalfClose(peer) {
					return
				}
				var s script
				var closedWith error
				s.onFound = func() error { return s.Push([]byte(reply)) }
				s.onClose = func(err error) { closedWith = err }
				c := s.serve(t, nc, framer.Config{})
				writeString(t, peer, test.input)
				endInput(t, peer)
				if got := readAll(t, peer); got != reply {
					t.Errorf("the peer got %d bytes, want %d", len(got), len(reply))
				}
				if err := c.Wait(); err != test.want || closedWith != test.want {
					t.Errorf("Wait: %v, HandleClose: %v, want %v", err, closedWith, test.want)
				}
			})
		})
	}
}

// Close from another goroutine ends the connection, whatever it waits for.
func TestCloseWhileBlocked(t *testing.T) {
	t.Parallel()
	big := make([]byte, 64<<20)
	tests := []struct {
		name    string
		connect func(s *script, blocked func()) error
	}{
		{"in a read", func(_ *script, blocked func()) error {
			blocked()
			return nil
		}},
		{"in a write", func(s *script, blocked func()) error {
			blocked()
			return s.PushWithProducer(framer.NewBytesProducer(big))
		}},
		{"in Push", func(s *script, blocked func()) error {
			err := s.PushWithProducer(framer.NewBytesProducer(big))
			blocked()
			for err == nil {
				err = s.Push(big[:1<<20])
			}
			if !errors.Is(err, net.ErrClosed) {
				s.t.Errorf("Push: %v, want net.ErrClosed", err)
			}
			return err
		}},
		{"in Flush", func(s *script, blocked func()) error {
			err := s.PushWithProducer(framer.NewBytesProducer(big))
			blocked()
			err = errors.Join(err, s.Flush(context.Background()))
			if !errors.Is(err, net.ErrClosed) {
				s.t.Errorf("Flush: %v, want net.ErrClosed", err)
			}
			return err
		}},
		{"in a producer", func(s *script, blocked func()) error {
			return s.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
				blocked()
				<-s.Context().Done()
				return nil, s.Context().Err()
			}))
		}},
		{"closing", func(s *script, blocked func()) error {
			blocked()
			return errors.Join(s.PushWithProducer(framer.NewBytesProducer(big)), s.CloseWhenDone())
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				var s script
				blocked := make(chan struct{})
				s.onConnect = func() error { return test.connect(&s, func() { close(blocked) }) }
				c := s.serve(t, nc, framer.Config{})
				handshake(t, peer)
				<-blocked
				c.Close()
				if err := c.Wait(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Wait: %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

// When HandleClose is called, the context has ended with the reason, and the connection
// is closed. This holds whoever has closed it.
func TestEndIsCompleteInHandleClose(t *testing.T) {
	t.Parallel()
	errBad := errors.New("bad")
	tests := []struct {
		name string
		end  func(c *framer.Conn) error
		want error
	}{
		{"error", func(*framer.Conn) error { return errBad }, errBad},
		{"orderly", func(c *framer.Conn) error { return c.CloseWhenDone() }, net.ErrClosed},
		{"closed", func(c *framer.Conn) error { return c.Close() }, net.ErrClosed},
		{"closed by others", func(c *framer.Conn) error {
			go c.Close()
			return nil
		}, net.ErrClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			nc, peer := net.Pipe()
			defer peer.Close()
			var s script
			s.onConnect = func() error { return test.end(s.Conn) }
			s.onClose = func(error) {
				if cause := context.Cause(s.Context()); !errors.Is(cause, test.want) {
					t.Errorf("in HandleClose the cause is %v, want %v", cause, test.want)
				}
				if _, err := nc.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("in HandleClose the connection is not closed: Write returned %v", err)
				}
				if err := s.Push([]byte("x")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("in HandleClose Push returned %v, want net.ErrClosed", err)
				}
			}
			s.serve(t, nc, framer.Config{}).Wait()
		})
	}
}

// A slowCloseConn is a connection whose Close blocks.
type slowCloseConn struct {
	net.Conn
	closing chan struct{} // closed when Close is called
	proceed chan struct{} // Close returns after this is closed
}

func (c *slowCloseConn) Close() error {
	select {
	case <-c.closing:
	default:
		close(c.closing)
	}
	<-c.proceed
	return c.Conn.Close()
}

// While another goroutine is closing the connection, the goroutine of Serve must wait
// until it is closed.
func TestEndWaitsForClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		slow := &slowCloseConn{nc, make(chan struct{}), make(chan struct{})}
		var s script
		c := s.serve(t, slow, framer.Config{})
		synctest.Wait()
		go c.Close()
		<-slow.closing
		peer.Close() // now the reader gets an error of its own
		synctest.Wait()
		if s.called("close") != 0 {
			t.Error("HandleClose was called before the connection was closed")
		}
		if err := c.Push([]byte("data")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Push: %v, want net.ErrClosed", err)
		}
		close(slow.proceed)
		c.Wait()
	})
}

// Many goroutines end the connection at once. It ends once, and completely.
func TestEndsRace(t *testing.T) {
	t.Parallel()
	for i := range 200 {
		nc, peer := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		var s script
		s.t = t
		s.onClose = func(error) {
			if s.Context().Err() == nil {
				t.Error("the context has not ended in HandleClose")
			}
		}
		p := &closeCounter{Producer: framer.NewSimpleProducer(make([]byte, 100), 1)}
		c := framer.NewConn(nc, s.newHandler, &framer.Config{Logger: slog.New(slog.DiscardHandler)})
		start := make(chan struct{})
		done := make(chan struct{}, 8)
		for _, f := range []func(){
			func() { c.Serve(ctx) },
			func() { c.Close() },
			func() { c.CloseWhenDone() },
			func() { cancel() },
			func() { peer.Close() },
			func() { c.DiscardBuffers() },
			func() { c.PushWithProducer(p) },
			func() { c.Push([]byte("data")) },
		} {
			go func() {
				<-start
				f()
				done <- struct{}{}
			}()
		}
		close(start)
		for range cap(done) {
			<-done
		}
		cancel()
		c.Wait()
		if n := p.closed.Load(); n != 1 {
			t.Fatalf("round %d: the producer was closed %d times, want 1", i, n)
		}
		if n := s.called("close"); n > 1 { // 0 if the connection was closed before Serve
			t.Fatalf("round %d: HandleClose was called %d times", i, n)
		}
		if got := c.Stats().QueuedBytes; got != 0 {
			t.Fatalf("round %d: %d bytes are queued after the end", i, got)
		}
	}
}

// If newHandler waits for output, the end of Serve's context ends the wait.
func TestContextEndsInNewHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c := serveContext(t, ctx, nc, func(c *framer.Conn) framer.Handler {
			c.Push([]byte("data"))
			c.Flush(context.Background())
			return &lineHandler{Conn: c}
		}, framer.Config{})
		if err := wantEndAfter(t, c, time.Second); err != context.DeadlineExceeded {
			t.Errorf("Wait: %v, want DeadlineExceeded", err)
		}
	})
}

// CloseWrite also works from another goroutine, and before Serve.
func TestCloseWriteFromOutside(t *testing.T) {
	t.Parallel()
	for style := range lineStyles(nil) {
		t.Run(style, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				if !canHalfClose(nc) {
					return
				}
				lines := make(chan string, 3)
				c := serve(t, nc, lineStyles(func(c *framer.Conn, line []byte) error {
					lines <- string(line)
					return nil
				})[style], framer.Config{})
				writeString(t, peer, "one\n")
				<-lines
				if err := c.CloseWrite(); err != nil {
					t.Error(err)
				}
				if got := readAll(t, peer); got != "" {
					t.Errorf("the peer got %q", got)
				}
				writeString(t, peer, "two\n")
				if got := <-lines; got != "two" {
					t.Errorf("got %q after CloseWrite", got)
				}
				endInput(t, peer)
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	t.Run("before Serve", func(t *testing.T) {
		nc, peer := tcpPair(t)
		defer peer.Close()
		var s script
		s.t = t
		c := framer.NewConn(nc, s.newHandler, nil)
		if err := errors.Join(c.Push([]byte("all")), c.CloseWrite()); err != nil {
			t.Error(err)
		}
		served := call(func() error { return c.Serve(t.Context()) })
		if got := readAll(t, peer); got != "all" {
			t.Errorf("the peer got %q", got)
		}
		peer.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// After CloseWrite the conversation goes on, and LingerTimeout does not limit it.
// LingerTimeout begins when the handler ends the conversation.
func TestCloseWriteOutlastsLinger(t *testing.T) {
	t.Parallel()
	for name, pair := range bubblePairs {
		if name == "pipe" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := pair(t)
				defer peer.Close()
				var s script
				s.onFound = func() error {
					if string(s.Take()) == "end" {
						return s.CloseWhenDone()
					}
					return s.CloseWrite()
				}
				c := s.serve(t, nc, framer.Config{LingerTimeout: time.Second, WriteTimeout: time.Second})
				writeString(t, peer, "half\n")
				if got := readAll(t, peer); got != "" {
					t.Errorf("the peer got %q", got)
				}
				wantOpenFor(t, c, time.Hour)
				writeString(t, peer, "more\n")
				wantOpenFor(t, c, time.Hour)
				writeString(t, peer, "end\n")
				if err := wantEndAfter(t, c, time.Second); err != nil {
					t.Error(err)
				}
				if n := s.called("found"); n != 3 {
					t.Errorf("%d lines, want 3", n)
				}
			})
		})
	}
}

// HandleEnd is not called if the connection ends in another way than by the peer's end.
func TestHandleEndIsNotCalled(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(s *fullScript) error{
		"CloseWhenDone": func(s *fullScript) error { return s.CloseWhenDone() },
		"Close":         func(s *fullScript) error { return s.Close() },
		"error":         func(s *fullScript) error { return errors.New("bad") },
		"EOF":           func(s *fullScript) error { return io.ErrUnexpectedEOF },
	} {
		t.Run(name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				var s fullScript
				s.onFound = func() error { return f(&s) }
				c := s.serve(t, nc, framer.Config{})
				writeString(t, peer, "line\nhal")
				endInput(t, peer)
				peer.Close()
				c.Wait()
				if s.called("end") != 0 {
					t.Errorf("the calls are %v", s.calls)
				}
			})
		})
	}
}

// asyncore: close_after_conn_broken. The connection is reset while it is read, or while
// only a write can notice it. An error of the network is not logged as a fault.
func TestConnectionBroken(t *testing.T) {
	t.Parallel()
	reset := func(t *testing.T, peer net.Conn) {
		t.Helper()
		if err := peer.(*net.TCPConn).SetLinger(0); err != nil {
			t.Error(err)
		}
		peer.Close()
	}
	t.Run("reading", func(t *testing.T) {
		nc, peer := tcpPair(t)
		var s script
		var logs logBook
		c := s.serve(t, nc, framer.Config{Logger: slog.New(&logs)})
		writeString(t, peer, "unfinished")
		reset(t, peer)
		if err := c.Wait(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Wait: %v, want ECONNRESET", err)
		}
		for _, r := range logs.find("framer: connection ended") {
			if r.Level != slog.LevelDebug {
				t.Errorf("logged at level %v, want Debug", r.Level)
			}
		}
	})
	t.Run("writing", func(t *testing.T) {
		nc, peer := tcpPair(t)
		var s script
		broken := make(chan struct{})
		p := &closeCounter{Producer: framer.ProducerFunc(func() ([]byte, error) {
			<-broken
			return []byte("more"), nil
		})}
		s.onFound = func() error {
			if err := s.PushWithProducer(p); err != nil {
				return err
			}
			reset(t, peer)
			close(broken)
			<-s.Context().Done() // nothing is read, so that only the writer can notice the reset
			return nil
		}
		c := s.serve(t, nc, framer.Config{})
		writeString(t, peer, "request\n")
		err := c.Wait()
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Wait: %v, want ECONNRESET or EPIPE", err)
		}
		if n := p.closed.Load(); n != 1 {
			t.Errorf("the producer was closed %d times, want 1", n)
		}
	})
}
