// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goframer/framer/internal/cli"
)

// If the disk is full, a mail is refused and nothing of it remains. When there is room
// again, the next mail is accepted.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("smtpd", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("a small file system needs root:", err)
	}
	mounted, err := os.Open(dir)
	if err := errors.Join(err, syscall.Unmount(dir, syscall.MNT_DETACH)); err != nil {
		t.Fatal(err)
	}
	defer mounted.Close()
	dir = fmt.Sprintf("/proc/self/fd/%d/", mounted.Fd()) // disappears with this process, however it ends
	t.Setenv("TMPDIR", dir)                              // the printer keeps mails there
	for _, args := range [][]string{{"-dir", dir}, {"-maildir", dir + "mail"}, nil} {
		c := startCommand(t, nil, args...)
		send := func(lines int) error {
			return c.sendText(strings.Repeat("x\r\n", lines))
		}
		var refused *textproto.Error
		if err := send(100_000); !errors.As(err, &refused) || refused.Code != 452 {
			t.Errorf("%q: a mail that does not fit got %v, want 452", args, err)
		}
		none(t, dir)
		if err := send(1000); err != nil {
			t.Errorf("%q: a mail that fits got %v", args, err)
		}
		if log := c.end(0); strings.Count(log, "no space left on device") != 1 {
			t.Errorf("%q: got log %q", args, log)
		}
		for name := range filesIn(t, dir) {
			os.Remove(dir + name)
		}
	}
}

// The server does not start if it can't keep mails before it prints them.
func TestNoTemporaryDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	t.Setenv("TMPDIR", dir)
	var stderr strings.Builder
	code := run([]string{"-addr", "127.0.0.1:0"}, io.Discard, &stderr, nil)
	if want := "smtpd: a file for a mail that is to be printed (TMPDIR): open " + dir; code != 1 || !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("got exit status %d and %q, want 1 and %q", code, stderr.String(), want)
	}
}

// A mail that can't be printed is refused.
func TestFullOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	c := startCommand(t, full)
	var refused *textproto.Error
	if err := c.send(); !errors.As(err, &refused) || refused.Code != 452 {
		t.Errorf("got %v, want 452", err)
	}
	if log := c.end(0); !strings.Contains(log, "no space left on device") {
		t.Errorf("got log %q", log)
	}
}

// If the server is killed, nothing of a mail that was not accepted is in the directories
// of mails.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killedVariable); dir != "" {
		os.Exit(run([]string{"-addr", "127.0.0.1:0", "-maildir", dir}, os.Stdout, os.Stderr, cli.CatchSignals))
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), killedVariable+"="+dir)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	c := &command{t: t, address: strings.TrimSpace(line[strings.LastIndexByte(line, '/')+1:])}
	if err := c.send(); err != nil {
		t.Error(err)
	}
	nc := dial(t, c.address)
	var received bytes.Buffer
	nc.Write([]byte(begin + strings.Repeat("x\r\n", 10_000)))
	for !strings.Contains(received.String(), "\n354 ") {
		buf := make([]byte, 512)
		n, err := nc.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		received.Write(buf[:n])
	}
	cmd.Process.Kill()
	cmd.Wait()
	if _, content := only(t, dir+"/new", ""); !strings.HasSuffix(content, "\nhi\n") {
		t.Errorf("got mail %q", content)
	}
}

// killedVariable is the environment variable with the Maildir of the process that
// TestKilled kills.
const killedVariable = "SMTPD_TEST_KILLED"
