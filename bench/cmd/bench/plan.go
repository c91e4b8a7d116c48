// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/goframer/framer/bench/internal/report"
)

// Parts of the program.
const (
	partTable     = "table"
	partIdle      = "idle"
	partPush      = "push"
	partBroadcast = "broadcast"
	partFile      = "file"
	partGrowth    = "growth"
)

// A step is one run of the plan. It appends to the results what it has measured.
// What it returns is why the run failed, which the results have too.
type step struct {
	what     string
	estimate time.Duration
	do       func(ctx context.Context, r *report.Results) error
}

// overhead is what a run costs besides the measuring, roughly: processes that
// start and end, and for every connection its beginning and end.
func overhead(conns int) time.Duration {
	return 100*time.Millisecond + time.Duration(conns)*150*time.Microsecond
}

// handshakes is what TLS adds to that, if im speaks it.
func (im implementation) handshakes(conns int) time.Duration {
	if !im.tls {
		return 0
	}
	return time.Duration(conns) * 500 * time.Microsecond
}

// plan returns all steps, in the order in which they are to be done.
func (l *laboratory) plan(o options) []step {
	var steps []step
	for _, part := range o.parts {
		switch part {
		case partTable:
			steps = append(steps, l.loadSteps(part, o.matchingScenarios(), o.matching(implementations()))...)
		case partIdle:
			steps = append(steps, l.idleSteps(part, o.idleConns(), o.matching(idleImplementations()))...)
		case partPush:
			steps = append(steps, l.sendSteps(pushComparison(o.Quick))...)
		case partBroadcast:
			for _, c := range broadcastComparisons(o.Quick) {
				steps = append(steps, l.sendSteps(c)...)
			}
		case partFile:
			steps = append(steps, l.fileSteps(o.Quick)...)
		case partGrowth:
			steps = append(steps, l.growthSteps(o)...)
		}
	}
	return steps
}

// loadSteps goes round by round: in each, every implementation is loaded once in
// every scenario.
func (l *laboratory) loadSteps(part string, list []report.Scenario, implementations []implementation) []step {
	var steps []step
	for round := range l.settings.Rounds {
		for _, s := range list {
			for _, im := range rotated(implementations, round) {
				if im.serves(s.Protocol) {
					steps = append(steps, l.loadStep(part, s, im, round))
				}
			}
		}
	}
	return steps
}

func (l *laboratory) loadStep(part string, s report.Scenario, im implementation, round int) step {
	return step{
		what:     fmt.Sprintf("round %d: %s, %s", round+1, s.Name, im.name),
		estimate: l.settings.Warmup + l.settings.Duration + overhead(s.Conns),
		do: func(ctx context.Context, r *report.Results) error {
			load, peak, err := l.load(ctx, s, im)
			r.Runs = append(r.Runs, report.Run{
				Part: part, Scenario: s, Implementation: im.name, Round: round,
				Load: load, PeakBytes: peak, Error: text(err),
			})
			return err
		},
	}
}

// idleRounds is how often idle memory is looked at. It hardly varies.
const idleRounds = 3

func (l *laboratory) idleSteps(part string, conns []int, implementations []implementation) []step {
	var steps []step
	for round := range l.fewRounds(idleRounds) {
		for _, n := range conns {
			for _, im := range rotated(implementations, round) {
				steps = append(steps, l.idleStep(part, n, im, round))
			}
		}
	}
	return steps
}

// fewRounds returns the number of rounds, but at most n, and one if all is to be
// quick.
func (l *laboratory) fewRounds(n int) int {
	if l.settings.Quick {
		return 1
	}
	return min(n, l.settings.Rounds)
}

func (l *laboratory) idleStep(part string, conns int, im implementation, round int) step {
	return step{
		what:     fmt.Sprintf("round %d: %s idle connections, %s", round+1, grouped(int64(conns)), im.name),
		estimate: settle + overhead(conns) + im.handshakes(conns),
		do: func(ctx context.Context, r *report.Results) error {
			before, after, err := l.idle(ctx, im, conns)
			r.Idle = append(r.Idle, report.Idle{
				Part: part, Implementation: im.name, Round: round, Conns: conns,
				Before: before, After: after, Error: text(err),
			})
			return err
		},
	}
}

// sendRounds is how often the styles of a comparison are measured at most.
const sendRounds = 7

func (l *laboratory) sendSteps(c comparison) []step {
	var steps []step
	for round := range min(sendRounds, l.settings.Rounds) {
		for _, style := range rotated(c.styles, round) {
			steps = append(steps, l.sendStep(c, style, round))
		}
	}
	return steps
}

func (l *laboratory) sendStep(c comparison, style string, round int) step {
	return step{
		what:     fmt.Sprintf("round %d: %s, %s", round+1, c.name, style),
		estimate: time.Second,
		do: func(ctx context.Context, r *report.Results) error {
			sent, err := l.send(ctx, append(slices.Clone(c.send), "-style", style), c.sink)
			r.Sends = append(r.Sends, report.SendRun{
				Part: c.part, Name: c.name, Style: style, Round: round, Send: sent, Error: text(err),
			})
			return err
		},
	}
}

func (l *laboratory) fileSteps(quick bool) []step {
	write := step{
		what:     "writing the file to be sent",
		estimate: 3 * time.Second,
		do: func(ctx context.Context, _ *report.Results) error {
			return writeFile(ctx, filePath(l.programs), fileSize(quick))
		},
	}
	return append([]step{write}, l.sendSteps(fileComparison(quick, l.programs))...)
}

func (l *laboratory) growthSteps(o options) []step {
	list := slices.DeleteFunc(implementations(), func(im implementation) bool {
		return !slices.Contains(growthImplementations(), im.name)
	})
	return slices.Concat(
		l.loadSteps(partGrowth, overConns(o.Quick), list),
		l.loadSteps(partGrowth, overSizes(), list),
		l.idleSteps(partGrowth, growthConns(o.Quick), list),
	)
}

// text returns the text of err, or none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
