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
	memory uint64 // in bytes
}

// resources are the numbers of goroutines and descriptors that exist.
type resources struct{ goroutines, descriptors int }

// unknown is the number of descriptors if it can't be found out.
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

// ok reports whether all figures are 0 that must be 0.
func (r result) ok() bool {
	l := r.ledger
	damages := l.lost.Load() + l.duplicated.Load() + l.reordered.Load() + l.torn.Load()
	return damages == 0 && l.cutOff.Load() == 0 && r.left.goroutines == 0 && r.left.descriptors <= 0
}

// warmUp makes the runtime open the descriptors that it opens once and keeps.
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

// openResourcesDownTo waits until there are no more goroutines than before. Then it does
// what openResources does. A goroutine may be about to end, so the processor is given to
// others meanwhile.
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
