// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package payload

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// interleaved returns the messages of three goroutines. Those of each goroutine are in
// order.
func interleaved() []byte {
	var stream []byte
	sources := []*Source{NewSource(0), NewSource(1), NewSource(2)}
	for _, goroutine := range []int{0, 1, 1, 2, 0, 1, 2, 2} {
		stream = append(stream, sources[goroutine].Next()...)
	}
	return stream
}

func TestOrderCheckerAccepts(t *testing.T) {
	stream := interleaved()
	for size := 1; size <= len(stream); size++ {
		c := NewOrderChecker(3)
		for piece := range slices.Chunk(stream, size) {
			if err := c.Check(piece); err != nil {
				t.Fatalf("pieces of %d bytes: %v", size, err)
			}
		}
	}
}

func TestOrderCheckerRefuses(t *testing.T) {
	tests := []struct {
		name   string
		damage func(stream []byte) []byte
		want   string
	}{
		{"a changed byte", func(p []byte) []byte { p[bodyAt+3] ^= 1; return p }, "has been changed"},
		{"a lost message", func(p []byte) []byte { return p[MessageSize:] }, "message 1 of goroutine 0 where 0"},
		{"a torn message", func(p []byte) []byte { return p[1:] }, "where 0 was expected"},
		{"a repeated message", func(p []byte) []byte { return append(p[:MessageSize:MessageSize], p...) },
			"message 0 of goroutine 0 where 1"},
		{"two exchanged", func(p []byte) []byte {
			first, second := p[MessageSize:2*MessageSize], p[2*MessageSize:3*MessageSize]
			return slices.Concat(p[:MessageSize], second, first, p[3*MessageSize:])
		}, "message 1 of goroutine 1 where 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := tt.damage(interleaved())
			err := NewOrderChecker(3).Check(stream)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestRepeatChecker(t *testing.T) {
	payload := Pattern(10)
	stream := bytes.Repeat(payload, 3)
	for size := 1; size <= len(stream); size++ {
		c := NewRepeatChecker(payload)
		for piece := range slices.Chunk(stream, size) {
			if err := c.Check(piece); err != nil {
				t.Fatalf("pieces of %d bytes: %v", size, err)
			}
		}
	}
	for i := range stream {
		stream[i] ^= 1
		if err := NewRepeatChecker(payload).Check(stream); err == nil {
			t.Errorf("byte %d is wrong, and nobody saw it", i)
		}
		stream[i] ^= 1
	}
}
