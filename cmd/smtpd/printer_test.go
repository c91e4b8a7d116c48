// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// printed returns what a printer prints for a mail.
func printed(t *testing.T, parts ...string) string {
	t.Helper()
	var b bytes.Buffer
	if err := begun(t, &printer{w: &b}, parts...).commit(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The format is that of Python's DebuggingServer, with two more lines.
func TestPrinter(t *testing.T) {
	mail := "Subject: =?utf-8?q?x?=\r\nFrom: Ä\r\n\r\nA tab\tand an umlaut: ü 😀. Wide spaces:\u00a0\u3000.\r\n\r\n" +
		"Colour: \x1b[31mred\x1b]0;title\a, NUL: \x00, DEL: \x7f, C1: \u009b31m,\r\n" +
		"not UTF-8: \xff\xc3, from right to left: \u202e, a tag: \U000e0041, a mark: \ufeff.\r\n"
	got := printed(t, mail)
	golden := filepath.Join("testdata", "printed.txt")
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o777), os.WriteFile(golden, []byte(got), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(string(want), "\r\n", "\n"); got != want { // git may convert the file on Windows
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var cut []string
	for i := range len(mail) {
		cut = append(cut, mail[i:i+1])
	}
	if bytewise := printed(t, cut...); bytewise != got {
		t.Errorf("byte by byte, got\n%s\nwant\n%s", bytewise, got)
	}
}

func TestPrinterEnds(t *testing.T) {
	const start, about, end = "---------- MESSAGE FOLLOWS ----------\n", "X-Peer: 127.0.0.1\nX-MailFrom: a@x\nX-RcptTo: b@y, c@z\n", "------------ END MESSAGE ------------\n"
	for mail, want := range map[string]string{
		"":                      about,
		"\r\n":                  about + "\n",
		"S: x\r\n":              "S: x\n" + about,
		"S: x\r\n\r\n":          "S: x\n" + about + "\n",
		"S: x\r\n\r\n\r\na\r\n": "S: x\n" + about + "\n\na\n",
	} {
		if got := printed(t, mail); got != start+want+end {
			t.Errorf("%q: got\n%s\nwant\n%s", mail, got, start+want+end)
		}
	}
}

// Mails that arrive at the same time are printed one after the other. A discarded mail is
// not printed.
func TestPrinterOrder(t *testing.T) {
	var b lockedBuffer
	p := &printer{w: writerFunc(func(piece []byte) (int, error) {
		for range 100 {
			runtime.Gosched() // let the others run
		}
		return b.Write(piece)
	})}
	const mails = 20
	var all sync.WaitGroup
	for i := range mails {
		d := begun(t, p, strings.Repeat(string(rune('a'+i)), 10_000)+"\r\n")
		if i == 0 {
			d.discard()
			continue
		}
		all.Go(func() {
			if err := d.commit(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	blocks := strings.SplitAfter(b.String(), "------------ END MESSAGE ------------\n")
	if len(blocks) != mails { // one mail was discarded, and the last block is empty
		t.Errorf("got %d mails, want %d", len(blocks)-1, mails-1)
	}
	for _, block := range blocks[:len(blocks)-1] {
		if text := strings.Split(block, "\n")[1]; len(text) != 10_000 || strings.Trim(text, text[:1]) != "" {
			t.Errorf("got %q in one mail", text)
		}
	}
}

func TestPrinterFails(t *testing.T) {
	full := errors.New("full")
	p := &printer{w: failingWriter{full}}
	if err := begun(t, p, "x\r\n").commit(); !errors.Is(err, full) {
		t.Errorf("commit returned %v, want %v", err, full)
	}
	if err := begun(t, p, strings.Repeat("x\r\n", 100_000)).commit(); !errors.Is(err, full) {
		t.Errorf("commit of a large mail returned %v, want %v", err, full)
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nothing"))
	t.Setenv("TMP", os.Getenv("TMPDIR"))
	if _, err := p.begin(new(envelope)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("begin without a temporary directory returned %v", err)
	}
}

// No temporary file of a mail remains, however the mail ends.
func TestPrinterLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	printed(t, "x\r\n")
	begun(t, &printer{w: failingWriter{errors.New("full")}}, "x\r\n").commit()
	d := begun(t, &printer{}, "x\r\n")
	if runtime.GOOS != "windows" {
		none(t, dir) // nothing would remain even if the server was killed here
	}
	d.discard()
	none(t, dir)
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
