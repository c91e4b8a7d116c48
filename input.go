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

// errLingered ends the wait for the peer's end.
var errLingered = errors.New("framer: the peer did not end its side in time")

// longAgo is a deadline that interrupts.
var longAgo = time.Unix(1, 0)

// Read reads what there is. It returns early when the connection is to close or
// to shut down.
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
	case c.framer.stop.Load():
		return 0, errClosed
	case c.asked.shutdown.Load() && c.isLate():
		return 0, ErrServerClosed
	}
	return c.stream.Read(p)
}

// An inputWait is what a peer takes its time over: the wait for input that goes on, and
// the message that it is about.
type inputWait struct {
	on        bool          // input is waited for
	cutShort  bool          // the wait was interrupted before its time
	inMessage bool          // and that counts for MessageTimeout and MinReadRate
	message   int64         // counted by framer.ends; -1 if there was none yet
	spent     time.Duration // in waits for that message
	before    int64         // bytes that had come when it began
	began     time.Time     // if it is timed
	failed    error         // the last timeout
}

// A departure is how a connection leaves for a shutdown.
type departure struct {
	stage   departureStage
	reads   int32 // since it was asked for
	bytes   int64 // that had come before
	message int64 // that comes to its end before, counted by framer.ends
}

type departureStage uint8

const (
	staying   departureStage = iota
	noticed                  // what has come may still be read
	finishing                // one message, which has begun, comes to its end
	left                     // the handler knows; what is read after that is up to it
)

// How often, and how much, a connection that shuts down reads of what may have come
// before. A peer that never pauses must not go on for ever.
const (
	maxLateReads = 16
	maxLateBytes = largeBuffer
)

// isLate is for a read after a shutdown was asked for. It reports whether that ends the
// reading now.
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

// mustLeave is isLate for a wait. drained says that what has come was read.
func (c *Conn) mustLeave(drained bool) bool {
	if c.leaving.stage == staying {
		c.leaving.stage = noticed // it may have come since that was read
		return false
	}
	return drained && c.mayLeave()
}

// mayLeave reports whether there is no message that has begun, when what has come was
// read.
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

// readAndDiscard reads from r and throws it away.
func (c *Conn) readAndDiscard(r io.Reader) error {
	buf := c.framer.memory.get(smallBuffer)
	defer c.framer.memory.put(buf)
	_, err := r.Read(buf[:cap(buf)])
	return err
}

// discardAll throws away what comes from s, until nothing does at the moment.
func (c *Conn) discardAll(s stream) error {
	for {
		if err := s.discard(); err != nil {
			return err
		}
		c.mu.Lock()
		err := c.lingered()
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// gotInput notes what the network said to a read and returns its error, by the
// name that we have for it. It is for the stream, as are beginWait and
// interrupted.
func (c *Conn) gotInput(n int, err error) error {
	c.endWait()
	c.traffic.read.Add(int64(n))
	if n > 0 && c.out.notes.Load() {
		c.progress.read()
	}
	switch {
	case err == nil:
	case c.isClosed():
		err = errClosed // whatever nc calls it
	case err == io.EOF && c.out.writing.Load() && wasReset(c.nc):
		err = opError(c.nc, "read", syscall.ECONNRESET) // only a write was told
	}
	c.broken = err
	return err
}

// beginWait makes ready to wait for input, or to go on with that after an
// interruption: it sets the deadline, or says why there must be no wait. drained says
// that what has come was read, so that there would indeed be a wait.
func (c *Conn) beginWait(drained bool) error {
	if !c.wait.on {
		c.wait.on = true
		c.wait.inMessage = (c.config().MessageTimeout > 0 || c.config().MinReadRate > 0) && c.framer.inMessage()
		if c.wait.message != c.framer.ends {
			c.wait.message, c.wait.spent = c.framer.ends, 0
			c.wait.before = c.traffic.read.Load() - c.framer.received()
		}
		if c.wait.inMessage || c.config().IdleTimeout > 0 || c.config().ReadIdleTimeout > 0 {
			c.wait.began = time.Now()
		}
	}
	if c.asked.halfClose.Load() {
		c.queue.close() // all answers were pushed
	}
	err := c.arm(drained)
	if err != nil {
		// If the handler goes on nevertheless, it has the whole time again.
		c.wait.on, c.wait.message = false, -1
	}
	return err
}

// endWait takes the time of a wait.
func (c *Conn) endWait() {
	if c.wait.on && c.wait.inMessage {
		c.wait.spent += time.Since(c.wait.began)
	}
	c.wait.on = false
}

// timeoutError returns the error for the limit that which is the reason of.
func (c *Conn) timeoutError(which EndReason) error {
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

// arm sets the deadline for a wait, or says why there must be none.
func (c *Conn) arm(drained bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	shutting := c.state == StateActive && c.asked.shutdown.Load()
	drained = drained && !c.wait.cutShort
	c.wait.cutShort = false
	switch {
	case c.state == StateClosed, c.state == StateActive && c.framer.stop.Load():
		return errClosed
	case shutting && c.mustLeave(drained):
		return ErrServerClosed
	}
	if err := c.lingered(); err != nil {
		return err
	}
	deadline, which := c.readDeadline()
	if which != NotEnded && which != EndLingerTimeout && !deadline.After(time.Now()) { // lingered decides for itself
		err := c.timeoutError(which)
		if which != EndMinReadRate {
			c.wait.failed = err
		}
		return err
	}
	if shutting && c.leaving.stage == noticed {
		if soon := time.Now().Add(pause); which == NotEnded || deadline.After(soon) {
			deadline = soon // only what has come
		}
	}
	if !deadline.Equal(c.deadline) {
		c.deadline = deadline
		c.nc.SetReadDeadline(deadline)
	}
	return nil
}

// readDeadline returns the earliest deadline that applies to a wait. c.mu must be
// held.
func (c *Conn) readDeadline() (deadline time.Time, which EndReason) {
	until := func(t time.Time, w EndReason) {
		if which == NotEnded || t.Before(deadline) {
			deadline, which = t, w
		}
	}
	if c.state != StateActive {
		// While there is output, progress sees to it that it gets on.
		if c.linger != nil {
			until(c.linger.end, EndLingerTimeout)
		}
		return deadline, which
	}
	if c.wait.inMessage {
		if d := c.config().MessageTimeout; d > 0 {
			until(c.wait.began.Add(d-c.wait.spent), EndMessageTimeout)
		}
		if rate := c.config().MinReadRate; rate > 0 {
			until(c.wait.began.Add(timeFor(c.traffic.read.Load()-c.wait.before, rate)-c.wait.spent), EndMinReadRate)
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

// A linger is the wait for the peer's end, after the output has ended: to close a TCP
// connection that has unread input, or is about to get some, destroys output that the
// peer has not received yet.
type linger struct {
	timeout time.Duration // how long to wait; 0: not at all
	end     time.Time     // when to look whether it is over
	limit   time.Time     // when it is over, whatever the peer takes
	taken   time.Time     // when its system has last acknowledged output
	unsent  int           // what it had not acknowledged then
	waits   bool          // output did, at the last look
	blind   bool          // the peer can't see the end of the output
	read    int64         // what had come at the last look
}

// minLingerRate is what a peer must take of the output that is left, in bytes a second,
// for the wait to go on.
const minLingerRate = 512

// pause is how long nothing must come for it to be clear that what has come was read,
// where the connection can't be asked.
const pause = 10 * time.Millisecond

// newLinger begins the wait with so much unsent. half says that the peer can see the
// end of the output.
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

// lingered returns an error if there must be no further wait for the peer's end.
// c.mu must be held.
func (c *Conn) lingered() error {
	l := c.linger
	if l == nil || c.state == StateActive { // after CloseWrite, for instance
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
		if read == l.read || !now.Before(l.limit) {
			return errLingered
		}
		l.read = read
	default:
		before := l.unsent
		l.unsent, _ = unsent(c.nc)
		if l.unsent != before {
			l.taken = now
		}
		// What is left to be acknowledged, other than the FIN itself, is output
		// that waits. When all of it has been, the peer has as long again to end.
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
	l.end = now.Add(l.timeout)
	return nil
}

// interrupted notes that a deadline has ended a wait, and reports whether it had
// expired. In any case it must be set anew.
func (c *Conn) interrupted() (expired bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	expired = !c.deadline.IsZero() && !time.Now().Before(c.deadline)
	c.wait.cutShort = c.deadline.Equal(longAgo)
	c.deadline = longAgo
	return expired
}

// interrupt makes a read return, for stop or shutting to be seen.
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

// shutdown asks the handler to say goodbye.
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
