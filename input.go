// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"errors"
	"fmt"
	"os"
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
	if found := c.framer.found; found != c.messagesRead.Load() {
		c.messagesRead.Store(found)
	}
	switch {
	case c.discarding:
	case c.framer.stop.Load():
		return 0, errClosed
	case c.shutting.Load():
		return 0, ErrServerClosed
	}
	return c.stream.Read(p)
}

// gotInput notes what the network said to a read and returns its error, by the
// name that we have for it. It is for the stream, as are beginWait and
// interrupted.
func (c *Conn) gotInput(n int, err error) error {
	c.endWait()
	c.bytesRead.Add(int64(n))
	if err != nil {
		if c.isClosed() {
			err = errClosed // whatever nc calls it
		}
		c.broken = err
	}
	return err
}

// beginWait makes ready to wait for input, or to go on with that after an
// interruption: it sets the deadline, or says why there must be no wait.
func (c *Conn) beginWait() error {
	if !c.inWait {
		c.inWait = true
		c.inMessage = c.cfg.MessageTimeout > 0 && c.framer.inMessage()
		if c.timed != c.framer.ends {
			c.timed, c.spent = c.framer.ends, 0
		}
		if c.inMessage || c.cfg.IdleTimeout > 0 {
			c.waiting = time.Now()
		}
	}
	return c.arm()
}

// endWait takes the time of a wait.
func (c *Conn) endWait() {
	if c.inWait && c.inMessage {
		c.spent += time.Since(c.waiting)
	}
	c.inWait = false
}

// A timeout says which limit a deadline comes from.
type timeout int

const (
	noTimeout timeout = iota
	messageTimeout
	idleTimeout
	writeTimeout
	lingerTimeout
)

func (c *Conn) timeoutError(t timeout) error {
	var what string
	switch t {
	case messageTimeout:
		what = fmt.Sprintf("message not complete after %v (Config.MessageTimeout)", c.cfg.MessageTimeout)
	case idleTimeout:
		what = fmt.Sprintf("no byte moved for %v (Config.IdleTimeout)", c.cfg.IdleTimeout)
	case writeTimeout:
		what = fmt.Sprintf("the peer accepted nothing for %v (Config.WriteTimeout)", c.cfg.writeTimeout())
	case lingerTimeout:
		return errLingered
	}
	return fmt.Errorf("framer: %s: %w", what, os.ErrDeadlineExceeded)
}

// arm sets the deadline for a wait, or says why there must be none.
func (c *Conn) arm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == StateClosed, c.state == StateActive && c.framer.stop.Load():
		return errClosed
	case c.state == StateActive && c.shutting.Load():
		return ErrServerClosed
	}
	deadline, which := c.readDeadline()
	if which == lingerTimeout && c.lingerOn() {
		deadline, which = c.readDeadline()
	}
	if which != noTimeout && !deadline.After(time.Now()) {
		return c.timeoutError(which)
	}
	if !deadline.Equal(c.deadline) {
		c.deadline = deadline
		c.nc.SetReadDeadline(deadline)
	}
	return nil
}

// lingerOn prolongs an expired wait for the peer's end if the peer has taken
// output since it began: as long as there is some in the system's buffer, to
// close could destroy it. c.mu must be held.
func (c *Conn) lingerOn() bool {
	if c.linger == 0 || time.Now().Before(c.lingerEnd) {
		return false
	}
	before := c.unsent
	c.unsent = unsent(c.nc)
	if c.unsent == 0 || c.unsent >= before {
		return false
	}
	c.lingerEnd = time.Now().Add(c.linger)
	return true
}

// readDeadline returns the earliest deadline that applies to a wait. c.mu must be
// held.
func (c *Conn) readDeadline() (deadline time.Time, which timeout) {
	until := func(t time.Time, w timeout) {
		if which == noTimeout || t.Before(deadline) {
			deadline, which = t, w
		}
	}
	if c.state == StateActive {
		if c.inMessage {
			until(c.waiting.Add(c.cfg.MessageTimeout-c.spent), messageTimeout)
		}
	} else if !c.lingerEnd.IsZero() {
		until(c.lingerEnd, lingerTimeout)
	} else if d := c.cfg.writeTimeout(); d > 0 {
		until(c.lastMoved().Add(d), writeTimeout)
	}
	if d := c.cfg.idleTimeout(); d > 0 {
		last := c.waiting
		if moved := c.lastMoved(); moved.After(last) {
			last = moved
		}
		until(last.Add(d), idleTimeout)
	}
	return deadline, which
}

// lastMoved returns when output has moved last. How a write gets on is known only
// at its end; until then, its own deadline is what counts. c.mu must be held.
func (c *Conn) lastMoved() time.Time {
	if c.writing.Load() {
		return time.Now()
	}
	return c.moved
}

// interrupted notes that a deadline has ended a wait, and reports whether it had
// expired. In any case it must be set anew.
func (c *Conn) interrupted() (expired bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	expired = !c.deadline.IsZero() && !time.Now().Before(c.deadline)
	c.deadline = longAgo
	return expired
}

// interrupt makes a read return, for stop or shutting to be seen.
func (c *Conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == StateActive {
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
	c.shutting.Store(true)
	c.mu.Lock()
	inHandshake := c.state == StateHandshake
	c.mu.Unlock()
	if inHandshake {
		c.abort(ErrServerClosed)
		return
	}
	c.interrupt()
}
