// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/goframer/framer/internal/poison"
)

// bufferSize is how many bytes a [Conn] takes before the other end reads them.
const bufferSize = 64 << 10

// Pipe returns the two ends of a connection in memory. Unlike those of
// [net.Pipe] they are buffered, 64 KiB each way, and behave like TCP in what
// matters to the end of a connection:
//
//   - each direction can be ended for itself, with CloseWrite;
//   - to close an end that has unread input, or to write to an end that was
//     closed, resets the connection;
//   - a reset destroys what was written and not yet read. TCP may do that; a Pipe
//     always does.
//
// A Pipe works in the bubbles of [testing/synctest], if both ends are used in the
// same one.
func Pipe() (*Conn, *Conn) {
	ab, ba := newStream(), newStream()
	a := &Conn{in: ba, out: ab, local: "a", remote: "b"}
	b := &Conn{in: ab, out: ba, local: "b", remote: "a"}
	return a, b
}

// A Conn is one end of a [Pipe]. Its methods may be called from any goroutine.
//
// Its errors are those of a TCP connection. [io.EOF] is returned as it is. Any other is a
// [*net.OpError]: it is [net.ErrClosed] after Close, [os.ErrDeadlineExceeded] after a
// deadline, [syscall.ECONNRESET] after a reset, or [syscall.EPIPE] after CloseWrite.
//
// See ExamplePipe, ExampleConn_Close and ExampleConn_HoldReads in example_test.go.
type Conn struct {
	in, out       *stream
	local, remote addr
	resets        atomic.Bool // Close resets the connection
}

var _ net.Conn = (*Conn)(nil)

// Read reads what the other end has written. After that it returns [io.EOF] if
// the other end has ended its output.
//
// All of p is overwritten, as an [io.Reader] may do, so that memory that was lent
// until the next read shows it if it was kept; see [Poison].
func (c *Conn) Read(p []byte) (int, error) {
	poison.First.Overwrite(p)
	n, err := c.in.read(p)
	return n, c.opError("read", err)
}

// Write writes p. It blocks while the buffer, of 64 KiB, is full, or another Write goes
// on. p may be used again when Write returns.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	if err == syscall.ECONNRESET {
		c.in.change((*stream).fail)
	}
	return n, c.opError("write", err)
}

// CloseWrite ends the output. The other end reads what there is, then [io.EOF].
func (c *Conn) CloseWrite() error { return c.opError("close", c.out.end()) }

// Close closes this end. The other end can still read what was written, unless the
// connection is reset: because this end has unread input, or because of SetLinger. Close
// may be called more than once, and always returns nil.
func (c *Conn) Close() error {
	unread := c.in.abandon()
	c.out.close(unread || c.resets.Load())
	return nil
}

// Reset closes this end and resets the connection, as the system of a crashed
// program may do.
func (c *Conn) Reset() error {
	c.resets.Store(true)
	return c.Close()
}

// SetLinger is [net.TCPConn.SetLinger]. If sec is 0, Close resets the connection. Any
// other number has no effect: Close never waits.
func (c *Conn) SetLinger(sec int) error {
	c.resets.Store(sec == 0)
	return nil
}

// HoldReads stops what the other end sends from arriving, including its end and a reset,
// until HoldReads is called with false. It makes a peer that is slow to send, or a
// network that does not deliver.
func (c *Conn) HoldReads(hold bool) { c.in.change(func(s *stream) { s.held = hold }) }

// HoldWrites stops writes from being accepted, until HoldWrites is called with false. It
// makes a peer that does not read and whose buffers are full.
func (c *Conn) HoldWrites(hold bool) { c.out.change(func(s *stream) { s.full = hold }) }

// CutReads limits one Read to n bytes. If n is 0, there is no limit.
func (c *Conn) CutReads(n int) { c.in.change(func(s *stream) { s.readSize = n }) }

// CutWrites makes Write write n bytes at a time. Each time it waits until the other end
// has read all that was written before. If n is 0, there is no limit.
func (c *Conn) CutWrites(n int) { c.out.change(func(s *stream) { s.writeSize = n }) }

// LocalAddr returns the address of this end, which is only a name.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end, which is only a name.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets the deadlines of Read and of Write.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of Read. It also applies to a Read that is blocked.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.opError("set", c.in.setReadDeadline(t))
}

// SetWriteDeadline sets the deadline of Write. It also applies to a Write that is
// blocked.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.opError("set", c.out.setWriteDeadline(t))
}

// opError wraps err as package net does.
func (c *Conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// An addr is the address of an end.
type addr string

func (addr) Network() string  { return "pipe" }
func (a addr) String() string { return string(a) }

// A stream is one direction of a Pipe. An operation that can't go on waits for a change.
// The mutex is never held for long, so that a bubble does not block on it.
type stream struct {
	mu      sync.Mutex
	changed sync.Cond // its L is &mu
	buf     bytes.Buffer

	// These fields belong to the writer's side.
	writing       bool // a write is under way
	ended         bool // nothing more will be written
	closed        bool // the writer has closed its end
	full          bool // set by HoldWrites
	writeSize     int  // set by CutWrites
	writeDeadline deadline

	// These fields belong to the reader's side.
	abandoned    bool // the reader has closed its end
	reset        bool
	held         bool // set by HoldReads
	readSize     int  // set by CutReads
	readDeadline deadline
}

func newStream() *stream {
	s := new(stream)
	s.changed.L = &s.mu
	return s
}

// change calls f with s and wakes all operations that wait.
func (s *stream) change(f func(*stream)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
	s.changed.Broadcast()
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.abandoned:
			return 0, net.ErrClosed
		case len(p) == 0:
			return 0, nil
		case s.readDeadline.passed:
			return 0, os.ErrDeadlineExceeded
		case s.held:
		case s.reset:
			return 0, syscall.ECONNRESET
		case s.buf.Len() > 0:
			if s.readSize > 0 {
				p = p[:min(len(p), s.readSize)]
			}
			s.changed.Broadcast()
			return s.buf.Read(p)
		case s.ended:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.writing && s.writeError() == nil {
		s.changed.Wait()
	}
	if err := s.writeError(); err != nil {
		return 0, err
	}
	s.writing = true
	defer func() {
		s.writing = false
		s.changed.Broadcast()
	}()
	for n < len(p) {
		if err := s.writeError(); err != nil {
			return n, err
		}
		room := min(s.room(), len(p)-n)
		if room == 0 {
			s.changed.Wait()
			continue
		}
		s.buf.Write(p[n : n+room])
		s.changed.Broadcast()
		n += room
	}
	return n, nil
}

// writeError returns why nothing can be written, or nil. s.mu must be held.
func (s *stream) writeError() error {
	switch {
	case s.closed:
		return net.ErrClosed
	case s.writeDeadline.passed:
		return os.ErrDeadlineExceeded
	case s.ended:
		return syscall.EPIPE
	case s.abandoned:
		return syscall.ECONNRESET
	}
	return nil
}

// room returns how many bytes can be written now. s.mu must be held.
func (s *stream) room() int {
	switch {
	case s.full:
		return 0
	case s.writeSize <= 0:
		return bufferSize - s.buf.Len()
	case s.buf.Len() > 0:
		return 0
	}
	return min(s.writeSize, bufferSize)
}

// end ends the output.
func (s *stream) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.ended = true
	s.changed.Broadcast()
	return nil
}

// close closes the writer's end. Only the first call counts.
func (s *stream) close(reset bool) {
	s.change(func(s *stream) {
		if s.closed {
			return
		}
		s.ended, s.closed = true, true
		s.writeDeadline.stop()
		if reset {
			s.fail()
		}
	})
}

// abandon closes the reader's end and reports whether it had unread input.
func (s *stream) abandon() (unread bool) {
	s.change(func(s *stream) {
		unread = s.buf.Len() > 0
		s.abandoned = true
		s.readDeadline.stop()
		s.buf = bytes.Buffer{}
	})
	return unread
}

// fail resets the stream. s.mu must be held.
func (s *stream) fail() {
	s.reset = true
	s.buf = bytes.Buffer{}
}

func (s *stream) setReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.abandoned {
		return net.ErrClosed
	}
	s.setDeadline(&s.readDeadline, t)
	return nil
}

func (s *stream) setWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.setDeadline(&s.writeDeadline, t)
	return nil
}

// A deadline is the read or the write deadline of a stream. The stream's mutex guards it.
type deadline struct {
	timer  *time.Timer // sets passed when it fires; may be nil
	passed bool
}

// stop resets d to a deadline that never passes.
func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
	*d = deadline{}
}

// setDeadline sets d, which is a deadline of s, to t. s.mu must be held.
func (s *stream) setDeadline(d *deadline, t time.Time) {
	d.stop()
	defer s.changed.Broadcast()
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		s.change(func(*stream) {
			if d.timer == timer { // otherwise d was changed while the timer fired
				d.passed = true
			}
		})
	})
	d.timer = timer
}
