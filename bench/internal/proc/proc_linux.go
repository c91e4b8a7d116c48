// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package proc reads what Linux knows about a process.
package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Resident returns the resident memory of a process, in bytes. It is exact, because the
// kernel counts page by page. The figures of /proc/PID/status are approximate.
func Resident(pid int) (int64, error) {
	return field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss")
}

// Peak returns the greatest resident memory that a process has had, in bytes.
func Peak(pid int) (int64, error) {
	return field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM")
}

// ResetPeak sets the peak of this process to its present resident memory.
func ResetPeak() error {
	return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// CPU returns the processor time that this process has used.
func CPU() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(t.Nano()), nil
}

// CPUOf returns the processor time that all threads of a process have used. It is exact
// to the nanosecond.
func CPUOf(pid int) (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED of the kernel: the time that was scheduled
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

func field(path, name string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := parseKilobytes(string(text), name)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// parseKilobytes returns the value, in bytes, of a line like "VmHWM:  1234 kB".
func parseKilobytes(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		value, ok = strings.CutSuffix(strings.TrimSpace(value), " kB")
		if !ok {
			return 0, fmt.Errorf("%s is not in kB", name)
		}
		n, err := strconv.ParseInt(value, 10, 64)
		return n * 1024, err
	}
	return 0, fmt.Errorf("there is no %s", name)
}
