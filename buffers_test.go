// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// The sizes around those where a class ends.
func sizesOfInterest() (sizes []int) {
	sizes = []int{0, 1, 100}
	for n := smallBuffer; n <= 4<<20; n *= 2 {
		sizes = append(sizes, n-1, n, n+1)
	}
	return sizes
}

// What get returns is empty, large enough, and not more than twice as large as it
// need be.
func TestBuffersGet(t *testing.T) {
	var b buffers
	for _, n := range sizesOfInterest() {
		for range 2 { // fresh, and from a pool
			p := b.get(n)
			if len(p) != 0 || cap(p) < n || cap(p) > max(2*n, smallBuffer) {
				t.Errorf("get(%d): length %d, capacity %d", n, len(p), cap(p))
			}
			b.put(p)
		}
	}
}

// What was not got, or was cut, is not for the pools.
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

// Whatever is got, grown and put, no memory has two owners, and growing keeps the
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
	start *byte // of the buffer
	at    int   // where in it there was unread input, before
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

// What is held back is moved about once, however long it is and however short the
// reads are.
func TestHeldBackBytesStay(t *testing.T) {
	const size = 40_000
	for _, n := range []int{2, 100, 3000, 4096, 4097, 20_000} {
		delim := strings.Repeat("a", n-1) + "b"
		for _, text := range []string{
			strings.Repeat("a", size),                            // ever the beginning of the delimiter
			strings.Repeat(strings.Repeat("a", n-1)+"c", size/n), // and never the end
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
