// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package logqueue keeps a log that nobody reads from stopping a server.
//
// A handler of package log/slog writes while it is called. If standard error is a pipe
// that is full, every goroutine that logs blocks for ever. A [Writer] is put between the
// handler and the pipe. It drops records for which there is no room.
//
// A closed pipe is another problem. By Go's rule (see package os/signal), a write to a
// closed pipe on file descriptor 1 or 2 ends the program with SIGPIPE. A program that
// must outlive the reader of its log calls signal.Ignore(syscall.SIGPIPE) at its start.
// Then the write fails, and the Writer goes on. All together:
//
//	signal.Ignore(syscall.SIGPIPE)
//	log := logqueue.New(os.Stderr, 0)
//	logger := slog.New(slog.NewTextHandler(log, nil))
//	... // write everything to log instead of os.Stderr, also the last lines
//	log.Close()
package logqueue

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// CloseTimeout is how long [Writer.Close] waits for the waiting records to be written.
const CloseTimeout = time.Second

// defaultSize is the default size of a Writer, in bytes.
const defaultSize = 256 << 10

// A Writer passes records on to another writer, in order. It does so on its own
// goroutine. Its methods may be called concurrently.
type Writer struct {
	out     io.Writer
	size    int
	done    chan struct{} // closed when the goroutine ends
	abandon atomic.Bool   // the time of Close is over, so the waiting records are given up

	mu      sync.Mutex
	changed sync.Cond // signals a change of waiting or closed
	waiting batch
	closed  bool

	// Owned by the goroutine:
	lost int   // the number of records for which out has failed and that were not reported yet
	err  error // the last failure
	torn bool  // out has written a part of a line
}

// A batch is a list of records that wait.
type batch struct {
	data    []byte
	ends    []int // the ends of the records in data
	dropped int   // the number of records that came after these and had no room
}

// New returns a Writer to out. Its goroutine runs until [Writer.Close]. While out accepts
// nothing, records of up to size bytes together can wait. As many more may be in the
// batch that is being written. If size is zero or negative, it is 256 KiB.
//
// The Writer calls out.Write once for each record, and never twice at the same time. If
// out fails, for whatever reason, the record is lost and the Writer goes on with the next
// one. When out works again, a line in the log says how many records were lost.
func New(out io.Writer, size int) *Writer {
	if size <= 0 {
		size = defaultSize
	}
	w := &Writer{out: out, size: size, done: make(chan struct{})}
	w.changed.L = &w.mu
	go w.run()
	return w
}

// Write adds one record, which is copied. It never blocks. If there is no room for a
// record, it is dropped. Then all further records are dropped, too, until the goroutine
// takes the records that wait. After these, a line in the log says how many were dropped.
// A record that is larger than size has room only if no other waits.
//
// Write returns no error for a record that is dropped. After Close it returns
// [os.ErrClosed].
func (w *Writer) Write(record []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &w.waiting
	switch {
	case w.closed:
		return 0, os.ErrClosed
	case b.dropped > 0 || len(b.ends) > 0 && len(b.data)+len(record) > w.size:
		b.dropped++
	default:
		b.data = append(b.data, record...)
		b.ends = append(b.ends, len(b.data))
		w.changed.Signal()
	}
	return len(record), nil
}

// Close accepts no more records. It blocks until the waiting records have been written.
// The error says how many records were lost at the end, and why. After [CloseTimeout],
// Close gives up the waiting records, interrupts the write that is under way, and returns
// [context.DeadlineExceeded]. A second call of Close waits, too.
//
// Close can interrupt a write if out has a SetWriteDeadline that works. That is so for a
// network connection, and for a pipe that is in non-blocking mode when [os.NewFile] is
// called or the program starts. A standard error that is a pipe seldom is in that mode,
// and setting it would change the pipe for all processes that share it. If Close can't
// interrupt the write, it returns before its goroutine has ended. The goroutine then ends
// with the write, or with the program.
func (w *Writer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), CloseTimeout)
	defer cancel()
	return w.closeBefore(ctx)
}

// closeBefore is Close with another limit: the end of ctx, whose cause it returns then.
func (w *Writer) closeBefore(ctx context.Context) error {
	w.mu.Lock()
	w.closed = true
	w.changed.Signal()
	w.mu.Unlock()
	select {
	case <-w.done:
		if w.lost > 0 {
			return fmt.Errorf("logqueue: %d records were lost: %w", w.lost, w.err)
		}
		return nil
	case <-ctx.Done():
	}
	w.abandon.Store(true)
	out, ok := w.out.(interface{ SetWriteDeadline(time.Time) error })
	if ok && out.SetWriteDeadline(time.Unix(1, 0)) == nil {
		<-w.done
		out.SetWriteDeadline(time.Time{}) // from now on out belongs to the caller again
	}
	return context.Cause(ctx)
}

// run writes records until the Writer is closed.
func (w *Writer) run() {
	defer close(w.done)
	var b batch
	for w.take(&b) {
		start := 0
		for _, end := range b.ends {
			w.write(b.data[start:end])
			start = end
		}
		if b.dropped > 0 {
			w.write(fmt.Appendf(nil, "logqueue: %d records were dropped because the log was not read\n", b.dropped))
		}
	}
}

// take waits for records and puts them into b, in place of those that b has. It reports
// false if there are no more.
func (w *Writer) take(b *batch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting.ends) == 0 && !w.closed {
		w.changed.Wait()
	}
	*b, w.waiting = w.waiting, batch{data: b.data[:0], ends: b.ends[:0]}
	return len(b.ends) > 0
}

// write writes one record. If out has failed before, it first writes a line about the
// lost records.
func (w *Writer) write(record []byte) {
	if w.abandon.Load() {
		return
	}
	if w.lost > 0 {
		note := fmt.Appendf(nil, "logqueue: %d records were lost: %v\n", w.lost, w.err)
		if w.torn {
			note = append([]byte("\n"), note...)
		}
		if !w.try(note) {
			w.lost++ // this record is lost as well: out would fail again
			return
		}
		w.lost, w.torn = 0, false
	}
	if !w.try(record) {
		w.lost++
	}
}

// try writes p to out and reports whether out has written all of it.
func (w *Writer) try(p []byte) bool {
	n, err := w.out.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = err
		w.torn = w.torn || n > 0
	}
	return err == nil
}
