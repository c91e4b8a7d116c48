// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goframer/framer/bench/internal/machine"
	"github.com/goframer/framer/bench/internal/proc"
	"github.com/goframer/framer/bench/internal/report"
)

// The programs of Redis. They may be missing.
const (
	redisServer    = "redis-server"
	redisBenchmark = "redis-benchmark"
)

// find returns the path of a program that may be missing. If it is missing, note says so.
func find(program string) (path, note string) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", program + " is not installed: its part was left out."
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", fmt.Sprintf("%s: %v: its part was left out.", program, err)
	}
	return path, ""
}

// redisVersion returns the name and the version of a redis-server.
func redisVersion(path string) string {
	out, err := exec.Command(path, "--version").Output() // "Redis server v=7.0.15 sha=..."
	_, after, ok := strings.Cut(string(out), " v=")
	if err != nil || !ok {
		return redisServer
	}
	return redisServer + " " + machine.FirstFields(after, 1)
}

// startRedis starts a redis-server that writes nothing to the disk.
func (l *laboratory) startRedis(ctx context.Context, at place) (*process, string, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	p, err := start(ctx, at, l.redisServer, "--bind", host, "--port", port, "--dir", l.programs,
		"--save", "", "--appendonly", "no", "--daemonize", "no")
	if err != nil {
		return nil, "", err
	}
	p.signalled = true
	for {
		line, err := p.line()
		if err != nil {
			return nil, "", err
		}
		if strings.Contains(line, "Ready to accept connections") {
			return p, addr, nil
		}
	}
}

// freeAddress returns a loopback address with a free port.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// requests returns how many requests redis-benchmark sends in about the duration d.
func requests(s report.Scenario, d time.Duration) int {
	each := 1500 + 8500/s.Depth + s.Size // a rough estimate in nanoseconds
	return max(s.Conns*s.Depth, int(d)/each)
}

// redisLoad runs a new server and loads it with redis-benchmark.
func (l *laboratory) redisLoad(ctx context.Context, s report.Scenario, form string, im implementation) (load report.Load, peak int64, err error) {
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
	pid := server.cmd.Process.Pid
	n := requests(s, l.settings.Warmup+l.settings.Duration)
	test := strings.TrimPrefix(s.Protocol, "resp-")
	if test == "get" { // set the key first, so that it exists
		once := s
		once.Conns, once.Depth = 1, 1
		if _, err := output(ctx, loadAt, l.redisBenchmark, benchmarkFlags(addr, once, "set", 1)...); err != nil {
			return load, 0, err
		}
	}
	before, err := proc.CPUOf(pid)
	if err != nil {
		return load, 0, err
	}
	out, err := output(ctx, loadAt, l.redisBenchmark, benchmarkFlags(addr, s, test, n)...)
	if err != nil {
		return load, 0, err
	}
	after, err := proc.CPUOf(pid)
	if err != nil {
		return load, 0, err
	}
	if load, err = benchmarkLoad(string(out), n); err != nil {
		return load, 0, err
	}
	load.Protocol, load.Conns, load.Depth, load.Size = s.Protocol, s.Conns, s.Depth, s.Size
	load.ServerCPU = (after - before).Seconds()
	peak, err = proc.Peak(pid)
	return load, peak, err
}

func benchmarkFlags(addr string, s report.Scenario, test string, n int) []string {
	host, port, _ := net.SplitHostPort(addr)
	return []string{
		"-h", host, "-p", port, "--csv",
		"-t", test,
		"-n", strconv.Itoa(n),
		"-c", strconv.Itoa(s.Conns),
		"-P", strconv.Itoa(s.Depth),
		"-d", strconv.Itoa(s.Size),
	}
}

// benchmarkLoad returns what redis-benchmark --csv has printed about n requests.
func benchmarkLoad(out string, n int) (load report.Load, err error) {
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 {
		return load, fmt.Errorf("%s prints %q", redisBenchmark, out)
	}
	figure := func(column string) float64 {
		for i, name := range rows[0] {
			if name == column {
				x, parseErr := strconv.ParseFloat(rows[1][i], 64)
				err = errors.Join(err, parseErr)
				return x
			}
		}
		err = errors.Join(err, fmt.Errorf("%s does not say the %s: %q", redisBenchmark, column, out))
		return 0
	}
	rate := figure("rps")
	const ms = 1e6
	load = report.Load{Messages: int64(n), P50: int64(ms * figure("p50_latency_ms")),
		P99: int64(ms * figure("p99_latency_ms")), Max: int64(ms * figure("max_latency_ms"))}
	if err == nil && rate <= 0 {
		err = fmt.Errorf("%s prints %q", redisBenchmark, out)
	}
	load.Seconds = float64(n) / rate
	return load, err
}
