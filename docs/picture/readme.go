// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// readmeFile has a table of the styles, whose last columns are their prices.
const readmeFile = "README.md"

var (
	styleRow       = regexp.MustCompile("(?m)^(\\| (?:a )?`(Replies|Messages|Session|Handler)`[^|]*\\|[^|]*\\|[^|]*\\|).*$")
	styleScenarios = []string{"c50p1s64", "c50p16s64", "c50p100s32"}
)

// withFigures returns readme with the prices of the styles, from r.
func withFigures(readme string, r *results) (string, error) {
	if found := len(styleRow.FindAllString(readme, -1)); found != 4 {
		return "", fmt.Errorf("%d rows for the styles, want 4", found)
	}
	return styleRow.ReplaceAllStringFunc(readme, func(line string) string {
		m := styleRow.FindStringSubmatch(line)
		for _, scenario := range styleScenarios {
			m[1] += " " + r.ratio(scenario, "framer-"+strings.ToLower(m[2])) + " |"
		}
		return m[1]
	}), nil
}

// ratio returns the ratio of an implementation in a scenario.
func (r *results) ratio(scenario, implementation string) string {
	i := slices.IndexFunc(r.rows, func(row row) bool { return row.scenario == scenario })
	if i < 0 {
		return ""
	}
	return strings.TrimPrefix(fmt.Sprintf("%.2f", r.rows[i].cells[implementation].ratio), "0")
}
