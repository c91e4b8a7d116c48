// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command compare puts framer and its peers, which answer lines, into the same
// situations, one after the other, and prints what they do as a table in Markdown:
// how much memory a peer costs that misbehaves, and which replies are lost. See
// docs/comparison.md. Linux only.
//
//	go -C bench run ./cmd/compare
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/goframer/framer/bench/internal/machine"
	"github.com/goframer/framer/bench/internal/report"
)

// limit is how long a server has in one situation.
const limit = 2 * time.Minute

func main() {
	flags := flag.NewFlagSet("compare", flag.ExitOnError)
	peers := flags.String("peers", "", "only the peers whose names match this `regexp`")
	situations := flags.String("situations", "", "only the situations whose names match this `regexp`")
	rounds := flags.Int("rounds", 3, "how often each is done; the table has the least and the greatest figure")
	flags.Parse(os.Args[1:])
	if flags.NArg() > 0 || *rounds < 1 {
		fmt.Fprintln(os.Stderr, "compare: want flags alone, and at least one round (compare -h lists the flags)")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := compare(ctx, *peers, *situations, *rounds, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// compare compares what the patterns match.
func compare(ctx context.Context, peers, situations string, rounds int, stdout, stderr io.Writer) (err error) {
	c := comparison{rounds: rounds, stderr: stderr}
	if err := c.choose(peers, situations); err != nil {
		return err
	}
	if c.dir, err = os.MkdirTemp("", "compare-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.dir)) }()
	fmt.Fprintln(stderr, "compare: building the programs")
	if err := build(ctx, c.dir); err != nil {
		return fmt.Errorf("building the programs: %w", err)
	}
	c.python = pythonVersion(ctx)
	command := strings.Join(append([]string{"go -C bench run ./cmd/compare"}, os.Args[1:]...), " ")
	m := machine.Describe(c.dir, ownModules(), command)
	t := c.measure(ctx)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	c.writeMachine(stdout, m)
	_, err = io.WriteString(stdout, t.String())
	return errors.Join(append(c.failures, err)...)
}

// A comparison is one at work.
type comparison struct {
	peers      []peer
	situations []situation
	rounds     int
	dir        string // of the programs
	python     string // its version, if it has asynchat
	stderr     io.Writer
	failures   []error
}

// choose chooses the peers and the situations whose names match the patterns.
func (c *comparison) choose(peers, situations string) error {
	p, err := regexp.Compile(peers)
	if err != nil {
		return err
	}
	s, err := regexp.Compile(situations)
	if err != nil {
		return err
	}
	c.peers = slices.DeleteFunc(allPeers(), func(x peer) bool { return !p.MatchString(x.name) })
	c.situations = slices.DeleteFunc(allSituations(), func(x situation) bool { return !s.MatchString(x.name) })
	if len(c.peers) == 0 || len(c.situations) == 0 {
		return fmt.Errorf("no peer matches %q, or no situation %q", peers, situations)
	}
	return nil
}

// measure puts every server into every situation.
func (c *comparison) measure(ctx context.Context) table {
	t := table{header: []string{""}}
	for _, p := range c.peers {
		t.header = append(t.header, p.name)
	}
	for _, s := range c.situations {
		row := []string{s.name}
		for _, p := range c.peers {
			row = append(row, c.cell(ctx, p, s))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// notHere stands for what could not be measured on this machine.
const notHere = "not here"

// cell puts a server into a situation, in all rounds.
func (c *comparison) cell(ctx context.Context, p peer, s situation) string {
	if p.python && c.python == "" {
		return notHere
	}
	var outcomes []outcome
	for round := range c.rounds {
		if ctx.Err() != nil {
			return ""
		}
		fmt.Fprintf(c.stderr, "compare: %s: %s, round %d\n", p.name, s.name, round+1)
		o, err := run(ctx, p.command(c.dir), s)
		if err != nil {
			c.failures = append(c.failures, fmt.Errorf("%s: %s: %w", p.name, s.name, err))
			return "failed"
		}
		outcomes = append(outcomes, o)
	}
	return cell(outcomes)
}

// run puts a fresh server into a situation.
func run(ctx context.Context, command []string, s situation) (o outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	server, err := start(ctx, command)
	if err != nil {
		return outcome{}, err
	}
	o, err = s.measure(ctx, server)
	return o, errors.Join(err, server.stop())
}

func (c *comparison) writeMachine(w io.Writer, m report.Machine) {
	fmt.Fprintf(w, "- Machine: %s, %d cores, %d GiB of memory\n", m.CPU, m.Cores, m.Memory>>30)
	fmt.Fprintf(w, "- System: Linux %s, %s\n", m.Kernel, m.Go)
	versions := append([]string{"framer " + m.Revision}, m.Peers...)
	if c.python != "" {
		versions = append(versions, "asynchat of CPython "+c.python)
	}
	fmt.Fprintf(w, "- Versions: %s\n", strings.Join(versions, ", "))
	fmt.Fprintf(w, "- Date: %s; load average at the start %s\n", m.Date.Format("2006-01-02 15:04 MST"), m.LoadAverage)
	fmt.Fprintf(w, "- Command: `%s`; rounds: %d; it took %v\n\n", m.Command, c.rounds, time.Since(m.Date).Round(time.Second))
}

// A table is one in Markdown.
type table struct {
	header []string
	rows   [][]string
}

func (t table) String() string {
	var b strings.Builder
	row := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	row(t.header)
	b.WriteString(strings.Repeat("|-", len(t.header)) + "|\n")
	for _, cells := range t.rows {
		row(cells)
	}
	return b.String()
}
