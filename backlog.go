// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import "slices"

// A backlog is what waits to be written, in order: bytes and producers. Consecutive bytes
// share one batch, which grows until it is taken or until a producer follows it. The
// memory of batches comes from buffers, and goes back to them.
//
// A backlog has no limit and no writer, and does not count what was pushed: queue has all
// of these. It is guarded by the mutex of the queue, which must be held for all methods.
type backlog struct {
	tail    []byte     // the last batch, which comes after all entries
	usual   int        // the size of the last batch that left the tail, in bytes
	entries []Producer // in order; those that are not producers are *batch
	rest    Producer   // what was put back, before all entries: a *batch, a *bytesProducer or nil
	taken   batch      // the batch that was taken from the tail
	memory  *buffers
}

// A batch has consecutive bytes.
type batch struct{ data []byte }

func (b *batch) More() ([]byte, error) {
	data := b.data
	b.data = nil
	return data, nil
}

// append adds a copy of data.
func (b *backlog) append(data []byte) {
	if b.tail == nil {
		b.tail = b.memory.get(max(len(data), min(b.usual, maxBatch)))
	}
	b.tail = append(b.memory.grow(b.tail, len(data)), data...)
}

// A new batch begins with as much memory as the last one needed, but with no more than
// maxBatch bytes unless its first push is larger.
const maxBatch = 256 << 10

// spare returns how many more bytes fit into the memory of the tail. For these, the builtin
// append to the tail does the same as the method.
func (b *backlog) spare() int { return cap(b.tail) - len(b.tail) }

// keep makes data itself the tail if there is no tail yet, and reports whether it has. The
// memory of data must come from the buffers.
func (b *backlog) keep(data []byte) bool {
	if b.tail != nil {
		return false
	}
	b.tail = data
	return true
}

// takeTail removes the tail and returns it.
func (b *backlog) takeTail() []byte {
	tail := b.tail
	b.usual = len(tail)
	b.tail = nil
	return tail
}

// add adds p.
func (b *backlog) add(p Producer) {
	if len(b.tail) > 0 {
		b.entries = append(b.entries, &batch{b.takeTail()})
	}
	b.entries = append(b.entries, p)
}

// remove removes p, and reports whether it was there.
func (b *backlog) remove(p Producer) bool {
	i := slices.Index(b.entries, p)
	if i < 0 {
		return false
	}
	b.entries = slices.Delete(b.entries, i, i+1)
	return true
}

// putBack puts data before everything else: the rest of a write that has begun. What was
// put back before must have been taken. shared says that data need not be copied.
func (b *backlog) putBack(data []byte, shared bool) {
	if shared {
		b.rest = &bytesProducer{data}
		return
	}
	b.rest = &batch{append(b.memory.get(len(data)), data...)}
}

// take removes what comes first and returns it: a *batch, a producer, or nil if there is
// nothing. A batch must be freed before the next take.
func (b *backlog) take() (p Producer) {
	switch {
	case b.rest != nil:
		p, b.rest = b.rest, nil
	case len(b.entries) > 0:
		p, b.entries[0] = b.entries[0], nil
		b.entries = b.entries[1:]
	case len(b.tail) > 0:
		b.taken.data = b.takeTail()
		p = &b.taken
	default:
		b.entries = nil // a silent connection needs no memory for them
	}
	return p
}

// free gives back the memory of the batch that was taken.
func (b *backlog) free(memory []byte) {
	b.taken.data = nil // or a silent connection would keep it
	b.memory.put(memory)
}

// isReady reports whether the first of the entries is a producer that is ready.
func (b *backlog) isReady() bool { return len(b.entries) > 0 && isReady(b.entries[0]) }

// drop removes everything but an upgrade and what was put back. It returns the producers,
// which the caller must end, and how many bytes it has dropped.
func (b *backlog) drop() (producers []Producer, n int64) {
	n = int64(len(b.tail))
	b.memory.put(b.takeTail())
	entries := b.entries
	b.entries = nil
	for _, p := range entries {
		switch p := p.(type) {
		case *batch:
			n += int64(len(p.data))
			b.memory.put(p.data)
		case *bytesProducer:
			n += int64(len(p.data))
		case *upgrade:
			b.entries = append(b.entries, p)
		default:
			producers = append(producers, p)
		}
	}
	return producers, n
}
