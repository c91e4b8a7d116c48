// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Sizes of memory in bytes: what a connection reads into at first, and how far
// that grows by itself while reads fill it.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

// largestPooled is the size of the largest memory in a pool, in bytes.
const largestPooled = smallBuffer << (poolCount - 1)

const poolCount = 9

// buffers is the memory of the connections of a Server, or of one that is alone.
// A connection takes some while it has input or output, and gives it back when it
// is silent. What nobody takes for a while is the garbage collector's.
type buffers struct {
	pools [poolCount]sync.Pool // of *byte, the first of smallBuffer<<i bytes

	// shared says that these are the buffers of a Server. Where a connection has its
	// own, nothing is known of other connections of the program.
	shared bool

	// The address of the last connection that had input, as a number: it must not
	// keep it alive.
	last atomic.Uintptr
}

// class returns the index of the pool for memory of n bytes or more.
func class(n int) int { return bits.Len(uint(max(n, smallBuffer)-1) / smallBuffer) }

// get returns memory for at least n bytes, of length zero. Its content is
// whatever was there.
func (b *buffers) get(n int) []byte {
	i := class(n)
	if i >= len(b.pools) {
		return make([]byte, 0, n)
	}
	size := smallBuffer << i
	if first, ok := b.pools[i].Get().(*byte); ok {
		return unsafe.Slice(first, size)[:0]
	}
	return make([]byte, 0, size)
}

// put gives memory back that came from get. Nobody may use it any more.
func (b *buffers) put(memory []byte) {
	i := class(cap(memory))
	if i < len(b.pools) && cap(memory) == smallBuffer<<i {
		b.pools[i].Put(unsafe.SliceData(memory))
	}
}

// grow returns memory with the content of p and room for n more bytes. If that is
// not p, the memory of p has been given back.
func (b *buffers) grow(p []byte, n int) []byte {
	if cap(p)-len(p) >= n {
		return p
	}
	bigger := append(b.get(max(len(p)+n, 2*len(p))), p...)
	b.put(p)
	return bigger
}
