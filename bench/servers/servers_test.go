// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package servers tests the server programs below it.
package servers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/goframer/framer/bench/internal/report"
	"github.com/goframer/framer/bench/internal/resp"
)

// programs is the directory of the server programs and of the load generator.
var programs string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	if out, err := exec.Command("go", "build", "-o", dir, "./...", "../cmd/load").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A server is a running server program.
type server struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Scanner
	addr   string
}

// start starts a server program. The program ends with the test.
func start(t *testing.T, name string, args ...string) *server {
	t.Helper()
	s := &server{cmd: exec.Command(filepath.Join(programs, name), args...)}
	s.cmd.Stderr = t.Output()
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(t) })
	s.stdout = bufio.NewScanner(stdout)
	s.stdout.Scan()
	var found bool
	if s.addr, found = strings.CutPrefix(s.stdout.Text(), "listening "); !found {
		t.Fatalf("server printed %q", s.stdout.Text())
	}
	return s
}

// collect makes the server collect its garbage.
func (s *server) collect(t *testing.T) {
	t.Helper()
	io.WriteString(s.stdin, "gc\n")
	if s.stdout.Scan(); s.stdout.Text() != "done" {
		t.Errorf("server answered %q to gc", s.stdout.Text())
	}
}

// stop ends the input of the server and waits for its end. The server must not print
// anything more.
func (s *server) stop(t *testing.T) {
	s.stdin.Close()
	if s.stdout.Scan() {
		t.Errorf("server printed %q", s.stdout.Text())
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("server: %v", err)
	}
}

// load runs the load generator for a short time. It checks every byte.
func (s *server) load(t *testing.T, args string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(programs, "load"), append([]string{
		"-addr", s.addr, "-server-pid", strconv.Itoa(s.cmd.Process.Pid), "-warmup", "10ms", "-duration", "100ms",
	}, strings.Fields(args)...)...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("load %s: %v", args, err)
	}
	var result report.Load
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatal(err)
	}
	if result.Messages < 1 || result.ServerCPU <= 0 {
		t.Errorf("load %s: nothing was measured: %s", args, out)
	}
}

// TestServersTLS checks that the servers with TLS hold connections.
func TestServersTLS(t *testing.T) {
	for program, style := range map[string]string{"raw": "best", "framer": "handler"} {
		t.Run(program, func(t *testing.T) {
			s := start(t, program, "-style", style, "-tls")
			cmd := exec.Command(filepath.Join(programs, "load"), "-addr", s.addr, "-hold", "-tls", "-conns", "40")
			cmd.Stderr = t.Output()
			if out, err := cmd.Output(); string(out) != "held\n" || err != nil {
				t.Errorf("load prints %q, %v", out, err)
			}
			s.collect(t)
		})
	}
}

// TestUnknownCommand sends the command that redis-benchmark sends first.
func TestUnknownCommand(t *testing.T) {
	config := resp.AppendCommand(nil, []byte("CONFIG"), []byte("GET"), []byte("save"))
	get := resp.AppendCommand(nil, []byte("GET"), []byte("nothing"))
	for _, server := range []string{"raw best", "framer replies", "framer handler", "framer session", "redcon redcon"} {
		t.Run(server, func(t *testing.T) {
			program, style, _ := strings.Cut(server, " ")
			c, err := net.Dial("tcp", start(t, program, "-style", style, "-protocol", "resp").addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Write(append(config, get...))
			got := make([]byte, len(resp.Unknown+resp.Null))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != resp.Unknown+resp.Null {
				t.Errorf("the server answers %q, %v", got, err)
			}
		})
	}
}

func TestServers(t *testing.T) {
	tests := []struct{ program, style, protocols string }{
		{"raw", "best", "echo set resp-set resp-get"},
		{"raw", "scanner", "echo"},
		{"raw", "textproto", "echo"},
		{"framer", "replies", "echo set resp-set resp-get"},
		{"framer", "handler", "echo set resp-set resp-get"},
		{"framer", "messages", "echo set"},
		{"framer", "session", "echo set resp-set resp-get"},
		{"gnet", "gnet", "echo set"},
		{"netpoll", "netpoll", "echo set"},
		{"redcon", "redcon", "resp-set resp-get"},
	}
	loads := []string{
		"-conns 1 -depth 1 -size 0",
		"-conns 20 -depth 16 -size 64",
		"-conns 10 -depth 100 -size 33", // more than most buffers
		"-conns 3 -depth 4 -size 16383",
		"-conns 2 -depth 2 -size 1048577",
	}
	for _, test := range tests {
		for _, protocol := range strings.Fields(test.protocols) {
			t.Run(test.program+" "+test.style+" "+protocol, func(t *testing.T) {
				served, _, _ := strings.Cut(protocol, "-")
				s := start(t, test.program, "-style", test.style, "-protocol", served)
				for _, load := range loads {
					s.load(t, "-protocol "+protocol+" "+load)
				}
				s.collect(t)
			})
		}
	}
}
