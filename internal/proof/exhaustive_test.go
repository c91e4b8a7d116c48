// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"io"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/goframer/framer"
)

// The tests in this file are exhaustive. They use all delimiters of up to 3 bytes over
// two letters, and all inputs that have room for two delimiters, and they cut these in
// all ways. If the two letters are swapped everywhere, a case becomes another one with
// the same result. Of such a pair, only the case is run whose delimiter, or one of whose
// two delimiters, begins with an a.

// maxInput is the length of the longest inputs.
const maxInput = 6

// allWords returns all words over two letters whose lengths are from least to most.
func allWords(least, most int) []string {
	var all []string
	for n := least; n <= most; n++ {
		for b := range 1 << n {
			word := make([]byte, n)
			for i := range word {
				word[i] = 'a' + byte(b>>i&1)
			}
			all = append(all, string(word))
		}
	}
	return all
}

// delimiters returns all delimiters that begin with an a.
func delimiters() []string {
	return slices.DeleteFunc(allWords(1, 3), func(delim string) bool { return delim[0] != 'a' })
}

// A maskReader returns text up to the next place whose bit is set in cuts.
type maskReader struct {
	text string
	cuts uint
}

func (r *maskReader) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	n := min(bits.TrailingZeros(r.cuts)+1, len(r.text))
	copy(p, r.text[:n])
	r.text = r.text[n:]
	r.cuts >>= n
	return n, nil
}

// A transcriber records the bytes that it is given, and a bar for the end of each
// message. It sets its terminators in turn.
type transcriber struct {
	f       *framer.Framer
	terms   []framer.Terminator
	ends    int
	written []byte
}

func (h *transcriber) CollectIncomingData(data []byte) error {
	h.written = append(h.written, data...)
	return nil
}

func (h *transcriber) FoundTerminator() error {
	h.written = append(h.written, '|')
	h.ends++
	if len(h.terms) == 1 {
		return nil
	}
	return h.f.SetTerminator(h.terms[h.ends%len(h.terms)])
}

// checkAllCuts compares what a Framer does with text, under every cut, with want.
func checkAllCuts(t *testing.T, text, want string, terms ...framer.Terminator) {
	cfg := framer.Config{ReadBufferSize: 16, MaxMessageSize: 16}
	var r maskReader
	var h transcriber
	for cuts := range uint(1) << max(len(text)-1, 0) {
		r = maskReader{text, cuts}
		f := framer.NewFramer(&r, &cfg)
		h = transcriber{f: f, terms: terms, written: h.written[:0]}
		if err := f.SetTerminator(terms[0]); err != nil {
			t.Fatal(err)
		}
		if err := f.Run(&h); err != nil && err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
		if string(h.written) != want {
			t.Fatalf("%v, %q cut at the bits of %b: got %q, want %q", terms, text, cuts, h.written, want)
		}
	}
}

func TestEveryDelimiter(t *testing.T) {
	t.Parallel()
	inputs := allWords(0, maxInput)
	for _, delim := range delimiters() {
		for _, text := range inputs {
			checkAllCuts(t, text, strings.ReplaceAll(text, delim, "|"), framer.Delimiter(delim))
		}
	}
}

func TestEveryPairOfDelimiters(t *testing.T) {
	t.Parallel()
	inputs := allWords(0, maxInput)
	delims := allWords(1, 3)
	for i, one := range delims {
		for _, other := range delims[i+1:] {
			if one[0] != 'a' && (len(one) < len(other) || other[0] != 'a') {
				continue // the same as a case with the letters swapped
			}
			term := framer.AnyDelimiter(one, other)
			for _, text := range inputs {
				checkAllCuts(t, text, replaceAny(text, one, other), term)
			}
		}
	}
}

// replaceAny does what strings.ReplaceAll does, for two words. If both are found at one
// place, it replaces the longer one. other must not be shorter than one.
func replaceAny(text, one, other string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], other):
			b.WriteByte('|')
			i += len(other)
		case strings.HasPrefix(text[i:], one):
			b.WriteByte('|')
			i += len(one)
		default:
			b.WriteByte(text[i])
			i++
		}
	}
	return b.String()
}

func TestEveryAlternation(t *testing.T) {
	t.Parallel()
	inputs := allWords(0, maxInput)
	for _, delim := range delimiters() {
		for length := range 4 {
			for _, text := range inputs {
				checkAllCuts(t, text, alternate(text, delim, length),
					framer.Delimiter(delim), framer.Length(int64(length)))
			}
		}
	}
}

// alternate ends one message after delim, the next one after length bytes, and so on.
func alternate(text, delim string, length int) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, delim)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('|')
		if len(after) < length {
			b.WriteString(after)
			return b.String()
		}
		b.WriteString(after[:length])
		b.WriteByte('|')
		text = after[length:]
	}
}
