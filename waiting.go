// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"context"
	"math"

	"golang.org/x/sync/semaphore"
)

// A waitingLine is those who wait for room in a queue. Whoever finds it full waits for
// his turn, and then for room. Meanwhile others may push what there is room for, but
// not more in all than the queue can hold; then they stand in line, too. (If nobody
// ever overtook, all would stand there for ever after, and every push would be a
// switch of goroutines.)
//
// It is guarded by the queue's mutex, which must be held.
type waitingLine struct {
	waiting int
	left    chan struct{}       // for the next one: closed when something has left the queue
	limit   int64               // what may have been pushed, in bytes, before others must wait, too
	turn    *semaphore.Weighted // one of those who wait is next
}

// passing returns how many bytes may be pushed past those who wait, after so many.
func (l *waitingLine) passing(pushed int64) int64 {
	if l.waiting == 0 {
		return math.MaxInt64
	}
	return max(l.limit-pushed, 0)
}

// mayPass reports whether n bytes may.
func (l *waitingLine) mayPass(pushed int64, n int) bool { return int64(n) <= l.passing(pushed) }

// await returns when all that waited before have had their turn, and fits. q's mutex
// is released meanwhile.
func (l *waitingLine) await(ctx context.Context, q *queue, fits func() bool) error {
	if l.turn == nil {
		l.turn = semaphore.NewWeighted(1)
	}
	if l.waiting == 0 {
		l.limit, _ = addLength(uint64(q.pushed), q.maxBytes)
	}
	l.waiting++
	q.room = 0
	defer func() { l.waiting-- }()
	q.mu.Unlock()
	err := l.turn.Acquire(ctx, 1)
	q.mu.Lock()
	l.limit, _ = addLength(uint64(q.pushed), q.maxBytes)
	if err != nil {
		return context.Cause(ctx)
	}
	defer l.turn.Release(1)
	for !fits() {
		left := make(chan struct{})
		l.left = left
		q.mu.Unlock()
		select {
		case <-left:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		q.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// next lets the next one look whether there is room.
func (l *waitingLine) next() {
	if l.left != nil {
		close(l.left)
		l.left = nil
	}
}
