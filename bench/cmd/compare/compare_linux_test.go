// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCell(t *testing.T) {
	lost := outcome{words: "lost"}
	after := func(n float64) outcome { return outcome{"reset after %s", n, decimal} }
	memory := func(n float64) outcome { return outcome{"%s, refused", n, mebibytes} }
	tests := []struct {
		outcomes []outcome
		want     string
	}{
		{[]outcome{lost, lost}, "lost"},
		{[]outcome{memory(8 << 20)}, "8 MiB, refused"},
		{[]outcome{memory(9 << 20), memory(8 << 20), memory(11 << 20)}, "8–11 MiB, refused"},
		{[]outcome{after(999_000), after(1e6)}, "reset after 999 kB–1.0 MB"},
		{[]outcome{after(128_000), lost, after(128_001)}, "reset after 128 kB; lost"},
		{[]outcome{{"%s", 1, plain}, {"%s", 0.5, plain}}, "0.5–1"},
	}
	for _, tt := range tests {
		if got := cell(tt.outcomes); got != tt.want {
			t.Errorf("cell(%v) = %q, want %q", tt.outcomes, got, tt.want)
		}
	}
}

func TestArrived(t *testing.T) {
	tests := []struct {
		n     int64
		reset bool
		want  string
	}{
		{16 << 20, false, "arrives"},
		{16 << 20, true, "reset after 16.8 MB"},
		{65536, false, "66 kB arrive"},
		{0, true, "reset after 0 kB"},
	}
	for _, tt := range tests {
		if got := cell([]outcome{arrived(tt.n, 16<<20, tt.reset)}); got != tt.want {
			t.Errorf("%d, %t: %q, want %q", tt.n, tt.reset, got, tt.want)
		}
	}
}

// TestCompare does some situations whose outcomes are certain.
func TestCompare(t *testing.T) {
	var stdout, stderr strings.Builder
	err := compare(t.Context(), "^(framer|bufio.Scanner)$", "end of line|unread|Shutdown|modules", 1, &stdout, &stderr)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for _, want := range []string{
		`(?m)^\|  \| framer \| bufio.Scanner \|$`,
		`\| 128 MiB without an end of line: peak memory \| [0-9]+ MiB, refused \| [0-9]+ MiB, refused \|`,
		`\| 4 MB reply, then close, with input unread \| arrives \| reset after [0-9.]+ [kM]B \|`,
		`\| Shutdown while a request is worked on \| answered \| lost \|`,
		`\| Other modules that are linked \| 1 \| 0 \|`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("no %s in\n%s", want, stdout.String())
		}
	}
	if err := compare(t.Context(), "nobody", "", 1, io.Discard, io.Discard); err == nil {
		t.Error("nobody matches, and there is no error")
	}
}

// TestServerThatFails has servers that are none.
func TestServerThatFails(t *testing.T) {
	for script, want := range map[string]string{
		"echo boom >&2; exit 3": "exit status 3: boom",
		"echo hello; read line": `says "hello"`,
	} {
		_, err := start(t.Context(), []string{"/bin/sh", "-c", script})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", script, err, want)
		}
	}
}

// TestProcessEnds checks that a server that says nothing ends with its context.
func TestProcessEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := start(ctx, []string{"/bin/sh", "-c", "echo listening here; while :; do read line; done"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.line(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("line = %v, want that the time is over", err)
	}
	cancel()
	if _, err := p.line(limit); err != io.EOF {
		t.Errorf("line = %v after the end, want EOF", err)
	}
	if err := p.stop(); err != nil {
		t.Errorf("stop = %v", err)
	}
}

// TestWait has a connection that is silent, has input, and is reset.
func TestWait(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := dial(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	server, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	if came, err := c.wait(unix.POLLIN, 0); came != 0 || err != nil {
		t.Errorf("silent: %#x, %v", came, err)
	}
	io.WriteString(server, "hello")
	if came, err := c.wait(unix.POLLIN, limit); came != unix.POLLIN || err != nil {
		t.Errorf("input: %#x, %v", came, err)
	}
	server.SetLinger(0)
	server.Close()
	if came, err := c.wait(0, limit); came&unix.POLLERR == 0 || err != nil {
		t.Errorf("reset: %#x, %v", came, err)
	}
}
