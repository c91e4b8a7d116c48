// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// A loop has the connections and handles their events. It belongs to one goroutine.
type loop struct {
	epoll     int
	script    script
	clients   []client
	events    []unix.EpollEvent
	input     []byte // the buffer for all reads
	epoch     time.Time
	latencies histogram
	silence   time.Duration // how long the server may be silent

	draining bool // no further window is begun
	left     int  // how many windows may still begin, over all clients; negative means any number
	busy     int  // how many clients wait for replies
	ending   bool // the clients have ended their sides
	open     int  // how many clients have not seen the end of the server's side
}

// A client is one connection.
type client struct {
	fd      int
	start   int           // the place in the script at which the next window begins
	unsent  []byte        // the part of this window that was not sent yet
	awaited []byte        // the part of the replies that has not come yet
	sent    time.Duration // when this window was sent, since the epoch
}

// patience is how long a server may be silent.
const patience = 10 * time.Second

// newLoop opens the connections to the server.
func newLoop(addr netip.AddrPort, conns int, s script) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	l := &loop{
		epoll:   epoll,
		script:  s,
		clients: make([]client, conns),
		events:  make([]unix.EpollEvent, 256),
		input:   make([]byte, 128<<10),
		epoch:   time.Now(),
		silence: patience,
		left:    -1,
		open:    conns,
	}
	for i := range l.clients {
		if err := l.connect(i, addr); err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return l, nil
}

// connect opens client i. Its events are edge-triggered, so one registration is enough.
func (l *loop) connect(i int, addr netip.AddrPort) error {
	fd, err := connect(addr, i)
	if err != nil {
		return err
	}
	l.clients[i] = client{fd: fd, start: i % l.script.starts}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(i),
	})
}

// begin sends the next window of every client. No client may be busy.
func (l *loop) begin() error {
	l.busy = len(l.clients)
	for i := range l.clients {
		if err := l.next(&l.clients[i], time.Since(l.epoch)); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return nil
}

// run handles events for the duration d.
func (l *loop) run(d time.Duration) error {
	end := time.Since(l.epoch) + d
	for {
		left := end - time.Since(l.epoch)
		if left <= 0 {
			return nil
		}
		err := l.step(min(left, l.silence))
		if err == errSilence && left <= l.silence {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// drain begins no further window and waits for all replies.
func (l *loop) drain() error {
	l.draining = true
	return l.finish()
}

// finish waits until no client waits for replies.
func (l *loop) finish() error {
	for l.busy > 0 {
		if err := l.step(l.silence); err != nil {
			return err
		}
	}
	return nil
}

// end ends the client's side of all connections and waits for the end of the server's
// side. It returns an error if more data comes, or if a connection has ended before. It
// must be called after drain.
func (l *loop) end() error {
	if err := l.step(0); err != nil && err != errSilence {
		return err
	}
	l.ending = true
	for i, c := range l.clients {
		if err := unix.Shutdown(c.fd, unix.SHUT_WR); err != nil {
			return fmt.Errorf("connection %d: shutdown: %w", i, err)
		}
	}
	for l.open > 0 {
		if err := l.step(l.silence); err != nil {
			return err
		}
	}
	return nil
}

// errSilence is the error of a step in which nothing has happened.
var errSilence = errors.New("the server has gone silent")

// step handles the events that have come. If there are none, it waits for some.
func (l *loop) step(timeout time.Duration) error {
	n, err := epollWait(l.epoll, l.events, timeout)
	switch {
	case err == unix.EINTR:
		return nil
	case err != nil:
		return fmt.Errorf("epoll_wait: %w", err)
	case n == 0:
		return errSilence
	}
	for _, e := range l.events[:n] {
		if err := l.handle(&l.clients[e.Fd], e.Events); err != nil {
			return fmt.Errorf("connection %d: %w", e.Fd, err)
		}
	}
	return nil
}

// handle handles the events of c.
func (l *loop) handle(c *client, events uint32) error {
	if len(c.unsent) > 0 {
		if err := c.write(); err != nil {
			return err
		}
	}
	ended := events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	return l.read(c, ended)
}

// read reads and checks what has come. If a read does not fill the buffer, there is
// nothing more, and later data causes a new event. If the end has come already, it causes
// no further event, so read goes on to the end.
func (l *loop) read(c *client, ended bool) error {
	for {
		n, err := read(c.fd, l.input)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return fmt.Errorf("read: %w", err)
		case n == 0:
			return l.close(c)
		}
		if err := l.check(c, l.input[:n]); err != nil {
			return err
		}
		if n < len(l.input) && !ended {
			return nil
		}
	}
}

// check compares input with the expected replies. If the window is complete, it sends the
// next one.
func (l *loop) check(c *client, input []byte) error {
	now := time.Since(l.epoch)
	if len(input) > len(c.awaited) || !bytes.Equal(input, c.awaited[:len(input)]) {
		return difference(input, c.awaited)
	}
	before := l.replies(c)
	c.awaited = c.awaited[len(input):]
	if n := before - l.replies(c); n > 0 {
		l.latencies.add(int64(now-c.sent), int64(n))
	}
	if len(c.awaited) > 0 {
		return nil
	}
	if len(c.unsent) > 0 {
		return errors.New("replies came to requests that were not sent yet")
	}
	return l.next(c, now)
}

// replies returns how many replies of the window are not complete.
func (l *loop) replies(c *client) int {
	return (len(c.awaited) + l.script.replySize - 1) / l.script.replySize
}

// next sends the next window of c.
func (l *loop) next(c *client, now time.Duration) error {
	if l.draining || l.left == 0 {
		l.busy--
		return nil
	}
	l.left--
	c.unsent, c.awaited = l.script.window(c.start)
	c.sent = now
	c.start++
	if c.start == l.script.starts {
		c.start = 0
	}
	return c.write()
}

// write sends as much as the kernel accepts. When there is room for more, an event comes.
func (c *client) write() error {
	for len(c.unsent) > 0 {
		n, err := write(c.fd, c.unsent)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return fmt.Errorf("write: %w", err)
		}
		c.unsent = c.unsent[n:]
	}
	return nil
}

// close closes a client whose server has ended its side.
func (l *loop) close(c *client) error {
	if !l.ending {
		return fmt.Errorf("the server has ended the connection; %d bytes of replies are missing", len(c.awaited))
	}
	l.open--
	return unix.Close(c.fd)
}

// difference returns an error that shows where got differs from the beginning of want.
func difference(got, want []byte) error {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	const most = 40
	return fmt.Errorf("a reply differs: got %.*q, want %.*q", most, got[i:], most, want[i:])
}
