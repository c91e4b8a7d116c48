// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import "time"

// burst is how many seconds a limiter saves up for.
const burst = 5

// A limiter allows a number of lines in a second, on average.
type limiter struct {
	rate  int // lines in a second; 0 means no limit
	saved time.Duration
	last  time.Time
}

// allow reports whether a line may come now. A line uses up the time that one line has at
// the given rate.
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
