// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/goframer/framer"
)

// errTooSlow is the reason of the end for a client that does not keep up.
var errTooSlow = errors.New("chat: the client is too slow for its room")

// A member is a client. Fields without a lock belong to the goroutine of its session.
type member struct {
	*framer.Conn
	hub   *hub
	name  string // the session changes it under the lock of the hub; others read it under that lock
	room  *room  // nil if the member is in no room
	limit limiter
	over  bool // no more input is read

	mu      sync.Mutex // guards the fields below
	dropped int        // messages dropped since the queue was full; if it is not 0, all further messages are dropped
	behind  bool       // a notice of them is in the queue
}

// deliver pushes a line that stands for n messages, or drops it. It never waits. If lines
// were dropped, the client gets a notice of how many after everything that is queued
// already. Lines that come after the notice are delivered again. Any goroutine may call
// deliver.
func (m *member) deliver(line string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dropped == 0 && !errors.Is(m.TryPush([]byte(line)), framer.ErrQueueFull) {
		return // pushed, or the connection has ended
	}
	m.dropped += n
	m.promise()
	if m.dropped >= m.hub.maxDropped {
		m.CloseWithError(errTooSlow)
	}
}

// promise queues a notice of the dropped messages, if none is queued. The notice is a
// producer, which is called when the client has taken everything that was pushed before.
// If the session waits for room for a reply, the notice finds no place in the queue; then
// reply queues it. The lock must be held.
func (m *member) promise() {
	if !m.behind {
		m.behind = m.TryPushWithProducer(framer.ProducerFunc(m.notice)) == nil
	}
}

// notice is the More method of the producer of a notice. It returns one line, and then
// there is no more.
func (m *member) notice() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	line := fmt.Appendf(nil, "* %s dropped, you are too slow\r\n", messages(m.dropped))
	m.behind, m.dropped = false, 0
	return line, io.EOF
}

// messages returns "1 message was" or "n messages were".
func messages[T int | uint64](n T) string {
	if n == 1 {
		return "1 message was"
	}
	return fmt.Sprintf("%d messages were", n)
}

// reply sends a line to the client. It waits for room in the queue; meanwhile nothing is
// read from the client. If the line can't be sent, the next read fails.
func (m *member) reply(format string, args ...any) {
	fmt.Fprintf(m, "* "+format+"\r\n", args...)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dropped > 0 {
		m.promise()
	}
}
