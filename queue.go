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
	errDiscarded = error(discardedError{})
)

// A discardedError is for output that DiscardBuffers has dropped. It is
// [net.ErrClosed], as the error of all output that is not sent; but it does not read
// like that, because the connection is open.
type discardedError struct{}

func (discardedError) Error() string        { return "framer: output was discarded (Conn.DiscardBuffers)" }
func (discardedError) Is(target error) bool { return target == net.ErrClosed }

// maxProducers is how many producers can wait in a queue, or be at work. Before
// each there is at most one batch of pushed bytes.
const maxProducers = 16

// A queue is the output of a connection that waits for its writer: a channel of
// producers. Pushes in a row are one batch, which grows until the writer takes it,
// so that many small ones leave in one write. The last batch stays outside of the
// channel, which is not needed at all where there are no producers.
//
// Whoever finds the queue full waits for his turn, and then for room. Meanwhile
// others may push what there is room for, but not more than the queue can hold;
// then they stand in line. (If nobody ever overtook, all would stand there for ever
// after, and every push would be a switch of goroutines.)
type queue struct {
	maxBytes int64 // 0: no limit
	memory   *buffers

	mu        sync.Mutex
	writer    writer        // nil while it must not run yet
	running   bool          // there is a writer
	busy      bool          // it has taken something, and not yet written all of it
	closed    bool          // nothing more is accepted
	over      bool          // nor written
	finished  bool          // all that was accepted has been written
	asked     Producer      // what the writer is at, if it is a producer
	pushed    int64         // bytes that ever were
	gone      int64         // of them, those that were written or discarded
	marked    int64         // pushed at the last mark
	first     int64         // pushed after the first push since
	singles   int           // how often there was one, and no other, in a row
	direct    bool          // the next push is written by itself
	producers int           // in entries, or taken and not yet ended
	entries   chan Producer // has room for all that may be in it
	tail      []byte        // what was pushed last, behind all entries
	usual     int           // the size of the last batch, in bytes
	room      int           // bytes that can be pushed with nothing else to do
	begun     []byte        // what writeNow has left for the next writer
	taken     batch         // what the writer has of the tail
	current   int64         // discards at the last take
	seen      int64         // and when the reader has got through
	discards  atomic.Int64  // how often the queue was discarded

	waiting int                 // how many wait for room
	passing int64               // what pushed may come to before others must wait, too
	turn    *semaphore.Weighted // one of them is next
	left    chan struct{}       // closed when something has left
}

// A writer writes what a queue has, as take gives it out, until that says that it
// must end. There is one at most.
type writer interface {
	start()                   // starts a goroutine that writes; the queue's mutex is held
	join()                    // announces writeNow; the queue's mutex is held
	writeNow(data []byte) int // writes on this goroutine, as far as it need not wait
	leave()                   // ends what join announced
}

// A batch is what was pushed in a row.
type batch struct{ data []byte }

func (b *batch) More() ([]byte, error) {
	data := b.data
	b.data = nil
	return data, nil
}

func (q *queue) init(maxBytes int64, memory *buffers) {
	q.maxBytes = maxBytes
	q.memory = memory
}

// push appends a copy of data. If the queue is full it waits, until it is closed.
func (q *queue) push(data []byte) error {
	q.mu.Lock()
	if uint(len(data)-1) < uint(q.room) { // neither empty nor too much
		q.tail = append(q.tail, data...)
		q.pushed += int64(len(data))
		q.room -= len(data)
		q.mu.Unlock()
		return nil
	}
	err := q.admit(data)
	q.mu.Unlock()
	if err == ErrQueueFull {
		return q.pushLater(data)
	}
	return err
}

// pushLater is push for when the queue is full.
func (q *queue) pushLater(data []byte) error {
	fits := func() bool { return q.fits(len(data)) }
	return q.wait(context.Background(), fits, func() {
		q.append(data)
		q.wake()
	})
}

// tryPush is push without waiting.
func (q *queue) tryPush(data []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.admit(data)
}

// admit is tryPush with q.mu held; it may be released meanwhile.
func (q *queue) admit(data []byte) error {
	switch {
	case q.closed:
		return errClosed
	case len(data) == 0:
		return nil
	case !q.fits(len(data)) || q.mustWait(len(data)):
		return ErrQueueFull
	}
	if q.direct && !q.running && q.writer != nil { // there is nothing before data
		q.direct = false
		q.count(len(data))
		q.writeNow(data)
		return nil
	}
	q.append(data)
	q.wake()
	return nil
}

// pushProducer appends p. If the queue is full it waits, until it is closed or
// ctx ends.
func (q *queue) pushProducer(ctx context.Context, p Producer) error {
	fits := func() bool { return q.closed || q.hasPlace() }
	return q.wait(ctx, fits, func() { q.add(p) })
}

// hasPlace reports whether another producer can wait. q.mu must be held.
func (q *queue) hasPlace() bool { return q.producers < maxProducers }

// pushMark appends mark, which may also be behind a close that waits. It reports
// whether everything has been written already.
func (q *queue) pushMark(ctx context.Context, mark flushMark) (done bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	over := q.over
	fits := func() bool { return q.over || q.finished || q.hasPlace() }
	if q.waiting > 0 || !fits() {
		err = q.awaitTurn(ctx, fits)
	}
	switch {
	case q.finished && !over: // all was written, even if the connection has ended since
		return true, nil
	case q.over:
		return false, errClosed
	case err != nil:
		return false, err
	}
	q.add(mark)
	return false, nil
}

// fits reports whether n bytes can be pushed, or never will be. More than the
// queue holds is let in when it is empty. q.mu must be held.
func (q *queue) fits(n int) bool {
	size := q.pushed - q.gone
	return q.maxBytes == 0 || q.closed || n == 0 || size == 0 || size+int64(n) <= q.maxBytes
}

// mustWait reports whether n more bytes would overtake too much. q.mu must be held.
func (q *queue) mustWait(n int) bool {
	return q.waiting > 0 && q.maxBytes > 0 && q.pushed+int64(n) > q.passing
}

// wait calls add as soon as nobody else waits and fits, which says so also of a
// closed queue. Otherwise it returns why not. Both are called with q.mu held.
func (q *queue) wait(ctx context.Context, fits func() bool, add func()) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var err error
	if q.waiting > 0 || !fits() {
		err = q.awaitTurn(ctx, fits)
	}
	switch {
	case q.closed:
		return errClosed
	case err != nil:
		return err
	}
	add()
	return nil
}

// awaitTurn returns when all that waited before have had their turn, and fits.
// q.mu must be held; it is released meanwhile.
func (q *queue) awaitTurn(ctx context.Context, fits func() bool) error {
	if q.turn == nil {
		q.turn = semaphore.NewWeighted(1)
	}
	if q.waiting == 0 {
		q.mayPass()
	}
	q.waiting++
	q.room = 0
	defer func() { q.waiting-- }()
	q.mu.Unlock()
	err := q.turn.Acquire(ctx, 1)
	q.mu.Lock()
	q.mayPass()
	if err != nil {
		return context.Cause(ctx)
	}
	defer q.turn.Release(1)
	for !fits() {
		if err := q.awaitRoom(ctx); err != nil {
			return err
		}
	}
	return nil
}

// mayPass says how much may overtake those who wait. q.mu must be held.
func (q *queue) mayPass() { q.passing, _ = addLength(uint64(q.pushed), q.maxBytes) }

// awaitRoom waits until something has left the queue. q.mu must be held.
func (q *queue) awaitRoom(ctx context.Context) error {
	left := make(chan struct{})
	q.left = left
	q.mu.Unlock()
	defer q.mu.Lock()
	select {
	case <-left:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// makeRoom wakes the one that waits for room. q.mu must be held.
func (q *queue) makeRoom() {
	if q.left != nil {
		close(q.left)
		q.left = nil
	}
}

// append adds data to the batch at the end. q.mu must be held.
func (q *queue) append(data []byte) {
	if q.tail == nil {
		q.tail = q.memory.get(max(len(data), min(q.usual, maxBatch)))
	}
	q.tail = append(q.memory.grow(q.tail, len(data)), data...)
	q.count(len(data))
	q.room = cap(q.tail) - len(q.tail)
	if q.maxBytes > 0 {
		q.room = int(min(int64(q.room), max(q.maxBytes-q.pushed+q.gone, 0)))
	}
	if q.waiting > 0 && q.maxBytes > 0 {
		q.room = int(min(int64(q.room), max(q.passing-q.pushed, 0)))
	}
}

// maxBatch is how much memory a batch has at first if the last one needed as much,
// in bytes.
const maxBatch = 256 << 10

// count notes that n bytes are pushed. q.mu must be held.
func (q *queue) count(n int) {
	q.pushed += int64(n)
	if q.first == 0 {
		q.first = q.pushed
	}
}

// takeTail removes the batch at the end. q.mu must be held.
func (q *queue) takeTail() []byte {
	tail := q.tail
	q.usual = len(tail)
	q.tail, q.room = nil, 0
	return tail
}

// add adds p to the end. q.mu must be held.
func (q *queue) add(p Producer) {
	if q.entries == nil {
		q.entries = make(chan Producer, 2*maxProducers)
	}
	if len(q.tail) > 0 {
		q.entries <- &batch{q.takeTail()}
	}
	q.producers++
	q.entries <- p
	q.wake()
}

// wake starts a writer if there is none. q.mu must be held.
func (q *queue) wake() {
	if !q.running && q.writer != nil {
		q.running = true
		q.writer.start()
	}
}

// open lets w write.
func (q *queue) open(w writer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writer = w
	if len(q.entries) > 0 || len(q.tail) > 0 || q.closed {
		q.wake()
	}
}

// close ends the queue: what is in it will be written, and nothing more is
// accepted. The writer learns of it, when it has come to the end.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed, q.room = true, 0
		q.makeRoom()
		q.wake()
	}
}

// shut is close without a writer: none is started any more. It reports whether
// the one that runs is in the middle of something.
func (q *queue) shut() (busy bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.over, q.room = true, true, 0
	q.writer = nil
	q.makeRoom()
	return q.busy
}

// take returns what the writer has to write next: a *batch, or a producer. When
// there is nothing it returns nil, and the writer must end; last says whether
// there will never be more.
func (q *queue) take() (p Producer, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.current = q.discards.Load()
	q.busy = true
	if q.begun != nil {
		q.taken.data, q.begun = q.begun, nil
		return &q.taken, false
	}
	select {
	case p := <-q.entries:
		if _, ok := p.(*batch); !ok {
			q.asked = p
		}
		return p, false
	default:
	}
	if len(q.tail) > 0 {
		q.taken.data = q.takeTail()
		return &q.taken, false
	}
	q.busy = false
	q.entries = nil // a silent connection needs no channel
	q.running = q.closed
	q.finished = q.closed && !q.over
	return nil, q.closed
}

// hasProducers reports whether there are producers that are not at their end.
func (q *queue) hasProducers() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.producers > 0
}

// active returns the producer that the writer is at, or nil.
func (q *queue) active() Producer {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.asked
}

// rest notes that all of what was taken has been written. It is for the writer.
func (q *queue) rest() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
}

// discarded reports whether the queue was discarded since the last take.
func (q *queue) discarded() bool {
	return q.discards.Load() != q.current
}

// written notes that n bytes of a batch were written, and that is not all.
func (q *queue) written(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone += int64(n)
	q.makeRoom()
}

// doneBatch ends what pushed bytes take up. The writer calls it with what it has
// taken, all but the last left bytes of which were noted as written.
func (q *queue) doneBatch(data []byte, left int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
	q.gone += int64(left)
	q.taken.data = nil // or a silent connection would keep it
	q.memory.put(data)
	q.makeRoom()
}

// doneProducer ends what the producer takes up that the writer was at, after it was
// ended.
func (q *queue) doneProducer() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked = nil
	q.producers--
	q.makeRoom()
}

// droppedProducer ends what one takes up that discard has returned, after it was
// ended.
func (q *queue) droppedProducer() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.producers--
	q.makeRoom()
}

// discard removes everything and returns the producers, which must be ended, and the one
// that the writer is at, if there is one. A close that waits behind them stays.
func (q *queue) discard() (producers []Producer, asked Producer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.discards.Add(1)
	q.marked = q.pushed // what is not written does not count for pushedSince
	q.gone += int64(len(q.tail))
	q.memory.put(q.takeTail())
	for len(q.entries) > 0 {
		switch p := (<-q.entries).(type) {
		case *batch:
			q.gone += int64(len(p.data))
			q.memory.put(p.data)
		default:
			producers = append(producers, p)
		}
	}
	q.makeRoom()
	return producers, q.asked
}

// mark says that the reader begins to work through what it has read.
//
// If the pushes of the last times came singly, the next one is written at once, by
// itself: to have a goroutine write it would take longer. Where there are more,
// only the goroutine can be relied on to write the first at once, whatever comes
// after it, and the others together.
func (q *queue) mark() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.marked, q.first = q.pushed, 0
	q.direct = q.singles >= minSingles
}

// minSingles is how often a push must have been alone to be expected to be.
const minSingles = 4

// pushedSince says that the reader has got through. It reports whether something
// was pushed since mark that was written since, or will be, without waiting for a
// producer.
func (q *queue) pushedSince() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seen = q.discards.Load()
	q.direct = false
	switch q.pushed {
	case q.marked:
		return false
	case q.first:
		q.singles++
	default:
		q.singles = 0
	}
	return q.producers == 0
}

// stillSo reports whether what pushedSince has reported holds: a discard changes
// it.
func (q *queue) stillSo() bool { return q.discards.Load() == q.seen }

// writeNow has data written on this goroutine, which is the writer meanwhile. What
// it leaves, and what has come since, is for a goroutine. q.mu must be held; it is
// released meanwhile.
func (q *queue) writeNow(data []byte) {
	w := q.writer
	w.join()
	q.running, q.busy = true, true
	q.mu.Unlock()
	n := w.writeNow(data)
	q.mu.Lock()
	q.gone += int64(n)
	q.makeRoom()
	left := data[n:]
	if q.writer == nil { // shut
		q.gone += int64(len(left))
		left = nil
	}
	q.running, q.busy = false, len(left) > 0
	if q.busy {
		q.begun = append(q.memory.get(len(left)), left...)
	}
	if q.busy || len(q.tail) > 0 || len(q.entries) > 0 || q.closed {
		q.wake()
	}
	w.leave()
}

// queued returns how many bytes were pushed and not yet written.
func (q *queue) queued() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pushed - q.gone
}
