// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strconv"
)

// A kind is the kind of a record. Messages and replies have numbers, the others have
// none.
type kind byte

const (
	message  kind = 'm'
	reply    kind = 'r'
	farewell kind = 'f' // sent by a server that is being shut down

	// Commands to the server.
	closeCommand         kind = 'w' // call CloseWhenDone
	errorCommand         kind = 'e' // return an error
	panicCommand         kind = 'p'
	producerErrorCommand kind = 'x'
	cancelCommand        kind = 'c' // cancel the context
	discardCommand       kind = 'd'
)

// A record is what is sent, in either direction. It is a line of text without the line
// end:
//
//	kind connection number answer payload checksum
//
// The field answer is the size that the payload of the reply must have. The payload may
// have spaces and carriage returns, but no newline.
type record struct {
	kind         kind
	conn, number uint64
	answer       int
	offset, size int // the payload is this part of the text
}

// maxPayload is the greatest size of a payload in bytes.
const maxPayload = 128 << 10

// newText returns the text of which payloads are parts. It contains beginnings of
// delimiters.
func newText(rnd *rand.Rand) []byte {
	const letters = "abcdefgh 0123456789\r\r.\x00\xff"
	text := make([]byte, 2*maxPayload)
	for i := range text {
		text[i] = letters[rnd.IntN(len(letters))]
	}
	return text
}

// pieces returns the bytes of r under f in three parts. The second part is the payload.
func (r record) pieces(f *framing, text []byte) (head, payload, tail []byte) {
	head = append(head, byte(r.kind), ' ')
	for _, n := range []uint64{r.conn, r.number, uint64(r.answer)} {
		head = append(strconv.AppendUint(head, n, 10), ' ')
	}
	payload = text[r.offset : r.offset+r.size]
	sum := crc32.Update(crc32.ChecksumIEEE(head), crc32.IEEETable, payload)
	tail = fmt.Appendf(nil, " %08x", sum)
	if f.before != nil {
		head = append(f.before(len(head)+len(payload)+len(tail)), head...)
	}
	return head, payload, append(tail, f.after...)
}

// bytes returns the bytes of r under f.
func (r record) bytes(f *framing, text []byte) []byte {
	return slices.Concat(r.pieces(f, text))
}

// checksumSize is the size of a checksum and of the space before it, in bytes.
const checksumSize = 9

var errTorn = errors.New("soak: torn record")

// parse returns the record in data. It checks the payload and leaves it out.
func parse(data []byte) (record, error) {
	end := len(data) - checksumSize
	if end < 0 {
		return record{}, fmt.Errorf("%w of %d bytes", errTorn, len(data))
	}
	want := fmt.Appendf(nil, " %08x", crc32.ChecksumIEEE(data[:end]))
	if !bytes.Equal(data[end:], want) {
		return record{}, fmt.Errorf("%w of %d bytes: its checksum is%s, not%s", errTorn, len(data), data[end:], want)
	}
	fields := bytes.SplitN(data[:end], []byte(" "), 5)
	if len(fields) < 5 || len(fields[0]) != 1 {
		return record{}, fmt.Errorf("%w: %d fields", errTorn, len(fields))
	}
	var numbers [3]uint64
	for i := range numbers {
		n, err := strconv.ParseUint(string(fields[i+1]), 10, 63)
		if err != nil {
			return record{}, fmt.Errorf("%w: %w", errTorn, err)
		}
		numbers[i] = n
	}
	return record{
		kind:   kind(fields[0][0]),
		conn:   numbers[0],
		number: numbers[1],
		answer: min(int(numbers[2]), maxPayload),
	}, nil
}
