// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/goframer/framer"
)

// A completeTranscript writes a . for HandleReadComplete.
type completeTranscript struct {
	hookedTranscript
	complete func() error
}

func (h *completeTranscript) HandleReadComplete() error {
	h.WriteByte('.')
	if h.complete == nil {
		return nil
	}
	return h.complete()
}

// Between two reads there is one call of HandleReadComplete, after all others, if
// there were any; likewise at the end. It changes nothing else.
func TestReadComplete(t *testing.T) {
	terminators := []framer.Terminator{
		framer.None(),
		framer.Delimiter("a"),
		framer.Delimiter("ab"),
		framer.AnyDelimiter("a", "ab"),
		framer.FixedLength(2),
	}
	// A < is a read.
	want := regexp.MustCompile(`^(<([ab|]+\.)?)+$`)
	for _, terminator := range terminators {
		for input := range inputs("ab", 6) {
			for chunks := range cuts(input) {
				for _, in := range []io.Reader{newChunkReader(chunks...), endWithData(chunks)} {
					h := new(completeTranscript)
					err := runFramer(readNoter{in, h}, terminator, h)
					got := h.String()
					if !want.MatchString(got) {
						t.Fatalf("%v, %q: %q", terminator, chunks, got)
					}
					plain := new(transcript)
					wantErr := runFramer(newChunkReader(chunks...), terminator, plain)
					if got = strings.NewReplacer("<", "", ".", "").Replace(got); got != plain.String() || err != wantErr {
						t.Fatalf("%v, %q: %q and %v, without HandleReadComplete %q and %v",
							terminator, chunks, got, err, plain.String(), wantErr)
					}
				}
			}
		}
	}
}

// A readNoter notes that it is read from.
type readNoter struct {
	io.Reader
	h *completeTranscript
}

func (r readNoter) Read(p []byte) (int, error) {
	r.h.WriteByte('<')
	return r.Reader.Read(p)
}

func runFramer(in io.Reader, terminator framer.Terminator, h framer.Handler) error {
	f := framer.NewFramer(in, nil)
	if err := f.SetTerminator(terminator); err != nil {
		return err
	}
	return f.Run(h)
}

// A terminator set in HandleReadComplete rules also over what was held back.
func TestReadCompleteSetsTerminator(t *testing.T) {
	h := new(completeTranscript)
	f := framer.NewFramer(readNoter{newChunkReader("xa", "y"), h}, nil)
	h.complete = func() error {
		h.complete = nil
		return f.SetTerminator(framer.Delimiter("a"))
	}
	if err := f.SetTerminator(framer.Delimiter("ab")); err != nil {
		t.Fatal(err)
	}
	if err := f.Run(h); err != io.ErrUnexpectedEOF {
		t.Errorf("Run: %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if got, want := h.String(), "<x.|.<y.<"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An error of HandleReadComplete ends Run.
func TestReadCompleteFails(t *testing.T) {
	failure := errors.New("failure")
	h := &completeTranscript{complete: func() error { return failure }}
	err := runFramer(newChunkReader("a|", "b"), framer.Delimiter("|"), h)
	if got, want := h.String(), "a|."; err != failure || got != want {
		t.Errorf("%q and %v, want %q and %v", got, err, want, failure)
	}
}

// A collectingEcho sends all lines of a read back in one push.
type collectingEcho struct {
	*framer.Conn
	framer.Collector
	t *testing.T
}

func (e *collectingEcho) FoundTerminator() error {
	if err := e.CollectIncomingData([]byte("\r\n")); err != nil {
		return err
	}
	if strings.HasSuffix(string(e.Bytes()), "quit\r\n") {
		return errors.Join(e.Push(e.Take()), e.CloseWhenDone())
	}
	return nil
}

func (e *collectingEcho) HandleReadComplete() error {
	answers := e.Bytes()
	err := e.Push(answers)
	for i := range answers { // Push must have copied, or written, them
		answers[i] = '-'
	}
	e.Reset()
	if pushErr := e.Push(nil); errors.Is(pushErr, net.ErrClosed) {
		e.t.Error("HandleReadComplete was called after CloseWhenDone")
	}
	return err
}

// Nothing is lost that is pushed in HandleReadComplete, however the peer ends.
func TestReadCompleteOnConn(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		c := serve(t, nc, func(c *framer.Conn) framer.Handler {
			if err := c.SetTerminator(framer.Delimiter("\r\n")); err != nil {
				t.Error(err)
			}
			return &collectingEcho{Conn: c, t: t}
		}, framer.Config{})
		for range 10 { // one by one, and so that a push is written at once
			writeString(t, peer, "line\r\n")
			readString(t, peer, "line\r\n")
		}
		pipelineEchoes(t, peer)
		large := string(pattern(1<<20)) + "\r\n" // more than the system takes
		lines := strings.Repeat("line\r\n", 1000) + large + "last"
		half, canHalfClose := peer.(interface{ CloseWrite() error })
		if !canHalfClose {
			lines += "\r\nquit\r\n"
		}
		written := call(func() error {
			if _, err := io.WriteString(peer, lines); err != nil || !canHalfClose {
				return err
			}
			return half.CloseWrite()
		})
		if got := readAll(t, peer); got != lines {
			t.Errorf("%d bytes came back, want %d", len(got), len(lines))
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
		peer.Close()
		c.Wait()
	})
}
