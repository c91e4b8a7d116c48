// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// sizesOfInterest returns sizes around the limits of the pools.
func sizesOfInterest() (sizes []int) {
	sizes = []int{0, 1, 100}
	for n := smallBuffer; n <= 4<<20; n *= 2 {
		sizes = append(sizes, n-1, n, n+1)
	}
	return sizes
}

// get returns memory that is empty, large enough, and at most twice as large as necessary.
func TestBuffersGet(t *testing.T) {
	var b buffers
	for _, n := range sizesOfInterest() {
		for range 2 { // new memory, then memory from a pool
			p := b.get(n)
			if len(p) != 0 || cap(p) < n || cap(p) > max(2*n, smallBuffer) {
				t.Errorf("get(%d): length %d, capacity %d", n, len(p), cap(p))
			}
			b.put(p)
		}
	}
}

// put does not take memory that get has not returned, or that is a part of what get has
// returned.
func TestBuffersPutOfStrangers(t *testing.T) {
	var b buffers
	strangers := [][]byte{nil, {}, make([]byte, 10), make([]byte, smallBuffer+1), make([]byte, 3*smallBuffer)}
	whole := b.get(2 * smallBuffer)[:smallBuffer]
	strangers = append(strangers, whole[1:], slices.Clip(whole)[1:])
	for _, p := range strangers {
		b.put(p)
	}
	for _, n := range sizesOfInterest() {
		got := b.get(n)
		for _, p := range strangers {
			if unsafe.SliceData(got) == unsafe.SliceData(p) && cap(p) > 0 {
				t.Errorf("get(%d) returned memory of %d bytes that was not got", n, cap(p))
			}
		}
	}
}

// After any sequence of get, grow and put, no memory has two owners, and grow has kept the
// content.
func TestBuffersHaveOneOwner(t *testing.T) {
	var b buffers
	random := rand.New(rand.NewPCG(1, 2))
	sizes := sizesOfInterest()
	var owned [][]byte
	check := func(p []byte) {
		t.Helper()
		if len(p) > 0 && bytes.Count(p, p[:1]) != len(p) {
			t.Fatal("somebody else has written to the memory")
		}
	}
	for step := range 2000 {
		mark := byte(step)
		if len(owned) < 5 || random.IntN(2) == 0 {
			n := sizes[random.IntN(len(sizes))] / 8
			owned = append(owned, append(b.get(n), bytes.Repeat([]byte{mark}, n)...))
			continue
		}
		i := random.IntN(len(owned))
		p := owned[i]
		check(p)
		if random.IntN(2) == 0 {
			owned = slices.Delete(owned, i, i+1)
			b.put(p)
			continue
		}
		n := sizes[random.IntN(len(sizes))] / 8
		before := len(p)
		p = b.grow(p, n)
		if len(p) != before || cap(p)-len(p) < n {
			t.Fatalf("grow by %d: length %d, want %d, capacity %d", n, len(p), before, cap(p))
		}
		check(p)
		if before > 0 {
			mark = p[0]
		}
		owned[i] = append(p, bytes.Repeat([]byte{mark}, n)...)
		if cap(owned[i]) > 1<<20 {
			b.put(owned[i])
			owned[i] = nil
		}
	}
	for _, p := range owned {
		check(p)
	}
}

// A moveWatcher counts the bytes that are moved to make room for its reads.
type moveWatcher struct {
	f     *Framer
	text  string
	start *byte // the beginning of the buffer
	at    int   // where the unread input began in it, before the read
	moved int
	step  int
}

func (r *moveWatcher) Read(p []byte) (int, error) {
	if start := unsafe.SliceData(r.f.buf); start != r.start || r.f.start < r.at {
		r.start = start
		r.moved += r.f.end - r.f.start
	}
	if r.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.text)
	r.text = r.text[n:]
	r.at = r.f.start
	return n, nil
}

// CollectIncomingData and FoundTerminator note where the unread input begins.
func (r *moveWatcher) CollectIncomingData([]byte) error { r.at = r.f.start; return nil }
func (r *moveWatcher) FoundTerminator() error           { r.at = r.f.start; return nil }

// Bytes that are held back are moved about once, however many there are, and however short
// the reads are.
func TestHeldBackBytesStay(t *testing.T) {
	const size = 40_000
	for _, n := range []int{2, 100, 3000, 4096, 4097, 20_000} {
		delim := strings.Repeat("a", n-1) + "b"
		for _, text := range []string{
			strings.Repeat("a", size),                            // always the beginning of the delimiter
			strings.Repeat(strings.Repeat("a", n-1)+"c", size/n), // never the whole delimiter
			strings.Repeat("x", 50) + strings.Repeat("a", size-1) + "b",
		} {
			for _, bufferSize := range []int{0, 16, 4096, 50_000} {
				for _, step := range []int{1, 7, 1460} {
					r := &moveWatcher{text: text, step: step}
					f := NewFramer(r, &Config{ReadBufferSize: bufferSize})
					r.f = f
					if err := f.SetTerminator(Delimiter(delim)); err != nil {
						t.Fatal(err)
					}
					if err := f.Run(r); err != nil && err != io.ErrUnexpectedEOF {
						t.Fatal(err)
					}
					if r.moved > 3*size {
						t.Errorf("delimiter of %d, buffer of %d, reads of %d: %d bytes were moved for %d", n, bufferSize, step, r.moved, size)
					}
				}
			}
		}
	}
}

// A gathering returns what was added, whatever the sizes in which it was added.
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

// A barHandler records the bytes that it is given, and a bar for the end of each message.
type barHandler struct{ written []byte }

func (h *barHandler) CollectIncomingData(data []byte) error {
	h.written = append(h.written, data...)
	return nil
}

func (h *barHandler) FoundTerminator() error {
	h.written = append(h.written, '|')
	return nil
}

// A discardReader returns its text in pieces. When discard bytes are left, it makes f
// discard what f has.
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
		r.f.requests.Or(discard)
	}
	end := len(r.text)
	if end > r.discard {
		end -= r.discard
	}
	n := copy(p, r.text[:min(3, end)])
	r.text = r.text[n:]
	return n, nil
}

// Input that was discarded does not count for the limit, unless a Handler was given it.
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
		_, isSplit := test.term.how.(*bufio.SplitFunc)
		_, isFixedLength := f.term.how.(fixedLength)
		switch {
		case isSplit: // a Split gives nothing before the whole message
			if string(h.written) != test.want+"|" || err != nil {
				t.Errorf("%v: Run: %q, %v", test.term, h.written, err)
			}
		case f.term.isLength() || isFixedLength || f.term.isNone():
			if string(h.written) != collected+test.rest+"|" || err != nil {
				t.Errorf("%v: Run: %q, %v", test.term, h.written, err)
			}
		case long == nil || string(h.written) != (collected + test.rest)[:limit]:
			t.Errorf("%v: Run: %q, %v; want a MessageTooLongError after %d bytes", test.term, h.written, err, limit)
		}
	}
}

// A message that only the end of a full buffer cuts off is returned from the buffer, and
// not collected.
func TestCutOffMessageStaysInBuffer(t *testing.T) {
	for _, test := range []struct {
		term  Terminator
		input string
	}{
		{Delimiter("\n"), "1234\n1234\n"},
		{AnyDelimiter("\n", "\r\n"), "1234\n1234\n"},
		{FixedLength(5), "1234512345"},
		{LengthPrefix(Prefix{Size: 1}), "\x041234\x041234"},
	} {
		f := NewFramer(strings.NewReader(test.input), &Config{ReadBufferSize: 8})
		for i := range 2 {
			message, err := f.Next(test.term)
			if err != nil || !strings.HasPrefix(string(message), "1234") {
				t.Fatalf("%v: %q, %v", test.term, message, err)
			}
			if f.message.len() > 0 {
				t.Errorf("%v: message %d was collected", test.term, i)
			}
		}
	}
}

// Bytes of a counted message that were discarded do not come again, also if the end of a
// full buffer had cut the message off.
func TestDiscardBehindFullBuffer(t *testing.T) {
	for _, term := range []Terminator{FixedLength(5), LengthPrefix(Prefix{Size: 1})} {
		first, rest := "\x04AAAA\x04BB", "BB\x04CCCC"
		want := []string{"BB", "CCCC"}
		if term == FixedLength(5) {
			want[1] = "\x04CCCC"
		}
		f := NewFramer(nil, &Config{ReadBufferSize: len(first)})
		f.r = readerFunc(func(p []byte) (n int, err error) {
			switch {
			case first != "":
				n = copy(p, first)
				first = first[n:]
				return n, nil
			case rest == "":
				return 0, io.EOF
			case strings.HasPrefix(rest, want[0]):
				f.requests.Or(discard)
			}
			n = copy(p, rest)
			rest = rest[n:]
			return n, nil
		})
		if _, err := f.Next(term); err != nil {
			t.Fatal(err)
		}
		for _, want := range want {
			if message, err := f.Next(term); string(message) != want || err != nil {
				t.Errorf("%v: %q, %v; want %q", term, message, err, want)
			}
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
