// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// Whatever the steps in which a message is gathered, it is what was added.
func TestGathering(t *testing.T) {
	letters := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{}).Read(letters)
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 0))
		memory := new(buffers)
		if seed%2 == 0 {
			memory = nil
		}
		var g gathering
		for range 3 { // messages
			want := letters[random.IntN(1000):]
			want = want[:random.IntN([]int{10, 100_000, 2 << 20}[random.IntN(3)])]
			for at := 0; at < len(want); {
				n := min(1+random.IntN([]int{10, 5000, 300_000}[random.IntN(3)]), len(want)-at)
				switch random.IntN(8) {
				case 0:
					room := g.room(memory, n)
					if len(room) == 0 {
						t.Fatal("no room")
					}
					n = copy(room, want[at:at+n])
					g.took(n)
				case 1:
					if got := g.join(memory, random.IntN(2)*n); !bytes.Equal(got, want[:at]) {
						t.Fatalf("seed %d: joined after %d bytes: %d others", seed, at, len(got))
					}
					continue
				default:
					g.add(memory, want[at:at+n])
				}
				if at += n; g.len() != at {
					t.Fatalf("seed %d: %d bytes, want %d", seed, g.len(), at)
				}
			}
			if got := g.join(memory, 0); !bytes.Equal(got, want) {
				t.Fatalf("seed %d: gathered %d bytes, which are not the %d that were added", seed, len(got), len(want))
			}
			if random.IntN(2) == 0 {
				g.reset(memory)
			} else {
				g.giveBack(memory)
			}
			if g.len() != 0 {
				t.Fatalf("%d bytes are left", g.len())
			}
		}
	}
}

// A barHandler writes down the bytes it is given, and a bar for the end of each
// message.
type barHandler struct{ written []byte }

func (h *barHandler) CollectIncomingData(data []byte) error {
	h.written = append(h.written, data...)
	return nil
}

func (h *barHandler) FoundTerminator() error {
	h.written = append(h.written, '|')
	return nil
}

// A discardReader gives out its text in pieces, and lets f discard what it has when
// there is as much left as discard says.
type discardReader struct {
	f       *Framer
	text    string
	discard int
}

func (r *discardReader) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	if len(r.text) == r.discard {
		r.f.discard.Store(true)
	}
	end := len(r.text)
	if end > r.discard {
		end -= r.discard
	}
	n := copy(p, r.text[:min(3, end)])
	r.text = r.text[n:]
	return n, nil
}

// What was discarded does not count for the limit, unless a Handler has it.
func TestDiscardedDoesNotCount(t *testing.T) {
	const limit, size, collected = 10, 4, "abcdefg"
	for _, test := range []struct {
		term Terminator
		rest string
		want string
	}{
		{Delimiter("\r\n"), "0123456789\r\n", "0123456789"},
		{AnyDelimiter("\r\n", "\n"), "0123456789\n", "0123456789"},
		{FixedLength(limit), "012", "012"},
		{Length(limit), "012", "012"},
		{Split(bufio.ScanLines), "0123456789\n", "0123456789"},
	} {
		newFramer := func() *Framer {
			f := NewFramer(nil, &Config{ReadBufferSize: size, MaxMessageSize: limit})
			f.r = &discardReader{f, collected + test.rest, len(test.rest)}
			return f
		}
		if message, err := newFramer().Next(test.term); string(message) != test.want || err != nil {
			t.Errorf("%v: Next: %q, %v; want %q", test.term, message, err, test.want)
		}
		f := newFramer()
		h := new(barHandler)
		if err := f.SetTerminator(test.term); err != nil {
			t.Fatal(err)
		}
		err := f.Run(h)
		long, _ := err.(*MessageTooLongError)
		switch {
		case test.term.kind == kindSplit: // nothing was given before
			if string(h.written) != test.want+"|" || err != nil {
				t.Errorf("%v: Run: %q, %v", test.term, h.written, err)
			}
		case f.term.kind == kindLength || f.term.kind == kindFixedLength || f.term.kind == kindNone:
			if string(h.written) != collected+test.rest+"|" || err != nil {
				t.Errorf("%v: Run: %q, %v", test.term, h.written, err)
			}
		case long == nil || string(h.written) != (collected + test.rest)[:limit]:
			t.Errorf("%v: Run: %q, %v; want a MessageTooLongError after %d bytes", test.term, h.written, err, limit)
		}
	}
}
