// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// A connReader is the input of a Conn, for its Framer.
type connReader struct{ c *Conn }

// errLingered ends the wait for the peer to end its side.
var errLingered = errors.New("framer: the peer did not end its side in time")

// longAgo is a deadline that interrupts a read or a write at once.
var longAgo = time.Unix(1, 0)

// Read reads what has come. The Framer calls it when it has given out all that it can. So
// Read first sends what Replies has gathered, and it is the place where a connection that
// is to be closed, or to leave for a shutdown, ends the input: with an error.
func (r connReader) Read(p []byte) (int, error) {
	c := r.c
	if found := c.framer.found; found != c.traffic.messages.Load() {
		c.traffic.messages.Store(found)
	}
	if c.replies.data != nil {
		if err := c.sendReplies(); err != nil {
			return 0, err
		}
		c.giveBackReplies()
	}
	switch {
	case c.framer.stopped():
		return 0, errClosed
	case c.asked.shutdown.Load() && c.isLate():
		return 0, ErrServerClosed
	}
	return c.stream.Read(p)
}

// An inputWait describes the current wait for input, or the last one, and the message that
// the wait is for. The timeouts of input are counted from it.
type inputWait struct {
	on        bool      // the connection waits for input
	cutShort  bool      // the wait has not shown that nothing comes: it was interrupted, or its end was noticed late
	inMessage bool      // the wait counts for MessageTimeout and MinReadRate
	message   int64     // the number of the message, as counted by framer.ends; -1 before the first one
	pace      pace      // of the message; MessageTimeout counts the same waits
	began     time.Time // when the wait began, if there is a timeout for it
	failed    error     // the error of the last timeout

	late time.Duration // for how long it was repeated because its end was noticed late
}

// A departure is what a connection has to remember while it leaves for a shutdown.
type departure struct {
	stage   departureStage
	reads   int32 // the number of reads since the shutdown was asked for
	bytes   int64 // the number of bytes that had come at the first of them
	message int64 // the message that may still be completed, as counted by framer.ends
}

type departureStage uint8

const (
	staying   departureStage = iota
	noticed                  // the connection knows of the shutdown; what has come may still be read
	finishing                // one message that has begun may still be completed
	left                     // the handler was told; it decides what is still read
)

// After a shutdown was asked for, a connection still reads what may have come before: at
// most so many reads, and so many bytes. A peer that never pauses must not keep it open
// for ever.
const (
	maxLateReads = 16
	maxLateBytes = largeBuffer
)

// isLate is called before a read after a shutdown was asked for. It reports whether the
// connection must leave instead of reading.
func (c *Conn) isLate() bool {
	read := c.traffic.read.Load()
	if c.leaving.reads == 0 {
		c.leaving.bytes = read
	}
	c.leaving.reads++
	if c.leaving.stage < finishing && c.leaving.reads <= maxLateReads && read-c.leaving.bytes < maxLateBytes {
		return false
	}
	return c.mayLeave()
}

// mustLeave is called before a wait after a shutdown was asked for. It reports whether the
// connection must leave instead of waiting. drained says that everything that has come was
// read.
func (c *Conn) mustLeave(drained bool) bool {
	if c.leaving.stage == staying {
		c.leaving.stage = noticed // more may have come since the last read
		return false
	}
	return drained && c.mayLeave()
}

// mayLeave is called when everything that has come was read. It reports whether the
// connection can leave now, because no message has begun that may still be completed.
func (c *Conn) mayLeave() bool {
	switch c.leaving.stage {
	case left:
		return false
	case staying, noticed:
		c.leaving.stage, c.leaving.message = finishing, c.framer.ends
	}
	if c.framer.inMessage() && c.framer.ends == c.leaving.message {
		return false
	}
	c.leaving.stage = left
	return true
}

// readAndDiscard reads from r once, and throws the bytes away.
func (c *Conn) readAndDiscard(r io.Reader) error {
	buf := c.framer.memory.get(smallBuffer)
	defer c.framer.memory.put(buf)
	_, err := r.Read(buf[:cap(buf)])
	return err
}

// discardAll reads from s and throws the bytes away. It returns the error when there is
// nothing to read at the moment, or when there is no point in going on.
func (c *Conn) discardAll(s stream) error {
	for {
		if err := s.discard(); err != nil {
			return err
		}
		c.mu.Lock()
		err := c.lingered(false)
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// gotInput records the result of a read, and returns the error of the read, which it may
// replace. The streams call gotInput, beginWait and interrupted.
func (c *Conn) gotInput(n int, err error) error {
	c.endWait()
	c.traffic.read.Add(int64(n))
	if n > 0 && c.out.notes.Load() {
		c.progress.read()
	}
	switch {
	case err == nil:
	case c.isClosed():
		err = errClosed // whatever error nc has returned
	case err == io.EOF && c.out.writing.Load() && wasReset(c.nc):
		err = opError(c.nc, "read", syscall.ECONNRESET) // Linux has reported the reset to a write, and to nobody else
	}
	c.broken = err
	return err
}

// beginWait prepares a wait for input, or its continuation after an interruption: it sets
// the read deadline. If the connection must not wait, beginWait returns the reason.
// drained says that everything that has come was read, so that a read would in fact block.
func (c *Conn) beginWait(drained bool) error {
	if !c.wait.on {
		c.wait.on, c.wait.late = true, 0
		c.wait.inMessage = (c.config().MessageTimeout > 0 || c.config().MinReadRate > 0) && c.framer.inMessage()
		if c.wait.message != c.framer.ends {
			c.wait.message = c.framer.ends
			c.wait.pace.begin(c.traffic.read.Load() - c.framer.received())
		}
		if c.wait.inMessage || c.config().IdleTimeout > 0 || c.config().ReadIdleTimeout > 0 {
			c.wait.began = time.Now()
		}
	}
	if c.asked.halfClose.Load() {
		c.queue.close() // the handler has pushed all its answers to what has come
	}
	err := c.arm(drained)
	if err != nil {
		// If the handler goes on nevertheless, the next wait has the whole time again.
		c.wait.on, c.wait.message = false, -1
	}
	return err
}

// endWait records that the wait is over, and how long it took.
func (c *Conn) endWait() {
	if c.wait.on && c.wait.inMessage {
		c.wait.pace.waited += time.Since(c.wait.began)
	}
	c.wait.on = false
}

// timeoutError returns a *TimeoutError with the reason which, and the text for it.
func (c *Conn) timeoutError(which EndReason) *TimeoutError {
	var text string
	switch which {
	case EndHandshakeTimeout:
		text = fmt.Sprintf("TLS handshake not complete after %v (Config.HandshakeTimeout)", c.config().handshakeTimeout())
	case EndMessageTimeout:
		text = fmt.Sprintf("message not complete after %v (Config.MessageTimeout)", c.config().MessageTimeout)
	case EndIdleTimeout:
		text = fmt.Sprintf("no byte moved for %v (Config.IdleTimeout)", c.config().IdleTimeout)
	case EndReadIdleTimeout:
		text = fmt.Sprintf("no byte came for %v (Config.ReadIdleTimeout)", c.config().ReadIdleTimeout)
	case EndMinReadRate:
		text = fmt.Sprintf("the peer sends less than %d bytes a second (Config.MinReadRate)", c.config().MinReadRate)
	case EndMinWriteRate:
		text = fmt.Sprintf("the peer takes less than %d bytes a second (Config.MinWriteRate)", c.config().MinWriteRate)
	case EndWriteTimeout:
		text = fmt.Sprintf("the peer accepted nothing for %v (Config.WriteTimeout)", c.config().writeTimeout())
	}
	return &TimeoutError{which, text}
}

// arm sets the read deadline for a wait. If the connection must not wait, arm returns the
// reason.
func (c *Conn) arm(drained bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	shutting := c.state == StateActive && c.asked.shutdown.Load()
	cutShort := c.wait.cutShort
	c.wait.cutShort = false
	drained = drained && !cutShort
	switch {
	case c.state == StateClosed, c.state == StateActive && c.framer.stopped():
		return errClosed
	case shutting && c.mustLeave(drained):
		return ErrServerClosed
	}
	if err := c.lingered(cutShort); err != nil {
		return err
	}
	deadline, which := c.readDeadline()
	if which != NotEnded && which != EndLingerTimeout && !deadline.After(time.Now()) { // lingered has checked its own limit
		err := c.timeoutError(which)
		if which != EndMinReadRate {
			c.wait.failed = err
		}
		return err
	}
	if shutting && c.leaving.stage == noticed {
		if soon := time.Now().Add(pause); which == NotEnded || deadline.After(soon) {
			deadline = soon // wait only for what has come already
		}
	}
	if !deadline.Equal(c.deadline) {
		c.deadline = deadline
		c.nc.SetReadDeadline(deadline)
	}
	return nil
}

// readDeadline returns the earliest deadline that applies to a wait for input, and the
// timeout that it belongs to. If there is none, which is NotEnded. c.mu must be held.
func (c *Conn) readDeadline() (deadline time.Time, which EndReason) {
	until := func(t time.Time, w EndReason) {
		if which == NotEnded || t.Before(deadline) {
			deadline, which = t, w
		}
	}
	if c.state != StateActive {
		// While there is output, progress is responsible for the timeouts.
		if c.linger != nil {
			until(c.linger.end, EndLingerTimeout)
		}
		return deadline, which
	}
	if c.wait.inMessage {
		if d := c.config().MessageTimeout; d > 0 {
			until(c.wait.began.Add(d-c.wait.pace.waited), EndMessageTimeout)
		}
		if rate := c.config().MinReadRate; rate > 0 {
			until(c.wait.began.Add(c.wait.pace.left(c.traffic.read.Load(), rate)), EndMinReadRate)
		}
	}
	if d := c.config().idleTimeout(); d > 0 {
		last := c.wait.began
		if moved := c.progress.lastMoved(); moved.After(last) {
			last = moved
		}
		until(last.Add(d), EndIdleTimeout)
	}
	if d := c.config().ReadIdleTimeout; d > 0 {
		until(c.wait.began.Add(d), EndReadIdleTimeout)
	}
	return deadline, which
}

// A linger is the wait for the peer to end its side, after the end of our output. The wait
// is needed because closing a TCP connection that has unread input, or is about to get
// some, destroys output that the peer has not received yet.
type linger struct {
	timeout time.Duration // how long to wait; 0 means not at all
	end     time.Time     // when to look again whether the wait is over
	limit   time.Time     // when the wait is over, even if the peer goes on taking output
	taken   time.Time     // when the peer's system has last acknowledged output
	unsent  int           // how many bytes it had not acknowledged then
	waits   bool          // at the last look, output was not acknowledged yet
	blind   bool          // the peer can't see the end of the output
	read    int64         // how many bytes had come at the last look
}

// minLook is how long at least a linger waits between two looks.
const minLook = time.Millisecond

// minLingerRate is how fast the peer must take the output that is left, in bytes a second.
// Otherwise the wait does not go on.
const minLingerRate = 512

// If the connection can't tell whether everything that has come was read, this is assumed
// when nothing has come for the duration of pause.
const pause = 10 * time.Millisecond

// newLinger begins the wait. unsent is how many bytes the peer has not acknowledged. half
// says that the peer can see the end of the output.
func newLinger(timeout time.Duration, unsent int, half bool) *linger {
	now := time.Now()
	l := &linger{timeout: timeout, unsent: unsent, taken: now, blind: !half}
	l.limit = now.Add(timeout)
	if l.blind {
		l.timeout = min(timeout, pause) // read what has come
	} else {
		l.limit = l.limit.Add(time.Duration(unsent) * (time.Second / minLingerRate))
	}
	l.end = now.Add(l.timeout)
	return l
}

// lingered returns an error if the wait for the peer to end its side is over. cutShort says
// that input may have come that was not read. c.mu must be held.
func (c *Conn) lingered(cutShort bool) error {
	l := c.linger
	if l == nil || c.state == StateActive { // the output has ended, but the input goes on: after CloseWrite, for instance
		return nil
	}
	now := time.Now()
	switch {
	case now.Before(l.end):
		return nil
	case l.timeout == 0:
		return errLingered
	case l.blind:
		read := c.traffic.read.Load()
		if read == l.read && !cutShort || !now.Before(l.limit) {
			return errLingered
		}
		l.read = read
	default:
		before := l.unsent
		l.unsent, _ = unsent(c.nc)
		if l.unsent != before {
			l.taken = now
		}
		// The FIN itself counts as one byte. If more is not acknowledged, output still
		// waits. When all of it is acknowledged, the peer has the whole timeout again to
		// end its side.
		waited := l.waits
		l.waits = l.unsent > 1
		switch timeout := c.config().writeTimeout(); {
		case !l.waits && !waited:
			return errLingered
		case !l.waits:
		case !now.Before(l.limit), timeout > 0 && now.Sub(l.taken) >= timeout:
			return &TimeoutError{EndLingerTimeout, fmt.Sprintf("closed before the peer took the last %d bytes (Config.LingerTimeout)", l.unsent)}
		}
	}
	l.end = now.Add(max(l.timeout, minLook))
	return nil
}

// interrupted records that a deadline has ended a wait, and reports whether our deadline
// has expired. In both cases a new one must be set.
func (c *Conn) interrupted() (expired bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	over := time.Since(c.deadline)
	expired = !c.deadline.IsZero() && over >= 0
	switch {
	case c.deadline.Equal(longAgo):
		c.wait.cutShort = true
	case expired && over > tardiness && c.wait.late+pause+over <= maxLate:
		// The machine is busy. The read may have begun after the deadline. Then it has
		// not looked for input.
		c.wait.cutShort = true
		c.wait.late += pause + over
	default:
		c.wait.cutShort, c.wait.late = false, 0
	}
	c.deadline = longAgo
	return expired
}

// If a deadline is noticed later than tardiness, it is not known whether there was input,
// so the wait is repeated, but not for longer than maxLate. (A net.Conn may be late every
// time, because it sets deadlines of its own.)
const (
	tardiness = pause / 4
	maxLate   = 300 * time.Millisecond
)

// interrupt makes a read return, so that the goroutine of Serve notices what it was asked
// for.
func (c *Conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == StateActive && !c.upgrade.isShaking() {
		c.deadline = longAgo
		c.nc.SetReadDeadline(longAgo)
	}
}

func (c *Conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == StateClosed
}

// shutdown asks the connection to leave: the handler can say goodbye first. A connection
// in a TLS handshake is closed at once.
func (c *Conn) shutdown() {
	c.asked.shutdown.Store(true)
	c.mu.Lock()
	inHandshake := c.state == StateHandshake
	c.mu.Unlock()
	if inHandshake {
		c.abort(ErrServerClosed, inOrder)
		return
	}
	c.interrupt()
}
