// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"time"
)

// String returns the figures so far, for the lines that are printed.
func (l *ledger) String() string {
	return fmt.Sprintf("acknowledged %d, lost %d, duplicated %d, reordered %d, torn %d; faults %d; servers replaced %d",
		l.acknowledged.Load(), l.lost.Load(), l.duplicated.Load(), l.reordered.Load(), l.torn.Load(),
		l.faults(), l.replaced.Load())
}

// A result has the figures of a soak that has ended.
type result struct {
	took   time.Duration
	ledger *ledger
	left   resources
	memory uint64 // bytes
}

// resources are numbers of things that are open.
type resources struct{ goroutines, descriptors int }

// unknown is a number of descriptors.
const unknown = -1

func (s *soak) result(took time.Duration, before, after resources) result {
	left := resources{max(after.goroutines-before.goroutines, 0), unknown}
	if after.descriptors != unknown {
		left.descriptors = max(after.descriptors-before.descriptors, 0)
	}
	return result{took, &s.ledger, left, mappedMemory()}
}

func (r result) String() string {
	descriptors := "unknown"
	if r.left.descriptors != unknown {
		descriptors = strconv.Itoa(r.left.descriptors)
	}
	line := fmt.Sprintf("soak: %.0fs: %v; goroutines left %d, descriptors left %s, peak memory %d MiB",
		r.took.Seconds(), r.ledger, r.left.goroutines, descriptors, r.memory>>20)
	if n := r.ledger.cutOff.Load(); n > 0 {
		line += fmt.Sprintf("; had to be cut off: %d", n)
	}
	return line
}

// ok reports whether all is 0 that must be.
func (r result) ok() bool {
	l := r.ledger
	damages := l.lost.Load() + l.duplicated.Load() + l.reordered.Load() + l.torn.Load()
	return damages == 0 && l.cutOff.Load() == 0 && r.left.goroutines == 0 && r.left.descriptors <= 0
}

// warmUp opens what the runtime opens once and keeps.
func warmUp() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return l.Close()
}

func openResources() resources {
	r := resources{runtime.NumGoroutine(), unknown}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		r.descriptors = len(entries)
	}
	return r
}

// openResourcesDownTo is openResources after all goroutines were waited for. One
// that has only its last steps to do, after it has said so, is given the processor
// before.
func openResourcesDownTo(before resources) resources {
	for range 100_000 {
		if runtime.NumGoroutine() <= before.goroutines {
			break
		}
		runtime.Gosched()
	}
	return openResources()
}

// mappedMemory returns how many bytes the Go runtime has mapped.
func mappedMemory() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
