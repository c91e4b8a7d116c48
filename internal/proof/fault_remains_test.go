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
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/goframer/framer"
)

// An inventory is what there is in the process that could leak.
type inventory struct {
	goroutines map[string]string // stacks by their goroutine
	files      map[string]string // names by their descriptor
}

func takeInventory(t *testing.T) inventory {
	t.Helper()
	return inventory{goroutineStacks(), openFiles(t)}
}

// compare fails the test if there is something that was not there before.
// Everything has been waited for: a goroutine that is still there either has only
// its last steps to do, for which it is given the processor, or stays for ever.
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

// added returns the values of the keys that only after has.
func added(before, after map[string]string) (values []string) {
	for key, value := range after {
		if _, ok := before[key]; !ok {
			values = append(values, value)
		}
	}
	return values
}

// goroutineStacks returns the stacks of all goroutines but the caller's.
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
		// One is the directory, which is closed by now. The runtime's poller opens
		// others, when the first socket needs it.
		if err == nil && !strings.HasPrefix(target, "anon_inode:") {
			files[fmt.Sprintf("%s %s", e.Name(), target)] = target
		}
	}
	return files
}

// remains is what the connections of a test should leave: nothing. A goroutine, a
// timer, a table or a context that outlived one would refer to it.
type remains struct {
	conns []weak.Pointer[framer.Conn]
	base  context.Context // of their server, which does outlive them
}

func (ft *faultTest) remains() remains {
	r := remains{base: ft.base}
	for _, a := range ft.actors {
		r.conns = append(r.conns, weak.Make(a.conn))
	}
	return r
}

func (r remains) check(t *testing.T) {
	t.Helper()
	runtime.GC()
	for _, c := range r.conns {
		if c.Value() != nil {
			t.Error("something still refers to the connection")
		}
	}
	runtime.KeepAlive(r.base)
}
