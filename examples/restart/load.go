// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/cli"
)

// A load keeps a server busy and counts its answers.
type load struct {
	address             string
	conns, window, turn int
	over                atomic.Bool // no new requests are sent

	mu       sync.Mutex
	dials    int
	goodbyes int            // goodbyes that servers have sent
	again    int            // requests that were sent again after a goodbye
	answers  map[string]int // number of answers, by the name of the server
}

func newLoad() *load { return &load{answers: make(map[string]int)} }

// run sends requests until SIGTERM, or until a request is lost.
func (l *load) run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, func() { l.over.Store(true) })()
	var g errgroup.Group
	for i := range l.conns {
		g.Go(func() error {
			err := (&client{load: l, id: i}).run()
			if err != nil {
				l.over.Store(true)
			}
			return err
		})
	}
	err := g.Wait()
	sum := 0
	for name, n := range l.answers {
		fmt.Printf("load: %d answers of %s\n", n, name)
		sum += n
	}
	fmt.Printf("load: %d connections, %d goodbyes, %d requests sent again\n", l.dials, l.goodbyes, l.again)
	fmt.Printf("load: answered %d\n", sum)
	return err
}

// enough is the number of answers that shows that a server works.
const enough = 1000

// count counts an answer. It prints a line when a server has given enough.
func (l *load) count(server string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[server]++
	if l.answers[server] == enough {
		fmt.Printf("load: hears %s\n", server)
	}
}

// A client uses one connection after the other.
type client struct {
	load    *load
	id      int
	next    int      // the number of the next request
	pending []string // requests without an answer, in the order in which they were sent
	ended   error    // why the last session has ended
}

func (c *client) run() error {
	for !c.load.over.Load() || len(c.pending) > 0 {
		conn, err := framer.Dial(context.Background(), "tcp", c.load.address, framer.Session(c.talk), nil)
		if err != nil {
			return cli.DialError("addr", c.load.address, err)
		}
		c.load.mu.Lock()
		c.load.dials++
		c.load.mu.Unlock()
		if err := conn.Wait(); err != nil || c.ended != nil {
			return errors.Join(c.ended, err)
		}
	}
	return nil
}

// talk sends requests over one connection. It begins with those that were not answered on
// the connection before.
func (c *client) talk(conn *framer.Conn) error {
	var out []byte
	for _, request := range c.pending {
		out = append(append(out, request...), lineEnd...)
	}
	left := c.load.turn - len(c.pending)
	if c.id%2 == 0 {
		left = math.MaxInt // no limit until the server says goodbye
	}
	for {
		for left > 0 && len(c.pending) < c.load.window && !c.load.over.Load() {
			request := fmt.Sprintf("%d.%d", c.id, c.next)
			c.next++
			left--
			c.pending = append(c.pending, request)
			out = append(append(out, request...), lineEnd...)
		}
		if len(c.pending) == 0 {
			return nil
		}
		// The connection may have ended with a goodbye that must still be read.
		if err := conn.Push(out); err != nil {
			return c.fail(err)
		}
		out = out[:0]
		line, err := conn.Next(framer.Delimiter(lineEnd))
		if err != nil {
			return c.fail(err)
		}
		if string(line) == goodbye {
			c.load.mu.Lock()
			c.load.goodbyes++
			c.load.again += len(c.pending)
			c.load.mu.Unlock()
			return nil
		}
		request, server, _ := strings.Cut(string(line), " ")
		if request != c.pending[0] {
			return c.fail(fmt.Errorf("%q came as the answer to %q", line, c.pending[0]))
		}
		c.pending = c.pending[1:]
		c.load.count(server)
	}
}

// fail records why requests were lost.
func (c *client) fail(err error) error {
	c.ended = fmt.Errorf("%d requests lost, the first is %s: %w", len(c.pending), c.pending[0], err)
	return c.ended
}
