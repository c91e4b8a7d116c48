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

// sends are the runs of one comparison.
type sends []report.SendRun

func (ss sends) series(style string, f func(report.Send) float64) stats.Series {
	s := make(stats.Series)
	for _, r := range ss {
		if r.Style == style && r.Error == "" {
			s[r.Round] = f(r.Send)
		}
	}
	return s
}

// styles returns the styles that were run, in the order of the first round.
func (ss sends) styles() []string {
	var list []string
	for _, r := range ss {
		if !slices.Contains(list, r.Style) {
			list = append(list, r.Style)
		}
	}
	return list
}

// writeSends writes a table for each comparison.
func writeSends(b *strings.Builder, all []report.SendRun) {
	if len(all) == 0 {
		return
	}
	b.WriteString("## Sending\n\n" +
		"Median (least–greatest) over the rounds, and ratios to the first style in the same round. The\n" +
		"time ends when the receiver, another process, has checked the last byte (of the file: counted\n" +
		"it). CPU, peak memory (resident, above that at the start) and allocations are the sender's.\n\n")
	var names []string
	for _, r := range all {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	for _, name := range names {
		ss := slices.DeleteFunc(slices.Clone(sends(all)), func(r report.SendRun) bool { return r.Name != name })
		fmt.Fprintf(b, "### %s\n\n%s\n", name, ss.table())
	}
}

// table returns a table that compares the cost of a message, of a payload for one
// connection, or of a file.
func (ss sends) table() *table {
	time := func(s report.Send) float64 { return s.Seconds / float64(s.Messages) }
	cpu := func(s report.Send) float64 { return s.CPU / float64(s.Messages) }
	peak := func(s report.Send) float64 { return float64(s.PeakBytes) }
	allocated := func(s report.Send) float64 { return float64(s.Allocated) / float64(s.Messages) }
	t := &table{header: []string{"style", "time per message", "ratio", "CPU per message", "ratio",
		"peak memory", "allocated per message"}}
	styles := ss.styles()
	for _, style := range styles {
		over := func(f func(report.Send) float64) string {
			return spread(ss.series(style, f).Over(ss.series(styles[0], f)).Summary(), ratio)
		}
		t.add(style,
			spread(ss.series(style, time).Summary(), seconds), over(time),
			spread(ss.series(style, cpu).Summary(), seconds), over(cpu),
			spread(ss.series(style, peak).Summary(), byteCount),
			median(ss.series(style, allocated).Summary(), byteCount))
	}
	return t
}
