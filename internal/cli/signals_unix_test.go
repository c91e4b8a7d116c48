// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build unix

package cli

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// Both signals arrive, and there is room for two.
func TestCatchSignals(t *testing.T) {
	signals := CatchSignals()
	defer signal.Reset(os.Interrupt, syscall.SIGTERM)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
		if got := <-signals; got != s {
			t.Errorf("got %v, want %v", got, s)
		}
	}
	if n := cap(signals); n < 2 {
		t.Errorf("there is room for %d signals, want 2", n)
	}
}
