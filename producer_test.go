// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/goframer/framer"
)

// A testProducer produces its pieces and then ends in its own way. It counts how
// often it is closed.
type testProducer struct {
	pieces []string
	ending func(piece []byte) ([]byte, error) // for the last piece, or for what is after it
	with   bool                               // the ending comes with the last piece
	note   func(string)                       // told of every call, if not nil
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

// Endings of producers.
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

// newProducerTest returns a Conn that is not served yet. Nothing it writes gets
// anywhere until the peer reads.
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

// block makes the writer wait for the peer, unless it fails before.
func (pt *producerTest) block() {
	select {
	case <-pt.writing:
	case <-pt.Context().Done():
	}
}

// finish reads what is sent until the end.
func (pt *producerTest) finish(t *testing.T) (received string, reason error) {
	t.Helper()
	pt.CloseWhenDone()
	data, err := io.ReadAll(pt.peer)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	return string(data), <-pt.served
}

// produce sends ps over a Conn and returns what arrives and how it ends.
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

// circumstances are what can happen to a producer.
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
		// What is behind a producer follows it at once.
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
		{"reader in Concat", framer.Concat(framer.NewReaderProducer(partial), framer.NewBytesProducer([]byte("d"))), "abc", errProducer},
	}
	for _, test := range tests {
		// The peer must not take what was cut off for the whole: nothing follows.
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

// A doneResult is what OnDone says.
type doneResult struct {
	n   int64
	err error
}

// onDone wraps p and returns a channel for the result.
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
			wantN, wantErr = 3, net.ErrClosed // the write that goes on is not torn
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
	// Who uses producers without a Conn closes them himself.
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

// A closingReader counts how often it is closed.
type closingReader struct {
	io.Reader
	closes int
	err    error // of Close
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
		// It was read to its end, and an error of Close does not change that.
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
	// On TCP, files take another way than More.
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

// produceTCP sends p over the loopback.
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
