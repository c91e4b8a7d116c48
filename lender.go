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

// By a poisonMark, package framertest makes a Conn use a lender.
type poisonMark = poison.Mark

// A lender lends copies, and overwrites them when the loan ends, so that a test finds code
// that keeps lent data. Only tests have a lender. Without one, a Framer lends its own
// memory.
type lender struct {
	poison poison.Byte
	lent   []byte // the copy that is lent until takeBack
}

// newLender returns a lender that overwrites its copies with b, or nil if b is zero.
func newLender(b poison.Byte) *lender {
	if b == 0 {
		return nil
	}
	return &lender{poison: b}
}

// lend returns a copy of data, which is lent until takeBack.
func (l *lender) lend(data []byte) []byte {
	l.lent = slices.Clip(bytes.Clone(data))
	return l.lent
}

// takeBack overwrites the copy that lend has returned.
func (l *lender) takeBack() {
	l.poison.Overwrite(l.lent[:cap(l.lent)])
	l.lent = nil
}

// lendFor calls f with a copy of data, and overwrites the copy when f has returned.
func (l *lender) lendFor(data []byte, f func(lent []byte) error) error {
	lent := slices.Clip(bytes.Clone(data))
	defer l.poison.Overwrite(lent)
	return f(lent)
}

// endLoan ends the loan of the last message that Next has returned, if there is a lender.
func (f *Framer) endLoan() {
	if f.lender != nil {
		f.lender.takeBack()
	}
}

// lendMessage is nextMessage of a Framer that has a lender. It lends a copy of the
// message.
func (f *Framer) lendMessage() ([]byte, error) {
	f.endLoan()
	l := f.lender
	f.lender = nil
	msg, err := f.nextMessage()
	f.lender = l
	return l.lend(msg), err
}

// lendUnfinished is unfinishedMessage, but lends a copy if there is a lender.
func (f *Framer) lendUnfinished() []byte {
	msg := f.unfinishedMessage()
	if f.lender != nil {
		msg = f.lender.lend(msg)
	}
	return msg
}

// handler returns a Handler that lends copies of its pieces to h.
func (l *lender) handler(h Handler) Handler {
	return borrower{h, l}
}

// A borrower is a Handler that lends copies to another Handler. It has all optional
// methods that Run calls. If the other Handler does not have one of them, the method does
// what Run does without it.
type borrower struct {
	Handler
	lender *lender
}

// collector returns the Collector that the Handler embeds, or nil. It also returns nil if
// finding the Collector panics, because it is behind a nil pointer.
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

// endLoanOfBytes is for an embedded Collector that is empty, and keeps memory for the next
// message. It overwrites that memory and takes it away. The memory is taken away so that
// data that was kept wrongly does not look like the next message.
func (b borrower) endLoanOfBytes() {
	if c := b.collector(); c != nil && c.Len() == 0 {
		spare := c.Take()
		b.lender.poison.Overwrite(spare[:cap(spare)])
	}
}

// replies returns a function that calls f with a reply that is lent. (The messages of f
// are lent by Next.)
func (l *lender) replies(f func(c *Conn, msg, reply []byte) ([]byte, error)) func(*Conn, []byte, []byte) ([]byte, error) {
	return func(c *Conn, msg, _ []byte) ([]byte, error) {
		room := make([]byte, 0, smallBuffer)
		defer l.poison.Overwrite(room[:cap(room)])
		answer, err := f(c, msg, room)
		return bytes.Clone(answer), err
	}
}

// writer returns an io.Writer for WriteTo that lends copies to w.
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
