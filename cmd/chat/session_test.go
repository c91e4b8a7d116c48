// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestRoom(t *testing.T) {
	s := startServer(t, "-rate", "0")
	alice := s.join("alice", "lobby")
	bob := s.join("Bob", "lobby")
	alice.expect("* Bob has joined")

	alice.say("hello", "what\x1b[2J is \u202e\x00 this\xff\t", "/quite")
	bob.expect("<alice> hello")
	bob.expect(`<alice> what\x1b[2J is \u202e\x00 this` + "\ufffd ")
	alice.expect(`* "/quite" is not known; /help tells what is`)

	io.WriteString(bob, "CRLF\r\nLF\n\n\r\n/me\r\nx\ry\n")
	alice.expect("<Bob> CRLF")
	alice.expect("<Bob> LF")
	bob.expect(`* "/me" is not known; /help tells what is`)
	alice.expect(`<Bob> x\ry`)

	bob.say("/nick ALICE")
	bob.expect("* ALICE is the name of somebody else")
	for _, name := range []string{"", "a b", "1a", "a\x1b", "ä", "a@b", strings.Repeat("a", maxName+1)} {
		bob.say("/nick " + name)
		bob.expectMatch("^. a name is a letter")
	}
	bob.say("/nick bob", "/nick robert")
	alice.expect("* Bob is now bob")
	alice.expect("* bob is now robert")
	alice.say("/who")
	alice.expect("* you are alice, in lobby")
	alice.expect("* node n1, 2 members: alice robert")

	for _, room := range []string{"", ".", "a.b", ">", "*", "a b", strings.Repeat("a", maxRoom+1)} {
		bob.say("/join " + room)
		bob.expectMatch("^. a room is a letter")
	}
	bob.say("/join Den")
	bob.expect("* you are in den")
	alice.expect("* robert has left")
	alice.say("gone?")
	bob.say("here", "/part", "there?")
	bob.expect("* you have left den")
	bob.expect(`* not sent: you are in no room, try /join lobby: "there?"`)

	bob.say(strings.Repeat("x", maxLine), strings.Repeat("x", maxLine+1), "/quit")
	bob.expect("* not sent: a line has at most 1000 bytes")
	bob.expect("* good-bye")
	alice.say("/history")
	alice.expectMatch(`^. \[\d{4}-\d\d-\d\d \d\d:\d\d\] <alice@n1> hello$`)
	alice.expectMatch("<alice@n1> gone.$")

	carol := s.join("bob", "lobby") // succeeds, because the name is free again
	alice.expect("* bob has joined")
	carol.Close()
	alice.expect("* bob has left")
}

func TestRate(t *testing.T) {
	s := startServer(t, "-rate", "1")
	alice := s.join("alice", "lobby")
	bob := s.join("bob", "lobby")
	for range 100 { // 5 of them may come at once
		alice.say("x")
	}
	alice.say("/quit")
	alice.expect(`* not sent: more than 1 lines a second: "x"`)
	alice.expect("* good-bye")
	bob.expect("<alice> x")
	bob.expect("* alice has left")
}

func TestLimiter(t *testing.T) {
	l := limiter{rate: 2}
	now := time.Now()
	allowed := func(d time.Duration, want int) {
		t.Helper()
		now = now.Add(d)
		got := 0
		for got < 100 && l.allow(now) {
			got++
		}
		if got != want {
			t.Errorf("after %v more: %d lines, want %d", d, got, want)
		}
	}
	allowed(0, 10)
	allowed(499*time.Millisecond, 0)
	allowed(time.Millisecond, 1)
	allowed(time.Second, 2)
	allowed(time.Hour, 10)
	l = limiter{}
	allowed(0, 100)
}

// After a restart, the history has what was said in the room, and nothing of other rooms.
func TestHistory(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, "-rate", "0", "-data", dir)
	code, log := command(t, "-addr", "127.0.0.1:0", "-data", dir)
	if code != 1 || !strings.Contains(log, dir+" is in use by another process") {
		t.Errorf("another process with the same directory: exit status %d, log %q", code, log)
	}
	alice := s.join("alice", "lobby")
	bob := s.join("bob", "lobby")
	for range streamRoom {
		alice.say("too old")
	}
	alice.say("the first")
	for range streamRoom - 2 {
		alice.say("x")
	}
	alice.say("the last")
	bob.expect("<alice> the last")
	if code, log := s.stop(); code != 0 || log != "" {
		t.Fatalf("exit status %d, log %q", code, log)
	}

	s = startServer(t, "-data", dir)
	bob = s.join("bob", "lobby")
	bob.say("/history", "/join den", "/history")
	if first := bob.expectMatch("^. .*alice"); !strings.HasSuffix(first, "<alice@n1> the first") {
		t.Errorf("the history begins with %q", first)
	}
	bob.expectMatch("<alice@n1> the last$")
	bob.expect("* nothing was said in den yet")
}
