// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"context"
	"math"

	"golang.org/x/sync/semaphore"
)

// A waitingLine has the goroutines that wait for room in a queue. A goroutine that finds
// the queue full waits for its turn, and then for room. Meanwhile other pushes may still
// use the room that there is. But when they have pushed as much as the whole queue can
// hold, they must wait in line, too. (If no push could pass, every push would wait in line
// from then on, and each would cost a switch of goroutines.)
//
// It is guarded by the mutex of the queue, which must be held for all methods.
type waitingLine struct {
	waiting int
	left    chan struct{}       // made by the goroutine whose turn it is; closed when something has left the queue
	limit   int64               // the value of queue.pushed from which no push may pass
	turn    *semaphore.Weighted // held by the goroutine whose turn it is
}

// passing returns how many bytes may be pushed past the goroutines that wait. pushed is
// how many bytes were pushed so far.
func (l *waitingLine) passing(pushed int64) int64 {
	if l.waiting == 0 {
		return math.MaxInt64
	}
	return max(l.limit-pushed, 0)
}

// mayPass reports whether n bytes may be pushed past the goroutines that wait.
func (l *waitingLine) mayPass(pushed int64, n int) bool { return int64(n) <= l.passing(pushed) }

// await blocks until all that waited before have had their turn and fits returns true. If
// ctx ends before, await returns its cause. The mutex of q is released meanwhile.
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
	if err != nil { // the limit stays: those who still wait must not be passed by more
		return context.Cause(ctx)
	}
	defer l.turn.Release(1)
	l.limit, _ = addLength(uint64(q.pushed), q.maxBytes)
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

// next lets the goroutine whose turn it is look again whether there is room.
func (l *waitingLine) next() {
	if l.left != nil {
		close(l.left)
		l.left = nil
	}
}
