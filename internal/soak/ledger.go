// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
)

// A ledger has the figures of all connections.
type ledger struct {
	log *slog.Logger

	acknowledged, lost, duplicated, reordered, torn atomic.Int64

	conns    atomic.Uint64
	injected [faults]atomic.Int64
	replaced atomic.Int64
	cutOff   atomic.Int64 // how many servers could not be shut down gracefully
}

func (l *ledger) faults() (n int64) {
	for i := range l.injected {
		n += l.injected[i].Load()
	}
	return n
}

// printFaults prints how often each fault was injected.
func (l *ledger) printFaults(w io.Writer) {
	for f := noFault + 1; f < faults; f++ {
		fmt.Fprintf(w, "%7d %v\n", l.injected[f].Load(), f)
	}
	fmt.Fprintf(w, "%7d connections\n", l.conns.Load())
}

// A connection is the page of the ledger for one connection. Client and server write on
// it at the same time.
type connection struct {
	ledger   *ledger
	id       uint64
	framing  string
	excluded bool // nothing is counted

	mu        sync.Mutex
	first     uint64   // the number of the first message
	sent      uint64   // the number of the next message
	messages  sequence // the messages that the server has processed
	replies   sequence // the replies that the client has received
	pushed    uint64   // how many replies the server has pushed
	fault     fault
	harsh     bool // a harsh fault was injected
	dismissed bool // the server was told to end the connection
	ended     bool // the client has ended its side in order, after all that it has sent
	left      bool // the client does not read any more
	farewells struct{ pushed, received bool }
}

// newConnection returns a new page. first is the number of the first message.
func (l *ledger) newConnection(framing string, first uint64, excluded bool) *connection {
	return &connection{
		ledger:   l,
		id:       l.conns.Add(1),
		framing:  framing,
		excluded: excluded,
		first:    first,
		sent:     first,
		messages: sequence{next: first},
		replies:  sequence{next: first},
	}
}

// hit records a fault that is about to be injected.
func (c *connection) hit(f fault) {
	c.ledger.injected[f].Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = f
	c.harsh = c.harsh || f.harsh()
	c.dismissed = c.dismissed || f.inServer()
}

// dismiss records that the server is about to be told to end the connection.
func (c *connection) dismiss() { c.note(&c.dismissed) }

// end records that the client has ended its side, after the last message or after a part
// of another one.
func (c *connection) end() { c.note(&c.ended) }

// leave records that the client is about to stop reading.
func (c *connection) leave() { c.note(&c.left) }

// sayFarewell records that the server has pushed a farewell.
func (c *connection) sayFarewell() { c.note(&c.farewells.pushed) }

// hearFarewell records that the client has received the farewell.
func (c *connection) hearFarewell() { c.note(&c.farewells.received) }

func (c *connection) note(flag *bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*flag = true
}

// tearFirst counts a first record that is damaged, or whose connection is not known. It
// returns an error.
func (l *ledger) tearFirst(conn uint64, err error) error {
	l.torn.Add(1)
	l.log.Error("soak: first record torn", "connection", conn, "error", err)
	return errTorn
}

// send returns the number of the next message, which is about to be sent.
func (c *connection) send() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.sent
	c.sent++
	return n
}

// process records that the server was given message n.
func (c *connection) process(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n < c.first || n >= c.sent {
		c.damage(&c.ledger.torn, 1, fmt.Sprintf("message %d was not sent", n))
		return
	}
	c.add(&c.messages, n, "message")
}

// replied records that the server has pushed a reply.
func (c *connection) replied() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushed++
}

// acknowledge records that the client has received the reply to message n. It reports
// whether this is the first reply to n.
func (c *connection) acknowledge(n uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n < c.first || n >= c.sent {
		c.damage(&c.ledger.torn, 1, fmt.Sprintf("reply to message %d, which was not sent", n))
		return false
	}
	if n >= c.messages.next { // settle counts a message that was skipped
		c.damage(&c.ledger.lost, 1, fmt.Sprintf("message %d acknowledged and not processed", n))
	}
	if !c.add(&c.replies, n, "reply") {
		return false
	}
	if !c.excluded {
		c.ledger.acknowledged.Add(1)
	}
	return true
}

// add adds n to s and reports whether n is new.
func (c *connection) add(s *sequence, n uint64, what string) bool {
	v := s.add(n)
	switch v {
	case again:
		c.damage(&c.ledger.duplicated, 1, fmt.Sprintf("%s %d twice", what, n))
	case late:
		c.damage(&c.ledger.reordered, 1, fmt.Sprintf("%s %d after a later one", what, n))
	}
	return v != again
}

// tear counts a record that is damaged.
func (c *connection) tear(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.damage(&c.ledger.torn, 1, err.Error())
}

// settle counts what is lost. It is called when client and server are done.
func (c *connection) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lose(uint64(len(c.messages.missing)), "messages before others")
	c.lose(uint64(len(c.replies.missing)), "replies before others")
	if c.harsh {
		return
	}
	if got := c.replies.next - c.first; c.pushed > got {
		c.lose(c.pushed-got, "replies that were pushed")
	}
	if c.farewells.pushed && !c.farewells.received && !c.left {
		c.lose(1, "farewell")
	}
	// If a reply has come, the server has accepted the connection.
	served := c.replies.next > c.first
	if c.ended && served && !c.dismissed && !c.farewells.pushed {
		counted := max(c.messages.next, c.replies.next)
		c.lose(c.sent-counted, "messages before the end of the client's side")
	}
}

// lose counts n things as lost. c.mu must be held.
func (c *connection) lose(n uint64, what string) {
	if n > 0 {
		c.damage(&c.ledger.lost, n, fmt.Sprintf("%d %s lost", n, what))
	}
}

// damage adds n to counter and logs the damage. c.mu must be held.
func (c *connection) damage(counter *atomic.Int64, n uint64, what string) {
	if c.excluded {
		return
	}
	counter.Add(int64(n))
	c.ledger.log.Error("soak: "+what, "connection", c.id, "framing", c.framing, "fault", c.fault,
		"first", c.first, "sent", c.sent, "processed", c.messages.next, "pushed", c.pushed, "received", c.replies.next)
}

// unacknowledged returns the number of the first message without a reply.
func (c *connection) unacknowledged() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replies.next
}
