// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bytes"
	"math/rand/v2"
	"slices"
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
