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
	"time"
)

// ErrQueueFull is returned by [Conn.TryPush] and [Conn.TryPushWithProducer] where
// [Conn.Push] would wait.
//
// It does not always mean that the peer is slow. A burst of pushes waits in the queue
// until the writer goroutine runs, so Config.MaxQueuedBytes must have room for the
// largest one. If the queue stays full, the peer is slow.
var ErrQueueFull = errors.New("framer: output queue is full")

var (
	errClosed    = fmt.Errorf("framer: connection is closed: %w", net.ErrClosed)
	errDiscarded = error(discardedError{})
)

// A discardedError is the error for output that DiscardBuffers has dropped. Like the error
// for all output that is not sent, it is [net.ErrClosed]. But its text does not say so,
// because the connection is open.
type discardedError struct{}

func (discardedError) Error() string        { return "framer: output was discarded (Conn.DiscardBuffers)" }
func (discardedError) Is(target error) bool { return target == net.ErrClosed }

// maxProducers is how many producers can be in a queue, including the one that the writer
// has taken.
const maxProducers = 16

// A queue is the output of a connection that waits for its writer: bytes and producers, in
// the order in which they were pushed. Consecutive pushes of bytes share one batch, so many
// small pushes are sent in one write; see backlog.
type queue struct {
	// A push that is written at once needs the fields from here to line. They are only two
	// cache lines, because a push that goes to many connections finds none of them in the
	// processor's cache.
	mu        sync.Mutex
	closed    bool      // the queue accepts nothing more
	kept      bool      // keepOpen was called: the handler can still call pushLast
	mustEnd   bool      // the writer must end the output when the queue is empty
	over      bool      // nothing is written any more
	finished  bool      // everything that was accepted has been written
	turn      bool      // the handler is working through the input of one read
	running   bool      // there is a writer
	busy      bool      // the writer has taken something and not written all of it yet
	writer    writer    // nil before open, and after shut
	tried     time.Time // when isQuiet last looked at the clock, or zero
	maxBytes  int64     // the limit of pushed - gone; 0 means no limit
	pushed    int64     // the number of bytes that were ever pushed
	gone      int64     // how many of them were written or discarded
	producers int32     // those in backlog, and the one that the writer has taken and not ended yet
	pushes    uint32    // the number of pushes, its lower half; see countPush
	solo      soloPush
	line      waitingLine

	room           int          // how many bytes push may append without further checks; at most backlog.spare
	discards       atomic.Int32 // how many times the queue was discarded
	discardsAtTurn int32        // the value of discards at the last endTurn
	discardsAtTake int32        // the value of discards at the last take; only the writer uses it
	pushesUp       uint32       // the upper half of pushes
	backlog        backlog
	current        Producer // the producer that the writer has taken, or nil
	waits          int64    // how many pushes had to wait for room
}

// A writer writes what a queue has. It calls take for one entry after the other, until
// take reports that the writer must end. A queue has at most one writer at a time: a
// goroutine that startWriter has started, or one that pushes and calls writeNow.
type writer interface {
	startWriter()             // starts a goroutine that writes; the queue's mutex is held
	addWriter()               // says that this goroutine will call writeNow; the queue's mutex is held
	writeNow(data []byte) int // writes on this goroutine, as much as is possible without waiting
	dropOutput()              // drops what is queued, when nothing is written any more
	removeWriter()            // says that this goroutine calls none of these any more
	hold(on bool)             // on: only full segments are sent; off: everything is sent; the queue calls it while nobody writes
}

func (q *queue) init(maxBytes int64, memory *buffers) {
	q.maxBytes = maxBytes
	q.backlog.memory = memory
}

// setMaxBytes changes the limit, also for pushes that wait already.
func (q *queue) setMaxBytes(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.maxBytes, q.room = n, 0
	if q.line.waiting > 0 {
		q.line.limit, _ = addLength(uint64(q.pushed), n)
	}
	q.line.next()
}

// push appends a copy of data. If the queue is full, push blocks until there is room or
// the queue is closed.
func (q *queue) push(data []byte) error {
	q.mu.Lock()
	if uint(len(data)-1) < uint(q.room) { // data is not empty, and fits in room
		q.backlog.tail = append(q.backlog.tail, data...)
		q.pushed += int64(len(data))
		q.countPush()
		q.room -= len(data)
		q.mu.Unlock()
		return nil
	}
	err := q.admit(data, false)
	q.mu.Unlock()
	if err == ErrQueueFull {
		return q.pushLater(context.Background(), data)
	}
	return err
}

// pushContext is push, but stops waiting when ctx ends.
func (q *queue) pushContext(ctx context.Context, data []byte) error {
	err := q.tryPush(data)
	if err == ErrQueueFull {
		return q.pushLater(ctx, data)
	}
	return err
}

// pushLater is push for a queue that is full.
func (q *queue) pushLater(ctx context.Context, data []byte) error {
	fits := func() bool { return q.fits(len(data)) }
	return q.wait(ctx, fits, func() { q.append(data) })
}

// tryPush is push, but returns ErrQueueFull where push would block.
func (q *queue) tryPush(data []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.admit(data, q.isQuiet())
}

// If tryPush and tryPushProducer were not called for longer than quiet, the next call
// writes at once. It may be one of many calls, each for another connection, and it would
// take longer to start a writer for each of them. If a program tries to push many times in
// a row, the pushes wait for a writer, which writes them together.
const quiet = 100 * time.Microsecond

// isQuiet reports whether a try to push may write at once: there is no writer, no turn
// goes on, and the last try was more than quiet ago. It also notes the time of this try.
// q.mu must be held.
func (q *queue) isQuiet() bool {
	if q.running || q.writer == nil || q.turn {
		return false
	}
	if q.tried.IsZero() {
		q.tried = time.Now()
		return true
	}
	passed := time.Since(q.tried) // faster than time.Now
	q.tried = q.tried.Add(passed)
	return passed > quiet
}

// admit is tryPush with q.mu held, which may be released meanwhile. atOnce says that data
// should be written at once; then nothing is queued before it.
func (q *queue) admit(data []byte, atOnce bool) error {
	switch {
	case q.closed:
		return errClosed
	case len(data) == 0:
		return nil
	case q.isFull(len(data)):
		return ErrQueueFull
	}
	switch {
	case atOnce || q.comesAlone():
		if q.solo.expected && q.solo.leads {
			q.writer.hold(true)
		}
		q.solo.expected = false
	case len(data) < minDirect || q.running || q.writer == nil:
		q.append(data)
		return nil
	default:
		q.writer.hold(false) // nothing follows
	}
	q.count(len(data))
	q.writeNow(data, false)
	return nil
}

// If there is no writer, a push of minDirect bytes or more is written by the goroutine
// that pushes, as far as the system takes it. It would take longer to copy the bytes and
// to start a goroutine for them. (If small pushes already wait for their writer, one copy
// is faster than two writes.)
const minDirect = 64 << 10

// comesAlone reports whether nothing is queued before the next push, and whether that push
// is expected to come alone or to lead; see soloPush. q.mu must be held.
func (q *queue) comesAlone() bool { return q.solo.expected && !q.running && q.writer != nil }

// pushLast is push for a handler that has called keepOpen. If the queue was closed after
// that, data is the last push that the queue accepts. The memory of data must come from
// the pools. kept reports whether the queue has kept that memory instead of copying it.
func (q *queue) pushLast(data []byte) (kept bool, err error) {
	if q.tryKeep(data) {
		return true, nil
	}
	if err := q.push(data); err != errClosed {
		return false, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over || q.mustEnd {
		return false, errClosed
	}
	q.append(data)
	q.end()
	return false, nil
}

// tryKeep is append that keeps data itself, if that is possible, and reports whether it is.
// It is not if other bytes wait, if data must wait, or if push would write data at once.
func (q *queue) tryKeep(data []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.isFull(len(data)) || q.comesAlone() || !q.backlog.keep(data) {
		return false
	}
	q.appended(len(data))
	return true
}

// pushProducer appends p. If the queue is full, pushProducer blocks until there is room,
// the queue is closed, or ctx ends.
func (q *queue) pushProducer(ctx context.Context, p Producer) error {
	if b, ok := p.(*bytesProducer); ok {
		err := q.tryPushProducer(p)
		if err != ErrQueueFull {
			return err
		}
		fits := func() bool { return q.fits(len(b.data)) }
		return q.wait(ctx, fits, func() { q.addBytes(b) })
	}
	fits := func() bool { return q.closed || q.hasPlace() }
	return q.wait(ctx, fits, func() {
		q.countPush()
		q.add(p)
	})
}

// tryPushProducer is pushProducer, but returns ErrQueueFull where pushProducer would
// block.
func (q *queue) tryPushProducer(p Producer) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	b, isBytes := p.(*bytesProducer)
	switch {
	case q.closed:
		return errClosed
	case isBytes && q.isFull(len(b.data)), !isBytes && (q.line.waiting > 0 || !q.hasPlace()):
		return ErrQueueFull
	case isBytes && len(b.data) > 0 && q.isQuiet():
		q.pushed += int64(len(b.data))
		q.countPush()
		q.writeNow(b.data, true)
	case isBytes:
		q.addBytes(b)
	default:
		q.countPush()
		q.add(p)
	}
	return nil
}

// pushMark appends mark, also to a queue that is closed and whose output has not ended
// yet. done reports that everything has been written already, and mark was not appended.
func (q *queue) pushMark(ctx context.Context, mark flushMark) (done bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	fits := func() bool { return q.over || q.finished || q.hasPlace() }
	if q.line.waiting > 0 || !fits() {
		err = q.line.await(ctx, q, fits)
	}
	switch {
	case q.finished: // all was written, even if the connection has ended since
		return true, nil
	case q.over:
		return false, errClosed
	case err != nil:
		return false, err
	}
	q.add(mark)
	return false, nil
}

// pushUpgrade appends u without waiting. It reports whether it has; it does not if the
// queue is closed.
func (q *queue) pushUpgrade(u *upgrade) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.add(u)
	}
	return !q.closed
}

// dropMark removes mark if it is still queued.
func (q *queue) dropMark(mark flushMark) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.backlog.remove(mark) {
		q.producers--
		q.line.next()
	}
}

// hasPlace reports whether there is a place for another producer. q.mu must be held.
func (q *queue) hasPlace() bool { return q.producers < maxProducers }

// fits reports whether a push of n bytes need not wait for room: there is room, or the
// queue is closed and the push fails. An empty queue has room for any push, even for one
// that is larger than the limit. q.mu must be held.
func (q *queue) fits(n int) bool {
	size := q.pushed - q.gone
	return q.maxBytes == 0 || q.closed || n == 0 || size == 0 || int64(n) <= q.maxBytes-size
}

// isFull reports whether a push of n bytes must wait: for room, or for its turn, because
// other pushes wait already. q.mu must be held.
func (q *queue) isFull(n int) bool {
	return !q.fits(n) || q.maxBytes > 0 && !q.line.mayPass(q.pushed, n)
}

// wait blocks until fits returns true and all pushes that waited before have had their
// turn. Then it calls add. If the queue is closed, or ctx ends, wait returns an error and
// does not call add. fits must return true if the queue is closed. Both functions are
// called with q.mu held.
func (q *queue) wait(ctx context.Context, fits func() bool, add func()) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var err error
	if q.line.waiting > 0 || !fits() {
		q.waits++
		err = q.line.await(ctx, q, fits)
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

// append adds a copy of data to the end of the queue. q.mu must be held.
func (q *queue) append(data []byte) {
	q.backlog.append(data)
	q.appended(len(data))
}

// appended records that n bytes were added to the end of the queue. q.mu must be held.
func (q *queue) appended(n int) {
	q.count(n)
	q.room = q.backlog.spare()
	if q.maxBytes > 0 {
		q.room = int(min(int64(q.room), max(q.maxBytes-q.pushed+q.gone, 0), q.line.passing(q.pushed)))
	}
	q.wake()
}

// count records a push of n bytes. q.mu must be held.
func (q *queue) count(n int) {
	q.pushed += int64(n)
	q.countPush()
	q.solo.push(q.pushed)
}

// countPush records a push that is not empty. q.mu must be held. (The number of pushes is
// in two halves: a single int64 would not fit in the two cache lines at the beginning of
// queue.)
func (q *queue) countPush() {
	q.pushes++
	if q.pushes == 0 {
		q.pushesUp++
	}
}

// add adds p to the end of the queue, as a producer. q.mu must be held.
func (q *queue) add(p Producer) {
	q.producers++
	q.solo.pushProducer(q.pushed, 0, isReady(p))
	q.enter(p)
}

// addBytes adds b to the end of the queue. b counts like a push of its bytes. q.mu must be
// held.
func (q *queue) addBytes(b *bytesProducer) {
	switch n := len(b.data); {
	case n == 0:
	case n < minShared:
		q.append(b.data)
	default:
		q.solo.pushProducer(q.pushed, n, true)
		q.pushed += int64(n)
		q.countPush()
		q.enter(b)
	}
}

// The data of a bytesProducer is copied to a batch if it has less than minShared bytes:
// an entry of its own would take more memory and time. Otherwise it is not copied.
const minShared = 512

// enter adds p to the end of the queue, and does not count it. q.mu must be held.
func (q *queue) enter(p Producer) {
	q.backlog.add(p)
	q.room = min(q.room, q.backlog.spare())
	q.wake()
}

// wake starts a writer if there is none. q.mu must be held.
func (q *queue) wake() {
	if !q.running && q.writer != nil {
		q.running = true
		q.writer.startWriter()
	}
}

// open makes w the writer, and starts it if there is something to do.
func (q *queue) open(w writer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writer = w
	if q.hasWork() {
		q.wake()
	}
}

// hasWork reports whether there is something to do for a writer that starts now. q.mu must
// be held.
func (q *queue) hasWork() bool { return q.pushed != q.gone || q.producers > 0 || q.mustEnd }

// keepOpen says that the handler will push more output. After seal, the queue accepts only
// that, by pushLast. The output ends when pushLast or close is called.
func (q *queue) keepOpen() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.kept = true
}

// seal stops the queue from accepting more, as close does. But if keepOpen was called, the
// output does not end before pushLast or close is called.
func (q *queue) seal() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.room = true, 0
	q.line.next()
	if !q.kept {
		q.end()
	}
}

// close stops the queue from accepting more. What is queued will be written. Then take
// tells the writer that the output has ended.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.room = true, 0
	q.line.next()
	q.end()
}

// end says that the output ends when the queue is empty. It wakes the writer for that.
// q.mu must be held.
func (q *queue) end() {
	if !q.mustEnd {
		q.mustEnd = true
		q.wake()
	}
}

// shut is close for a connection that has ended: no writer is started any more. busy
// reports whether output is cut off: the writer, which may still run, has not written all
// that it has taken.
func (q *queue) shut() (busy bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.mustEnd, q.over, q.room = true, true, true, 0
	q.writer = nil
	q.line.next()
	return q.busy
}

// take returns what the writer must write next: a *batch, or a producer. followed reports
// whether the next entry is a producer that is ready. If nothing is queued, p is nil, and
// the writer must end. Then last reports whether there will never be more.
func (q *queue) take() (p Producer, followed, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.discardsAtTake = q.discards.Load()
	p = q.backlog.take()
	q.room = min(q.room, q.backlog.spare())
	q.busy = p != nil
	if !q.busy {
		q.running = q.mustEnd
		q.finished = q.mustEnd && !q.over
		if q.writer != nil {
			q.writer.hold(false) // the producer that was expected did not come, or was discarded
		}
		return nil, false, q.mustEnd
	}
	if _, ok := p.(*batch); !ok {
		q.current = p
	}
	return p, q.backlog.isReady(), false
}

// hasProducers reports whether there are producers that have not ended.
func (q *queue) hasProducers() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.producers > 0
}

// active returns the producer that the writer has taken, or nil.
func (q *queue) active() Producer {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.current
}

// wroteAll records that all of what was taken has been written. The writer calls it.
func (q *queue) wroteAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
}

// discarded reports whether the queue was discarded since the last take.
func (q *queue) discarded() bool {
	return q.discards.Load() != q.discardsAtTake
}

// written records that n bytes were written, and that this is not all of what was taken.
func (q *queue) written(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone += int64(n)
	q.line.next()
}

// doneBatch records that the writer is done with the batch that it has taken, and frees
// data, the memory of the batch. left is how many of its bytes were not reported by
// written.
func (q *queue) doneBatch(data []byte, left int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.backlog.free(data)
	q.doneBytes(left)
}

// doneShared is doneBatch for the bytes of a bytesProducer, whose memory is not ours.
func (q *queue) doneShared(left int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.current = nil
	q.doneBytes(left)
}

func (q *queue) doneBytes(left int) {
	q.busy = false
	q.gone += int64(left)
	q.line.next()
}

// doneProducer frees the place of the producer that the writer had taken, which has ended.
func (q *queue) doneProducer() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.current = nil
	q.producers--
	q.line.next()
}

// droppedProducer frees the place of a producer that discard has returned, and that has
// ended.
func (q *queue) droppedProducer() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.producers--
	q.line.next()
}

// discard removes everything. It returns the producers that were queued, which the caller
// must end, and the producer that the writer has taken, or nil. If the queue is closed, it
// stays closed. An upgrade stays in the queue.
func (q *queue) discard() (producers []Producer, current Producer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.discards.Add(1)
	q.solo.begin(q.pushed) // the pushes of this turn don't count: they are not written
	producers, n := q.backlog.drop()
	q.room = 0
	q.gone += n
	q.line.next()
	return producers, q.current
}

// beginTurn records that the handler begins to work through the input of one read.
func (q *queue) beginTurn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turn = true
	q.solo.begin(q.pushed)
	q.solo.expect()
}

// endTurn records that the handler has worked through the input. It reports whether
// something was pushed in the turn, and has been written, or will be written without
// waiting for a producer.
func (q *queue) endTurn() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turn = false
	q.discardsAtTurn = q.discards.Load()
	if q.solo.leads && !q.running && q.writer != nil {
		q.writer.hold(false) // the producer that was expected did not come, or was sent
	}
	return q.solo.end(q.pushed) && q.producers == 0
}

// undisturbed reports whether the result of the last endTurn still holds. It does not if
// the queue was discarded since.
func (q *queue) undisturbed() bool { return q.discards.Load() == q.discardsAtTurn }

// writeNow writes data on this goroutine, which is the writer meanwhile. What can't be
// written at once, and what other goroutines have pushed meanwhile, is left to a writer
// goroutine. shared says that data need not be copied for that. q.mu must be held; it is
// released meanwhile.
func (q *queue) writeNow(data []byte, shared bool) {
	w := q.writer
	w.addWriter()
	q.running, q.busy = true, true
	q.mu.Unlock()
	n := w.writeNow(data)
	q.mu.Lock()
	q.gone += int64(n)
	q.line.next()
	left := data[n:]
	if q.over {
		q.gone += int64(len(left))
		left = nil
		q.mu.Unlock()
		w.dropOutput() // drops what others have pushed meanwhile, because there is no other writer
		q.mu.Lock()
	}
	q.running, q.busy = false, len(left) > 0
	if q.busy {
		q.backlog.putBack(left, shared)
	}
	if q.hasWork() {
		q.wake()
	}
	w.removeWriter()
}

// figures returns the figures of the queue for Conn.Stats.
func (q *queue) figures() (pushes, waits, queued int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int64(q.pushesUp)<<32 | int64(q.pushes), q.waits, q.pushed - q.gone
}
