// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	nats "github.com/nats-io/nats-server/v2/server"

	"github.com/goframer/framer"
)

// TestMain runs the tests. In the processes that tests start, it runs another program.
func TestMain(m *testing.M) {
	role := os.Getenv("CHAT_TEST_ROLE")
	if role == "" {
		os.Exit(m.Run())
	}
	go func() { // the process ends with the test, however the test ends
		io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	switch role {
	case "chat":
		main()
	case "nats":
		natsMain(os.Args[1:])
	}
}

// natsMain runs a NATS server that is part of a cluster. routes lead to the other
// servers.
func natsMain(routes []string) {
	s, err := nats.NewServer(&nats.Options{
		Host:    "127.0.0.1",
		Port:    -1,
		NoSigs:  true,
		NoLog:   true,
		Routes:  nats.RoutesFromStr(strings.Join(routes, ",")),
		Cluster: nats.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: -1},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		fmt.Fprintln(os.Stderr, "not ready")
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "ready %s nats://%s\n", s.ClientURL(), s.ClusterAddr())
	s.WaitForShutdown()
}

// A process is a process that a test has started.
type process struct {
	*exec.Cmd
	lines chan string // lines of its log
}

// startProcess starts the test binary in a role.
func startProcess(t *testing.T, role string, args ...string) *process {
	t.Helper()
	p := &process{exec.Command(os.Args[0], args...), make(chan string, 1000)}
	p.Env = append(os.Environ(), "CHAT_TEST_ROLE="+role)
	stdin, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default: // the buffer is full; drop the line
			}
			if strings.Contains(s.Text(), "DATA RACE") || strings.Contains(s.Text(), "panic") {
				t.Errorf("%s %v: %s", role, args, s.Text())
			}
		}
	})
	t.Cleanup(func() {
		stdin.Close()
		p.Process.Kill()
		reading.Wait()
		p.Wait()
	})
	return p
}

// find waits for a line of the log that matches pattern, and returns the submatches.
func (p *process) find(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var seen []string
	for line := range p.lines {
		if found := re.FindStringSubmatch(line); found != nil {
			return found[1:]
		}
		seen = append(seen, line)
	}
	t.Fatalf("no %s in the log %q", pattern, seen)
	return nil
}

// A testServer is a call of run that is in progress.
type testServer struct {
	t       *testing.T
	address string
	tls     string // the address for TLS
	signals chan os.Signal
	exit    chan int
	log     chan string
}

// startServer calls run in the background, with a free port.
func startServer(t *testing.T, args ...string) *testServer {
	t.Helper()
	r, w := io.Pipe()
	s := &testServer{t: t, signals: make(chan os.Signal, 2), exit: make(chan int, 1), log: make(chan string, 1)}
	catching := make(chan struct{})
	args = append([]string{"-addr", "127.0.0.1:0", "-node", "n1"}, args...)
	go func() {
		code := run(args, w, func() <-chan os.Signal { close(catching); return s.signals })
		w.Close()
		s.exit <- code
	}()
	log := bufio.NewReader(r)
	first, _ := log.ReadString('\n')
	if _, err := fmt.Sscanf(first, "chat: node n1 serves on %s\n", &s.address); err != nil {
		t.Fatalf("the log begins with %q", first)
	}
	if strings.Contains(strings.Join(args, " "), "-tls-addr") {
		second, _ := log.ReadString('\n')
		if _, err := fmt.Sscanf(second, "chat: and with TLS on %s\n", &s.tls); err != nil {
			t.Fatalf("the log goes on with %q", second)
		}
	}
	go func() {
		rest, _ := io.ReadAll(log)
		s.log <- string(rest)
	}()
	<-catching
	t.Cleanup(func() { s.stop() })
	return s
}

// stop ends the server, unless it was stopped before. It returns the exit status and the
// rest of the log.
func (s *testServer) stop() (code int, log string) {
	select {
	case s.signals <- syscall.SIGTERM:
	default:
	}
	code, log = <-s.exit, <-s.log
	s.exit <- code
	s.log <- log
	return code, log
}

// A client is a person in the chat.
type client struct {
	*framer.Conn
	t    *testing.T
	name string

	mu      sync.Mutex // guards the fields below
	changed *sync.Cond
	hear    func(line string) // called for every line
	lines   []string          // all lines, if hear is nil
	ended   bool
}

// dial connects a client. hear may be nil.
func dial(t *testing.T, address string, hear func(c *client, line string)) *client {
	t.Helper()
	c := &client{t: t}
	c.changed = sync.NewCond(&c.mu)
	c.hear = func(line string) { c.lines = append(c.lines, line) }
	if hear != nil {
		c.hear = func(line string) { hear(c, line) }
	}
	var err error
	c.Conn, err = framer.Dial(t.Context(), "tcp", address, framer.Messages(framer.Delimiter("\r\n"), c.line), nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = true
		c.changed.Broadcast()
	}()
	t.Cleanup(func() {
		c.Close()
		c.Wait()
	})
	return c
}

func (c *client) line(_ *framer.Conn, msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hear(string(msg))
	c.changed.Broadcast()
	return nil
}

// say sends lines.
func (c *client) say(lines ...string) {
	c.t.Helper()
	for _, line := range lines {
		if _, err := fmt.Fprintf(c, "%s\n", line); err != nil {
			c.t.Errorf("%s says %q: %v", c.name, line, err)
		}
	}
}

// patience is how long a test waits for something that must happen.
const patience = 30 * time.Second

// await waits until f returns true, and reports whether it did. f is called with the lock
// held.
func (c *client) await(ctx context.Context, f func() bool) bool {
	defer context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !f() {
		if ctx.Err() != nil {
			return false
		}
		c.changed.Wait()
	}
	return true
}

// expect waits for the line want. It forgets the lines before it.
func (c *client) expect(want string) {
	c.t.Helper()
	c.expectMatch("^" + regexp.QuoteMeta(want) + "$")
}

func (c *client) expectMatch(pattern string) (line string) {
	c.t.Helper()
	re := regexp.MustCompile(pattern)
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	var seen []string
	found := false
	c.await(ctx, func() bool {
		for !found && len(c.lines) > 0 {
			line, c.lines = c.lines[0], c.lines[1:]
			seen = append(seen, line)
			found = re.MatchString(line)
		}
		return found || c.ended
	})
	if !found {
		c.t.Fatalf("%s waits for %q and gets %q", c.name, pattern, seen)
	}
	return line
}

// join returns a new client with that name, in the room.
func (s *testServer) join(name, room string) *client {
	s.t.Helper()
	c := dial(s.t, s.address, nil)
	c.name = name
	c.say("/nick "+name, "/join "+room)
	c.expect("* you are " + name)
	c.expect("* you are in " + room)
	return c
}
