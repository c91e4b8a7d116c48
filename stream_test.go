// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.
package framer_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goframer/framer"
)

// A lineHandler calls f for every line.
type lineHandler struct {
	*framer.Conn
	framer.Collector
	f func(c *framer.Conn, line []byte) error
}

func (h *lineHandler) FoundTerminator() error {
	defer h.Reset()
	return h.f(h.Conn, slices.Clip(h.Bytes()))
}

// lineStyles returns the styles of handlers, each of which calls f for every line.
func lineStyles(f func(c *framer.Conn, line []byte) error) map[string]func(*framer.Conn) framer.Handler {
	lines := framer.Delimiter("\n")
	return map[string]func(*framer.Conn) framer.Handler{
		"Handler": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(lines)
			return &lineHandler{Conn: c, f: f}
		},
		"Messages": framer.Messages(lines, f),
		"Replies": framer.Replies(lines, func(c *framer.Conn, line, reply []byte) ([]byte, error) {
			return nil, f(c, line)
		}),
		"Session": framer.Session(func(c *framer.Conn) error {
			for {
				line, err := c.Next(lines)
				if err != nil {
					return err
				}
				if err := f(c, line); err != nil {
					return err
				}
			}
		}),
	}
}

// onLineStyles runs test for every style on every transport. f must return when its
// connection ends.
func onLineStyles(t *testing.T, cfg framer.Config, f func(c *framer.Conn, line []byte) error, test func(t *testing.T, c *framer.Conn, peer net.Conn)) {
	t.Helper()
	for style, newHandler := range lineStyles(f) {
		t.Run(style, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				test(t, serve(t, nc, newHandler, cfg), peer)
			})
		})
	}
}

// A gate is a place where a handler waits until the test lets it go on.
type gate struct{ entered, left chan struct{} }

func newGate() *gate { return &gate{make(chan struct{}), make(chan struct{})} }

// pass is called by the handler. It returns an error when the connection ends.
func (g *gate) pass(c *framer.Conn) error {
	for _, step := range []chan struct{}{g.entered, g.left} {
		select {
		case step <- struct{}{}:
		case <-c.Context().Done():
			return context.Cause(c.Context())
		}
	}
	return nil
}

// await blocks until the handler of c has come to the gate.
func (g *gate) await(t *testing.T, c *framer.Conn) { meet(t, c, g.entered) }

// open lets the handler of c go on.
func (g *gate) open(t *testing.T, c *framer.Conn) { meet(t, c, g.left) }

func meet(t *testing.T, c *framer.Conn, step <-chan struct{}) {
	t.Helper()
	select {
	case <-step:
	case <-c.Context().Done():
		t.Fatalf("the connection has ended: %v", context.Cause(c.Context()))
	}
}

// What comes while a handler is busy is read when the handler is done, whether it has
// pushed something or not.
func TestInputDuringTurn(t *testing.T) {
	t.Parallel()
	g := newGate()
	f := func(c *framer.Conn, line []byte) error {
		switch string(line) {
		case "wait":
			return g.pass(c)
		case "answer":
			if err := c.Push([]byte("first\n")); err != nil {
				return err
			}
			return g.pass(c)
		}
		return c.Push(append(line, '\n'))
	}
	onLineStyles(t, framer.Config{}, f, func(t *testing.T, c *framer.Conn, peer net.Conn) {
		for turn := range 40 {
			if turn%2 == 0 {
				writeString(t, peer, "wait\n")
			} else {
				writeString(t, peer, "answer\n")
				readString(t, peer, "first\n")
			}
			g.await(t, c)
			text := fmt.Sprintf("turn %d\n", turn)
			sent := call(func() error {
				_, err := io.WriteString(peer, text)
				return err
			})
			if peer.LocalAddr().Network() != "pipe" { // which has no buffer
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			}
			g.open(t, c)
			readString(t, peer, text)
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// The peer receives a push before the handler goes on, however long the handler waits
// after it. This holds for the first push of a connection, for a second one, and for one
// in the middle of input that came at once. It still holds when single pushes are
// expected.
func TestPushDoesNotWaitForHandler(t *testing.T) {
	t.Parallel()
	g := newGate()
	f := func(c *framer.Conn, line []byte) error {
		for answer := range strings.SplitSeq(string(line), ",") {
			var err error
			if answer == "wait" {
				err = g.pass(c)
			} else {
				err = c.Push([]byte(answer + "\n"))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	scripts := []string{
		"1,wait\n",
		"1,2,wait\n",
		"1,wait,2,wait,3,wait\n",
		"1\n2\n3,wait\n4\n5,wait\n6\n",
		"1,2,3,wait\n4,wait,5\n",
	}
	onLineStyles(t, framer.Config{}, f, func(t *testing.T, c *framer.Conn, peer net.Conn) {
		for range 3 {
			for _, script := range scripts {
				writeString(t, peer, script)
				for step := range strings.FieldsFuncSeq(script, func(r rune) bool { return r == ',' || r == '\n' }) {
					if step != "wait" {
						readString(t, peer, step+"\n")
						continue
					}
					g.await(t, c)
					g.open(t, c)
				}
				for range 10 {
					writeString(t, peer, "single\n")
					readString(t, peer, "single\n")
				}
			}
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// answerKinds is how many different answers there are in TestAnswersAmongPushes.
const answerKinds = 20

// If a handler answers every line while other goroutines push, too, its answers stay whole
// and in order.
func TestAnswersAmongPushes(t *testing.T) {
	t.Parallel()
	const goroutines, lines, requests = 4, 40, 200
	f := func(c *framer.Conn, line []byte) error { return c.Push(append(line, '\n')) }
	onLineStyles(t, framer.Config{MaxQueuedBytes: 4000}, f, func(t *testing.T, c *framer.Conn, peer net.Conn) {
		var next [goroutines + 1]int
		received := make(chan struct{}) // for an answer
		scanned := call(func() error {
			defer close(received)
			return scanLines(peer, next[:], goroutines, received)
		})
		var pushers sync.WaitGroup
		defer func() {
			c.Close()
			pushers.Wait()
		}()
		for g := range goroutines {
			pushers.Go(func() {
				for i := range lines {
					if err := pushLine(c, g, i); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := range requests {
			writeString(t, peer, line(goroutines, i%answerKinds))
			if _, ok := <-received; !ok {
				t.Fatal(<-scanned)
			}
		}
		pushers.Wait()
		c.CloseWhenDone()
		for range received {
			t.Error("an answer too many")
		}
		if err := <-scanned; err != nil {
			t.Error(err)
		}
		want := []int{lines, lines, lines, lines, requests}
		if !slices.Equal(next[:], want) {
			t.Errorf("%d lines have arrived, want %d", next, want)
		}
	})
}

// scanLines counts the lines of each goroutine, which must come in order. When a line of
// the handler comes, it sends on answered.
func scanLines(r io.Reader, next []int, answers int, answered chan<- struct{}) error {
	for in := bufio.NewReader(r); ; {
		text, err := in.ReadString('\n')
		if err == io.EOF && text == "" {
			return nil
		}
		if err != nil {
			return err
		}
		var g, i int
		if _, err := fmt.Sscanf(text, "%d %d", &g, &i); err != nil {
			return fmt.Errorf("%.40q: %w", text, err)
		}
		want := next[g]
		if g == answers {
			want %= answerKinds
		}
		if i != want || text != line(g, i) {
			return fmt.Errorf("goroutine %d: line %d is %.40q", g, want, text)
		}
		next[g]++
		if g == answers {
			answered <- struct{}{}
		}
	}
}

// The connections of a server share memory, but never see the data of each other.
func TestConnectionsSeeOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	const conns, rounds = 12, 30
	f := func(c *framer.Conn, line []byte) error {
		if len(line) != cap(line) {
			t.Errorf("%d bytes were lent with a line", cap(line)-len(line))
		}
		if bytes.Count(line, line[:1]) != len(line) {
			t.Error("a line has bytes that its peer did not send")
		}
		return c.Push(append(line, '\n'))
	}
	for style, newHandler := range lineStyles(f) {
		t.Run(style, func(t *testing.T) {
			l := listen(t, "tcp", "127.0.0.1:0")
			startServer(t, &framer.Server{NewHandler: newHandler}, l)
			var clients sync.WaitGroup
			for i := range conns {
				peer := dial(t, l)
				clients.Go(func() {
					random := rand.New(rand.NewPCG(uint64(i), 0))
					for range rounds {
						if err := exchangeLines(peer, byte('a'+i), random); err != nil {
							t.Errorf("client %d: %v", i, err)
							return
						}
					}
				})
			}
			clients.Wait()
		})
	}
}

// exchangeLines sends up to five lines, all of the same letter, and reads them back.
func exchangeLines(peer net.Conn, letter byte, random *rand.Rand) error {
	var lines []byte
	for range random.IntN(5) + 1 {
		n := random.IntN([]int{10, 1000, 10000, 100000}[random.IntN(4)]) + 1
		lines = append(append(lines, bytes.Repeat([]byte{letter}, n)...), '\n')
	}
	sent := call(func() error {
		_, err := peer.Write(lines)
		return err
	})
	got := make([]byte, len(lines))
	_, err := io.ReadFull(peer, got)
	if err == nil && !bytes.Equal(got, lines) {
		err = errors.New("the answers are not what was sent")
	}
	return errors.Join(err, <-sent)
}

// The data given to Unread is the beginning of the input: for a Conn, for a Server, below
// TLS, and for other readers.
func TestUnread(t *testing.T) {
	t.Parallel()
	inputs := []struct{ unread, more string }{
		{"one\ntwo\n", "three\n"},
		{"one\ntw", "o\nthree\n"},
		{"", "one\ntwo\nthree\n"},
		{"one\n" + strings.Repeat("x", 100<<10) + "\n", "three\n"},
	}
	users := map[string]func(t *testing.T, nc net.Conn, newHandler func(*framer.Conn) framer.Handler){
		"NewConn": func(t *testing.T, nc net.Conn, newHandler func(*framer.Conn) framer.Handler) {
			c := serve(t, nc, newHandler, framer.Config{})
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		},
		"small buffer": func(t *testing.T, nc net.Conn, newHandler func(*framer.Conn) framer.Handler) {
			c := serve(t, nc, newHandler, framer.Config{ReadBufferSize: 100})
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		},
		"ServeConn": func(t *testing.T, nc net.Conn, newHandler func(*framer.Conn) framer.Handler) {
			server := framer.Server{NewHandler: newHandler}
			if err := server.ServeConn(t.Context(), nc); err != nil {
				t.Error(err)
			}
		},
		"wrapped": func(t *testing.T, nc net.Conn, newHandler func(*framer.Conn) framer.Handler) {
			c := serve(t, seeThroughConn{nc}, newHandler, framer.Config{})
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		},
		"twice": func(t *testing.T, nc net.Conn, newHandler func(*framer.Conn) framer.Handler) {
			c := serve(t, framer.Unread(nc, []byte("zero\n")), newHandler, framer.Config{})
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		},
	}
	for user, run := range users {
		for i, input := range inputs {
			t.Run(fmt.Sprintf("%s/%d", user, i), func(t *testing.T) {
				for style, newHandler := range lineStyles(func(c *framer.Conn, line []byte) error { return c.Push(append(line, '\n')) }) {
					if user != "NewConn" && style != "Handler" {
						continue // one style is enough: this user does not depend on the style
					}
					onTransports(t, func(t *testing.T, nc, peer net.Conn) {
						if !canHalfClose(peer) {
							return
						}
						go func() {
							io.WriteString(peer, input.more)
							peer.(interface{ CloseWrite() error }).CloseWrite()
						}()
						got := call(func() error {
							want := input.unread + input.more
							if user == "twice" {
								want = "zero\n" + want
							}
							data, err := io.ReadAll(peer)
							if string(data) != want {
								return fmt.Errorf("%s: the peer got %.40q and %v, want %.40q", style, data, err, want)
							}
							peer.Close()
							return err
						})
						run(t, framer.Unread(nc, []byte(input.unread)), newHandler)
						if err := <-got; err != nil {
							t.Error(err)
						}
					})
				}
			})
		}
	}
}

// Unread can be given the beginning of a TLS handshake.
func TestUnreadBelowTLS(t *testing.T) {
	t.Parallel()
	nc, peer := tcpPair(t)
	server, client := tlsConfigs(t)
	tc := tls.Client(peer, client)
	defer tc.Close()
	handshaken := call(tc.Handshake)
	hello := make([]byte, 5)
	if _, err := io.ReadFull(nc, hello); err != nil {
		t.Fatal(err)
	}
	var s script
	s.onFound = func() error { return errors.Join(s.Push(append(s.Take(), '\n')), s.CloseWhenDone()) }
	c := s.serve(t, tls.Server(framer.Unread(nc, hello), server), framer.Config{})
	if err := <-handshaken; err != nil {
		t.Fatal(err)
	}
	exchange(t, tc)
	if got := readAll(t, tc); got != "" {
		t.Errorf("the peer got %q", got)
	}
	tc.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// The connection that Unread returns is like the one below it: its output can be ended,
// and io.Copy moves what goes through two of them in order.
func TestUnreadByItself(t *testing.T) {
	t.Parallel()
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		if !canHalfClose(peer) {
			u := framer.Unread(nc, []byte("data"))
			if err := u.(interface{ CloseWrite() error }).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("CloseWrite: %v", err)
			}
			c := framer.NewConn(seeThroughConn{u}, nil, nil)
			defer c.Close()
			if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("CloseWrite of the Conn: %v", err)
			}
			return
		}
		const size = 1 << 20
		left, right := tcpPair(t)
		defer right.Close()
		a, b := framer.Unread(nc, []byte("first ")), framer.Unread(left, []byte("never read"))
		if n, err := a.Read(nil); n != 0 || err != nil {
			t.Errorf("an empty Read: %d, %v", n, err)
		}
		readString(t, a, "fir")
		go func() {
			peer.Write(pattern(size))
			peer.(interface{ CloseWrite() error }).CloseWrite()
		}()
		copied := call(func() error {
			n, err := io.Copy(b, a)
			if n != size+3 {
				t.Errorf("%d bytes copied, want %d", n, size+3)
			}
			return errors.Join(err, b.(interface{ CloseWrite() error }).CloseWrite())
		})
		if got, want := readAll(t, right), "st "+string(pattern(size)); got != want {
			t.Errorf("%d bytes have come through, want %d", len(got), len(want))
		}
		if err := <-copied; err != nil {
			t.Error(err)
		}
		if a.(interface{ NetConn() net.Conn }).NetConn() != nc {
			t.Error("NetConn is another one")
		}
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	nc, peer := net.Pipe()
	defer peer.Close()
	if framer.Unread(nc, nil) != nc {
		t.Error("there is nothing unread, and yet another connection")
	}
}

// A readFromBook counts the calls of ReadFrom.
type readFromBook struct {
	net.Conn
	calls int
}

func (b *readFromBook) ReadFrom(r io.Reader) (int64, error) {
	b.calls++
	return io.Copy(b.Conn, r)
}

// io.Copy to the connection that Unread returns uses the ReadFrom of the connection below
// it.
func TestUnreadKeepsReadFrom(t *testing.T) {
	t.Parallel()
	nc, peer := tcpPair(t)
	defer peer.Close()
	book := &readFromBook{Conn: nc}
	u := framer.Unread(book, []byte("data"))
	defer u.Close()
	if _, err := io.Copy(u, io.LimitReader(strings.NewReader("hello"), 5)); err != nil {
		t.Error(err)
	}
	readString(t, peer, "hello")
	if book.calls != 1 {
		t.Errorf("ReadFrom was called %d times, want 1", book.calls)
	}
}
