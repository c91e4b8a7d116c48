// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// Messages that were read are handled before HandleShutdown.
func TestShutdownAfterMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		s := goodbye(t, nil)
		newHandler := s.NewHandler
		s.NewHandler = func(c *framer.Conn) framer.Handler {
			h := newHandler(c).(*script)
			h.onFound = func() error {
				time.Sleep(time.Second)
				return h.Push(append(h.Take(), '\n'))
			}
			return h
		}
		result := call(func() error { return s.ServeConn(t.Context(), nc) })
		writeString(t, peer, "1\n2\n3\n")
		synctest.Wait()
		shutdown := call(func() error { return s.Shutdown(t.Context()) })
		if got, want := readAll(t, peer), "1\n2\n3\ngoodbye\n"; got != want {
			t.Errorf("the peer got %q, want %q", got, want)
		}
		peer.Close()
		if err := errors.Join(<-shutdown, <-result); err != nil {
			t.Error(err)
		}
	})
}

// Output that waits is sent before the end.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		const size = 4 << 20
		s := goodbye(t, nil)
		newHandler := s.NewHandler
		connected := make(chan struct{})
		s.NewHandler = func(c *framer.Conn) framer.Handler {
			h := newHandler(c).(*script)
			h.onConnect = func() error {
				close(connected)
				return h.PushWithProducer(framer.NewBytesProducer(make([]byte, size)))
			}
			return h
		}
		result := call(func() error { return s.ServeConn(t.Context(), nc) })
		handshake(t, peer)
		<-connected
		shutdown := call(func() error { return s.Shutdown(t.Context()) })
		if got := readAll(t, peer); len(got) != size+len("goodbye\n") || !strings.HasSuffix(got, "goodbye\n") {
			t.Errorf("the peer got %d bytes, want %d", len(got), size+len("goodbye\n"))
		}
		peer.Close()
		if err := errors.Join(<-shutdown, <-result); err != nil {
			t.Error(err)
		}
	})
}

// A shutdownTest is a connection of a server that answers messages and says goodbye at
// the end.
type shutdownTest struct {
	server    framer.Server
	conn      *framer.Conn
	peer      net.Conn
	served    <-chan error
	shutdown  <-chan error
	goodbyes  atomic.Int32
	connected chan struct{}
}

// A farewell is a handler that says goodbye.
type farewell struct {
	lineHandler
	goodbye func(c *framer.Conn) error
}

func (h *farewell) HandleShutdown() error { return h.goodbye(h.Conn) }

// newShutdownTest serves nc with a handler of the style. f answers a message.
func newShutdownTest(t *testing.T, style string, nc, peer net.Conn, term framer.Terminator, f func(c *framer.Conn, msg []byte) error) *shutdownTest {
	st := &shutdownTest{peer: peer, connected: make(chan struct{})}
	goodbye := func(c *framer.Conn) error {
		st.goodbyes.Add(1)
		return c.Push([]byte("goodbye\n"))
	}
	newHandler := map[string]func(*framer.Conn) framer.Handler{
		"Handler": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(term)
			return &farewell{lineHandler{Conn: c, f: func(c *framer.Conn, msg []byte) error {
				c.SetTerminator(term) // a Length is in force for one message only
				return f(c, msg)
			}}, goodbye}
		},
		"Messages": framer.Messages(term, func(c *framer.Conn, msg []byte) error {
			c.SetTerminator(term)
			return f(c, msg)
		}),
		"Session": framer.Session(func(c *framer.Conn) error {
			for {
				msg, err := c.Next(term)
				if err == framer.ErrServerClosed {
					return goodbye(c)
				}
				if err != nil {
					return err
				}
				if err := f(c, msg); err != nil {
					return err
				}
			}
		}),
	}[style]
	st.server.NewHandler = func(c *framer.Conn) framer.Handler {
		st.conn = c
		close(st.connected)
		return newHandler(c)
	}
	st.server.Config.Logger = slog.New(slog.DiscardHandler)
	st.served = call(func() error { return st.server.ServeConn(context.Background(), nc) })
	handshake(t, peer)
	<-st.connected
	return st
}

// begin starts the shutdown. It returns when the connection has been told.
func (st *shutdownTest) begin(ctx context.Context) {
	st.shutdown = call(func() error { return st.server.Shutdown(ctx) })
	for !strings.Contains(st.conn.String(), "shutting down") && st.conn.Context().Err() == nil {
		runtime.Gosched()
	}
}

// received blocks until n bytes have been read.
func (st *shutdownTest) received(n int) {
	for st.conn.Stats().BytesRead < int64(n) && st.conn.Context().Err() == nil {
		runtime.Gosched()
	}
}

// check checks that the peer receives want and that the connection ends in order.
func (st *shutdownTest) check(t *testing.T, style, want string) {
	t.Helper()
	goodbyes := int32(1)
	if style == "Messages" {
		goodbyes = 0
	} else {
		want += "goodbye\n"
	}
	if got := readAll(t, st.peer); got != want {
		t.Errorf("the peer got %q, want %q", got, want)
	}
	st.peer.Close()
	if err := errors.Join(<-st.shutdown, <-st.served); err != nil {
		t.Error(err)
	}
	if got := st.goodbyes.Load(); got != goodbyes {
		t.Errorf("%d goodbyes, want %d", got, goodbyes)
	}
}

func answer(c *framer.Conn, msg []byte) error {
	return c.Push([]byte(fmt.Sprintf("got %s\n", msg)))
}

// A message that has begun before a shutdown comes to its end and is answered.
func TestShutdownInMessage(t *testing.T) {
	t.Parallel()
	for name, half := range halves {
		for _, style := range styles {
			t.Run(name+"/"+style, func(t *testing.T) {
				for i, tr := range transports() {
					if i > 0 && name != "Delimiter" {
						continue // one transport is enough for the others
					}
					nc, peer := tr.pair(t)
					st := newShutdownTest(t, style, nc, peer, half.term, answer)
					writeString(t, peer, half.first)
					st.received(len(half.first))
					st.begin(t.Context())
					writeString(t, peer, half.rest)
					st.check(t, style, "got half\n")
				}
			})
		}
	}
}

// The same holds for a message whose beginning comes while another message is answered.
// When Shutdown is called, the beginning is not read yet.
func TestShutdownWithUnreadInput(t *testing.T) {
	t.Parallel()
	for _, style := range styles {
		for _, pushes := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%v", style, pushes), func(t *testing.T) {
				onTransports(t, func(t *testing.T, nc, peer net.Conn) {
					if !canHalfClose(peer) {
						return // net.Pipe has no buffer
					}
					g := newGate()
					f := func(c *framer.Conn, msg []byte) error {
						if string(msg) != "wait" {
							return answer(c, msg)
						}
						if err := g.pass(c); err != nil || !pushes {
							return err
						}
						return answer(c, msg)
					}
					st := newShutdownTest(t, style, nc, peer, framer.Delimiter("\n"), f)
					writeString(t, peer, "wait\n")
					g.await(t, st.conn)
					want := ""
					if pushes {
						want = "got wait\n"
					}
					for _, piece := range []string{"one\n", "two\n", "three\n", "hal"} {
						writeString(t, peer, piece)
					}
					st.begin(t.Context())
					g.open(t, st.conn)
					readString(t, peer, want+"got one\ngot two\ngot three\n")
					writeString(t, peer, "f\n")
					st.check(t, style, "got half\n")
				})
			})
		}
	}
}

// If a peer never pauses, its connection ends after a whole message. If a message never
// comes to its end, the connection ends with the context.
func TestShutdownWithEndlessInput(t *testing.T) {
	t.Parallel()
	line := "line" + strings.Repeat("x", 200)
	for _, style := range styles {
		t.Run(style, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				if !canHalfClose(peer) {
					return // here the connection ends only after LingerTimeout
				}
				st := newShutdownTest(t, style, nc, peer, framer.Delimiter("\n"), answer)
				go func() {
					for {
						if _, err := io.WriteString(peer, line+"\n"+line+"\nli"); err != nil {
							return
						}
						if _, err := io.WriteString(peer, line[2:]+"\n"); err != nil {
							return
						}
					}
				}()
				readString(t, peer, "got "+line+"\ngot "+line+"\n")
				st.shutdown = call(func() error { return st.server.Shutdown(t.Context()) })
				got := strings.TrimSuffix(readAll(t, peer), "goodbye\n")
				if strings.Trim(strings.ReplaceAll(got, "got "+line+"\n", "."), ".") != "" {
					t.Errorf("the peer got %q", got[max(0, len(got)-100):])
				}
				peer.Close()
				if err := errors.Join(<-st.shutdown, <-st.served); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestShutdownInEndlessMessage(t *testing.T) {
	t.Parallel()
	for _, style := range styles {
		t.Run(style, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				defer peer.Close()
				st := newShutdownTest(t, style, nc, peer, framer.Delimiter("\n"), answer)
				writeString(t, peer, "hal")
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				st.begin(ctx)
				for range 9 {
					time.Sleep(time.Second)
					writeString(t, peer, "f")
				}
				if err := <-st.shutdown; err != context.DeadlineExceeded {
					t.Errorf("Shutdown: %v, want DeadlineExceeded", err)
				}
				if got := time.Since(start); got != 10*time.Second {
					t.Errorf("Shutdown took %v", got)
				}
				if err := <-st.served; err != framer.ErrServerClosed {
					t.Errorf("ServeConn: %v, want ErrServerClosed", err)
				}
				if st.goodbyes.Load() != 0 {
					t.Error("there was a goodbye in the middle of a message")
				}
			})
		})
	}
}

// If a peer sends its next request as soon as it has an answer, its connection still ends
// soon.
func TestShutdownWithBusyPeer(t *testing.T) {
	t.Parallel()
	for _, style := range styles {
		t.Run(style, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				st := newShutdownTest(t, style, nc, peer, framer.Delimiter("\n"), answer)
				go func() {
					r := bufio.NewReader(peer)
					for {
						time.Sleep(time.Millisecond)
						io.WriteString(peer, "line\n")
						if line, err := r.ReadString('\n'); err != nil || line == "goodbye\n" {
							peer.Close()
							return
						}
					}
				}()
				time.Sleep(time.Second)
				start := time.Now()
				if err := errors.Join(st.server.Shutdown(t.Context()), <-st.served); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("Shutdown took %v", took)
				}
			})
		})
	}
}

// Shutdown is called while newHandler or HandleConnect runs. A message that has come is
// answered.
func TestShutdownAtTheBeginning(t *testing.T) {
	t.Parallel()
	for _, hook := range []string{"newHandler", "HandleConnect"} {
		t.Run(hook, func(t *testing.T) {
			for _, tr := range transports() {
				t.Run(tr.name, func(t *testing.T) {
					switch {
					case hook == "newHandler" && strings.HasPrefix(tr.name, "tls"):
						// The TLS handshake comes after newHandler.
					case tr.name == "pipe":
						// Nothing comes before it is read. In a bubble it comes in time.
						synctest.Test(t, func(t *testing.T) { shutDownAtTheBeginning(t, tr, hook) })
					default:
						shutDownAtTheBeginning(t, tr, hook)
					}
				})
			}
		})
	}
}

func shutDownAtTheBeginning(t *testing.T, tr transport, hook string) {
	nc, peer := tr.pair(t)
	s := goodbye(t, nil)
	newHandler := s.NewHandler
	entered, proceed := make(chan *framer.Conn), make(chan struct{})
	s.NewHandler = func(c *framer.Conn) framer.Handler {
		h := newHandler(c).(*script)
		wait := func() error {
			entered <- c
			<-proceed
			return nil
		}
		if hook == "newHandler" {
			wait()
		} else {
			h.onConnect = wait
		}
		return h
	}
	served := call(func() error { return s.ServeConn(t.Context(), nc) })
	handshake(t, peer)
	<-entered
	called := make(chan struct{})
	s.RegisterOnShutdown(func() { close(called) })
	shutdown := call(func() error { return s.Shutdown(t.Context()) })
	<-called
	written := call(func() error {
		_, err := io.WriteString(peer, "hello\nhal")
		return err
	})
	if canHalfClose(peer) {
		<-written
	}
	close(proceed)
	readString(t, peer, "hello\n")
	writeString(t, peer, "f\n")
	if got := readAll(t, peer); got != "half\ngoodbye\n" {
		t.Errorf("the peer got %q", got)
	}
	peer.Close()
	if err := errors.Join(<-shutdown, <-served); err != nil {
		t.Error(err)
	}
}

// A connection in a TLS handshake is closed at once, also one that begins its handshake
// after Shutdown was called.
func TestShutdownInHandshake(t *testing.T) {
	t.Parallel()
	for _, state := range []framer.ConnState{framer.StateNew, framer.StateHandshake} {
		t.Run(state.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				defer peer.Close()
				config, _ := tlsConfigs(t)
				s := goodbye(t, nil)
				s.ConnState = func(_ *framer.Conn, got framer.ConnState) {
					if got == state {
						time.Sleep(time.Second)
					}
				}
				result := call(func() error { return s.ServeConn(t.Context(), tls.Server(nc, config)) })
				synctest.Wait()
				start := time.Now()
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if got := time.Since(start); got > time.Second {
					t.Errorf("Shutdown took %v", got)
				}
				if err := <-result; !errors.Is(err, framer.ErrServerClosed) {
					t.Errorf("ServeConn: %v, want ErrServerClosed", err)
				}
			})
		})
	}
}

// goodbye returns a Server that says goodbye in HandleShutdown.
func goodbye(t *testing.T, scripts *sync.Map) *framer.Server {
	return &framer.Server{NewHandler: func(c *framer.Conn) framer.Handler {
		s := &script{t: t}
		s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
		s.onShutdown = func() error { return s.Push([]byte("goodbye\n")) }
		if scripts != nil {
			scripts.Store(c, s)
		}
		return s.newHandler(c)
	}}
}

// halves are ways to send the message "half" in two parts.
var halves = map[string]struct {
	term        framer.Terminator
	first, rest string
}{
	"Delimiter":    {framer.Delimiter("\n"), "hal", "f\n"},
	"in Delimiter": {framer.Delimiter("\r\n"), "half\r", "\n"},
	"AnyDelimiter": {framer.AnyDelimiter("\n", "\r\n"), "hal", "f\r\n"},
	"Length":       {framer.Length(4), "hal", "f"},
	"FixedLength":  {framer.FixedLength(4), "h", "alf"},
	"header":       {framer.LengthPrefix(framer.Prefix{Size: 2}), "\x00", "\x04half"},
	"after header": {framer.LengthPrefix(framer.Prefix{Size: 2}), "\x00\x04", "half"},
	"Split":        {framer.Split(bufio.ScanLines), "hal", "f\n"},
}
