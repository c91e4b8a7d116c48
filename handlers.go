// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// A Collector joins the pieces of a message. Embed it in a [Handler] to give that the
// method CollectIncomingData. The zero value is empty and ready to use. Its methods must
// be called from one goroutine at a time.
//
// If a message is too long and an [OversizeHandler] continues with the next one, an
// embedded Collector is emptied, so that no part of the long message becomes part of the
// next.
//
// The size of a message is limited by Config.MaxMessageSize, or by [Terminator.Limit].
// That does not apply to the input under [None], but it does apply to an embedded
// Collector there: when it holds more after a piece, the input is treated as a message
// that is too long.
//
// See ExampleCollector and ExampleCollector_Grow in example_test.go.
type Collector struct {
	message gathering
}

// collectorStep is how many bytes a Collector keeps in one piece of memory before it
// begins another instead of moving them.
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

// Grow makes room for n more bytes, which are then collected without another allocation
// or copy, as [bytes.Buffer.Grow] does. It is for a message whose length is known. Grow
// allocates what the collected bytes and n more need. If it has to move the same message
// again, it allocates a fifth more.
//
// The memory is allocated at once, whether the bytes come or not. Check a length that a
// peer has announced before you pass it to Grow. A Length that SetTerminator has accepted
// is within the limits.
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

// Bytes returns what was collected. The slice is lent: it is valid until the next call of
// a method other than Bytes and Len.
func (c *Collector) Bytes() []byte { return c.message.join(nil, 0) }

// Len returns the number of bytes collected.
func (c *Collector) Len() int { return c.message.len() }

// Take returns what was collected and leaves the Collector empty. The slice belongs to
// the caller.
func (c *Collector) Take() []byte {
	if len(c.message.full) > 0 {
		c.message.join(nil, takeRoom)
	}
	taken := c.message.last
	c.message = gathering{}
	return taken
}

// collector is the method by which collectorOf finds the Collector in a Handler that
// embeds it.
func (c *Collector) collector() *Collector { return c }

// collectorOf returns the Collector that h embeds, or nil.
func collectorOf(h Handler) *Collector {
	if e, ok := h.(interface{ collector() *Collector }); ok {
		return e.collector()
	}
	return nil
}

// takeRoom is the free room after a large message that was taken, in bytes. With it, a
// caller can append a delimiter without copying the whole message.
const takeRoom = 64

// Reset empties the Collector and keeps its memory for the next message.
func (c *Collector) Reset() { c.message.reset(nil) }

// A session is a Handler that reads its messages itself. Its methods are never called.
type session func(c *Conn) error

func (session) CollectIncomingData([]byte) error { return nil }
func (session) FoundTerminator() error           { return nil }

// Session returns a function, for Server.NewHandler or [NewConn], that makes handlers of
// straight-line code. f calls [Conn.Next] for the messages it wants:
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
// f runs on the goroutine of Serve. When it returns, what it has pushed is sent and the
// connection is closed. The error that it returns is the reason of the end. The end is
// orderly if f returns nil, the [io.EOF] of Next as it is, or [ErrServerClosed]. To close
// at once, without waiting for the peer to take what was pushed, f calls
// [Conn.CloseWithError] before it returns.
//
// While f does something other than wait in Next, nothing is read, and the end of the peer's
// side is not noticed.
func Session(f func(c *Conn) error) func(*Conn) Handler {
	return func(*Conn) Handler { return session(f) }
}

// Messages returns a function, for Server.NewHandler or [NewConn], that makes handlers
// which call f for every message. A message ends as t says.
//
// msg is lent: it is valid until f returns. It is not copied if the whole message is in
// the read buffer. f may set another terminator, which takes effect with the next
// message. An error of f ends the connection, as an error of a [Handler] does.
// [OnTooLong] says what to do with a message that is too long. If t makes no sense, each
// connection ends at once, with the error of SetTerminator.
//
// To keep state for each connection, declare it in a function that is called for each:
//
//	func newHandler(c *framer.Conn) framer.Handler {
//		count := 0
//		return framer.Messages(t, func(c *framer.Conn, msg []byte) error {
//			count++
//			...
//		})(c)
//	}
func Messages(t Terminator, f func(c *Conn, msg []byte) error) func(*Conn) Handler {
	h := &messages{t: t, f: f}
	return func(*Conn) Handler { return h }
}

// Replies returns a function, for Server.NewHandler or [NewConn], that makes handlers
// which call f for every message and send what f returns. A message ends as t says.
//
// f appends its answer to reply, as [strconv.AppendInt] does, and returns the result.
// reply is empty at first. If f returns nil, nothing is sent. msg and reply are lent:
// they are valid until f returns.
//
// The answers to all messages of one read are sent in one write, without a lock or an
// allocation for each. So Replies is as fast as a Handler that pushes once for each read;
// see [ReadCompleteHandler]. The answers are sent before more is read, or earlier if they
// reach 64 KiB. An answer of 64 KiB or more may be returned in memory of its own, which
// saves a copy. f may also return msg, or a part of it. What f pushes may be sent before
// the answers that were returned earlier.
//
// An error of f ends the connection, as an error of a [Handler] does. An answer that f
// returns with the error is sent. If f calls [Conn.CloseWhenDone] or [Conn.CloseWrite],
// all answers up to and including that of this call are sent. An answer that f returns
// after CloseWrite can't be sent, and ends the connection. f may set another terminator,
// which takes effect with the next message. [OnTooLong] says what to do with a message
// that is too long.
func Replies(t Terminator, f func(c *Conn, msg, reply []byte) ([]byte, error)) func(*Conn) Handler {
	h := &messages{t: t, reply: f}
	return func(*Conn) Handler { return h }
}

// OnTooLong returns newHandler with f added. newHandler must have been made by [Messages]
// or [Replies]. f is called once for every message that is longer than its limit.
//
// If f returns nil, the rest of the message is skipped and the connection goes on with
// the next message, under the terminator that f has set, if it has set one. If f returns
// an error, that error ends the connection. Without OnTooLong, e ends it. What f pushes
// is sent after the answers to earlier messages. A [Length] that SetTerminator has refused
// is no message yet: f is not called for it.
func OnTooLong(newHandler func(*Conn) Handler, f func(c *Conn, e *MessageTooLongError) error) func(*Conn) Handler {
	return func(c *Conn) Handler {
		h, ok := newHandler(c).(*messages)
		if !ok {
			panic("framer: OnTooLong for a handler that was not made by Messages or Replies")
		}
		m := *h
		m.tooLong = f
		return &m
	}
}

// messages is a Handler that is given whole messages, by Messages or Replies. Its methods
// are never called.
type messages struct {
	t       Terminator
	f       func(c *Conn, msg []byte) error                  // set by Messages
	reply   func(c *Conn, msg, reply []byte) ([]byte, error) // set by Replies
	tooLong func(c *Conn, e *MessageTooLongError) error      // set by OnTooLong; may be nil
}

func (*messages) CollectIncomingData([]byte) error { return nil }
func (*messages) FoundTerminator() error           { return nil }

// begin must be called once, before run.
func (m *messages) begin(c *Conn) error {
	if m.reply != nil {
		c.queue.keepOpen()
	}
	return c.SetTerminator(m.t)
}

// run gives the messages of c to the function until the input or the function ends, or
// until StartTLS pauses the input.
func (m *messages) run(c *Conn) ending {
	reply := m.reply
	if l := c.framer.lender; l != nil && reply != nil {
		reply = l.replies(reply)
	}
	defer c.giveBackReplies()
	defer c.sendReplies() // also after a panic; its error has the same reason as the end of c
	var failed ending
	err := c.stream.await(func() error {
		for {
			msg, ok, err := c.framer.nextWhole()
			if !ok && err == nil {
				msg, err = c.next()
			}
			switch {
			case err != nil:
				if err, ok = m.goesOn(c, err); !ok {
					return err
				}
			case reply != nil:
				err = c.answer(msg, reply)
			default:
				err = m.f(c, msg)
			}
			if err != nil || c.framer.refused != nil {
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

// goesOn calls the function of OnTooLong if err, an error of next, is one for it, and
// returns its result. Otherwise it returns err, and ok is false.
func (m *messages) goesOn(c *Conn, err error) (result error, ok bool) {
	long, ok := err.(*MessageTooLongError)
	if !ok || m.tooLong == nil {
		return err, false
	}
	if err := c.sendReplies(); err != nil {
		return err, true
	}
	c.framer.postpones = true
	err = m.tooLong(c, long)
	c.framer.postpones = false
	return err, true
}

// replyBatch is the size in bytes at which answers are sent before all messages of a read
// are answered.
const replyBatch = 64 << 10

// answer calls the function of Replies for msg, and keeps or sends its answer.
func (c *Conn) answer(msg []byte, answer func(c *Conn, msg, reply []byte) ([]byte, error)) error {
	r := &c.replies
	if r.data == nil {
		r.data = c.framer.memory.get(min(2*r.usual, 2*replyBatch)) // twice the usual size, so that the next answer seldom has to move
	}
	n := len(r.data)
	reply, err := answer(c, msg, r.data[n:])
	if len(reply) > 0 {
		if n < cap(r.data) && &reply[0] == &r.data[:n+1][n] {
			r.data = r.data[:n+len(reply)] // the answer was appended in place
		} else {
			c.takeAnswer(reply)
		}
	}
	if len(r.data) >= replyBatch || c.asked.halfClose.Load() {
		return c.sendAnswers(err)
	}
	return err
}

// takeAnswer keeps or sends an answer that has memory of its own.
func (c *Conn) takeAnswer(reply []byte) {
	r := &c.replies
	if len(r.data) == 0 && len(reply) >= minDirect && c.upgrade == nil && c.queue.push(reply) == nil {
		// The answer is large, and push mostly does not copy it. If push fails, the queue
		// is closed, and this is the last answer.
		r.usual = max(len(reply), r.usual-r.usual/8)
		return
	}
	r.data = append(c.framer.memory.grow(r.data, len(reply)), reply...)
}

// sendAnswers sends the answers before all messages of a read are answered. err is the
// error of the function, which goes before that of sending.
func (c *Conn) sendAnswers(err error) error {
	sendErr := c.sendReplies()
	if sendErr == errClosed && c.asked.halfClose.Load() && !c.isClosed() {
		sendErr = errLateAnswer
	}
	if err == nil {
		err = sendErr
	}
	if c.asked.halfClose.Load() {
		c.queue.close() // no answer follows this one, even if more messages were read with it
	}
	return err
}

// errLateAnswer is not errClosed, which would be an orderly end after CloseWhenDone.
var errLateAnswer = fmt.Errorf("framer: an answer of Replies after CloseWrite can't be sent: %w", net.ErrClosed)

// replies holds the answers of [Replies] that were not pushed yet.
type replies struct {
	data  []byte
	usual int // about the greatest length of data in the latest pushes
}

// sendReplies pushes the answers that were collected.
func (c *Conn) sendReplies() error {
	r := &c.replies
	if len(r.data) == 0 {
		return nil
	}
	if u := c.upgrade; u != nil { // they go out before what was pushed after StartTLS
		u.lastWords = append(u.lastWords, r.data...)
		r.data = r.data[:0]
		return nil
	}
	r.usual = max(len(r.data), r.usual-r.usual/8)
	kept, err := c.queue.pushLast(r.data)
	if kept {
		r.data = nil
	}
	r.data = r.data[:0]
	return err
}

// giveBackReplies gives back the memory for answers, until there is more input.
func (c *Conn) giveBackReplies() {
	c.framer.memory.put(c.replies.data)
	c.replies.data = nil
}

// A sessionState is what Conn.Next keeps for the function of a Session.
type sessionState struct {
	goOn    func() error // the method value c.goOnWithNext
	message []byte       // what goOn has returned
	err     error        // the last error of Next and NextReader
}

// endOfSession returns the ending for err, which the function of a Session has returned.
// Mostly err is an error of Next that the function has passed on.
func (c *Conn) endOfSession(err error) ending {
	switch {
	case err == nil && c.framer.refused != nil:
		return c.endOfHandler(nil)
	case err == nil:
		return ending{what: endBySession}
	case errors.Is(err, ErrServerClosed):
		return ending{what: endByShutdown}
	case c.session.err == io.EOF && errors.Is(err, io.ErrUnexpectedEOF):
		return ending{err: err, by: byNetwork} // in the middle of a request of several messages
	case c.session.err == nil || !errors.Is(err, c.session.err):
		return c.endOfHandler(err)
	case err == io.EOF:
		return ending{what: endByPeer}
	}
	return ending{err: err, by: c.endOfInput(c.session.err).by}
}

// Next returns the next message, which ends as t says. It is [Framer.Next] for the
// function of a [Session]; elsewhere it returns an error. The message is lent: it is valid
// until the next call of Next or NextReader, or until the function returns.
//
// Next returns [io.EOF] if the input ended after a whole message. A Session that returns
// it ends in order. If several messages make one request, such as a line and the bytes
// that it announces, and io.EOF comes between them, the function must return another
// error, such as [io.ErrUnexpectedEOF].
//
// When the server shuts down, Next returns [ErrServerClosed] once, where it would have to
// wait between two messages. The function can then say goodbye, or call Next again to
// finish what it has begun. After Close and CloseWhenDone, Next returns an error that is
// [net.ErrClosed].
//
// After a timeout, Next may be called again, and has the whole time again.
func (c *Conn) Next(t Terminator) ([]byte, error) {
	if c.session == nil {
		return nil, errOutsideOfSession
	}
	return c.framer.Next(t)
}

// finishNext waits for input if a Next needs it, and keeps the error of Next.
func (c *Conn) finishNext(msg []byte, err error) ([]byte, error) {
	if err == errWouldBlock {
		msg, err = c.awaitMessage()
	}
	if err != nil {
		c.session.err = err
	}
	return msg, err
}

var errOutsideOfSession = errors.New("framer: Next and NextReader are for the function of a Session")

// NextReader returns a reader of the next message, which ends as t says. It is for
// messages that need not be held in memory. It is [Framer.NextReader] for the function of
// a [Session]; elsewhere it returns an error. A shutdown and a timeout have the same effect as
// on [Conn.Next]. The reads have the same timeouts, but [ErrServerClosed] is returned
// only between messages.
func (c *Conn) NextReader(t Terminator) (io.Reader, error) {
	if c.session == nil {
		return nil, errOutsideOfSession
	}
	c.framer.endLoan()
	err := error(errClosed)
	if !c.framer.stopped() {
		err = c.framer.beginMessage(t)
	}
	if err == errWouldBlock {
		err = c.stream.await(c.framer.findMessage)
	}
	if err != nil {
		c.session.err = err
		return nil, err
	}
	return c.framer.newReader(c), nil
}

// readMessage reads for the reader of NextReader, and waits for input.
func (c *Conn) readMessage(p []byte) (n int, err error) {
	if c.framer.stopped() {
		return 0, errClosed
	}
	n, err = c.framer.readMessage(p)
	if err == errWouldBlock {
		err = c.stream.await(func() error {
			n, err = c.framer.readMessage(p)
			return err
		})
	}
	if err != nil && err != io.EOF {
		c.session.err = err
	}
	return n, err
}

// Matched returns the delimiter that ended the last message, as [Framer.Matched] does. It
// must be called where SetTerminator may be called.
func (c *Conn) Matched() string { return c.framer.Matched() }

// awaitMessage waits for input, and continues a Next that needs it.
func (c *Conn) awaitMessage() ([]byte, error) {
	err := c.stream.await(c.session.goOn)
	msg := c.session.message
	c.session.message = nil
	if err != nil && msg == nil {
		msg = c.framer.lendUnfinished() // the wait has failed; a later Next may continue
	}
	return msg, err
}

func (c *Conn) goOnWithNext() (err error) {
	c.session.message, err = c.next()
	return err
}

// next returns the next message under the terminator in force.
func (c *Conn) next() ([]byte, error) {
	if c.framer.stopped() {
		return nil, errClosed
	}
	return c.framer.nextMessage()
}
