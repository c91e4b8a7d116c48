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

// The parts of the measurements.
const (
	partTable     = "table"
	partRESP      = "resp"
	partRedis     = redisBenchmark // measured together with partRESP, by redis-benchmark
	partIdle      = "idle"
	partPush      = "push"
	partBroadcast = "broadcast"
	partFile      = "file"
	partGrowth    = "growth"
)

// A step is one run of the plan. It appends what it has measured to the results. It
// returns the reason if the run has failed; the results have that as well.
type step struct {
	what     string
	estimate time.Duration
	do       func(ctx context.Context, r *report.Results) error
}

// overhead returns about how long a run takes besides the measuring: to start and end the
// processes, and to open and close each connection.
func overhead(conns int) time.Duration {
	return 100*time.Millisecond + time.Duration(conns)*150*time.Microsecond
}

// handshakes returns how much longer a run takes if im uses TLS.
func (im implementation) handshakes(conns int) time.Duration {
	if !im.tls {
		return 0
	}
	return time.Duration(conns) * 500 * time.Microsecond
}

// plan returns all steps, in the order in which they are run.
func (l *laboratory) plan(o options) []step {
	var steps []step
	for _, part := range o.parts {
		switch part {
		case partTable:
			steps = append(steps, l.loadSteps(part, o.matchingScenarios(scenarios()), l.forms, o.matching(implementations()))...)
		case partRESP:
			steps = append(steps, l.respSteps(o)...)
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

// loadSteps returns the steps of all rounds. In each round, every implementation is
// loaded once in every scenario and form.
func (l *laboratory) loadSteps(part string, list []report.Scenario, forms []string, implementations []implementation) []step {
	return l.inRounds(l.settings.Rounds, list, forms, implementations,
		func(round int, s report.Scenario, form string, im implementation) step {
			return step{
				what:     fmt.Sprintf("round %d: %s, %s, %s", round+1, s.Name, form, im.name),
				estimate: l.estimate(s),
				do:       l.runStep(report.Run{Part: part, Form: form, Scenario: s, Implementation: im.name, Round: round}, im, l.load),
			}
		})
}

// inRounds returns a step for every implementation in every round, scenario and form.
func (l *laboratory) inRounds(rounds int, list []report.Scenario, forms []string, implementations []implementation,
	newStep func(round int, s report.Scenario, form string, im implementation) step) []step {
	var steps []step
	for round := range rounds {
		for _, s := range list {
			for _, form := range formsOf(s, forms) {
				for _, im := range rotated(implementations, round) {
					if im.serves(s.Protocol) {
						steps = append(steps, newStep(round, s, form, im))
					}
				}
			}
		}
	}
	return steps
}

// A loader runs a new server and loads it. It also returns the greatest resident memory
// of the server.
type loader func(ctx context.Context, s report.Scenario, form string, im implementation) (load report.Load, peak int64, err error)

// runStep returns the function of a step, which completes the run r.
func (l *laboratory) runStep(r report.Run, im implementation, load loader) func(context.Context, *report.Results) error {
	return func(ctx context.Context, results *report.Results) error {
		var err error
		r.Load, r.PeakBytes, err = load(ctx, r.Scenario, r.Form, im)
		r.Error = text(err)
		results.Runs = append(results.Runs, r)
		return err
	}
}

// redisRounds is the greatest number of rounds with redis-benchmark.
const redisRounds = 5

// respSteps returns the steps that load the servers of RESP: with the load generator of
// this module, and with redis-benchmark if that is installed.
func (l *laboratory) respSteps(o options) []step {
	list, ims := o.matchingScenarios(respScenarios()), o.matching(respImplementations())
	if l.redisServer == "" {
		ims = slices.DeleteFunc(ims, func(im implementation) bool { return im.program == redisServer })
	}
	steps := l.loadSteps(partRESP, list, l.forms[:1], ims)
	if l.redisBenchmark == "" {
		return steps
	}
	return append(steps, l.inRounds(min(redisRounds, l.settings.Rounds), list, l.forms[:1], ims,
		func(round int, s report.Scenario, form string, im implementation) step {
			r := report.Run{Part: partRedis, Form: form, Scenario: s, Implementation: im.name, Round: round}
			return step{
				what:     fmt.Sprintf("round %d: %s by %s, %s, %s", round+1, s.Name, redisBenchmark, form, im.name),
				estimate: l.estimate(s),
				do:       l.runStep(r, im, l.redisLoad),
			}
		})...)
}

// idleRounds is how often idle memory is measured. It hardly varies.
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

// fewRounds returns the number of rounds, but at most n, and 1 with -quick.
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

// sendRounds is the greatest number of times that the styles of a comparison are
// measured.
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
	list := slices.DeleteFunc(o.matching(implementations()), func(im implementation) bool {
		return !slices.Contains(growthImplementations(), im.name)
	})
	return slices.Concat(
		l.loadSteps(partGrowth, overConns(o.Quick), l.forms[:1], list),
		l.loadSteps(partGrowth, overSizes(o.Quick), l.forms[:1], list),
		l.idleSteps(partGrowth, growthConns(o.Quick), list),
	)
}

// text returns the text of err, or "" if err is nil.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
