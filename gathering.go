// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import "math/bits"

// A gathering is a message that is collected while it comes. Its memory grows with
// the bytes that have come, and the work is linear in them.
//
// It begins as one piece of memory, which is moved to a larger one when it is full:
// for small messages nothing is faster. A large one gets further pieces instead, an
// eighth of it each or what is known to come, and is made one piece by join, at the
// end. So its memory is never more than about twice the message.
//
// The memory comes from the pools that are passed to the methods, always the same,
// or from the heap if they are nil.
type gathering struct {
	full   [][]byte // pieces without room
	before int      // bytes in them
	last   []byte   // the piece behind them
	joined bool     // there was a join in the middle of the message
}

func (g *gathering) len() int { return g.before + len(g.last) }

// room returns memory behind what was gathered, for n bytes if possible, at least
// for one. What is written there belongs to the message after took.
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
			g.last = memory.get(1 << (bits.Len(uint(n)) - 1)) // not more than n, if that is a size of the pools
		} else {
			g.last = make([]byte, 0, n)
		}
	}
	return g.last[len(g.last):cap(g.last)]
}

// took adds the first n bytes of what room has returned to the message.
func (g *gathering) took(n int) { g.last = g.last[:len(g.last)+n] }

// add adds a copy of data.
func (g *gathering) add(memory *buffers, data []byte) {
	for len(data) > 0 {
		n := copy(g.room(memory, len(data)), data)
		g.took(n)
		data = data[n:]
	}
}

// join makes the message one piece of memory, with room for n more bytes behind
// it, and returns it. If there was a join before, there is room for a fifth more:
// who joins after every byte must not copy the message for every byte.
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

// reset forgets the message. The last piece of memory is used again, unless it is
// too large for the pools.
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
		g.last = nil // not for giveBack
	}
	g.giveBack(memory)
	g.last = last[:0]
}

// giveBack gives all memory back.
func (g *gathering) giveBack(memory *buffers) {
	if memory != nil {
		for _, piece := range g.full {
			memory.put(piece)
		}
		memory.put(g.last)
	}
	*g = gathering{}
}
