// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestMain fails if a goroutine of package framer is still there after the tests.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)        // the tests make much garbage and keep nothing, so half of the time would be spent in the collector
	flag.Set("test.parallel", "4") // most of the parallel tests wait; a flag on the command line has precedence
	code := m.Run()
	if leaked := leakedGoroutines(); code == 0 && len(leaked) > 0 {
		fmt.Fprintf(os.Stderr, "%d goroutines have leaked:\n\n%s\n", len(leaked), strings.Join(leaked, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines returns the stacks of the goroutines that run code of package framer
// or were created by it. It first gives the processor to goroutines that are about to
// end.
func leakedGoroutines() []string {
	for end := time.Now().Add(watchdog / 6); ; runtime.Gosched() {
		leaked := goroutines("github.com/goframer/framer")
		if len(leaked) == 0 || time.Now().After(end) {
			return leaked
		}
	}
}

// goroutines returns the stacks of the goroutines, other than the caller's, that
// contain s.
func goroutines(s string) (found []string) {
	buf := make([]byte, 1<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	for _, stack := range stacks[1:] {
		if strings.Contains(stack, s) {
			found = append(found, stack)
		}
	}
	return found
}

// watchdog is how long a test waits for something that does not depend on time.
const watchdog = time.Minute

// underRace reports whether the race detector is on. It makes everything about ten times
// slower.
var underRace = func() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}()

// call runs f on its own goroutine and returns a channel for the result of f.
func call(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}

// waits fails the test if the call has returned.
func waits(t *testing.T, what string, result <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-result:
		t.Errorf("%s did not wait; it returned %v", what, err)
	default:
	}
}
