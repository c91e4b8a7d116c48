// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestMain fails if a goroutine that concerns this package outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if leaked := leakedGoroutines(); code == 0 && len(leaked) > 0 {
		fmt.Fprintf(os.Stderr, "%d goroutines have leaked:\n\n%s\n", len(leaked), strings.Join(leaked, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines returns the stacks of the goroutines that run this package or
// were created by it. One that has only its last steps to do is given the
// processor before.
func leakedGoroutines() []string {
	for range 1000 {
		runtime.Gosched()
	}
	return goroutines("github.com/goframer/framer")
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
