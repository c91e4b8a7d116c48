// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goframer/framer/bench/internal/report"
)

// TestLoadSteps checks that every implementation runs once in each round and
// scenario that it knows, and that each is the first in turn.
func TestLoadSteps(t *testing.T) {
	l := &laboratory{settings: report.Settings{Rounds: 3}}
	list := []report.Scenario{{Name: "lines", Protocol: "echo"}, {Name: "sets", Protocol: "set"}}
	all := []implementation{{name: "a"}, {name: "b", echoOnly: true}, {name: "c"}}
	var got []string
	for _, s := range l.loadSteps(partTable, list, all) {
		got = append(got, s.what)
	}
	want := []string{
		"round 1: lines, a", "round 1: lines, b", "round 1: lines, c", "round 1: sets, a", "round 1: sets, c",
		"round 2: lines, b", "round 2: lines, c", "round 2: lines, a", "round 2: sets, c", "round 2: sets, a",
		"round 3: lines, c", "round 3: lines, a", "round 3: lines, b", "round 3: sets, c", "round 3: sets, a",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTLSIsIdleOnly checks that only idle memory is measured over TLS, of those that
// match, and that the server is told.
func TestTLSIsIdleOnly(t *testing.T) {
	o, err := parse(strings.Fields("-quick -table -idle -growth -impls framer-handler"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	l := &laboratory{settings: o.Settings}
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
	rows := []string{p99Row, idleRow}
	for _, s := range scenarios() {
		rows = append(rows, s.Name)
	}
	for row := range goals() {
		if !slices.Contains(rows, row) {
			t.Errorf("there is a goal for %q, and no such row", row)
		}
	}
	for _, row := range rows {
		if goals()[row] == (goal{}) {
			t.Errorf("there is no goal for %q", row)
		}
	}
}

// fakeStep measures one run of the round n.
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

// TestProgressLeft has steps that take twice as long as they should.
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
