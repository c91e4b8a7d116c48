// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goframer/framer/bench/internal/report"
)

// programs returns the names of the programs that are measured, and of those that
// measure.
func programs() []string {
	return []string{"servers/raw", "servers/framer", "servers/gnet", "servers/netpoll", "servers/redcon",
		"cmd/load", "cmd/send", "cmd/sink"}
}

// build builds the programs into a directory.
func build(ctx context.Context, dir string) error {
	args := []string{"build", "-buildvcs=auto", "-o", dir + string(filepath.Separator)}
	for _, p := range programs() {
		args = append(args, "github.com/goframer/framer/bench/"+p)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// describe returns a description of this machine and of the programs. What can't be found
// out stays empty, because the measurements do not depend on it.
func describe(dir string, args []string) report.Machine {
	m := report.Machine{
		Cores:   runtime.NumCPU(),
		Go:      runtime.Version(),
		Date:    time.Now(),
		Command: strings.Join(append([]string{"go -C bench run ./cmd/bench"}, args...), " "),
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = cpuModel(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.LoadAverage = firstFields(string(text), 3)
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
	for _, program := range []string{"gnet", "netpoll", "redcon"} {
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

func firstFields(text string, n int) string {
	fields := strings.Fields(text)
	return strings.Join(fields[:min(n, len(fields))], " ")
}

// revision returns the commit from which a program was built.
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

// peerVersion returns the module, with its version, on which the server program is based.
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
