// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goframer/framer/bench/internal/report"
	"github.com/goframer/framer/bench/internal/stats"
)

// legend says how to read the cells of a comparison.
const legend = "Server CPU per message as a ratio to " + base + ", the best hand-written loop, in the same round:\n" +
	"the median over the rounds (least–greatest). Less is better. The column " + base + " has its own\n" +
	"figure. Behind it p50/p99/p99.9 latency in microseconds, medians too. cXpYsZ: X connections, Y\n" +
	"requests in flight on each, Z bytes.\n"

// goalLegend explains the columns of the goals.
const goalLegend = "\"Reach at least\" is what the best style of framer is to reach of the CPU, with a p99.9 that is not\n" +
	"above that of " + base + "; \"moonshot\" is what it could reach at best.\n"

// A comparisonTable compares implementations. Each has a column, and each scenario has a
// row.
type comparisonTable struct {
	runs  runs
	names []string // all implementations except base
	goals bool     // the goals have columns
	table table
}

func newComparisonTable(list []implementation, rs runs, is idles, goals bool) *comparisonTable {
	names := slices.DeleteFunc(measured(list, rs, is), func(name string) bool { return name == base })
	c := &comparisonTable{runs: rs, names: names, goals: goals}
	c.table.header = append([]string{"scenario", base}, names...)
	if goals {
		c.table.header = append(c.table.header, "reach at least", "moonshot")
	}
	return c
}

// add adds a row. cell returns the cell of an implementation.
func (c *comparisonTable) add(name string, cell func(implementation string) string) {
	cells := []string{name, cell(base)}
	for _, im := range c.names {
		cells = append(cells, cell(im))
	}
	if c.goals {
		g := goals()[name]
		cells = append(cells, g.reach, g.moonshot)
	}
	c.table.add(cells...)
}

// addScenarios adds a row for each scenario.
func (c *comparisonTable) addScenarios() {
	for _, s := range c.runs.scenarios() {
		c.add(s.Name, func(im string) string { return c.cell(s.Name, im) })
	}
}

// cell returns the CPU time and the latencies.
func (c *comparisonTable) cell(scenario, im string) string {
	own := c.runs.series(scenario, im, cpuPerMessage)
	if len(own) == 0 {
		return missing
	}
	cpu := spread(own.Summary(), nanoseconds)
	if im != base {
		cpu = spread(own.Over(c.runs.series(scenario, base, cpuPerMessage)).Summary(), ratio)
	}
	return cpu + "; " + c.latencies(scenario, im)
}

// latencies returns the medians of the percentiles that were measured.
func (c *comparisonTable) latencies(scenario, im string) string {
	var all []string
	for _, f := range []figure{p50, p99, p999} {
		if s := c.runs.series(scenario, im, f).Summary(); s.Median > 0 {
			all = append(all, microseconds(s.Median))
		}
	}
	return strings.Join(all, "/")
}

// writeTables writes the comparison of each form. The first is the form in which each
// process has its own CPU; it has the goals, and the memory of idle connections.
func writeTables(b *strings.Builder, r *report.Results) {
	all, is := partRuns(r, partTable), partIdles(r, partIdle)
	for _, form := range all.forms() {
		title, text := describeForm(form, r.Machine.CPUs)
		fmt.Fprintf(b, "## %s\n\n%s\n\n%s", title, text, legend)
		hasGoals := form == formApart
		if hasGoals {
			b.WriteString(goalLegend)
		}
		c := newComparisonTable(implementations(), all.inForm(form), is, hasGoals)
		c.addScenarios()
		if len(is) > 0 {
			b.WriteString("The row of idle connections has bytes in all columns.\n")
		}
		for _, n := range is.conns() {
			c.add(idleRow, func(im string) string { return median(is.series(n, im).Summary(), whole) })
		}
		b.WriteString("\n" + c.table.String() + "\n")
		is = nil
	}
}

// writeRESP writes the comparisons of the servers of RESP: with the load generator of
// this module, and with redis-benchmark.
func writeRESP(b *strings.Builder, r *report.Results) {
	own, redis := partRuns(r, partRESP), partRuns(r, partRedis)
	if len(own) == 0 && len(redis) == 0 {
		return
	}
	b.WriteString("## RESP\n\n" +
		"SET and GET of Redis, against the same simple store behind each server; redis-server has its own.\n" +
		"The Handler of framer is written as from its documentation: it sets a Delimiter and a Length in\n" +
		"turn and pushes each reply. Replies does the same and returns the reply. Both copy each argument.\n" +
		"The Session uses arguments where they lie, as raw-best does, and pushes each reply. In \"same heap\"\n" +
		"every server has GOGC=off and GOMEMLIMIT=64MiB.\n\n")
	for _, form := range own.forms() {
		title, _ := describeForm(form, r.Machine.CPUs)
		fmt.Fprintf(b, "### Our load generator, which checks every reply\n\n%s.\n%s", title, legend)
		hasGoals := form == formApart
		if hasGoals {
			b.WriteString(goalLegend)
		}
		b.WriteString("\n")
		c := newComparisonTable(respImplementations(), own.inForm(form), nil, hasGoals)
		c.addScenarios()
		b.WriteString(c.table.String() + "\n")
	}
	for _, form := range redis.forms() {
		title, _ := describeForm(form, r.Machine.CPUs)
		fmt.Fprintf(b, "### %s\n\n%s. Requests per second and CPU of the server,\n"+
			"both as ratios to %s (its own figures in its column), then p50/p99 latency in microseconds.\n\n", redisBenchmark, title, base)
		c := newComparisonTable(respImplementations(), redis.inForm(form), nil, false)
		for _, s := range c.runs.scenarios() {
			c.add(s.Name, func(im string) string { return c.redisCell(s.Name, im) })
		}
		b.WriteString(c.table.String() + "\n")
	}
}

// redisCell returns what redis-benchmark has measured, and the CPU time of the server.
func (c *comparisonTable) redisCell(scenario, im string) string {
	if len(c.runs.series(scenario, im, cpuPerMessage)) == 0 {
		return missing
	}
	against := func(f figure, format func(float64) string) string {
		own := c.runs.series(scenario, im, f)
		if im == base {
			return spread(own.Summary(), format)
		}
		return spread(own.Over(c.runs.series(scenario, base, f)).Summary(), ratio)
	}
	return against(messagesPerSecond, perSecond) + "; " + against(cpuPerMessage, nanoseconds) + "; " + c.latencies(scenario, im)
}

// writeScenarios writes a table for each scenario and form.
func writeScenarios(b *strings.Builder, r *report.Results) {
	own := slices.Concat(partRuns(r, partTable), partRuns(r, partRESP))
	if len(own) == 0 {
		return
	}
	b.WriteString("## Scenarios\n\n" +
		"Median (least–greatest) over the rounds. Peak memory is the greatest resident memory of the\n" +
		"server process. The last column is what the load generator itself used.\n\n")
	for _, s := range own.scenarios() {
		list := implementations()
		if strings.HasPrefix(s.Protocol, "resp-") {
			list = respImplementations()
		}
		for _, form := range own.of(s.Name).allForms() {
			if form == formOne {
				fmt.Fprintf(b, "### %s\n\n", s.Name)
			} else {
				fmt.Fprintf(b, "### %s, %s\n\n", s.Name, form)
			}
			b.WriteString(scenarioTable(own.of(s.Name).inForm(form), s.Name, list).String() + "\n")
		}
	}
}

func scenarioTable(rs runs, scenario string, list []implementation) *table {
	t := &table{header: []string{"implementation", "CPU per message", "ratio to " + base, "messages",
		"p50", "p99", "p99.9", "peak memory", "load's CPU"}}
	own := rs.series(scenario, base, cpuPerMessage)
	for _, im := range measured(list, rs, nil) {
		cpu := rs.series(scenario, im, cpuPerMessage)
		if len(cpu) == 0 {
			continue
		}
		summary := func(f figure) stats.Summary { return rs.series(scenario, im, f).Summary() }
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
	return t
}
