// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"slices"

	"github.com/goframer/framer/bench/internal/report"
	"github.com/goframer/framer/bench/internal/stats"
)

// A figure is a function that takes a number from a run.
type figure func(r report.Run) float64

// cpuPerMessage is in nanoseconds. So are the latencies.
func cpuPerMessage(r report.Run) float64 { return r.Load.ServerCPU * 1e9 / float64(r.Load.Messages) }

// cpuPerByte divides by the bytes of the requests without their framing.
func cpuPerByte(r report.Run) float64 { return cpuPerMessage(r) / float64(r.Scenario.Size) }

func loadCPUPerMessage(r report.Run) float64 { return r.Load.LoadCPU * 1e9 / float64(r.Load.Messages) }
func messagesPerSecond(r report.Run) float64 { return float64(r.Load.Messages) / r.Load.Seconds }
func p50(r report.Run) float64               { return float64(r.Load.P50) }
func p99(r report.Run) float64               { return float64(r.Load.P99) }
func p999(r report.Run) float64              { return float64(r.Load.P999) }
func peak(r report.Run) float64              { return float64(r.PeakBytes) }

// runs are the runs of one part of the results.
type runs []report.Run

func partRuns(r *report.Results, part string) runs {
	return slices.DeleteFunc(slices.Clone(r.Runs), func(run report.Run) bool { return run.Part != part })
}

// of returns the runs of a scenario.
func (rs runs) of(scenario string) runs {
	return slices.DeleteFunc(slices.Clone(rs), func(r report.Run) bool { return r.Scenario.Name != scenario })
}

// inForm returns the runs of a form, including those that are in every form.
func (rs runs) inForm(form string) runs {
	return slices.DeleteFunc(slices.Clone(rs), func(r report.Run) bool { return r.Form != form && r.Form != formOne })
}

// allForms returns all forms of the runs, in the order of the first round.
func (rs runs) allForms() []string {
	var list []string
	for _, r := range rs {
		if !slices.Contains(list, r.Form) {
			list = append(list, r.Form)
		}
	}
	return list
}

// forms returns the forms that have a table. The runs on one CPU are in the tables of all
// forms. If there are no others, they are in the table of formTogether.
func (rs runs) forms() []string {
	list := slices.DeleteFunc(rs.allForms(), func(form string) bool { return form == formOne })
	if len(list) == 0 && len(rs) > 0 {
		return []string{formTogether}
	}
	return list
}

// series returns a figure of an implementation in a scenario, for each round. It leaves
// out failed runs.
func (rs runs) series(scenario, implementation string, f figure) stats.Series {
	s := make(stats.Series)
	for _, r := range rs {
		if r.Scenario.Name == scenario && r.Implementation == implementation && r.Error == "" {
			s[r.Round] = f(r)
		}
	}
	return s
}

// scenarios returns the scenarios that were run, in the order of the first round.
func (rs runs) scenarios() []report.Scenario {
	var list []report.Scenario
	for _, r := range rs {
		if !slices.Contains(list, r.Scenario) {
			list = append(list, r.Scenario)
		}
	}
	return list
}

// idles are the measurements of idle memory of one part of the results.
type idles []report.Idle

func partIdles(r *report.Results, part string) idles {
	return slices.DeleteFunc(slices.Clone(r.Idle), func(i report.Idle) bool { return i.Part != part })
}

// series returns the bytes per connection, for each round.
func (is idles) series(conns int, implementation string) stats.Series {
	s := make(stats.Series)
	for _, i := range is {
		if i.Conns == conns && i.Implementation == implementation && i.Error == "" {
			s[i.Round] = i.PerConn()
		}
	}
	return s
}

// conns returns the numbers of connections that were measured.
func (is idles) conns() []int {
	var list []int
	for _, i := range is {
		if !slices.Contains(list, i.Conns) {
			list = append(list, i.Conns)
		}
	}
	return list
}

// measured returns the names of the implementations in list that have figures in the
// part.
func measured(list []implementation, rs runs, is idles) []string {
	var names []string
	for _, im := range list {
		inRuns := slices.ContainsFunc(rs, func(r report.Run) bool { return r.Implementation == im.name })
		inIdle := slices.ContainsFunc(is, func(i report.Idle) bool { return i.Implementation == im.name })
		if inRuns || inIdle {
			names = append(names, im.name)
		}
	}
	return names
}
