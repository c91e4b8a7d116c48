// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a program at work. It ends when its context does, at
// the latest.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer

	signalled bool // it ends by SIGTERM, not with its input
}

// start starts the program at path, where it may run.
func start(ctx context.Context, at place, path string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, path, args...)}
	p.name = p.cmd.Args[0][strings.LastIndexByte(path, '/')+1:]
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = time.Second
	// A Ctrl-C of the terminal is for this program, which ends the others.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if at.procs > 0 {
		p.cmd.Env = append(p.cmd.Environ(), "GOMAXPROCS="+strconv.Itoa(at.procs))
	}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReader(stdout)
	if err := onCPUs(at.cpus, p.cmd.Start); err != nil {
		return nil, err
	}
	return p, nil
}

// line reads a line of the output, without its end.
func (p *process) line() (string, error) {
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return "", p.failed(err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// address reads the line that says where the process listens.
func (p *process) address() (string, error) {
	line, err := p.line()
	if err != nil {
		return "", err
	}
	addr, ok := strings.CutPrefix(line, "listening ")
	if !ok {
		return "", fmt.Errorf("%s says %q, not where it listens", p.name, line)
	}
	return addr, nil
}

// command sends a command and waits for the answer.
func (p *process) command(command, answer string) error {
	if _, err := io.WriteString(p.stdin, command+"\n"); err != nil {
		return p.failed(err)
	}
	line, err := p.line()
	if err == nil && line != answer {
		err = fmt.Errorf("%s answers %q to %q", p.name, line, command)
	}
	return err
}

// failed returns the reason why the process has ended unexpectedly, or err if it
// gives none. The process is over then.
func (p *process) failed(err error) error {
	p.cmd.Process.Kill()
	waitErr := p.cmd.Wait()
	if said := p.complaint(); said != "" {
		return fmt.Errorf("%s: %v: %s", p.name, waitErr, said)
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// complaint returns the last line of the standard error.
func (p *process) complaint() string {
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	return lines[len(lines)-1]
}

// stop ends the input, upon which the process ends by itself, or sends it SIGTERM if
// it is one of those, and returns the rest of its output.
func (p *process) stop() ([]byte, error) {
	if p.cmd.ProcessState != nil {
		return nil, nil // it has failed, and that was said
	}
	p.stdin.Close()
	if p.signalled {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return nil, p.failed(err)
		}
	}
	output, readErr := io.ReadAll(p.stdout)
	if err := p.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", p.name, err, p.complaint())
	}
	return output, readErr
}

// output runs a program to its end and returns what it prints.
func output(ctx context.Context, at place, path string, args ...string) ([]byte, error) {
	p, err := start(ctx, at, path, args...)
	if err != nil {
		return nil, err
	}
	out, err := p.stop()
	if err == nil && len(out) == 0 {
		err = errors.New(p.name + " prints nothing")
	}
	return out, err
}
