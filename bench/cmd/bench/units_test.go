// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"testing"

	"github.com/goframer/framer/bench/internal/stats"
)

func TestUnits(t *testing.T) {
	tests := []struct{ got, want string }{
		{nanoseconds(0), "0 ns"},
		{nanoseconds(539.4), "539 ns"},
		{nanoseconds(8640), "8.64 µs"},
		{nanoseconds(12_345), "12.3 µs"},
		{nanoseconds(1_300_000), "1.30 ms"},
		{microseconds(7_049), "7.0"},
		{microseconds(9_949), "9.9"},
		{microseconds(9_950), "10"},
		{microseconds(1_234_567), "1235"},
		{seconds(2), "2 s"},
		{seconds(.0123), "12.3 ms"},
		{byteCount(64), "64 B"},
		{byteCount(16 << 10), "16 KiB"},
		{byteCount(14.3 * (1 << 20)), "14.3 MiB"},
		{perSecond(1_860_000), "1.86 M/s"},
		{perSecond(12), "12 /s"},
		{ratio(.956), "0.96"},
		{whole(14_399.7), "14,400"},
		{grouped(0), "0"},
		{grouped(999), "999"},
		{grouped(-1000), "-1,000"},
		{grouped(1_234_567), "1,234,567"},
		{median(stats.Summary{}, ratio), missing},
		{spread(stats.Summary{}, ratio), missing},
		{spread(stats.Summary{Median: 1, Min: .5, Max: 2, Count: 3}, ratio), "1.00 (0.50–2.00)"},
		{spread(stats.Summary{Median: 1, Min: 1, Max: 1, Count: 1}, ratio), "1.00"},
		{spread(stats.Summary{Median: 1100, Min: 980, Max: 1200, Count: 3}, nanoseconds), "1.10 µs (980 ns–1.20)"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
