// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A client is the connection of one to a server. It ends when the context does with
// which it was made, at the latest.
type client struct {
	*net.TCPConn
	stopWatching func() bool
}

func dial(ctx context.Context, addr string) (*client, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{c.(*net.TCPConn), context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })}, nil
}

func (c *client) Close() error {
	c.stopWatching()
	return c.TCPConn.Close()
}

// request sends requests.
func (c *client) request(requests string) error {
	_, err := io.WriteString(c, requests)
	return err
}

// wait waits until one of the events of poll(2) has come or the time is over. It
// reads nothing. A reset is always one of the events.
func (c *client) wait(events int16, timeout time.Duration) (came int16, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
		for end := time.Now().Add(timeout); ; {
			_, err = unix.Poll(fds, int(max(time.Until(end), 0)/time.Millisecond))
			if err != unix.EINTR {
				break
			}
		}
		came = fds[0].Revents
	})
	return came, errors.Join(controlErr, os.NewSyscallError("poll", err))
}

// patience is how long a peer that is slow does not read.
const patience = time.Second

// readSlowly begins to read after a while, or when the connection was reset, and
// returns how much has come until its end, and whether that was a reset.
func (c *client) readSlowly() (n int64, reset bool, err error) {
	if _, err := c.wait(0, patience); err != nil {
		return 0, false, err
	}
	n, err = io.Copy(io.Discard, c)
	if errors.Is(err, syscall.ECONNRESET) {
		return n, true, nil
	}
	return n, false, err
}

// arrival reads slowly and says what has arrived of so many bytes.
func (c *client) arrival(want int64) (outcome, error) {
	n, reset, err := c.readSlowly()
	return arrived(n, want, reset), err
}

func arrived(n, want int64, reset bool) outcome {
	switch {
	case n == want && !reset:
		return outcome{words: "arrives"}
	case reset:
		return outcome{"reset after %s", float64(n), decimal}
	}
	return outcome{"%s arrive", float64(n), decimal}
}
