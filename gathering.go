// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import "math/bits"

// A gathering is a message that is collected while it comes. Its memory grows with the
// bytes that have come, and the work is proportional to their number.
//
// It begins as one piece of memory. When that is full, it is moved to a larger one: for
// small messages nothing is faster. A large message gets further pieces instead. Each of
// them has an eighth of the length so far, or as much as is known to come. At the end,
// join makes the message one piece. So a gathering never has more memory than about twice
// the message.
//
// The memory comes from the pools that are passed to the methods, or from the heap if they
// are nil. All calls must be given the same pools.
type gathering struct {
	full   [][]byte // the pieces that are full
	before int      // the number of bytes in full
	last   []byte   // the piece that comes after full
	joined bool     // join was called for this message
}

func (g *gathering) len() int { return g.before + len(g.last) }

// room returns memory for the next bytes of the message: for n bytes if possible, and for
// at least one. The caller writes to it, and calls took.
func (g *gathering) room(memory *buffers, n int) []byte {
	switch {
	case len(g.full) == 0 && cap(g.last) < largestPooled && memory != nil:
		if want := min(len(g.last)+min(n, largestPooled), largestPooled); cap(g.last) < want {
			bigger := append(memory.get(min(max(want, 2*len(g.last)), largestPooled)), g.last...)
			memory.put(g.last)
			g.last = bigger
		}
	case len(g.last) == cap(g.last):
		n = min(max(g.len()/8, n), largestPooled)
		if len(g.last) > 0 {
			g.full = append(g.full, g.last)
			g.before += len(g.last)
		}
		if memory != nil {
			g.last = memory.get(1 << (bits.Len(uint(n)) - 1)) // not more than n, unless n is less than the smallest size of the pools
		} else {
			g.last = make([]byte, 0, n)
		}
	}
	return g.last[len(g.last):cap(g.last)]
}

// took makes the first n bytes of the memory that room has returned a part of the message.
func (g *gathering) took(n int) { g.last = g.last[:len(g.last)+n] }

// add adds a copy of data to the message.
func (g *gathering) add(memory *buffers, data []byte) {
	for len(data) > 0 {
		n := copy(g.room(memory, len(data)), data)
		g.took(n)
		data = data[n:]
	}
}

// join makes the message one piece of memory, with room for n more bytes after it, and
// returns it. If join was called before, it makes room for at least a fifth of the
// message: a caller that joins after every byte must not copy the message for every byte.
func (g *gathering) join(memory *buffers, n int) []byte {
	if len(g.full) == 0 && cap(g.last)-len(g.last) >= n {
		return g.last
	}
	if g.joined {
		n = max(n, g.len()/5)
	}
	whole := make([]byte, 0, g.len()+n)
	for _, piece := range g.full {
		whole = append(whole, piece...)
	}
	whole = append(whole, g.last...)
	g.giveBack(memory)
	g.last, g.joined = whole, true
	return whole
}

// reset drops the message. It keeps one piece of memory for the next message. If memory is
// not nil, it does not keep a piece that is too large for the pools.
func (g *gathering) reset(memory *buffers) {
	last := g.last
	switch {
	case memory == nil:
		if len(g.full) > 0 {
			last = g.full[0]
		}
	case cap(last) > largestPooled:
		last = nil
	default:
		g.last = nil // so that giveBack does not free it
	}
	g.giveBack(memory)
	g.last = last[:0]
}

// giveBack gives all memory back to the pools, and drops the message.
func (g *gathering) giveBack(memory *buffers) {
	if memory != nil {
		for _, piece := range g.full {
			memory.put(piece)
		}
		memory.put(g.last)
	}
	*g = gathering{}
}
