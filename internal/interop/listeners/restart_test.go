// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build unix

package listeners

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// scriptTime is how long a script may take, including the build of the program.
const scriptTime = 2 * time.Minute

// The scripts of examples/restart count requests themselves. They print ok if every
// request was executed once and answered.
func TestRestart(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	for _, name := range []string{"activation.sh", "handover.sh", "haproxy.sh"} {
		t.Run(name, func(t *testing.T) {
			if name == "haproxy.sh" {
				haproxy(t)
			}
			ctx, cancel := context.WithTimeout(context.Background(), scriptTime)
			defer cancel()
			cmd := exec.CommandContext(ctx, bash, filepath.Join("..", "..", "..", "examples", "restart", name))
			// An interrupted script ends the processes that it has started.
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
			cmd.WaitDelay = 10 * time.Second
			cmd.Env = os.Environ()
			for _, port := range []string{"A", "B", "FRONT", "ADMIN"} {
				cmd.Env = append(cmd.Env, port+"="+freeAddress(t))
			}
			out, err := cmd.CombinedOutput()
			last := out[bytes.LastIndexByte(bytes.TrimSpace(out), '\n')+1:]
			if err != nil || !bytes.HasPrefix(last, []byte("ok: ")) {
				t.Errorf("%v:\n%s", err, out)
			}
			t.Logf("%s", last)
		})
	}
}

// The units in examples/restart are valid.
func TestUnits(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	var names []string
	for _, name := range []string{"framer-lines.socket", "framer-lines.service"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "restart", name))
		if err != nil {
			t.Fatal(err)
		}
		// systemd-analyze checks that the program exists, so name one that does.
		unit := strings.ReplaceAll(string(text), "/usr/local/bin/restart", os.Args[0])
		names = append(names, filepath.Join(dir, name))
		if err := os.WriteFile(names[len(names)-1], []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(tool, append([]string{"verify"}, names...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
