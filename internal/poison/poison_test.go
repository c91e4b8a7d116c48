// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package poison

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

func TestOverwrite(t *testing.T) {
	for size := range 70 {
		p := bytes.Repeat([]byte("o"), size+1)
		First.Overwrite(p[:size])
		want := append(bytes.Repeat([]byte{byte(First)}, size), 'o')
		if !bytes.Equal(p, want) {
			t.Errorf("%d bytes: %q, want %q", size, p, want)
		}
	}
}

func TestBytesAreNoUTF8(t *testing.T) {
	for r := range rune(utf8.MaxRune + 1) {
		for _, b := range []byte(string(r)) {
			if Is(b) {
				t.Fatalf("%q has the byte %#x", r, b)
			}
		}
	}
	if !Is(byte(First)) || !Is(byte(Last)) || Is(byte(First-1)) {
		t.Error("Is is not what First and Last say")
	}
}

type reader struct {
	Mark
	name string
}

func TestMark(t *testing.T) {
	r := &reader{name: "r"}
	if got := Of(r); got != 0 {
		t.Errorf("at first the mark is %#x", got)
	}
	Set(r, Last)
	if got := Of(r); got != Last {
		t.Errorf("the mark is %#x, want %#x", got, Last)
	}
	Set("no mark", Last)
	if got := Of("no mark"); got != 0 {
		t.Errorf("what has no mark has %#x", got)
	}
}
