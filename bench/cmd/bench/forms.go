// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/goframer/framer/bench/internal/report"
)

// The forms in which the server and the load generator share the machine.
const (
	formApart    = "apart"    // each has its own CPU
	formTogether = "together" // both have the same two CPUs
	formOne      = "one CPU"  // both have the same single CPU
)

// A place says where a process may run, and with what. The zero value means anywhere, with
// the defaults of Go.
type place struct {
	cpus  []int
	procs int    // GOMAXPROCS of a Go program; 0 means that it is not set
	heap  string // GOMEMLIMIT of a Go program, with GOGC=off; empty means that it is not set
}

// environment returns the variables of the environment that a place sets.
func (p place) environment() []string {
	var env []string
	if p.procs > 0 {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(p.procs))
	}
	if p.heap != "" {
		env = append(env, "GOGC=off", "GOMEMLIMIT="+p.heap)
	}
	return env
}

// anywhere does not restrict a process.
var anywhere place

// places returns where the server and the load generator run. cpus are all CPUs. The last
// ones are used, because the first ones often have more interrupts to serve.
func places(form string, cpus []int) (server, load place) {
	last := cpus[len(cpus)-1:]
	switch form {
	case formApart:
		before := cpus[len(cpus)-2 : len(cpus)-1]
		return place{cpus: last, procs: 1}, place{cpus: before, procs: 1}
	case formOne:
		return place{cpus: last, procs: 1}, place{cpus: last, procs: 1}
	}
	both := cpus[max(0, len(cpus)-2):]
	return place{cpus: both, procs: len(both)}, place{cpus: both, procs: len(both)}
}

// possibleForms returns the forms that a machine with so many CPUs can run. wanted is the
// name of a form, or empty for all of them. note tells the user if a form is left out.
func possibleForms(wanted string, cpus int) (forms []string, note string, err error) {
	switch {
	case cpus >= 2 && wanted == "":
		return []string{formApart, formTogether}, "", nil
	case cpus >= 2 || wanted == formTogether:
		return []string{wanted}, "", nil
	case wanted == formApart:
		return nil, "", errors.New("-form apart needs two CPUs, and there is one")
	}
	return []string{formTogether}, "There is one CPU only: the server and the load generator can't be measured apart.", nil
}

// formsOf returns the forms in which a scenario is measured.
func formsOf(s report.Scenario, forms []string) []string {
	if s.Pinned {
		return []string{formOne}
	}
	return forms
}

// describeForm returns the title of a form, and a text that says how it was measured.
func describeForm(form string, cpus []int) (title, text string) {
	if form == formApart {
		server, load := places(form, cpus)
		return "Server and load generator on a CPU each",
			fmt.Sprintf("The server is bound to CPU %d, with GOMAXPROCS=1, the load generator to CPU %d: what is\n"+
				"measured is the library, and not who is given a processor.", server.cpus[0], load.cpus[0])
	}
	server, _ := places(formTogether, cpus)
	if len(server.cpus) == 1 {
		return "Server and load generator on the same CPU",
			fmt.Sprintf("Both are bound to CPU %d, and fight for it.", server.cpus[0])
	}
	return "Server and load generator on the same two CPUs",
		fmt.Sprintf("Both are bound to CPUs %d and %d, the server with GOMAXPROCS=2. They fight for them: whoever\n"+
			"loses waits for some milliseconds, and that is the p99 then.", server.cpus[0], server.cpus[1])
}
