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

	"golang.org/x/sync/semaphore"
)

// ErrQueueFull is returned by [Conn.TryPush] where [Conn.Push] would wait.
var ErrQueueFull = errors.New("framer: output queue is full")

var (
	errClosed    = fmt.Errorf("framer: connection is closed: %w", net.ErrClosed)
	errDiscarded = fmt.Errorf("framer: output was discarded: %w", net.ErrClosed)
)

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
	taken     batch         // what the writer has of the tail
	discards  int           // how often the queue was discarded
	current   int           // discards at the last take

	waiting int                 // how many wait for room
	passing int64               // what pushed may come to before others must wait, too
	turn    *semaphore.Weighted // one of them is next
	left    chan struct{}       // closed when something has left
}

// A writer writes what a queue has, as take gives it out, until that says that it
// must end. There is one at most.
type writer interface {
	start()               // starts a goroutine that writes; the queue's mutex is held
	join()                // announces writeNow; the queue's mutex is held
	writeNow(data []byte) // writes a batch on this goroutine, as far as it need not wait
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
	q.mu.Unlock()
	return q.pushMore(data)
}

// pushMore is push where room does not say that there is nothing to see to.
func (q *queue) pushMore(data []byte) error {
	err := q.tryPush(data)
	if err != ErrQueueFull {
		return err
	}
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
	switch {
	case q.closed:
		return errClosed
	case len(data) == 0:
		return nil
	case !q.fits(len(data)) || q.mustWait(len(data)):
		return ErrQueueFull
	}
	q.append(data)
	if !q.direct || q.running || q.writer == nil {
		q.wake()
		return nil
	}
	q.running, q.busy, q.direct = true, true, false
	batch := q.takeTail()
	w := q.writer
	w.join()
	q.mu.Unlock()
	defer q.mu.Lock()
	w.writeNow(batch)
	return nil
}

// pushProducer appends p. If the queue is full it waits, until it is closed or
// ctx ends.
func (q *queue) pushProducer(ctx context.Context, p Producer) error {
	fits := func() bool { return q.closed || q.producers < maxProducers }
	return q.wait(ctx, fits, func() { q.add(p) })
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
		q.passing = q.pushed + q.maxBytes
	}
	q.waiting++
	q.room = 0
	defer func() { q.waiting-- }()
	q.mu.Unlock()
	err := q.turn.Acquire(ctx, 1)
	q.mu.Lock()
	q.passing = q.pushed + q.maxBytes
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
		q.tail = q.memory.get(max(len(data), min(q.usual, largeBuffer)))
	}
	q.tail = append(q.memory.grow(q.tail, len(data)), data...)
	q.pushed += int64(len(data))
	if q.first == 0 {
		q.first = q.pushed
	}
	q.room = cap(q.tail) - len(q.tail)
	if q.maxBytes > 0 {
		q.room = int(min(int64(q.room), max(q.maxBytes-q.pushed+q.gone, 0)))
	}
	if q.waiting > 0 && q.maxBytes > 0 {
		q.room = int(min(int64(q.room), max(q.passing-q.pushed, 0)))
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
	q.closed, q.room = true, 0
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
	q.current = q.discards
	q.busy = true
	select {
	case p := <-q.entries:
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
	return nil, q.closed
}

// rest notes that all of what was taken has been written. It is for the writer.
func (q *queue) rest() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
}

// discarded reports whether the queue was discarded since the last take.
func (q *queue) discarded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.discards != q.current
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
	q.endBatch(data, left)
}

// endBatch is doneBatch with q.mu held.
func (q *queue) endBatch(data []byte, left int) {
	q.busy = false
	q.gone += int64(left)
	q.taken.data = nil // or a silent connection would keep it
	q.memory.put(data)
	q.makeRoom()
}

// doneProducer ends what a producer takes up, after it was ended.
func (q *queue) doneProducer() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.producers--
	q.makeRoom()
}

// discard removes everything and ends the producers, with cause for those who
// ask. A close that waits behind them stays.
func (q *queue) discard(cause error) error {
	var errs []error
	for _, p := range q.removeAll() {
		errs = append(errs, protect(func() error { return endProducer(p, cause) }))
		q.doneProducer()
	}
	return errors.Join(errs...)
}

// removeAll removes everything and returns the producers.
func (q *queue) removeAll() []Producer {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.discards++
	q.marked = q.pushed // what is not written does not count for pushedSince
	q.gone += int64(len(q.tail))
	q.memory.put(q.takeTail())
	var producers []Producer
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
	return producers
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

// pushedSince says that the reader has got through. It reports what relied does.
func (q *queue) pushedSince() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
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

// relied reports whether something was pushed since mark that was written since,
// or will be, without waiting for a producer. A discard changes that.
func (q *queue) relied() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pushed != q.marked && q.producers == 0
}

// wroteNow is doneBatch for writeNow. What has come since is for a goroutine.
func (q *queue) wroteNow(data []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.endBatch(data, len(data))
	q.running = false
	if len(q.tail) > 0 || len(q.entries) > 0 || q.closed {
		q.wake()
	}
}

// handOver has a goroutine go on with a batch of which writeNow has written n
// bytes. It reports whether there is one: not after shut.
func (q *queue) handOver(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone += int64(n)
	q.running = false
	q.wake()
	return q.running
}

// queued returns how many bytes were pushed and not yet written.
func (q *queue) queued() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pushed - q.gone
}
