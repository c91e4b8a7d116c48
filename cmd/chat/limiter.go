// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import "time"

// burst is for how many seconds a limiter saves up.
const burst = 5

// A limiter allows so many lines a second, on average.
type limiter struct {
	rate  int // 0 is no limit
	saved time.Duration
	last  time.Time
}

// allow reports whether a line may come now. Each takes the time that it has by the rate.
func (l *limiter) allow(now time.Time) bool {
	if l.rate == 0 {
		return true
	}
	if l.last.IsZero() {
		l.saved = burst * time.Second
	} else {
		l.saved = min(l.saved+now.Sub(l.last), burst*time.Second)
	}
	l.last = now
	cost := time.Second / time.Duration(l.rate)
	if l.saved < cost {
		return false
	}
	l.saved -= cost
	return true
}
