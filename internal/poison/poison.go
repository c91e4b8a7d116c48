// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package poison overwrites memory that was lent when the loan has ended, so that code
// that keeps the memory too long is found out. Package framertest sets a Mark to tell
// package framer to do this. So the public interface needs nothing for it.
package poison

// A Byte is the byte with which memory is overwritten. It never occurs in UTF-8. Zero
// means that memory is not overwritten.
type Byte byte

// The bytes from First to Last never occur in UTF-8.
const (
	First Byte = 0xf5
	Last  Byte = 0xff
)

// Is reports whether b may come from overwritten memory.
func Is(b byte) bool { return Byte(b) >= First }

// Overwrite sets all bytes of p to b.
func (b Byte) Overwrite(p []byte) {
	if len(p) == 0 {
		return
	}
	p[0] = byte(b)
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}

// A Mark has the byte with which the loans of a value are overwritten; the value embeds
// the Mark. If the value is a reader, the loans are those of a Framer that reads from it.
// The zero value means that loans are not overwritten. The method of a Mark is
// unexported, so embedding a Mark adds nothing that users of a type can call.
type Mark struct{ with Byte }

func (m *Mark) mark() *Mark { return m }

type marked interface{ mark() *Mark }

// Set sets the Mark of v, if v has one.
func Set(v any, with Byte) {
	if m, ok := v.(marked); ok {
		m.mark().with = with
	}
}

// Of returns the Byte of the Mark of v, or zero if v has none.
func Of(v any) Byte {
	if m, ok := v.(marked); ok {
		return m.mark().with
	}
	return 0
}
