// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package cli

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a peer sends may contain control sequences for the terminal of its reader: to move
// the cursor, for example, and overwrite other text.

// Escape returns text, fit for a terminal. Printable characters, as defined by
// [strconv.IsPrint], and the characters in keep are as they were. The rest is escaped as
// in a Go string: line ends and tabs, unless they are in keep, other control characters,
// characters that change the direction of text, and bytes that are not UTF-8. Escape does
// not escape quotes and backslashes.
func Escape(text, keep string) string {
	return string(AppendEscaped(make([]byte, 0, len(text)), []byte(text), keep))
}

// AppendEscaped appends what Escape returns to dst. It does not keep text.
func AppendEscaped(dst, text []byte, keep string) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		valid := r != utf8.RuneError || n > 1
		if valid && (strconv.IsPrint(r) || strings.ContainsRune(keep, r)) {
			dst = append(dst, text[:n]...)
		} else {
			quoted := strconv.Quote(string(text[:n]))
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		text = text[n:]
	}
	return dst
}

// Quote returns text as a Go string in quotes, fit for a terminal. If text has more than
// limit bytes, Quote returns the first limit bytes, and dots behind the quotes.
func Quote(text string, limit int) string {
	if len(text) > limit {
		return strconv.Quote(text[:limit]) + "..."
	}
	return strconv.Quote(text)
}
