// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goframer/framer/bench/internal/report"
)

// asProgram is an environment variable. If it is set, this test binary runs the program.
const asProgram = "FRAMER_BENCH_LOAD"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve serves the connections of a new listener until the end of the test. It returns
// the address.
func serve(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				f(c)
			})
		}
	})
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// load runs the program for a short time. It returns what the program prints, and the
// exit status. The CPU time of the "server" is that of this process.
func load(t *testing.T, addr string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{
		"-addr", addr, "-server-pid", strconv.Itoa(os.Getpid()), "-warmup", "1ms", "-duration", "100ms",
	}, args...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
	var out, errors strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errors.String(), cmd.ProcessState.ExitCode()
}

// echo sends everything back.
func echo(c net.Conn) { io.Copy(c, c) }

func TestLoad(t *testing.T) {
	tests := []string{
		"-conns 1 -depth 1 -size 0",
		"-conns 7 -depth 3 -size 10",
		"-conns 3 -depth 100 -size 32",
		"-conns 2 -depth 4 -size 3000000 -duration 1s", // larger than the buffers of the sockets
	}
	for _, args := range tests {
		t.Run(args, func(t *testing.T) {
			stdout, stderr, status := load(t, serve(t, echo), strings.Fields(args)...)
			if status != 0 || stderr != "" {
				t.Fatalf("status %d: %s", status, stderr)
			}
			var got report.Load
			if err := json.Unmarshal([]byte(stdout), &got); err != nil {
				t.Fatal(err)
			}
			checkResult(t, &got)
		})
	}
}

func checkResult(t *testing.T, l *report.Load) {
	t.Helper()
	if l.Messages < 1 || l.Seconds < 0.02 || l.LoadCPU <= 0 || l.ServerCPU <= 0 {
		t.Errorf("something was not measured: %+v", l)
	}
	if l.P50 < 1 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max {
		t.Errorf("percentiles are not in order: %+v", l)
	}
}

// TestLoadSlow measures for a time that is too short for a reply.
func TestLoadSlow(t *testing.T) {
	stdout, stderr, status := load(t, serve(t, echo), "-warmup", "0s", "-duration", "1ns")
	var got report.Load
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != 0 {
		t.Fatalf("%v, status %d: %s", err, status, stderr)
	}
	if got.Messages < 1 || got.Seconds <= 0 {
		t.Errorf("nothing was measured: %+v", got)
	}
}

// TestLoadWindows runs a given number of windows and checks how many replies are counted.
func TestLoadWindows(t *testing.T) {
	stdout, stderr, status := load(t, serve(t, echo), strings.Fields("-windows 3 -conns 2 -depth 4 -size 1000000")...)
	var got report.Load
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != 0 {
		t.Fatalf("%v, status %d: %s", err, status, stderr)
	}
	if got.Messages != 3*2*4 {
		t.Errorf("%d messages are counted, want %d", got.Messages, 3*2*4)
	}
}

func TestLoadHold(t *testing.T) {
	stdout, stderr, status := load(t, serve(t, echo), "-hold", "-conns", "20")
	if stdout != "held\n" || stderr != "" || status != 0 {
		t.Errorf("stdout %q, stderr %q, status %d", stdout, stderr, status)
	}
}

// overTLS returns a server that runs f over TLS.
func overTLS(t *testing.T, f func(net.Conn)) func(net.Conn) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS() // used only for its certificate
	t.Cleanup(s.Close)
	return func(c net.Conn) {
		tc := tls.Server(c, s.TLS)
		defer tc.Close()
		f(tc)
	}
}

func TestLoadHoldTLS(t *testing.T) {
	stdout, stderr, status := load(t, serve(t, overTLS(t, echo)), "-hold", "-tls", "-conns", "40")
	if stdout != "held\n" || stderr != "" || status != 0 {
		t.Errorf("stdout %q, stderr %q, status %d", stdout, stderr, status)
	}
}

// TestLoadHoldTLSBadServer has servers that fail before or while the connections are
// held.
func TestLoadHoldTLSBadServer(t *testing.T) {
	tests := map[string]struct {
		server func(net.Conn)
		args   string
		held   bool
		want   string // part of the error message
	}{
		"corrupted":           {corrupt, "-depth 20", false, "a reply differs"},
		"other connection's":  {crossed(), "-conns 2", false, "a reply differs"},
		"plain":               {nil, "", false, "handshake"},
		"early end":           {func(c net.Conn) { io.CopyN(c, c, 66) }, "", true, "66 bytes of replies are missing"},
		"too much at the end": {oneMore, "", true, "a reply differs"},
		"reset at the end": {func(c net.Conn) {
			echo(c)
			c.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
			c.(*tls.Conn).NetConn().Close() // without a close_notify
		}, "", true, "reset by peer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := echo
			if test.server != nil {
				server = overTLS(t, test.server)
			}
			args := append(strings.Fields(test.args), "-hold", "-tls")
			stdout, stderr, status := load(t, serve(t, server), args...)
			if !strings.Contains(stderr, test.want) || status != 1 || (stdout == "held\n") != test.held {
				t.Errorf("stdout %q, stderr %q, status %d; want a message with %q, status 1", stdout, stderr, status, test.want)
			}
		})
	}
}

// TestLoadBadServer has servers that work for a while and then fail.
func TestLoadBadServer(t *testing.T) {
	tests := map[string]struct {
		server func(net.Conn)
		args   string
		want   string // part of the error message
	}{
		"corrupted":           {corrupt, "-depth 3", "a reply differs"},
		"other connection's":  {crossed(), "-conns 2", "a reply differs"},
		"twice":               {twice, "-depth 3", "a reply differs"},
		"early end":           {earlyEnd, "", "33 bytes of replies are missing"},
		"reset":               {reset, "", "reset by peer"},
		"too much at the end": {oneMore, "", "a reply differs"},
		"too much after hold": {oneMore, "-hold", "a reply differs"},
		"forgets what is set": {forget, "-protocol resp-set", `after the load: a reply differs: got "", want "$64`},
		"can't be set":        {twice, "-protocol resp-get", "before the load: a reply differs"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, status := load(t, serve(t, test.server), strings.Fields(test.args)...)
			if !strings.Contains(stderr, test.want) || status != 1 {
				t.Errorf("stderr %q, status %d; want a message with %q, status 1", stderr, status, test.want)
			}
			if strings.Contains(stdout, "{") {
				t.Errorf("a result was printed: %s", stdout)
			}
		})
	}
}

// corrupt is an echo that changes the byte after the first thousand.
func corrupt(c net.Conn) {
	io.CopyN(c, c, 1000)
	b := make([]byte, 1)
	io.ReadFull(c, b)
	b[0] ^= 1
	c.Write(b)
	echo(c)
}

// crossed returns a server for two connections. It sends each of them the input of the
// other.
func crossed() func(net.Conn) {
	ends := make(chan [2]chan []byte, 2)
	there, back := make(chan []byte, 1), make(chan []byte, 1)
	ends <- [2]chan []byte{there, back}
	ends <- [2]chan []byte{back, there}
	return func(c net.Conn) {
		end := <-ends
		defer close(end[0])
		for {
			b := make([]byte, 1000)
			n, err := c.Read(b)
			if err != nil {
				return
			}
			end[0] <- b[:n]
			if _, err := c.Write(<-end[1]); err != nil {
				return
			}
		}
	}
}

// twice is an echo that sends the first part of its input twice.
func twice(c net.Conn) {
	b := make([]byte, 1000)
	n, _ := c.Read(b)
	c.Write(append(b[:n:n], b[:n]...))
	echo(c)
}

// earlyEnd ends its side after one and a half replies.
func earlyEnd(c net.Conn) {
	io.CopyN(c, c, 66+33)
	c.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, c)
}

// reset resets the connection.
func reset(c net.Conn) {
	io.CopyN(c, c, 1000)
	c.(*net.TCPConn).SetLinger(0)
}

// forget answers every SET, and no GET.
func forget(c net.Conn) {
	for in := bufio.NewReader(c); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if line == "SET\r\n" {
			in.Discard(len("$3\r\nk00\r\n$64\r\n") + 64)
			io.WriteString(c, "+OK\r\n")
		}
	}
}

// oneMore is an echo that sends one byte more at the end.
func oneMore(c net.Conn) {
	echo(c)
	io.WriteString(c, "x")
}

// TestLoadInAdvance has a server that sends replies without reading any requests. So not
// all requests can be sent.
func TestLoadInAdvance(t *testing.T) {
	addr := serve(t, func(c net.Conn) {
		io.WriteString(c, strings.Repeat("OK\r\n", 16))
		<-t.Context().Done()
	})
	_, stderr, status := load(t, addr, "-protocol", "set", "-depth", "16", "-size", "3000000")
	if want := "not sent yet"; !strings.Contains(stderr, want) || status != 1 {
		t.Errorf("stderr %q, status %d; want a message with %q, status 1", stderr, status, want)
	}
}

// TestLoadSilence has a server that reads requests and does not answer.
func TestLoadSilence(t *testing.T) {
	addr := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	l, err := newLoop(netip.MustParseAddrPort(addr), 2, newScript("echo", 1, 64, 2))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l.epoll)
	for _, c := range l.clients {
		defer unix.Close(c.fd)
	}
	l.silence = 30 * time.Millisecond // long enough for Go's scheduler to send its signal
	if err := l.begin(); err != nil {
		t.Fatal(err)
	}
	if err := l.drain(); err != errSilence {
		t.Errorf("drain returned %v, want %v", err, errSilence)
	}
}

func TestLoadBadFlags(t *testing.T) {
	const good = "127.0.0.1:1"
	tests := []struct{ addr, args, want string }{
		{"localhost:1", "", "bad -addr"},
		{"[::1]:1", "", "not IPv4"},
		{good, "-protocol get", `bad -protocol: "get"`},
		{good, "-conns 0", "must be positive"},
		{good, "-depth 0", "must be positive"},
		{good, "-size -1", "must not be negative"},
		{good, "-windows -1", "must not be negative"},
		{good, "-duration 0s", "must be positive"},
		{good, "-tls", "-tls is for -hold only"},
		{good, "more", "unexpected arguments"},
		{good, "-bad", "not defined"},
	}
	for _, test := range tests {
		stdout, stderr, status := load(t, test.addr, strings.Fields(test.args)...)
		if stdout != "" || !strings.Contains(stderr, test.want) || status != 2 {
			t.Errorf("%s %s: stdout %q, stderr %q, status %d; want a message with %q, status 2",
				test.addr, test.args, stdout, stderr, status, test.want)
		}
	}
}
