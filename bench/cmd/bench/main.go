// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command bench compares framer with its peers. It builds the server programs and the
// load generator, runs them one after the other in several rounds, and prints tables in
// Markdown. See README.md of this module.
//
//	go -C bench run ./cmd/bench -quick
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/goframer/framer/bench/internal/report"
)

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = measureAll(ctx, o, os.Args[1:], os.Stdout, os.Stderr, isTerminal(os.Stderr))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measureAll measures and writes the results. If it is interrupted, it writes the results
// so far.
func measureAll(ctx context.Context, o options, args []string, stdout, stderr io.Writer, inPlace bool) (err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := o.createFiles(); err != nil {
		return err
	}
	l, notes, err := newLaboratory(dir, o)
	if err != nil {
		return err
	}
	fmt.Fprintln(stderr, "bench: building the programs")
	if err := build(ctx, dir); err != nil {
		return fmt.Errorf("building the programs: %w", err)
	}
	results := &report.Results{Machine: describe(dir, args), Settings: o.Settings, Notes: notes}
	results.Machine.CPUs = l.cpus
	if l.redisServer != "" {
		results.Machine.Peers = append(results.Machine.Peers, redisVersion(l.redisServer))
	}
	steps := l.plan(o)
	failed := carryOut(ctx, steps, results, newProgress(stderr, inPlace, steps, time.Now))
	errs := []error{write(o, results, stdout)}
	if ctx.Err() != nil {
		errs = append(errs, errors.New("interrupted; the tables have what there is"))
	}
	if failed > 0 {
		errs = append(errs, fmt.Errorf("%d of %d runs have failed", failed, len(steps)))
	}
	return errors.Join(errs...)
}

// createFiles creates what write will write to, where it does not exist: a name that can't
// be used must be known before an hour of measuring.
func (o options) createFiles() error {
	for _, name := range []string{o.json, o.markdown} {
		if name == "" {
			continue
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return err
		}
		f.Close()
	}
	if slices.Contains(o.parts, partGrowth) {
		return os.MkdirAll(o.plots, 0o777)
	}
	return nil
}

// write writes the results in all formats that o asks for.
func write(o options, results *report.Results, stdout io.Writer) error {
	errs := []error{
		writeMarkdown(stdout, results, o.plots),
		writePlots(o.plots, results),
	}
	if o.json != "" {
		errs = append(errs, writeTo(o.json, func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "\t")
			return e.Encode(results)
		}))
	}
	if o.markdown != "" {
		plots := o.plots
		if relative, err := filepath.Rel(filepath.Dir(o.markdown), o.plots); err == nil {
			plots = relative
		}
		errs = append(errs, writeTo(o.markdown, func(w io.Writer) error {
			return writeMarkdown(w, results, plots)
		}))
	}
	return errors.Join(errs...)
}

// writeTo creates a file and calls write with it.
func writeTo(path string, write func(io.Writer) error) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}
