// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// allocMessages is how many messages a run has for which allocations are counted.
// One of them would be less than a hundredth for each message.
const allocMessages = 1000

// wantNoAllocations calls f, which handles allocMessages messages, again and
// again, and fails the test if that allocates. Under the race detector a sync.Pool
// forgets a quarter of what it is given; what remains to be seen then is whether
// every message allocates, or every other one.
func wantNoAllocations(t *testing.T, f func() error) {
	t.Helper()
	limit := 0.0
	if framer.UnderRace {
		limit = allocMessages / 2
	}
	var err error
	n := testing.AllocsPerRun(3, func() {
		if err == nil {
			err = f()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n > limit {
		t.Errorf("%v allocations for %d messages, want at most %v", n, allocMessages, limit)
	}
}

// framingCases are messages that are cut by the ends of reads, at ever other
// places.
func framingCases() []linearCase {
	lengthPrefixed := func(n int) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(n))) + strings.Repeat("x", n)
	}
	split := framer.Split(bufio.ScanLines)
	var cases []linearCase
	for _, n := range []int{16, 1000, 6000} {
		text := strings.Repeat("x", n)
		for _, c := range []linearCase{
			{name: "LF", terminator: framer.Delimiter("\n"), input: text + "\n"},
			{name: "CRLF", terminator: framer.Delimiter("\r\n"), input: text + "\r\n"},
			{name: "text of SMTP", terminator: framer.Delimiter("\r\n.\r\n"), input: strings.Repeat("x\r\n", n/3) + "\r\n.\r\n"},
			{name: "overlapping", terminator: framer.Delimiter("abab"), input: strings.Repeat("aba", n/3) + "xabab"},
			{name: "AnyDelimiter", terminator: framer.AnyDelimiter("\r\n", "\n"), input: text + "\n" + text + "\r\n"},
			{name: "FixedLength", terminator: framer.FixedLength(int64(n)), input: text},
			{name: "LengthPrefix", terminator: framer.LengthPrefix(framer.Prefix{Size: 4}), input: lengthPrefixed(n)},
			{name: "Split", terminator: split, input: text + "\n"},
		} {
			c.name = fmt.Sprintf("%s/size=%d", c.name, n)
			cases = append(cases, c)
		}
	}
	return cases
}

// testFramingAllocations runs test for a Framer on each of the framingCases, with a
// buffer that may grow, and with one that may not.
func testFramingAllocations(t *testing.T, test func(*testing.T, *framer.Framer, framer.Terminator)) {
	for _, c := range framingCases() {
		for _, size := range []int{0, 4096} {
			t.Run(fmt.Sprintf("%s/buffer=%d", c.name, size), func(t *testing.T) {
				cfg := &framer.Config{ReadBufferSize: size}
				test(t, framer.NewFramer(newFeed(c.input), cfg), c.terminator)
			})
		}
	}
}

func TestNoAllocationsInRun(t *testing.T) {
	testFramingAllocations(t, func(t *testing.T, f *framer.Framer, term framer.Terminator) {
		if err := f.SetTerminator(term); err != nil {
			t.Fatal(err)
		}
		h := new(tally)
		wantNoAllocations(t, func() error {
			h.left = allocMessages
			if err := f.Run(h); err != errEnough {
				return fmt.Errorf("Run returned %v", err)
			}
			return nil
		})
	})
}

func TestNoAllocationsInNext(t *testing.T) {
	testFramingAllocations(t, func(t *testing.T, f *framer.Framer, term framer.Terminator) {
		wantNoAllocations(t, func() error {
			for range allocMessages {
				if _, err := f.Next(term); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func TestNoAllocationsInAll(t *testing.T) {
	testFramingAllocations(t, func(t *testing.T, f *framer.Framer, term framer.Terminator) {
		wantNoAllocations(t, func() error {
			left := allocMessages
			for _, err := range f.All(term) {
				if left--; left == 0 || err != nil {
					return err
				}
			}
			return errors.New("the input has ended")
		})
	})
}

// TestNoAllocationsForLinesAndLengths has a terminator that changes with every
// message.
func TestNoAllocationsForLinesAndLengths(t *testing.T) {
	input := "SET 100\r\n" + strings.Repeat("x", 100)
	crlf := framer.Delimiter("\r\n")
	t.Run("Run", func(t *testing.T) {
		f := framer.NewFramer(newFeed(input), nil)
		h := &setHandler{f: f, line: crlf}
		if err := f.SetTerminator(crlf); err != nil {
			t.Fatal(err)
		}
		wantNoAllocations(t, func() error {
			h.left = allocMessages
			if err := f.Run(h); err != errEnough {
				return fmt.Errorf("Run returned %v", err)
			}
			return nil
		})
	})
	t.Run("Next", func(t *testing.T) {
		f := framer.NewFramer(newFeed(input), nil)
		wantNoAllocations(t, func() error {
			for range allocMessages {
				line, err := f.Next(crlf)
				if err != nil {
					return err
				}
				if _, err := f.Next(framer.Length(addDigits(0, line))); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// A lockstepConn is a connection whose peer sends so many copies of a line as the
// test says and counts what comes back. It allocates nothing.
type lockstepConn struct {
	line string

	mu       sync.Mutex
	changed  sync.Cond
	pos      int  // in the line, of what is read next
	unread   int  // bytes
	waiting  bool // for something to read
	received int  // bytes
	closed   bool
}

func newLockstepConn(line string) *lockstepConn {
	c := &lockstepConn{line: line}
	c.changed.L = &c.mu
	return c
}

// exchange lets the peer send its line n times, and waits until all of it was read
// and answered, with so many bytes for each, and more is asked for.
func (c *lockstepConn) exchange(n, answer int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unread = n * len(c.line)
	c.received = 0
	c.waiting = false
	c.changed.Broadcast()
	for !c.closed && (c.unread > 0 || !c.waiting || c.received < n*answer) {
		c.changed.Wait()
	}
	if c.closed {
		return net.ErrClosed
	}
	return nil
}

func (c *lockstepConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.unread == 0 && !c.closed {
		c.waiting = true
		c.changed.Broadcast()
		c.changed.Wait()
	}
	if c.closed {
		return 0, net.ErrClosed
	}
	n := 0
	for n < len(p) && c.unread > 0 {
		copied := copy(p[n:min(len(p), n+c.unread)], c.line[c.pos:])
		n += copied
		c.unread -= copied
		c.pos = (c.pos + copied) % len(c.line)
	}
	return n, nil
}

func (c *lockstepConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received += len(p)
	c.changed.Broadcast()
	return len(p), nil
}

func (c *lockstepConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changed.Broadcast()
	return nil
}

func (c *lockstepConn) LocalAddr() net.Addr              { return &net.UnixAddr{Name: "local"} }
func (c *lockstepConn) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "remote"} }
func (c *lockstepConn) SetDeadline(time.Time) error      { return nil }
func (c *lockstepConn) SetReadDeadline(time.Time) error  { return nil }
func (c *lockstepConn) SetWriteDeadline(time.Time) error { return nil }

// A pushingHandler answers every message with a line, or with nothing.
type pushingHandler struct {
	c      *framer.Conn
	answer []byte
}

func (h pushingHandler) CollectIncomingData([]byte) error { return nil }
func (h pushingHandler) FoundTerminator() error           { return h.c.Push(h.answer) }

// connStyles are the ways to answer every line with answer.
func connStyles(answer []byte) map[string]func(*framer.Conn) framer.Handler {
	crlf := framer.Delimiter("\r\n")
	return map[string]func(*framer.Conn) framer.Handler{
		"Handler": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(crlf)
			return pushingHandler{c, answer}
		},
		"Messages": framer.Messages(crlf, func(c *framer.Conn, msg []byte) error { return c.Push(answer) }),
		"Session": framer.Session(func(c *framer.Conn) error {
			for {
				if _, err := c.Next(crlf); err != nil {
					return err
				}
				if err := c.Push(answer); err != nil {
					return err
				}
			}
		}),
	}
}

// testConnAllocations counts the allocations of all goroutines while a connection
// handles lines, many in a row or one by one.
func testConnAllocations(t *testing.T, answer []byte) {
	for style, newHandler := range connStyles(answer) {
		for _, depth := range []int{1, 16, allocMessages} {
			t.Run(fmt.Sprintf("%s/depth=%d", style, depth), func(t *testing.T) {
				nc := newLockstepConn(strings.Repeat("x", 62) + "\r\n")
				c := framer.NewConn(nc, newHandler, nil)
				served := make(chan error)
				go func() { served <- c.Serve(context.Background()) }()
				wantNoAllocations(t, func() error {
					for done := 0; done < allocMessages; done += depth {
						if err := nc.exchange(depth, len(answer)); err != nil {
							return err
						}
					}
					return nil
				})
				c.Close()
				<-served
			})
		}
	}
}

func TestNoAllocationsInConn(t *testing.T) { testConnAllocations(t, nil) }

func TestNoAllocationsInAnsweringConn(t *testing.T) { testConnAllocations(t, []byte("answer\r\n")) }
