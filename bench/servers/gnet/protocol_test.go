// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"strings"
	"testing"
)

// TestProtocolsCut gives the protocols a conversation in three pieces, for all pairs of
// cuts.
func TestProtocolsCut(t *testing.T) {
	long := strings.Repeat("x", wholeLine+1) + "\r\n"
	tests := []struct {
		name        string
		newProtocol func() protocol
		input, want string
	}{
		{"echo", newEcho, "a\r\n\r\nbc\r\nd", "a\r\n\r\nbc\r\n"},
		{"set", newSet, "SET 3\r\n\r\nxSET 0\r\nSET 1\r\n\nSET 9\r\n12345678", "OK\r\nOK\r\nOK\r\n"},
	}
	for _, test := range tests {
		for i := range test.input {
			for j := range test.input[i:] {
				pieces := []string{test.input[:i], test.input[i:][:j], test.input[i:][j:]}
				if got := converse(t, test.newProtocol(), pieces); got != test.want {
					t.Fatalf("%s: %q is answered by %q, want %q", test.name, pieces, got, test.want)
				}
			}
		}
	}
	if got := converse(t, newEcho(), []string{long[:10], long[10 : wholeLine+1], long[wholeLine+1:]}); got != long {
		t.Errorf("a long line came back with %d bytes, want %d", len(got), len(long))
	}
}

// converse returns all answers of p.
func converse(t *testing.T, p protocol, pieces []string) (answer string) {
	t.Helper()
	var output []byte
	for _, piece := range pieces {
		all, ready, err := p.serve(output, []byte(piece))
		if err != nil {
			t.Fatal(err)
		}
		answer += string(all[:ready])
		output = all[ready:]
	}
	return answer
}

func TestSetBadCommand(t *testing.T) {
	for _, input := range []string{"GET 1\r\n", "SET x\r\n", "\r\n"} {
		if _, _, err := newSet().serve(nil, []byte(input)); err == nil {
			t.Errorf("%q was accepted", input)
		}
	}
}
