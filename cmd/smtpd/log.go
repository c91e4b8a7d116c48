// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// A logWriter writes on a goroutine of its own, so that nobody waits for a terminal
// that was stopped or a pipe that nobody reads: what does not fit is lost, and counted.
type logWriter struct {
	lines chan []byte
	lost  atomic.Int64
	end   chan struct{} // closed by close
	ended chan struct{}
}

// Of a logWriter: how many lines may wait, and for how long those that are left are
// waited for.
const (
	logBacklog = 256
	logTimeout = time.Second
)

func newLogWriter(w io.Writer) *logWriter {
	l := &logWriter{
		lines: make(chan []byte, logBacklog),
		end:   make(chan struct{}),
		ended: make(chan struct{}),
	}
	go l.run(w)
	return l
}

// Write queues a copy of line. It never waits and never fails.
func (l *logWriter) Write(line []byte) (int, error) {
	select {
	case l.lines <- bytes.Clone(line):
	default:
		l.lost.Add(1)
	}
	return len(line), nil
}

func (l *logWriter) run(w io.Writer) {
	defer close(l.ended)
	for {
		select {
		case line := <-l.lines:
			l.write(w, line)
			continue
		case <-l.end:
		}
		select {
		case line := <-l.lines:
			l.write(w, line)
		default:
			l.write(w, nil)
			return
		}
	}
}

func (l *logWriter) write(w io.Writer, line []byte) {
	if n := l.lost.Swap(0); n > 0 {
		fmt.Fprintf(w, "smtpd: %d lines of the log were lost\n", n)
	}
	if len(line) > 0 {
		w.Write(line)
	}
}

// close waits until all is written, if that is soon.
func (l *logWriter) close() {
	close(l.end)
	select {
	case <-l.ended:
	case <-time.After(logTimeout):
	}
}
