// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"math/rand/v2"

	"golang.org/x/sync/semaphore"

	"github.com/goframer/framer"
)

// A client has one connection after the other.
type client struct {
	*soak
	service *service
	raw     bool // uses a net.Conn and not package framer
	rnd     *rand.Rand
	next    uint64 // the number of the next message
}

// run runs c until load ends.
func (c *client) run(load context.Context) error {
	for load.Err() == nil {
		p := c.plan()
		sv, page := c.service.visit(c.next, p.fault == discardBuffers)
		if sv == nil {
			return nil
		}
		err := c.converse(load, sv, page, p)
		if !page.excluded {
			c.next = page.unacknowledged()
		}
		sv.visitors.Done()
		if err != nil {
			return err
		}
	}
	return nil
}

// converse runs one connection. It returns no error for the way in which the connection
// ends.
func (c *client) converse(load context.Context, sv *server, page *connection, p plan) error {
	d := &dialogue{
		client:  c,
		server:  sv,
		page:    page,
		plan:    p,
		credits: semaphore.NewWeighted(int64(p.window)),
	}
	c.log.Debug("soak: connection", "connection", page.id, "framing", page.framing, "raw", c.raw, "plan", p)
	if c.raw {
		return d.talkRaw(load)
	}
	return d.talk(load)
}

// A plan is what a client does on a connection.
type plan struct {
	messages   int
	window     int   // how many messages may be without a reply
	maxPayload int   // the greatest payload of a message
	maxAnswer  int   // the greatest payload of a reply
	fault      fault // the fault, or noFault
	after      int   // how many messages are sent before the fault; it is more than window, so that some are acknowledged
	dismiss    bool  // at the end, tell the server to close the connection
}

func (c *client) plan() plan {
	p := plan{
		messages:   1 + c.rnd.IntN(300),
		window:     1 + c.rnd.IntN(32),
		maxPayload: maxPayload,
		maxAnswer:  maxPayload,
		dismiss:    c.rnd.IntN(4) == 0,
	}
	if c.rnd.IntN(3) > 0 {
		return p
	}
	p.fault = c.fault()
	p.after = p.window + 1 + c.rnd.IntN(20)
	p.messages = p.after + 1 + c.rnd.IntN(50)
	switch p.fault {
	case slowReader:
		p.maxAnswer = 8 << 10
	case slowWriter, closeUnread:
		// The client does not read, or does not write, for a while.
		p.messages, p.maxPayload, p.maxAnswer = 20, 64, 8<<10
	case discardBuffers:
		p.window = p.messages // replies may be discarded, so the client must not wait for them
	}
	return p
}

// fault chooses a fault that c can have.
func (c *client) fault() fault {
	first, last := firstFramer, lastFramer
	if c.raw {
		first, last = firstRaw, lastRaw
	}
	own, inServer := int(last-first)+1, int(lastServer-firstServer)+1
	n := c.rnd.IntN(own + inServer)
	if n < own {
		return first + fault(n)
	}
	return firstServer + fault(n-own)
}

// A dialogue is the client's side of a connection.
type dialogue struct {
	*client
	server  *server
	page    *connection
	plan    plan
	credits *semaphore.Weighted // limits the messages without a reply
	replies int                 // owned by the goroutine that reads
}

// message returns the next message.
func (d *dialogue) message() record {
	return record{
		kind:   message,
		conn:   d.page.id,
		number: d.page.send(),
		answer: d.size(d.plan.maxAnswer),
		offset: d.rnd.IntN(maxPayload),
		size:   d.size(d.plan.maxPayload),
	}
}

// size returns the size of a payload. Most payloads are small.
func (d *dialogue) size(limit int) int {
	switch n := d.rnd.IntN(200); {
	case n < 180:
		limit = min(limit, 256)
	case n < 199:
		limit = min(limit, 8<<10)
	}
	return d.rnd.IntN(limit + 1)
}

// command returns a record that is a command.
func (d *dialogue) command(k kind) record { return record{kind: k, conn: d.page.id} }

// sendAll sends the messages of the plan, until load or conn ends, and injects the fault
// of the plan. It reports whether everything that was begun was sent and the client may
// go on.
func (d *dialogue) sendAll(load, conn context.Context, send func(record) error, inject func() (goOn bool)) bool {
	for i := range d.plan.messages {
		if d.plan.fault != noFault && i == d.plan.after && !inject() {
			return false
		}
		if load.Err() != nil {
			break
		}
		// The first record tells the server not to count this connection. It must arrive
		// before buffers are discarded.
		if d.page.excluded && i == 1 && !d.awaitReplies(conn) {
			return false
		}
		if d.credits.Acquire(conn, 1) != nil || send(d.message()) != nil {
			return false
		}
	}
	if d.plan.dismiss {
		d.page.dismiss()
		return send(d.command(closeCommand)) == nil
	}
	return true
}

// injectInServer tells the server to cause the fault.
func (d *dialogue) injectInServer(send func(record) error) (goOn bool) {
	d.page.hit(d.plan.fault)
	return send(d.command(d.plan.fault.command())) == nil
}

// awaitReplies waits until all messages are acknowledged. It reports false if conn ends
// before that.
func (d *dialogue) awaitReplies(conn context.Context) bool {
	window := int64(d.plan.window)
	if d.credits.Acquire(conn, window) != nil {
		return false
	}
	d.credits.Release(window)
	return true
}

// receive is called with each record that the server sends.
func (d *dialogue) receive(data []byte) error {
	r, err := parse(data)
	switch {
	case err != nil:
	case r.conn != d.page.id:
		err = errTorn
	case r.kind == farewell:
		d.page.hearFarewell()
		return nil
	case r.kind != reply:
		err = errTorn
	}
	if err != nil {
		d.page.tear(err)
		return err
	}
	if d.page.acknowledge(r.number) {
		d.credits.Release(1)
	}
	d.replies++
	return nil
}

// A clientHandler is the handler of a client that uses package framer.
type clientHandler struct {
	receiver
	dialogue *dialogue
}

func (d *dialogue) newHandler(c *framer.Conn) framer.Handler {
	return &clientHandler{receiver{conn: c, framing: d.service.framing, process: d.receiveOrFail}, d}
}

// receiveOrFail does what receive does, and causes the faults of a client's handler.
func (d *dialogue) receiveOrFail(data []byte) error {
	if f := d.plan.fault; d.replies == d.plan.after-d.plan.window && (f == clientError || f == clientPanic) {
		d.page.hit(f)
		if f == clientPanic {
			panic(errInjected)
		}
		return errInjected
	}
	return d.receive(data)
}
