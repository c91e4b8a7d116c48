// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package poison is about memory that is lent, and overwritten when the loan has
// ended, so that whoever has kept it finds that out. By a Mark, package framertest
// tells package framer to lend so, without a word of it in the public interface.
package poison

// A Byte is what memory is overwritten with: one that no UTF-8 has. Zero means that
// memory is not overwritten.
type Byte byte

// The bytes from First to Last are no part of UTF-8.
const (
	First Byte = 0xf5
	Last  Byte = 0xff
)

// Is reports whether memory is overwritten with b.
func Is(b byte) bool { return Byte(b) >= First }

// Overwrite makes all of p the byte b.
func (b Byte) Overwrite(p []byte) {
	if len(p) == 0 {
		return
	}
	p[0] = byte(b)
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}

// A Mark says what the loans of the value that embeds it are overwritten with; those
// of a reader are what a Framer lends that reads from it. The zero value says that they
// are not. Its method is nobody else's: to embed a Mark adds nothing to what users of a
// type can call.
type Mark struct{ with Byte }

func (m *Mark) mark() *Mark { return m }

type marked interface{ mark() *Mark }

// Set sets the Mark of v, if it has one.
func Set(v any, with Byte) {
	if m, ok := v.(marked); ok {
		m.mark().with = with
	}
}

// Of returns what the Mark of v says, or zero if it has none.
func Of(v any) Byte {
	if m, ok := v.(marked); ok {
		return m.mark().with
	}
	return 0
}
