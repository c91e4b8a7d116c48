// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A peer is a library that is compared.
type peer struct {
	name    string
	program string // its server, in the directory peers
	python  bool   // it is written in Python
}

func allPeers() []peer {
	return []peer{
		{name: "framer", program: "framer"},
		{name: "asynchat", program: "asynchat_lines.py", python: true},
		{name: "bufio.Scanner", program: "scanner"},
		{name: "net/textproto", program: "textproto"},
		{name: "redcon", program: "redcon"},
		{name: "gnet v2", program: "gnet"},
		{name: "go-netty", program: "go-netty"},
	}
}

// ownModules returns the programs whose libraries are modules, of the same names.
func ownModules() []string { return []string{"redcon", "gnet", "go-netty"} }

// command returns how the server is started that build has put into a directory.
func (p peer) command(dir string) []string {
	path := filepath.Join(dir, p.program)
	if p.python {
		return []string{python, "-W", "ignore::DeprecationWarning", path}
	}
	return []string{path}
}

const python = "python3"

//go:embed peers/asynchat/asynchat_lines.py
var asynchat []byte

// build builds the server programs into a directory.
func build(ctx context.Context, dir string) error {
	args := []string{"build", "-buildvcs=auto", "-o", dir + string(filepath.Separator)}
	for _, p := range allPeers() {
		if !p.python {
			args = append(args, "github.com/goframer/framer/bench/cmd/compare/peers/"+p.program)
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, p.program), asynchat, 0o600); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// pythonVersion returns the version of Python if there is one that has asynchat.
func pythonVersion(ctx context.Context) string {
	const program = "import asynchat, platform; print(platform.python_version())"
	out, err := exec.CommandContext(ctx, python, "-W", "ignore", "-c", program).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
