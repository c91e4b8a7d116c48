// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/goframer/framer/bench/internal/report"
)

// grace is how much longer than estimated a run may take before it counts as failed.
const grace = time.Minute

// carryOut runs the steps until ctx ends, and shows the progress. It returns how many
// steps have failed. A step that ctx has cut off leaves no result.
func carryOut(ctx context.Context, steps []step, r *report.Results, p *progress) int {
	failed := 0
	for i, s := range steps {
		p.begin(i, s.what)
		var measured report.Results
		err := doWithin(ctx, s, &measured)
		if ctx.Err() != nil {
			break
		}
		r.Add(measured)
		p.done(s.estimate)
		if err != nil {
			failed++
			p.failure(s.what, err)
		}
	}
	p.endLine()
	return failed
}

func doWithin(ctx context.Context, s step, r *report.Results) error {
	ctx, cancel := context.WithTimeout(ctx, s.estimate+grace)
	defer cancel()
	return s.do(ctx, r)
}

// A progress shows the user how far the run is.
type progress struct {
	w         io.Writer
	inPlace   bool // each line overwrites the one before
	now       func() time.Time
	start     time.Time
	steps     int
	estimated time.Duration // the estimate of all steps
	past      time.Duration // the estimate of the steps that are done
}

func newProgress(w io.Writer, inPlace bool, steps []step, now func() time.Time) *progress {
	p := &progress{w: w, inPlace: inPlace, now: now, start: now(), steps: len(steps)}
	for _, s := range steps {
		p.estimated += s.estimate
	}
	fmt.Fprintf(w, "bench: %d runs, about %v\n", p.steps, short(p.estimated))
	return p
}

// left returns how long the rest will take, if it goes on at the same speed.
func (p *progress) left() time.Duration {
	rest := p.estimated - p.past
	if p.past == 0 {
		return rest
	}
	pace := float64(p.now().Sub(p.start)) / float64(p.past)
	return time.Duration(pace * float64(rest))
}

func (p *progress) begin(i int, what string) {
	line := fmt.Sprintf("[%d/%d, %v left] %s", i+1, p.steps, short(p.left()), what)
	if p.inPlace {
		fmt.Fprint(p.w, "\r\x1b[K", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

func (p *progress) done(estimate time.Duration) {
	p.past += estimate
}

func (p *progress) failure(what string, err error) {
	p.endLine()
	fmt.Fprintf(p.w, "bench: %s: %v\n", what, err)
}

func (p *progress) endLine() {
	if p.inPlace {
		fmt.Fprintln(p.w)
	}
}

func short(d time.Duration) time.Duration {
	return d.Round(time.Second)
}

// isTerminal reports whether f is a terminal.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
