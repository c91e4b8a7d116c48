// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An outcome is what there is to say of a server in a situation.
type outcome struct {
	words  string // with %s where the figure stands, if there is one
	figure float64
	format func(float64) string // nil: there is no figure
}

// cell returns the text for the outcomes of several rounds. Of figures it has the least
// and the greatest.
func cell(outcomes []outcome) string {
	var texts []string
	for len(outcomes) > 0 {
		words := outcomes[0].words
		var same, others []outcome
		for _, o := range outcomes {
			if o.words == words {
				same = append(same, o)
			} else {
				others = append(others, o)
			}
		}
		texts = append(texts, spread(same))
		outcomes = others
	}
	return strings.Join(texts, "; ")
}

// spread returns the text for outcomes of the same words.
func spread(same []outcome) string {
	o := same[0]
	if o.format == nil {
		return o.words
	}
	figures := make([]float64, len(same))
	for i := range same {
		figures[i] = same[i].figure
	}
	least, greatest := o.format(slices.Min(figures)), o.format(slices.Max(figures))
	if least == greatest {
		return fmt.Sprintf(o.words, least)
	}
	if number, unit, _ := strings.Cut(least, " "); strings.HasSuffix(greatest, " "+unit) {
		least = number
	}
	return fmt.Sprintf(o.words, least+"–"+greatest)
}

func mebibytes(n float64) string { return fmt.Sprintf("%.0f MiB", n/(1<<20)) }

func kibibytes(n float64) string { return fmt.Sprintf("%.1f KiB", n/(1<<10)) }

// decimal writes a number of bytes in kB or MB.
func decimal(n float64) string {
	if n < 1e6 {
		return fmt.Sprintf("%.0f kB", n/1e3)
	}
	return fmt.Sprintf("%.1f MB", n/1e6)
}

func plain(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
