// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goframer/framer/bench/internal/proc"
)

// A situation is what a server is put into.
type situation struct {
	name    string
	measure func(context.Context, *process) (outcome, error)
}

func allSituations() []situation {
	return []situation{
		{"Memory at the start", atStart},
		{"128 MiB without an end of line: peak memory", endlessLine},
		{"A peer that asks for 256 MiB and never reads: peak memory", neverReads},
		{"16 MB reply, then close", closeAfterReply},
		{"4 MB reply, then close, with input unread", closeWithInputUnread},
		{"Peer half-closes, 16 MB reply is on its way", halfClose},
		{"Shutdown while a request is worked on", shutdown},
		{"Memory of an idle connection", idleMemory},
		{"Goroutines of an idle connection", idleGoroutines},
		{"Other modules that are linked", linkedModules},
	}
}

func atStart(_ context.Context, p *process) (outcome, error) {
	n, err := proc.Resident(p.pid())
	return outcome{"%s", float64(n), mebibytes}, err
}

// endlessLine sends no end of line. A server that does not mind is at its peak when it
// has read all, and then it sees the end of the input and closes the connection.
func endlessLine(ctx context.Context, p *process) (outcome, error) {
	c, err := dial(ctx, p.addr)
	if err != nil {
		return outcome{}, err
	}
	defer c.Close()
	chunk := []byte(strings.Repeat("a", 1<<20))
	for range 128 {
		if _, err = c.Write(chunk); err != nil {
			break // the server has closed the connection, or the time is over
		}
	}
	if ctx.Err() != nil {
		return outcome{}, err
	}
	ended, waitErr := c.wait(unix.POLLRDHUP, 0)
	refused := err != nil || ended != 0
	if waitErr != nil {
		return outcome{}, waitErr
	}
	if !refused {
		if err := c.CloseWrite(); err != nil {
			return outcome{}, err
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			return outcome{}, fmt.Errorf("waiting for the server to have read all: %w", err)
		}
	}
	n, err := proc.Peak(p.pid())
	if refused {
		return outcome{"%s, refused", float64(n), mebibytes}, err
	}
	return outcome{"%s", float64(n), mebibytes}, err
}

// standstill is how long a server that does not get to the last request of those to
// which it can't reply is left alone.
const standstill = 5 * time.Second

// neverReads asks and does not read. A server that keeps all replies in memory is at its
// peak when it has got to the last request, and says so; the others come to a standstill.
func neverReads(ctx context.Context, p *process) (outcome, error) {
	const requests, size = 4096, 64 << 10
	c, err := dial(ctx, p.addr)
	if err != nil {
		return outcome{}, err
	}
	defer c.Close()
	if err := c.request(strings.Repeat(fmt.Sprintf("reply %d\r\n", size), requests) + "mark\r\n"); err != nil {
		return outcome{}, err
	}
	said, err := p.line(standstill)
	stands := errors.Is(err, os.ErrDeadlineExceeded)
	if !stands && (err != nil || said != "marked") {
		return outcome{}, fmt.Errorf("the server says %q: %w", said, err)
	}
	n, err := proc.Peak(p.pid())
	if stands {
		return outcome{"%s", float64(n), mebibytes}, err
	}
	return outcome{"%s, takes all", float64(n), mebibytes}, err
}

func closeAfterReply(ctx context.Context, p *process) (outcome, error) {
	const size = 16e6
	return askAndRead(ctx, p, fmt.Sprintf("close %d\r\n", int64(size)), size)
}

// closeWithInputUnread sends 280 kB more after the last request.
func closeWithInputUnread(ctx context.Context, p *process) (outcome, error) {
	const size = 4e6
	more := strings.Repeat("more input that is not read\r\n", 10_000)
	return askAndRead(ctx, p, fmt.Sprintf("close %d\r\n", int64(size))+more, size)
}

// askAndRead sends requests and says what arrives of the reply of so many bytes.
func askAndRead(ctx context.Context, p *process, requests string, size int64) (outcome, error) {
	c, err := dial(ctx, p.addr)
	if err != nil {
		return outcome{}, err
	}
	defer c.Close()
	if err := c.request(requests); err != nil {
		return outcome{}, err
	}
	return c.arrival(size)
}

// halfClose ends its side when the first bytes of the reply have come.
func halfClose(ctx context.Context, p *process) (outcome, error) {
	const size = 16e6
	c, err := dial(ctx, p.addr)
	if err != nil {
		return outcome{}, err
	}
	defer c.Close()
	if err := c.request(fmt.Sprintf("reply %d\r\n", int64(size))); err != nil {
		return outcome{}, err
	}
	if came, err := c.wait(unix.POLLIN, limit); came != unix.POLLIN {
		return outcome{}, fmt.Errorf("waiting for the reply: event %#x, %w", came, err)
	}
	if err := c.CloseWrite(); err != nil {
		return outcome{}, err
	}
	return c.arrival(size)
}

// shutdown has the server shut down when it says that it works on the request.
func shutdown(ctx context.Context, p *process) (outcome, error) {
	c, err := dial(ctx, p.addr)
	if err != nil {
		return outcome{}, err
	}
	defer c.Close()
	if err := c.request("work\r\n"); err != nil {
		return outcome{}, err
	}
	if said, err := p.line(limit); said != "working" {
		return outcome{}, fmt.Errorf("the server says %q: %w", said, err)
	}
	if _, err := io.WriteString(p.stdin, "shutdown\n"); err != nil {
		return outcome{}, err
	}
	reply, err := io.ReadAll(c)
	if string(reply) == "done\r\n" {
		return outcome{words: "answered"}, nil
	}
	if ctx.Err() != nil {
		return outcome{}, err
	}
	return outcome{words: "lost"}, nil
}

const (
	idleConns = 1000

	// settle is how long they are silent before the server is looked at.
	settle = 500 * time.Millisecond
)

func idleMemory(ctx context.Context, p *process) (outcome, error) {
	before, after, err := idle(ctx, p, p.resident)
	return outcome{"%s", float64(after-before) / idleConns, kibibytes}, err
}

func idleGoroutines(ctx context.Context, p *process) (outcome, error) {
	before, after, err := idle(ctx, p, func() (int64, error) {
		said, err := p.ask("goroutines")
		if err != nil {
			return 0, err
		}
		return strconv.ParseInt(said, 10, 64)
	})
	// Those that are not of the connections may come and go.
	return outcome{"%s", float64((after - before + idleConns/2) / idleConns), plain}, err
}

// idle looks at the server before and after it has connections that had one request
// answered each.
func idle(ctx context.Context, p *process, look func() (int64, error)) (before, after int64, err error) {
	if before, err = look(); err != nil {
		return 0, 0, err
	}
	for range idleConns {
		c, err := dial(ctx, p.addr)
		if err != nil {
			return 0, 0, err
		}
		defer c.Close()
		if err := c.request("hello\r\n"); err != nil {
			return 0, 0, err
		}
		if reply, err := bufio.NewReader(c).ReadString('\n'); reply != "hello\r\n" {
			return 0, 0, fmt.Errorf("reply %q: %w", reply, err)
		}
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	after, err = look()
	return before, after, err
}

func linkedModules(_ context.Context, p *process) (outcome, error) {
	n, err := p.modules()
	return outcome{"%s", float64(n), plain}, err
}
