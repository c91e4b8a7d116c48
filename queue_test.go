// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/google/go-cmp/cmp"
)

// asynchat: fifo basic, given_list. Many goroutines push lines, in one piece or by a
// producer in many pieces. Every line arrives whole, and the lines of each goroutine
// arrive in order.
func TestPushesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	const goroutines, lines = 8, 100
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		c := s.serve(t, nc, framer.Config{MaxQueuedBytes: 2000})
		var pushers sync.WaitGroup
		for g := range goroutines {
			pushers.Go(func() {
				for i := range lines {
					if err := pushLine(c, g, i); err != nil {
						t.Error(err)
					}
				}
			})
		}
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			pushers.Wait()
			c.CloseWhenDone()
		}()

		var next [goroutines]int
		for scan := bufio.NewScanner(peer); scan.Scan(); {
			var g, i int
			if _, err := fmt.Sscanf(scan.Text(), "%d %d", &g, &i); err != nil {
				t.Fatalf("%q: %v", scan.Text(), err)
			}
			if want := strings.TrimSuffix(line(g, i), "\n"); scan.Text() != want || i != next[g] {
				t.Fatalf("line %d of goroutine %d is %q, want %q", next[g], g, scan.Text(), want)
			}
			next[g]++
		}
		peer.Close()
		<-closed
		for g, n := range next {
			if n != lines {
				t.Errorf("%d lines of goroutine %d have arrived, want %d", n, g, lines)
			}
		}
	})
}

// line returns line i of goroutine g. The longest lines are longer than the queue.
func line(g, i int) string {
	return fmt.Sprintf("%d %d %s\n", g, i, strings.Repeat("x", 7*i*(i%5)))
}

// pushLine pushes a line in one of the ways to push.
func pushLine(c *framer.Conn, g, i int) error {
	text := line(g, i)
	switch rand.IntN(4) {
	case 0:
		return c.PushWithProducer(framer.NewSimpleProducer([]byte(text), 10))
	case 1:
		_, err := fmt.Fprint(c, text)
		return err
	case 2:
		err := c.TryPush([]byte(text))
		if err == framer.ErrQueueFull {
			err = c.Push([]byte(text))
		}
		return err
	}
	return c.Push([]byte(text))
}

// What was pushed before Serve is sent when Serve is called. It was copied, and
// consecutive pushes are sent in one write.
func TestPushBeforeServe(t *testing.T) {
	nc, peer := net.Pipe()
	counting := &countingConn{Conn: nc}
	var s script
	s.t = t
	c := framer.NewConn(counting, s.newHandler, nil)
	buf := make([]byte, 10)
	var want strings.Builder
	for i := range 100 {
		for j := range buf {
			buf[j] = byte('a' + i%26)
		}
		want.Write(buf)
		if err := errors.Join(c.Push(buf), c.TryPush(nil), c.Push([]byte{})); err != nil {
			t.Error(err)
		}
	}
	if got := c.Stats().QueuedBytes; got != 1000 {
		t.Errorf("%d bytes are queued, want 1000", got)
	}
	if err := c.CloseWhenDone(); err != nil {
		t.Error(err)
	}
	served := make(chan error, 1)
	go func() { served <- c.Serve(t.Context()) }()
	if got := readAll(t, peer); got != want.String() {
		t.Errorf("the peer got %q", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if got := counting.writes(); !slices.Equal(got, []int{1000}) {
		t.Errorf("writes of %v bytes, want one", got)
	}
	if diff := cmp.Diff([]string{"close"}, s.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// While a write waits, pushes are collected for the next write.
func TestPushesAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		counting := &countingConn{Conn: nc}
		var s script
		c := s.serve(t, counting, framer.Config{})
		c.Push([]byte("first"))
		synctest.Wait()
		for range 100 {
			c.Push([]byte("x"))
		}
		readString(t, peer, "first"+strings.Repeat("x", 100))
		if got := counting.writes(); !slices.Equal(got, []int{5, 100}) {
			t.Errorf("writes of %v bytes, want 5 and 100", got)
		}
		peer.Close()
	})
}

func TestWriteBufferSize(t *testing.T) {
	const large = 100_000
	tests := []struct {
		size, pushed int
		want         []int
	}{
		{300, 1000, []int{300, 300, 300, 100, 300, 300, 300, 100}},
		{0, 1000, []int{1000, 1000}},
		{-1, 1000, []int{1000, 1000}},
		{0, large, []int{64 << 10, large - 64<<10, 64 << 10, large - 64<<10}}, // a pipe waits
		{-1, large, []int{large, large}},
	}
	for _, test := range tests {
		nc, peer := net.Pipe()
		counting := &countingConn{Conn: nc}
		var s script
		s.onConnect = func() error {
			return errors.Join(
				s.Push(make([]byte, test.pushed)),
				s.PushWithProducer(framer.NewBytesProducer(make([]byte, test.pushed))),
				s.CloseWhenDone(),
			)
		}
		s.serve(t, counting, framer.Config{WriteBufferSize: test.size})
		readAll(t, peer)
		if got := counting.writes(); !slices.Equal(got, test.want) {
			t.Errorf("WriteBufferSize %d: writes of %v bytes, want %v", test.size, got, test.want)
		}
	}
}

// blockedConn is for the tests below. The peer reads only what the test lets it read. The
// writer has taken one byte, and is blocked in writing it.
func blockedConn(t *testing.T, cfg framer.Config) (c *framer.Conn, s *script, peer net.Conn) {
	t.Helper()
	nc, peer := net.Pipe()
	t.Cleanup(func() { peer.Close() })
	s = new(script)
	c = s.serve(t, nc, cfg)
	if err := c.Push([]byte("-")); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return c, s, peer
}

// call runs f on a goroutine of its own. When f has returned, its result is in the
// channel.
func call(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}

// waits fails the test unless the call still waits.
func waits(t *testing.T, what string, result <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-result:
		t.Errorf("%s did not wait; it returned %v", what, err)
	default:
	}
}

func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := blockedConn(t, framer.Config{MaxQueuedBytes: 10})
		if err := c.TryPush([]byte("123456789")); err != nil {
			t.Errorf("TryPush up to the limit: %v", err)
		}
		if err := c.TryPush([]byte("x")); err != framer.ErrQueueFull {
			t.Errorf("TryPush above the limit: %v, want ErrQueueFull", err)
		}
		if err := errors.Join(c.Push(nil), c.TryPush(nil)); err != nil {
			t.Errorf("pushes of nothing: %v", err)
		}
		small := call(func() error { return c.Push([]byte("abc")) })
		waits(t, "Push", small)
		readString(t, peer, "-123456789abc")
		if err := <-small; err != nil {
			t.Error(err)
		}

		// A push of more than the limit waits until the queue is empty.
		c.Push([]byte("+"))
		synctest.Wait()
		large := call(func() error { return c.Push(make([]byte, 1000)) })
		waits(t, "a large Push", large)
		if err := c.TryPush(make([]byte, 1000)); err != framer.ErrQueueFull {
			t.Errorf("a large TryPush: %v, want ErrQueueFull", err)
		}
		readString(t, peer, "+"+string(make([]byte, 1000)))
		if err := <-large; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		large = call(func() error { return c.TryPush(make([]byte, 1000)) })
		if err := <-large; err != nil {
			t.Errorf("a large TryPush to an empty queue: %v", err)
		}
		readString(t, peer, string(make([]byte, 1000)))
	})
}

func TestUnlimitedQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := blockedConn(t, framer.Config{MaxQueuedBytes: -1})
		for range 10 {
			if err := c.TryPush(make([]byte, 1<<20)); err != nil {
				t.Error(err)
			}
		}
	})
}

// A Push that waits returns an error when the connection ends or closes.
func TestPushWaitsInVain(t *testing.T) {
	ends := map[string]func(c *framer.Conn, peer net.Conn){
		"Close":  func(c *framer.Conn, _ net.Conn) { c.Close() },
		"broken": func(_ *framer.Conn, peer net.Conn) { peer.Close() },
		"CloseWhenDone": func(c *framer.Conn, peer net.Conn) {
			c.CloseWhenDone()
			io.Copy(io.Discard, peer)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, peer := blockedConn(t, framer.Config{MaxQueuedBytes: 10})
				c.Push([]byte("123456789"))
				push := call(func() error { return c.Push([]byte("x")) })
				waits(t, "Push", push)
				end(c, peer)
				if err := <-push; !errors.Is(err, net.ErrClosed) {
					t.Errorf("Push: %v, want net.ErrClosed", err)
				}
				if err := c.TryPush(make([]byte, 10)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("TryPush: %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

// All ways to push return net.ErrClosed after the end, and after CloseWhenDone. They close
// a producer all the same.
func TestPushAfterTheEnd(t *testing.T) {
	check := func(t *testing.T, c *framer.Conn) {
		t.Helper()
		p := &closeCounter{Producer: framer.NewBytesProducer([]byte("x"))}
		_, writeErr := c.Write([]byte("x"))
		for name, err := range map[string]error{
			"Push":             c.Push([]byte("x")),
			"Push of nothing":  c.Push(nil),
			"TryPush":          c.TryPush([]byte("x")),
			"PushContext":      c.PushContext(t.Context(), []byte("x")),
			"Write":            writeErr,
			"PushWithProducer": c.PushWithProducer(p),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v, want net.ErrClosed", name, err)
			}
		}
		if n := p.closed.Load(); n != 1 {
			t.Errorf("the producer was closed %d times, want 1", n)
		}
	}
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		s.onConnect = func() error {
			s.CloseWhenDone()
			check(t, s.Conn)
			// All that was pushed before has been sent, or will be.
			if err := s.Flush(t.Context()); err != nil {
				t.Errorf("Flush after CloseWhenDone: %v", err)
			}
			return nil
		}
		s.onClose = func(error) { check(t, s.Conn) }
		c := s.serve(t, nc, framer.Config{})
		readAll(t, peer)
		peer.Close()
		c.Wait()
		check(t, c)
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("Flush after the end: %v, and all was sent", err)
		}
	})
}

func TestNilProducer(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	c := framer.NewConn(nc, nil, nil)
	defer c.Close()
	if err := c.PushWithProducer(nil); err == nil {
		t.Error("PushWithProducer(nil) returned no error")
	}
}

// Sixteen producers may wait. Pushes have their place between them.
func TestManyProducers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := blockedConn(t, framer.Config{})
		want := "-"
		push := func(i int) error {
			return errors.Join(
				c.PushWithProducer(framer.NewSimpleProducer(fmt.Appendf(nil, "<%d>", i), 0)),
				c.Push(fmt.Appendf(nil, "%d", i)),
			)
		}
		for i := range 16 {
			want += fmt.Sprintf("<%d>%d", i, i)
			if err := push(i); err != nil {
				t.Error(err)
			}
		}
		one := call(func() error { return push(16) })
		waits(t, "the 17th PushWithProducer", one)
		readString(t, peer, want+"<16>16")
		if err := <-one; err != nil {
			t.Error(err)
		}
	})
}

// The data of a NewBytesProducer counts as pushed bytes, and not as a producer. So many of
// them can wait, but no more than MaxQueuedBytes bytes.
func TestSharedBytesCount(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 1000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const count = 50
				c, _, peer := blockedConn(t, framer.Config{MaxQueuedBytes: 1 + count*size})
				want := "-"
				payload := bytes.Repeat([]byte("x"), size)
				for i := range count {
					var err error
					if i%2 == 0 {
						err = c.TryPushWithProducer(framer.NewBytesProducer(payload))
					} else {
						err = c.PushWithProducer(framer.NewBytesProducer(payload))
					}
					if err != nil {
						t.Fatalf("producer %d: %v", i, err)
					}
					want += string(payload)
				}
				if got := c.Stats().QueuedBytes; got != int64(1+count*size) {
					t.Errorf("%d bytes are queued, want %d", got, 1+count*size)
				}
				if size > 0 {
					if err := c.TryPushWithProducer(framer.NewBytesProducer([]byte("y"))); err != framer.ErrQueueFull {
						t.Errorf("one byte more: %v, want ErrQueueFull", err)
					}
				}
				readString(t, peer, want)
				synctest.Wait()
				if got := c.Stats().QueuedBytes; got != 0 {
					t.Errorf("%d bytes are queued in the end", got)
				}
			})
		})
	}
}

// TryPushWithProducer never blocks, and closes a producer that it refuses.
func TestTryPushWithProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := blockedConn(t, framer.Config{})
		want := "-"
		for range 16 {
			if err := c.TryPushWithProducer(framer.NewSimpleProducer([]byte("ab"), 1)); err != nil {
				t.Fatal(err)
			}
			want += "ab"
		}
		refused := &closeCounter{Producer: framer.NewSimpleProducer([]byte("no"), 0)}
		if err := c.TryPushWithProducer(refused); err != framer.ErrQueueFull || refused.closed.Load() != 1 {
			t.Errorf("the 17th: %v, closed %d times; want ErrQueueFull, once", err, refused.closed.Load())
		}
		readString(t, peer, want)
	})
}

// A Flush whose context has ended does not keep a place in the queue.
func TestFlushGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := blockedConn(t, framer.Config{})
		for range 40 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if err := c.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Flush: %v", err)
			}
			cancel()
		}
		for range 16 {
			if err := c.TryPushWithProducer(framer.NewSimpleProducer([]byte("x"), 0)); err != nil {
				t.Fatal(err)
			}
		}
		readString(t, peer, "-"+strings.Repeat("x", 16))
	})
}

// PushContext returns when its context ends. Then its data is not sent.
func TestPushContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := blockedConn(t, framer.Config{MaxQueuedBytes: 5})
		if err := c.PushContext(t.Context(), []byte("1234")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		gaveUp := call(func() error { return c.PushContext(ctx, []byte("56")) })
		waits(t, "PushContext", gaveUp)
		cause := errors.New("enough")
		cancel(cause)
		if err := <-gaveUp; err != cause {
			t.Errorf("PushContext: %v, want the cause of its context", err)
		}
		patient := call(func() error { return c.PushContext(t.Context(), []byte("78")) })
		waits(t, "PushContext", patient)
		readString(t, peer, "-123478")
		if err := <-patient; err != nil {
			t.Error(err)
		}
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := blockedConn(t, framer.Config{})
		c.PushWithProducer(framer.NewSimpleProducer([]byte("data"), 1))
		flush := call(func() error { return c.Flush(t.Context()) })
		waits(t, "Flush", flush)
		readString(t, peer, "-dat")
		waits(t, "Flush", flush)
		readString(t, peer, "a")
		if err := <-flush; err != nil {
			t.Error(err)
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("of an empty queue: %v", err)
		}
	})
}

func TestFlushFails(t *testing.T) {
	errStop := errors.New("stop")
	ends := []struct {
		name string
		end  func(c *framer.Conn, cancel func(error))
		want error
	}{
		{"context", func(_ *framer.Conn, cancel func(error)) { cancel(errStop) }, errStop},
		{"discarded", func(c *framer.Conn, _ func(error)) { c.DiscardBuffers() }, net.ErrClosed},
		{"closed", func(c *framer.Conn, _ func(error)) { c.Close() }, net.ErrClosed},
	}
	for _, end := range ends {
		for producers := range 20 { // also where Flush waits for a place in the queue
			t.Run(fmt.Sprintf("%s/%d", end.name, producers), func(t *testing.T) {
				if producers >= 16 && end.name == "discarded" {
					return // makes room, in which Flush goes on
				}
				synctest.Test(t, func(t *testing.T) {
					c, _, _ := blockedConn(t, framer.Config{})
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					for range min(producers, 16) {
						c.PushWithProducer(framer.NewBytesProducer([]byte("x")))
					}
					flush := call(func() error { return c.Flush(ctx) })
					waits(t, "Flush", flush)
					end.end(c, cancel)
					if err := <-flush; !errors.Is(err, end.want) {
						t.Errorf("Flush: %v, want %v", err, end.want)
					}
				})
			})
		}
	}
}

// A producer is closed once, however it ends.
func TestProducerIsClosedOnce(t *testing.T) {
	errBad := errors.New("bad producer")
	endless := func() ([]byte, error) { return []byte("data"), nil }
	ends := []struct {
		name string
		more func() ([]byte, error)
		end  func(c *framer.Conn, peer net.Conn) // while a write waits
	}{
		{"exhausted", (&splitter{"a", "b"}).next, nil},
		{"exhausted at once", (&splitter{}).next, nil},
		{"EOF with data", func() ([]byte, error) { return []byte("all"), io.EOF }, nil},
		{"failed", func() ([]byte, error) { return nil, errBad }, nil},
		{"panicked", func() ([]byte, error) { panic(errBad) }, nil},
		{"goexit", func() ([]byte, error) { runtime.Goexit(); return nil, nil }, nil},
		{"closed", endless, func(c *framer.Conn, _ net.Conn) { c.Close() }},
		{"discarded", endless, func(c *framer.Conn, _ net.Conn) { c.DiscardBuffers() }},
		{"broken", endless, func(_ *framer.Conn, peer net.Conn) { peer.Close() }},
	}
	for _, end := range ends {
		for _, wrapped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", end.name, wrapped), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, _, peer := blockedConn(t, framer.Config{})
					running := &closeCounter{Producer: framer.ProducerFunc(end.more)}
					waiting := &closeCounter{Producer: framer.NewBytesProducer([]byte("never"))}
					for _, p := range []framer.Producer{running, waiting} {
						if wrapped {
							p = framer.Concat(framer.OnDone(p, func(int64, error) {}))
						}
						if err := c.PushWithProducer(p); err != nil {
							t.Fatal(err)
						}
					}
					if end.end == nil {
						go io.Copy(io.Discard, peer)
					} else {
						readString(t, peer, "-da") // the producer has begun
						synctest.Wait()
						end.end(c, peer)
						go io.Copy(io.Discard, peer)
					}
					synctest.Wait()
					c.Close()
					c.Wait()
					if n := running.closed.Load(); n != 1 {
						t.Errorf("the running producer was closed %d times, want 1", n)
					}
					if n := waiting.closed.Load(); n != 1 {
						t.Errorf("the waiting producer was closed %d times, want 1", n)
					}
				})
			})
		}
	}
}

// A splitter returns its strings one by one.
type splitter []string

func (s *splitter) next() ([]byte, error) {
	if len(*s) == 0 {
		return nil, nil
	}
	piece := (*s)[0]
	*s = (*s)[1:]
	return []byte(piece), nil
}

// A producer that fails ends the connection at once, so that the peer does not take what
// it got for the whole. Over TCP, with TLS or without, the peer finds the connection
// reset.
func TestProducerFails(t *testing.T) {
	for _, failure := range failures() {
		t.Run(failure.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				var s script
				var logs logBook
				var closedWith error
				var begun bool
				s.onConnect = func() error {
					return errors.Join(
						s.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
							if begun {
								return nil, failure.fail()
							}
							begun = true
							return []byte("half "), nil
						})),
						s.Push([]byte("never")),
					)
				}
				s.onClose = func(err error) { closedWith = err }
				c := s.serve(t, nc, framer.Config{Logger: slog.New(&logs)})
				got, err := io.ReadAll(peer)
				if !bytes.HasPrefix([]byte("half "), got) {
					t.Errorf("the peer got %q, want no more than %q", got, "half ")
				}
				if peer.LocalAddr().Network() == "tcp" && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the peer read to the end with %v, want ECONNRESET", err)
				}
				err = c.Wait()
				failure.check(t, err, &logs)
				if closedWith != err {
					t.Errorf("HandleClose got %v, Wait returned %v", closedWith, err)
				}
			})
		})
	}
}

// An error or a panic in closing a producer that was discarded is logged, too.
func TestDiscardedProducerCloseFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs logBook
		c, _, _ := blockedConn(t, framer.Config{Logger: slog.New(&logs)})
		p := &closeCounter{Producer: framer.NewBytesProducer([]byte("x"))}
		c.PushWithProducer(badClose{framer.NewBytesProducer([]byte("x"))})
		c.PushWithProducer(p)
		c.DiscardBuffers()
		if n := len(logs.find("framer: closing a producer")); n != 1 {
			t.Errorf("logged %d times, want once", n)
		}
		if n := p.closed.Load(); n != 1 {
			t.Errorf("the next producer was closed %d times, want 1", n)
		}
	})
}

// An error or a panic in closing a producer is logged, and has no other effect.
func TestProducerCloseFails(t *testing.T) {
	nc, peer := net.Pipe()
	var s script
	var logs logBook
	s.onConnect = func() error {
		return errors.Join(
			s.PushWithProducer(badClose{framer.NewBytesProducer([]byte("a"))}),
			s.PushWithProducer(framer.NewBytesProducer([]byte("b"))),
			s.CloseWhenDone(),
			closedErr(s.PushWithProducer(badClose{framer.NewBytesProducer([]byte("c"))})),
		)
	}
	c := s.serve(t, nc, framer.Config{Logger: slog.New(&logs)})
	if got := readAll(t, peer); got != "ab" {
		t.Errorf("the peer got %q, want %q", got, "ab")
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if n := len(logs.find("framer: closing a producer")); n != 2 {
		t.Errorf("logged %d times, want 2", n)
	}
}

// closedErr returns nil for net.ErrClosed, which is expected after CloseWhenDone.
func closedErr(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("got %v, want net.ErrClosed", err)
}

// A badClose is a Producer that panics in Close.
type badClose struct{ framer.Producer }

func (badClose) Close() error { panic("bad Close") }

// DiscardBuffers drops the output that has not begun, and the rest of a producer that has
// begun. A write that has begun is completed.
func TestDiscardOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := blockedConn(t, framer.Config{MaxQueuedBytes: 10})
		c.Push([]byte("dropped"))
		c.DiscardBuffers()
		if got := c.Stats().QueuedBytes; got != 1 {
			t.Errorf("%d bytes are queued, want the one that is being written", got)
		}
		if err := c.TryPush([]byte("123456789")); err != nil {
			t.Errorf("there is no room after DiscardBuffers: %v", err)
		}
		readString(t, peer, "-123456789")

		var sent int64
		p := framer.OnDone(framer.NewSimpleProducer([]byte("aabbcc"), 2), func(n int64, err error) {
			sent = n
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("OnDone: %v, want net.ErrClosed", err)
			}
		})
		c.PushWithProducer(p)
		readString(t, peer, "aab")
		c.DiscardBuffers()
		c.Push([]byte("!"))
		readString(t, peer, "b!")
		synctest.Wait()
		if sent != 4 {
			t.Errorf("OnDone was told of %d bytes, want 4", sent)
		}

		// DiscardBuffers does not undo CloseWhenDone.
		c.Push([]byte("+"))
		synctest.Wait()
		c.Push([]byte("dropped"))
		c.CloseWhenDone()
		synctest.Wait()
		c.DiscardBuffers()
		if err := c.Push([]byte("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Push after DiscardBuffers: %v, want net.ErrClosed", err)
		}
		if got := readAll(t, peer); got != "+" {
			t.Errorf("the peer got %q, want %q", got, "+")
		}
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// DiscardBuffers drops the input that is held back, but not what comes later. The
// terminator stays in force.
func TestDiscardInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		var s script
		var messages []string
		s.onConnect = func() error { return s.SetTerminator(framer.Delimiter("END")) }
		s.onFound = func() error {
			messages = append(messages, string(s.Take()))
			return nil
		}
		c := s.serve(t, nc, framer.Config{})
		writeString(t, peer, "oneENDtwo EN")
		synctest.Wait()
		c.DiscardBuffers() // drops "EN"; "two " was collected already
		writeString(t, peer, "DthreeENDfourEND")
		peer.Close()
		c.Wait()
		if diff := cmp.Diff([]string{"one", "two Dthree", "four"}, messages); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

// If a handler calls DiscardBuffers, the messages that are left in the buffer are dropped,
// in every style.
func TestDiscardInputInHandler(t *testing.T) {
	lines := framer.Delimiter("\n")
	var messages []string
	note := func(c *framer.Conn, msg []byte) error {
		messages = append(messages, string(msg))
		c.DiscardBuffers()
		return c.Push([]byte("done\n"))
	}
	for style, newHandler := range map[string]func(*framer.Conn) framer.Handler{
		"Handler": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(lines)
			s := &script{Conn: c, t: t}
			s.onFound = func() error { return note(c, s.Take()) }
			return s
		},
		"Messages": framer.Messages(lines, note),
		"Replies": framer.Replies(lines, func(c *framer.Conn, msg, _ []byte) ([]byte, error) {
			return nil, note(c, msg)
		}),
		"Session": framer.Session(func(c *framer.Conn) error {
			for {
				msg, err := c.Next(lines)
				if err != nil {
					return err
				}
				note(c, msg)
			}
		}),
	} {
		t.Run(style, func(t *testing.T) {
			messages = nil
			nc, peer := net.Pipe()
			c := serve(t, nc, newHandler, framer.Config{})
			writeString(t, peer, "1\n2\n3\n")
			readString(t, peer, "done\n")
			writeString(t, peer, "4\n5\n6\n")
			readString(t, peer, "done\n")
			peer.Close()
			c.Wait()
			if diff := cmp.Diff([]string{"1", "4"}, messages); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

// A silent connection costs one goroutine: there is a writer only while there is output.
func TestWriterEndsWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		var s script
		c := s.serve(t, nc, framer.Config{})
		const reader, writer = "framer.(*Conn).Serve(", "framer.(*Conn).runWriter("
		for range 3 {
			c.Push([]byte("x"))
			synctest.Wait()
			if r, w := len(goroutines(reader)), len(goroutines(writer)); r != 1 || w != 1 {
				t.Errorf("while output waits there are %d readers and %d writers, want 1 and 1", r, w)
			}
			readString(t, peer, "x")
			synctest.Wait()
			if r, w := len(goroutines(reader)), len(goroutines(writer)); r != 1 || w != 0 {
				t.Errorf("when it is sent there are %d readers and %d writers, want 1 and 0", r, w)
			}
		}
		peer.Close()
	})
}

// More is called only when the connection has taken the piece before.
func TestProducerIsAskedWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := blockedConn(t, framer.Config{})
		var asked atomic.Int32
		c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
			if asked.Add(1) > 3 {
				return nil, nil
			}
			return []byte("abc"), nil
		}))
		synctest.Wait()
		for i, want := range []int32{0, 1, 2, 3} {
			if got := asked.Load(); got != want {
				t.Errorf("after %d pieces More was called %d times, want %d", i, got, want)
			}
			readString(t, peer, []string{"-", "abc", "abc", "abc"}[i])
			synctest.Wait()
		}
	})
}

// A producer can push to its own connection if it does not wait.
func TestProducerPushes(t *testing.T) {
	nc, peer := net.Pipe()
	var s script
	begun := false
	s.onConnect = func() error {
		return s.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
			if begun {
				return nil, s.CloseWhenDone()
			}
			begun = true
			return []byte("first "), s.TryPush([]byte("second"))
		}))
	}
	s.serve(t, nc, framer.Config{})
	if got, want := readAll(t, peer), "first second"; got != want {
		t.Errorf("the peer got %q, want %q", got, want)
	}
}

// newHandler can push more than the queue holds.
func TestPushInNewHandler(t *testing.T) {
	const pushes = 32
	nc, peer := memoryPair(t)
	defer peer.Close()
	c := framer.NewConn(nc, func(c *framer.Conn) framer.Handler {
		for range pushes {
			err := errors.Join(
				c.Push(make([]byte, 1000)),
				c.PushWithProducer(framer.NewBytesProducer(make([]byte, 1000))))
			if err != nil {
				t.Error(err)
			}
		}
		c.CloseWhenDone()
		return new(script)
	}, &framer.Config{MaxQueuedBytes: 4096})
	served := make(chan error, 1)
	go func() { served <- c.Serve(t.Context()) }()
	data, err := io.ReadAll(peer)
	peer.Close()
	if want := pushes * 2000; len(data) != want || err != nil {
		t.Errorf("received %d bytes and %v, want %d", len(data), err, want)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// Without a limit, a push of bytes does not wait behind a producer that waits for a place.
func TestUnlimitedQueueDoesNotWait(t *testing.T) {
	for _, limit := range []int{-1, 0} {
		synctest.Test(t, func(t *testing.T) {
			c, _, peer := blockedConn(t, framer.Config{MaxQueuedBytes: limit})
			waiting := make(chan error)
			for range 100 {
				go func() { waiting <- c.PushWithProducer(framer.NewBytesProducer([]byte("x"))) }()
			}
			synctest.Wait()
			if err := errors.Join(c.TryPush([]byte("y")), c.Push([]byte("z"))); err != nil {
				t.Errorf("MaxQueuedBytes %d: %v", limit, err)
			}
			go io.Copy(io.Discard, peer)
			for range 100 {
				if err := <-waiting; err != nil {
					t.Error(err)
				}
			}
			peer.Close()
		})
	}
}

// The largest and the smallest limits work.
func TestExtremeSizes(t *testing.T) {
	t.Parallel()
	for _, queued := range []int{math.MaxInt, 1, -1, math.MinInt} {
		for _, write := range []int{math.MaxInt, 1, -1, math.MinInt} {
			for name, wrap := range map[string]func(net.Conn) net.Conn{
				"bare":    func(nc net.Conn) net.Conn { return nc },
				"wrapped": func(nc net.Conn) net.Conn { return struct{ net.Conn }{nc} },
			} {
				t.Run(fmt.Sprintf("queue=%d/write=%d/%s", queued, write, name), func(t *testing.T) {
					nc, peer := tcpPair(t)
					defer peer.Close()
					size := 3 << 20
					if write == 1 {
						size = 3 << 10
					}
					var s script
					c := s.serve(t, wrap(nc), framer.Config{MaxQueuedBytes: queued, WriteBufferSize: write})
					pushed := call(func() error {
						var errs []error
						for range 3 { // in total more than the buffers of the system hold
							errs = append(errs, c.Push(make([]byte, size/3)), c.Flush(context.Background()))
						}
						return errors.Join(append(errs, c.Push([]byte("x")), c.CloseWhenDone())...)
					})
					if got := readAll(t, peer); len(got) != size+1 {
						t.Errorf("the peer got %d bytes, want %d", len(got), size+1)
					}
					peer.Close()
					if err := errors.Join(<-pushed, c.Wait()); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}
