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

// What a peer sends may contain control sequences for the terminal of its reader: to move
// the cursor, for example, and overwrite other text.

// A printable is a text to print. Printable characters, line ends and tabs are printed as
// they are. The rest is escaped as in a Go string.
type printable []byte

func (p printable) String() string { return escape(p, "\n\t") }

// A printableLine is a printable that also escapes line ends.
type printableLine []byte

func (p printableLine) String() string { return escape(p, "\t") }

// escape escapes everything that is neither printable nor in except.
func escape(text []byte, except string) string {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case ' ' <= r && r <= '~': // the usual case
			out = append(out, text[0])
		case r == utf8.RuneError && n == 1: // not valid UTF-8
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

// quote returns text in quotes, but at most limit bytes of it.
func quote(text []byte, limit int) string {
	if len(text) > limit {
		return strconv.Quote(string(text[:limit])) + "..."
	}
	return strconv.Quote(string(text))
}
