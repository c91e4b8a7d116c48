// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// An outbox numbers what it sends, and sends a heartbeat when nothing else was sent for
// some time. The mutex keeps the numbers in the order of the pushes.
type outbox struct {
	c     *framer.Conn
	every time.Duration

	mu    sync.Mutex
	sent  int
	timer *time.Timer
}

func newOutbox(c *framer.Conn, every time.Duration) *outbox {
	o := &outbox{c: c, every: every}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.timer = time.AfterFunc(every, o.beat)
	return o
}

func (o *outbox) send(text string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent++
	_, err := fmt.Fprintf(o.c, "%d %s\r\n", o.sent, text)
	o.timer.Reset(o.every) // after the push, which may have waited
	return err
}

// beat runs on a goroutine of the timer.
func (o *outbox) beat() {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.c.TryPush(fmt.Appendf(nil, "%d HEARTBEAT\r\n", o.sent+1))
	switch {
	case err == nil:
		o.sent++
	case !errors.Is(err, framer.ErrQueueFull): // if it is full, the peer has enough to read
		return // the connection has ended
	}
	o.timer.Reset(o.every)
}

// stop stops the timer. Then c may end.
func (o *outbox) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.timer.Stop()
}

var newBeating = framer.Session(func(c *framer.Conn) error {
	out := newOutbox(c, 30*time.Second)
	defer out.stop()
	for {
		line, err := c.Next(framer.Delimiter("\r\n"))
		if err != nil {
			return err
		}
		out.send("OK " + string(line))
	}
})

func TestOwnHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		client, nc := framertest.Pipe()
		served := make(chan error, 1)
		go func() { served <- framer.NewConn(nc, newBeating, nil).Serve(t.Context()) }()

		framertest.Play(t, client, framertest.Pause(20*time.Second), framertest.Send("A\r\n"),
			framertest.ExpectLine("1 OK A"),
			framertest.Pause(20*time.Second), framertest.Send("B"), // no message, so nothing is sent
			framertest.ExpectLine("2 HEARTBEAT"), // after 50 seconds
			framertest.Send("\r\n"), framertest.ExpectLine("3 OK B"),
			framertest.ExpectLine("4 HEARTBEAT"), framertest.ExpectLine("5 HEARTBEAT")) // after 80 and 110
		if got := time.Since(begin); got != 110*time.Second {
			t.Errorf("the third heartbeat came after %v, want 110 seconds", got)
		}
		framertest.Play(t, client, framertest.HalfClose(), framertest.ExpectEnd(), framertest.Close())
		if err := <-served; err != nil {
			t.Errorf("served: %v", err)
		}
	})
}

// While output waits for the peer there are no more heartbeats, and no gap in the numbers.
func TestOwnHeartbeatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, nc := framertest.Pipe()
		nc.HoldWrites(true)
		cfg := &framer.Config{MaxQueuedBytes: 1} // one heartbeat may wait
		served := make(chan error, 1)
		go func() { served <- framer.NewConn(nc, newBeating, cfg).Serve(t.Context()) }()

		framertest.Play(t, client, framertest.Pause(70*time.Second))
		nc.HoldWrites(false)
		framertest.Play(t, client, framertest.ExpectLine("1 HEARTBEAT"), framertest.ExpectLine("2 HEARTBEAT"),
			framertest.Send("A\r\n"), framertest.ExpectLine("3 OK A"),
			framertest.HalfClose(), framertest.ExpectEnd(), framertest.Close())
		if err := <-served; err != nil {
			t.Errorf("served: %v", err)
		}
	})
}
