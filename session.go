// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import "errors"

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
// and the connection closed. Its error is the reason why the connection ended;
// [io.EOF] and [ErrServerClosed] count as an orderly end.
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
func (m messages) run(c *Conn) error {
	if err := c.SetTerminator(m.t); err != nil {
		return err
	}
	return c.stream.await(func() error {
		for {
			msg, err := c.next()
			if err != nil {
				return err
			}
			if err := m.f(c, msg); err != nil {
				return err
			}
		}
	})
}

// Next returns the next message, which ends as t says. It is [Framer.Next] for
// the function of a [Session], which alone may call it.
//
// When the server shuts down, Next returns [ErrServerClosed] as soon as it would
// have to wait, so that the function can say goodbye. After Close and
// CloseWhenDone it returns an error that is [net.ErrClosed].
func (c *Conn) Next(t Terminator) ([]byte, error) {
	if _, ok := c.handler.(session); !ok {
		return nil, errors.New("framer: Next called outside of a Session")
	}
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
