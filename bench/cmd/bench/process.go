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
	"strings"
	"syscall"
	"time"
)

// A process is a running program. It ends when its context ends, or earlier.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer

	signalled bool // SIGTERM ends it, and not the end of its input
}

// start starts the program at path. It may run at the place.
func start(ctx context.Context, at place, path string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, path, args...)}
	p.name = p.cmd.Args[0][strings.LastIndexByte(path, '/')+1:]
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = time.Second
	// Ctrl-C on the terminal must reach only this program, which then ends the others.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Env = append(p.cmd.Environ(), at.environment()...)
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

// line reads a line of the output. It returns the line without its end.
func (p *process) line() (string, error) {
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return "", p.failed(err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// address reads the line with the address on which the process listens.
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

// failed returns the reason for which the process has ended, or err if the process has
// printed none. It ends the process if that still runs.
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

// stop ends the input of the process, which then ends, or sends SIGTERM to a process that
// needs it. It returns the rest of the output.
func (p *process) stop() ([]byte, error) {
	if p.cmd.ProcessState != nil {
		return nil, nil // it has failed, and the error was reported
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

// output runs a program to its end. It returns what the program prints.
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
