// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package resp

import (
	"strings"
	"testing"
)

func TestAppendReply(t *testing.T) {
	var s Store
	var args Args
	tests := []struct{ command, want string }{
		{"GET key", Null},
		{"SET key value", OK},
		{"SET other other", OK},
		{"get key", "$5\r\nvalue\r\n"},
		{"SET key longer-value", OK},
		{"GET key", "$12\r\nlonger-value\r\n"},
		{"GET other", "$5\r\nother\r\n"},
		{"GET", Unknown},
		{"CONFIG GET save", Unknown},
	}
	for _, test := range tests {
		args.Reset()
		for arg := range strings.SplitSeq(test.command, " ") {
			args.Add([]byte(arg))
		}
		if got := string(s.AppendReply([]byte("before "), args)); got != "before "+test.want {
			t.Errorf("%s: %q, want %q", test.command, got, test.want)
		}
	}
}

func TestAppendCommand(t *testing.T) {
	got := string(AppendCommand(nil, []byte("SET"), []byte("key"), []byte("")))
	if want := "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCounts(t *testing.T) {
	tests := []struct {
		line string
		f    func([]byte) (int, error)
		want int // -1 means that an error is expected
	}{
		{"*3", ArgCount, 3},
		{"*1024", ArgCount, MaxArgs},
		{"*1025", ArgCount, -1},
		{"*0", ArgCount, -1},
		{"$3", ArgCount, -1},
		{"$0", ArgSize, 0},
		{"$67108864", ArgSize, MaxArg},
		{"$67108865", ArgSize, -1},
		{"$99999999999999999999999999999999", ArgSize, -1},
		{"$-1", ArgSize, -1},
		{"$", ArgSize, -1},
		{"", ArgSize, -1},
		{"$3 ", ArgSize, -1},
	}
	for _, test := range tests {
		got, err := test.f([]byte(test.line))
		if (err != nil) != (test.want < 0) || err == nil && got != test.want {
			t.Errorf("%q: %d, %v; want %d", test.line, got, err, test.want)
		}
	}
}

// TestAllocations checks that a command allocates nothing but the memory of its value.
func TestAllocations(t *testing.T) {
	var s Store
	var args Args
	var reply []byte
	command := func(words ...string) {
		args.Reset()
		for _, w := range words {
			args.Add([]byte(w))
		}
		reply = s.AppendReply(reply[:0], args)
	}
	command("SET", "key", "value")
	if n := testing.AllocsPerRun(100, func() { command("GET", "key") }); n > 0 {
		t.Errorf("GET allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { command("SET", "key", "value") }); n != 1 {
		t.Errorf("SET allocates %v times, want 1", n)
	}
	if string(reply) != OK {
		t.Errorf("reply %q", reply)
	}
}
