// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

// A sequence is numbers of which each should come once, and in order.
type sequence struct {
	next    uint64              // follows the greatest that has come
	missing map[uint64]struct{} // those before it that have not come
}

// A verdict says how a number came.
type verdict int

const (
	inOrder verdict = iota // also if others before it are missing
	late                   // after a greater one
	again                  // a second time
)

// add takes n to the sequence.
func (s *sequence) add(n uint64) verdict {
	if n < s.next {
		if _, ok := s.missing[n]; !ok {
			return again
		}
		delete(s.missing, n)
		return late
	}
	for ; s.next < n; s.next++ {
		if s.missing == nil {
			s.missing = make(map[uint64]struct{})
		}
		s.missing[s.next] = struct{}{}
	}
	s.next++
	return inOrder
}
