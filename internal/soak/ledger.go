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
	cutOff   atomic.Int64 // servers that could not be shut down gracefully
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

// A connection is the page of the ledger for one connection. Client and server
// write on it, at the same time.
type connection struct {
	ledger   *ledger
	id       uint64
	framing  string
	excluded bool // nothing is counted

	mu        sync.Mutex
	first     uint64   // number of the first message
	sent      uint64   // number of the next message
	messages  sequence // that the server has processed
	replies   sequence // that the client has received
	pushed    uint64   // replies that the server has pushed
	fault     fault
	harsh     bool // a harsh fault was injected
	dismissed bool // the server was told to end the connection
	ended     bool // the client has ended its side in order, after what it has sent
	left      bool // the client listens no more
	farewells struct{ pushed, received bool }
}

// newConnection opens a page. The first message will be first.
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

// hit notes a fault, which is about to be injected.
func (c *connection) hit(f fault) {
	c.ledger.injected[f].Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = f
	c.harsh = c.harsh || f.harsh()
	c.dismissed = c.dismissed || f.inServer()
}

// dismiss notes that the server is about to be told to end the connection.
func (c *connection) dismiss() { c.note(&c.dismissed) }

// end notes that the client has ended its side after the last message, or a part
// of another.
func (c *connection) end() { c.note(&c.ended) }

// leave notes that the client is about to listen no more.
func (c *connection) leave() { c.note(&c.left) }

// sayFarewell notes that the server has pushed a farewell.
func (c *connection) sayFarewell() { c.note(&c.farewells.pushed) }

// hearFarewell notes that the client has received it.
func (c *connection) hearFarewell() { c.note(&c.farewells.received) }

func (c *connection) note(flag *bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*flag = true
}

// tearFirst notes a first record that is damaged, or does not say which connection
// it is from, and returns an error.
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

// process notes that the server has been given message n.
func (c *connection) process(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n < c.first || n >= c.sent {
		c.damage(&c.ledger.torn, 1, fmt.Sprintf("message %d was not sent", n))
		return
	}
	c.add(&c.messages, n, "message")
}

// replied notes that the server has pushed a reply.
func (c *connection) replied() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushed++
}

// acknowledge notes that the client has received the reply to message n. It
// reports whether that is news.
func (c *connection) acknowledge(n uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n < c.first || n >= c.sent {
		c.damage(&c.ledger.torn, 1, fmt.Sprintf("reply to message %d, which was not sent", n))
		return false
	}
	if n >= c.messages.next { // one that was skipped is counted by settle
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

// add adds n to s and reports whether it is new.
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

// tear notes a record that is damaged.
func (c *connection) tear(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.damage(&c.ledger.torn, 1, err.Error())
}

// settle counts what is lost, when client and server are done.
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
	// That a reply has come proves that the server had accepted the connection.
	served := c.replies.next > c.first
	if c.ended && served && !c.dismissed && !c.farewells.pushed {
		counted := max(c.messages.next, c.replies.next)
		c.lose(c.sent-counted, "messages before the end of the client's side")
	}
}

// lose counts n of what as lost. c.mu must be held.
func (c *connection) lose(n uint64, what string) {
	if n > 0 {
		c.damage(&c.ledger.lost, n, fmt.Sprintf("%d %s lost", n, what))
	}
}

// damage counts n and logs what it is. c.mu must be held.
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
