// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package cli

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, test := range []struct{ text, keep, want string }{
		{"", "", ""},
		{"Grüße, 世界! \"\\x1b\" '", "", "Grüße, 世界! \"\\x1b\" '"},
		{"a\tb\nc", "", `a\tb\nc`},
		{"a\tb\nc", "\t", "a\tb\\nc"},
		{"a\tb\nc", "\n\t", "a\tb\nc"},
		{"\x1b[31mred\x07\r", "\n\t", `\x1b[31mred\a\r`},
		{"\x00\x7f\x9b\xff", "\n\t", `\x00\x7f\x9b\xff`},
		{"\u009b\u202e\u2028\ufeff\U000e0041\u00a0", "", `\u009b\u202e\u2028\ufeff\U000e0041\u00a0`},
		{"a\u00a0b", "\u00a0", "a\u00a0b"},
		{"\xe4\xb8", "", `\xe4\xb8`}, // a piece may end in the middle of a character
		{"\ufffd\xff", "\ufffd", "\ufffd" + `\xff`},
	} {
		if got := Escape(test.text, test.keep); got != test.want {
			t.Errorf("Escape(%q, %q) is %q, want %q", test.text, test.keep, got, test.want)
		}
		if got := string(AppendEscaped([]byte("\x00"), []byte(test.text), test.keep)); got != "\x00"+test.want {
			t.Errorf("AppendEscaped(%q, %q) has appended %q, want %q", test.text, test.keep, got[1:], test.want)
		}
	}
}

// Only printable characters, and those to keep, reach a terminal. What is escaped is
// escaped as strconv.Quote does.
func FuzzEscape(f *testing.F) {
	f.Add("\x1b[2Ja\tb\r\n\u202e\xff世\xe4\xb8", "\n\t")
	f.Add(`"\"`, "")
	f.Fuzz(func(t *testing.T, text, keep string) {
		for _, keep := range []string{keep, ""} {
			got := Escape(text, keep)
			if !utf8.ValidString(got) {
				t.Errorf("Escape(%q, %q) is %q, which is not UTF-8", text, keep, got)
			}
			for _, r := range got {
				if !strconv.IsPrint(r) && !strings.ContainsRune(keep, r) {
					t.Errorf("Escape(%q, %q) is %q, with %q in it", text, keep, got, r)
				}
			}
			if again := Escape(got, keep); again != got {
				t.Errorf("Escape(%q, %q) is %q", got, keep, again)
			}
		}
		plain := strings.NewReplacer(`"`, "", `\`, "").Replace(text)
		if got, want := `"`+Escape(plain, "")+`"`, strconv.Quote(plain); got != want {
			t.Errorf("Escape(%q) is %s, want %s", plain, got, want)
		}
	})
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":          `""`,
		"a\x1b\"":   `"a\x1b\""`,
		"abc\n":     `"abc\n"`,
		"abc\nd":    `"abc\n"...`,
		"abc\u00e4": `"abc\xc3"...`, // cut off in the middle of a character
	} {
		if got := Quote(text, 4); got != want {
			t.Errorf("Quote(%q, 4) is %s, want %s", text, got, want)
		}
	}
}
