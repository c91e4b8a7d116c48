// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// However a peer spreads its bytes over several waits, it has as much time as its bytes
// take at the rate, and not less than rateGrace.
func TestPaceOfManyWaits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var p pace
	for range 1000 {
		rate, moved := 1+random.IntN(1<<20), random.Int64N(1<<40)
		seconds, total := int64(0), time.Duration(0)
		p.begin(moved)
		for range 10 {
			want := max(time.Duration(seconds)*time.Second, rateGrace) - total
			if got := p.left(moved, rate); got != want {
				t.Fatalf("%d seconds' worth of bytes in %v: left is %v, want %v", seconds, total, got, want)
			}
			wait, more := time.Duration(random.Int64N(int64(5*time.Second))), random.Int64N(10)
			p.waited += wait
			total += wait
			moved += more * int64(rate)
			seconds += more
		}
	}
}

// A rate may be so slow that the time for the bytes is longer than a Duration.
func TestPaceOfSlowRate(t *testing.T) {
	const long = 100 * 365 * 24 * time.Hour
	for _, moved := range []int64{1 << 40, math.MaxInt64} {
		var p pace
		p.waited = time.Hour
		if left := p.left(moved, 1); left < long {
			t.Errorf("after %d bytes at 1 byte a second, left is %v", moved, left)
		}
	}
}
