// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goframer/framer/bench/internal/report"
	"github.com/goframer/framer/bench/internal/stats"
)

// writeMarkdown writes everything that was measured. The first error of w is
// returned.
func writeMarkdown(w io.Writer, r *report.Results, plots string) error {
	var b strings.Builder
	writeMachine(&b, r)
	writeSummary(&b, partRuns(r, partTable), partIdles(r, partIdle))
	writeScenarios(&b, partRuns(r, partTable))
	writeIdle(&b, partIdles(r, partIdle))
	writeSends(&b, r.Sends)
	writeGrowth(&b, partRuns(r, partGrowth), partIdles(r, partGrowth), plots)
	writeFailures(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeMachine(b *strings.Builder, r *report.Results) {
	m, s := r.Machine, r.Settings
	fmt.Fprintf(b, "# Results\n\n")
	fmt.Fprintf(b, "- Machine: %s, %d cores, %s of memory\n", m.CPU, m.Cores, byteCount(float64(m.Memory)))
	fmt.Fprintf(b, "- System: Linux %s, %s\n", m.Kernel, m.Go)
	fmt.Fprintf(b, "- framer %s; %s\n", m.Revision, strings.Join(m.Peers, ", "))
	fmt.Fprintf(b, "- Date: %s; load average at the start %s\n", m.Date.Format("2006-01-02 15:04 MST"), m.LoadAverage)
	fmt.Fprintf(b, "- Command: `%s`; rounds: %d, each run %v after %v of warming up\n\n",
		m.Command, s.Rounds, s.Duration, s.Warmup)
	if s.Quick {
		b.WriteString("This is a quick run: the figures are rough.\n\n")
	}
}

// writeSummary writes the table of the ratios.
func writeSummary(b *strings.Builder, rs runs, is idles) {
	if len(rs) == 0 && len(is) == 0 {
		return
	}
	b.WriteString("## Summary\n\n" +
		"Server CPU per message as a ratio to " + base + ", the best hand-written loop, in the same round:\n" +
		"the median over the rounds. Less is better. The column " + base + " has its own figure. \"Reach\n" +
		"at least\" is what framer is to reach, \"moonshot\" what it could reach at best. cXpYsZ: X\n" +
		"connections, Y requests in flight on each, Z bytes. The row of p99 has ratios of that latency, the\n" +
		"row of idle connections bytes in all columns.\n\n")
	names := slices.DeleteFunc(measured(implementations(), rs, is), func(name string) bool { return name == base })
	t := table{header: slices.Concat([]string{"scenario", base}, names, []string{"reach at least", "moonshot"})}
	row := func(name string, first string, cell func(implementation string) string) {
		cells := []string{name, first}
		for _, im := range names {
			cells = append(cells, cell(im))
		}
		g := goals()[name]
		t.add(append(cells, g.reach, g.moonshot)...)
	}
	ratios := func(name, scenario string, f figure) {
		own := rs.series(scenario, base, f)
		row(name, median(own.Summary(), nanoseconds), func(im string) string {
			return median(rs.series(scenario, im, f).Over(own).Summary(), ratio)
		})
	}
	list := rs.scenarios()
	for _, s := range list {
		ratios(s.Name, s.Name, cpuPerMessage)
	}
	if slices.ContainsFunc(list, func(s report.Scenario) bool { return s.Name == p99Scenario }) {
		ratios(p99Row, p99Scenario, p99)
	}
	for _, n := range is.conns() {
		row(idleRow, median(is.series(n, base).Summary(), whole), func(im string) string {
			return median(is.series(n, im).Summary(), whole)
		})
	}
	b.WriteString(t.String() + "\n")
}

// writeScenarios writes a table for each scenario.
func writeScenarios(b *strings.Builder, rs runs) {
	if len(rs) == 0 {
		return
	}
	b.WriteString("## Scenarios\n\n" +
		"Median (least–greatest) over the rounds. Peak memory is the greatest resident memory of the\n" +
		"server process. The last column is what the load generator itself used.\n\n")
	for _, s := range rs.scenarios() {
		fmt.Fprintf(b, "### %s\n\n", s.Name)
		t := table{header: []string{"implementation", "CPU per message", "ratio to " + base, "messages",
			"p50", "p99", "p99.9", "peak memory", "load's CPU"}}
		own := rs.series(s.Name, base, cpuPerMessage)
		for _, im := range measured(implementations(), rs, nil) {
			cpu := rs.series(s.Name, im, cpuPerMessage)
			if len(cpu) == 0 {
				continue
			}
			summary := func(f figure) stats.Summary { return rs.series(s.Name, im, f).Summary() }
			t.add(im,
				spread(cpu.Summary(), nanoseconds),
				spread(cpu.Over(own).Summary(), ratio),
				spread(summary(messagesPerSecond), perSecond),
				median(summary(p50), nanoseconds),
				median(summary(p99), nanoseconds),
				median(summary(p999), nanoseconds),
				median(summary(peak), byteCount),
				median(summary(loadCPUPerMessage), nanoseconds))
		}
		b.WriteString(t.String() + "\n")
	}
}

func writeIdle(b *strings.Builder, is idles) {
	if len(is) == 0 {
		return
	}
	b.WriteString("## Idle connections\n\n" +
		"Resident memory of the server per connection: each has had one request answered, and all\n" +
		"have been silent for " + settle.String() + ". Before both looks at the memory the server was told to collect\n" +
		"its garbage and to give free memory back; so were those that would not do it by themselves.\n\n")
	for _, n := range is.conns() {
		fmt.Fprintf(b, "### %s connections\n\n", grouped(int64(n)))
		t := table{header: []string{"implementation", "bytes per connection"}}
		for _, im := range measured(idleImplementations(), nil, is) {
			t.add(im, spread(is.series(n, im).Summary(), whole))
		}
		b.WriteString(t.String() + "\n")
	}
}

// writeFailures writes which runs failed, and why.
func writeFailures(b *strings.Builder, r *report.Results) {
	var lines []string
	for _, x := range r.Runs {
		if x.Error != "" {
			lines = append(lines, fmt.Sprintf("%s, %s, round %d: %s", x.Scenario.Name, x.Implementation, x.Round+1, x.Error))
		}
	}
	for _, x := range r.Idle {
		if x.Error != "" {
			lines = append(lines, fmt.Sprintf("%s idle connections, %s, round %d: %s",
				grouped(int64(x.Conns)), x.Implementation, x.Round+1, x.Error))
		}
	}
	for _, x := range r.Sends {
		if x.Error != "" {
			lines = append(lines, fmt.Sprintf("%s, %s, round %d: %s", x.Name, x.Style, x.Round+1, x.Error))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(b, "## Failed runs\n\nTheir figures are in no table.\n\n- %s\n", strings.Join(lines, "\n- "))
	}
}
