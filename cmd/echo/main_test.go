// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// A logBuffer is a bytes.Buffer that two goroutines may use.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// echo runs the command in this process.
func echo(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err logBuffer
	status = run(t.Context(), args, &out, &err)
	return status, out.String(), err.String()
}

var portPattern = regexp.MustCompile(`\('127\.0\.0\.1', \d+\)`)

// maskPort replaces the port, which the system has chosen.
func maskPort(transcript string) string {
	return portPattern.ReplaceAllString(transcript, "('127.0.0.1', PORT)")
}

// writeFile writes content to a file, and returns its name.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The transcript is the same as in asynchat's tutorial, except for the port and the
// language of the last line. It never changes.
func TestTranscript(t *testing.T) {
	want, err := os.ReadFile("testdata/transcript.txt")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		status, _, stderr := echo(t, "-v")
		if status != 0 {
			t.Errorf("exit status %d, want 0", status)
		}
		if diff := cmp.Diff(string(want), maskPort(stderr)); diff != "" {
			t.Fatalf("transcript (-want +got):\n%s", diff)
		}
	}
}

// transcript returns what -v prints for text.
func transcript(text string) string {
	var b strings.Builder
	pieces := func(f func(piece string)) {
		for rest := text; rest != ""; {
			n := min(len(rest), pieceSize)
			f(rest[:n])
			rest = rest[n:]
		}
	}
	command := fmt.Sprintf("ECHO %d", len(text))
	fmt.Fprintf(&b, "EchoClient: connecting to ('127.0.0.1', PORT)\nEchoClient: handle_connect()\n")
	fmt.Fprintf(&b, "EchoHandler: collect_incoming_data() -> (%d bytes)\n\"\"\"%s\"\"\"\n", len(command), command)
	fmt.Fprintf(&b, "EchoHandler: found_terminator()\nEchoHandler: _process_command() %q\n", command)
	pieces(func(piece string) {
		fmt.Fprintf(&b, "EchoProducer: more() -> (%d bytes)\n\"\"\"%s\"\"\"\n", len(piece), piece)
		fmt.Fprintf(&b, "EchoHandler: collect_incoming_data() -> (%d bytes)\n\"\"\"%s\"\"\"\n", len(piece), piece)
	})
	fmt.Fprintf(&b, "EchoHandler: found_terminator()\nEchoHandler: _process_message() echoing\n\"\"\"%s\"\"\"\n", text)
	fmt.Fprintf(&b, "EchoProducer: more() -> (0 bytes)\n\"\"\"\"\"\"\n")
	pieces(func(piece string) {
		fmt.Fprintf(&b, "EchoClient: collect_incoming_data() -> (%d)\n\"\"\"%s\"\"\"\n", len(piece), piece)
	})
	fmt.Fprintf(&b, "EchoClient: found_terminator()\nEchoClient: RECEIVED COPY OF MESSAGE\n")
	return b.String()
}

func TestTranscriptOfFile(t *testing.T) {
	for _, size := range []int{0, 1, 63, 64, 65, 128, 5000} {
		t.Run(fmt.Sprintf("size=%d", size), func(t *testing.T) {
			text := strings.Repeat("0123456789\n", size)[:size]
			status, _, stderr := echo(t, "-v", "-file", writeFile(t, text))
			if status != 0 {
				t.Errorf("exit status %d, want 0", status)
			}
			if diff := cmp.Diff(transcript(text), maskPort(stderr)); diff != "" {
				t.Errorf("transcript (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEcho(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	tests := []struct {
		name string
		text string
	}{
		{"empty", ""},
		{"every byte", string(all)},
		{"like a command", "ECHO 5\nerror: \n"},
		{"as large as may be", strings.Repeat("x", maxText)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, stdout, stderr := echo(t, "-file", writeFile(t, test.text))
			if status != 0 || stderr != "" {
				t.Errorf("exit status %d and %q, want 0 and no error", status, stderr)
			}
			wantLine(t, stdout, fmt.Sprintf("has returned the text, %d bytes", len(test.text)))
		})
	}
	t.Run("built-in", func(t *testing.T) {
		status, stdout, stderr := echo(t)
		if status != 0 || stderr != "" {
			t.Errorf("exit status %d and %q, want 0 and no error", status, stderr)
		}
		wantLine(t, stdout, "has returned the text, 701 bytes")
	})
}

// wantLine checks that got is one line, and ends in suffix.
func wantLine(t *testing.T, got, suffix string) {
	t.Helper()
	if strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, suffix+"\n") {
		t.Errorf("output %q, want one line that ends in %q", got, suffix)
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args string
		want string
	}{
		{"-nonsense", "echo: flag provided but not defined: -nonsense (echo -h lists the flags)"},
		{"-file", "echo: flag needs an argument: -file"},
		{"-v=maybe", `echo: invalid boolean value "maybe" for -v: want true or false`},
		{"-v extra", `echo: unexpected argument "extra"`},
		{"-dial=", `echo: invalid value "" for flag -dial: it is empty`},
		{"-serve=", `echo: invalid value "" for flag -serve: it is empty`},
		{"-file=", `echo: invalid value "" for flag -file: it is empty`},
		{"-serve :0 -dial :1", "echo: -dial is for the client only"},
		{"-lines -dial :1", "echo: -dial is for the client only"},
		{"-serve :0 -file x", "echo: -file is for the client"},
		{"-lines -file x", "echo: -file is for the client"},
		{"-once", "echo: -once needs -serve or -lines"},
		{"-once -dial :1", "echo: -once needs -serve or -lines"},
		{"-serve nowhere", `echo: invalid value "nowhere" for flag -serve: the port is missing`},
		{"-serve localhost:", `echo: invalid value "localhost:" for flag -serve: the port is missing`},
		{"-lines -serve :", `echo: invalid value ":" for flag -serve: the port is missing`},
		{"-serve :65536", `for flag -serve: "65536" is no port`},
		{"-serve :-1", `for flag -serve: "-1" is no port`},
		{"-serve :no-such-service", `for flag -serve: "no-such-service" is no port`},
		{"-dial localhost", `echo: invalid value "localhost" for flag -dial: the port is missing`},
		{"-dial localhost:", `echo: invalid value "localhost:" for flag -dial: the port is missing`},
		{"-dial localhost:0", "echo: -dial localhost:0: no server has port 0"},
		{"-lines -timeout=0", `for flag -timeout: want more than 0`},
		{"-dial :1 -timeout=-1s", `for flag -timeout: want more than 0`},
		{"-lines -timeout=", `invalid value "" for flag -timeout`},
		{"-lines -timeout=10", `echo: invalid value "10" for flag -timeout: want a number with a unit`},
		{"-timeout=1s", "echo: -timeout needs -serve, -lines or -dial"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			status, stdout, stderr := echo(t, strings.Fields(test.args)...)
			if status != 2 || stdout != "" {
				t.Errorf("exit status %d and output %q, want 2 and none", status, stdout)
			}
			if !strings.HasPrefix(stderr, "echo: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("stderr %q, want one line with %q", stderr, test.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	status, _, stderr := echo(t, "-help")
	if status != 0 || !strings.HasPrefix(stderr, "Echo sends a text ") {
		t.Errorf("exit status %d and %q, want 0 and the usage", status, stderr)
	}
}

func TestFailures(t *testing.T) {
	l := listen(t)
	closed := listen(t)
	closed.Close()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"port in use", []string{"-serve", l.Addr().String()}, "(-serve): the port is in use, perhaps by another copy of this program"},
		{"not our address", []string{"-serve", "192.0.2.1:0"}, "can't listen on 192.0.2.1:0 (-serve): this machine has no such address"},
		{"closed port", []string{"-dial", closed.Addr().String()}, "(-dial): connection refused; nobody listens there"},
		{"no file", []string{"-file", filepath.Join(t.TempDir(), "none")}, "no such file or directory"},
		{"directory", []string{"-file", t.TempDir()}, "is a directory"},
		{"too large", []string{"-file", "/dev/zero"}, "/dev/zero is larger than 1048576 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, stdout, stderr := echo(t, test.args...)
			if status != 1 || stdout != "" {
				t.Errorf("exit status %d and output %q, want 1 and none", status, stdout)
			}
			if !strings.HasPrefix(stderr, "echo: ") {
				t.Errorf("stderr %q does not begin with the name of the command", stderr)
			}
			wantLine(t, stderr, test.want)
		})
	}
}

// If the command can't print that it succeeded, it fails.
func TestOutputFails(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	for _, args := range [][]string{nil, {"-lines"}} {
		var stderr logBuffer
		if status := run(t.Context(), args, w, &stderr); status != 1 {
			t.Errorf("echo %v: exit status %d, want 1", args, status)
		}
		wantLine(t, stderr.String(), io.ErrClosedPipe.Error())
	}
}

// The same is true for the transcript.
func TestTranscriptFails(t *testing.T) {
	full := errors.New("no space left")
	writes := 0
	stderr := writerFunc(func(p []byte) (int, error) {
		if writes++; writes == 5 {
			return 0, full
		}
		return len(p), nil
	})
	var stdout logBuffer
	if status := run(t.Context(), []string{"-v"}, &stdout, stderr); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
}

// A server can be ended even if nobody reads its first line.
func TestOutputBlocks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	release := make(chan struct{})
	defer close(release)
	blocks := writerFunc(func(p []byte) (int, error) {
		cancel()
		<-release
		return len(p), nil
	})
	if status := run(ctx, []string{"-lines"}, blocks, io.Discard); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}

func TestInterruptedClient(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var g errgroup.Group
	g.Go(func() error {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		defer nc.Close()
		if _, err := io.ReadFull(nc, make([]byte, len(lorem))); err != nil {
			return err
		}
		cancel()                // send no answer
		io.Copy(io.Discard, nc) // returns at the end, or after a reset if the client had not read everything
		return nil
	})
	var stdout, stderr logBuffer
	if status := run(ctx, []string{"-dial", l.Addr().String()}, &stdout, &stderr); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	wantLine(t, stderr.String(), "after 0 of 701 bytes: context canceled")
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// listen listens on a free port until the test is over.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
