// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/goframer/framer/bench/internal/machine"
	"github.com/goframer/framer/bench/internal/report"
)

// programs are what is measured, and what measures it.
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

// describe returns what there is to know of this machine and of the programs.
func describe(dir string, args []string) report.Machine {
	command := "go -C bench run ./cmd/bench"
	for _, arg := range args {
		if arg == "" || strings.ContainsAny(arg, " '\"|*()[]{}$?;&<>\\") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'" // for the shell
		}
		command += " " + arg
	}
	return machine.Describe(dir, []string{"gnet", "netpoll", "redcon"}, command)
}
