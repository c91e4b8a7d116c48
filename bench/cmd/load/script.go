// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// A script is what is sent and what must come back. Requests differ, and windows
// begin at different ones: a reply that was meant for another request is seen.
// All of it is prepared, and shared by all connections.
type script struct {
	requests, replies      []byte // one after the other
	requestSize, replySize int
	depth                  int // requests in a window
	starts                 int // requests at which a window may begin

	before, after *exchange // on a connection of its own, or nil
}

// sharedSize is about how many bytes of requests are prepared at most. They should
// stay in the cache, to cost no more than the check of one reply.
const sharedSize = 256 << 10

// newScript returns a script for windows of depth requests with size bytes each.
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

// newSetScript is newScript for the protocol set. All its replies are alike, so
// that one window is enough. The payloads are any bytes: a server that loses count
// of them takes them for a command.
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

// window returns the requests of a window that begins at the given one, and their
// replies.
func (s *script) window(start int) (requests, replies []byte) {
	return s.requests[start*s.requestSize:][:s.depth*s.requestSize],
		s.replies[start*s.replySize:][:s.depth*s.replySize]
}
