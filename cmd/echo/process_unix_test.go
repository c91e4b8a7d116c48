// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// logPipe returns both ends of a pipe. Writes to it block, as to a pipe that a shell
// makes.
func logPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fds[0]) // otherwise the command would inherit this end and read its own log
	syscall.CloseOnExec(fds[1])
	r, w = os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// pipeSize is larger than the buffer of a pipe, in bytes.
const pipeSize = 1 << 20

// startLog starts the command with log as its standard error.
func startLog(t *testing.T, log *os.File, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(t, args...)}
	p.cmd.Stderr = log
	p.stderr = bufio.NewReader(strings.NewReader(""))
	p.run()
	return p
}

// wantLines sends lines and checks the echo. The lines make a log of at least size bytes.
func (p *process) wantLines(size int) {
	p.t.Helper()
	const line = 1000
	lines := strings.Repeat(strings.Repeat("x", line)+"\r\n", size/(2*line)) // each line is logged twice
	nc := p.dial()
	go io.WriteString(nc, lines)
	got := make([]byte, len(lines))
	if _, err := io.ReadFull(nc, got); err != nil || string(got) != lines {
		p.t.Fatalf("the lines do not come back: %v", err)
	}
	nc.Close()
}

// A server whose log nobody reads continues to serve, and ends when it is told to.
func TestProcessLogBlocks(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		_, w := logPipe(t)
		p := startLog(t, w, "-lines", "-v")
		p.wantLines(pipeSize)
		p.signal(s)
		p.wantExit(0, "")
	}
}

// When a log is read again, it says how much is missing.
func TestProcessLogStalls(t *testing.T) {
	t.Parallel() // it mostly waits
	r, w := logPipe(t)
	p := startLog(t, w, "-lines", "-v")
	w.Close() // the command has its own copy
	p.wantLines(2*logSize + pipeSize)
	p.stderr = bufio.NewReader(r)
	p.await("records were dropped because the log was not read")
	p.wantLines(pipeSize)
	p.signal(os.Interrupt)
	p.wantExit(0, "")
}

// A server whose log is closed or full continues to serve.
func TestProcessLogFails(t *testing.T) {
	serve := func(t *testing.T, log *os.File) {
		p := startLog(t, log, "-lines", "-v")
		p.wantLines(pipeSize)
		p.signal(syscall.SIGTERM)
		p.wantExit(0, "")
	}
	t.Run("closed", func(t *testing.T) {
		r, w := logPipe(t)
		r.Close()
		serve(t, w)
	})
	t.Run("full", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip(err)
		}
		defer full.Close()
		serve(t, full)
	})
}

// A closed standard output is an error like others. It does not kill the command.
func TestProcessOutputCloses(t *testing.T) {
	for _, args := range [][]string{nil, {"-lines"}} {
		r, w := logPipe(t)
		r.Close()
		cmd := command(t, args...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &stderr
		cmd.Run() // its error is the exit status
		if status := cmd.ProcessState.ExitCode(); status != 1 {
			t.Errorf("echo %v: %v, want exit status 1", args, cmd.ProcessState)
		}
		wantLine(t, stderr.String(), "broken pipe")
	}
}

// A signal ends a client at once, whatever the client waits for.
func TestProcessClientInterrupted(t *testing.T) {
	interrupt := func(t *testing.T, cmd *exec.Cmd, s syscall.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() // its error is the exit status
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != s {
			t.Errorf("%v, want the end by signal %v", cmd.ProcessState, s)
		}
	}
	begin := func(t *testing.T, cmd *exec.Cmd) {
		t.Helper()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run("a pipe that nobody has opened, "+s.String(), func(t *testing.T) {
			cmd := command(t, "-file", fifo(t))
			begin(t, cmd)
			interrupt(t, cmd, s)
		})
		t.Run("a pipe that nobody writes to, "+s.String(), func(t *testing.T) {
			name := fifo(t)
			cmd := command(t, "-file", name)
			begin(t, cmd)
			w, err := os.OpenFile(name, os.O_WRONLY, 0) // returns when a reader has opened the pipe
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			interrupt(t, cmd, s)
		})
		t.Run("a server, "+s.String(), func(t *testing.T) {
			l := listen(t)
			cmd := command(t, "-dial", l.Addr().String())
			begin(t, cmd)
			nc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if _, err := io.ReadFull(nc, make([]byte, len(lorem))); err != nil {
				t.Fatal(err)
			}
			interrupt(t, cmd, s)
		})
		t.Run("the reader of its transcript, "+s.String(), func(t *testing.T) {
			r, w := logPipe(t)
			cmd := command(t, "-v", "-file", writeFile(t, strings.Repeat("x", maxText)))
			cmd.Stderr = w
			begin(t, cmd)
			if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil { // the client has begun to write
				t.Fatal(err)
			}
			interrupt(t, cmd, s)
		})
	}
}

// fifo returns the name of a named pipe.
func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
