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

func TestPlaces(t *testing.T) {
	tests := []struct {
		form         string
		cpus         []int
		server, load []int
		procs        int // GOMAXPROCS of the server
	}{
		{formApart, []int{0, 1}, []int{1}, []int{0}, 1},
		{formApart, []int{2, 5, 7}, []int{7}, []int{5}, 1},
		{formTogether, []int{2, 5, 7}, []int{5, 7}, []int{5, 7}, 2},
		{formTogether, []int{3}, []int{3}, []int{3}, 1},
		{formOne, []int{0, 1}, []int{1}, []int{1}, 1},
	}
	for _, test := range tests {
		server, load := places(test.form, test.cpus)
		if !slices.Equal(server.cpus, test.server) || !slices.Equal(load.cpus, test.load) || server.procs != test.procs {
			t.Errorf("%s of %v: the server is at %v, the load generator at %v", test.form, test.cpus, server, load)
		}
	}
}

func TestPossibleForms(t *testing.T) {
	tests := []struct {
		wanted string
		cpus   int
		forms  []string // if empty, an error is expected
		noted  bool
	}{
		{"", 2, []string{formApart, formTogether}, false},
		{"", 1, []string{formTogether}, true},
		{formApart, 8, []string{formApart}, false},
		{formApart, 1, nil, false},
		{formTogether, 2, []string{formTogether}, false},
		{formTogether, 1, []string{formTogether}, false},
	}
	for _, test := range tests {
		forms, note, err := possibleForms(test.wanted, test.cpus)
		if !slices.Equal(forms, test.forms) || (note != "") != test.noted || (err != nil) != (test.forms == nil) {
			t.Errorf("%q with %d CPUs: %q, %q, %v", test.wanted, test.cpus, forms, note, err)
		}
	}
}

func TestFormsOf(t *testing.T) {
	all := []string{formApart, formTogether}
	if got := formsOf(report.Scenario{}, all); !slices.Equal(got, all) {
		t.Errorf("forms %q, want %q", got, all)
	}
	if got := formsOf(report.Scenario{Pinned: true}, all); !slices.Equal(got, []string{formOne}) {
		t.Errorf("forms of what is pinned: %q", got)
	}
}

// TestDescribeForm tests machines with two CPUs and with one.
func TestDescribeForm(t *testing.T) {
	tests := []struct {
		form        string
		cpus        []int
		title, text string // parts of the title and of the text
	}{
		{formApart, []int{4, 6}, "a CPU each", "server is bound to CPU 6, with GOMAXPROCS=1, the load generator to CPU 4"},
		{formTogether, []int{4, 6}, "the same two CPUs", "CPUs 4 and 6"},
		{formTogether, []int{4}, "the same CPU", "CPU 4"},
	}
	for _, test := range tests {
		title, text := describeForm(test.form, test.cpus)
		if !strings.Contains(title, test.title) || !strings.Contains(text, test.text) {
			t.Errorf("%s of %v: %q, %q", test.form, test.cpus, title, text)
		}
	}
}
