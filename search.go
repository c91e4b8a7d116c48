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

// A search records how far a terminator has got in the input. It looks at each byte of
// the input once, except for those that may begin a delimiter.
type search struct {
	// Delimiter: the last matched bytes of the searched input are the first ones of
	// pattern. border[k] is the length of the longest proper prefix of pattern that is
	// also the end of pattern[:k]. It is made when it is first needed. (DotBlock: matched
	// says where in a line the next byte is.)
	pattern []byte
	matched int
	border  []int32
	short   [16]byte // holds a pattern of the usual size

	// AnyDelimiter: the node of its automaton, if matched is not 0.
	node int

	// Length, FixedLength, and LengthPrefix once the header is known: counting is set,
	// and remaining is how many bytes of the message are missing after those that were
	// found.
	remaining int64
	counting  bool

	// AnyDelimiter: the place in the set of the delimiter that was found.
	at int
}

// A lastDelimiter describes the delimiter that ended a message.
type lastDelimiter struct {
	number int64 // of the message: Framer.ends
	how    any   // that of the Terminator
	at     int   // AnyDelimiter: its place in the set
}

func (d *lastDelimiter) String() string {
	switch how := d.how.(type) {
	case delimiter:
		return string(how)
	case delimiterSet:
		return how.delimiter(d.at)
	case dotBlock:
		return loneDot
	}
	return ""
}

// A span is what a search has found in the unread input: skip bytes to drop, then data
// bytes of the message and, if the message ends there, drop bytes of its delimiter. If it
// does not end there, the bytes after them are held back until more input comes.
type span struct {
	skip, data, drop int
	found            bool
}

// restart prepares s for a message under t. It keeps matched, because an AnyDelimiter may
// already have searched bytes after the message that ended.
func (s *search) restart(t Terminator) {
	s.remaining, s.counting = t.n, false
}

// next searches data, the unread input: the bytes that earlier calls have held back, then
// the bytes that have come since. If atEOF is set, no more will come, and nothing is held
// back.
func (s *search) next(t *Terminator, data []byte, atEOF bool) (span, error) {
	switch how := t.how.(type) {
	case delimiter:
		return s.delimiter(string(how), data, atEOF), nil
	case delimiterSet:
		return s.anyDelimiter(how, data, atEOF), nil
	case lengthPrefix:
		if !s.counting {
			return s.header(prefixFormat(t.n), data, atEOF)
		}
		return s.count(data), nil
	case nextLength, fixedLength:
		s.counting = true
		return s.count(data), nil
	case dotBlock:
		return s.dotBlock(data, atEOF), nil
	}
	return span{data: len(data)}, nil
}

// loneDot is the line that ends a DotBlock.
const loneDot = ".\r\n"

// These are the places of a byte in a line of a DotBlock.
const (
	atBeginning = iota
	inLine
	afterCR
)

// dotBlock searches up to the next line that begins with a dot. It holds back the
// beginning of such a line until it is known whether the line is the lone dot.
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

// lines returns the number of bytes before the next line that begins with a dot. data
// must not begin with such a line.
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

// delimiter uses the algorithm of Knuth, Morris and Pratt where a match has begun, and
// bytes.Index where none has. The time is linear in the input for every pattern, however
// the input is cut.
func (s *search) delimiter(delim string, data []byte, atEOF bool) span {
	if s.matched == 0 && string(s.pattern) != delim {
		s.setPattern(delim)
	}
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

// setPattern makes delim the pattern.
func (s *search) setPattern(delim string) {
	if s.pattern == nil {
		s.pattern = s.short[:0]
	}
	s.pattern = append(s.pattern[:0], delim...)
	s.border = s.border[:0]
}

// indexLast finds the first byte of data that equals the last byte of d, and returns
// where a d that ends there begins. The result may be negative. beginsAt then checks the
// other bytes. The last byte is searched because it is usually rarer in the input than the
// others.
func (d delimiter) indexLast(data []byte) int {
	last := len(d) - 1
	return bytes.IndexByte(data, d[last]) - last
}

// beginsAt reports whether d begins at data[n], where n is as indexLast returns it.
func (d delimiter) beginsAt(data []byte, n int) bool {
	return n >= 0 && data[n] == d[0] && (len(d) <= 2 || string(data[n:n+len(d)]) == string(d))
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

// anyDelimiter runs the automaton of the set where a match has begun, and looks for a
// byte that begins a delimiter where none has. The time is linear in the input for every
// set, however the input is cut.
func (s *search) anyDelimiter(set delimiterSet, data []byte, atEOF bool) span {
	i := s.matched
	if i == 0 {
		n, drop := s.commonEnd(set, data)
		if n >= 0 {
			return span{data: n, drop: drop, found: true}
		}
		i = drop
		s.node = root
	}
	a, h := set.automaton(), set.hints()
	for ; ; i++ {
		if s.node == root {
			i += h.beginning(data[i:])
		}
		if i >= len(data) {
			break
		}
		next := a.step(s.node, data[i])
		begin := i + 1 - a.get(next, nodeDepth)
		if at := a.get(s.node, nodeMatch); at > 0 {
			match := i - a.get(s.node, nodeDepth) + a.get(s.node, nodeBegin)
			if begin > match { // any other match begins later
				return s.found(set, at, match, a, s.node, i)
			}
		}
		s.node = next
		if a.get(next, nodeChildren) == 0 { // it is a delimiter, and no longer one begins with it
			return s.found(set, a.get(next, nodeMatch), begin, a, next, i+1)
		}
	}
	s.matched = a.get(s.node, nodeDepth)
	if at := a.get(s.node, nodeMatch); atEOF && at > 0 {
		return s.found(set, at, len(data)-s.matched+a.get(s.node, nodeBegin), a, s.node, len(data))
	}
	if atEOF {
		s.matched = 0
	}
	return span{data: len(data) - s.matched}
}

// found returns the span of a delimiter that was found. The delimiter is at the place at
// in set, and begins at match in the input. a has searched up to end and is at node. If
// the bytes after the delimiter begin another one, found keeps that state, so that they
// are not searched again. Without it, the same bytes could be searched again and again in
// a set where a short delimiter begins a long one.
func (s *search) found(set delimiterSet, at, match int, a automaton, node, end int) span {
	s.at = at
	drop := len(set.delimiter(at))
	behind := end - (match + drop)
	for a.get(node, nodeDepth) > behind {
		node = a.get(node, nodeFail)
	}
	s.matched, s.node = 0, root
	if a.get(node, nodeDepth) == behind && a.get(node, nodeChildren) > 0 {
		s.matched, s.node = behind, node
	}
	return span{data: match, drop: drop, found: true}
}

// commonEnd is a fast path for delimiters that all end in the same byte. It returns the
// index of the first delimiter in data, and its length. If there is none, or the fast
// path does not apply, it returns -1, and how many bytes of data need not be searched.
func (s *search) commonEnd(set delimiterSet, data []byte) (n, size int) {
	if set[setHints+hintLast] == 0 {
		return -1, 0
	}
	end := bytes.IndexByte(data, set[setHints+hintLast+1]) + 1
	if end == 0 { // a delimiter may begin in the last bytes
		return -1, max(0, len(data)-set.number(setDelims))
	}
	for at, labels := setDelims, set.number(setLabels); at < labels; {
		delim := set.delimiter(at)
		if n := end - len(delim); delimiter(delim).beginsAt(data, n) {
			s.at = at
			return n, len(delim)
		}
		at += 4 + len(delim)
	}
	return -1, 0
}

// header reads the header of a LengthPrefix message. Once the header is complete, s
// counts the bytes of the message.
func (s *search) header(prefix prefixFormat, data []byte, atEOF bool) (span, error) {
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
	remaining, ok := addLength(length, prefix.adjustment())
	if !ok {
		return span{}, fmt.Errorf("%w: length %d with adjustment %d is negative; the header begins %q", ErrBadPrefix, length, prefix.adjustment(), data[:min(size, headSize)])
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

// whole is a fast path for a LengthPrefix message that lies whole in data. It returns how
// many bytes to drop, and how many bytes after them are the message. n is -1 if the fast
// path does not apply.
func (p prefixFormat) whole(data []byte) (skip, n int) {
	skip = p.offset()
	if len(data)-skip < 8 {
		return 0, -1
	}
	field, length := data[skip:], uint64(0)
	switch size := p.size(); {
	case size == 0: // the Prefix is invalid
		return 0, -1
	case size != Uvarint && p.has(littleEndian):
		unused := (64 - 8*size) & 63 // & 63 has no effect, but saves the check for larger shifts
		length = binary.LittleEndian.Uint64(field) << unused >> unused
		skip += size
	case size != Uvarint:
		length = binary.BigEndian.Uint64(field) >> ((64 - 8*size) & 63)
		skip += size
	case field[0] < 0x80:
		length = uint64(field[0])
		skip++
	default:
		var size int
		if length, size = binary.Uvarint(field); size <= 0 {
			return 0, -1
		}
		skip += size
	}
	if adjustment := p.adjustment(); adjustment != 0 {
		sum, ok := addLength(length, adjustment)
		if !ok {
			return 0, -1
		}
		length = uint64(sum)
	}
	switch {
	case length > uint64(len(data)-skip):
		return 0, -1
	case p.has(keepHeader):
		return 0, skip + int(length)
	}
	return skip, int(length)
}

// length decodes the length field. size is the size of the whole header, or 0 while the
// header is incomplete.
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

// addLength returns length+n, or math.MaxInt64 if the sum is greater. ok is false if the
// sum is negative.
func addLength(length uint64, n int64) (sum int64, ok bool) {
	switch {
	case n < 0 && length < -uint64(n):
		return 0, false
	case n > 0 && length > math.MaxInt64-uint64(n):
		return math.MaxInt64, true
	}
	return int64(min(length+uint64(n), math.MaxInt64)), true
}
