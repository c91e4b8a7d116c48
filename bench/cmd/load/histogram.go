// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"math"
	"math/bits"
)

// histogramBits is how many bits of a value a histogram keeps after the first bit.
const histogramBits = 6

// A histogram counts durations in nanoseconds. The width of a bucket is at most 1/64 of
// its values.
type histogram struct {
	buckets [(64 - histogramBits + 1) << histogramBits]int64
	count   int64
	max     int64
}

// add counts the value v n times. v must not be negative.
func (h *histogram) add(v, n int64) {
	h.buckets[bucket(v)] += n
	h.count += n
	h.max = max(h.max, v)
}

// bucket returns the index of the bucket of v. The index is made of the position of the
// first bit of v, and of the bits that follow.
func bucket(v int64) int {
	shift := max(0, bits.Len64(uint64(v))-histogramBits-1)
	return shift<<histogramBits + int(v>>shift)
}

// upper returns the greatest value of bucket i.
func upper(i int) int64 {
	shift := max(0, i>>histogramBits-1)
	first := int64(i-shift<<histogramBits) << shift
	return first + 1<<shift - 1
}

// percentile returns the smallest value that p percent of the values do not exceed. The
// result may be up to 1/64 too high. It is 0 if there are no values.
func (h *histogram) percentile(p float64) int64 {
	rank := int64(math.Ceil(float64(h.count) * p / 100))
	var seen int64
	for i, n := range h.buckets {
		seen += n
		if seen >= rank {
			return min(upper(i), h.max)
		}
	}
	return h.max
}
