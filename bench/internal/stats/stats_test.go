// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package stats

import "testing"

func TestSummarize(t *testing.T) {
	tests := []struct {
		name    string
		figures []float64
		want    Summary
	}{
		{"none", nil, Summary{}},
		{"one", []float64{3}, Summary{3, 3, 3, 1}},
		{"odd", []float64{9, 1, 4}, Summary{4, 1, 9, 3}},
		{"even", []float64{8, 1, 4, 2}, Summary{3, 1, 8, 4}},
		{"equal", []float64{2, 2, 2, 2}, Summary{2, 2, 2, 4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Summarize(tt.figures); got != tt.want {
				t.Errorf("Summarize(%v) = %+v, want %+v", tt.figures, got, tt.want)
			}
		})
	}
}

func TestSummarizeLeavesTheFigures(t *testing.T) {
	figures := []float64{3, 1, 2}
	Summarize(figures)
	if figures[0] != 3 || figures[1] != 1 || figures[2] != 2 {
		t.Errorf("the figures are now %v", figures)
	}
}

// TestOver has rounds whose speeds differ by a factor of ten, as on a busy machine. The
// ratio of the medians would be 10.
func TestOver(t *testing.T) {
	framer := Series{0: 10, 1: 100, 2: 110, 4: 7}
	raw := Series{0: 10, 1: 125, 2: 100, 3: 1, 5: 0}
	got := framer.Over(raw)
	want := Summary{Median: 1, Min: .8, Max: 1.1, Count: 3}
	if got.Summary() != want {
		t.Errorf("ratios %v, summary %+v, want %+v", got, got.Summary(), want)
	}
}

func TestOverNothing(t *testing.T) {
	if got := (Series{0: 1}).Over(Series{0: 0}).Summary(); got != (Summary{}) {
		t.Errorf("a ratio to 0 was taken: %+v", got)
	}
	if got := (Series{0: 1}).Over(nil).Summary(); got != (Summary{}) {
		t.Errorf("a ratio to nothing was taken: %+v", got)
	}
}
