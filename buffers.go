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

// The sizes of the memory into which a connection reads, in bytes: the size at first, and
// the size up to which it grows while reads fill it.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

// largestPooled is the size of the largest memory in a pool, in bytes.
const largestPooled = smallBuffer << (poolCount - 1)

const poolCount = 9

// buffers has the memory of the connections of a Server, or of a Conn without a Server. A
// connection takes memory while it has input or output, and gives it back when it is
// silent. Memory that nobody takes for a while is freed by the garbage collector.
type buffers struct {
	pools [poolCount]sync.Pool // each has *byte values; one of pool i points to the first of smallBuffer<<i bytes

	// shared says that these are the buffers of a Server. A Conn without a Server knows
	// nothing of the other connections of the program, so it never counts as alone; see
	// socket.
	shared bool

	// last is the address of the last connection that had input. It is a number, so that
	// it does not keep the connection alive.
	last atomic.Uintptr
}

// class returns the index of the pool for memory of n bytes or more.
func class(n int) int { return bits.Len(uint(max(n, smallBuffer)-1) / smallBuffer) }

// get returns memory of length zero with room for at least n bytes. Its content is
// undefined.
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

// put gives memory back that get has returned. The caller must not use it any more.
func (b *buffers) put(memory []byte) {
	i := class(cap(memory))
	if i < len(b.pools) && cap(memory) == smallBuffer<<i {
		b.pools[i].Put(unsafe.SliceData(memory))
	}
}

// grow returns memory with the content of p and with room for n more bytes. If that is
// other memory than p, the memory of p was given back.
func (b *buffers) grow(p []byte, n int) []byte {
	if cap(p)-len(p) >= n {
		return p
	}
	bigger := append(b.get(max(len(p)+n, 2*len(p))), p...)
	b.put(p)
	return bigger
}
