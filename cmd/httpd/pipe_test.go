// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build unix

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// A named pipe is not there, and nobody waits for its other end.
func TestNamedPipe(t *testing.T) {
	t.Parallel()
	_, addr, dir := startServer(t, testOptions())
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, addr)
	fmt.Fprint(nc, "GET /pipe HTTP/1.0\r\n\r\n")
	answers, err := readAnswers(nc)
	if err != nil || !slices.Equal(statuses(answers), []int{404}) {
		t.Errorf("got %v, %v, want 404", statuses(answers), err)
	}
}
