// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"math"
	"testing"
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

func TestScriptRESP(t *testing.T) {
	const set, get = "*3\r\n$3\r\nSET\r\n$3\r\nk03\r\n$5\r\n", "*2\r\n$3\r\nGET\r\n$3\r\nk03\r\n"
	s := newScript("resp-set", 2, 5, 1)
	sets, oks := s.window(3)
	if len(sets) != 2*len(set+"12345\r\n") || !bytes.HasPrefix(sets, []byte(set)) || string(oks) != "+OK\r\n+OK\r\n" {
		t.Errorf("requests are %q, replies %q", sets, oks)
	}
	value := sets[len(set):][:5]
	g := newScript("resp-get", 2, 5, 1)
	gets, values := g.window(3)
	if !bytes.HasPrefix(gets, []byte(get)) || !bytes.HasPrefix(values, append([]byte("$5\r\n"), value...)) {
		t.Errorf("requests are %q, replies %q", gets, values)
	}
	if s.before != nil || bytes.Count(s.after.requests, []byte("GET")) != 2 {
		t.Errorf("after two SETs %q is asked", s.after.requests)
	}
	if g.after != nil || bytes.Count(g.before.requests, []byte("SET")) != g.starts {
		t.Errorf("before the GETs of %d keys %q is sent", g.starts, g.before.requests)
	}
	if last, replies := g.window(g.starts - 1); len(last) != len(gets) || len(replies) != len(values) {
		t.Errorf("the last window has %q and %q", last, replies)
	}
}

// TestScriptMemory checks how much memory the scripts of the largest runs take.
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
