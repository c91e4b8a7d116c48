// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package logqueue keeps a log that nobody reads from stopping a server.
//
// A handler of package log/slog writes while it is called. Where standard error is
// a pipe that is full, everybody who logs waits, for ever. A [Writer] stands between
// the handler and the pipe, and drops what has no room.
//
// A pipe that is closed is another matter: by Go's rule (package os/signal) a write
// to it on file descriptor 1 or 2 ends the program with SIGPIPE. A program that is
// to outlive the reader of its log calls signal.Ignore(syscall.SIGPIPE) at its
// start; the write then fails, and the Writer goes on. In all:
//
//	signal.Ignore(syscall.SIGPIPE)
//	log := logqueue.New(os.Stderr, 0)
//	logger := slog.New(slog.NewTextHandler(log, nil))
//	... // all that goes to os.Stderr goes to log, the last words as well
//	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
//	defer cancel()
//	log.Close(ctx)
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

// defaultSize is the size of a Writer that was given none, in bytes.
const defaultSize = 256 << 10

// A Writer passes records on to another writer, in order, from a goroutine of its
// own. Its methods may be called concurrently.
type Writer struct {
	out     io.Writer
	size    int
	done    chan struct{} // closed when the goroutine ends
	abandon atomic.Bool   // the context of Close has ended: what waits is given up

	mu      sync.Mutex
	changed sync.Cond // waiting or closed has
	waiting batch
	closed  bool

	// Owned by the goroutine:
	lost int   // records for which out has failed, not reported yet
	err  error // the last failure
	torn bool  // the last record was written in part
}

// A batch is the records that wait.
type batch struct {
	data    []byte
	ends    []int // of the records in data
	dropped int   // records that came after these and had no room
}

// New returns a Writer to out, whose goroutine runs until [Writer.Close]. While out
// takes nothing, records of size bytes in all wait, besides as many that are being
// written; zero or less means 256 KiB. Out sees one Write for each record, never two
// at once. When it fails, for whatever reason, the record is lost, and the next one is
// tried; a line in the log says how many were lost, when there is a log again.
func New(out io.Writer, size int) *Writer {
	if size <= 0 {
		size = defaultSize
	}
	w := &Writer{out: out, size: size, done: make(chan struct{})}
	w.changed.L = &w.mu
	go w.run()
	return w
}

// Write adds one record, which is copied. It never blocks: a record that has no room
// is dropped, and with it all that come before what waits is taken to be written.
// Behind that, a line in the log says how many they were. A record larger than size
// has room only while nothing waits.
//
// The error is nil also for a record that is dropped; after Close it is
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

// Close accepts no more records, and returns when those that wait have been written;
// the error says how many were lost at the end, and why. When ctx ends first, Close
// gives up what waits, interrupts the write under way, and returns the cause. A
// second Close waits, too.
//
// A write can be interrupted where out has a SetWriteDeadline that works: a network
// connection, or a pipe that is in non-blocking mode when [os.NewFile] is called, or
// the program starts. A standard error that is a pipe seldom is, and cannot be made
// so without a change for all the processes that share it. Then Close returns
// without its goroutine, which ends with the write, or with the program.
func (w *Writer) Close(ctx context.Context) error {
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
		out.SetWriteDeadline(time.Time{}) // out is the caller's again
	}
	return context.Cause(ctx)
}

// run writes until the Writer is closed.
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

// take waits for records and puts them in place of those in b. It reports false when
// there will be none.
func (w *Writer) take(b *batch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting.ends) == 0 && !w.closed {
		w.changed.Wait()
	}
	*b, w.waiting = w.waiting, batch{data: b.data[:0], ends: b.ends[:0]}
	return len(b.ends) > 0
}

// write writes one record, behind a line about those for which out has failed.
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
			w.lost++ // the record: out would fail for it as well
			return
		}
		w.lost, w.torn = 0, false
	}
	if !w.try(record) {
		w.lost++
	}
}

// try writes p to out and reports whether all of it was taken.
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
