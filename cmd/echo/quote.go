// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a peer sends may be meant for the terminal of whoever reads it: to move the
// cursor, say, and write over what is there.

// A printable is text that is printed as it is where it is printable, line ends and
// tabs with it; the rest is escaped as in a Go string.
type printable []byte

func (p printable) String() string { return escape(p, "\n\t") }

// A printableLine is a printable without line ends.
type printableLine []byte

func (p printableLine) String() string { return escape(p, "\t") }

// escape escapes what is neither printable nor one of the characters in except.
func escape(text []byte, except string) string {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case ' ' <= r && r <= '~': // the usual case
			out = append(out, text[0])
		case r == utf8.RuneError && n == 1: // not UTF-8
			out = fmt.Appendf(out, `\x%02x`, text[0])
		case strconv.IsPrint(r), strings.ContainsRune(except, r):
			out = append(out, text[:n]...)
		default:
			q := strconv.QuoteRune(r)
			out = append(out, q[1:len(q)-1]...)
		}
		text = text[n:]
	}
	return string(out)
}

// quote quotes text, of which it shows limit bytes at most.
func quote(text []byte, limit int) string {
	if len(text) > limit {
		return strconv.Quote(string(text[:limit])) + "..."
	}
	return strconv.Quote(string(text))
}
