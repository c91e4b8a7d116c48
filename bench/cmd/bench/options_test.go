// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goframer/framer/bench/internal/report"
)

func TestParse(t *testing.T) {
	full := []string{partTable, partRESP, partIdle, partPush, partBroadcast, partFile}
	usual := report.Settings{Rounds: 9, Warmup: 300 * time.Millisecond, Duration: time.Second}
	tests := []struct {
		args     string
		settings report.Settings
		parts    []string
	}{
		{"", usual, full},
		{"-quick", report.Settings{Quick: true, Rounds: 1, Warmup: 50 * time.Millisecond, Duration: 150 * time.Millisecond}, full},
		{"-rounds 5 -quick", report.Settings{Quick: true, Rounds: 5, Warmup: 50 * time.Millisecond, Duration: 150 * time.Millisecond}, full},
		{"-duration 3s -warmup 0s", report.Settings{Rounds: 9, Duration: 3 * time.Second}, full},
		{"-growth", usual, []string{partGrowth}},
		{"-file -push", usual, []string{partPush, partFile}},
		{"-scenarios ^SET", usual, []string{partTable}},
		{"-scenarios RESP", usual, []string{partRESP}},
		{"-scenarios SET", usual, []string{partTable, partRESP}},
		{"-all", usual, append(slices.Clone(full), partGrowth)},
		{"-form together", usual, full},
		{"-scenarios ^SET -idle", usual, []string{partTable, partIdle}},
		{"-impls gnet", usual, full},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			o, err := parse(strings.Fields(tt.args), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if o.Settings != tt.settings {
				t.Errorf("settings %+v, want %+v", o.Settings, tt.settings)
			}
			if !slices.Equal(o.parts, tt.parts) {
				t.Errorf("parts %q, want %q", o.parts, tt.parts)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range []string{"-rounds 0", "-duration 0s", "-warmup -1s", "-scenarios nothing",
		"-impls nothing", "-form alone", "-scenarios (", "surplus", "-unknown"} {
		var stderr strings.Builder
		if _, err := parse(strings.Fields(args), &stderr); err == nil || stderr.Len() == 0 {
			t.Errorf("%s: error %v, and on stderr %q", args, err, stderr.String())
		}
	}
	if _, err := parse([]string{"-help"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help: %v", err)
	}
}

func TestMatching(t *testing.T) {
	o, err := parse([]string{"-scenarios", "^SET", "-impls", "raw|gnet"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(o.matchingScenarios(scenarios())); got != 2 {
		t.Errorf("%d scenarios match, want 2", got)
	}
	var names []string
	for _, im := range o.matching(implementations()) {
		names = append(names, im.name)
	}
	if want := []string{"raw-best", "gnet", "raw-scanner", "raw-textproto"}; !slices.Equal(names, want) {
		t.Errorf("implementations %q, want %q", names, want)
	}
}
