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

// errTooSlow is the reason why a connection ends whose client does not keep up.
var errTooSlow = errors.New("chat: the client is too slow for its room")

// A member is a client. What is not said to be locked belongs to the goroutine of its
// session.
type member struct {
	*framer.Conn
	hub   *hub
	name  string // changed under the lock of the hub, and read there by others
	room  *room  // nil if it is in none
	limit limiter
	over  bool // nothing more is read

	mu      sync.Mutex // of what is below
	dropped int        // messages, since there was no room; until a notice has told of them, all are
	behind  bool       // a notice of them waits in the queue for its turn
}

// deliver gives the client a line that stands for n messages, or drops it: it never
// waits. A client that is behind is told how many it has missed when it has taken what
// was queued before, and gets what comes after that. It may be called from any
// goroutine.
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

// promise queues the notice of what is dropped, if it is not queued yet. A producer is
// asked when the client has taken what was pushed before it. There is no place for it
// while the session waits for room for a reply; reply sees to it then. The lock is held.
func (m *member) promise() {
	if !m.behind {
		m.behind = m.TryPushWithProducer(framer.ProducerFunc(m.notice)) == nil
	}
}

// notice is the producer of the line about what was dropped, which is all it has.
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

// reply tells the client something, and waits for room in the queue, in which time
// nothing is read of the client. If it can't be sent, the next read fails.
func (m *member) reply(format string, args ...any) {
	fmt.Fprintf(m, "* "+format+"\r\n", args...)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dropped > 0 {
		m.promise()
	}
}
