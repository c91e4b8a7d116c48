// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

const (
	maxJobs  = 10000 // that nobody has reserved
	maxLater = 100   // requests of one connection, behind one that waits
)

var (
	errManyRequests = errors.New("too many requests behind one that waits")
	errSlowWorker   = errors.New("the worker does not read its replies")
)

// A jobQueue holds the jobs that some connections put and others reserve.
type jobQueue struct {
	mu      sync.Mutex
	ready   []string  // jobs
	waiting []*worker // connections that wait for a job, the first one first
}

func (q *jobQueue) newHandler(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n").Limit(510))
	return &worker{Conn: c, jobs: q}
}

// handOut gives jobs to connections that wait. q.mu must be held.
func (q *jobQueue) handOut() {
	for len(q.ready) > 0 && len(q.waiting) > 0 {
		w := q.waiting[0]
		q.waiting = q.waiting[1:]
		w.waits = false
		if w.say("RESERVED " + q.ready[0]) { // otherwise the next one gets the job
			q.ready = q.ready[1:]
			w.goOn()
		}
	}
}

// A worker is the handler of one connection.
type worker struct {
	*framer.Conn
	framer.Collector
	jobs *jobQueue

	// These are guarded by jobs.mu: the goroutines of other connections use them too.
	waits bool     // for a job
	later []string // requests that come after the one that waits
}

// FoundTerminator does not wait for a job: it returns, and the connection is read.
func (w *worker) FoundTerminator() error {
	w.jobs.mu.Lock()
	defer w.jobs.mu.Unlock()
	if len(w.later) == maxLater {
		return w.CloseWithError(errManyRequests)
	}
	w.later = append(w.later, string(w.Bytes()))
	w.Reset()
	w.goOn()
	w.jobs.handOut()
	return nil
}

// goOn answers the requests in order, until one has to wait. jobs.mu must be held.
func (w *worker) goOn() {
	for !w.waits && len(w.later) > 0 {
		verb, job, _ := strings.Cut(w.later[0], " ")
		w.later = w.later[1:]
		switch {
		case verb == "reserve":
			w.waits = true
			w.jobs.waiting = append(w.jobs.waiting, w)
		case verb != "put":
			w.say("UNKNOWN_COMMAND")
		case len(w.jobs.ready) == maxJobs:
			w.say("OUT_OF_MEMORY")
		default:
			w.jobs.ready = append(w.jobs.ready, job)
			w.say("INSERTED")
		}
	}
}

// say pushes a line, and reports whether it could. It uses TryPush, because Push could
// block while all other connections need the mutex.
func (w *worker) say(line string) bool {
	err := w.TryPush([]byte(line + "\r\n"))
	if errors.Is(err, framer.ErrQueueFull) {
		w.CloseWithError(errSlowWorker)
	}
	return err == nil
}

// leave removes w from the connections that wait, and reports whether it was one.
func (w *worker) leave() bool {
	w.jobs.mu.Lock()
	defer w.jobs.mu.Unlock()
	waited := w.waits
	w.waits = false
	w.jobs.waiting = slices.DeleteFunc(w.jobs.waiting, func(other *worker) bool { return other == w })
	return waited
}

// HandleClose is called after every end, whether by the peer or not. While the connection
// is closing, say returns false.
func (w *worker) HandleClose(error) { w.leave() }

// HandleShutdown answers the request that waits.
func (w *worker) HandleShutdown() error {
	if w.leave() {
		w.say("TIMED_OUT")
	}
	return nil
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(jobQueue)
		s := framer.Server{NewHandler: q.newHandler}
		l := framertest.Listen()
		var running sync.WaitGroup
		running.Go(func() { s.Serve(l) })
		dial := func() *framertest.Conn {
			nc, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
		play := func(nc *framertest.Conn, steps ...framertest.Step) {
			framertest.Play(t, nc, steps...)
			synctest.Wait() // the server has done all that it can
		}

		first, gone, second, boss := dial(), dial(), dial(), dial()
		play(first, framertest.Send("reserve\r\nput b\r\nreserve\r\n"))
		play(gone, framertest.Send("reserve\r\n"))
		play(second, framertest.Send("reserve\r\n"))
		play(gone, framertest.Reset())
		if n := len(q.waiting); n != 2 {
			t.Errorf("%d connections wait, want 2: that of a peer that has gone does not", n)
		}

		play(boss, framertest.Send("put a\r\nput c\r\n"),
			framertest.ExpectLine("INSERTED"), framertest.ExpectLine("INSERTED"))
		play(first, framertest.ExpectLine("RESERVED a"),
			framertest.ExpectLine("INSERTED")) // the request that came after it
		play(second, framertest.ExpectLine("RESERVED b"), framertest.Send("reserve\r\n"))
		play(first, framertest.ExpectLine("RESERVED c"))

		running.Go(func() { s.Shutdown(t.Context()) })
		play(second, framertest.ExpectLine("TIMED_OUT"), framertest.ExpectEnd(), framertest.Close())
		play(first, framertest.ExpectEnd(), framertest.Close())
		play(boss, framertest.ExpectEnd(), framertest.Close())
		running.Wait()
	})
}
