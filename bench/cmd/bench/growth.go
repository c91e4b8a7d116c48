// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"path"
	"strings"

	"github.com/goframer/framer/bench/internal/report"
	"github.com/goframer/framer/bench/internal/stats"
)

// A chart is one growth experiment: a figure that depends on a growing number.
type chart struct {
	file   string
	title  string
	x, y   string // the labels of the axes
	format func(float64) string
	points []point
}

// A point has the figures of all implementations at one x.
type point struct {
	x       float64
	name    string
	figures map[string]stats.Summary
}

// charts returns the charts of what was measured.
func charts(rs runs, is idles) []chart {
	names := measured(implementations(), rs, is)
	overLoad := func(f figure, x func(report.Scenario) (float64, bool)) []point {
		var points []point
		for _, s := range rs.scenarios() {
			if at, ok := x(s); ok {
				figures := make(map[string]stats.Summary)
				for _, im := range names {
					figures[im] = rs.series(s.Name, im, f).Summary()
				}
				points = append(points, point{at, s.Name, figures})
			}
		}
		return points
	}
	conns := func(s report.Scenario) (float64, bool) { return float64(s.Conns), isOverConns(s) }
	size := func(s report.Scenario) (float64, bool) { return float64(s.Size), !isOverConns(s) }
	return []chart{
		{"cpu-over-connections.svg", "Server CPU per message, lines of 64 bytes", "connections", "CPU per message",
			nanoseconds, overLoad(cpuPerMessage, conns)},
		{"cpu-over-size.svg", "Server CPU per message, 8 connections", "bytes of a line", "CPU per message",
			nanoseconds, overLoad(cpuPerMessage, size)},
		{"cpu-per-byte-over-size.svg", "Server CPU per byte, 8 connections", "bytes of a line", "CPU per byte",
			nanoseconds, overLoad(cpuPerByte, size)},
		{"memory-over-connections.svg", "Resident memory per idle connection", "connections", "bytes per connection",
			whole, idlePoints(is, names)},
	}
}

// isOverConns reports whether s is a scenario with a growing number of connections, and
// not one with a growing size.
func isOverConns(s report.Scenario) bool {
	return s.Size == 64
}

func idlePoints(is idles, names []string) []point {
	var points []point
	for _, n := range is.conns() {
		figures := make(map[string]stats.Summary)
		for _, im := range names {
			figures[im] = is.series(n, im).Summary()
		}
		points = append(points, point{float64(n), grouped(int64(n)) + " connections", figures})
	}
	return points
}

// writeGrowth writes a table for each chart.
func writeGrowth(b *strings.Builder, r *report.Results, plots string) {
	rs, is := partRuns(r, partGrowth), partIdles(r, partGrowth)
	if len(rs) == 0 && len(is) == 0 {
		return
	}
	b.WriteString("## Growth\n\n" +
		"Median (least–greatest) over the rounds. At 10 connections the memory per connection is mostly\n" +
		"noise: pages that the process touches anyway.\n\n")
	for _, form := range rs.forms() {
		title, _ := describeForm(form, r.Machine.CPUs)
		b.WriteString(title + ", but for the memory.\n\n")
	}
	names := measured(implementations(), rs, is)
	for _, c := range charts(rs, is) {
		fmt.Fprintf(b, "### %s\n\n![%s](%s)\n\n", c.title, c.title, path.Join(plots, c.file))
		t := table{header: append([]string{"scenario"}, names...)}
		for _, p := range c.points {
			cells := []string{p.name}
			for _, im := range names {
				cells = append(cells, spread(p.figures[im], c.format))
			}
			t.add(cells...)
		}
		b.WriteString(t.String() + "\n")
	}
}
