// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// readmeFile has two tables with results. The rows of the first one begin with styleRow,
// and their last columns are those of styleScenarios. The second one is between the
// marks.
const (
	readmeFile  = "README.md"
	tableBegins = "<!-- go run ./docs/picture writes this table -->\n"
	tableEnds   = "<!-- end of the table -->\n"
)

var (
	styleRow       = regexp.MustCompile("(?m)^(\\| (?:a )?`(Replies|Messages|Session|Handler)`[^|]*\\|[^|]*\\|[^|]*\\|).*$")
	styleScenarios = []string{"c50p1s64", "c50p16s64", "c50p100s32"}
)

// columns are the columns of the second table: their names in RESULTS.md, and their
// labels.
var columns = []struct{ name, label string }{
	{"raw-best", "hand-written"},
	{"framer-replies", "Replies"},
	{"framer-handler", "Handler"},
	{"framer-messages", "Messages"},
	{"framer-session", "Session"},
	{"gnet", "gnet"},
	{"netpoll", "netpoll"},
	{"raw-scanner", "Scanner"},
}

// tailScenario is the scenario whose p99.9 is in the second table.
const tailScenario = "c50p1s64"

// scenarioLabels are the labels of those rows that have another name in RESULTS.md.
var scenarioLabels = map[string]string{
	"SET 1 KiB c50p16":   "1 KiB behind its length, c50p16",
	"SET 1 MiB c8p1":     "1 MiB behind its length, c8p1",
	"c1p1s64 on one CPU": "c1p1s64, one processor for both",
}

// withFigures returns readme with the results of r in its tables.
func withFigures(readme string, r *results) (string, error) {
	before, rest, begins := strings.Cut(readme, tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		return "", errors.New("the marks of the table are missing")
	}
	if found := len(styleRow.FindAllString(before, -1)); found != 4 {
		return "", fmt.Errorf("%d rows for the styles, want 4", found)
	}
	before = styleRow.ReplaceAllStringFunc(before, func(line string) string {
		m := styleRow.FindStringSubmatch(line)
		for _, scenario := range styleScenarios {
			m[1] += " " + r.ratio(scenario, "framer-"+strings.ToLower(m[2])) + " |"
		}
		return m[1]
	})
	return before + tableBegins + r.table() + tableEnds + after, nil
}

// table returns the second table of the README.
func (r *results) table() string {
	var b strings.Builder
	line := func(name string, value func(implementation string) string) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", value(c.name))
		}
		b.WriteByte('\n')
	}
	b.WriteString("| |")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", c.label)
	}
	b.WriteString("\n|-|" + strings.Repeat("-|", len(columns)) + "\n")
	for _, row := range r.rows {
		name := row.scenario
		if label := scenarioLabels[name]; label != "" {
			name = label
		}
		line(name, func(implementation string) string { return r.ratio(row.scenario, implementation) })
	}
	line("p99.9 latency in µs, "+tailScenario, func(implementation string) string {
		return grouped(r.cell(tailScenario, implementation).tail)
	})
	line("bytes per idle connection", func(implementation string) string { return grouped(r.idle[implementation]) })
	return b.String()
}

// cell returns a result, or the zero cell if it was not measured.
func (r *results) cell(scenario, implementation string) cell {
	for _, row := range r.rows {
		if row.scenario == scenario {
			return row.cells[implementation]
		}
	}
	return cell{}
}

// ratio returns the text of a cell in the table: the time itself, the ratio, or nothing.
func (r *results) ratio(scenario, implementation string) string {
	switch c := r.cell(scenario, implementation); {
	case c == cell{}:
		return ""
	case c.own != "":
		return c.own
	case c.ratio >= 10:
		return fmt.Sprintf("%.0f", c.ratio)
	default:
		return strings.TrimPrefix(fmt.Sprintf("%.2f", c.ratio), "0")
	}
}
