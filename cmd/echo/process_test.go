// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// If commandVariable is in the environment, the test program is the command.
const commandVariable = "ECHO_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		main()
	}
	if signal.Ignored(os.Interrupt) {
		// Under nohup, or in the background of a script. The processes that the tests start
		// would ignore it, too, but they do not inherit that a signal is caught.
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	os.Exit(m.Run())
}

// A process is the command, running as a server.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	stderr  *bufio.Reader
	address string
}

// command returns the command without starting it.
func command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	// By default the race detector makes each process sleep for a second at its end.
	cmd.Env = append(os.Environ(), commandVariable+"=1", "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	return cmd
}

// start starts the command, and returns when it serves.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(t, args...)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stderr = bufio.NewReader(stderr)
	p.run()
	return p
}

// run starts the command, and returns when it serves. The caller has set the standard
// error.
func (p *process) run() {
	p.t.Helper()
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.cmd.Wait() })                  // if it is the second Wait, it fails and does no harm
	line, err := bufio.NewReader(stdout).ReadString('\n') // the only line
	address, ok := strings.CutPrefix(line, "echo: serving on ")
	if !ok {
		p.t.Fatalf("first line %q (%v), want the address", line, err)
	}
	p.address = strings.TrimSpace(address)
}

// dial connects to the command.
func (p *process) dial() *net.TCPConn {
	p.t.Helper()
	nc, err := net.Dial("tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute)) // so that a failure does not hang the test
	return nc.(*net.TCPConn)
}

// await reads the log up to a line that contains text.
func (p *process) await(text string) {
	p.t.Helper()
	for {
		line, err := p.stderr.ReadString('\n')
		if err != nil {
			p.t.Fatalf("no %q in the log: %v", text, err)
		}
		if strings.Contains(line, text) {
			return
		}
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit status, and the rest of the log.
func (p *process) wait() (status int, log string) {
	p.t.Helper()
	rest, err := io.ReadAll(p.stderr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd.Wait() // its error is the exit status
	return p.cmd.ProcessState.ExitCode(), string(rest)
}

func send(t *testing.T, nc net.Conn, data string) {
	t.Helper()
	if _, err := io.WriteString(nc, data); err != nil {
		t.Fatal(err)
	}
}

// wantRest checks what the command sends before it ends its side.
func wantRest(t *testing.T, nc net.Conn, want string) {
	t.Helper()
	got, err := io.ReadAll(nc)
	if err != nil || string(got) != want {
		t.Fatalf("received %q (%v), want %q", got, err, want)
	}
}

func (p *process) wantExit(status int, log string) {
	p.t.Helper()
	got, rest := p.wait()
	if got != status || !strings.Contains(rest, log) {
		p.t.Errorf("exit status %d with log %q, want %d with %q", got, rest, status, log)
	}
}

func TestProcessOnce(t *testing.T) {
	p := start(t, "-serve", anyPort, "-once")
	nc := p.dial()
	send(t, nc, "ECHO 2\nhi")
	wantRest(t, nc, "hi")
	if second, err := net.Dial("tcp", p.address); err == nil {
		second.Close()
		t.Error("a second client was accepted")
	}
	nc.Close()
	p.wantExit(0, "connection ended")
}

// Both lines come back, although the client has ended its side.
func TestProcessLines(t *testing.T) {
	p := start(t, "-lines", "-v", "-once")
	nc := p.dial()
	send(t, nc, "a\r\n\r\nb\r\n")
	if err := nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	wantRest(t, nc, "a\r\n\r\nb\r\n")
	client := nc.LocalAddr().String()
	status, log := p.wait()
	want := "conn_made: client_address=" + client + `
collect_incoming_data: [a]
found_terminator
sending: [a]
found_terminator
sending: []
collect_incoming_data: [b]
found_terminator
sending: [b]
`
	if status != 0 || !strings.HasPrefix(log, want) || !strings.HasSuffix(log, "conn_closed: client_address="+client+"\n") {
		t.Errorf("exit status %d with log:\n%s\nwant 0 with:\n%s", status, log, want)
	}
}

// A refused client gets an answer, and the reason is logged. Other clients are served.
func TestProcessRefuses(t *testing.T) {
	p := start(t, "-serve", anyPort)
	for range 2 {
		nc := p.dial()
		send(t, nc, "ECHO x\n")
		wantRest(t, nc, "error: \"ECHO x\": the number of bytes: invalid syntax\n")
		nc.Close()
		p.await(`level=INFO msg="echo: client refused" remote=` + nc.LocalAddr().String())
	}
	nc := p.dial()
	send(t, nc, "ECHO 1")
	nc.Close()
	p.await("unexpected EOF")
	p.signal(os.Interrupt)
	p.wantExit(0, "")
}

func TestProcessInterrupted(t *testing.T) {
	t.Run("without clients", func(t *testing.T) {
		p := start(t, "-lines")
		p.signal(os.Interrupt)
		p.wantExit(0, "")
	})
	t.Run("once, without clients", func(t *testing.T) {
		p := start(t, "-lines", "-once")
		p.signal(os.Interrupt)
		p.wantExit(0, "")
	})
	t.Run("within a text", func(t *testing.T) {
		p := start(t, "-serve", anyPort, "-v")
		nc := p.dial()
		send(t, nc, "ECHO 10\nabc")
		p.await(`"""abc"""`)
		p.signal(syscall.SIGTERM)
		send(t, nc, "defghij") // the text that has begun is still echoed
		wantRest(t, nc, "abcdefghij")
		nc.Close()
		p.wantExit(0, "")
	})
	t.Run("before a text", func(t *testing.T) {
		p := start(t, "-serve", anyPort, "-v")
		nc := p.dial()
		send(t, nc, "ECHO 10\n")
		p.await("_process_command")
		p.signal(syscall.SIGTERM)
		wantRest(t, nc, "error: the server is shutting down\n")
		nc.Close()
		p.wantExit(0, "")
	})
	t.Run("between lines", func(t *testing.T) {
		p := start(t, "-lines", "-once")
		nc := p.dial()
		send(t, nc, "a\r\n")
		if _, err := io.ReadFull(nc, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		p.signal(os.Interrupt)
		wantRest(t, nc, "")
		nc.Close()
		p.wantExit(0, "")
	})
	t.Run("twice", func(t *testing.T) {
		p := start(t, "-lines")
		nc := p.dial()
		send(t, nc, "a\r\n")
		if _, err := io.ReadFull(nc, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		p.signal(os.Interrupt)
		wantRest(t, nc, "") // the client has not left yet
		p.signal(os.Interrupt)
		p.wantExit(1, "echo: connections were cut off by a second signal")
	})
}
