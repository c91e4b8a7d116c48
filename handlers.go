// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"errors"
	"io"
)

// A Collector keeps the pieces of a message together. Embedded in a [Handler] it
// provides CollectIncomingData. The zero value is empty and ready.
//
// When a message is thrown away, because it is too long and an [OversizeHandler]
// wants to go on, an embedded Collector is emptied: nothing of it becomes part of
// the next message.
//
// Its size is bounded by MaxMessageSize, or the Limit of the Terminator. Under [None], where that does not apply to
// the message, it applies to an embedded Collector: if it has more, after a piece,
// the rest of the input is a message that is too long.
type Collector struct {
	message gathering
}

// collectorStep is how much a Collector collects in one piece of memory, in bytes.
const collectorStep = 64 << 10

// CollectIncomingData appends a copy of data.
func (c *Collector) CollectIncomingData(data []byte) error {
	m := &c.message
	if n := len(m.last); n > 0 && len(data) > cap(m.last)-n && m.before+n+len(data) > collectorStep {
		m.add(nil, data)
		return nil
	}
	m.last = append(m.last, data...)
	return nil
}

// Grow makes room for n more bytes, which are then collected without another
// allocation or copy, as Grow of [bytes.Buffer]. It is for a message whose length is
// known. Grow takes memory for what was collected and for n bytes, and no more; but a
// fifth more if it has to move the same message again.
//
// The memory is taken at once, whether the bytes come or not. A length that a peer has
// announced should be within limits before it is passed to Grow, as one is that
// SetTerminator has accepted in a [Length].
//
// If n is negative, Grow panics.
func (c *Collector) Grow(n int) {
	if n < 0 {
		panic("framer: Collector.Grow: negative count")
	}
	m := &c.message
	switch {
	case m.len() > 0:
		m.join(nil, n)
	case cap(m.last) < n:
		m.last = make([]byte, 0, n)
	}
}

// Bytes returns what was collected. It is lent: valid until the next call of a
// method other than Bytes and Len.
func (c *Collector) Bytes() []byte { return c.message.join(nil, 0) }

// Len returns the number of bytes collected.
func (c *Collector) Len() int { return c.message.len() }

// Take returns what was collected, which belongs to the caller, and leaves the
// Collector empty.
func (c *Collector) Take() []byte {
	if len(c.message.full) > 0 {
		c.message.join(nil, takeRoom)
	}
	taken := c.message.last
	c.message = gathering{}
	return taken
}

// collector is found in a Handler that embeds a Collector.
func (c *Collector) collector() *Collector { return c }

// collectorOf returns the Collector that h embeds, or nil.
func collectorOf(h Handler) *Collector {
	if e, ok := h.(interface{ collector() *Collector }); ok {
		return e.collector()
	}
	return nil
}

// takeRoom is the room behind a large message that was taken, in bytes. Whoever
// appends a delimiter shall not copy all of it for that.
const takeRoom = 64

// Reset forgets what was collected. The memory is used again.
func (c *Collector) Reset() { c.message.reset(nil) }

// A session is a Handler that reads for itself. Its methods are never called.
type session func(c *Conn) error

func (session) CollectIncomingData([]byte) error { return nil }
func (session) FoundTerminator() error           { return nil }

// Session makes handlers of straight-line code, which calls [Conn.Next] for the
// messages it wants:
//
//	framer.Session(func(c *framer.Conn) error {
//		for {
//			line, err := c.Next(framer.Delimiter("\r\n"))
//			if err != nil {
//				return err
//			}
//			fmt.Fprintf(c, "you said %q\r\n", line)
//		}
//	})
//
// f runs on the goroutine of Serve. When it returns, what it has pushed is sent
// and the connection closed. Its error is the reason why the connection ended. An
// [io.EOF] that Next has returned, as it is, and [ErrServerClosed] count as an orderly
// end.
func Session(f func(c *Conn) error) func(*Conn) Handler {
	return func(*Conn) Handler { return session(f) }
}

// messages is a Handler that is given its messages whole. Its methods are never
// called.
type messages struct {
	t Terminator
	f func(c *Conn, msg []byte) error
}

func (messages) CollectIncomingData([]byte) error { return nil }
func (messages) FoundTerminator() error           { return nil }

// Messages makes handlers that call f for every message, which ends as t says. msg
// is lent: valid until f returns; it is not copied if it lies whole in the read
// buffer. f may set another terminator, which rules from the next message on. An
// error of f ends the connection, as that of a Handler does.
func Messages(t Terminator, f func(c *Conn, msg []byte) error) func(*Conn) Handler {
	m := messages{t, f}
	return func(*Conn) Handler { return m }
}

// run is the life of c.
func (m messages) run(c *Conn) ending {
	if err := c.SetTerminator(m.t); err != nil {
		return ending{err: err, by: byHandler}
	}
	var failed ending
	err := c.stream.await(func() error {
		for {
			msg, err := c.next()
			if err != nil {
				return err
			}
			if err := m.f(c, msg); err != nil || c.framer.refused != nil {
				if failed = c.endOfHandler(err); failed.err != nil {
					return failed.err
				}
			}
		}
	})
	if failed.err != nil {
		return failed
	}
	return c.endOfInput(err)
}

// endOfSession returns the ending for what the function of a Session has returned. It
// has mostly handed on what Next has said.
func (c *Conn) endOfSession(err error) ending {
	switch {
	case err == nil && c.framer.refused != nil:
		return c.endOfHandler(nil)
	case err == nil:
		return ending{what: endBySession}
	case errors.Is(err, ErrServerClosed):
		return ending{what: endByShutdown}
	case c.nextErr == nil || !errors.Is(err, c.nextErr):
		return c.endOfHandler(err)
	case err == io.EOF:
		return ending{what: endByPeer}
	}
	return ending{err: err, by: c.endOfInput(c.nextErr).by}
}

// Next returns the next message, which ends as t says. It is [Framer.Next] for
// the function of a [Session], which alone may call it.
//
// When the server shuts down, Next returns [ErrServerClosed] once, where it would have
// to wait between two messages, so that the function can say goodbye, or go on to
// finish what it has begun. After Close and CloseWhenDone it returns an error that is
// [net.ErrClosed].
//
// After a timeout, Next can go on: it has the whole time again.
func (c *Conn) Next(t Terminator) ([]byte, error) {
	if _, ok := c.handler.(session); !ok {
		return nil, errors.New("framer: Next called outside of a Session")
	}
	msg, err := c.nextWithin(t)
	if err != nil {
		c.nextErr = err
	}
	return msg, err
}

func (c *Conn) nextWithin(t Terminator) ([]byte, error) {
	if c.framer.stop.Load() {
		return nil, errClosed
	}
	msg, err := c.framer.Next(t)
	if err != errWouldBlock {
		return msg, err
	}
	if c.goOn == nil {
		c.goOn = c.goOnWithNext // once: it allocates
	}
	err = c.stream.await(c.goOn)
	msg, c.message = c.message, nil
	if err != nil && msg == nil {
		msg = c.framer.unfinishedMessage() // the wait has failed, or it begins anew
	}
	return msg, err
}

func (c *Conn) goOnWithNext() (err error) {
	c.message, err = c.next()
	return err
}

// next is Next under the terminator in force.
func (c *Conn) next() ([]byte, error) {
	if c.framer.stop.Load() {
		return nil, errClosed
	}
	return c.framer.nextMessage()
}
