// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// onCPU calls start so that the process it starts may run on one CPU only, unless
// that is anyCPU. A process inherits this from the thread that starts it.
func onCPU(cpu int, start func() error) error {
	if cpu == anyCPU {
		return start()
	}
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return os.NewSyscallError("sched_getaffinity", err)
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		runtime.UnlockOSThread()
		return os.NewSyscallError("sched_setaffinity", err)
	}
	err := start()
	if restoreErr := unix.SchedSetaffinity(0, &before); restoreErr != nil {
		// The thread stays locked, and ends with the goroutine.
		return errors.Join(err, os.NewSyscallError("sched_setaffinity", restoreErr))
	}
	runtime.UnlockOSThread()
	return err
}

// lastCPU returns the last one that this process may run on. The first ones
// often have more interrupts to serve.
func lastCPU() (int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, os.NewSyscallError("sched_getaffinity", err)
	}
	last := 0
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			last = cpu
		}
	}
	return last, nil
}
