// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"math"
	"time"
)

// A pace measures how fast a peer is, for MinReadRate and MinWriteRate. The time counts
// only while the peer is waited for. What this side takes for its own work does not make
// the peer slow.
//
// A pace counts neither the time nor the bytes: it is told how long each wait took, and
// how many bytes have moved so far. The pace of the input is owned by the goroutine of
// Serve, and that of the output is guarded by the mutex of its progress.
type pace struct {
	before int64         // how many bytes had moved when the pace began
	waited time.Duration // how long the peer was waited for since then, in waits that are over
}

// begin begins to measure.
func (p *pace) begin(moved int64) { *p = pace{before: moved} }

// left returns how long the present wait may last, from its beginning, before the peer is
// slower than rate, in bytes a second.
func (p *pace) left(moved int64, rate int) time.Duration {
	return timeFor(moved-p.before, rate) - p.waited
}

// rateGrace is how long a peer may at first fall short of MinReadRate or MinWriteRate.
const rateGrace = 5 * time.Second

// timeFor returns how long n bytes may take at a rate in bytes a second, including
// rateGrace.
func timeFor(n int64, rate int) time.Duration {
	d := float64(n) / float64(rate) * float64(time.Second)
	return max(rateGrace, time.Duration(min(d, float64(math.MaxInt64/2))))
}
