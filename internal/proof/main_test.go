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

// TestMain fails if a goroutine that concerns package framer outlives the tests.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)        // much garbage and nothing that stays: half of the time is the collector's
	flag.Set("test.parallel", "4") // most of those that run side by side wait; the command line has precedence
	code := m.Run()
	if leaked := leakedGoroutines(); code == 0 && len(leaked) > 0 {
		fmt.Fprintf(os.Stderr, "%d goroutines have leaked:\n\n%s\n", len(leaked), strings.Join(leaked, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines returns the stacks of the goroutines that run package framer or
// were created by it. Those that have only their last steps to do are given the
// processor before.
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

// watchdog is how long a test waits for what is no question of time.
const watchdog = time.Minute

// underRace reports whether there is the race detector, with which everything takes
// ten times as long.
var underRace = func() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}()

// call runs f on a goroutine of its own. Its result is in the channel when f has
// returned.
func call(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}

// waits fails the test unless the call still waits.
func waits(t *testing.T, what string, result <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-result:
		t.Errorf("%s did not wait; it returned %v", what, err)
	default:
	}
}
