// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"math"
	"slices"
)

// Next returns the next message, which ends as t says. The message is lent: it is valid
// until the next call of Next, NextReader or Run, or the next iteration of All. It is not
// copied if the whole message is in the buffer. Under [None], Next returns the bytes that
// come next, however few.
//
// At the end of the input Next returns [io.EOF]. If a message is unfinished there, Next
// returns what has come of it, and [io.ErrUnexpectedEOF]. After any other error of the
// reader, such as an expired deadline, the next call with the same t continues where this
// one stopped.
//
// If the message is longer than Config.MaxMessageSize, or than the Limit of t if that has
// one, Next returns a [*MessageTooLongError]. The next call, whatever its terminator,
// first throws the rest of that message away, up to its end under its own terminator. If
// t is a [Length] or [FixedLength] above the limit, Next returns the error without reading,
// and the next call first throws that many bytes away.
func (f *Framer) Next(t Terminator) ([]byte, error) {
	if !f.fresh() || f.known > 0 || f.returned || f.message.len() > 0 || f.refused != nil || f.lender != nil || f.requests.Load() != 0 {
		return f.nextUnder(t)
	}
	// Nothing is known of the message, so it does not matter which terminator was in
	// force before.
	data := f.buf[f.start:f.end]
	skip, n, drop, at := 0, 0, 0, f.search.at
	switch how := t.how.(type) {
	case delimiter:
		if how == "" {
			return f.nextUnder(t)
		}
		n, drop = how.indexLast(data), len(how)
		if !how.beginsAt(data, n) {
			return f.nextUnder(t)
		}
	case nextLength:
		if uint64(t.n) > uint64(len(data)) { // or negative
			return f.nextUnder(t)
		}
		n = int(t.n)
	case fixedLength:
		if t.n == 0 || uint64(t.n) > uint64(len(data)) {
			return f.nextUnder(t)
		}
		n = int(t.n)
	case lengthPrefix:
		skip, n = prefixFormat(t.n).whole(data)
	case delimiterSet:
		n, drop = f.search.commonEnd(how, data)
	case *bufio.SplitFunc:
		if old, ok := f.term.how.(*bufio.SplitFunc); !ok || old != how || t.limit != f.term.limit {
			return f.nextUnder(t)
		}
		token, err := f.shortToken(*how)
		switch {
		case err != nil:
			return f.finishNext(nil, f.failNext(err))
		case token == nil:
			return f.finishNext(f.nextMessage())
		}
		f.ends++
		f.found++
		return token, nil
	default:
		return f.nextUnder(t)
	}
	limit := limitOr(t.limit, f.maxSize)
	if n < 0 || n > f.pieceSize || int64(n) > limit {
		f.search.at = at // commonEnd has changed it; it belongs to the last message
		return f.nextUnder(t)
	}
	f.start += skip + n + drop
	f.ends++
	f.found++
	if t.isLength() {
		f.enforce(None(), f.maxSize)
	} else {
		f.enforce(t, limit)
	}
	return data[skip : skip+n : skip+n], nil
}

// nextUnder is Next for all cases. Next itself is short, because the rare cases would
// take half of the time for a short message.
func (f *Framer) nextUnder(t Terminator) ([]byte, error) {
	return f.finishNext(f.tryNext(t))
}

// finishNext lets f.finish deal with err.
func (f *Framer) finishNext(msg []byte, err error) ([]byte, error) {
	if err != nil && f.finish != nil {
		return f.finish(msg, err)
	}
	return msg, err
}

// tryNext is Next without f.finish.
func (f *Framer) tryNext(t Terminator) ([]byte, error) {
	if f.stopped() {
		f.endLoan()
		return nil, errClosed
	}
	f.refused = nil // only t counts now
	if t != f.term || f.skipping {
		err := t.validate(f.maxSize)
		if err != nil || f.skipping {
			f.noteTooLong(err)
			if err := f.setLater(t, err); err != nil {
				f.endLoan()
				return nil, err
			}
		} else {
			f.set(t)
			f.returned = f.returned || f.message.len() > 0
		}
	}
	return f.nextMessage()
}

// setLater makes t the terminator of Next if it can't take effect at once: because a
// message is being skipped, or because t is invalid. invalid is the error of validate, or
// nil. A Length or FixedLength above the limit is set in spite of its error, and then
// skipped.
func (f *Framer) setLater(t Terminator, invalid error) error {
	_, tooLong := invalid.(*MessageTooLongError)
	switch {
	case invalid != nil && !tooLong:
		return invalid
	case !f.skipping:
		f.set(t)
		f.returned = true
		f.skipping = true
		return invalid
	case t == f.term && !t.isLength():
		f.then = nil
	default:
		f.then = &t
	}
	return nil
}

// nextMessage returns the next message under the terminator in force.
func (f *Framer) nextMessage() ([]byte, error) {
	if f.lender != nil {
		return f.lendMessage()
	}
	if f.returned {
		f.forgetMessage()
	}
	for {
		if f.toDiscard() {
			f.discardInput()
		}
		if err := f.lookBehind(); err != nil {
			return nil, f.failNext(err)
		}
		p, ok, err := f.next()
		if err != nil {
			return nil, f.failNext(err)
		}
		if !ok {
			if err := f.moreOfMessage(); err == errWouldBlock {
				return nil, err // the caller waits for input and calls again at once
			} else if err != nil {
				return f.wholeMessage(), err
			}
			continue
		}
		found := p.drop != goesOn
		if found {
			f.start += p.drop
			f.found++
		}
		if f.message.len() == 0 && (found || f.term.isNone()) {
			return p.data, nil
		}
		f.message.add(f.memory, p.data)
		if found {
			f.returned = true
			return f.wholeMessage(), nil
		}
	}
}

// lookBehind keeps a message in the buffer that was only cut off by the end of the buffer:
// it makes room and reads on behind the message, which then need not be collected. It does
// that only if at least half of the buffer is free before the message, so that the work
// stays linear.
func (f *Framer) lookBehind() error {
	if f.end < len(f.buf) || f.start == f.end {
		return nil
	}
	if f.known == 0 && !f.ended {
		if err := f.look(); err != nil {
			return err
		}
	}
	for f.isCutOff() {
		if err := f.fill(); err != nil {
			f.readErr = err // for the next read, when this part was collected
			return nil
		}
		if err := f.look(); err != nil {
			return err
		}
	}
	return nil
}

// isCutOff reports whether the buffer ends within a message that may fit into it.
func (f *Framer) isCutOff() bool {
	switch {
	case f.end < len(f.buf), f.start < len(f.buf)/2, f.known == 0, f.ended:
		return false
	case f.skipping, f.size > 0, int64(f.known) > f.limit:
		return false
	case f.search.counting:
		return f.search.remaining <= int64(f.start)
	}
	switch f.term.how.(type) {
	case delimiter, delimiterSet:
		return true
	}
	return false
}

// failNext records an error in the framing, and returns it.
func (f *Framer) failNext(err error) error {
	f.skipping = f.noteTooLong(err)
	f.then = nil
	f.returned = true
	return err
}

// nextWhole is a fast path of nextMessage for a message that lies whole in the buffer, as
// nearly all small messages do.
func (f *Framer) nextWhole() (msg []byte, ok bool, err error) {
	if !f.fresh() || f.returned || f.lender != nil || f.requests.Load() != 0 {
		return nil, false, nil
	}
	data := f.buf[f.start:f.end]
	skip, n, drop := 0, 0, 0
	switch how := f.term.how.(type) {
	case delimiter:
		n, drop = how.indexLast(data), len(how)
		if !how.beginsAt(data, n) {
			return nil, false, nil
		}
	case nextLength, fixedLength:
		if f.term.n > int64(len(data)) {
			return nil, false, nil
		}
		n = int(f.term.n)
	case lengthPrefix:
		skip, n = prefixFormat(f.term.n).whole(data)
	case delimiterSet:
		n, drop = f.search.commonEnd(how, data)
	case *bufio.SplitFunc:
		token, err := f.shortToken(*how)
		if err != nil {
			return nil, false, f.failNext(err)
		}
		if token == nil {
			return nil, false, nil
		}
		data, n = token, len(token)
		f.start -= n // added again below
	default:
		return nil, false, nil
	}
	if n < 0 || n > f.pieceSize || int64(n) > f.limit {
		return nil, false, nil
	}
	f.start += skip + n + drop
	f.ends++
	f.found++
	if f.term.isLength() {
		f.endLength()
	}
	return data[skip : skip+n : skip+n], true, nil
}

// wholeMessage returns the bytes of the message that were collected.
func (f *Framer) wholeMessage() []byte { return slices.Clip(f.message.join(f.memory, 0)) }

// unfinishedMessage returns the bytes that were collected of a message whose rest can
// still come.
func (f *Framer) unfinishedMessage() []byte {
	if f.returned {
		return nil
	}
	return f.wholeMessage()
}

// moreOfMessage reads more input for nextMessage. If the message is counted and many of
// its bytes are missing, it reads them directly into the memory of the message.
func (f *Framer) moreOfMessage() error {
	have, remaining := f.message.len(), f.search.remaining
	n := min(remaining, int64(max(have, f.smallSize, min(f.usual, 8*min(have, largestPooled)))))
	counted := f.search.counting && f.begun && !f.skipping
	if !counted || n < int64(f.smallSize) || f.start < f.end || f.readErr != nil {
		return f.more()
	}
	// The memory grows with the bytes that have come, whatever the header announces. It
	// grows in larger steps if the message before was as long. When half of a large
	// message has come, memory for all of it is allocated. That saves half of the
	// copying.
	if remaining <= int64(min(have, math.MaxInt32/2)) && remaining+int64(have) > largestPooled {
		f.message.join(f.memory, int(remaining))
	}
	room := f.message.room(f.memory, int(n))
	room = room[:min(int64(len(room)), remaining)]
	got, err := f.read(room)
	if err == errWouldBlock {
		f.giveBack()
	}
	if err != nil {
		return err
	}
	if f.message.len() == have {
		f.message.took(got)
	} else {
		f.message.add(f.memory, room[:got]) // read has discarded the bytes before these
	}
	f.count(room[:got])
	return nil
}

// count records that data, bytes of a counted message, was read directly to where it
// belongs.
func (f *Framer) count(data []byte) {
	if f.size < headSize {
		copy(f.head[f.size:], data)
	}
	n := int64(len(data))
	f.search.remaining -= n
	f.size += n
	f.begun = f.begun || n > 0
	f.ended = f.search.remaining == 0
}

// forgetMessage empties message for the next one, after it was returned.
func (f *Framer) forgetMessage() {
	f.returned = false
	f.reader = nil
	if n := f.message.len(); n > 0 {
		f.usual = min(n, largestPooled)
		f.message.reset(f.memory)
	}
}

// NextReader returns a reader of the next message, which ends as t says. It is for
// messages that need not be held in memory: the reader returns the bytes as they come.
// Only the [Terminator.Limit] of t applies, not Config.MaxMessageSize. (A token of
// [Split] is held in the buffer as a whole, and is limited as in Next.) NextReader waits
// for the first byte of the message, or for its end. It returns [io.EOF] if the input
// ends before that, and other errors as Next does.
//
// Read returns io.EOF at the end of the message, and [io.ErrUnexpectedEOF] if the input
// ends in the middle of it. If the message is longer than the Limit of t, Read returns
// the bytes that the limit allows, and then a [*MessageTooLongError]. After any other
// error, such as an expired deadline, the next Read continues. Under [None], the message
// ends with the input.
//
// The reader is valid until the next call of NextReader, Next or Run, or the next
// iteration of All. After that, Read returns an error. That call skips the rest of the
// message. (Under None, where the message has no end, it continues after the last byte
// that was read.) To skip the rest at once, for example before answering "552 too much
// mail data", call Next(Length(0)), which returns an empty message after it.
//
// After SetTerminator, the reader continues under the new terminator. Call it after io.EOF,
// or before the last byte was read: between the two, it depends on the cuts of the input
// whether the message has ended. After a Next that has failed in the middle of a message,
// NextReader with the same t reads the rest of that message.
//
// The reader has a method WriteTo, so [io.Copy] needs no buffer of its own. A [Length],
// [FixedLength] or [LengthPrefix] message is read directly into the slice that is passed
// to Read, without a further copy, if that slice is large.
func (f *Framer) NextReader(t Terminator) (io.Reader, error) {
	if err := f.beginMessage(t); err != nil {
		return nil, err
	}
	return f.newReader(f), nil
}

// A messageReader reads the message that beginMessage has begun.
type messageReader struct {
	f    *Framer
	from messageSource
	done bool // from has returned io.EOF
}

// A messageSource is a Framer, or a Conn, which also waits for input: see readMessage.
type messageSource interface {
	readMessage(p []byte) (int, error)
}

// newReader returns the reader of the message that beginMessage has begun. The reader is
// valid as long as it is f.reader.
func (f *Framer) newReader(from messageSource) io.Reader {
	f.reader = &messageReader{f: f, from: from}
	return f.reader
}

// closeReader makes the reader of NextReader invalid, and puts MaxMessageSize back in
// force.
func (f *Framer) closeReader() {
	f.reader = nil
	if f.term.limit == lifted {
		f.term.limit, f.limit = 0, f.maxSize
	}
	if f.then != nil && f.then.limit == lifted {
		f.then.limit = 0
	}
}

var errReaderOver = errors.New("framer: a reader of NextReader was used after the next call of NextReader, Next or Run")

func (r *messageReader) Read(p []byte) (int, error) {
	switch {
	case r.done:
		return 0, io.EOF
	case r.f.reader != r:
		return 0, errReaderOver
	case len(p) == 0:
		return 0, nil
	}
	n, err := r.from.readMessage(p)
	if err == io.EOF {
		r.done = true
		if n > 0 {
			err = nil
		}
	}
	return n, err
}

// WriteTo implements io.WriterTo, which io.Copy uses.
func (r *messageReader) WriteTo(w io.Writer) (int64, error) {
	buf := r.f.memory.get(largeBuffer)
	defer r.f.memory.put(buf)
	if r.f.lender != nil {
		w = r.f.lender.writer(w)
	}
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:cap(buf)])
}

// beginMessage makes t the terminator, without MaxMessageSize, and then does what
// findMessage does. It must be called once for each message. After an error other than
// errWouldBlock, it must be called again.
func (f *Framer) beginMessage(t Terminator) error {
	f.endLoan()
	f.refused = nil // only t counts now
	if _, isSplit := t.how.(*bufio.SplitFunc); t.limit == 0 && !t.isNone() && !isSplit {
		t.limit = lifted
	}
	same := f.term
	same.limit = t.limit
	switch err := t.validate(f.maxSize); {
	case err != nil, f.skipping:
		if err := f.setLater(t, err); err != nil {
			return err
		}
	case same == t: // the message may have begun already
		f.term.limit, f.limit = t.limit, limitOr(t.limit, f.maxSize)
	default:
		f.set(t)
	}
	f.returned = true
	return f.findMessage()
}

// findMessage skips the rest of the message before, and waits for the first byte of the
// next one, or for its end. After errWouldBlock it must be called again. Then readMessage
// reads the message.
//
// Between calls of readMessage, f is in the state of skipping the message, because every
// other call has to skip it.
func (f *Framer) findMessage() error {
	if f.returned {
		f.forgetMessage()
	}
	for {
		if f.toDiscard() {
			f.discardInput()
		}
		if f.known == 0 && !f.ended {
			if err := f.look(); err != nil {
				return f.failNext(err)
			}
		}
		found := f.known > 0 || f.ended
		switch {
		case found && f.skipping:
			f.skip()
			continue
		case found, f.begun && f.search.counting && !f.skipping:
			f.found++
			f.returned = true
			f.skipping = !f.term.isNone()
			return nil
		}
		if err := f.more(); err != nil {
			return err
		}
	}
}

// readMessage reads from the message that findMessage has found. p must not be empty. It
// returns io.EOF at the end of the message, maybe together with the last bytes, and must
// not be called after that. It returns errWouldBlock if it must be called again when
// there is input. Other errors are those of the reader that NextReader returns.
func (f *Framer) readMessage(p []byte) (int, error) {
	f.skipping = false
	n, err := f.readPart(p)
	f.skipping = err != io.EOF && !f.term.isNone()
	return n, err
}

func (f *Framer) readPart(p []byte) (int, error) {
	for {
		if f.toDiscard() {
			f.discardInput()
		}
		if f.known == 0 && !f.ended {
			if err := f.look(); err != nil {
				return 0, err
			}
		}
		switch {
		case len(f.token) > len(p):
			n := copy(p, f.token)
			f.token = f.token[n:]
			return n, nil
		case f.known > 0 || f.ended:
			part, err := f.take(len(p))
			if err != nil {
				return 0, err
			}
			n := copy(p, part.data)
			if part.drop == goesOn {
				return n, nil
			}
			f.start += part.drop
			return n, io.EOF
		}
		if n, err := f.readStraight(p); n > 0 || err != nil {
			return n, err
		}
	}
}

// readStraight reads more input for readPart. If the message is counted and p is large,
// it reads directly into p. Otherwise it reads into the buffer, and returns 0.
func (f *Framer) readStraight(p []byte) (int, error) {
	counted := f.search.counting && f.begun
	if !counted || min(int64(len(p)), f.search.remaining) < int64(f.smallSize) || f.start < f.end || f.readErr != nil {
		return 0, f.more()
	}
	n, err := f.read(p[:min(int64(len(p)), f.search.remaining)])
	if err == errWouldBlock {
		f.giveBack()
	}
	f.count(p[:n])
	return n, err
}

// All returns an iterator over the messages, up to the end of the input. A message ends
// as t says. Each message is lent: it is valid until the next iteration. An error other
// than [io.EOF] is yielded once, with what has come of an unfinished message. It ends the
// iteration, unless it is a [*MessageTooLongError].
func (f *Framer) All(t Terminator) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for {
			message, err := f.Next(t)
			if err == io.EOF || !yield(message, err) {
				return
			}
			if _, tooLong := err.(*MessageTooLongError); err != nil && !tooLong {
				return
			}
		}
	}
}
