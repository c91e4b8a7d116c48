// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/goframer/framer/bench/internal/proc"
	"github.com/goframer/framer/bench/internal/report"
)

// A meter measures this process from the call of startMeter on.
type meter struct {
	start     time.Time
	cpu       time.Duration
	resident  int64
	allocated uint64
}

// startMeter first collects the garbage, so that the memory at the start is what is in
// use.
func startMeter() (*meter, error) {
	runtime.GC()
	debug.FreeOSMemory()
	m := &meter{allocated: allocated()}
	if err := proc.ResetPeak(); err != nil {
		return nil, err
	}
	var err error
	if m.resident, err = proc.Resident(os.Getpid()); err != nil {
		return nil, err
	}
	if m.cpu, err = proc.CPU(); err != nil {
		return nil, err
	}
	m.start = time.Now()
	return m, nil
}

func (m *meter) stop() (report.Send, error) {
	elapsed := time.Since(m.start)
	cpu, err := proc.CPU()
	if err != nil {
		return report.Send{}, err
	}
	peak, err := proc.Peak(os.Getpid())
	if err != nil {
		return report.Send{}, err
	}
	return report.Send{
		Seconds:   elapsed.Seconds(),
		CPU:       (cpu - m.cpu).Seconds(),
		PeakBytes: max(0, peak-m.resident),
		Allocated: int64(allocated() - m.allocated),
	}, nil
}

// allocated returns how many bytes of heap memory the process has allocated in its life.
func allocated() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.TotalAlloc
}
