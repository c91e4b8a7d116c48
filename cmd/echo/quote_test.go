// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"strings"
	"testing"
	"unicode"
)

func TestPrintable(t *testing.T) {
	tests := []struct{ text, want, line string }{
		{"", "", ""},
		{"Grüße, 世界! \"\\x1b\" '", "Grüße, 世界! \"\\x1b\" '", "Grüße, 世界! \"\\x1b\" '"},
		{"a\tb\nc", "a\tb\nc", "a\tb\\nc"},
		{"\x1b[31mred\x07\r", `\x1b[31mred\a\r`, `\x1b[31mred\a\r`},
		{"\x00\x7f\x9b\xff", `\x00\x7f\x9b\xff`, `\x00\x7f\x9b\xff`},
		{"\u009b\u202e\u2028\ufeff", `\u009b\u202e\u2028\ufeff`, `\u009b\u202e\u2028\ufeff`},
		{"\xe4\xb8", `\xe4\xb8`, `\xe4\xb8`}, // a piece may end in the middle of a character
		{"\ufffd", "\ufffd", "\ufffd"},
	}
	for _, test := range tests {
		if got := printable(test.text).String(); got != test.want {
			t.Errorf("printable(%q) is %q, want %q", test.text, got, test.want)
		}
		if got := printableLine(test.text).String(); got != test.line {
			t.Errorf("printableLine(%q) is %q, want %q", test.text, got, test.line)
		}
	}
}

// Only printable text reaches a terminal, whatever its source, and wherever it is
// printed.
func TestOnlyTextIsPrinted(t *testing.T) {
	var all strings.Builder
	for i := range 256 {
		all.WriteByte(byte(i))
	}
	all.WriteString("\u009b\u202e")
	_, _, both := echo(t, "-v", "-file", writeFile(t, all.String()))

	l := listen(t)
	answered := make(chan error, 1)
	go func() { answered <- answer(l, all.String()+lorem) }()
	_, _, client := echo(t, "-v", "-dial", l.Addr().String())
	if err := <-answered; err != nil {
		t.Error(err)
	}

	var log logBuffer
	for _, opts := range []options{{verbose: true, serve: "x"}, {verbose: true, lines: true}} {
		for _, input := range []string{"ECHO 256\n" + all.String(), all.String() + "\r\n", strings.Repeat("\x1b", maxText+1)} {
			converse(t, opts, input, 0, &log)
		}
	}
	for name, log := range map[string]string{"both": both, "client": client, "server": log.String()} {
		if log == "" {
			t.Errorf("%s: no log", name)
		}
		for i, r := range log {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) || r == unicode.ReplacementChar {
				t.Errorf("%s: %q in the log: %.80q", name, r, log[max(i-20, 0):])
				break
			}
		}
	}
}
