// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var droppedLine = regexp.MustCompile(`^\* (\d+) messages? (?:was|were) dropped, you are too slow\r\n$`)

// A client that reads late gets everything that was said, except for the messages that it
// is told were dropped. The others miss nothing.
func TestSlowListener(t *testing.T) {
	t.Run("only listening", func(t *testing.T) { testSlowListener(t, "") })
	// The answers to /help fill the queue, so the session waits.
	t.Run("asking", func(t *testing.T) { testSlowListener(t, strings.Repeat("/help\n", 10000)) })
}

func testSlowListener(t *testing.T, input string) {
	s := startServer(t, "-rate", "0", "-queue", "20000", "-max-dropped", "1000000")
	nc, in := s.joinSlowly("slow")
	defer nc.Close()
	talker := s.join("talker", "lobby")
	fast := s.join("fast", "lobby")
	if _, err := io.WriteString(nc, input); err != nil {
		t.Fatal(err)
	}

	// These lines are more than the buffers of the system and the queue can hold. The
	// queue of a client that reads has room for ten lines.
	const lines = 4000
	padding := strings.Repeat("x", 900)
	for i := range lines {
		talker.say(fmt.Sprintf("%d %s", i, padding))
		if i%10 == 9 {
			fast.expect(fmt.Sprintf("<talker> %d %s", i, padding))
		}
	}
	nc.SetReadDeadline(time.Now().Add(patience))
	next, dropped := 0, 0
	for next+dropped < lines {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var n int
		switch {
		case strings.HasPrefix(line, "<talker> "):
			fmt.Sscanf(line, "<talker> %d", &n)
			if n != next+dropped {
				t.Fatalf("%d is followed by %d, with %d dropped", next+dropped-1, n, dropped)
			}
			next++
		case strings.Contains(line, "dropped"):
			m := droppedLine.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("got %q", line)
			}
			n, _ = strconv.Atoi(m[1])
			dropped += n
		}
	}
	if dropped == 0 {
		t.Error("nothing was dropped")
	}
	// When the queue has room after the answers, the client hears new lines again.
	talker.say("more")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "<talker> more\r\n" || input != "" && line == "* 1 message was dropped, you are too slow\r\n" {
			break
		}
		if line[0] != '*' || strings.Contains(line, "dropped") {
			t.Fatalf("behind what was dropped comes %q", line)
		}
	}
}

// A client that never reads is disconnected, and delays nobody.
func TestDeafListener(t *testing.T) {
	s := startServer(t, "-rate", "0", "-queue", "20000", "-max-dropped", "50", "-v")
	nc, _ := s.joinSlowly("deaf")
	defer nc.Close()
	talker := s.join("talker", "lobby")
	fast := s.join("fast", "lobby")
	padding := strings.Repeat("x", 900)
	for gone := false; !gone; {
		const lines = 10 // the queue of a client that reads has room for them
		for range lines {
			talker.say(padding)
		}
		for heard := 0; heard < lines; {
			if fast.expectMatch("^<talker> x|^. deaf has left$") == "* deaf has left" {
				gone = true
			} else {
				heard++
			}
		}
	}
	talker.say("still here")
	fast.expect("<talker> still here")
	if code, log := s.stop(); code != 0 || !strings.Contains(log, "the client is too slow for its room") {
		t.Errorf("exit status %d, log %q", code, log)
	}
}

// joinSlowly returns a client in the lobby, and a reader of its unread input. Only little
// input fits into the buffers of its system.
func (s *testServer) joinSlowly(name string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	nc.(*net.TCPConn).SetReadBuffer(64 << 10)
	fmt.Fprintf(nc, "/nick %s\n/join lobby\n", name)
	in := bufio.NewReader(nc)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if line == "* you are in lobby\r\n" {
			return nc, in
		}
	}
}
