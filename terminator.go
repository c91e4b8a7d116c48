// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Terminator says how a message ends. It is a small value that can be copied, kept, and
// compared with ==: two that were made by the same call with the same arguments are equal,
// except for [Split]. One Terminator may be used by any number of connections. The zero
// value is [None].
//
// Setting a Terminator does not allocate. Making one does not either, except for
// [AnyDelimiter], [Split], and a [Delimiter] that is not a constant. Call these once, and
// keep the result.
//
// See ExampleAnyDelimiter, ExampleDotBlock, ExampleLengthPrefix and
// ExampleTerminator_Limit in example_test.go.
type Terminator struct {
	// A Terminator has four words. The compiler would not keep a larger one in registers.

	how   any   // how a message ends: one of the types below, or nil for None
	n     int64 // Length, FixedLength: the count, in bytes; LengthPrefix: a prefixFormat
	limit int64 // its own limit, in bytes; 0: MaxMessageSize applies; negative: no limit
}

// These are the types of Terminator.how, beside delimiterSet and *bufio.SplitFunc. (A
// pointer, because functions can't be compared.)
type (
	delimiter    string
	nextLength   struct{}
	fixedLength  struct{}
	lengthPrefix struct{}
	dotBlock     struct{}
)

// isNone reports whether t is None.
func (t *Terminator) isNone() bool { return t.how == nil }

// isLength reports whether t is a Length.
func (t *Terminator) isLength() bool {
	_, ok := t.how.(nextLength)
	return ok
}

// None never ends a message: every byte is given to the handler as it comes.
// Config.MaxMessageSize does not apply, except to an embedded [Collector].
func None() Terminator { return Terminator{} }

// Delimiter ends a message at the first occurrence of delim, which may be any bytes and have
// any length. The delimiter is not part of the message. Delimiters do not overlap: "abab" is
// found once in "ababab", and "ab" remains.
//
// The match is exact. Delimiter("\r\n") does not accept a bare "\n"; a protocol that must
// be lenient says so with [AnyDelimiter].
//
// Do not use Delimiter("\r\n.\r\n") for the texts of SMTP, POP3 and NNTP; use [DotBlock].
// With the delimiter, an empty text would never end, because its first CRLF is that of the
// command before it; the last line would lose its CRLF; and doubled dots would stay doubled.
func Delimiter(delim string) Terminator {
	return Terminator{how: delimiter(delim)}
}

// AnyDelimiter ends a message at the first occurrence of any of delims. Of several that
// begin at the same byte, the longest is taken. The delimiter is not part of the message;
// [Framer.Matched] returns it.
//
// If one delimiter begins with another, as "\r\n" begins with "\r", the shorter one is
// found only when the next byte, or the end of the input, has excluded the longer one.
//
// The work is linear in the input, and does not depend on the number of delimiters. It is
// least, as little as for a [Delimiter], in two cases: at most three delimiters that end
// in the same byte and have it nowhere else, as "\r\n" and "\n" do; and delimiters that
// begin with at most three different bytes. All delimiters together may have at most 1
// MiB. The Terminator then takes 30 MiB, and some hundred more while it is made.
func AnyDelimiter(delims ...string) Terminator {
	return Terminator{how: newDelimiterSet(delims)}
}

// Length ends the message after the next n bytes, once. Then [None] is in force until
// another terminator is set, as in asynchat. Unlike in asynchat, Length(0) ends the
// message at once: FoundTerminator is called without data before it, and without waiting
// for input. n must not be negative, nor above MaxMessageSize or the Limit of the Terminator.
func Length(n int64) Terminator { return Terminator{how: nextLength{}, n: n} }

// FixedLength ends a message after every n bytes, again and again. n must be greater than
// zero, and not above MaxMessageSize or the Limit of the Terminator.
func FixedLength(n int64) Terminator { return Terminator{how: fixedLength{}, n: n} }

// Uvarint is the Size of a [Prefix] whose length field is a variable-length integer, as
// in [encoding/binary], Protocol Buffers, and the Remaining Length of MQTT: 7 bits in each
// byte, the least significant first, at most 10 bytes. Encodings that are longer than
// necessary are accepted. (MQTT allows 4 bytes.)
const Uvarint = -1

// A Prefix describes a header that carries the length of the message after it: Offset
// bytes of anything, then the length field. See [LengthPrefix] for receiving, and
// [Prefix.AppendLength] for sending.
//
// See ExamplePrefix and ExamplePrefix_AppendLength in example_test.go.
type Prefix struct {
	// Size is the size of the length field in bytes: 1, 2, 3, 4 or 8 for an
	// unsigned integer, or Uvarint.
	Size int

	// LittleEndian says that the least significant byte of the field comes first. By default
	// the most significant byte does (network byte order). It has no effect on a Uvarint.
	LittleEndian bool

	// Offset is the number of bytes before the length field, at most 65,535.
	Offset int

	// Adjustment is added to the value of the field to give the number of bytes
	// that follow it. A protocol whose length counts its own 4-byte header, for
	// example, has Adjustment -4. It must fit into 32 bits.
	Adjustment int64

	// Keep makes the header the beginning of the message; the limit of the size then counts
	// it, too. By default the header, with its Offset bytes, is removed.
	Keep bool
}

// AppendLength appends to dst the length field that announces n bytes after it, and
// returns the extended slice. It is for sending. It subtracts Adjustment, so that
// [LengthPrefix] of the same Prefix reads n bytes. It does not append the Offset bytes:
// append them to dst before.
//
// AppendLength returns dst as it was, and an error, if n is negative, if n does not fit
// the field, or if p makes no sense.
func (p Prefix) AppendLength(dst []byte, n int64) ([]byte, error) {
	if p.format().size() == 0 {
		return dst, errSenselessPrefix
	}
	if n < 0 {
		return dst, fmt.Errorf("framer: AppendLength of a negative length, %d", n)
	}
	value := uint64(n) - uint64(p.Adjustment) // n-Adjustment; if that is not negative, it fits
	if n < p.Adjustment || 0 < p.Size && p.Size < 8 && value>>(8*p.Size) > 0 {
		return dst, fmt.Errorf("framer: AppendLength: %d bytes, with adjustment %d, do not fit a field of size %d", n, p.Adjustment, p.Size)
	}
	if p.Size == Uvarint {
		return binary.AppendUvarint(dst, value), nil
	}
	for i := range p.Size {
		shift := 8 * i
		if !p.LittleEndian {
			shift = 8 * (p.Size - 1 - i)
		}
		dst = append(dst, byte(value>>shift))
	}
	return dst, nil
}

// LengthPrefix ends a message when the bytes that its header announces have come. Then
// the next header begins. Memory is used only for bytes that have arrived, whatever the
// header says. A length above Config.MaxMessageSize, or above the Limit of the
// Terminator, is refused when the header is complete, before a byte of the message is
// read.
func LengthPrefix(p Prefix) Terminator {
	return Terminator{how: lengthPrefix{}, n: int64(p.format())}
}

// DotBlock ends a message at a line that has nothing but a dot, as the texts of SMTP,
// NNTP and POP3 end (RFC 5321 section 4.5.2, RFC 3977 section 3.1.1). The message is the
// lines before it, each with its CRLF. If a line begins with a dot, that dot is removed.
// If the first line is the lone dot, the message is empty. The first byte under a
// DotBlock begins a line.
//
// Only CRLF ends a line. A bare LF or CR is a byte of the line, and is given as it is.
// "\n.\n", "\n.\r\n" and "\r\n.\n" do not end the message: if they did, one mail could
// smuggle in another (CVE-2023-51764). A protocol that must refuse such lines finds them
// in the message.
//
// The dots that are removed, and the last line, do not count for the limit of the
// message. [Framer.Matched] returns ".\r\n".
func DotBlock() Terminator { return Terminator{how: dotBlock{}} }

// Split ends messages where f finds its tokens. f is a split function, as for
// [bufio.Scanner]. A token is given to the handler in one piece, whatever its size. An
// empty token that is not nil is an empty message. Bytes that f advances over without a
// token are dropped. [bufio.ErrFinalToken] ends the input. As in a Scanner, f may return
// tokens without advancing; more than 100 in a row at the end of the input are an error.
//
// A split function needs the whole message in the buffer, and is called with all of it
// again after every read. An unfinished message may have MaxMessageSize bytes, or its
// Limit, plus ReadBufferSize, before it is refused. If it is skipped, that goes up to the
// end of the next token that f finds.
//
// All connections that use the Terminator call f, several of them at the same time. So f
// must keep nothing from one call to the next, unless Split is called for each connection.
//
// Bytes that are dropped do not count for the limit, and MessageTimeout does not begin with
// them: a peer may send any number of them. If f looks for the next message behind garbage,
// it should count what it drops, and return an error when that is too much.
//
// Two Terminators made by the same call of Split are equal; others are not. Call Split
// once, before a loop.
func Split(f bufio.SplitFunc) Terminator {
	return Terminator{how: &f}
}

// Limit returns t with its own limit for the size of a message, which replaces
// Config.MaxMessageSize: n bytes, which may be less or more. If n is negative, there is no
// limit. If n is zero, MaxMessageSize is the limit again. Limit has no effect on [None].
//
// So one kind of message can be longer than all others:
//
//	command := framer.Delimiter("\r\n").Limit(510) // the delimiter does not count
//	mail := framer.DotBlock().Limit(20 << 20)
//
// Terminators that are equal stay equal if both get the same limit. Limit allocates nothing.
func (t Terminator) Limit(n int64) Terminator {
	if t.how != nil {
		t.limit = max(n, -1)
	}
	return t
}

// lifted is the limit that NextReader sets for a Terminator without a limit of its own:
// there is none.
const lifted = math.MinInt64

// limitOr returns the limit for messages under a Terminator whose own limit is limit.
// maxSize is MaxMessageSize.
func limitOr(limit, maxSize int64) int64 {
	switch {
	case limit == 0:
		return maxSize
	case limit < 0:
		return math.MaxInt64
	}
	return limit
}

// String returns t much as it would be written in Go, for people to read.
func (t Terminator) String() string {
	if t.limit != 0 {
		n := t.limit
		t.limit = 0
		return t.String() + fmt.Sprintf(".Limit(%d)", n)
	}
	switch how := t.how.(type) {
	case delimiter:
		return "Delimiter(" + strconv.Quote(string(how)) + ")"
	case delimiterSet:
		var quoted []string
		for _, delim := range how.all {
			quoted = append(quoted, strconv.Quote(delim))
		}
		return "AnyDelimiter(" + strings.Join(quoted, ", ") + ")"
	case nextLength:
		return fmt.Sprintf("Length(%d)", t.n)
	case fixedLength:
		return fmt.Sprintf("FixedLength(%d)", t.n)
	case lengthPrefix:
		prefix := prefixFormat(t.n)
		return fmt.Sprintf("LengthPrefix(%+v)", Prefix{
			Size:         prefix.size(),
			LittleEndian: prefix.has(littleEndian),
			Offset:       prefix.offset(),
			Adjustment:   prefix.adjustment(),
			Keep:         prefix.has(keepHeader),
		})
	case *bufio.SplitFunc:
		return "Split(func)"
	case dotBlock:
		return "DotBlock()"
	}
	return "None()"
}

// validate returns an error if t makes no sense. maxSize is MaxMessageSize.
func (t Terminator) validate(maxSize int64) error {
	switch how := t.how.(type) {
	case delimiter:
		switch {
		case how == "":
			return errors.New("framer: empty delimiter")
		case len(how) > math.MaxInt32: // the numbers in search.border are int32
			return errors.New("framer: a delimiter of more than 2 GiB")
		}
	case delimiterSet:
		return how.validate()
	case nextLength, fixedLength:
		switch {
		case t.n < 0:
			return fmt.Errorf("framer: %v: the length must not be negative", t)
		case t.n == 0 && how == fixedLength{}:
			return fmt.Errorf("framer: %v: the length must be positive", t)
		}
		if limit := limitOr(t.limit, maxSize); t.n > limit {
			return &MessageTooLongError{Limit: limit, Seen: t.n, own: t.limit > 0}
		}
	case lengthPrefix:
		if prefixFormat(t.n).size() == 0 {
			return errSenselessPrefix
		}
	case *bufio.SplitFunc:
		if *how == nil {
			return errors.New("framer: Split without a function")
		}
	}
	return nil
}

// ErrBadPrefix reports a length prefix that makes no sense: a [Uvarint] of more than 64
// bits, or a length that becomes negative when the Adjustment of the [Prefix] is added.
var ErrBadPrefix = errors.New("framer: bad length prefix")

var errSenselessPrefix = errors.New("framer: LengthPrefix: Size must be 1, 2, 3, 4, 8 or Uvarint, Offset from 0 to 65535, and Adjustment must fit into 32 bits")

// A prefixFormat is a Prefix in one word. The lowest two bytes are the Offset. The next
// byte is the Size, or 0 if the Prefix is invalid. Then comes a byte of flags. The upper
// half is the Adjustment.
type prefixFormat int64

const (
	littleEndian prefixFormat = 1 << (24 + iota)
	keepHeader
)

// format returns p as a prefixFormat.
func (p Prefix) format() prefixFormat {
	f := prefixFormat(p.Adjustment) << 32
	switch p.Size {
	case 1, 2, 3, 4, 8, Uvarint:
		if 0 <= p.Offset && p.Offset <= math.MaxUint16 && f.adjustment() == p.Adjustment {
			f |= prefixFormat(p.Offset) | prefixFormat(uint8(p.Size))<<16
		}
	}
	if p.LittleEndian {
		f |= littleEndian
	}
	if p.Keep {
		f |= keepHeader
	}
	return f
}

func (p prefixFormat) offset() int       { return int(uint16(p)) }
func (p prefixFormat) size() int         { return int(int8(p >> 16)) }
func (p prefixFormat) adjustment() int64 { return int64(p >> 32) }

func (p prefixFormat) has(flag prefixFormat) bool { return p&flag != 0 }
