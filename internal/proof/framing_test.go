// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/goframer/framer"
)

// A chunkReader returns its chunks, one in each Read if there is room, and then io.EOF.
type chunkReader struct {
	chunks []string
	before func() // if not nil, called at the beginning of every Read
}

func newChunkReader(chunks ...string) *chunkReader {
	empty := func(chunk string) bool { return chunk == "" }
	return &chunkReader{chunks: slices.DeleteFunc(slices.Clone(chunks), empty)}
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if r.before != nil {
		r.before()
	}
	if len(r.chunks) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.chunks[0])
	r.chunks[0] = r.chunks[0][n:]
	if r.chunks[0] == "" {
		r.chunks = r.chunks[1:]
	}
	return n, nil
}

// endWithData returns a reader of chunks that returns io.EOF together with the last
// chunk.
func endWithData(chunks []string) io.Reader {
	return iotest.DataErrReader(newChunkReader(chunks...))
}

// bytewise cuts s into single bytes.
func bytewise(s string) []string {
	chunks := make([]string, len(s))
	for i := range chunks {
		chunks[i] = s[i : i+1]
	}
	return chunks
}

// diffStrings does what cmp.Diff does, but nil and empty slices are equal. It is fast if
// there is no difference.
func diffStrings(want, got []string) string {
	if slices.Equal(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// A transcript is a Handler that records its calls as one text: the pieces as they are,
// and a | for FoundTerminator.
type transcript struct{ strings.Builder }

func (h *transcript) CollectIncomingData(data []byte) error { h.Write(data); return nil }

func (h *transcript) FoundTerminator() error { return h.WriteByte('|') }

func isTooLong(err error) bool {
	var long *framer.MessageTooLongError
	return errors.As(err, &long)
}

var errEnough = errors.New("enough messages")

// An errorReader reads from r. Every other Read returns an error instead.
type errorReader struct {
	r      io.Reader
	err    error
	failed bool
}

func (r *errorReader) Read(p []byte) (int, error) {
	if r.failed = !r.failed; r.failed {
		return 0, r.err
	}
	return r.r.Read(p)
}

// cuts yields ways to cut input into chunks. If input is short, these are all ways.
// Otherwise they are the ways into two chunks, and into chunks of equal size.
func cuts(input string) iter.Seq[[]string] {
	if len(input) <= 10 {
		return allCuts(input)
	}
	return func(yield func([]string) bool) {
		for i := 1; i <= len(input); i++ {
			if !yield([]string{input[:i], input[i:]}) {
				return
			}
			var chunks []string
			for chunk := range slices.Chunk([]byte(input), i) {
				chunks = append(chunks, string(chunk))
			}
			if !yield(chunks) {
				return
			}
		}
	}
}

func allCuts(input string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for set := range 1 << max(0, len(input)-1) {
			var chunks []string
			start := 0
			for i := range len(input) {
				if i == len(input)-1 || set&(1<<i) != 0 {
					chunks = append(chunks, input[start:i+1])
					start = i + 1
				}
			}
			if !yield(chunks) {
				return
			}
		}
	}
}

// inputs yields all strings of up to n characters of alphabet.
func inputs(alphabet string, n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		level := []string{""}
		for range n + 1 {
			var longer []string
			for _, s := range level {
				if !yield(s) {
					return
				}
				for i := range len(alphabet) {
					longer = append(longer, s+alphabet[i:i+1])
				}
			}
			level = longer
		}
	}
}

var errHiccup = errors.New("hiccup")

// pattern returns n bytes in which a missing or misplaced part is noticed.
func pattern(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(data)
	return data
}
