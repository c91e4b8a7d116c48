// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
)

// InterruptProducer is what a Conn does with a producer that may wait.
var InterruptProducer = interruptProducer

// EndProducer is how a Conn closes a producer.
var EndProducer = endProducer

// TransferProducer calls the transfer of a producer that has one.
func TransferProducer(p Producer, w io.ReaderFrom) (int64, error) {
	return p.(transferrer).transfer(w)
}

// A slowWriter writes all that it is given, when it is told to.
type slowWriter struct {
	t    *testing.T
	goOn chan struct{}
}

func (w slowWriter) start() { w.t.Error("a goroutine was started") }
func (w slowWriter) join()  {}
func (w slowWriter) leave() {}

func (w slowWriter) hold(bool) {}

func (w slowWriter) writeNow(data []byte) int {
	<-w.goOn
	return len(data)
}

// Who waits for room while a push is written at once goes on when that is done.
func TestRoomAfterWriteNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		q.init(10, new(buffers))
		w := slowWriter{t, make(chan struct{})}
		q.writer, q.solo.expected = w, true
		done := make(chan error)
		go func() { done <- q.push(make([]byte, 20)) }() // alone, it may be larger
		synctest.Wait()
		go func() {
			fits := func() bool { return q.fits(5) }
			done <- q.wait(context.Background(), fits, func() { q.count(5) })
		}()
		synctest.Wait()
		close(w.goOn)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := q.queued(); n != 5 {
			t.Errorf("%d bytes are queued, want 5", n)
		}
	})
}
