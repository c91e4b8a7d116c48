// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// ErrQueueFull is returned by [Conn.TryPush] where [Conn.Push] would wait.
var ErrQueueFull = errors.New("framer: output queue is full")

var (
	errClosed    = fmt.Errorf("framer: connection is closed: %w", net.ErrClosed)
	errDiscarded = fmt.Errorf("framer: output was discarded: %w", net.ErrClosed)
)

// maxProducers is how many producers can wait in a queue. Between two of them
// there is at most one batch of pushed bytes.
const maxProducers = 16

// A queue is the output of a connection that waits for its writer: a channel of
// producers. Consecutive pushes are one batch, which is in the channel once and
// grows until the writer takes it, so that many small ones leave in one write.
//
// Semaphores keep count of bytes and of producers. Who waits, waits there, in
// order; the channel always has room for what they have let through.
type queue struct {
	maxBytes int64               // 0: no limit
	bytes    *semaphore.Weighted // of maxBytes
	slots    *semaphore.Weighted // of maxProducers
	size     atomic.Int64        // bytes in batches
	discards atomic.Int64        // how often the queue was discarded
	taken    int64               // what discards was at the last take; owned by the writer

	mu      sync.Mutex
	start   func() // starts the writer; nil while it must not run yet
	running bool   // there is a writer
	busy    bool   // it has taken an entry, and not yet written all of it
	closed  bool   // nothing more is accepted
	entries chan Producer
	tail    *batch // the last entry, if it can still grow
	spare   []byte // for the next batch
}

// A batch is what was pushed in a row.
type batch struct {
	data     []byte
	reserved int64 // of the byte semaphore
}

func (b *batch) More() ([]byte, error) {
	data := b.data
	b.data = nil
	return data, nil
}

func (q *queue) init(maxBytes int64) {
	q.slots = semaphore.NewWeighted(maxProducers)
	if maxBytes > 0 {
		q.maxBytes = maxBytes
		q.bytes = semaphore.NewWeighted(maxBytes)
	}
}

// push appends a copy of data. If the queue is full it waits, until ctx ends.
func (q *queue) push(ctx context.Context, data []byte) error {
	reserved := q.weight(data)
	if reserved > 0 && q.bytes.Acquire(ctx, reserved) != nil {
		return errClosed
	}
	return q.append(data, reserved)
}

// tryPush is push without waiting.
func (q *queue) tryPush(data []byte) error {
	reserved := q.weight(data)
	if reserved > 0 && !q.bytes.TryAcquire(reserved) {
		return q.full()
	}
	return q.append(data, reserved)
}

// weight is what data takes of the byte semaphore. More than there is at once is
// let through when the queue is empty.
func (q *queue) weight(data []byte) int64 { return min(int64(len(data)), q.maxBytes) }

// append adds data to the batch at the end.
func (q *queue) append(data []byte, reserved int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		if reserved > 0 {
			q.bytes.Release(reserved)
		}
		return errClosed
	}
	if len(data) == 0 {
		return nil
	}
	if q.tail == nil {
		q.tail = &batch{data: q.spare[:0]}
		q.spare = nil
		q.add(q.tail)
	}
	q.tail.data = append(q.tail.data, data...)
	q.tail.reserved += reserved
	q.size.Add(int64(len(data)))
	return nil
}

// full is the error of a push that can't wait.
func (q *queue) full() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	return ErrQueueFull
}

// pushProducer appends p. If the queue is full it waits until ctx ends.
func (q *queue) pushProducer(ctx context.Context, p Producer) error {
	if q.slots.Acquire(ctx, 1) != nil {
		return context.Cause(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.slots.Release(1)
		return errClosed
	}
	q.tail = nil
	q.add(p)
	return nil
}

// add puts p into the channel and sees to it that there is a writer. q.mu must be
// held.
func (q *queue) add(p Producer) {
	if q.entries == nil {
		q.entries = make(chan Producer, 2*maxProducers+1)
	}
	q.entries <- p
	q.wake()
}

// wake starts a writer if there is none. q.mu must be held.
func (q *queue) wake() {
	if !q.running && q.start != nil {
		q.running = true
		q.start()
	}
}

// open lets a writer be started by start, which is called with q.mu held.
func (q *queue) open(start func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.start = start
	if len(q.entries) > 0 || q.closed {
		q.wake()
	}
}

// close ends the queue: what is in it will be written, and nothing more is
// accepted. The writer learns of it, when it has come to the end.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.wake()
	}
}

// shut is close without a writer: none is started any more. It reports whether
// the one that runs is in the middle of an entry.
func (q *queue) shut() (busy bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.start = nil
	return q.busy
}

// take returns the next entry for the writer. Without one it returns nil and the
// writer must end; last says whether there will never be another.
func (q *queue) take() (p Producer, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = q.discards.Load()
	select {
	case p := <-q.entries:
		if p == Producer(q.tail) {
			q.tail = nil
		}
		q.busy = true
		return p, false
	default:
		q.busy = false
		q.entries = nil // a silent connection needs no channel
		q.running = q.closed
		return nil, q.closed
	}
}

// rest notes that all of what was taken has been written. It is for the writer.
func (q *queue) rest() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
}

// discarded reports whether the queue was discarded since the last take. It is
// for the writer.
func (q *queue) discarded() bool { return q.discards.Load() != q.taken }

// done gives back what p has taken up. The writer calls it with what it has
// taken, after it has ended it.
func (q *queue) done(p Producer, size int) {
	b, ok := p.(*batch)
	if !ok {
		q.slots.Release(1)
		return
	}
	q.size.Add(-int64(size))
	if b.reserved > 0 {
		q.bytes.Release(b.reserved)
	}
}

// recycle keeps the memory of a batch for another one.
func (q *queue) recycle(data []byte) {
	if cap(data) > maxKept {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = data[:0]
}

// discard removes all entries and ends them, with cause for those who ask. A
// close that waits behind them stays.
func (q *queue) discard(cause error) error {
	var errs []error
	for _, p := range q.removeAll() {
		size := 0
		if b, ok := p.(*batch); ok {
			size = len(b.data)
		}
		errs = append(errs, protect(func() error { return endProducer(p, cause) }))
		q.done(p, size)
	}
	return errors.Join(errs...)
}

func (q *queue) removeAll() []Producer {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.discards.Add(1)
	q.tail = nil
	var all []Producer
	for len(q.entries) > 0 {
		all = append(all, <-q.entries)
	}
	return all
}
