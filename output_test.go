// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// InterruptProducer interrupts a producer as a Conn does.
var InterruptProducer = interruptProducer

// EndProducer closes a producer as a Conn does.
var EndProducer = endProducer

// TransferProducer calls the method transfer of p.
func TransferProducer(p Producer, w io.ReaderFrom) (int64, error) {
	return p.(transferrer).transfer(w)
}

// A slowWriter writes everything that it is given, when the test lets it.
type slowWriter struct {
	t    *testing.T
	goOn chan struct{}
}

func (w slowWriter) startWriter()  { w.t.Error("a goroutine was started") }
func (w slowWriter) addWriter()    {}
func (w slowWriter) removeWriter() {}

func (w slowWriter) dropOutput() {}

func (w slowWriter) hold(bool) {}

func (w slowWriter) writeNow(data []byte) int {
	<-w.goOn
	return len(data)
}

// A push that waits for room while another one is written at once goes on when that write
// is done.
func TestRoomAfterWriteNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		q.init(10, new(buffers))
		w := slowWriter{t, make(chan struct{})}
		q.writer, q.solo.expected = w, true
		done := make(chan error)
		go func() { done <- q.push(make([]byte, 20)) }() // an empty queue takes more than its limit
		synctest.Wait()
		go func() {
			fits := func() bool { return q.fits(5) }
			done <- q.wait(context.Background(), fits, func() { q.count(5) })
		}()
		synctest.Wait()
		close(w.goOn)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := q.queued(); n != 5 {
			t.Errorf("%d bytes are queued, want 5", n)
		}
	})
}

// Pushes that give up while they wait in line do not let others pass the one that is first
// in line any longer.
func TestLineAfterGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		q.init(10, new(buffers))
		defer q.close()
		q.push(make([]byte, 10))
		first := make(chan error, 1)
		go func() { first <- q.push(make([]byte, 10)) }() // waits until the queue is empty
		synctest.Wait()
		for passed := 0; len(first) == 0; {
			q.written(5) // half of the queue leaves it
			synctest.Wait()
			if len(first) == 0 && q.tryPush(make([]byte, 5)) == nil {
				passed += 5
			}
			if passed > 10 {
				t.Fatal("more has passed the push that waits than the queue can hold")
			}
			ctx, cancel := context.WithCancel(t.Context())
			later := make(chan error, 1)
			go func() { later <- q.pushContext(ctx, make([]byte, 8)) }()
			synctest.Wait()
			cancel()
			<-later
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// A greedyWriter takes a limited number of bytes at once. It counts the goroutines that
// are started for the rest.
type greedyWriter struct {
	takes   int
	given   [][]byte
	written []byte
	started int
}

func (w *greedyWriter) startWriter()  { w.started++ }
func (w *greedyWriter) addWriter()    {}
func (w *greedyWriter) removeWriter() {}

func (w *greedyWriter) dropOutput() {}

func (w *greedyWriter) hold(bool) {}

func (w *greedyWriter) writeNow(data []byte) int {
	n := min(w.takes, len(data))
	w.given = append(w.given, data)
	w.written = append(w.written, data[:n]...)
	return n
}

// A single push to a quiet connection is written on the goroutine that pushes, as far as
// the system takes it. Consecutive pushes, and pushes in a turn, are left to a writer
// goroutine, which writes them together.
func TestTryPushAtOnce(t *testing.T) {
	payload := bytes.Repeat([]byte("payload "), 100)
	ways := map[string]func(q *queue) error{
		"bytes":    func(q *queue) error { return q.tryPush(payload) },
		"producer": func(q *queue) error { return q.tryPushProducer(&bytesProducer{payload}) },
	}
	for name, push := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var q queue
				q.init(1<<20, new(buffers))
				w := &greedyWriter{takes: 1000}
				q.open(w)
				check := func(when string, wantStarted, wantQueued int) {
					t.Helper()
					if w.started != wantStarted || q.queued() != int64(wantQueued) {
						t.Errorf("%s: %d goroutines started, %d bytes wait; want %d and %d", when, w.started, q.queued(), wantStarted, wantQueued)
					}
				}
				if err := push(&q); err != nil {
					t.Fatal(err)
				}
				check("after a quiet time", 0, 0)
				push(&q)
				check("in a row", 1, len(payload))
				q.take()
				q.doneBytes(len(payload))
				q.take()
				time.Sleep(time.Second)
				q.beginTurn()
				push(&q)
				check("in a turn", 2, len(payload))
				q.take()
				q.doneBytes(len(payload))
				q.take()
				q.endTurn()
				time.Sleep(time.Second)
				w.takes, w.written = 300, nil
				push(&q)
				check("to a slow peer", 3, len(payload)-300)
				left, _, _ := q.take()
				var rest []byte
				switch left := left.(type) {
				case *batch:
					rest = left.data
				case *bytesProducer:
					rest = left.data
				}
				if got := string(w.written) + string(rest); got != string(payload) {
					t.Errorf("%q is sent", got)
				}
			})
		})
	}
}

// An embeddingProducer stands for a type that embeds a SimpleProducer and may have a More
// of its own.
type embeddingProducer struct{ *SimpleProducer }

// A producer that may block is not ready, whatever it embeds or reads from.
func TestIsReady(t *testing.T) {
	simple := NewSimpleProducer([]byte("x"), 0)
	silent := ProducerFunc(func() ([]byte, error) { select {} })
	pipe, _ := io.Pipe()
	for _, test := range []struct {
		name string
		p    Producer
		want bool
	}{
		{"SimpleProducer", simple, true},
		{"bytes", NewBytesProducer(make([]byte, 1000)), true},
		{"reader", NewReaderProducer(strings.NewReader("x")), true},
		{"limited reader", NewReaderProducer(io.LimitReader(strings.NewReader("x"), 1)), true},
		{"lines", NewDotProducer(strings.NewReader("x")), true},
		{"Concat", Concat(simple, simple), true},
		{"OnDone", OnDone(simple, nil), true},
		{"embedding", embeddingProducer{simple}, false},
		{"function", silent, false},
		{"pipe", NewReaderProducer(pipe), false},
		{"standard input, perhaps a terminal", NewReaderProducer(os.NewFile(^uintptr(0), "none")), false},
		{"lines of a pipe", NewDotProducer(pipe), false},
		{"Concat with a function", Concat(simple, silent), false},
		{"OnDone of a function", OnDone(silent, nil), false},
		{"nil", nil, false},
	} {
		if got := isReady(test.p); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

// If there is no writer, a large push is written from the memory of the caller, as far as
// the system takes it.
func TestLargePushAtOnce(t *testing.T) {
	small, large := []byte("small"), bytes.Repeat([]byte("l"), minDirect)
	for _, test := range []struct {
		name   string
		turn   bool
		before func(q *queue)
		takes  int // how many bytes the writer takes at once
		given  int // how many pushes are written at once
		queued int
	}{
		{name: "alone", takes: minDirect, given: 1},
		{name: "in a turn", turn: true, takes: minDirect, given: 1},
		{name: "in part", takes: 1000, given: 1, queued: minDirect - 1000},
		{name: "behind a small one", takes: minDirect, queued: len(small) + minDirect, before: func(q *queue) {
			q.push(small)
		}},
		{name: "while a small one is written", takes: minDirect, queued: len(small) + minDirect, before: func(q *queue) {
			q.push(small)
			q.take()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var q queue
			q.init(1<<20, new(buffers))
			w := &greedyWriter{takes: test.takes}
			q.open(w)
			if test.turn {
				q.beginTurn()
			}
			if test.before != nil {
				test.before(&q)
			}
			if err := q.push(large); err != nil {
				t.Fatal(err)
			}
			if got := q.queued(); len(w.given) != test.given || got != int64(test.queued) {
				t.Fatalf("%d writes at once, and %d bytes left, want %d and %d", len(w.given), got, test.given, test.queued)
			}
			if test.given > 0 && &w.given[0][0] != &large[0] {
				t.Error("what was written at once was copied before")
			}
			if running := test.queued > 0; q.running != running || (w.started > 0) != running {
				t.Errorf("%d goroutines were started, %t that one runs", w.started, q.running)
			}
		})
	}
}

// No style copies a large push that the system takes at once.
func TestLargePushes(t *testing.T) {
	large := bytes.Repeat([]byte("l"), 100<<10)
	push := func(c *Conn) error { return c.Push(large) }
	for name, newHandler := range map[string]func(*Conn) Handler{
		"Handler": func(c *Conn) Handler { return largeAnswer{c, push} },
		"another goroutine": func(c *Conn) Handler {
			return largeAnswer{c, func(c *Conn) error {
				done := make(chan error)
				go func() { done <- push(c) }()
				return <-done
			}}
		},
		"Session": Session(func(c *Conn) error {
			c.Next(FixedLength(1))
			push(c)
			_, err := c.Next(FixedLength(1))
			return err
		}),
		"Messages": Messages(FixedLength(1), func(c *Conn, msg []byte) error { return push(c) }),
		"Replies":  Replies(FixedLength(1), func(c *Conn, msg, reply []byte) ([]byte, error) { return large, nil }),
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			peer, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			nc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c, err := start(t.Context(), nc, newHandler, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := peer.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(peer, make([]byte, len(large))); err != nil {
				t.Fatal(err)
			}
			c.queue.mu.Lock()
			copied := c.queue.backlog.usual
			c.queue.mu.Unlock()
			if copied >= len(large) {
				t.Errorf("%d bytes were copied for the writer's goroutine", copied)
			}
			peer.Close()
			c.Wait()
		})
	}
}

// A largeAnswer calls push when something has come.
type largeAnswer struct {
	c    *Conn
	push func(c *Conn) error
}

func (a largeAnswer) CollectIncomingData([]byte) error { return a.push(a.c) }
func (largeAnswer) FoundTerminator() error             { return nil }

// The number of pushes is kept in two halves.
func TestCountPush(t *testing.T) {
	q := queue{pushes: math.MaxUint32 - 1}
	for want := int64(math.MaxUint32); want <= 1<<32+1; want++ {
		q.countPush()
		if got, _, _ := q.figures(); got != want {
			t.Errorf("%d pushes, want %d", got, want)
		}
	}
}

// A Conn just fits into the size of memory that the runtime allocates for it. A push that
// is written at once needs few cache lines.
func TestConnLayout(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of 64 bits")
	}
	c := new(Conn)
	if size := unsafe.Sizeof(*c); size > 1536 {
		t.Errorf("a Conn has %d bytes", size)
	}
	if end := unsafe.Offsetof(c.out) + unsafe.Offsetof(c.out.notes) + unsafe.Sizeof(c.out.notes); end > 64 {
		t.Errorf("the first cache line ends within the output, which needs %d bytes", end)
	}
	if at, end := unsafe.Offsetof(c.queue), unsafe.Offsetof(c.queue.line)+unsafe.Offsetof(c.queue.line.left)+8; at%64 != 0 || end > 128 {
		t.Errorf("the queue is at %d, and a push needs %d bytes of it", at, end)
	}
	if at, end := unsafe.Offsetof(c.mu), unsafe.Offsetof(c.wait)+unsafe.Offsetof(c.wait.began); at/64+1 < (end-1)/64 {
		t.Errorf("a wait for input looks at the bytes %d to %d, in three cache lines", at, end)
	}
}

// queued returns how many bytes were pushed, and neither written nor discarded yet.
func (q *queue) queued() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pushed - q.gone
}
