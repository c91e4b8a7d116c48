// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/goframer/framer/bench/internal/proc"
)

// A process is a server at work. It ends when its context does, at the latest.
type process struct {
	addr   string // where it listens
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	pipe   *os.File // what it says
	stdout *bufio.Reader
	stderr bytes.Buffer
}

// start starts a server and waits until it listens.
func start(ctx context.Context, command []string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = time.Second
	// A Ctrl-C of the terminal is for this program, which ends the others.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		stdin.Close()
		return nil, err
	}
	p.stdin, p.pipe, p.stdout, p.cmd.Stdout = stdin, r, bufio.NewReader(r), w
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	said, err := p.line(limit)
	addr, ok := strings.CutPrefix(said, "listening ")
	if err == nil && !ok {
		err = fmt.Errorf("the server says %q, not where it listens", said)
	}
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	p.addr = addr
	return p, nil
}

// line returns the next line that the server says. If it says none for the given time, the
// error is os.ErrDeadlineExceeded.
func (p *process) line(within time.Duration) (string, error) {
	if err := p.pipe.SetReadDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	line, err := p.stdout.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// ask sends a command and returns the answer.
func (p *process) ask(command string) (string, error) {
	if _, err := io.WriteString(p.stdin, command+"\n"); err != nil {
		return "", err
	}
	return p.line(limit)
}

// stop ends the process. Its error is that with which it had failed before.
func (p *process) stop() error {
	p.cmd.Process.Kill()
	err := p.cmd.Wait()
	p.stdin.Close()
	p.pipe.Close()
	if code := p.cmd.ProcessState.ExitCode(); code > 0 {
		said := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
		return fmt.Errorf("the server has failed: %w: %s … %s", err, said[0], said[len(said)-1])
	}
	return nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// resident returns how much memory is resident after the garbage was collected, twice:
// the first time a sync.Pool only sets aside what it has.
func (p *process) resident() (int64, error) {
	for range 2 {
		if said, err := p.ask("gc"); err != nil || said != "done" {
			return 0, fmt.Errorf("the server says %q to gc: %w", said, err)
		}
	}
	return proc.Resident(p.pid())
}

// modules returns how many modules are linked into the program, without this one and
// that of the library. That of asynchat is Python's own.
func (p *process) modules() (int, error) {
	if p.cmd.Args[0] == python {
		return 0, nil
	}
	info, err := buildinfo.ReadFile(p.cmd.Path)
	if err != nil {
		return 0, err
	}
	return max(len(info.Deps)-1, 0), nil
}
