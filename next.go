// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"io"
	"iter"
	"math"
	"slices"
)

// Next returns the next message, which ends as t says. It is lent: valid until
// the next call of a method of f. There is no copy if it lies whole in the
// buffer. Under [None], Next returns what comes next, however little.
//
// At the end of the input Next returns [io.EOF], or, with what there is of an
// unfinished message, [io.ErrUnexpectedEOF]. After any other error of the reader,
// such as an expired deadline, the next call, with the same t, goes on where this
// one was.
//
// A message above MaxMessageSize, or the Limit of t if it has one, is a
// [*MessageTooLongError]. The next call, whatever terminator it is given, goes on
// after that message: what is left of it is thrown away first, up to its end under
// its own terminator. That includes a [Length] above the limit, of which nothing was
// read.
func (f *Framer) Next(t Terminator) ([]byte, error) {
	if f.refused != nil {
		f.refused = nil // t counts
	}
	if t.kind != f.term.kind || t != f.term || f.skipping { // the kind first: it is faster
		var err error
		if !t.plain(f.maxSize) {
			err = t.validate(f.maxSize)
		}
		if err != nil || f.skipping {
			if err := f.setLater(t, err); err != nil {
				return nil, err
			}
		} else {
			f.set(&t)
			f.returned = true
		}
	}
	return f.nextMessage()
}

// setLater makes t the terminator of Next where something stands in the way: a
// message that is skipped, or invalid, which says what is wrong with t.
func (f *Framer) setLater(t Terminator, invalid error) error {
	_, tooLong := invalid.(*MessageTooLongError)
	tooLong = tooLong && t.kind == kindLength
	switch {
	case invalid != nil && !tooLong:
		return invalid
	case !f.skipping:
		f.set(&t)
		f.returned = true
		f.skipping = true
		return invalid
	case t == f.term && t.kind != kindLength:
		f.then = nil
	default:
		f.then = &t
	}
	return nil
}

// nextMessage is Next under the terminator in force.
func (f *Framer) nextMessage() ([]byte, error) {
	if f.returned {
		f.forgetMessage()
	}
	for {
		if f.discard.Load() {
			f.discardInput()
		}
		if p, ok := f.whole(); ok {
			f.start += p.drop
			f.found++
			return p.data, nil
		}
		p, ok, err := f.next()
		if err != nil {
			_, f.skipping = err.(*MessageTooLongError)
			f.then = nil
			f.returned = true
			return nil, err
		}
		if !ok {
			if err := f.moreOfMessage(); err == errWouldBlock {
				return nil, err // it goes on at once
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
		if f.message.len() == 0 && (found || f.term.kind == kindNone) {
			return p.data, nil
		}
		f.message.add(f.memory, p.data)
		if found {
			f.returned = true
			return f.wholeMessage(), nil
		}
	}
}

// wholeMessage returns what there is of the message.
func (f *Framer) wholeMessage() []byte { return slices.Clip(f.message.join(f.memory, 0)) }

// unfinishedMessage returns what there is of a message that can still come.
func (f *Framer) unfinishedMessage() []byte {
	if f.returned {
		return nil
	}
	return f.wholeMessage()
}

// moreOfMessage gets more input for nextMessage. The bytes of a message that are
// counted, and too many for the buffer, are read to where they belong.
func (f *Framer) moreOfMessage() error {
	have, remaining := f.message.len(), f.search.remaining
	n := min(remaining, int64(max(have, f.smallSize, min(f.usual, 8*min(have, largestPooled)))))
	counted := f.search.counting && f.begun && !f.skipping
	if !counted || n < int64(f.smallSize) || f.start < f.end || f.readErr != nil {
		return f.more()
	}
	// The memory grows as the message does, whatever its header has announced; in
	// longer steps if the message before was as long. When half of a large message
	// has come, there is memory for all of it, which spares half of the copying.
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
	if f.size < headSize {
		copy(f.head[f.size:], room[:got])
	}
	if f.message.len() == have {
		f.message.took(got)
	} else {
		f.message.add(f.memory, room[:got]) // the other bytes were discarded
	}
	f.search.remaining -= int64(got)
	f.size += int64(got)
	f.begun = f.begun || got > 0
	f.ended = f.search.remaining == 0
	return nil
}

// forgetMessage makes room for another message, when the last one was returned.
func (f *Framer) forgetMessage() {
	f.returned = false
	if n := f.message.len(); n > 0 {
		f.usual = min(n, largestPooled)
		f.message.reset(f.memory)
	}
}

// All returns an iterator over the messages, which end as t says, up to the end
// of the input. Each is lent: valid until the next iteration. An error other than
// [io.EOF] is yielded once, with what there is of an unfinished message; it ends
// the iteration, unless it is a [*MessageTooLongError].
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
