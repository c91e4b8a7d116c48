// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/goframer/framer/bench/internal/proc"
	"github.com/goframer/framer/bench/internal/report"
)

// settle is how long connections are silent before the memory of the server is measured.
const settle = 500 * time.Millisecond

// A laboratory runs the measurements, one at a time.
type laboratory struct {
	programs string // the directory of the programs
	settings report.Settings
	cpus     []int    // all CPUs that may be used
	forms    []string // the forms that are measured; the first is the main one

	redisServer, redisBenchmark string // the paths; empty if not installed
}

// newLaboratory returns a laboratory for this machine. notes tell the user what can't be
// measured.
func newLaboratory(programs string, o options) (l *laboratory, notes []string, err error) {
	l = &laboratory{programs: programs, settings: o.Settings}
	if l.cpus, err = allowedCPUs(); err != nil {
		return nil, nil, err
	}
	note := func(s string) {
		if s != "" {
			notes = append(notes, s)
		}
	}
	var said string
	if l.forms, said, err = possibleForms(o.form, len(l.cpus)); err != nil {
		return nil, nil, err
	}
	note(said)
	if slices.Contains(o.parts, partRESP) {
		l.redisServer, said = find(redisServer)
		note(said)
		l.redisBenchmark, said = find(redisBenchmark)
		note(said)
	}
	return l, notes, nil
}

func (l *laboratory) program(name string) string {
	return filepath.Join(l.programs, name)
}

// load runs a new server and loads it with a scenario.
func (l *laboratory) load(ctx context.Context, s report.Scenario, form string, im implementation) (load report.Load, peak int64, err error) {
	serverAt, loadAt := places(form, l.cpus)
	serverAt.heap = s.Heap
	server, addr, err := l.server(ctx, serverAt, s.Protocol, im)
	if err != nil {
		return load, 0, err
	}
	defer func() {
		_, stopErr := server.stop()
		err = errors.Join(err, stopErr)
	}()
	out, err := output(ctx, loadAt, l.program("load"), append(loadFlags(addr, s),
		"-warmup", l.settings.Warmup.String(),
		"-duration", l.settings.Duration.String(),
		"-windows", strconv.Itoa(windows(s)),
		"-server-pid", strconv.Itoa(server.cmd.Process.Pid))...)
	if err != nil {
		return load, 0, err
	}
	if err := json.Unmarshal(out, &load); err != nil {
		return load, 0, fmt.Errorf("load prints %q: %w", out, err)
	}
	if load.Messages == 0 || load.ServerCPU == 0 {
		return load, 0, errors.New("no message came back in the time that was measured")
	}
	peak, err = proc.Peak(server.cmd.Process.Pid)
	return load, peak, err
}

// largeMessage is the size in bytes from which on a number of messages is measured, and
// not a time.
const largeMessage = 8 << 20

// windows returns how many windows of a scenario are run on each connection. It is 0 if
// the scenario is measured for a time.
func windows(s report.Scenario) int {
	if s.Size < largeMessage {
		return 0
	}
	return 4
}

// estimate returns about how long a run of a scenario takes.
func (l *laboratory) estimate(s report.Scenario) time.Duration {
	const perByte = 3 * time.Nanosecond // in both directions together
	measuring := l.settings.Warmup + l.settings.Duration
	if n := windows(s); n > 0 {
		measuring = time.Duration((1+n)*s.Conns*s.Depth*s.Size) * perByte
	}
	return measuring + overhead(s.Conns)
}

// server starts a server and returns its address.
func (l *laboratory) server(ctx context.Context, at place, protocol string, im implementation) (*process, string, error) {
	if im.program == redisServer {
		return l.startRedis(ctx, at)
	}
	p, err := start(ctx, at, l.program(im.program), im.arguments(protocol)...)
	if err != nil {
		return nil, "", err
	}
	addr, err := p.address()
	if err != nil {
		_, stopErr := p.stop()
		return nil, "", errors.Join(err, stopErr)
	}
	return p, addr, nil
}

func loadFlags(addr string, s report.Scenario) []string {
	return []string{
		"-addr", addr,
		"-protocol", s.Protocol,
		"-conns", strconv.Itoa(s.Conns),
		"-depth", strconv.Itoa(s.Depth),
		"-size", strconv.Itoa(s.Size),
	}
}

// idle returns the resident memory of a new server, and its memory when it has conns
// silent connections. Each of them has had one request answered.
func (l *laboratory) idle(ctx context.Context, im implementation, conns int) (before, after int64, err error) {
	server, addr, err := l.server(ctx, anywhere, "echo", im)
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		_, stopErr := server.stop()
		err = errors.Join(err, stopErr)
	}()
	if before, err = resident(server); err != nil {
		return 0, 0, err
	}
	s := report.Scenario{Protocol: "echo", Conns: conns, Depth: 1, Size: 64}
	flags := append(loadFlags(addr, s), "-hold")
	if im.tls {
		flags = append(flags, "-tls")
	}
	holder, err := start(ctx, anywhere, l.program("load"), flags...)
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		_, stopErr := holder.stop()
		err = errors.Join(err, stopErr)
	}()
	line, err := holder.line()
	if err == nil && line != "held" {
		err = fmt.Errorf("load -hold prints %q", line)
	}
	if err == nil {
		err = pause(ctx, settle)
	}
	if err == nil {
		after, err = resident(server)
	}
	return before, after, err
}

// resident returns the resident memory of the server after two garbage collections. Two
// are needed because the first one does not free what is in a sync.Pool.
func resident(server *process) (int64, error) {
	for range 2 {
		if err := server.command("gc", "done"); err != nil {
			return 0, err
		}
	}
	return proc.Resident(server.cmd.Process.Pid)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// send runs a sending process and its receiver.
func (l *laboratory) send(ctx context.Context, sendFlags, sinkFlags []string) (result report.Send, err error) {
	sender, err := start(ctx, anywhere, l.program("send"), sendFlags...)
	if err != nil {
		return result, err
	}
	addr, err := sender.address()
	if err != nil {
		return result, err
	}
	sinkOut, sinkErr := output(ctx, anywhere, l.program("sink"), append([]string{"-addr", addr}, sinkFlags...)...)
	out, err := sender.stop()
	if err := errors.Join(sinkErr, err); err != nil {
		return result, err
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return result, fmt.Errorf("send prints %q: %w", out, err)
	}
	var sink report.Sink
	if err := json.Unmarshal(sinkOut, &sink); err != nil {
		return result, fmt.Errorf("sink prints %q: %w", sinkOut, err)
	}
	if sent := result.Messages * result.Size; sink.Bytes != sent {
		return result, fmt.Errorf("%d bytes were sent, %d received", sent, sink.Bytes)
	}
	return result, nil
}
