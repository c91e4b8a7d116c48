// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"os"
	"slices"
	"testing"
)

// The test program is also the server that measure starts.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-server") {
		main()
		return
	}
	os.Exit(m.Run())
}

// The server waits until its handlers have been given all bytes. The memory of a process
// can be read.
func TestMeasure(t *testing.T) {
	if _, err := resident(); err != nil {
		t.Skipf("this system does not tell: %v", err)
	}
	for _, encrypted := range []bool{false, true} {
		for _, pending := range []int{0, 100_000} {
			if err := measure(options{conns: 10, tls: encrypted, pending: pending}); err != nil {
				t.Errorf("TLS %t, %d bytes: %v", encrypted, pending, err)
			}
		}
	}
}
