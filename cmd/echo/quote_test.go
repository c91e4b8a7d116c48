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
	const text = "a\tb\nc\r\x1b"
	if got, want := printable(text).String(), "a\tb\nc"+`\r\x1b`; got != want {
		t.Errorf("printable(%q) is %q, want %q", text, got, want)
	}
	if got, want := printableLine(text).String(), "a\tb"+`\nc\r\x1b`; got != want {
		t.Errorf("printableLine(%q) is %q, want %q", text, got, want)
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
