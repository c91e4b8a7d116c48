// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/goframer/framer"
)

// A producerProgram builds producers from the instructions in its bytes, and knows what
// they must produce. It builds no more producers than can be pushed before the connection
// is served.
type producerProgram struct {
	code    []byte
	stack   []builtProducer
	ended   []func() error // each returns what is wrong after the end, or nil
	letter  byte
	failing bool // one of the producers fails
}

type builtProducer struct {
	framer.Producer
	want string // what it must produce
}

func (p *producerProgram) byte() int {
	if len(p.code) == 0 {
		return 0
	}
	b := p.code[0]
	p.code = p.code[1:]
	return int(b)
}

// text returns up to 40 bytes. The letter differs from that of the producer before.
func (p *producerProgram) text() string {
	p.letter++
	return strings.Repeat(string('a'+p.letter%26), p.byte()%41)
}

// step runs one instruction.
func (p *producerProgram) step() {
	switch op := p.byte(); op % 8 {
	case 0:
		text := p.text()
		p.push(framer.NewSimpleProducer([]byte(text), p.byte()%9), text)
	case 1:
		text := p.text()
		p.push(framer.NewBytesProducer([]byte(text)), text)
	case 2, 3:
		p.pieces(op)
	case 4:
		p.reader()
	case 5:
		p.seq()
	case 6:
		p.concat(p.byte() % 4)
	case 7:
		p.onDone()
	}
}

func (p *producerProgram) push(q framer.Producer, want string) {
	p.stack = append(p.stack, builtProducer{q, want})
}

// pieces builds a producer that counts its closes and may fail.
func (p *producerProgram) pieces(op int) {
	text := p.text()
	endings := []func([]byte) ([]byte, error){endEmpty, endEOF, endError, endPanic}
	ending := op / 8 % len(endings)
	q := &testProducer{ending: endings[ending], with: ending == 1 && text != ""}
	for piece := range slices.Chunk([]byte(text), 1+p.byte()%7) {
		q.pieces = append(q.pieces, string(piece))
	}
	if ending >= 2 {
		p.failing = true
	}
	p.ended = append(p.ended, func() error {
		if n := q.closes.Load(); n != 1 || len(q.errs) > 0 {
			return fmt.Errorf("a producer of %q was closed %d times, %v", text, n, q.errs)
		}
		return nil
	})
	p.push(q, text)
}

func (p *producerProgram) reader() {
	text := p.text()
	readers := []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r },
		iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
	}
	r := &closingReader{Reader: readers[p.byte()%len(readers)](strings.NewReader(text))}
	p.ended = append(p.ended, func() error {
		if r.closes != 1 {
			return fmt.Errorf("a reader of %q was closed %d times", text, r.closes)
		}
		return nil
	})
	p.push(framer.NewReaderProducer(r), text)
}

func (p *producerProgram) seq() {
	text := p.text()
	running := false
	p.ended = append(p.ended, func() error {
		if running {
			return fmt.Errorf("a sequence of %q was not stopped", text)
		}
		return nil
	})
	p.push(framer.NewSeqProducer(func(yield func([]byte) bool) {
		running = true
		defer func() { running = false }()
		for i := range len(text) {
			if !yield(nil) || !yield([]byte(text[i:i+1])) {
				return
			}
		}
	}), text)
}

// concat joins the last n producers.
func (p *producerProgram) concat(n int) {
	n = min(n, len(p.stack))
	parts := p.stack[len(p.stack)-n:]
	var want strings.Builder
	var ps []framer.Producer
	for _, part := range parts {
		want.WriteString(part.want)
		ps = append(ps, part.Producer)
	}
	p.stack = p.stack[:len(p.stack)-n]
	p.push(framer.Concat(ps...), want.String())
}

// onDone wraps the last producer in OnDone.
func (p *producerProgram) onDone() {
	if len(p.stack) == 0 {
		return
	}
	last := &p.stack[len(p.stack)-1]
	want := last.want
	calls, sent, failed := 0, int64(0), false
	last.Producer = framer.OnDone(last.Producer, func(n int64, err error) {
		calls, sent, failed = calls+1, n, err != nil
	})
	p.ended = append(p.ended, func() error {
		switch {
		case calls != 1:
			return fmt.Errorf("OnDone of %q was called %d times", want, calls)
		case sent > int64(len(want)), !failed && sent < int64(len(want)):
			return fmt.Errorf("OnDone of %q was called with %d", want, sent)
		}
		return nil
	})
}

// FuzzProducers pushes producers of all kinds, nested in each other. Everything that they
// produce must arrive in order, up to the first producer that fails. Each must be closed
// once.
func FuzzProducers(f *testing.F) {
	f.Add([]byte{0, 9, 3, 1, 20, 2, 12, 4, 5, 8, 6, 3, 7, 4, 17, 2})
	f.Add([]byte{2, 30, 2, 10, 30, 2, 18, 30, 2, 26, 30, 2, 6, 2, 7})
	f.Add([]byte{5, 40, 7, 6, 1, 7, 6, 0, 7, 3, 5, 5, 7})
	f.Fuzz(func(t *testing.T, code []byte) {
		p := producerProgram{code: code[:min(len(code), 256)]}
		for len(p.code) > 0 && len(p.stack) < 16 {
			p.step()
		}
		var want bytes.Buffer
		var ps []framer.Producer
		for _, built := range p.stack {
			want.WriteString(built.want)
			ps = append(ps, built.Producer)
		}
		received, reason := produce(t, ps...)
		switch {
		case !p.failing && (received != want.String() || reason != nil):
			t.Errorf("received %q and %v, want %q", received, reason, &want)
		case !strings.HasPrefix(want.String(), received):
			t.Errorf("received %q, which is not what %q begins with", received, &want)
		case p.failing && reason == nil:
			t.Error("a producer has failed, but the connection ended well")
		}
		for _, wrong := range p.ended {
			if err := wrong(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A testProducer produces its pieces and then ends as ending says. It counts how often it
// is closed.
type testProducer struct {
	pieces []string
	ending func(piece []byte) ([]byte, error) // returns the last result of More
	with   bool                               // ending is given the last piece; otherwise it is called after that
	closes atomic.Int32
	ended  bool
	errs   []error
}

func (p *testProducer) More() ([]byte, error) {
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
	p.closes.Add(1)
	return nil
}

var errProducer = errors.New("the producer failed")

// The ways in which producers end.
func endEmpty(piece []byte) ([]byte, error) { return piece, nil }

func endEOF(piece []byte) ([]byte, error) { return piece, io.EOF }

func endError([]byte) ([]byte, error) { return nil, errProducer }

func endPanic([]byte) ([]byte, error) { panic(errProducer) }

// produce sends ps over a Conn. It returns what arrives, and the reason of the end.
func produce(t *testing.T, ps ...framer.Producer) (received string, reason error) {
	t.Helper()
	nc, peer := net.Pipe()
	defer peer.Close()
	c := framer.NewConn(nc, framer.Session(func(*framer.Conn) error { return nil }), &framer.Config{Logger: slog.New(slog.DiscardHandler)})
	for _, p := range ps {
		if err := c.PushWithProducer(p); err != nil {
			t.Fatal(err)
		}
	}
	served := call(func() error { return c.Serve(t.Context()) })
	c.CloseWhenDone()
	data, err := io.ReadAll(peer)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	return string(data), <-served
}

// A closingReader counts how often it is closed.
type closingReader struct {
	io.Reader
	closes int
	err    error // returned by Close
}

func (r *closingReader) Close() error { r.closes++; return r.err }
