// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux

package proof_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/goframer/framer"
)

// An inventory has everything in the process that could leak.
type inventory struct {
	goroutines map[string]string // stacks by goroutine
	files      map[string]string // names by descriptor
}

func takeInventory(t *testing.T) inventory {
	t.Helper()
	return inventory{goroutineStacks(), openFiles(t)}
}

// compare fails the test if there is something that was not there before. Everything has
// been waited for. So a goroutine that is still there is about to end, and is given the
// processor, or it stays for ever.
func (before inventory) compare(t *testing.T) {
	t.Helper()
	left := added(before.goroutines, goroutineStacks())
	for end := time.Now().Add(watchdog); len(left) > 0 && time.Now().Before(end); {
		runtime.Gosched()
		left = added(before.goroutines, goroutineStacks())
	}
	if len(left) > 0 {
		t.Errorf("%d goroutines are left:\n\n%s", len(left), strings.Join(left, "\n\n"))
	}
	if left := added(before.files, openFiles(t)); len(left) > 0 {
		t.Errorf("files are left open: %q", left)
	}
}

// added returns the values whose keys are only in after.
func added(before, after map[string]string) (values []string) {
	for key, value := range after {
		if _, ok := before[key]; !ok {
			values = append(values, value)
		}
	}
	return values
}

// goroutineStacks returns the stacks of all goroutines except the caller's.
func goroutineStacks() map[string]string {
	stacks := make(map[string]string)
	for _, stack := range goroutines("goroutine ") {
		name, _, _ := strings.Cut(stack, " [")
		stacks[name] = stack
	}
	return stacks
}

func openFiles(t *testing.T) map[string]string {
	t.Helper()
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		// One descriptor is the directory itself, which is closed by now. The poller of
		// the runtime opens others when it is first needed.
		if err == nil && !strings.HasPrefix(target, "anon_inode:") {
			files[fmt.Sprintf("%s %s", e.Name(), target)] = target
		}
	}
	return files
}

// remains is what the connections of a test leave: nothing should refer to them. A
// goroutine, timer, table or context that outlives a connection would do so.
type remains struct {
	conns []weak.Pointer[framer.Conn]
	base  context.Context // the context of their server, which may outlive them
}

func (ft *faultTest) remains() remains {
	r := remains{base: ft.base}
	for _, a := range ft.actors {
		r.conns = append(r.conns, weak.Make(a.conn))
	}
	return r
}

// check collects garbage several times: where a goroutine is preempted, the collector takes
// every word on its stack for a pointer, and may find one that a function before has left.
// What really refers to a connection does so every time.
func (r remains) check(t *testing.T) {
	t.Helper()
	remain := func(c weak.Pointer[framer.Conn]) bool { return c.Value() != nil }
	for range 10 {
		runtime.GC()
		if !slices.ContainsFunc(r.conns, remain) {
			break
		}
	}
	if slices.ContainsFunc(r.conns, remain) {
		t.Error("something still refers to the connection")
	}
	runtime.KeepAlive(r.base)
}
