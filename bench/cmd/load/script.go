// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// A script has the requests that are sent and the replies that must come back. The
// requests differ, and windows begin at different requests. So a reply to another request
// is noticed. Everything is prepared in advance and shared by all connections.
type script struct {
	requests, replies      []byte // all of them, one after the other
	requestSize, replySize int
	depth                  int // how many requests a window has
	starts                 int // how many requests a window may begin with

	before, after *exchange // done on a connection of its own; may be nil
}

// sharedSize is about how many bytes of requests are prepared at most. They should stay
// in the cache of the processor, so that they cost no more than the check of a single
// reply.
const sharedSize = 256 << 10

// newScript returns a script for windows of depth requests of size bytes each.
func newScript(protocol string, depth, size, conns int) script {
	switch protocol {
	case "set":
		return newSetScript(depth, size)
	case "resp-set", "resp-get":
		return newRESPScript(protocol, depth, size)
	}
	s := script{requestSize: size + len("\r\n"), depth: depth}
	s.replySize = s.requestSize
	s.starts = max(4, min(conns+1, sharedSize/s.requestSize))
	random := newRandom()
	line := append(make([]byte, size), "\r\n"...)
	for range s.starts + depth {
		fillText(line[:size], random)
		s.requests = append(s.requests, line...)
	}
	s.replies = s.requests
	return s
}

// newSetScript returns a script for the protocol set. All replies are the same, so one
// window is enough. The payloads are random bytes: a server that counts them wrongly
// takes them for a command.
func newSetScript(depth, size int) script {
	s := script{depth: depth, starts: 1, replySize: len("OK\r\n")}
	random := newRandom()
	payload := make([]byte, size)
	for range depth {
		random.Read(payload)
		s.requests = fmt.Appendf(s.requests, "SET %d\r\n%s", size, payload)
	}
	s.requestSize = len(s.requests) / depth
	s.replies = bytes.Repeat([]byte("OK\r\n"), depth)
	return s
}

// newRandom returns a source that is the same in every run.
func newRandom() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{}) }

// fillText fills b with printable characters.
func fillText(b []byte, random *rand.ChaCha8) {
	const first, last = '!', '~'
	random.Read(b)
	for i := range b {
		b[i] = first + b[i]%(last-first+1)
	}
}

// window returns the requests of the window that begins at start, and their replies.
func (s *script) window(start int) (requests, replies []byte) {
	return s.requests[start*s.requestSize:][:s.depth*s.requestSize],
		s.replies[start*s.replySize:][:s.depth*s.replySize]
}
