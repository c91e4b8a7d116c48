// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

// A sequence is a set of numbers. Each should come once, and in order.
type sequence struct {
	next    uint64              // one more than the greatest number that has come
	missing map[uint64]struct{} // the numbers before next that have not come
}

// A verdict says how a number came.
type verdict int

const (
	inOrder verdict = iota // it is the greatest; others before it may be missing
	late                   // it came after a greater number
	again                  // it came a second time
)

// add adds n to the sequence.
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
