// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goframer/framer/bench/internal/report"
)

func TestBenchmarkLoad(t *testing.T) {
	const header = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n"
	got, err := benchmarkLoad(header+"\"SET\",\"50000.00\",\"2.628\",\"0.240\",\"1.575\",\"4.655\",\"21.087\",\"90.559\"\n", 100_000)
	want := report.Load{Messages: 100_000, Seconds: 2, P50: 1_575_000, P99: 21_087_000, Max: 90_559_000}
	if got != want || err != nil {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", header, header + "SET\n", "test,rps\nSET,1\n", header + "SET,0,1,1,1,1,1,1\n", header + "SET,x,1,1,1,1,1,1\n"} {
		if got, err := benchmarkLoad(bad, 1); err == nil {
			t.Errorf("%q gives %+v", bad, got)
		}
	}
}

func TestRequests(t *testing.T) {
	for _, s := range respScenarios() {
		if n := requests(s, time.Second); n < 1000 || n > 1_000_000 {
			t.Errorf("%s: %d requests in a second", s.Name, n)
		}
		if n := requests(s, 0); n != s.Conns*s.Depth {
			t.Errorf("%s: %d requests at least", s.Name, n)
		}
	}
}

func TestFind(t *testing.T) {
	if path, note := find("sh"); !strings.HasPrefix(path, "/") || note != "" {
		t.Errorf("sh is %q, %q", path, note)
	}
	if path, note := find("no-such-program"); path != "" || !strings.Contains(note, "no-such-program is not installed") {
		t.Errorf("found %q, %q", path, note)
	}
}

// TestRedis runs redis-benchmark with a redis-server and with a server of this module.
func TestRedis(t *testing.T) {
	for _, program := range []string{redisServer, redisBenchmark} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	o, err := parse(strings.Fields("-resp -rounds 1 -warmup 1ms -duration 50ms"), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	l, notes, err := newLaboratory(t.TempDir(), o)
	if err != nil || len(notes) > 0 && len(l.cpus) > 1 {
		t.Fatal(notes, err)
	}
	if err := build(t.Context(), l.programs); err != nil {
		t.Fatal(err)
	}
	s := respScenarios()[1] // a scenario with GET
	for _, im := range respImplementations() {
		load, peak, err := l.redisLoad(t.Context(), s, l.forms[0], im)
		if err != nil || load.Messages < 800 || load.ServerCPU <= 0 || peak <= 0 {
			t.Errorf("%s: %+v, %d bytes, %v", im.name, load, peak, err)
		}
	}
	if _, _, err := l.load(t.Context(), s, l.forms[0], respImplementations()[len(respImplementations())-1]); err != nil {
		t.Errorf("%s under our load: %v", redisServer, err)
	}
}
