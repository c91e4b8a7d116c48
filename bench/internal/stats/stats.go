// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package stats summarizes the figures of several rounds.
package stats

import (
	"slices"
)

// A Summary is what a table shows of several figures. The zero value means that there are
// no figures.
type Summary struct {
	Median, Min, Max float64
	Count            int
}

// Summarize returns the summary of figures, which it does not change. The median of an
// even number of figures is the mean of the two in the middle.
func Summarize(figures []float64) Summary {
	if len(figures) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(figures))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return Summary{
		Median: median,
		Min:    sorted[0],
		Max:    sorted[len(sorted)-1],
		Count:  len(sorted),
	}
}

// A Series maps a round to its figure. A round may have no figure.
type Series map[int]float64

// Summary returns the summary of all rounds.
func (s Series) Summary() Summary {
	figures := make([]float64, 0, len(s))
	for _, x := range s {
		figures = append(figures, x)
	}
	return Summarize(figures)
}

// Over returns the ratios of s to base. Each is a ratio within one round, because what
// disturbs the machine disturbs both. A round that is missing in one of them has no
// ratio.
func (s Series) Over(base Series) Series {
	ratios := make(Series, len(s))
	for round, x := range s {
		if b, ok := base[round]; ok && b > 0 {
			ratios[round] = x / b
		}
	}
	return ratios
}
