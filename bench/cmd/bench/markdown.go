// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/goframer/framer/bench/internal/report"
)

// writeMarkdown writes everything that was measured. It returns the first error of w.
func writeMarkdown(w io.Writer, r *report.Results, plots string) error {
	var b strings.Builder
	writeMachine(&b, r)
	writeTables(&b, r)
	writeRESP(&b, r)
	writeScenarios(&b, r)
	writeIdle(&b, partIdles(r, partIdle))
	writeSends(&b, r.Sends)
	writeGrowth(&b, r, plots)
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
	for _, note := range r.Notes {
		b.WriteString(note + "\n\n")
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

// writeFailures writes which runs have failed, and why.
func writeFailures(b *strings.Builder, r *report.Results) {
	var lines []string
	for _, x := range r.Runs {
		if x.Error != "" {
			lines = append(lines, fmt.Sprintf("%s, %s, %s, round %d: %s", x.Scenario.Name, x.Form, x.Implementation, x.Round+1, x.Error))
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
