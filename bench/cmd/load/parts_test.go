// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"math"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHistogramBuckets(t *testing.T) {
	values := []int64{0, 1, 63, 64, 127, 128, 129, 255, 256, 1e6, 1e9, math.MaxInt64 - 1, math.MaxInt64}
	for _, v := range values {
		i := bucket(v)
		u := upper(i)
		if u < v || u-v > v/64 {
			t.Errorf("%d is in a bucket up to %d", v, u)
		}
		if u < math.MaxInt64 && bucket(u+1) != i+1 {
			t.Errorf("bucket %d ends at %d, but %d is in bucket %d", i, u, u+1, bucket(u+1))
		}
	}
}

func TestHistogramPercentile(t *testing.T) {
	var h histogram
	if got := h.percentile(99); got != 0 {
		t.Errorf("percentile of nothing is %d, want 0", got)
	}
	for v := range int64(1000) {
		h.add(v+1, 2)
	}
	for p, exact := range map[float64]int64{0.1: 1, 50: 500, 99: 990, 99.9: 999, 100: 1000} {
		if got := h.percentile(p); got < exact || got-exact > exact/64 {
			t.Errorf("percentile %v is %d, want %d or little more", p, got, exact)
		}
	}
	if h.count != 2000 || h.max != 1000 {
		t.Errorf("count %d, max %d; want 2000, 1000", h.count, h.max)
	}
}

func TestScriptEcho(t *testing.T) {
	const depth, size = 3, 10
	s := newScript("echo", depth, size, 5)
	seen := make(map[string]bool)
	for start := range s.starts {
		requests, replies := s.window(start)
		if !bytes.Equal(requests, replies) {
			t.Errorf("window %d: replies differ from requests", start)
		}
		lines := bytes.SplitAfter(requests, []byte("\r\n"))
		if len(lines) != depth+1 || len(lines[0]) != size+2 || len(lines[depth]) != 0 {
			t.Errorf("window %d is %q", start, requests)
		}
		seen[string(lines[0])] = true
	}
	if len(seen) != s.starts || s.starts <= 5 {
		t.Errorf("windows begin at %d requests, %d of them different; want more than connections", s.starts, len(seen))
	}
}

func TestScriptSet(t *testing.T) {
	s := newScript("set", 2, 5, 1)
	requests, replies := s.window(0)
	if len(requests) != 2*len("SET 5\r\n12345") || !bytes.HasPrefix(requests[len(requests)/2:], []byte("SET 5\r\n")) {
		t.Errorf("requests are %q", requests)
	}
	if string(replies) != "OK\r\nOK\r\n" {
		t.Errorf("replies are %q", replies)
	}
}

// TestScriptMemory prepares for the largest runs.
func TestScriptMemory(t *testing.T) {
	for _, conns := range []int{1, 10_000} {
		for _, size := range []int{10, 1 << 20} {
			s := newScript("echo", 1, size, conns)
			if limit := max(sharedSize, 4*s.requestSize) + s.requestSize; len(s.requests) > limit {
				t.Errorf("%d connections, %d bytes: %d are prepared, want at most %d", conns, size, len(s.requests), limit)
			}
		}
	}
}

// TestProcessCPU compares the clock by pid with that which a process has of itself.
func TestProcessCPU(t *testing.T) {
	before := ownCPU(t)
	got, err := processCPU(os.Getpid())
	after := ownCPU(t)
	if err != nil || int64(got) < before || int64(got) > after {
		t.Errorf("CPU time is %d, %v; want between %d and %d", got, err, before, after)
	}
}

func ownCPU(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano()
}
