// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goframer/framer/bench/internal/report"
)

// TestLoadSteps checks that every implementation runs once in each round, form and
// scenario that it supports, and that a different one is first in each round.
func TestLoadSteps(t *testing.T) {
	l := &laboratory{settings: report.Settings{Rounds: 3}}
	list := []report.Scenario{{Name: "lines", Protocol: "echo"}, {Name: "sets", Protocol: "set", Pinned: true}}
	all := []implementation{{name: "a"}, {name: "b", echoOnly: true}, {name: "c"}}
	var got []string
	for _, s := range l.loadSteps(partTable, list, []string{"x", "y"}, all) {
		got = append(got, s.what)
	}
	var want []string
	for i, order := range []string{"a b c; a c", "b c a; c a", "c a b; c a"} {
		lines, sets, _ := strings.Cut(order, "; ")
		for _, scenario := range []struct{ name, order string }{{"lines, x", lines}, {"lines, y", lines}, {"sets, one CPU", sets}} {
			for im := range strings.FieldsSeq(scenario.order) {
				want = append(want, fmt.Sprintf("round %d: %s, %s", i+1, scenario.name, im))
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRESPSteps checks that programs that are not installed are left out, and that
// everything runs in the first form only.
func TestRESPSteps(t *testing.T) {
	o, err := parse(strings.Fields("-quick -resp -scenarios 16.KiB"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		server, benchmark string
		steps, redis      int
	}{
		{"", "", 5, 0},
		{"/redis-server", "", 6, 0},
		{"", "/redis-benchmark", 10, 5},
		{"/redis-server", "/redis-benchmark", 12, 6},
	}
	for _, test := range tests {
		l := &laboratory{settings: o.Settings, forms: []string{"x", "y"}, redisServer: test.server, redisBenchmark: test.benchmark}
		steps := l.plan(o)
		redis := 0
		for _, s := range steps {
			if strings.Contains(s.what, " by redis-benchmark, x, ") {
				redis++
			}
		}
		if len(steps) != test.steps || redis != test.redis {
			t.Errorf("with server %q, benchmark %q there are %d steps, %d of them by redis-benchmark; want %d, %d",
				test.server, test.benchmark, len(steps), redis, test.steps, test.redis)
		}
	}
}

// TestEstimate checks that large messages are counted, and that the estimate includes
// their time.
func TestEstimate(t *testing.T) {
	l := &laboratory{settings: report.Settings{Warmup: 300 * time.Millisecond, Duration: time.Second}}
	for _, s := range slices.Concat(scenarios(), respScenarios(), overSizes(false)) {
		large := strings.HasSuffix(s.Name, " 8 MiB") || strings.HasSuffix(s.Name, " 64 MiB")
		if got := windows(s) > 0; got != large {
			t.Errorf("%s is counted: %t", s.Name, got)
		}
		if got := l.estimate(s) - overhead(s.Conns); !large && got != 1300*time.Millisecond {
			t.Errorf("%s: %v", s.Name, got)
		}
	}
	large := overSizes(false)
	if got := l.estimate(large[len(large)-1]); got < 4*time.Second || got > 20*time.Second {
		t.Errorf("%v for the largest messages", got)
	}
}

// TestTLSIsIdleOnly checks that only idle memory is measured over TLS, only for the
// implementations that match, and that the server gets the flag -tls.
func TestTLSIsIdleOnly(t *testing.T) {
	o, err := parse(strings.Fields("-quick -table -idle -growth -impls framer-handler"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	l := &laboratory{settings: o.Settings, forms: []string{formApart}}
	var got []string
	for _, s := range l.plan(o) {
		if strings.Contains(s.what, "TLS") {
			got = append(got, s.what)
		}
	}
	if want := []string{"round 1: 1,000 idle connections, framer-handler over TLS"}; !slices.Equal(got, want) {
		t.Errorf("over TLS %q are planned, want %q", got, want)
	}
	for _, im := range idleImplementations() {
		if overTLS := strings.HasSuffix(im.name, " over TLS"); slices.Contains(im.arguments("echo"), "-tls") != overTLS {
			t.Errorf("%s is started with %q", im.name, im.arguments("echo"))
		}
	}
}

func TestGoalsHaveRows(t *testing.T) {
	rows := []string{idleRow}
	for _, s := range scenarios() {
		rows = append(rows, s.Name)
	}
	for _, row := range rows {
		if goals()[row] == (goal{}) {
			t.Errorf("there is no goal for %q", row)
		}
	}
	for _, s := range respScenarios() { // some of them have goals
		rows = append(rows, s.Name)
	}
	for row := range goals() {
		if !slices.Contains(rows, row) {
			t.Errorf("there is a goal for %q, and no such row", row)
		}
	}
}

// fakeStep returns a step that measures one run of round n.
func fakeStep(n int, estimate time.Duration, during func(), err error) step {
	return step{what: "step", estimate: estimate, do: func(_ context.Context, r *report.Results) error {
		during()
		r.Runs = append(r.Runs, report.Run{Round: n, Error: text(err)})
		return err
	}}
}

func TestCarryOut(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	nothing := func() {}
	steps := []step{
		fakeStep(0, time.Second, nothing, nil),
		fakeStep(1, time.Second, nothing, errors.New("it fell over")),
		fakeStep(2, time.Second, nothing, nil),
		fakeStep(3, time.Second, cancel, errors.New("killed")),
		fakeStep(4, time.Second, func() { t.Error("a step was begun after the interruption") }, nil),
	}
	var r report.Results
	var said strings.Builder
	failed := carryOut(ctx, steps, &r, newProgress(&said, false, steps, time.Now))
	if failed != 1 || !strings.Contains(said.String(), "it fell over") {
		t.Errorf("%d failures; said\n%s", failed, said.String())
	}
	if len(r.Runs) != 3 || r.Runs[1].Error == "" || r.Runs[2].Round != 2 {
		t.Errorf("results %+v", r.Runs)
	}
}

// TestProgressLeft has steps that take twice as long as estimated.
func TestProgressLeft(t *testing.T) {
	now := time.Unix(0, 0)
	steps := []step{{estimate: time.Second}, {estimate: time.Second}, {estimate: 4 * time.Second}}
	p := newProgress(io.Discard, false, steps, func() time.Time { return now })
	if got := p.left(); got != 6*time.Second {
		t.Errorf("at the start %v are left, want 6s", got)
	}
	for range 2 {
		now = now.Add(2 * time.Second)
		p.done(time.Second)
	}
	if got := p.left(); got != 8*time.Second {
		t.Errorf("later %v are left, want 8s", got)
	}
}
