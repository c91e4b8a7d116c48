// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goframer/framer/bench/internal/machine"
	"github.com/goframer/framer/bench/internal/report"
)

func TestOnCPUs(t *testing.T) {
	all, err := allowedCPUs()
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range [][]int{all[len(all)-1:], all[:1], all} {
		reason := errors.New("reason")
		err := onCPUs(wanted, func() error {
			if got, err := allowedCPUs(); err != nil || !slices.Equal(got, wanted) {
				t.Errorf("%v are allowed, %v; want %v", got, err, wanted)
			}
			return reason
		})
		if !errors.Is(err, reason) {
			t.Errorf("onCPUs = %v", err)
		}
		if got, err := allowedCPUs(); err != nil || !slices.Equal(got, all) {
			t.Errorf("afterwards %v are allowed, %v; want %v", got, err, all)
		}
	}
}

// TestPlace checks where a process may run, and its environment.
func TestPlace(t *testing.T) {
	all, err := allowedCPUs()
	if err != nil {
		t.Fatal(err)
	}
	last := all[len(all)-1]
	out, err := output(t.Context(), place{[]int{last}, 7, "64MiB"}, "/bin/sh", "-c", "grep Cpus_allowed_list /proc/self/status; echo procs $GOMAXPROCS, heap $GOGC $GOMEMLIMIT")
	if want := fmt.Sprintf("Cpus_allowed_list: %d procs 7, heap off 64MiB", last); machine.FirstFields(string(out), 7) != want || err != nil {
		t.Errorf("it says %q, %v; want %q", out, err, want)
	}
}

// TestProcessSignalled has a process that does not end at the end of its input.
func TestProcessSignalled(t *testing.T) {
	p, err := start(t.Context(), anywhere, "/bin/sh", "-c", "trap 'echo bye; exit 0' TERM; echo listening nowhere; while :; do sleep 0.01; done")
	if err != nil {
		t.Fatal(err)
	}
	p.signalled = true
	if _, err := p.address(); err != nil {
		t.Fatal(err)
	}
	if out, err := p.stop(); string(out) != "bye\n" || err != nil {
		t.Errorf("stop = %q, %v", out, err)
	}
}

func TestProcessThatFails(t *testing.T) {
	p, err := start(t.Context(), anywhere, "/bin/sh", "-c", "echo careful >&2; echo boom >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.address()
	if err == nil || !strings.Contains(err.Error(), "boom") || strings.Contains(err.Error(), "careful") {
		t.Errorf("address = %v, want what the process said last", err)
	}
	if _, err := p.stop(); err != nil {
		t.Errorf("stop of what has failed = %v", err)
	}
	if _, err := output(t.Context(), anywhere, "/bin/sh", "-c", "echo bang >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3: bang") {
		t.Errorf("output = %v", err)
	}
}

// TestProcessEnds checks that a process ends with its context, even if it ignores the end
// of its input.
func TestProcessEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := start(ctx, anywhere, "/bin/sh", "-c", "echo listening nowhere; while :; do read line; done")
	if err != nil {
		t.Fatal(err)
	}
	if addr, err := p.address(); addr != "nowhere" || err != nil {
		t.Errorf("address = %q, %v", addr, err)
	}
	cancel()
	if _, err := p.stop(); err == nil {
		t.Error("it has ended without an error")
	}
}

// TestBench runs the whole program for two implementations and one scenario.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	args := []string{"-scenarios", "^c50p16s64", "-impls", "^(raw-best|framer-handler)$", "-rounds", "1",
		"-warmup", "10ms", "-duration", "100ms", "-json", file("results.json"), "-markdown", file("results.md")}
	o, err := parse(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	all, err := allowedCPUs()
	if err != nil {
		t.Fatal(err)
	}
	forms, _, err := possibleForms("", len(all))
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	if err := measureAll(t.Context(), o, args, &stdout, &stderr, false); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	ratioOf, _, _ := strings.Cut(fields(t, stdout.String(), "c50p16s64")[2], ";")
	if x, err := strconv.ParseFloat(ratioOf, 64); err != nil || x <= 0 {
		t.Errorf("the ratio of framer-handler is %q in\n%s", ratioOf, stdout.String())
	}
	if text, err := os.ReadFile(file("results.md")); err != nil || string(text) != stdout.String() {
		t.Errorf("the file has (%v)\n%s\nthe standard output\n%s", err, text, stdout.String())
	}
	var r report.Results
	text, err := os.ReadFile(file("results.json"))
	if err != nil || json.Unmarshal(text, &r) != nil || len(r.Runs) != 2*len(forms) || r.Runs[1].Load.Messages == 0 {
		t.Errorf("the JSON has (%v)\n%s", err, text)
	}
}

// TestIdleTLS measures a few connections over TLS.
func TestIdleTLS(t *testing.T) {
	l := &laboratory{programs: t.TempDir()}
	if err := build(t.Context(), l.programs); err != nil {
		t.Fatal(err)
	}
	for _, im := range idleImplementations() {
		if !im.tls {
			continue
		}
		before, after, err := l.idle(t.Context(), im, 200)
		if err != nil || after <= before {
			t.Errorf("%s: %d bytes, then %d, %v", im.name, before, after, err)
		}
	}
}

// TestSend sends a little in every way. It also sends something that the receiver does
// not expect.
func TestSend(t *testing.T) {
	l := &laboratory{programs: t.TempDir(), settings: report.Settings{Duration: time.Second}}
	if err := build(t.Context(), l.programs); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(t.Context(), filePath(l.programs), 2<<20); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		task, styles string
		send, sink   string
		bytes        int64
	}{
		{"push", "bufio framer", "-goroutines 5 -messages 100", "-expect order -goroutines 5 -window 32000", 32000},
		{"broadcast", "raw framer-push framer-producer", "-conns 9 -size 1000 -repeat 3",
			"-expect pattern -conns 9 -size 1000 -window 1000 -windows 3", 27000},
		{"file", "copy framer", "-path " + filePath(l.programs), "-window " + strconv.Itoa(2<<20), 2 << 20},
	}
	for _, tt := range tests {
		for _, style := range strings.Fields(tt.styles) {
			t.Run(tt.task+"/"+style, func(t *testing.T) {
				flags := append(strings.Fields(tt.send), "-task", tt.task, "-style", style)
				got, err := l.send(t.Context(), flags, strings.Fields(tt.sink))
				if err != nil {
					t.Fatal(err)
				}
				if got.Messages*got.Size != tt.bytes || got.Seconds <= 0 || got.CPU <= 0 {
					t.Errorf("%+v, want %d bytes", got, tt.bytes)
				}
			})
		}
	}
	t.Run("unexpected", func(t *testing.T) {
		_, err := l.send(t.Context(), strings.Fields("-task broadcast -style raw -size 1000"),
			strings.Fields("-expect pattern -size 999 -window 1000"))
		if err == nil || !strings.Contains(err.Error(), "differ") {
			t.Errorf("send = %v, want the receiver's complaint", err)
		}
	})
}
