// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// A search is how far a terminator has got in the input. It looks at a byte of
// the input once, save those that could begin a delimiter.
type search struct {
	// Delimiter: the last matched bytes that were searched are the first ones of
	// pattern. border[k] is the length of the longest proper prefix of pattern
	// that ends pattern[:k]; it is made when first needed. (DotBlock: matched is
	// where in a line the next byte is.)
	pattern []byte
	matched int
	border  []int32
	short   [16]byte // holds patterns of the usual size

	// AnyDelimiter: the bytes that delimiters begin with, a bit each.
	first [8]uint32

	// Length, FixedLength, and LengthPrefix once the header is known: what the
	// message still lacks beyond the bytes that were found already.
	remaining int64
	counting  bool

	// AnyDelimiter: where the delimiter that was found lies in the set.
	at int
}

// A lastDelimiter is the delimiter that ended the last message. It is worked out when
// somebody asks, from the Terminator in force; what that was before is noted only when
// another one is set.
type lastDelimiter struct {
	delim string // the last Delimiter that was set
	set   string // the last AnyDelimiter, see encodeDelimiters

	// What ended the message with this number.
	number int64
	by     terminatorKind // kindDelimiter: delim; kindAnyDelimiter: one of set; kindKept: kept; others: none
	kept   string
}

// kindKept is for a delimiter whose Terminator is not the last one of its kind.
const kindKept = ^terminatorKind(0)

// get returns what ended the last message, which has this number, where a Terminator of
// this kind is in force. If it was one of set, it lies there at at.
func (d *lastDelimiter) get(number int64, kind terminatorKind, at int) string {
	if d.number == number {
		kind = d.by
	}
	switch kind {
	case kindDelimiter:
		return d.delim
	case kindAnyDelimiter:
		delim, _ := cutDelimiter(d.set[at:])
		return delim
	case kindKept:
		return d.kept
	case kindDotBlock:
		return loneDot
	}
	return ""
}

// keep is called before delim or set changes.
func (d *lastDelimiter) keep(at int) {
	if d.by == kindDelimiter || d.by == kindAnyDelimiter {
		d.kept = d.get(d.number, d.by, at)
		d.by = kindKept
	}
}

// A span is what a search found in the unread input: skip bytes that nobody
// gets, data bytes of the message and, if the message ends there, drop bytes of
// its delimiter. What is left over is held back until more input comes.
type span struct {
	skip, data, drop int
	found            bool
}

// set makes s ready for t.
func (s *search) set(t *Terminator, last *lastDelimiter) {
	switch t.kind {
	case kindDelimiter:
		if s.pattern == nil {
			s.pattern = s.short[:0]
		}
		if string(s.pattern) != t.delim { // it is often the same again, after a Length
			last.keep(s.at)
			last.delim = t.delim
			s.pattern = append(s.pattern[:0], t.delim...)
			s.border = s.border[:0]
		}
	case kindAnyDelimiter:
		if last.set == t.delim {
			break
		}
		last.keep(s.at)
		last.set = t.delim
		s.first = [8]uint32{}
		for set := t.delim; set != ""; {
			var delim string
			delim, set = cutDelimiter(set)
			s.first[delim[0]>>5] |= 1 << (delim[0] & 31)
		}
	}
	s.restart(t)
}

// restart makes s ready for the next message under the same terminator.
func (s *search) restart(t *Terminator) {
	s.matched = 0
	s.remaining = t.n
	s.counting = t.kind == kindLength || t.kind == kindFixedLength
}

// next searches data, the unread input. It is called with what it held back, if
// anything, and the bytes that came since. With atEOF no more will come and
// nothing is held back.
func (s *search) next(t *Terminator, data []byte, atEOF bool) (span, error) {
	switch t.kind.base() {
	case kindDelimiter:
		return s.delimiter(data, atEOF), nil
	case kindAnyDelimiter:
		return s.anyDelimiter(t.delim, data, atEOF), nil
	case kindLengthPrefix:
		if !s.counting {
			return s.header(t, data, atEOF)
		}
		return s.count(data), nil
	case kindLength, kindFixedLength:
		return s.count(data), nil
	case kindDotBlock:
		return s.dotBlock(data, atEOF), nil
	}
	return span{data: len(data)}, nil
}

// loneDot is the line that ends a DotBlock.
const loneDot = ".\r\n"

// Where in a line of a DotBlock a byte is.
const (
	atBeginning = iota
	inLine
	afterCR
)

// dotBlock searches up to the next line that begins with a dot. Its beginning is held
// back until it is known whether it is the last one.
func (s *search) dotBlock(data []byte, atEOF bool) (sp span) {
	if s.matched == atBeginning && len(data) > 0 && data[0] == '.' {
		n := min(len(data), len(loneDot))
		switch {
		case string(data[:n]) != loneDot[:n]:
		case n == len(loneDot):
			return span{drop: n, found: true}
		case !atEOF:
			return span{}
		}
		sp.skip = 1
		s.matched = inLine
	}
	sp.data = s.lines(data[sp.skip:])
	if rest := data[sp.skip+sp.data:]; len(rest) >= len(loneDot) && string(rest[:len(loneDot)]) == loneDot {
		sp.drop, sp.found = len(loneDot), true
	}
	return sp
}

// lines returns the length of what lies before the next line that begins with a dot,
// where data does not begin with such a line.
func (s *search) lines(data []byte) int {
	if s.matched == afterCR && len(data) > 0 && data[0] == '\n' && (len(data) == 1 || data[1] == '.') {
		s.matched = atBeginning
		return 1
	}
	i := bytes.Index(data, []byte("\r\n."))
	switch last := len(data) - 1; {
	case i >= 0:
		s.matched = atBeginning
		return i + len("\r\n")
	case last < 0:
	case data[last] == '\r':
		s.matched = afterCR
	case last > 0 && data[last] == '\n' && data[last-1] == '\r':
		s.matched = atBeginning
	default:
		s.matched = inLine
	}
	return len(data)
}

func (s *search) count(data []byte) span {
	n := min(int64(len(data)), s.remaining)
	s.remaining -= n
	return span{data: int(n), found: s.remaining == 0}
}

// delimiter is the search of Knuth, Morris and Pratt where a match has begun, and
// bytes.Index where none has: linear in the input for every pattern and however
// the input is cut.
func (s *search) delimiter(data []byte, atEOF bool) span {
	i := s.matched
	for i < len(data) {
		if s.matched == 0 {
			n := bytes.Index(data[i:], s.pattern)
			if n >= 0 {
				return span{data: i + n, drop: len(s.pattern), found: true}
			}
			// The pattern may begin in the last bytes.
			i = max(i, len(data)-len(s.pattern)+1)
		}
		for i < len(data) {
			s.match(data[i])
			i++
			if s.matched == len(s.pattern) {
				return span{data: i - s.matched, drop: s.matched, found: true}
			}
			if s.matched == 0 {
				break
			}
		}
	}
	if atEOF {
		s.matched = 0
	}
	return span{data: len(data) - s.matched}
}

// indexLast returns the place where delim begins if the first byte of data that
// is the last one of delim belongs to one; see delimitedAt. Of the delimiters in
// use, the last byte is the rarest. The result may be negative.
func indexLast(data []byte, delim string) int {
	last := len(delim) - 1
	return bytes.IndexByte(data, delim[last]) - last
}

// delimitedAt reports whether delim, of which indexLast has found the last byte,
// lies in data at n.
func delimitedAt(data []byte, n int, delim string) bool {
	return n >= 0 && data[n] == delim[0] && (len(delim) <= 2 || string(data[n:n+len(delim)]) == delim)
}

// match updates matched for the next byte of the input.
func (s *search) match(c byte) {
	for s.pattern[s.matched] != c {
		if s.matched == 0 {
			return
		}
		if len(s.border) == 0 {
			s.makeBorder()
		}
		s.matched = int(s.border[s.matched])
	}
	s.matched++
}

func (s *search) makeBorder() {
	s.border = append(s.border, 0, 0)
	k := 0
	for i := 1; i < len(s.pattern); i++ {
		for k > 0 && s.pattern[i] != s.pattern[k] {
			k = int(s.border[k])
		}
		if s.pattern[i] == s.pattern[k] {
			k++
		}
		s.border = append(s.border, int32(k))
	}
}

func (s *search) anyDelimiter(set string, data []byte, atEOF bool) span {
	for i, c := range data {
		if s.first[c>>5]&(1<<(c&31)) == 0 {
			continue
		}
		n, at, undecided := matchAny(set, data[i:], atEOF)
		if undecided {
			return span{data: i}
		}
		if n > 0 {
			s.at = at
			return span{data: i, drop: n, found: true}
		}
	}
	return span{data: len(data)}
}

// matchAny returns the length of the longest delimiter of set that data begins
// with, and where it lies in set. It is undecided where data ends before a longer one
// is excluded.
func matchAny(set string, data []byte, atEOF bool) (n, at int, undecided bool) {
	for rest := set; rest != ""; {
		at = len(set) - len(rest)
		var delim string
		delim, rest = cutDelimiter(rest)
		if len(data) >= len(delim) {
			if string(data[:len(delim)]) == delim {
				return len(delim), at, false
			}
		} else if !atEOF && delim[:len(data)] == string(data) {
			return 0, 0, true
		}
	}
	return 0, 0, false
}

// header reads the header of a LengthPrefix message. When it is complete, s
// counts the bytes of the message.
func (s *search) header(t *Terminator, data []byte, atEOF bool) (span, error) {
	prefix := prefixFormat(t.kind)
	length, size, err := prefix.length(data)
	if err != nil {
		return span{}, err
	}
	if size == 0 {
		switch {
		case !atEOF:
			return span{}, nil
		case prefix.has(keepHeader):
			return span{data: len(data)}, nil
		default:
			return span{skip: len(data)}, nil
		}
	}
	remaining, ok := addLength(length, t.n)
	if !ok {
		return span{}, fmt.Errorf("%w: length %d with adjustment %d is negative; the header begins %q", ErrBadPrefix, length, t.n, data[:min(size, headSize)])
	}
	s.counting = true
	if prefix.has(keepHeader) {
		s.remaining, _ = addLength(uint64(remaining), int64(size))
		return s.count(data), nil
	}
	s.remaining = remaining
	sp := s.count(data[size:])
	sp.skip = size
	return sp, nil
}

// length decodes the length field. size is that of the whole header, or 0 while
// it is incomplete.
func (p prefixFormat) length(data []byte) (length uint64, size int, err error) {
	offset, fieldSize := p.offset(), p.size()
	if len(data) <= offset {
		return 0, 0, nil
	}
	field := data[offset:]
	if fieldSize == Uvarint {
		length, n := binary.Uvarint(field)
		switch {
		case n < 0, n == 0 && len(field) >= binary.MaxVarintLen64:
			return 0, 0, fmt.Errorf("%w: a uvarint of more than 64 bits; the header begins %q", ErrBadPrefix, data[:min(offset+binary.MaxVarintLen64, headSize)])
		case n == 0:
			return 0, 0, nil
		}
		return length, offset + n, nil
	}
	if len(field) < fieldSize {
		return 0, 0, nil
	}
	field = field[:fieldSize]
	for i := range field {
		if p.has(littleEndian) {
			length |= uint64(field[i]) << (8 * i)
		} else {
			length = length<<8 | uint64(field[i])
		}
	}
	return length, offset + fieldSize, nil
}

// addLength returns length+n, or math.MaxInt64 if that is less. ok is false for
// a negative sum.
func addLength(length uint64, n int64) (sum int64, ok bool) {
	switch {
	case n < 0 && length < -uint64(n):
		return 0, false
	case n > 0 && length > math.MaxInt64-uint64(n):
		return math.MaxInt64, true
	}
	return int64(min(length+uint64(n), math.MaxInt64)), true
}
