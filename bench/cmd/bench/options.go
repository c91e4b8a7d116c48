// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/goframer/framer/bench/internal/report"
)

// options are the values of the flags.
type options struct {
	report.Settings
	form            string // empty means all forms
	parts           []string
	scenarios       pattern
	implementations pattern
	json            string
	markdown        string
	plots           string
}

// A pattern is a flag whose value is a regular expression. The zero value matches
// everything.
type pattern struct {
	*regexp.Regexp
}

func (p *pattern) Set(text string) (err error) {
	p.Regexp, err = regexp.Compile(text)
	return err
}

func (p *pattern) String() string {
	if p.Regexp == nil {
		return ""
	}
	return p.Regexp.String()
}

func (p pattern) matches(name string) bool {
	return p.Regexp == nil || p.MatchString(name)
}

// parse reads the flags. It prints errors on stderr.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{Settings: report.Settings{Rounds: 9, Warmup: 300 * time.Millisecond, Duration: time.Second}}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&o.Quick, "quick", false, "about a minute and a half in all: 1 short round, 1,000 connections where there are 10,000")
	fs.IntVar(&o.Rounds, "rounds", o.Rounds, "rounds")
	fs.DurationVar(&o.Warmup, "warmup", o.Warmup, "time before the measuring of a run")
	fs.DurationVar(&o.Duration, "duration", o.Duration, "time that a run is measured")
	fs.StringVar(&o.form, "form", "", "only one `form`: "+formApart+", server and load generator on a CPU each, or "+formTogether+", both on the same two")
	fs.Var(&o.scenarios, "scenarios", "only the scenarios of the tables whose names match `regexp`")
	fs.Var(&o.implementations, "impls", "only the implementations whose names match `regexp`")
	fs.StringVar(&o.json, "json", "results.json", "`file` for the figures; empty for none")
	fs.StringVar(&o.markdown, "markdown", "", "`file` for the tables, besides the standard output")
	fs.StringVar(&o.plots, "plots", "plots", "`directory` for the plots of -growth")
	all := fs.Bool("all", false, "everything, -growth too")
	only := make(map[string]*bool)
	for _, part := range allParts() {
		only[part] = fs.Bool(part, false, "only this, and others of these flags that are given: "+description(part))
	}
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.quicken(given)
	o.parts = o.chosen(only, *all, given["scenarios"])
	if err := o.check(fs.Args()); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return o, err
	}
	return o, nil
}

func description(part string) string {
	switch part {
	case partTable:
		return "the tables of lines and counted payloads"
	case partRESP:
		return "commands of Redis, with " + redisBenchmark + " too if it is installed"
	case partIdle:
		return "memory of idle connections"
	case partPush:
		return "many goroutines push onto one connection"
	case partBroadcast:
		return "one payload to many connections"
	case partFile:
		return "a file to one connection"
	}
	return "cost over the number of connections and the size of messages, with plots"
}

// quicken shortens everything that was not given as a flag.
func (o *options) quicken(given map[string]bool) {
	if !o.Quick {
		return
	}
	if !given["rounds"] {
		o.Rounds = 1
	}
	if !given["warmup"] {
		o.Warmup = 50 * time.Millisecond
	}
	if !given["duration"] {
		o.Duration = 150 * time.Millisecond
	}
}

// allParts returns all parts in their order.
func allParts() []string {
	return []string{partTable, partRESP, partIdle, partPush, partBroadcast, partFile, partGrowth}
}

// chosen returns the parts to run: those that flags ask for, and those that have the
// given scenarios. If there are none, it returns all parts but the growth, which takes
// long and has its own plots.
func (o options) chosen(only map[string]*bool, all, scenariosGiven bool) []string {
	if all {
		return allParts()
	}
	if scenariosGiven {
		*only[partTable] = *only[partTable] || len(o.matchingScenarios(scenarios())) > 0
		*only[partRESP] = *only[partRESP] || len(o.matchingScenarios(respScenarios())) > 0
	}
	parts := slices.DeleteFunc(allParts(), func(part string) bool { return !*only[part] })
	if len(parts) == 0 {
		return slices.DeleteFunc(allParts(), func(part string) bool { return part == partGrowth })
	}
	return parts
}

func (o options) check(args []string) error {
	switch {
	case len(args) > 0:
		return fmt.Errorf("there are no arguments, only flags: %q", args)
	case o.Rounds < 1 || o.Duration <= 0 || o.Warmup < 0:
		return errors.New("-rounds and -duration must be positive, -warmup must not be negative")
	case o.form != "" && o.form != formApart && o.form != formTogether:
		return fmt.Errorf("there is no form %q, only %q and %q", o.form, formApart, formTogether)
	case len(o.matchingScenarios(scenarios()))+len(o.matchingScenarios(respScenarios())) == 0:
		return fmt.Errorf("no scenario matches %q", o.scenarios.String())
	case len(o.matching(idleImplementations()))+len(o.matching(respImplementations())) == 0:
		return fmt.Errorf("no implementation matches %q", o.implementations.String())
	}
	return nil
}

// matchingScenarios returns the scenarios of list that match the flag. It modifies list.
func (o options) matchingScenarios(list []report.Scenario) []report.Scenario {
	return slices.DeleteFunc(list, func(s report.Scenario) bool {
		return !o.scenarios.matches(s.Name)
	})
}

// matching returns the implementations of list that match the flag. It modifies list.
func (o options) matching(list []implementation) []implementation {
	return slices.DeleteFunc(list, func(im implementation) bool {
		return !o.implementations.matches(im.name)
	})
}

// idleConns returns the numbers of idle connections to measure.
func (o options) idleConns() []int {
	if o.Quick {
		return []int{1_000}
	}
	return []int{10_000}
}
