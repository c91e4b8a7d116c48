// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
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

// A discardedError is for output that DiscardBuffers has dropped. It is
// [net.ErrClosed], as the error of all output that is not sent; but it does not read
// like that, because the connection is open.
type discardedError struct{}

func (discardedError) Error() string        { return "framer: output was discarded (Conn.DiscardBuffers)" }
func (discardedError) Is(target error) bool { return target == net.ErrClosed }

// maxProducers is how many producers can wait in a queue, or be at work.
const maxProducers = 16

// A queue is the output of a connection that waits for its writer: pushed bytes and
// producers, in the order in which they came. Pushes in a row are one batch, which
// grows until the writer takes it, so that many small ones leave in one write.
type queue struct {
	// What a push needs that is written at once comes first, in two cache lines: one that
	// goes to many connections finds none of them in the cache.
	mu        sync.Mutex
	closed    bool      // nothing more is accepted
	kept      bool      // the handler has output to push even so
	ending    bool      // the writer ends the output when it has come to the end
	over      bool      // nothing is written any more
	finished  bool      // all that was accepted has been written
	turn      bool      // the handler works through what was read
	running   bool      // there is a writer
	busy      bool      // it has taken something, and not yet written all of it
	writer    writer    // nil while it must not run yet
	tried     time.Time // when something was last tried to be pushed, or zero
	maxBytes  int64     // 0: no limit
	pushed    int64     // bytes that ever were
	gone      int64     // of them, those that were written or discarded
	producers int32     // in entries, or taken and not yet ended
	pushes    uint32    // how often something was pushed: the lower half; see countPush
	solo      soloPush
	line      waitingLine

	entries  []Producer   // in order, with pushes in a row as a *batch
	tail     []byte       // what was pushed last, behind all entries
	usual    int          // the size of the last batch, in bytes
	room     int          // bytes that can be added to tail with nothing else to do
	discards atomic.Int32 // how often the queue was discarded
	soloSeen int32        // discards when the handler had got through
	pushesUp uint32       // the upper half of pushes
	waits    int64        // how often a push had to wait for room
	memory   *buffers

	// Of the writer.
	discardsThen int32    // discards at the last take
	begun        Producer // what writeNow has left for the next writer, a *batch or a *bytesProducer
	taken        batch    // what the writer has of the tail
	asked        Producer // what the writer is at, if it is a producer
}

// A writer writes what a queue has, as take gives it out, until that says that it
// must end. There is one at most.
type writer interface {
	start()                   // starts a goroutine that writes; the queue's mutex is held
	join()                    // announces writeNow; the queue's mutex is held
	writeNow(data []byte) int // writes on this goroutine, as far as it need not wait
	dropOutput()              // ends what is queued, when nothing is written any more
	leave()                   // ends what join announced
	hold(on bool)             // what is written leaves in full segments only, until that is over
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

// setMaxBytes changes the limit, also for those who wait.
func (q *queue) setMaxBytes(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.maxBytes, q.room = n, 0
	if q.line.waiting > 0 {
		q.line.limit, _ = addLength(uint64(q.pushed), n)
	}
	q.line.next()
}

// push appends a copy of data. If the queue is full it waits, until it is closed.
func (q *queue) push(data []byte) error {
	q.mu.Lock()
	if uint(len(data)-1) < uint(q.room) { // neither empty nor too much
		q.tail = append(q.tail, data...)
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

// pushContext is push that gives up when ctx ends.
func (q *queue) pushContext(ctx context.Context, data []byte) error {
	err := q.tryPush(data)
	if err == ErrQueueFull {
		return q.pushLater(ctx, data)
	}
	return err
}

// pushLater is push for when the queue is full.
func (q *queue) pushLater(ctx context.Context, data []byte) error {
	fits := func() bool { return q.fits(len(data)) }
	return q.wait(ctx, fits, func() { q.append(data) })
}

// tryPush is push without waiting.
func (q *queue) tryPush(data []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.admit(data, q.isQuiet())
}

// quiet is how long nothing must have been pushed by tryPush or tryPushProducer for the
// next one to be written at once: it is one to many connections, perhaps, and to start a
// writer for each would take longer. One who tries to push many in a row has them
// written together.
const quiet = 100 * time.Microsecond

// isQuiet reports whether nothing was tried to be pushed for a while, outside of turns.
// It is to be called for every try, with q.mu held.
func (q *queue) isQuiet() bool {
	if q.running || q.writer == nil || q.turn {
		return false
	}
	if q.tried.IsZero() {
		q.tried = time.Now()
		return true
	}
	passed := time.Since(q.tried) // which is faster than Now
	q.tried = q.tried.Add(passed)
	return passed > quiet
}

// admit is tryPush with q.mu held; it may be released meanwhile. atOnce says that data
// shall be written at once, before which there is nothing.
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
		q.writer.hold(false) // nothing is behind it
	}
	q.count(len(data))
	q.writeNow(data, false)
	return nil
}

// minDirect is how many bytes are written by who pushes them if there is no writer, as far
// as the system takes them: to copy them, and to start a goroutine for them, would take
// longer. (Where small pushes come before, which wait for their writer, a copy is faster
// than two writes.)
const minDirect = 64 << 10

// comesAlone reports whether there is nothing before what is pushed next, nor behind it,
// as it is to be expected. q.mu must be held.
func (q *queue) comesAlone() bool { return q.solo.expected && !q.running && q.writer != nil }

// pushLast is push for a handler that has said keepOpen. If the queue was closed since,
// data is the last that it accepts. The memory of data comes from the pools; pushLast
// reports whether the queue has kept it instead of copying it.
func (q *queue) pushLast(data []byte) (kept bool, err error) {
	if q.tryKeep(data) {
		return true, nil
	}
	if err := q.push(data); err != errClosed {
		return false, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over || q.ending {
		return false, errClosed
	}
	q.append(data)
	q.end()
	return false, nil
}

// tryKeep makes data the batch at the end, if there is none and it need not wait. It
// leaves to push what is written at once.
func (q *queue) tryKeep(data []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.tail != nil || q.closed || q.isFull(len(data)) || q.comesAlone() {
		return false
	}
	q.tail = data
	q.appended(len(data))
	return true
}

// pushProducer appends p. If the queue is full it waits, until it is closed or
// ctx ends.
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

// tryPushProducer is pushProducer without waiting.
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

// pushMark appends mark, which may also be behind a close that waits. It reports
// whether everything has been written already.
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

// pushUpgrade appends u, without waiting. It reports whether the queue is open.
func (q *queue) pushUpgrade(u *upgrade) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.add(u)
	}
	return !q.closed
}

// dropMark removes mark, if it still waits.
func (q *queue) dropMark(mark flushMark) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.entries, Producer(mark)); i >= 0 {
		q.entries = slices.Delete(q.entries, i, i+1)
		q.producers--
		q.line.next()
	}
}

// hasPlace reports whether another producer can wait. q.mu must be held.
func (q *queue) hasPlace() bool { return q.producers < maxProducers }

// fits reports whether n bytes can be pushed, or never will be. More than the
// queue holds is let in when it is empty. q.mu must be held.
func (q *queue) fits(n int) bool {
	size := q.pushed - q.gone
	return q.maxBytes == 0 || q.closed || n == 0 || size == 0 || int64(n) <= q.maxBytes-size
}

// isFull reports whether a push of n bytes must wait: for room, or because others
// have waited for longer. q.mu must be held.
func (q *queue) isFull(n int) bool {
	return !q.fits(n) || q.maxBytes > 0 && !q.line.mayPass(q.pushed, n)
}

// wait calls add as soon as nobody else waits and fits, which says so also of a
// closed queue. Otherwise it returns why not. Both are called with q.mu held.
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

// append adds data to the batch at the end. q.mu must be held.
func (q *queue) append(data []byte) {
	if q.tail == nil {
		q.tail = q.memory.get(max(len(data), min(q.usual, maxBatch)))
	}
	q.tail = append(q.memory.grow(q.tail, len(data)), data...)
	q.appended(len(data))
}

// appended notes that n bytes have come to the batch at the end. q.mu must be held.
func (q *queue) appended(n int) {
	q.count(n)
	q.room = cap(q.tail) - len(q.tail)
	if q.maxBytes > 0 {
		q.room = int(min(int64(q.room), max(q.maxBytes-q.pushed+q.gone, 0), q.line.passing(q.pushed)))
	}
	q.wake()
}

// maxBatch is how much memory a batch has at first if the last one needed as much,
// in bytes.
const maxBatch = 256 << 10

// count notes that n bytes are pushed. q.mu must be held.
func (q *queue) count(n int) {
	q.pushed += int64(n)
	q.countPush()
	q.solo.push(q.pushed)
}

// countPush notes a push that is not empty. q.mu must be held. (There is a cache line less
// for it than a whole number would need.)
func (q *queue) countPush() {
	q.pushes++
	if q.pushes == 0 {
		q.pushesUp++
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
	q.producers++
	q.solo.pushProducer(q.pushed, 0, isReady(p))
	q.enter(p)
}

// addBytes adds b to the end, which counts like a push of its bytes. q.mu must be
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

// minShared is how many bytes are not copied, because an entry of their own would take
// more room and time.
const minShared = 512

// enter adds p to the entries, behind the tail. q.mu must be held.
func (q *queue) enter(p Producer) {
	if len(q.tail) > 0 {
		q.entries = append(q.entries, &batch{q.takeTail()})
	}
	q.entries = append(q.entries, p)
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
	if q.hasWork() {
		q.wake()
	}
}

// hasWork reports whether there is something to do for a writer that has not taken
// anything yet. q.mu must be held.
func (q *queue) hasWork() bool { return q.pushed != q.gone || q.producers > 0 || q.ending }

// keepOpen says that the handler has output until close or pushLast, although nothing
// else is accepted after seal.
func (q *queue) keepOpen() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.kept = true
}

// seal is close, but if keepOpen was called, the end of the output has to wait for a
// pushLast, or for close.
func (q *queue) seal() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.room = true, 0
	q.line.next()
	if !q.kept {
		q.end()
	}
}

// close ends the queue: what is in it will be written, and nothing more is
// accepted. The writer learns of it, when it has come to the end.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.room = true, 0
	q.line.next()
	q.end()
}

// end lets the writer end the output. q.mu must be held.
func (q *queue) end() {
	if !q.ending {
		q.ending = true
		q.wake()
	}
}

// shut is close without a writer: none is started any more. It reports whether
// the one that runs is in the middle of something.
func (q *queue) shut() (busy bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.ending, q.over, q.room = true, true, true, 0
	q.writer = nil
	q.line.next()
	return q.busy
}

// take returns what the writer has to write next: a *batch, or a producer. followed says
// that a producer that is ready comes behind it. When there is nothing it returns nil,
// and the writer must end; last says whether there will never be more.
func (q *queue) take() (p Producer, followed, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.discardsThen = q.discards.Load()
	q.busy = true
	switch {
	case q.begun != nil:
		p := q.begun
		q.begun = nil
		return p, q.isReady(), false
	case len(q.entries) > 0:
		p := q.entries[0]
		q.entries[0] = nil
		q.entries = q.entries[1:]
		if _, ok := p.(*batch); !ok {
			q.asked = p
		}
		return p, q.isReady(), false
	case len(q.tail) > 0:
		q.taken.data = q.takeTail()
		return &q.taken, false, false
	}
	q.busy = false
	q.entries = nil // a silent connection needs no memory for them
	q.running = q.ending
	q.finished = q.ending && !q.over
	if q.writer != nil {
		q.writer.hold(false) // the producer that was to come was discarded
	}
	return nil, false, q.ending
}

// isReady reports whether the next entry is a producer that is. q.mu must be held.
func (q *queue) isReady() bool { return len(q.entries) > 0 && isReady(q.entries[0]) }

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
	return q.discards.Load() != q.discardsThen
}

// written notes that n bytes were written, and that is not all of what was taken.
func (q *queue) written(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone += int64(n)
	q.line.next()
}

// doneBatch ends what pushed bytes take up. The writer calls it with what it has
// taken, all but the last left bytes of which were noted as written.
func (q *queue) doneBatch(data []byte, left int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken.data = nil // or a silent connection would keep it
	q.memory.put(data)
	q.doneBytes(left)
}

// doneShared is doneBatch for the bytes of a bytesProducer, which are not ours.
func (q *queue) doneShared(left int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked = nil
	q.doneBytes(left)
}

func (q *queue) doneBytes(left int) {
	q.busy = false
	q.gone += int64(left)
	q.line.next()
}

// doneProducer ends what the producer takes up that the writer was at, after it was
// ended.
func (q *queue) doneProducer() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked = nil
	q.producers--
	q.line.next()
}

// droppedProducer ends what one takes up that discard has returned, after it was
// ended.
func (q *queue) droppedProducer() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.producers--
	q.line.next()
}

// discard removes everything and returns the producers, which must be ended, and the one
// that the writer is at, if there is one. A close that waits behind them stays, and an
// upgrade.
func (q *queue) discard() (producers []Producer, asked Producer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.discards.Add(1)
	q.solo.begin(q.pushed) // what is not written does not count
	q.gone += int64(len(q.tail))
	q.memory.put(q.takeTail())
	entries := q.entries
	q.entries = nil
	for _, p := range entries {
		switch p := p.(type) {
		case *batch:
			q.gone += int64(len(p.data))
			q.memory.put(p.data)
		case *bytesProducer:
			q.gone += int64(len(p.data))
		case *upgrade:
			q.entries = append(q.entries, p)
		default:
			producers = append(producers, p)
		}
	}
	q.line.next()
	return producers, q.asked
}

// beginTurn says that the handler begins to work through what was read.
func (q *queue) beginTurn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turn = true
	q.solo.begin(q.pushed)
	q.solo.expect()
}

// endTurn says that the handler has got through. It reports whether something was
// pushed in the turn that was written since, or will be, without waiting for a
// producer.
func (q *queue) endTurn() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turn = false
	q.soloSeen = q.discards.Load()
	if q.solo.leads && !q.running && q.writer != nil {
		q.writer.hold(false) // a producer was expected in vain, or it is through
	}
	return q.solo.end(q.pushed) && q.producers == 0
}

// undisturbed reports whether what endTurn has reported holds: a discard changes it.
func (q *queue) undisturbed() bool { return q.discards.Load() == q.soloSeen }

// writeNow has data written on this goroutine, which is the writer meanwhile. What
// it leaves, and what has come since, is for a goroutine; shared says that what is left
// need not be copied for that. q.mu must be held; it is released meanwhile.
func (q *queue) writeNow(data []byte, shared bool) {
	w := q.writer
	w.join()
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
		w.dropOutput() // what others have pushed meanwhile; there is no other writer
		q.mu.Lock()
	}
	q.running, q.busy = false, len(left) > 0
	switch {
	case q.busy && shared:
		q.begun = &bytesProducer{left}
	case q.busy:
		q.begun = &batch{append(q.memory.get(len(left)), left...)}
	}
	if q.hasWork() {
		q.wake()
	}
	w.leave()
}

// figures returns what Conn.Stats has of the queue.
func (q *queue) figures() (pushes, waits, queued int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int64(q.pushesUp)<<32 | int64(q.pushes), q.waits, q.pushed - q.gone
}

// queued returns how many bytes were pushed and not yet written.
func (q *queue) queued() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pushed - q.gone
}
