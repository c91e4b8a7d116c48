// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bytes"
	"io"
	"slices"

	"github.com/goframer/framer/internal/poison"
)

// A poisonMark is how package framertest has a Conn lend as a lender does.
type poisonMark = poison.Mark

// A lender lends copies, and overwrites them when the loan has ended, so that a test
// finds out who keeps them. A Framer mostly has none, and lends its own memory.
type lender struct {
	poison poison.Byte
	lent   []byte // until takeBack
}

// newLender returns a lender that overwrites with b, or nil if b is zero.
func newLender(b poison.Byte) *lender {
	if b == 0 {
		return nil
	}
	return &lender{poison: b}
}

// lend lends a copy of data, until takeBack.
func (l *lender) lend(data []byte) []byte {
	l.lent = slices.Clip(bytes.Clone(data))
	return l.lent
}

// takeBack ends the loan.
func (l *lender) takeBack() {
	l.poison.Overwrite(l.lent[:cap(l.lent)])
	l.lent = nil
}

// lendFor calls f with a copy of data, which is lent until f returns.
func (l *lender) lendFor(data []byte, f func(lent []byte) error) error {
	lent := slices.Clip(bytes.Clone(data))
	defer l.poison.Overwrite(lent)
	return f(lent)
}

// endLoan ends that of the last message of Next, if there is a lender.
func (f *Framer) endLoan() {
	if f.lender != nil {
		f.lender.takeBack()
	}
}

// lendMessage is nextMessage of a Framer that has a lender.
func (f *Framer) lendMessage() ([]byte, error) {
	f.endLoan()
	l := f.lender
	f.lender = nil
	msg, err := f.nextMessage()
	f.lender = l
	return l.lend(msg), err
}

// lendUnfinished is unfinishedMessage for those to whom it is lent.
func (f *Framer) lendUnfinished() []byte {
	msg := f.unfinishedMessage()
	if f.lender != nil {
		msg = f.lender.lend(msg)
	}
	return msg
}

// handler returns h for a Run whose pieces are lent by l.
func (l *lender) handler(h Handler) Handler {
	return borrower{h, l}
}

// A borrower is a Handler that is lent copies. It has the optional methods of Run:
// where the other Handler has not, they do what is done without them.
type borrower struct {
	Handler
	lender *lender
}

// collector returns the Collector that the Handler embeds, or nil, also if it is behind
// a nil pointer.
func (b borrower) collector() (c *Collector) {
	protect(func() error {
		c = collectorOf(b.Handler)
		return nil
	})
	return c
}

func (b borrower) CollectIncomingData(data []byte) error {
	defer b.endLoanOfBytes()
	return b.lender.lendFor(data, b.Handler.CollectIncomingData)
}

func (b borrower) FoundTerminator() error {
	defer b.endLoanOfBytes()
	return b.Handler.FoundTerminator()
}

func (b borrower) HandleReadComplete() error {
	defer b.endLoanOfBytes()
	if h, ok := b.Handler.(ReadCompleteHandler); ok {
		return h.HandleReadComplete()
	}
	return nil
}

func (b borrower) HandleOversize(e *MessageTooLongError) error {
	defer b.endLoanOfBytes()
	if h, ok := b.Handler.(OversizeHandler); ok {
		return h.HandleOversize(e)
	}
	return e
}

// endLoanOfBytes overwrites the memory that an embedded Collector, if it is empty, keeps
// for the next message, and takes it away: what was kept of it shall not look like the
// next message.
func (b borrower) endLoanOfBytes() {
	if c := b.collector(); c != nil && c.Len() == 0 {
		spare := c.Take()
		b.lender.poison.Overwrite(spare[:cap(spare)])
	}
}

// replies returns f with a reply that is lent by l. (The messages are those of Next.)
func (l *lender) replies(f func(c *Conn, msg, reply []byte) ([]byte, error)) func(*Conn, []byte, []byte) ([]byte, error) {
	return func(c *Conn, msg, _ []byte) ([]byte, error) {
		room := make([]byte, 0, smallBuffer)
		defer l.poison.Overwrite(room[:cap(room)])
		answer, err := f(c, msg, room)
		return bytes.Clone(answer), err
	}
}

// writer returns w for a WriteTo that lends copies.
func (l *lender) writer(w io.Writer) io.Writer { return lendingWriter{w, l} }

type lendingWriter struct {
	w      io.Writer
	lender *lender
}

func (w lendingWriter) Write(p []byte) (n int, err error) {
	err = w.lender.lendFor(p, func(lent []byte) (err error) {
		n, err = w.w.Write(lent)
		return err
	})
	return n, err
}
