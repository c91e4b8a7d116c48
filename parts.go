// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
)

// A part is the next thing to give to a handler: a piece of the current message, the end
// of the message, or both. drop is how many bytes to skip before the handler is told of
// the end, or goesOn. (A larger part would not be kept in registers.)
type part struct {
	data []byte
	drop int
}

// goesOn is the drop of a part after which the message continues.
const goesOn = -1

// next returns the next part that the buffered input holds. If more input is needed to
// find one, ok is false.
func (f *Framer) next() (p part, ok bool, err error) {
	for {
		if f.known == 0 && !f.ended {
			err := f.look()
			if err != nil || f.known == 0 && !f.ended {
				return part{}, false, err
			}
		}
		if f.skipping {
			f.skip()
			continue
		}
		p, err := f.take(f.pieceSize)
		return p, err == nil, err
	}
}

// fresh reports whether nothing is known of the current message, except the result of the
// last search. (If that search has found the end of an empty message, the end is taken at
// once.)
func (f *Framer) fresh() bool {
	return !f.begun && !f.skipping && f.search.matched == 0
}

// endLength ends the message of a Length: None is in force after it.
func (f *Framer) endLength() {
	f.term, f.limit = None(), f.maxSize
	f.search.remaining, f.search.counting = 0, false
}

// look searches the unread input after the known bytes, and records the result. (Only
// lookBehind calls it when there are known bytes.)
func (f *Framer) look() error {
	if split, ok := f.term.how.(*bufio.SplitFunc); ok {
		return f.split(*split)
	}
	data := f.buf[f.start+f.known : f.end]
	sp, err := f.search.next(&f.term, data, f.readErr == io.EOF)
	if err != nil {
		return err
	}
	f.note(sp)
	if f.search.counting && !f.skipping && f.search.remaining > f.limit-f.size-int64(f.known) {
		return f.countTooLong(sp.data, data[:sp.skip+sp.data])
	}
	return nil
}

// note records what a search has found.
func (f *Framer) note(sp span) {
	f.start += sp.skip
	f.known += sp.data
	f.ended, f.drop = sp.found, sp.drop
	f.begun = f.begun || sp.skip > 0
}

// countTooLong is tooLong for a counted message. n is how many of its bytes the last
// search has found.
func (f *Framer) countTooLong(n int, data []byte) error {
	seen, _ := addLength(uint64(f.search.remaining), f.size+int64(n))
	return f.tooLong(seen, data)
}

// take returns the next part of what is known, and advances f over it. A part that is not
// a token has no more than most bytes.
func (f *Framer) take(most int) (part, error) {
	if f.token != nil {
		p := part{data: f.token[:len(f.token):len(f.token)]}
		f.token = nil
		f.endMessage()
		return p, nil
	}
	n := min(f.known, most)
	if !f.term.isNone() {
		if room := f.limit - f.size; int64(n) > room {
			if room <= 0 {
				return part{}, f.tooLong(f.size+int64(f.known), f.buf[f.start:f.start+f.known])
			}
			n = int(room)
		}
		if f.size < headSize && !(f.ended && n == f.known) {
			copy(f.head[f.size:], f.buf[f.start:f.start+n])
		}
		f.size += int64(n)
		f.begun = f.begun || n > 0
	}
	p := part{f.lend(n), goesOn}
	f.start += n
	f.known -= n
	if f.known == 0 && f.ended {
		p.drop = f.drop
		f.endMessage()
	}
	return p, nil
}

// lend returns the next n bytes of the buffer. Their capacity ends there, so that a
// borrower who appends does not overwrite the next message.
func (f *Framer) lend(n int) []byte {
	return f.buf[f.start : f.start+n : f.start+n]
}

// endMessage prepares f for the next message.
func (f *Framer) endMessage() {
	f.ends++
	if f.term.isLength() {
		f.endLength()
	}
	if _, ok := f.term.how.(delimiterSet); !ok {
		f.search.matched = 0
	}
	f.search.restart(f.term)
	f.restart()
}

// skip drops the known bytes of a message that is too long.
func (f *Framer) skip() {
	f.start += f.known
	f.known = 0
	f.token = nil
	if f.ended {
		f.start += f.drop
		f.skipping = false
		f.endMessage()
		if f.then != nil {
			f.set(*f.then)
		}
	}
}

// tooLong returns the error for a message of which seen bytes are known. data is the
// unread part of the message, with its header. It must not include bytes after the
// message: they may be a password.
func (f *Framer) tooLong(seen int64, data []byte) error {
	head := bytes.Clone(f.head[:min(f.size, headSize)])
	head = append(head, data[:min(len(data), headSize-len(head))]...)
	return &MessageTooLongError{Limit: f.limit, Seen: seen, Head: head, own: f.term.limit > 0}
}

// maxEmpty is how many empty reads or tokens in a row are allowed before they count as a
// loop without progress, as in package bufio.
const maxEmpty = 100

// split asks the function of a Split terminator for a token.
func (f *Framer) split(split bufio.SplitFunc) error {
	if f.asked {
		return nil
	}
	atEOF := f.readErr == io.EOF
	if f.finished || f.start == f.end && !atEOF {
		return f.splitRest(atEOF)
	}
	advance, token, err := split(f.buf[f.start:f.end], atEOF)
	return f.splitOn(split, advance, token, err, atEOF)
}

// shortToken takes a token, if nothing is known of the current message. It returns nil if
// the unread input has no token, or if this fast path does not apply. Then split does the
// work.
func (f *Framer) shortToken(split bufio.SplitFunc) ([]byte, error) {
	if f.start == f.end || f.readErr != nil || f.finished || f.asked {
		return nil, nil
	}
	data := f.buf[f.start:f.end]
	advance, token, err := split(data, false)
	n := len(token)
	if err != nil || token == nil || uint(advance) > uint(len(data)) || n > f.pieceSize || int64(n) > f.limit {
		return nil, f.splitOn(split, advance, token, err, false)
	}
	f.start += advance
	f.empties = 0
	return token[:n:n], nil
}

// splitOn handles what a split function has returned. It calls the function again until
// there is a token, or more input is needed.
func (f *Framer) splitOn(split bufio.SplitFunc, advance int, token []byte, err error, atEOF bool) error {
	for {
		unread := f.end - f.start
		switch {
		case err == bufio.ErrFinalToken:
			f.finished = true
			advance = unread
		case err != nil:
			return err
		case advance < 0:
			return fmt.Errorf("framer: %w", bufio.ErrNegativeAdvance)
		case advance > unread:
			return fmt.Errorf("framer: %w", bufio.ErrAdvanceTooFar)
		}
		f.start += advance
		if token != nil {
			return f.splitToken(token, advance > 0 || !atEOF)
		}
		if advance == 0 || f.finished || f.start == f.end && !atEOF {
			return f.splitRest(atEOF)
		}
		advance, token, err = split(f.buf[f.start:f.end], atEOF)
	}
}

// splitToken handles a token that a split function has found. As in package bufio, a
// token without an advance counts as progress while more input may come.
func (f *Framer) splitToken(token []byte, progress bool) error {
	if progress {
		f.empties = 0
	} else if f.empties++; f.empties > maxEmpty {
		return fmt.Errorf("framer: Split returned %d tokens at the end of the input without advancing: %w", f.empties, io.ErrNoProgress)
	}
	f.token, f.ended = token, true
	if size := int64(len(token)); size > f.limit && !f.skipping {
		f.begun = true
		return f.tooLong(size, token)
	}
	return nil
}

// splitRest is called when a split function finds no token in the unread input.
func (f *Framer) splitRest(atEOF bool) error {
	unread := f.end - f.start
	if f.begun = unread > 0 || f.size > 0; !f.begun && !f.skipping {
		f.takeNewLimit() // the function has dropped what had come of the message
	}
	switch {
	case atEOF:
		f.known = unread // these bytes are no token, but they were received
	case f.skipping && unread > 0:
		f.start = f.end - 1 // the function must see one byte, to know that a message has begun
	case int64(unread-f.pieceSize) > f.limit:
		return f.tooLong(int64(unread), f.buf[f.start:f.end])
	}
	f.asked = !atEOF
	return nil
}

// unread puts data at the beginning of the input. It must be called before anything is
// read.
func (f *Framer) unread(data []byte) {
	f.buf = f.memory.get(len(data))
	f.buf = f.buf[:cap(f.buf)]
	f.start, f.end = 0, copy(f.buf, data)
}

// rest returns a copy of the bytes that were read but not given out.
func (f *Framer) rest() []byte {
	return slices.Concat(f.unfinishedMessage(), f.token, f.buf[f.start:f.end])
}

// fill reads once into the buffer, after the bytes that are held back. Nothing else is in
// it.
func (f *Framer) fill() error {
	f.giveBackMessage() // the read may block for long
	f.makeRoom()
	n, err := f.read(f.buf[f.end:])
	f.end += n
	switch {
	case n > 0:
		f.filled, f.much = f.end == len(f.buf), n > f.smallSize/2
	case err == errWouldBlock:
		f.giveBack()
	}
	return err
}

// read reads once into p. An error that comes together with bytes is kept for the next
// call.
func (f *Framer) read(p []byte) (int, error) {
	f.asked = false
	if err := f.readErr; err != nil {
		f.readErr = nil // the call after this one may read again
		return 0, err
	}
	for range maxEmpty {
		n, err := f.r.Read(p)
		if n < 0 || n > len(p) {
			return 0, impossibleCount("the reader", int64(n))
		}
		if f.toDiscard() {
			known := f.known // lookBehind has left them in the buffer, but they count as given out
			f.discardInput() // drops what was held back, not what was just read
			f.search.remaining -= int64(known)
			f.begun = f.begun || known > 0
		}
		switch {
		case n > 0, err == io.EOF:
			f.readErr = err
			return n, nil
		case err != nil:
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// makeRoom makes room after the bytes that are held back. It does not move them for every
// read, but only when at least as many bytes before them are free. So the work stays
// linear for long delimiters and short reads.
func (f *Framer) makeRoom() {
	held := f.buf[f.start:f.end]
	size := f.smallSize
	if f.filled {
		size = f.pieceSize
	}
	switch {
	case len(held) == 0 && len(f.buf) == size:
	case len(held) == 0, len(held) < size && len(f.buf) < size:
		f.resize(size)
	case f.start > 0 && len(held) <= f.start:
		copy(f.buf, held)
	case f.end < len(f.buf):
		return
	case len(held) < largestPooled: // at least half of the buffer is held back
		f.resize(max(size, 2*len(held)))
	default:
		f.resize(max(size, len(held)+len(held)/5)) // a smaller step, because the old buffer is still there
	}
	f.start, f.end = 0, len(held)
}

// resize gives f a buffer of the given size, with the bytes that are held back at its
// beginning.
func (f *Framer) resize(size int) {
	buf := f.memory.get(size)[:size]
	copy(buf, f.buf[f.start:f.end])
	f.memory.put(f.buf)
	f.buf = buf
}

// giveBack gives back the memory that is not needed until more input comes.
func (f *Framer) giveBack() {
	f.filled = f.much
	if f.start == f.end {
		f.memory.put(f.buf)
		f.buf, f.start, f.end = nil, 0, 0
	}
	f.giveBackMessage()
}

// release gives back all memory. f must not be used after that.
func (f *Framer) release() {
	f.endLoan()
	f.memory.put(f.buf)
	f.message.giveBack(f.memory)
	f.buf = nil
	f.start, f.end = 0, 0
}

// giveBackMessage gives back the memory of message, if it is empty.
func (f *Framer) giveBackMessage() {
	if f.message.last != nil && f.message.len() == 0 {
		f.message.giveBack(f.memory)
	}
}
