// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proc

import (
	"os"
	"testing"
)

func TestParseKilobytes(t *testing.T) {
	const text = "Name:\tserver\nVmHWM:\t    1234 kB\nVmHWMore:\t9 kB\nThreads:\t5\n"
	tests := []struct {
		name string
		want int64
		ok   bool
	}{
		{"VmHWM", 1234 * 1024, true},
		{"VmHWMore", 9 * 1024, true},
		{"VmH", 0, false},
		{"Threads", 0, false},
	}
	for _, tt := range tests {
		got, err := parseKilobytes(text, tt.name)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: %d, %v", tt.name, got, err)
		}
	}
}

func TestThisProcess(t *testing.T) {
	resident, err := Resident(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := ResetPeak(); err != nil {
		t.Fatal(err)
	}
	ballast := make([]byte, 64<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	peak, err := Peak(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if grown := peak - resident; grown < int64(len(ballast)) {
		t.Errorf("after touching %d bytes the peak has grown by %d", len(ballast), grown)
	}
	before, err := CPU()
	if err != nil || before <= 0 {
		t.Errorf("CPU = %v, %v", before, err)
	}
}

// TestCPUOf compares the clock of a process, read by PID, with the clock that the process
// itself reads.
func TestCPUOf(t *testing.T) {
	before, err := CPU()
	if err != nil {
		t.Fatal(err)
	}
	got, err := CPUOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	after, err := CPU()
	if err != nil || got < before || got > after {
		t.Errorf("CPU time is %v, %v; want between %v and %v", got, err, before, after)
	}
}
