// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestMain runs the tests, or the command in a process that a test starts.
func TestMain(m *testing.M) {
	if os.Getenv("HTTPD_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// If the log blocks, or its reader has gone, the server continues. A signal still ends
// it.
func TestLog(t *testing.T) {
	t.Parallel()
	_, dir := newSite(t)
	for _, gone := range []bool{false, true} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cmd := exec.Command(os.Args[0], "-addr", "127.0.0.1:0", "-v", "-dir", dir)
		cmd.Env = append(os.Environ(), "HTTPD_TEST_MAIN=1")
		cmd.Stderr = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		line, err := bufio.NewReader(r).ReadString('\n')
		addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
		if err != nil || addr == "" {
			cmd.Process.Kill()
			t.Fatalf("no address in %q: %v", line, err)
		}
		if gone {
			r.Close()
		}
		nc := dial(t, addr)
		buf := bufio.NewReader(nc)
		for range 200 { // each makes 10 KiB of log; together they are more than a pipe holds
			fmt.Fprintf(nc, "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("x", 10<<10))
			res, err := http.ReadResponse(buf, nil)
			if err != nil || res.StatusCode != 404 {
				cmd.Process.Kill()
				t.Fatalf("got %v, %v, want 404", res, err)
			}
			io.Copy(io.Discard, res.Body)
		}
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("gone %v: ended with %v", gone, err)
		}
	}
}

// A named pipe is answered as a file that does not exist. The server does not wait for
// its other end.
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
