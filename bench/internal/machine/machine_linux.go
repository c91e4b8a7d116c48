// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package machine finds out what there is to say about this machine and about the
// programs that are measured on it.
package machine

import (
	"debug/buildinfo"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goframer/framer/bench/internal/report"
)

// Describe returns what there is to know of this machine and of the programs in
// the directory dir: framer, and those of the peers, which have the names of their
// modules. What can't be found out is left empty: the measuring does not depend on it.
func Describe(dir string, peers []string, command string) report.Machine {
	m := report.Machine{
		Cores:   runtime.NumCPU(),
		Go:      runtime.Version(),
		Date:    time.Now(),
		Command: command,
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = cpuModel(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.LoadAverage = FirstFields(string(text), 3)
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = int64(info.Totalram) * int64(info.Unit)
	}
	m.Revision = revision(filepath.Join(dir, "framer"))
	for _, program := range peers {
		m.Peers = append(m.Peers, peerVersion(filepath.Join(dir, program), program))
	}
	return m
}

func cpuModel(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// FirstFields returns the first n words of text, or all if there are fewer.
func FirstFields(text string, n int) string {
	fields := strings.Fields(text)
	return strings.Join(fields[:min(n, len(fields))], " ")
}

// revision returns the commit that a program was built from.
func revision(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "of unknown revision"
	}
	revision, changed := "of unknown revision", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	return revision + changed
}

// peerVersion returns the module, and its version, that a program is a server of.
func peerVersion(path, name string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return name
	}
	for _, dep := range info.Deps {
		if slices.Contains(strings.Split(dep.Path, "/"), name) {
			return dep.Path + " " + dep.Version
		}
	}
	return name
}
