// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package lines

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func TestAnswer(t *testing.T) {
	tests := []struct {
		request, reply string
		last           bool
	}{
		{"", "\r\n", false},
		{"hello  you", "hello  you\r\n", false},
		{"reply 2", "\r\n", false},
		{"reply 5", "xxx\r\n", false},
		{"close 5", "xxx\r\n", true},
		{"close 1", "bad size\r\n", true},
		{"reply", "bad size\r\n", true},
		{"replay 5", "replay 5\r\n", false},
	}
	for _, tt := range tests {
		if reply, last := AnswerLine(tt.request); string(reply) != tt.reply || last != tt.last {
			t.Errorf("AnswerLine(%q) = %q, %t; want %q, %t", tt.request, reply, last, tt.reply, tt.last)
		}
	}
}

func TestObey(t *testing.T) {
	failure := errors.New("lost some")
	tests := []struct {
		stdin  string
		stdout string // a pattern
		shut   int
		err    error
	}{
		{"", "^$", 0, nil},
		{"gc\ngoroutines\n", "^done\n[1-9][0-9]*\n$", 0, nil},
		{"shutdown\ngc\n", "^done\n$", 1, failure},
	}
	for _, tt := range tests {
		var stdout strings.Builder
		shut := 0
		err := obey(strings.NewReader(tt.stdin), &stdout, func() error { shut++; return failure })
		if !regexp.MustCompile(tt.stdout).MatchString(stdout.String()) || shut != tt.shut || err != tt.err {
			t.Errorf("%q: %q, %d times shut down, %v", tt.stdin, stdout.String(), shut, err)
		}
	}
	if err := obey(strings.NewReader("halt\n"), new(strings.Builder), nil); err == nil {
		t.Error("obey takes an unknown command")
	}
}
