// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"math"
	"strconv"
	"strings"

	"github.com/goframer/framer/bench/internal/stats"
)

// A unit is a multiple of the basic unit, with its name.
type unit struct {
	factor float64
	name   string
}

// inUnit formats x in the greatest unit that is not greater than x. units begin with the
// smallest.
func inUnit(x float64, units []unit) string {
	u := units[0]
	for _, next := range units[1:] {
		if math.Abs(x) >= next.factor {
			u = next
		}
	}
	return digits(x/u.factor) + " " + u.name
}

func nanoseconds(x float64) string {
	return inUnit(x, []unit{{1, "ns"}, {1e3, "µs"}, {1e6, "ms"}, {1e9, "s"}})
}

// microseconds formats nanoseconds as microseconds, without the unit.
func microseconds(x float64) string {
	if x < 9_950 {
		return strconv.FormatFloat(x/1e3, 'f', 1, 64)
	}
	return strconv.FormatFloat(x/1e3, 'f', 0, 64)
}

func seconds(x float64) string {
	return nanoseconds(x * 1e9)
}

func byteCount(x float64) string {
	return inUnit(x, []unit{{1, "B"}, {1 << 10, "KiB"}, {1 << 20, "MiB"}, {1 << 30, "GiB"}})
}

func perSecond(x float64) string {
	return inUnit(x, []unit{{1, "/s"}, {1e3, "k/s"}, {1e6, "M/s"}})
}

func ratio(x float64) string {
	return strconv.FormatFloat(x, 'f', 2, 64)
}

// whole formats x without a fraction.
func whole(x float64) string {
	return grouped(int64(math.Round(x)))
}

// digits formats x with three significant digits, or with all digits before the point if
// there are more.
func digits(x float64) string {
	decimals := 0
	switch magnitude := math.Abs(x); {
	case magnitude == 0 || magnitude >= 100 || x == math.Trunc(x):
	case magnitude >= 10:
		decimals = 1
	default:
		decimals = 2
	}
	return strconv.FormatFloat(x, 'f', decimals, 64)
}

// grouped formats n with commas between thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(text, "-")
	sign := text[:len(text)-len(digits)]
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// missing is the cell of a missing figure.
const missing = "–"

// median formats the median of s.
func median(s stats.Summary, format func(float64) string) string {
	if s.Count == 0 {
		return missing
	}
	return format(s.Median)
}

// spread formats the median of s with the least and the greatest figure. It leaves out
// units that are the same.
func spread(s stats.Summary, format func(float64) string) string {
	middle := median(s, format)
	if s.Count < 2 {
		return middle
	}
	_, name, _ := strings.Cut(middle, " ")
	bare := func(x float64) string { return strings.TrimSuffix(format(x), " "+name) }
	return middle + " (" + bare(s.Min) + "–" + bare(s.Max) + ")"
}
