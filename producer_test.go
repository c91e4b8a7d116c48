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
	"iter"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/goframer/framer"
)

// A testProducer returns its pieces, and then calls ending. It counts how many times it is
// closed.
type testProducer struct {
	pieces []string
	ending func(piece []byte) ([]byte, error) // called for the last piece, or for the piece after it
	with   bool                               // ending is called for the last piece
	note   func(string)                       // called at every call of a method, if not nil
	closes atomic.Int32
	ended  bool
	errs   []error
}

func (p *testProducer) More() ([]byte, error) {
	if p.note != nil {
		p.note("More")
	}
	if p.ended || p.closes.Load() > 0 {
		p.errs = append(p.errs, errors.New("More was called after the end"))
	}
	var piece []byte
	if len(p.pieces) > 0 {
		piece = []byte(p.pieces[0])
		p.pieces = p.pieces[1:]
		if len(p.pieces) > 0 || !p.with {
			return piece, nil
		}
	}
	p.ended = true
	return p.ending(piece)
}

func (p *testProducer) Close() error {
	if p.note != nil {
		p.note("Close")
	}
	p.closes.Add(1)
	return nil
}

var errProducer = errors.New("the producer failed")

// The ways for a testProducer to end.
func endEmpty(piece []byte) ([]byte, error) { return piece, nil }
func endEOF(piece []byte) ([]byte, error)   { return piece, io.EOF }
func endError([]byte) ([]byte, error)       { return nil, errProducer }
func endPanic([]byte) ([]byte, error)       { panic(errProducer) }

// A producerTest is a Conn on one end of a net.Pipe.
type producerTest struct {
	*framer.Conn
	peer    net.Conn
	writing <-chan struct{} // closed when the first write begins
	served  chan error
}

// A writeNotice closes a channel when it is written to.
type writeNotice struct {
	net.Conn
	once    sync.Once
	writing chan struct{}
}

func (c *writeNotice) Write(p []byte) (int, error) {
	c.once.Do(func() { close(c.writing) })
	return c.Conn.Write(p)
}

// newProducerTest returns a Conn for which Serve was not called yet. Its writes block
// until the peer reads.
func newProducerTest(t *testing.T) *producerTest {
	t.Helper()
	here, there := net.Pipe()
	writing := make(chan struct{})
	handler := func(*framer.Conn) framer.Handler { return new(counter) }
	cfg := &framer.Config{Logger: slog.New(slog.DiscardHandler)}
	c := framer.NewConn(&writeNotice{Conn: there, writing: writing}, handler, cfg)
	pt := &producerTest{Conn: c, peer: here, writing: writing, served: make(chan error, 1)}
	t.Cleanup(func() { here.Close() })
	return pt
}

func (pt *producerTest) serve(t *testing.T) {
	go func() { pt.served <- pt.Serve(t.Context()) }()
}

// block waits until the writer waits for the peer, or the connection has ended.
func (pt *producerTest) block() {
	select {
	case <-pt.writing:
	case <-pt.Context().Done():
	}
}

// finish closes the Conn in order, and reads what it sends until the end.
func (pt *producerTest) finish(t *testing.T) (received string, reason error) {
	t.Helper()
	pt.CloseWhenDone()
	data, err := io.ReadAll(pt.peer)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	return string(data), <-pt.served
}

// produce sends ps over a Conn. It returns what arrives, and the reason of the end.
func produce(t *testing.T, ps ...framer.Producer) (received string, reason error) {
	t.Helper()
	pt := newProducerTest(t)
	for _, p := range ps {
		if err := pt.PushWithProducer(p); err != nil {
			t.Fatal(err)
		}
	}
	pt.serve(t)
	return pt.finish(t)
}

func TestProducerIsClosedWhateverHappens(t *testing.T) {
	behaviours := []struct {
		name   string
		pieces []string
		ending func([]byte) ([]byte, error)
		with   bool
	}{
		{"nothing", nil, endEmpty, false},
		{"pieces", []string{"a", "b", "c"}, endEmpty, false},
		{"pieces, io.EOF", []string{"a", "b"}, endEOF, false},
		{"io.EOF with a piece", []string{"a", "b"}, endEOF, true},
		{"io.EOF with the only piece", []string{"a"}, endEOF, true},
		{"error", []string{"a", "b"}, endError, false},
		{"error at once", nil, endError, false},
		{"panic", []string{"a", "b"}, endPanic, false},
	}
	for _, b := range behaviours {
		for _, nesting := range nestings {
			for _, circumstance := range circumstances {
				name := b.name + "/" + nesting.name + "/" + circumstance.name
				p := &testProducer{pieces: slices.Clone(b.pieces), ending: b.ending, with: b.with}
				dones := new(atomic.Int32)
				done := func(int64, error) {
					if p.closes.Load() != 1 {
						t.Errorf("%s: done before it was closed", name)
					}
					dones.Add(1)
				}
				circumstance.run(t, nesting.wrap(p, done))
				if n := p.closes.Load(); n != 1 {
					t.Errorf("%s: closed %d times", name, n)
				}
				if n := dones.Load(); n != nesting.dones {
					t.Errorf("%s: %d calls of OnDone's function; want %d", name, n, nesting.dones)
				}
				if err := errors.Join(p.errs...); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

var nestings = []struct {
	name  string
	wrap  func(p framer.Producer, done func(int64, error)) framer.Producer
	dones int32 // how often done must be called
}{
	{"alone", func(p framer.Producer, done func(int64, error)) framer.Producer { return p }, 0},
	{"OnDone", framer.OnDone, 1},
	{"OnDone twice", func(p framer.Producer, done func(int64, error)) framer.Producer {
		return framer.OnDone(framer.OnDone(p, done), done)
	}, 2},
	{"first of Concat", func(p framer.Producer, done func(int64, error)) framer.Producer {
		return framer.Concat(p, framer.NewBytesProducer([]byte("tail")))
	}, 0},
	{"last of Concat", func(p framer.Producer, done func(int64, error)) framer.Producer {
		return framer.Concat(framer.NewBytesProducer([]byte("head")), p)
	}, 0},
	{"Concat in Concat", func(p framer.Producer, done func(int64, error)) framer.Producer {
		return framer.Concat(framer.Concat(framer.Concat(), framer.Concat(p)), framer.Concat())
	}, 0},
	{"OnDone in Concat", func(p framer.Producer, done func(int64, error)) framer.Producer {
		return framer.Concat(framer.NewBytesProducer([]byte("head")), framer.OnDone(p, done), framer.NewBytesProducer(nil))
	}, 1},
	{"Concat in OnDone", func(p framer.Producer, done func(int64, error)) framer.Producer {
		return framer.OnDone(framer.Concat(framer.NewBytesProducer([]byte("head")), p), done)
	}, 1},
}

// circumstances are the ways for a producer to come to its end.
var circumstances = []struct {
	name string
	run  func(t *testing.T, p framer.Producer)
}{
	{"drained", func(t *testing.T, p framer.Producer) { produce(t, p) }},
	{"discarded before it began", func(t *testing.T, p framer.Producer) {
		pt := newProducerTest(t)
		pt.serve(t)
		pt.PushWithProducer(framer.NewBytesProducer([]byte("in front of it")))
		pt.block()
		pt.PushWithProducer(p)
		pt.DiscardBuffers()
		pt.finish(t)
	}},
	{"discarded while it ran", func(t *testing.T, p framer.Producer) {
		pt := newProducerTest(t)
		pt.serve(t)
		pt.PushWithProducer(p)
		pt.Push([]byte("behind it"))
		pt.block()
		pt.DiscardBuffers()
		pt.finish(t)
	}},
	{"closed before it began", func(t *testing.T, p framer.Producer) {
		pt := newProducerTest(t)
		pt.serve(t)
		pt.PushWithProducer(framer.NewBytesProducer([]byte("in front of it")))
		pt.block()
		pt.PushWithProducer(p)
		pt.Close()
		<-pt.served
	}},
	{"closed while it ran", func(t *testing.T, p framer.Producer) {
		pt := newProducerTest(t)
		pt.serve(t)
		pt.PushWithProducer(p)
		pt.Push([]byte("behind it"))
		pt.block()
		pt.Close()
		<-pt.served
	}},
	{"the peer goes away", func(t *testing.T, p framer.Producer) {
		pt := newProducerTest(t)
		pt.serve(t)
		pt.PushWithProducer(p)
		pt.Push([]byte("behind it"))
		pt.block()
		pt.peer.Close()
		<-pt.served
	}},
	{"behind one that fails", func(t *testing.T, p framer.Producer) {
		pt := newProducerTest(t)
		pt.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) { return nil, errProducer }))
		pt.PushWithProducer(p)
		pt.serve(t)
		pt.finish(t)
	}},
	{"never served", func(t *testing.T, p framer.Producer) {
		pt := newProducerTest(t)
		pt.PushWithProducer(p)
		pt.Close()
	}},
	{"pushed after Close", func(t *testing.T, p framer.Producer) {
		pt := newProducerTest(t)
		pt.Close()
		if err := pt.PushWithProducer(p); !errors.Is(err, net.ErrClosed) {
			t.Errorf("PushWithProducer after Close: %v", err)
		}
	}},
	{"pushed after CloseWhenDone", func(t *testing.T, p framer.Producer) {
		pt := newProducerTest(t)
		pt.CloseWhenDone()
		if err := pt.PushWithProducer(p); !errors.Is(err, net.ErrClosed) {
			t.Errorf("PushWithProducer after CloseWhenDone: %v", err)
		}
		pt.Close()
	}},
}

func TestProducers(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("0123456789", 10_000))
	short := "abc"
	counted := 0
	tests := []struct {
		name string
		p    framer.Producer
		want string
	}{
		{"SimpleProducer", framer.NewSimpleProducer(text, 0), string(text)},
		{"SimpleProducer by 1", framer.NewSimpleProducer([]byte(short), 1), short},
		{"SimpleProducer of nothing", framer.NewSimpleProducer(nil, 5), ""},
		{"BytesProducer", framer.NewBytesProducer(text), string(text)},
		{"BytesProducer of nothing", framer.NewBytesProducer(nil), ""},
		{"ReaderProducer", framer.NewReaderProducer(bytes.NewReader(text)), string(text)},
		{"ReaderProducer, byte by byte", framer.NewReaderProducer(iotest.OneByteReader(strings.NewReader(short))), short},
		{"ReaderProducer, io.EOF with data", framer.NewReaderProducer(iotest.DataErrReader(strings.NewReader(short))), short},
		{"ReaderProducer of nothing", framer.NewReaderProducer(strings.NewReader("")), ""},
		{"DotProducer", framer.NewDotProducer(bytes.NewReader(text)), string(text) + "\r\n.\r\n"},
		{"DotProducer, byte by byte", framer.NewDotProducer(iotest.OneByteReader(strings.NewReader(".a\n"))), "..a\r\n.\r\n"},
		{"DotProducer, io.EOF with data", framer.NewDotProducer(iotest.DataErrReader(strings.NewReader("a\n"))), "a\r\n.\r\n"},
		{"DotProducer of nothing", framer.NewDotProducer(strings.NewReader("")), ".\r\n"},
		{"SeqProducer", framer.NewSeqProducer(slices.Chunk(text, 1000)), string(text)},
		{"SeqProducer with empty pieces", framer.NewSeqProducer(slices.Values([][]byte{nil, []byte("a"), {}, nil, []byte("b"), nil})), "ab"},
		{"SeqProducer of nothing", framer.NewSeqProducer(slices.Values([][]byte(nil))), ""},
		{"ProducerFunc", framer.ProducerFunc(func() ([]byte, error) {
			if counted++; counted > 3 {
				return nil, nil
			}
			return fmt.Append(nil, counted), nil
		}), "123"},
		{"Concat", framer.Concat(
			framer.NewSimpleProducer([]byte("ab"), 1),
			framer.NewBytesProducer(nil),
			&testProducer{pieces: []string{"c", "d"}, ending: endEOF, with: true},
			framer.Concat(),
			framer.NewReaderProducer(strings.NewReader("e")),
		), "abcde"},
		{"Concat of nothing", framer.Concat(), ""},
		{"OnDone", framer.OnDone(framer.NewBytesProducer(text), func(int64, error) {}), string(text)},
	}
	for _, test := range tests {
		// What was pushed after a producer follows it at once.
		received, reason := produce(t, framer.NewBytesProducer([]byte("<")), test.p, framer.NewBytesProducer([]byte(">")))
		if received != "<"+test.want+">" || reason != nil {
			t.Errorf("%s: %d bytes arrived, reason %v", test.name, len(received), reason)
		}
	}
}

func TestConcatCopiesItsArguments(t *testing.T) {
	ps := []framer.Producer{framer.NewBytesProducer([]byte("a")), framer.NewBytesProducer([]byte("b"))}
	p := framer.Concat(ps...)
	clear(ps)
	if received, reason := produce(t, p); received != "ab" || reason != nil {
		t.Errorf("%q, %v", received, reason)
	}
}

func TestProducerErrors(t *testing.T) {
	endless := readerFunc(func([]byte) (int, error) { return 0, nil })
	partial := readerFunc(func(p []byte) (int, error) { return copy(p, "abc"), errProducer })
	tests := []struct {
		name    string
		p       framer.Producer
		want    string
		wantErr error
	}{
		{"error", &testProducer{pieces: []string{"a", "b"}, ending: endError}, "ab", errProducer},
		{"panic", &testProducer{pieces: []string{"a", "b"}, ending: endPanic}, "ab", errProducer},
		{"error in OnDone", framer.OnDone(&testProducer{ending: endError}, func(int64, error) {}), "", errProducer},
		{"error in Concat", framer.Concat(framer.NewBytesProducer([]byte("a")), &testProducer{ending: endError}, framer.NewBytesProducer([]byte("b"))), "a", errProducer},
		{"reader without progress", framer.NewReaderProducer(endless), "", io.ErrNoProgress},
		{"reader with data and an error", framer.NewReaderProducer(partial), "abc", errProducer},
		{"dot block without progress", framer.NewDotProducer(endless), "", io.ErrNoProgress},
		{"dot block with data and an error", framer.NewDotProducer(partial), "abc", errProducer},
		{"dot block with an error alone", framer.NewDotProducer(iotest.ErrReader(errProducer)), "", errProducer},
		{"reader in Concat", framer.Concat(framer.NewReaderProducer(partial), framer.NewBytesProducer([]byte("d"))), "abc", errProducer},
	}
	for _, test := range tests {
		// Nothing follows, so that the peer does not take what was cut off for the whole.
		received, reason := produce(t, test.p, framer.NewBytesProducer([]byte("more")))
		if received != test.want || !errors.Is(reason, test.wantErr) {
			t.Errorf("%s: %q arrived, reason %v; want %q, %v", test.name, received, reason, test.want, test.wantErr)
		}
	}
}

func TestSimpleProducerPieces(t *testing.T) {
	tests := []struct {
		size, bufferSize int
		want             []int
	}{
		{0, 0, nil},
		{512, 0, []int{512}},
		{1300, 0, []int{512, 512, 276}},
		{600, -1, []int{512, 88}},
		{7, 3, []int{3, 3, 1}},
		{3, 100, []int{3}},
	}
	for _, test := range tests {
		p := framer.NewSimpleProducer(make([]byte, test.size), test.bufferSize)
		var got []int
		for {
			piece, err := p.More()
			if err != nil {
				t.Fatal(err)
			}
			if len(piece) == 0 {
				break
			}
			got = append(got, len(piece))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%d bytes by %d: pieces of %d; want %d", test.size, test.bufferSize, got, test.want)
		}
		if piece, err := p.More(); len(piece) > 0 || err != nil {
			t.Errorf("after the end: %q, %v", piece, err)
		}
	}
}

func TestSimpleProducerIsLinear(t *testing.T) {
	// Copying the rest for every piece, as asynchat does, would be terabytes.
	const size = 4 << 20
	data := make([]byte, size)
	calls := 0
	n := testing.AllocsPerRun(1, func() {
		p := framer.NewSimpleProducer(data, 1)
		for calls = 0; ; calls++ {
			piece, err := p.More()
			if len(piece) == 0 || err != nil {
				return
			}
		}
	})
	if n > 1 || calls != size {
		t.Errorf("%v allocations in %d calls", n, calls)
	}
}

func TestBytesProducerShares(t *testing.T) {
	data := []byte("payload")
	for range 2 {
		piece, err := framer.NewBytesProducer(data).More()
		if err != nil || len(piece) != len(data) || &piece[0] != &data[0] {
			t.Errorf("%q, %v is not the slice itself", piece, err)
		}
	}
}

func TestConcatClosesInOrder(t *testing.T) {
	build := func() (p framer.Producer, calls *[]string) {
		calls = new([]string)
		var ps []framer.Producer
		for _, name := range []string{"a", "b", "c"} {
			note := func(call string) { *calls = append(*calls, name+"."+call) }
			ps = append(ps, &testProducer{pieces: []string{name}, ending: endEmpty, note: note})
		}
		return framer.Concat(ps...), calls
	}
	p, calls := build()
	if received, reason := produce(t, p); received != "abc" || reason != nil {
		t.Errorf("%q, %v", received, reason)
	}
	want := []string{"a.More", "a.More", "a.Close", "b.More", "b.More", "b.Close", "c.More", "c.More", "c.Close"}
	if diff := diffStrings(want, *calls); diff != "" {
		t.Errorf("exhausted (-want +got):\n%s", diff)
	}

	// Discarded while b is being written.
	p, calls = build()
	pt := newProducerTest(t)
	pt.serve(t)
	if err := pt.PushWithProducer(p); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1)
	if _, err := io.ReadFull(pt.peer, buf); err != nil { // a
		t.Fatal(err)
	}
	if _, err := io.ReadFull(pt.peer, buf); err != nil { // b
		t.Fatal(err)
	}
	pt.Close()
	<-pt.served
	got := *calls
	want = []string{"a.More", "a.More", "a.Close", "b.More"}
	if len(got) < len(want) || diffStrings(want, got[:len(want)]) != "" {
		t.Errorf("discarded: %q does not begin with %q", got, want)
	}
	closes := slices.DeleteFunc(slices.Clone(got), func(call string) bool { return !strings.HasSuffix(call, ".Close") })
	if diff := diffStrings([]string{"a.Close", "b.Close", "c.Close"}, closes); diff != "" {
		t.Errorf("discarded (-want +got):\n%s", diff)
	}
}

func TestConcatClosesAllAfterFailure(t *testing.T) {
	first := &testProducer{pieces: []string{"a"}, ending: endError}
	second := &testProducer{pieces: []string{"b"}, ending: endEmpty}
	if _, reason := produce(t, framer.Concat(first, second)); !errors.Is(reason, errProducer) {
		t.Errorf("reason %v", reason)
	}
	if first.closes.Load() != 1 || second.closes.Load() != 1 {
		t.Errorf("closed %d and %d times", first.closes.Load(), second.closes.Load())
	}
}

// If Close of a producer panics, other producers are still closed, and OnDone still calls
// its function.
func TestProducerClosePanic(t *testing.T) {
	for _, circumstance := range circumstances {
		bad := newSilentReader(io.NopCloser(strings.NewReader("a")))
		bad.after = func() { panic(errClose) }
		first := struct {
			framer.Producer
			io.Closer
		}{framer.NewBytesProducer([]byte("a")), bad}
		second := &testProducer{pieces: []string{"b"}, ending: endEmpty}
		p, firstDone := onDone(first)
		p, done := onDone(framer.Concat(p, second))
		circumstance.run(t, p)
		if bad.closes.Load() != 1 || second.closes.Load() != 1 {
			t.Errorf("%s: closed %d and %d times", circumstance.name, bad.closes.Load(), second.closes.Load())
		}
		if len(firstDone) != 1 || len(done) != 1 {
			t.Errorf("%s: done %d and %d times", circumstance.name, len(firstDone), len(done))
		}
	}
}

// A doneResult has the arguments of the function of OnDone.
type doneResult struct {
	n   int64
	err error
}

// onDone returns p with OnDone, and a channel that receives the result.
func onDone(p framer.Producer) (framer.Producer, <-chan doneResult) {
	done := make(chan doneResult, 2)
	return framer.OnDone(p, func(n int64, err error) { done <- doneResult{n, err} }), done
}

func TestOnDone(t *testing.T) {
	tests := []struct {
		name    string
		p       framer.Producer
		n       int64
		wantErr error
	}{
		{"nothing", framer.NewBytesProducer(nil), 0, nil},
		{"pieces", framer.NewSimpleProducer(make([]byte, 1000), 300), 1000, nil},
		{"pieces, io.EOF", &testProducer{pieces: []string{"ab", "c"}, ending: endEOF}, 3, nil},
		{"io.EOF with a piece", &testProducer{pieces: []string{"ab", "c"}, ending: endEOF, with: true}, 3, nil},
		{"Concat", framer.Concat(framer.NewBytesProducer([]byte("ab")), framer.NewBytesProducer([]byte("cd"))), 4, nil},
		{"reader", framer.NewReaderProducer(strings.NewReader("abcde")), 5, nil},
		{"error", &testProducer{pieces: []string{"ab", "c"}, ending: endError}, 3, errProducer},
		{"error at once", &testProducer{ending: endError}, 0, errProducer},
		{"panic", &testProducer{pieces: []string{"ab"}, ending: endPanic}, 2, errProducer},
	}
	for _, test := range tests {
		p, done := onDone(test.p)
		inner, innerDone := onDone(framer.NewBytesProducer([]byte("xyz")))
		_, reason := produce(t, inner, p)
		if (reason == nil) != (test.wantErr == nil) {
			t.Errorf("%s: reason %v", test.name, reason)
		}
		if got := <-done; got.n != test.n || !errors.Is(got.err, test.wantErr) {
			t.Errorf("%s: %d, %v; want %d, %v", test.name, got.n, got.err, test.n, test.wantErr)
		}
		if got := <-innerDone; got.n != 3 || got.err != nil {
			t.Errorf("%s: the one before: %d, %v", test.name, got.n, got.err)
		}
	}
}

func TestOnDoneEarly(t *testing.T) {
	for _, circumstance := range circumstances[1:] {
		p, done := onDone(&testProducer{pieces: []string{"abc", "def"}, ending: endEmpty})
		circumstance.run(t, p)
		got := <-done
		wantN := int64(0)
		var wantErr error
		switch circumstance.name {
		case "discarded while it ran":
			wantN, wantErr = 3, net.ErrClosed // the write that has begun is completed
		case "behind one that fails":
			wantErr = errProducer
		case "the peer goes away":
			wantErr = io.ErrClosedPipe
		default:
			wantErr = net.ErrClosed
		}
		if got.n != wantN || !errors.Is(got.err, wantErr) {
			t.Errorf("%s: %d, %v; want %d, %v", circumstance.name, got.n, got.err, wantN, wantErr)
		}
	}
}

func TestProducerClosedTwice(t *testing.T) {
	// A program that uses producers without a Conn closes them itself.
	inner := &testProducer{ending: endEmpty}
	p, done := onDone(inner)
	p = framer.Concat(p)
	closer := p.(io.Closer)
	if err := errors.Join(closer.Close(), closer.Close()); err != nil {
		t.Error(err)
	}
	p, doneAlone := onDone(p)
	closer = p.(io.Closer)
	if err := errors.Join(closer.Close(), closer.Close()); err != nil {
		t.Error(err)
	}
	if n := inner.closes.Load(); n != 1 || len(done) != 1 || len(doneAlone) != 1 {
		t.Errorf("closed %d times, done %d and %d times", n, len(done), len(doneAlone))
	}
}

func TestSeqProducerStops(t *testing.T) {
	stopped := 0
	seq := iter.Seq[[]byte](func(yield func([]byte) bool) {
		defer func() { stopped++ }()
		for yield([]byte("again")) {
		}
	})
	for _, circumstance := range circumstances[1:] {
		stopped = 0
		circumstance.run(t, framer.NewSeqProducer(seq))
		want := 0
		switch circumstance.name {
		case "discarded while it ran", "closed while it ran", "the peer goes away":
			want = 1
		}
		if stopped != want {
			t.Errorf("%s: stopped %d times; want %d", circumstance.name, stopped, want)
		}
	}
}

// A closingReader counts how many times it is closed.
type closingReader struct {
	io.Reader
	closes int
	err    error // what Close returns
}

func (r *closingReader) Close() error { r.closes++; return r.err }

func TestReaderProducerCloses(t *testing.T) {
	wraps := []func(io.Reader) framer.Producer{
		framer.NewReaderProducer,
		func(r io.Reader) framer.Producer { return framer.NewReaderProducer(&io.LimitedReader{R: r, N: 100}) },
		func(r io.Reader) framer.Producer {
			return framer.Concat(framer.NewReaderProducer(r), framer.NewBytesProducer(nil))
		},
	}
	for i, wrap := range wraps {
		r := &closingReader{Reader: strings.NewReader("abc"), err: errors.New("a close that fails")}
		// The reader was read to its end. An error of its Close does not change that.
		received, reason := produce(t, wrap(r), framer.NewBytesProducer([]byte(".")))
		if received != "abc." || reason != nil || r.closes != 1 {
			t.Errorf("%d: %q, %v, closed %d times", i, received, reason, r.closes)
		}
	}
}

func TestReaderProducerStutters(t *testing.T) {
	text := "abc"
	reads := 0
	r := readerFunc(func(p []byte) (int, error) {
		reads++
		switch {
		case reads%50 != 0:
			return 0, nil
		case text == "":
			return 0, io.EOF
		}
		n := copy(p, text[:1])
		text = text[1:]
		return n, nil
	})
	if received, reason := produce(t, framer.NewReaderProducer(r)); received != "abc" || reason != nil {
		t.Errorf("%q, %v", received, reason)
	}
}

func TestFileProducer(t *testing.T) {
	// Over TCP, files are not read by More.
	const size = 3 << 20
	content := strings.Repeat("0123456789abcdef", size/16)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(offset int64) *os.File {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		return f
	}
	const offset, part = 1000, 2 << 20
	tests := []struct {
		name string
		p    func() (framer.Producer, *os.File)
		want string
	}{
		{"file", func() (framer.Producer, *os.File) {
			f := open(offset)
			return framer.NewReaderProducer(f), f
		}, content[offset:]},
		{"part of a file", func() (framer.Producer, *os.File) {
			f := open(offset)
			return framer.NewReaderProducer(&io.LimitedReader{R: f, N: part}), f
		}, content[offset:][:part]},
		{"file between others", func() (framer.Producer, *os.File) {
			f := open(0)
			return framer.Concat(framer.NewBytesProducer([]byte("(")), framer.NewReaderProducer(f), framer.NewBytesProducer([]byte(")"))), f
		}, "(" + content + ")"},
	}
	for _, test := range tests {
		producer, f := test.p()
		p, done := onDone(producer)
		received, reason := produceTCP(t, p)
		if received != test.want || reason != nil {
			t.Errorf("%s: %d bytes arrived, reason %v; want %d", test.name, len(received), reason, len(test.want))
		}
		if got := <-done; got.n != int64(len(test.want)) || got.err != nil {
			t.Errorf("%s: done with %d, %v; want %d", test.name, got.n, got.err, len(test.want))
		}
		if err := f.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: the file was not closed: %v", test.name, err)
		}
	}
}

// produceTCP sends p over a TCP connection on the loopback.
func produceTCP(t *testing.T, p framer.Producer) (received string, reason error) {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
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
	c := framer.NewConn(nc, func(*framer.Conn) framer.Handler { return new(counter) }, nil)
	if err := errors.Join(c.PushWithProducer(p), c.CloseWhenDone()); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- c.Serve(t.Context()) }()
	data, err := io.ReadAll(peer)
	if err := errors.Join(err, peer.Close()); err != nil {
		t.Error(err)
	}
	return string(data), <-served
}

// A silentReader records that it is read. Its Read blocks until it is interrupted. It
// counts how many times it is closed.
type silentReader struct {
	io.ReadCloser
	reading chan struct{} // closed by the first Read
	once    sync.Once
	closes  atomic.Int32
	after   func() // called by Close, if not nil
}

func newSilentReader(r io.ReadCloser) *silentReader {
	return &silentReader{ReadCloser: r, reading: make(chan struct{})}
}

func (r *silentReader) Read(p []byte) (int, error) {
	r.once.Do(func() { close(r.reading) })
	return r.ReadCloser.Read(p)
}

var errClose = errors.New("a close that fails")

func (r *silentReader) Close() error {
	r.closes.Add(1)
	if r.after != nil {
		r.after()
	}
	return errors.Join(r.ReadCloser.Close(), errClose)
}

// A deadlineReader is a silentReader that can be interrupted without Close.
type deadlineReader struct{ *silentReader }

func (r deadlineReader) SetReadDeadline(t time.Time) error {
	return r.ReadCloser.(interface{ SetReadDeadline(time.Time) error }).SetReadDeadline(t)
}

// A noDeadlineReader has a method SetReadDeadline that always fails.
type noDeadlineReader struct{ *silentReader }

func (r noDeadlineReader) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// silences are readers that return nothing. end ends their input.
var silences = []struct {
	name string
	make func(t *testing.T) (r io.Reader, silent *silentReader, end func())
}{
	{"os.Pipe", func(t *testing.T) (io.Reader, *silentReader, func()) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		silent := newSilentReader(r)
		return deadlineReader{silent}, silent, func() { w.Close() }
	}},
	{"net.Pipe", func(t *testing.T) (io.Reader, *silentReader, func()) {
		r, w := net.Pipe()
		t.Cleanup(func() { w.Close() })
		silent := newSilentReader(r)
		return deadlineReader{silent}, silent, func() { w.Close() }
	}},
	{"TCP", func(t *testing.T) (io.Reader, *silentReader, func()) {
		r, w := tcpPair(t)
		t.Cleanup(func() { w.Close() })
		silent := newSilentReader(r)
		return deadlineReader{silent}, silent, func() { w.Close() }
	}},
	{"io.Pipe", func(t *testing.T) (io.Reader, *silentReader, func()) {
		r, w := io.Pipe()
		silent := newSilentReader(r)
		return silent, silent, func() { w.Close() }
	}},
	{"Closer that ends with io.EOF", func(t *testing.T) (io.Reader, *silentReader, func()) {
		r, w := io.Pipe()
		silent := newSilentReader(struct {
			io.Reader
			io.Closer
		}{readerFunc(func(p []byte) (int, error) {
			n, _ := r.Read(p)
			return n, io.EOF
		}), r})
		return silent, silent, func() { w.Close() }
	}},
	{"no deadline", func(t *testing.T) (io.Reader, *silentReader, func()) {
		r, w := io.Pipe()
		silent := newSilentReader(r)
		return noDeadlineReader{silent}, silent, func() { w.Close() }
	}},
}

// interruptNestings are the places in which a reader can be.
var interruptNestings = []struct {
	name string
	wrap func(r io.Reader) framer.Producer
}{
	{"alone", framer.NewReaderProducer},
	{"LimitedReader", func(r io.Reader) framer.Producer {
		return framer.NewReaderProducer(&io.LimitedReader{R: r, N: 100})
	}},
	{"dot block", framer.NewDotProducer},
	{"dot block of a LimitedReader", func(r io.Reader) framer.Producer {
		return framer.NewDotProducer(&io.LimitedReader{R: r, N: 100})
	}},
	{"first of Concat", func(r io.Reader) framer.Producer {
		return framer.Concat(framer.NewReaderProducer(r), framer.NewBytesProducer([]byte("b")))
	}},
	{"second of Concat", func(r io.Reader) framer.Producer {
		return framer.Concat(framer.NewBytesProducer([]byte("a")), framer.NewReaderProducer(r))
	}},
	{"behind a last piece", func(r io.Reader) framer.Producer {
		a := &testProducer{pieces: []string{"a"}, ending: endEOF, with: true}
		return framer.Concat(a, framer.NewReaderProducer(r))
	}},
	{"OnDone", func(r io.Reader) framer.Producer {
		return framer.OnDone(framer.NewReaderProducer(r), func(int64, error) {})
	}},
	{"nested", func(r io.Reader) framer.Producer {
		ignore := func(int64, error) {}
		p := framer.Concat(framer.NewBytesProducer([]byte("b")), framer.OnDone(framer.NewReaderProducer(&io.LimitedReader{R: r, N: 100}), ignore))
		return framer.OnDone(framer.Concat(framer.Concat(framer.NewBytesProducer([]byte("a"))), p, framer.Concat()), ignore)
	}},
}

// exhaust calls p.More as the writer does, until p is exhausted or fails.
func exhaust(p framer.Producer) error {
	for {
		piece, err := p.More()
		switch {
		case err == io.EOF:
			return nil
		case err != nil || len(piece) == 0:
			return err
		}
	}
}

func TestProducerInterrupt(t *testing.T) {
	for _, silence := range silences {
		for _, nesting := range interruptNestings {
			for _, when := range []string{"before", "while it waits", "and while it is closed", "after it was closed"} {
				t.Run(silence.name+"/"+nesting.name+"/"+when, func(t *testing.T) {
					r, silent, end := silence.make(t)
					p, done := onDone(nesting.wrap(r))
					if when == "before" {
						framer.InterruptProducer(p)
					}
					if when == "and while it is closed" {
						silent.after = func() { framer.InterruptProducer(p) }
					}
					asked := make(chan error)
					go func() { asked <- exhaust(p) }()
					switch when {
					case "while it waits", "and while it is closed":
						<-silent.reading
						framer.InterruptProducer(p)
						framer.InterruptProducer(p)
					case "after it was closed":
						<-silent.reading
						end()
					}
					err := <-asked
					if (err == nil) != (when == "after it was closed") {
						t.Errorf("asked: %v", err)
					}
					if err := p.(io.Closer).Close(); !errors.Is(err, errClose) && when != "after it was closed" {
						t.Errorf("closed: %v", err)
					}
					framer.InterruptProducer(p)
					if n := silent.closes.Load(); n != 1 {
						t.Errorf("the reader was closed %d times", n)
					}
					if err != nil {
						// Not the error with which the reader was interrupted.
						if got := <-done; !errors.Is(got.err, net.ErrClosed) || errors.Is(got.err, os.ErrDeadlineExceeded) {
							t.Errorf("done: %v", got.err)
						}
					} else if got := <-done; got.err != nil {
						t.Errorf("done: %v", got.err)
					}
					if len(done) > 0 {
						t.Error("done twice")
					}
				})
			}
		}
	}
}

// An interrupt comes when the producer ends by itself, or when it goes on to a next
// producer, which blocks for ever.
func TestProducerInterruptRaces(t *testing.T) {
	t.Parallel()
	const rounds = 200
	for _, silence := range silences {
		if silence.name == "TCP" {
			continue // like net.Pipe, but slower
		}
		t.Run(silence.name, func(t *testing.T) {
			for range rounds {
				first, silent, end := silence.make(t)
				second, w := io.Pipe()
				next := newSilentReader(second)
				p, innerDone := onDone(framer.NewReaderProducer(first))
				p, done := onDone(framer.Concat(p, framer.NewReaderProducer(next)))
				var wg sync.WaitGroup
				wg.Go(end)
				wg.Go(func() { framer.InterruptProducer(p) })
				wg.Go(func() { framer.InterruptProducer(p) })
				if err := exhaust(p); !errors.Is(err, net.ErrClosed) {
					t.Errorf("asked: %v", err)
				}
				p.(io.Closer).Close()
				wg.Wait()
				w.Close()
				if silent.closes.Load() != 1 || next.closes.Load() != 1 {
					t.Errorf("closed %d and %d times", silent.closes.Load(), next.closes.Load())
				}
				if got := <-done; !errors.Is(got.err, net.ErrClosed) {
					t.Errorf("done: %v", got.err)
				}
				if <-innerDone; len(done) > 0 || len(innerDone) > 0 {
					t.Error("done twice")
				}
			}
		})
	}
}

// Interrupting a producer that can't be interrupted has no effect.
func TestProducerInterruptOfOthers(t *testing.T) {
	text := "abc"
	producers := map[string]framer.Producer{
		"reader":          framer.NewReaderProducer(strings.NewReader(text)),
		"LimitedReader":   framer.NewReaderProducer(io.LimitReader(strings.NewReader(text), 2)),
		"nothing":         framer.Concat(),
		"dot block":       framer.NewDotProducer(strings.NewReader(text)),
		"BytesProducer":   framer.NewBytesProducer([]byte(text)),
		"SeqProducer":     framer.NewSeqProducer(slices.Values([][]byte{[]byte(text)})),
		"ProducerFunc":    framer.ProducerFunc(func() ([]byte, error) { return nil, nil }),
		"no reader":       framer.NewReaderProducer(nil),
		"Concat of a nil": framer.Concat(nil),
	}
	for name, p := range producers {
		framer.InterruptProducer(p)
		framer.InterruptProducer(framer.OnDone(p, func(int64, error) {}))
		if c, ok := p.(io.Closer); ok {
			if err := c.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		framer.InterruptProducer(p)
	}
	framer.InterruptProducer(nil)
}

// A panic of a reader that is interrupted does not reach the goroutine that interrupts.
func TestProducerInterruptPanic(t *testing.T) {
	silent := newSilentReader(io.NopCloser(strings.NewReader("")))
	silent.after = func() { panic(errProducer) }
	p := framer.NewReaderProducer(silent)
	framer.InterruptProducer(p)
	if err := p.(io.Closer).Close(); !errors.Is(err, errProducer) || silent.closes.Load() != 1 {
		t.Errorf("%v, closed %d times", err, silent.closes.Load())
	}
}

// A pipe that is not wrapped is first asked for a transfer.
func TestPipeProducerInterrupt(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p, done := onDone(framer.NewReaderProducer(r))
	asked := make(chan error)
	go func() {
		if n, err := framer.TransferProducer(p, nil); n != 0 || err == nil {
			t.Errorf("transfer: %d, %v", n, err)
		}
		asked <- exhaust(p)
	}()
	framer.InterruptProducer(p)
	if err := <-asked; !errors.Is(err, net.ErrClosed) {
		t.Errorf("asked: %v", err)
	}
	framer.EndProducer(p, errProducer)
	if got := <-done; got.n != 0 || got.err != errProducer {
		t.Errorf("done with %d, %v; want what has ended the connection", got.n, got.err)
	}
	if err := r.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the pipe was not closed: %v", err)
	}
}

// A file is not closed during a transfer. After the transfer, nothing more is sent of it.
func TestFileProducerInterrupt(t *testing.T) {
	f := openFile(t, "0123456789")
	p, done := onDone(framer.Concat(framer.NewReaderProducer(&io.LimitedReader{R: f, N: 8}), framer.NewBytesProducer([]byte("more"))))
	transfer := func(r io.Reader) (int64, error) {
		framer.InterruptProducer(p)
		n, err := io.CopyN(io.Discard, r, 5)
		if err != nil {
			t.Error("while it is transferred:", err)
		}
		return n, nil
	}
	if n, err := framer.TransferProducer(p, readerFromFunc(transfer)); n != 5 || err != nil {
		t.Errorf("the first transfer: %d, %v", n, err)
	}
	if n, err := framer.TransferProducer(p, readerFromFunc(transfer)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("the second transfer: %d, %v", n, err)
	}
	if err := p.(io.Closer).Close(); err != nil {
		t.Error(err)
	}
	if got := <-done; got.n != 5 || !errors.Is(got.err, net.ErrClosed) {
		t.Errorf("done with %d, %v", got.n, got.err)
	}
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file was not closed: %v", err)
	}
}

// openFile returns a file with the content.
func openFile(t *testing.T, content string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

type readerFromFunc func(r io.Reader) (int64, error)

func (f readerFromFunc) ReadFrom(r io.Reader) (int64, error) { return f(r) }

func TestProducerImpossibleCounts(t *testing.T) {
	for _, r := range []readerFunc{
		func([]byte) (int, error) { return -1, nil },
		func([]byte) (int, error) { return -1, io.EOF },
		func([]byte) (int, error) { return math.MinInt, errProducer },
		func(p []byte) (int, error) { return len(p) + 1, nil },
		func(p []byte) (int, error) { return len(p) + 1, io.EOF },
		func([]byte) (int, error) { return math.MaxInt, nil },
	} {
		for _, nesting := range interruptNestings {
			p, done := onDone(nesting.wrap(r))
			_, reason := produce(t, p)
			if panicked := new(framer.PanicError); reason == nil || errors.As(reason, &panicked) || !strings.Contains(reason.Error(), "impossible") {
				t.Errorf("%s: reason %v", nesting.name, reason)
			}
			if got := <-done; got.n < 0 || got.n > 2 || got.err != reason {
				t.Errorf("%s: done with %d, %v; want %v", nesting.name, got.n, got.err, reason)
			}
		}
		limited := &io.LimitedReader{R: r, N: 100}
		if err := exhaust(framer.NewReaderProducer(limited)); err == nil || limited.N != 100 {
			t.Errorf("%v, %d are left", err, limited.N)
		}
	}
}

func TestFileProducerImpossibleCounts(t *testing.T) {
	const size = 10
	counts := []int64{-1, math.MinInt64, size + 1, math.MaxInt64}
	for _, count := range counts {
		for _, readErr := range []error{nil, io.EOF, errProducer} {
			f := openFile(t, strings.Repeat("a", 2*size))
			limited := &io.LimitedReader{R: f, N: size}
			p, done := onDone(framer.NewReaderProducer(limited))
			w := readerFromFunc(func(io.Reader) (int64, error) { return count, readErr })
			n, err := framer.TransferProducer(p, w)
			if n != 0 || err == nil || !strings.Contains(err.Error(), "impossible") {
				t.Errorf("%d and %v: %d, %v", count, readErr, n, err)
			}
			offset, err := f.Seek(0, io.SeekCurrent)
			if err != nil || offset != 0 || limited.N != size {
				t.Errorf("%d and %v: at %d, %v; %d are left", count, readErr, offset, err, limited.N)
			}
			p.(io.Closer).Close()
			if got := <-done; got.n != 0 || got.err == nil {
				t.Errorf("%d and %v: done with %d, %v", count, readErr, got.n, got.err)
			}
		}
	}
}

// After a transfer that has failed, the producer goes on after what was sent, and counts
// it.
func TestFileProducerPartialTransfer(t *testing.T) {
	for _, test := range []struct {
		sent int64
		rest string
	}{
		{4, "45678"},
		{0, "012345678"}, // the deadline had expired before the transfer
	} {
		f := openFile(t, "0123456789")
		limited := &io.LimitedReader{R: f, N: 9}
		p, done := onDone(framer.NewReaderProducer(limited))
		w := readerFromFunc(func(r io.Reader) (int64, error) {
			_, err := io.CopyN(io.Discard, r, 7) // ReadFrom reads more than it sends
			return test.sent, errors.Join(err, errProducer)
		})
		n, err := framer.TransferProducer(p, w)
		if n != test.sent || !errors.Is(err, errProducer) || limited.N != 9-test.sent {
			t.Errorf("%d, %v; %d are left", n, err, limited.N)
		}
		if rest, err := io.ReadAll(limited); string(rest) != test.rest || err != nil {
			t.Errorf("%q, %v, want %q", rest, err, test.rest)
		}
		p.(io.Closer).Close()
		if got := <-done; got.n != test.sent || got.err == nil {
			t.Errorf("done with %d, %v", got.n, got.err)
		}
	}
}

func TestReaderProducerLimits(t *testing.T) {
	text := "0123456789"
	for _, test := range []struct {
		n    int64
		want string
	}{
		{math.MinInt64, ""}, {-1, ""}, {0, ""}, {1, "0"}, {9, "012345678"},
		{10, text}, {11, text}, {math.MaxInt32 + 1, text}, {math.MaxInt64, text},
	} {
		for name, send := range map[string]func(*testing.T, framer.Producer) (string, error){
			"file over TCP": produceTCP,
			"pieces":        func(t *testing.T, p framer.Producer) (string, error) { return produce(t, p) },
		} {
			limited := &io.LimitedReader{R: openFile(t, text), N: test.n}
			p, done := onDone(framer.NewReaderProducer(limited))
			if received, reason := send(t, p); received != test.want || reason != nil {
				t.Errorf("%s, %d: %q, %v", name, test.n, received, reason)
			}
			if got := <-done; got.n != int64(len(test.want)) || got.err != nil {
				t.Errorf("%s, %d: done with %d, %v", name, test.n, got.n, got.err)
			}
			if left := test.n - int64(len(test.want)); limited.N != left {
				t.Errorf("%s, %d: %d are left; want %d", name, test.n, limited.N, left)
			}
		}
	}
}

// dotTests are texts and the blocks that are sent for them.
var dotTests = []struct{ text, want string }{
	{"", ".\r\n"},
	{"a", "a\r\n.\r\n"},
	{"a\n", "a\r\n.\r\n"},
	{"a\r\n", "a\r\n.\r\n"},
	{"a\r", "a\r\n.\r\n"},
	{"\n", "\r\n.\r\n"},
	{"\r\n\r\n", "\r\n\r\n.\r\n"},
	{"a\nb\rc\r\nd", "a\r\nb\r\nc\r\nd\r\n.\r\n"},
	{"\r\r\n\n", "\r\n\r\n\r\n.\r\n"},
	{"a\rb\nc", "a\r\nb\r\nc\r\n.\r\n"},
	{"\r.\n", "\r\n..\r\n.\r\n"},
	{"\n\r", "\r\n\r\n.\r\n"},
	{".", "..\r\n.\r\n"},
	{"..", "...\r\n.\r\n"},
	{"a.b\n.c\n..", "a.b\r\n..c\r\n...\r\n.\r\n"},
	{"\x00\xff\n", "\x00\xff\r\n.\r\n"},
	// What a peer may take for the end of the block, if it takes other line ends than
	// CRLF, too.
	{"a\r\n.\r\nQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"},
	{"a\n.\nQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"},
	{"a\n.\r\nQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"},
	{"a\r.\rQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"},
	{"a\r.\r\nQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"},
	{"a\r\n.\rQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"},
	{"a\r\n\x00.\r\n", "a\r\n\x00.\r\n.\r\n"},
}

// drain returns the pieces that p produces.
func drain(p framer.Producer) (pieces []string, err error) {
	for {
		piece, err := p.More()
		if len(piece) > 0 {
			pieces = append(pieces, string(piece))
		}
		if err != nil || len(piece) == 0 {
			return pieces, err
		}
	}
}

// The text of a mail is sent line by line. A line that is a lone dot can't end it.
func ExampleNewDotProducer() {
	mail := strings.NewReader("Hello,\n.\nthis is still the mail")
	client, server := net.Pipe()
	var served sync.WaitGroup
	served.Go(func() {
		framer.NewConn(server, framer.Session(func(c *framer.Conn) error {
			return c.PushWithProducer(framer.NewDotProducer(mail))
		}), nil).Serve(context.Background())
	})

	lines := bufio.NewScanner(client)
	for lines.Scan() {
		fmt.Printf("%q\n", lines.Text())
	}
	client.Close()
	served.Wait()
	// Output:
	// "Hello,"
	// ".."
	// "this is still the mail"
	// "."
}

// The block does not depend on the sizes in which the text is read.
func TestDotProducer(t *testing.T) {
	readers := []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r },
		iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
		func(r io.Reader) io.Reader { return iotest.DataErrReader(iotest.OneByteReader(r)) },
	}
	for _, test := range dotTests {
		for i, reader := range readers {
			p := framer.NewDotProducer(reader(strings.NewReader(test.text)))
			pieces, err := drain(p)
			if got := strings.Join(pieces, ""); got != test.want || err != nil {
				t.Errorf("%q, reader %d: %q, %v; want %q", test.text, i, got, err, test.want)
			}
			if piece, err := p.More(); len(piece) > 0 || err != nil {
				t.Errorf("%q, reader %d: after the end: %q, %v", test.text, i, piece, err)
			}
		}
	}
}

// If the reader fails, the lone dot is not sent, whether the text was cut off before a
// line end or after it.
func TestDotProducerCutOff(t *testing.T) {
	tests := map[string]string{"": "", "a": "a", "a\r": "a\r\n", "a\r\n": "a\r\n", "\n.": "\r\n.."}
	for text, want := range tests {
		r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(errProducer))
		pieces, err := drain(framer.NewDotProducer(r))
		if got := strings.Join(pieces, ""); got != want || err != errProducer {
			t.Errorf("%q: %q, %v; want %q, %v", text, got, err, want, errProducer)
		}
	}
}

// After an interrupt between the last line and the lone dot, the lone dot is not sent.
func TestDotProducerInterruptedAtEnd(t *testing.T) {
	var p framer.Producer
	p = framer.NewDotProducer(readerFunc(func(b []byte) (int, error) {
		framer.InterruptProducer(p)
		return copy(b, "a"), io.EOF
	}))
	if pieces, err := drain(p); len(pieces) > 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%q, %v", pieces, err)
	}
}

// Over TCP, the lines of a file are sent by More, not by sendfile.
func TestDotProducerOfFile(t *testing.T) {
	f := openFile(t, ".a\nb")
	received, reason := produceTCP(t, framer.NewDotProducer(f))
	if received != "..a\r\nb\r\n.\r\n" || reason != nil {
		t.Errorf("%q, %v", received, reason)
	}
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file was not closed: %v", err)
	}
}

// Pieces are neither tiny nor huge, and their memory is used again, whatever the lines
// are.
func TestDotProducerPieces(t *testing.T) {
	const size = 1 << 20
	for _, pattern := range []string{"a", "\n", "\r", "\r\n", ".", ".\n", ".\r", "a line of some length\n"} {
		data := bytes.Repeat([]byte(pattern), size/len(pattern))
		var total, pieces int
		allocs := testing.AllocsPerRun(1, func() {
			total, pieces = 0, 0
			p := framer.NewDotProducer(bytes.NewReader(data))
			for {
				piece, err := p.More()
				if err != nil {
					t.Fatal(err)
				}
				if len(piece) == 0 {
					break
				}
				if len(piece) > 80<<10 {
					t.Fatalf("%q: a piece of %d bytes", pattern, len(piece))
				}
				total += len(piece)
				pieces++
			}
		})
		if pieces > size/(32<<10)+2 || total < len(data) {
			t.Errorf("%q: %d bytes in %d pieces", pattern, total, pieces)
		}
		if allocs > 10 {
			t.Errorf("%q: %v allocations", pattern, allocs)
		}
	}
}

// unstuff does what the receiver of a dot block does. Only CRLF is a line end. rest is
// what comes after the block.
func unstuff(block string) (text, rest string, err error) {
	for {
		line, rest, ok := strings.Cut(block, "\r\n")
		switch {
		case !ok:
			return text, "", io.ErrUnexpectedEOF
		case line == ".":
			return text, rest, nil
		}
		text += strings.TrimPrefix(line, ".") + "\r\n"
		block = rest
	}
}

// FuzzDotProducer reads a text in pieces of any size.
func FuzzDotProducer(f *testing.F) {
	for _, test := range dotTests {
		f.Add(test.text, []byte{1, 3, 2})
	}
	f.Fuzz(func(t *testing.T, text string, sizes []byte) {
		whole, err := drain(framer.NewDotProducer(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		block := strings.Join(whole, "")

		left := text
		cut, err := drain(framer.NewDotProducer(readerFunc(func(p []byte) (n int, err error) {
			if left == "" {
				return 0, io.EOF
			}
			size := 1
			if len(sizes) > 0 {
				size = 1 + int(sizes[0])%8
				sizes = append(sizes[1:], sizes[0])
			}
			n = copy(p[:size], left)
			left = left[n:]
			return n, nil
		})))
		if got := strings.Join(cut, ""); got != block || err != nil {
			t.Errorf("%q in pieces is %q, %v; whole it is %q", text, got, err, block)
		}

		// The text with the line ends that must arrive.
		want := strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(text)
		if want != "" && !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		// No byte comes after the first lone dot, so it is the only one.
		if got, rest, err := unstuff(block); got != want || rest != "" || err != nil {
			t.Errorf("%q is received as %q, %q, %v; want %q", text, got, rest, err, want)
		}
		if alone := strings.ReplaceAll(block, "\r\n", ""); strings.ContainsAny(alone, "\r\n") {
			t.Errorf("%q is sent as %q, with a line end of one byte", text, block)
		}
	})
}

// A handler may wait for its producers. When the connection ends, the producers that have
// not begun are ended although the handler has not returned.
func TestOnDoneWhileHandlerWaits(t *testing.T) {
	for name, end := range map[string]func(c *framer.Conn, peer net.Conn, cancel func()){
		"peer":    func(_ *framer.Conn, peer net.Conn, _ func()) { peer.Close() },
		"Close":   func(c *framer.Conn, _ net.Conn, _ func()) { c.Close() },
		"context": func(_ *framer.Conn, _ net.Conn, cancel func()) { cancel() },
	} {
		onTransports(t, func(t *testing.T, nc, peer net.Conn) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			pushed := make(chan struct{})
			var dones []error
			c := serveContext(t, ctx, nc, framer.Session(func(c *framer.Conn) error {
				c.PushWithProducer(framer.NewReaderProducer(io.LimitReader(zeros{}, 1<<40)))
				done := make(chan error, 2)
				for range cap(done) {
					c.PushWithProducer(framer.OnDone(framer.NewSimpleProducer([]byte("x"), 0), func(_ int64, err error) { done <- err }))
				}
				close(pushed)
				for range cap(done) {
					dones = append(dones, <-done)
				}
				return nil
			}), framer.Config{})
			if t, ok := peer.(*tls.Conn); ok {
				t.Handshake()
			}
			<-pushed
			io.ReadFull(peer, make([]byte, 100)) // now the first one has begun
			end(c, peer, cancel)
			c.Wait()
			for _, err := range dones {
				if err == nil {
					t.Errorf("%s: a producer that has not begun was sent", name)
				}
			}
		})
	}
}

// zeros is a reader of an endless number of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A push that has begun to be written is completed in spite of DiscardBuffers, by
// whichever method it was pushed.
func TestDiscardTearsNoPush(t *testing.T) {
	message := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for name, push := range map[string]func(c *framer.Conn) error{
		"Push":                func(c *framer.Conn) error { return c.Push(message) },
		"TryPush":             func(c *framer.Conn) error { return c.TryPush(message) },
		"PushWithProducer":    func(c *framer.Conn) error { return c.PushWithProducer(framer.NewBytesProducer(message)) },
		"TryPushWithProducer": func(c *framer.Conn) error { return c.TryPushWithProducer(framer.NewBytesProducer(message)) },
	} {
		onTransports(t, func(t *testing.T, nc, peer net.Conn) {
			ready := make(chan struct{})
			c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
				close(ready)
				_, err := c.Next(framer.None())
				return err
			}), framer.Config{MaxQueuedBytes: 4 << 20})
			if t, ok := peer.(*tls.Conn); ok {
				t.Handshake()
			}
			<-ready
			if err := push(c); err != nil {
				t.Fatal(err)
			}
			c.DiscardBuffers()
			c.Push([]byte("behind"))
			c.CloseWhenDone()
			got := readAll(t, peer)
			if got != string(message)+"behind" && got != "behind" {
				t.Errorf("%s: of a message of %d bytes, %d have come", name, len(message), len(got)-len("behind"))
			}
		})
	}
}
