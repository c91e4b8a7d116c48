// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// If commandVariable is in the environment, the test program is the command.
const commandVariable = "RESTART_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestCommand(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	used := l.Addr().String()
	for _, test := range []struct {
		args   string
		status int
		want   string // the beginning of the standard error
	}{
		{"", 2, `restart: want serve, load or hold, not ""`},
		{"nonsense", 2, `restart: want serve, load or hold, not "nonsense"`},
		{"serve more", 2, `restart: unexpected argument "more" (restart serve -h lists the flags)`},
		{"serve -grace 5", 2, `restart: invalid value "5" for flag -grace: want a number with a unit`},
		{"serve -listen nowhere", 2, `restart: invalid value "nowhere" for flag -listen: the port is missing`},
		{"serve -listen " + used, 1, "restart: can't listen on " + used + " (-listen): the port is in use"},
		{"load", 2, "restart: -addr is missing"},
		{"load -addr :1 -c 0", 2, `restart: invalid value "0" for flag -c: want at least 1`},
		{"hold", 2, "restart: the command to run is missing"},
		{"-h", 0, "Restart shows "},
		{"serve -h", 0, "Restart serve answers "},
		{"load -h", 0, "Restart load sends "},
		{"hold -h", 0, "Restart hold holds "},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], strings.Fields(test.args)...)
		cmd.Env = append(os.Environ(), commandVariable+"=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		cmd.Run() // its error is the exit status
		said := stderr.String()
		if status := cmd.ProcessState.ExitCode(); status != test.status || !strings.HasPrefix(said, test.want) {
			t.Errorf("restart %s: exit status %d and %q, want %d and %q", test.args, status, said, test.status, test.want)
		}
		if test.status != 0 && strings.Count(said, "\n") != 1 {
			t.Errorf("restart %s: got %q, want one line", test.args, said)
		}
	}
}
