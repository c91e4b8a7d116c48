// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/goframer/framer/bench/internal/report"
)

// run returns a run of 1,000 messages in one second.
func run(scenario, implementation string, round int, cpu float64) report.Run {
	return report.Run{
		Part:           partTable,
		Form:           formApart,
		Scenario:       report.Scenario{Name: scenario, Protocol: "echo", Size: 64},
		Implementation: implementation,
		Round:          round,
		Load:           report.Load{Messages: 1000, Seconds: 1, ServerCPU: cpu, P50: 1000, P99: int64(cpu * 1e9), P999: 3000},
		PeakBytes:      5 << 20,
	}
}

func markdown(t *testing.T, r *report.Results) string {
	t.Helper()
	r.Machine.CPUs = []int{0, 1}
	var b strings.Builder
	if err := writeMarkdown(&b, r, "plots"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// fields returns the cells of the first row of text that begins with name.
func fields(t *testing.T, text, name string) []string {
	t.Helper()
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == name {
			return cells
		}
	}
	t.Fatalf("there is no row %q in\n%s", name, text)
	return nil
}

// section returns the text under a heading.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, "# "+heading+"\n")
	if !ok {
		t.Fatalf("there is no %q in\n%s", heading, text)
	}
	before, _, _ := strings.Cut(after, "\n#")
	return before
}

// threeRounds returns three rounds of a scenario in a form.
func threeRounds(scenario, form string) []report.Run {
	list := []report.Run{
		run(scenario, base, 0, .010), run(scenario, "gnet", 0, .009),
		run(scenario, base, 1, .100), run(scenario, "gnet", 1, .120),
		run(scenario, base, 2, .010), run(scenario, "gnet", 2, .010),
	}
	for i := range list {
		list[i].Form = form
	}
	return list
}

func checkRow(t *testing.T, text, row string, want ...string) {
	t.Helper()
	if cells := fields(t, text, row); strings.Join(cells[1:], " | ") != strings.Join(want, " | ") {
		t.Errorf("%s: %q, want %q", row, cells[1:], want)
	}
}

// TestTables checks that each form has its table. A run that is in both forms must be in
// both tables.
func TestTables(t *testing.T) {
	together := threeRounds("c50p1s64", formTogether)
	for i := range together {
		together[i].Load.ServerCPU *= 2
	}
	got := markdown(t, &report.Results{Runs: slices.Concat(threeRounds("c50p1s64", formApart), together,
		threeRounds("c1p1s64 on one CPU", formOne))})
	main := section(t, got, "Server and load generator on a CPU each")
	checkRow(t, main, "scenario", base, "gnet", "reach at least", "moonshot")
	checkRow(t, main, "c50p1s64", "10 µs (10–100); 1.0/10000/3.0", "1.00 (0.90–1.20); 1.0/10000/3.0", "0.95", "0.87")
	checkRow(t, main, "c1p1s64 on one CPU", "10 µs (10–100); 1.0/10000/3.0", "1.00 (0.90–1.20); 1.0/10000/3.0", "0.90", "0.80")
	second := section(t, got, "Server and load generator on the same two CPUs")
	checkRow(t, second, "scenario", base, "gnet")
	checkRow(t, second, "c50p1s64", "20 µs (20–200); 1.0/10000/3.0", "1.00 (0.90–1.20); 1.0/10000/3.0")
	checkRow(t, second, "c1p1s64 on one CPU", "10 µs (10–100); 1.0/10000/3.0", "1.00 (0.90–1.20); 1.0/10000/3.0")
	detail := section(t, got, "c50p1s64, "+formApart)
	checkRow(t, detail, "gnet", "10 µs (9–120)", "1.00 (0.90–1.20)", "1 k/s (1–1)", "1 µs", "10 ms", "3 µs", "5 MiB", "0 ns")
	section(t, got, "c50p1s64, "+formTogether)
	section(t, got, "c1p1s64 on one CPU")
	for _, surplus := range []string{"Failed", "Growth", "RESP", "Idle"} {
		if strings.Contains(got, surplus) {
			t.Errorf("%q, which was not measured, is in\n%s", surplus, got)
		}
	}
}

func TestRESPTables(t *testing.T) {
	s := respScenarios()[0]
	var r report.Results
	for _, part := range []string{partRESP, partRedis} {
		for i, im := range []string{base, "framer-replies", "redcon"} {
			one := run(s.Name, im, 0, float64(i+1)/100)
			one.Part, one.Scenario = part, s
			if part == partRedis {
				one.Load.Seconds, one.Load.P999 = float64(i+1), 0
			}
			r.Runs = append(r.Runs, one)
		}
	}
	r.Notes = []string{"redis-server is not installed: its part was left out."}
	got := markdown(t, &r)
	own := section(t, got, "Our load generator, which checks every reply")
	checkRow(t, own, s.Name, "10 µs; 1.0/10000/3.0", "2.00; 1.0/20000/3.0", "3.00; 1.0/30000/3.0", "1.10", "1.00")
	redis := section(t, got, redisBenchmark)
	checkRow(t, redis, s.Name, "1 k/s; 10 µs; 1.0/10000", "0.50; 2.00; 1.0/20000", "0.33; 3.00; 1.0/30000")
	checkRow(t, section(t, got, s.Name+", "+formApart), "redcon", "30 µs", "3.00", "1 k/s", "1 µs", "30 ms", "3 µs", "5 MiB", "0 ns")
	if !strings.Contains(got, r.Notes[0]) {
		t.Errorf("the note is missing in\n%s", got)
	}
}

// TestFailedRun checks that a failed run is listed and that its figures are not used.
func TestFailedRun(t *testing.T) {
	bad := run("c1", "gnet", 0, 99)
	bad.Error = "load: a byte was wrong"
	r := &report.Results{
		Runs: []report.Run{run("c1", base, 0, 1), bad},
		Idle: []report.Idle{{Part: partIdle, Implementation: "gnet", Conns: 10, Error: "it would not listen"}},
	}
	got := markdown(t, r)
	for _, want := range []string{"c1, apart, gnet, round 1: load: a byte was wrong", "10 idle connections, gnet, round 1: it would not listen"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if cells := fields(t, got, "c1"); cells[2] != missing {
		t.Errorf("the failed run has the ratio %s", cells[2])
	}
}

func TestIdleTable(t *testing.T) {
	var list []report.Idle
	for round, after := range []int64{5000, 5100, 4900} {
		list = append(list, report.Idle{Part: partIdle, Implementation: "framer-handler", Round: round,
			Conns: 10, Before: 1000, After: 1000 + after*10})
	}
	got := markdown(t, &report.Results{Idle: list, Runs: []report.Run{run("c1", base, 0, 1)}})
	if cells := fields(t, section(t, got, "10 connections"), "framer-handler"); cells[1] != "5,000 (4,900–5,100)" {
		t.Errorf("bytes per connection %s", cells[1])
	}
	if cells := fields(t, got, idleRow); cells[2] != "5,000" || cells[3] != "4,200" {
		t.Errorf("the row of the main table is %q", cells)
	}
}

// TestIdleOverTLS checks that the implementations over TLS have rows in the table of idle
// memory and no column in any table.
func TestIdleOverTLS(t *testing.T) {
	var r report.Results
	for i, im := range idleImplementations() {
		r.Idle = append(r.Idle, report.Idle{Part: partIdle, Implementation: im.name, Conns: 10, After: int64(i+1) * 10_000})
	}
	r.Runs = []report.Run{run("c1", base, 0, 1)}
	got := markdown(t, &r)
	n := len(implementations())
	for i, name := range []string{"raw-best over TLS", "framer-handler over TLS"} {
		if cells, want := fields(t, got, name), grouped(int64(n+i+1)*1000); cells[1] != want {
			t.Errorf("%s: bytes per connection %s, want %s", name, cells[1], want)
		}
	}
	if cells := fields(t, got, "scenario"); strings.Contains(strings.Join(cells, " "), "TLS") {
		t.Errorf("the main table has columns for TLS: %q", cells)
	}
}

func TestSends(t *testing.T) {
	sent := func(style string, round int, seconds float64) report.SendRun {
		return report.SendRun{Part: partFile, Name: "a file", Style: style, Round: round,
			Send: report.Send{Messages: 1, Size: 10, Seconds: seconds, CPU: seconds / 2}}
	}
	got := markdown(t, &report.Results{Sends: []report.SendRun{
		sent("copy", 0, 2), sent("framer", 0, 3), sent("framer", 1, 2), sent("copy", 1, 4),
	}})
	if cells := fields(t, got, "framer"); cells[2] != "1.00 (0.50–1.50)" || cells[1] != "2.50 s (2–3)" {
		t.Errorf("the row of framer is %q", cells)
	}
}

func TestGrowth(t *testing.T) {
	var r report.Results
	for i, s := range append(overConns(true), overSizes(false)...) {
		for _, im := range growthImplementations() {
			one := run(s.Name, im, 0, float64(i+1))
			one.Part, one.Scenario = partGrowth, s
			r.Runs = append(r.Runs, one)
		}
	}
	r.Idle = []report.Idle{{Part: partGrowth, Implementation: base, Conns: 100, After: 100_000}}
	got := markdown(t, &r)
	if cells := fields(t, got, "c8p1 100 KiB"); cells[1] != "8 ms" {
		t.Errorf("the row of 100 KiB is %q", cells)
	}
	if cells := fields(t, got, "100 connections"); cells[1] != "1,000" {
		t.Errorf("the row of 100 idle connections is %q", cells)
	}
	if strings.Contains(got, "reach at least") || strings.Contains(got, "## Scenarios") {
		t.Errorf("the growth has more tables than its own:\n%s", got)
	}
	if err := writePlots(t.TempDir(), &r); err != nil {
		t.Error(err)
	}
}
