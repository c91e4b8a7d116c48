// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// allocMessages is how many messages a run handles. So a single allocation in a run is
// less than a hundredth of one for each message.
const allocMessages = 1000

// wantNoAllocations calls f several times. f handles allocMessages messages. The test
// fails if f allocates. Under the race detector a sync.Pool drops a quarter of what it is
// given. Then the test only finds out whether every message allocates, or every second
// one.
func wantNoAllocations(t *testing.T, f func() error) {
	t.Helper()
	limit := 0.0
	if underRace {
		limit = allocMessages / 2
	}
	var err error
	again := func() {
		if err == nil {
			err = f()
		}
	}
	again() // fills the pools with memory of all sizes that are needed
	again()
	n := testing.AllocsPerRun(3, again)
	if err != nil {
		t.Fatal(err)
	}
	if n > limit {
		t.Errorf("%v allocations for %d messages, want at most %v", n, allocMessages, limit)
	}
}

// A framingCase is an input and the terminator of its messages.
type framingCase struct {
	name       string
	terminator framer.Terminator
	input      string
}

// framingCases returns inputs whose messages are cut by the ends of reads, at a different
// place each time.
func framingCases() []framingCase {
	lengthPrefixed := func(n int) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(n))) + strings.Repeat("x", n)
	}
	split := framer.Split(bufio.ScanLines)
	var cases []framingCase
	for _, n := range []int{16, 1000, 6000} {
		text := strings.Repeat("x", n)
		for _, c := range []framingCase{
			{name: "LF", terminator: framer.Delimiter("\n"), input: text + "\n"},
			{name: "CRLF", terminator: framer.Delimiter("\r\n"), input: text + "\r\n"},
			{name: "text of SMTP", terminator: framer.Delimiter("\r\n.\r\n"), input: strings.Repeat("x\r\n", n/3) + "\r\n.\r\n"},
			{name: "overlapping", terminator: framer.Delimiter("abab"), input: strings.Repeat("aba", n/3) + "xabab"},
			{name: "AnyDelimiter", terminator: framer.AnyDelimiter("\r\n", "\n"), input: text + "\n" + text + "\r\n"},
			{name: "FixedLength", terminator: framer.FixedLength(int64(n)), input: text},
			{name: "LengthPrefix", terminator: framer.LengthPrefix(framer.Prefix{Size: 4}), input: lengthPrefixed(n)},
			{name: "Split", terminator: split, input: text + "\n"},
			{name: "DotBlock", terminator: framer.DotBlock(), input: text + "\r\n..\r\n" + text + "\r\n.\r\n"},
		} {
			c.name = fmt.Sprintf("%s/size=%d", c.name, n)
			cases = append(cases, c)
		}
	}
	return cases
}

// testFramingAllocations runs test for a Framer on each of the framingCases, with a
// buffer that may grow and with one that may not. Everything runs on one goroutine, so
// the race detector has nothing to find.
func testFramingAllocations(t *testing.T, test func(*testing.T, *framer.Framer, framer.Terminator)) {
	if underRace {
		t.Skip("with the race detector it takes ten times as long, for nothing")
	}
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

// TestNoAllocationsForLinesAndLengths has a terminator that changes with every message.
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

// A lockstepConn is a connection whose peer sends copies of a line, as many as the test
// says, and counts the bytes that come back. It allocates nothing.
type lockstepConn struct {
	line string

	mu       sync.Mutex
	changed  sync.Cond
	pos      int  // the place in the line at which the next Read begins
	unread   int  // the number of bytes not read yet
	waiting  bool // a Read waits for data
	received int  // the number of bytes
	closed   bool
}

func newLockstepConn(line string) *lockstepConn {
	c := &lockstepConn{line: line}
	c.changed.L = &c.mu
	return c
}

// exchange makes the peer send its line n times. It waits until all lines were read and
// answered, with answer bytes for each, and the connection reads again.
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

// connStyles returns handlers of every style that answer every line with answer.
func connStyles(answer []byte) map[string]func(*framer.Conn) framer.Handler {
	crlf := framer.Delimiter("\r\n")
	return map[string]func(*framer.Conn) framer.Handler{
		"Handler": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(crlf)
			return pushingHandler{c, answer}
		},
		"Messages": framer.Messages(crlf, func(c *framer.Conn, msg []byte) error { return c.Push(answer) }),
		"Replies": framer.Replies(crlf, func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
			return append(reply, answer...), nil
		}),
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

// testConnAllocations counts the allocations of all goroutines while a connection handles
// lines, many at once or one by one.
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

// A reply that does not fit into the memory that the function is given, after the other
// replies, has to be moved.
func TestNoAllocationsForLargeReplies(t *testing.T) {
	const depth = 4
	answer := make([]byte, 16<<10)
	nc := newLockstepConn("line\r\n")
	c := framer.NewConn(nc, connStyles(answer)["Replies"], nil)
	served := make(chan error)
	go func() { served <- c.Serve(context.Background()) }()
	wantNoAllocations(t, func() error {
		for range allocMessages / depth {
			if err := nc.exchange(depth, len(answer)); err != nil {
				return err
			}
		}
		return nil
	})
	c.Close()
	<-served
}

// A largeCase is a way to receive a large message.
type largeCase struct {
	name       string
	terminator func(size int) framer.Terminator
	before     func(size int) string // returns what comes before the message: its header
	after      string                // what comes after the message: its delimiter
	buffered   bool                  // the whole message must be in the buffer at once
}

func largeCases() []largeCase {
	none := func(int) string { return "" }
	length := func(size int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(size))) }
	always := func(t framer.Terminator) func(int) framer.Terminator {
		return func(int) framer.Terminator { return t }
	}
	return []largeCase{
		{"Length", func(size int) framer.Terminator { return framer.Length(int64(size)) }, none, "", false},
		{"FixedLength", func(size int) framer.Terminator { return framer.FixedLength(int64(size)) }, none, "", false},
		{"LengthPrefix", always(framer.LengthPrefix(framer.Prefix{Size: 4})), length, "", false},
		{"Delimiter", always(framer.Delimiter("\r\n")), none, "\r\n", false},
		{"AnyDelimiter", always(framer.AnyDelimiter("\r\n", "\n")), none, "\r\n", false},
		{"Split", always(framer.Split(bufio.ScanLines)), none, "\r\n", true},
	}
}

// largeStyles are the ways to get a message in one piece. Each returns its length.
var largeStyles = map[string]func(*framer.Framer, framer.Terminator) (int, error){
	"Next": func(f *framer.Framer, t framer.Terminator) (int, error) {
		msg, err := f.Next(t)
		return len(msg), err
	},
	"All": func(f *framer.Framer, t framer.Terminator) (int, error) {
		for msg, err := range f.All(t) {
			return len(msg), err
		}
		return 0, errors.New("no message")
	},
	"Collector": func(f *framer.Framer, t framer.Terminator) (int, error) {
		h := new(takingHandler)
		if err := f.SetTerminator(t); err != nil {
			return 0, err
		}
		if err := f.Run(h); err != errEnough {
			return 0, fmt.Errorf("Run returned %v", err)
		}
		return len(h.taken), nil
	},
}

// A takingHandler takes one message.
type takingHandler struct {
	framer.Collector
	taken []byte
}

func (h *takingHandler) FoundTerminator() error {
	h.taken = h.Take()
	return errEnough
}

// samples is how often a largeReader calls sample.
const samples = 8

// A largeReader returns a message of x's, in reads of at most step bytes. It calls
// sample, if that is set, at intervals.
type largeReader struct {
	before, after string
	middle, step  int
	sample        func()
	every, until  int
}

func (r *largeReader) Read(p []byte) (n int, err error) {
	p = p[:min(len(p), r.step)]
	switch {
	case r.before != "":
		n = copy(p, r.before)
		r.before = r.before[n:]
	case r.middle > 0:
		n = min(len(p), r.middle)
		for i := copy(p[:n], "xxxxxxxx"); i < n; i *= 2 {
			copy(p[i:n], p[:i])
		}
		r.middle -= n
		if r.until -= n; r.until < 0 && r.sample != nil {
			r.until = r.every
			r.sample()
		}
	case r.after != "":
		n = copy(p, r.after)
		r.after = r.after[n:]
	default:
		err = io.EOF
	}
	return n, err
}

// run reads one message of size bytes. It returns how many bytes were allocated. If
// wantPeak is true, it also returns the greatest number of bytes that were in use at
// once.
func (c largeCase) run(t *testing.T, style string, size, step int, wantPeak bool) (allocated, peak int64) {
	t.Helper()
	in := &largeReader{before: c.before(size), after: c.after, middle: size, step: step, every: size / samples}
	f := framer.NewFramer(in, &framer.Config{MaxMessageSize: -1})
	var stats runtime.MemStats
	if wantPeak {
		runtime.GC()
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	first, start := int64(stats.HeapAlloc), int64(stats.TotalAlloc)
	// The bytes in use now, plus those that are allocated until the next look, are an
	// upper bound of the bytes in use at any time between.
	live, seen := first, start
	look := func() {
		runtime.ReadMemStats(&stats)
		peak = max(peak, live+int64(stats.TotalAlloc)-seen-first)
	}
	if wantPeak {
		in.sample = func() {
			look()
			runtime.GC()
			runtime.GC() // the second run empties the pools
			runtime.ReadMemStats(&stats)
			live, seen = int64(stats.HeapAlloc), int64(stats.TotalAlloc)
		}
	}
	n, err := largeStyles[style](f, c.terminator(size))
	look()
	if n != size || err != nil {
		t.Errorf("%s, %s: %d bytes and %v, want %d", c.name, style, n, err, size)
	}
	return int64(stats.TotalAlloc) - start, peak
}

// Every byte of a large message is copied about once, whatever the sizes of the reads
// are.
func TestLargeMessagesAreLinear(t *testing.T) {
	const mega = 1 << 20
	for _, c := range largeCases() {
		for style := range largeStyles {
			for _, size := range []int{mega, mega + 1, 3 * mega, 8 * mega} {
				for _, step := range []int{1, 1460, 64 << 10} {
					limit := 2*int64(size) + int64(size)/8 + 2*mega + 300<<10
					switch {
					case underRace && (size > 3*mega || step == 1):
						continue
					case style == "All" && size != mega+1: // All calls Next, so one size is enough
						continue
					case c.buffered && (step == 1 || size > 3*mega): // the split function starts from the beginning after every read
						continue
					case c.buffered:
						limit = 7*int64(size) + 2*mega
					case step == 1 && size != mega+1:
						continue
					}
					if allocated, _ := c.run(t, style, size, step, false); allocated > limit {
						t.Errorf("%s, %s, %d bytes in reads of %d: %d bytes were allocated, want at most %d",
							c.name, style, size, step, allocated, limit)
					}
				}
			}
		}
	}
	if underRace || math.MaxInt == math.MaxInt32 {
		return
	}
	const size = 32 * mega
	prefix, delimiter := largeCases()[2], largeCases()[3]
	if allocated, _ := prefix.run(t, "Next", size, 64<<10, false); allocated > 2*size {
		t.Errorf("Next, %d bytes: %d were allocated", size, allocated)
	}
	if allocated, _ := delimiter.run(t, "Collector", size, 64<<10, false); allocated > size*22/10 {
		t.Errorf("Collector, %d bytes: %d were allocated", size, allocated)
	}
}

// A large message takes at most 2.2 times its size in memory, and the buffers. This
// includes all copying.
func TestLargeMessagesTakeTwiceTheMemory(t *testing.T) {
	const mega = 1 << 20
	for _, c := range largeCases() {
		for style := range largeStyles {
			for _, size := range []int{mega + 1, 5 * mega} {
				if (style == "All") != (size == mega+1) { // All calls Next, so one size is enough
					continue
				}
				step := 64 << 10
				limit := int64(size)*22/10 + 200<<10
				if c.buffered && style == "Collector" {
					limit += int64(size) // the Collector has a copy of it
				}
				if _, peak := c.run(t, style, size, step, true); peak > limit {
					t.Errorf("%s, %s, %d bytes: %d bytes were in use, want at most %d", c.name, style, size, peak, limit)
				}
			}
		}
	}
}

// Errors of the reader in the middle of a large message do not make the message
// expensive. Nor does a call that looks at what a Collector has.
func TestLargeMessagesLookedAt(t *testing.T) {
	const size = 4 << 20
	limit := uint64(12 * size)
	var before, after runtime.MemStats
	r := &errorReader{r: &largeReader{middle: size, step: 1460}, err: errHiccup}
	f := framer.NewFramer(r, &framer.Config{MaxMessageSize: -1})
	runtime.ReadMemStats(&before)
	for {
		msg, err := f.Next(framer.FixedLength(size))
		if err != errHiccup {
			if len(msg) != size || err != nil {
				t.Errorf("%d bytes and %v, want %d", len(msg), err, size)
			}
			break
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > limit {
		t.Errorf("Next: %d bytes were allocated, want at most %d", n, limit)
	}

	var c framer.Collector
	piece := make([]byte, 1460)
	runtime.ReadMemStats(&before)
	for c.Len() < size {
		c.CollectIncomingData(piece)
		if len(c.Bytes()) != c.Len() {
			t.Fatal("Bytes and Len differ")
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > limit {
		t.Errorf("Collector: %d bytes were allocated, want at most %d", n, limit)
	}
}

// A small message takes little memory in a Collector.
func TestCollectorOfSmallMessages(t *testing.T) {
	var c framer.Collector
	c.CollectIncomingData([]byte("0123456789"))
	if taken := c.Take(); cap(taken) > 16 {
		t.Errorf("10 bytes were taken in memory of %d", cap(taken))
	}
	if n := testing.AllocsPerRun(100, func() {
		c.CollectIncomingData([]byte("0123456789"))
		c.Take()
	}); n > 1 {
		t.Errorf("%v allocations for a message", n)
	}
}
