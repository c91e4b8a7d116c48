// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if leaked := leakedGoroutine(); code == 0 && leaked != "" {
		fmt.Fprintf(os.Stderr, "a goroutine has leaked:\n\n%s\n", leaked)
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutine returns the stack of a goroutine of this module, or "". It gives
// goroutines that are about to end the time to do so.
func leakedGoroutine() (stack string) {
	buf := make([]byte, 1<<20)
	for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")[1:]
		i := slices.IndexFunc(stacks, func(s string) bool { return strings.Contains(s, "github.com/goframer/framer") })
		switch {
		case i < 0:
			return ""
		case time.Now().After(end):
			return stacks[i]
		}
	}
}

// A fake is a server in memory that answers every line with the same line. The first word
// of a line may ask for something else.
type fake struct {
	*framertest.Listener
	server framer.Server
	dials  atomic.Int64

	mu   sync.Mutex
	seen map[string]int // how often each line has come
	peer *framertest.Conn
}

// newFake starts a fake and a Client of it. It stops the fake when the test ends.
func newFake(t *testing.T) (*fake, *Client) {
	f := &fake{Listener: framertest.Listen(), seen: map[string]int{}}
	f.server.Config.Logger = slog.New(slog.DiscardHandler)
	f.server.NewHandler = framer.Session(func(conn *framer.Conn) error {
		for {
			line, err := conn.Next(framer.Delimiter(lineEnd))
			if err != nil {
				return err
			}
			f.mu.Lock()
			f.seen[string(line)]++
			f.mu.Unlock()
			switch word, _, _ := strings.Cut(string(line), " "); word {
			case "die":
				time.Sleep(time.Millisecond) // so that earlier replies arrive
				return conn.Close()
			case "leave":
				return nil
			case "mute":
				<-conn.Context().Done()
			case "slow":
				time.Sleep(9 * time.Second)
			case "doze":
				time.Sleep(time.Duration(1+rand.IntN(100)) * time.Millisecond)
			case "huge":
				line = bytes.Repeat([]byte("x"), 2<<20)
			case "twice":
				conn.Push(append(line, lineEnd...))
			}
			conn.Push(append(line, lineEnd...))
		}
	})
	var serving sync.WaitGroup
	serving.Go(func() { f.server.Serve(f.Listener) })
	c := NewClient("")
	c.Dial = func(context.Context) (net.Conn, error) {
		f.dials.Add(1)
		nc, err := f.Listener.Dial()
		if err != nil {
			return nil, err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.peer = nc
		return nc, nil
	}
	t.Cleanup(func() {
		c.Close()
		f.server.Close()
		serving.Wait()
	})
	return f, c
}

// count returns how often line has come.
func (f *fake) count(line string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[line]
}

// bubble calls test with a fake in a synctest bubble. A goroutine that is left over fails
// the test.
func bubble(t *testing.T, test func(t *testing.T, f *fake, c *Client)) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFake(t)
		test(t, f, c)
	})
}

// echoed checks that the answer to request is request.
func echoed(t *testing.T, c *Client, request string) {
	t.Helper()
	if reply, err := c.Do(t.Context(), request); reply != request || err != nil {
		t.Errorf("Do(%q) = %q, %v", request, reply, err)
	}
}

// later calls Do on a new goroutine, and returns when Do waits.
func later(ctx context.Context, c *Client, request string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := c.Do(ctx, request)
		done <- err
	}()
	synctest.Wait()
	return done
}

func TestOrderOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer serve(l)()
	c := NewClient(l.Addr().String())
	defer c.Close()
	var callers sync.WaitGroup
	for i := range 50 {
		callers.Go(func() {
			for j := range 200 {
				echoed(t, c, fmt.Sprintf("%d.%d", i, j))
			}
		})
	}
	callers.Wait()
}

// The server resets every connection in the middle of its replies.
func TestRedialOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns atomic.Int64
	server := framer.Server{
		Config: framer.Config{Logger: slog.New(slog.DiscardHandler)},
		NewHandler: framer.Session(func(conn *framer.Conn) error {
			conns.Add(1)
			for range 100 {
				line, err := conn.Next(framer.Delimiter(lineEnd))
				if err != nil {
					return err
				}
				conn.Push(append(line, lineEnd...))
			}
			conn.NetConn().(*net.TCPConn).SetLinger(0)
			return conn.Close()
		}),
	}
	var serving, callers sync.WaitGroup
	serving.Go(func() { server.Serve(l) })
	c := NewClient(l.Addr().String())
	for i := range 20 {
		callers.Go(func() {
			for replies := 0; replies < 50; {
				request := fmt.Sprintf("%d.%d", i, replies)
				switch reply, err := c.Do(t.Context(), request); {
				case err == nil && reply == request:
					replies++
				case err == nil || errors.Is(err, ErrNotSent):
					t.Errorf("Do(%q) = %q, %v", request, reply, err)
					return
				}
			}
		})
	}
	callers.Wait()
	c.Close()
	server.Close()
	serving.Wait()
	if got := conns.Load(); got < 10 {
		t.Errorf("%d connections for 1000 replies, want 10 at least", got)
	}
}

func TestOrderOfCutInput(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		echoed(t, c, "first")
		for _, n := range []int{1, 2, 3, 7} {
			f.peer.CutReads(n)
			var callers sync.WaitGroup
			for i := range 20 {
				callers.Go(func() {
					for j := range 20 {
						echoed(t, c, fmt.Sprintf("%d.%d", i, j))
					}
				})
			}
			callers.Wait()
		}
	})
}

// Callers give up at random. The server dies or falls silent at random. Who gets a reply
// gets the reply to its own request. No request is executed twice, and none is executed
// after ErrNotSent.
func TestAnything(t *testing.T) {
	for seed := range uint64(20) {
		bubble(t, func(t *testing.T, f *fake, c *Client) { testAnything(t, f, c, seed) })
	}
}

func testAnything(t *testing.T, f *fake, c *Client, seed uint64) {
	const callers, requests = 30, 30
	c.MaxInFlight = 1 + int(seed)%5*8
	var errs [callers][requests]error
	request := func(i, j int) string {
		r := rand.New(rand.NewPCG(seed, uint64(i*requests+j)))
		word := "doze"
		if r.IntN(50) == 0 {
			word = []string{"die", "leave", "huge", "mute"}[r.IntN(4)]
		}
		return fmt.Sprintf("%s %d.%d", word, i, j)
	}
	var calling sync.WaitGroup
	for i := range callers {
		calling.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for j := range requests {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(3000))*time.Millisecond)
				reply, err := c.Do(ctx, request(i, j))
				cancel()
				if err == nil && reply != request(i, j) {
					t.Errorf("seed %d: Do(%q) = %q", seed, request(i, j), reply)
				}
				errs[i][j] = err
			}
		})
	}
	calling.Wait()
	time.Sleep(3 * c.Timeout)
	echoed(t, c, "still there")

	var replies, unsent, others int
	for i := range callers {
		for j, err := range errs[i] {
			least, most := 0, 1 // how many times the request may have been executed
			switch {
			case err == nil:
				replies++
				least = 1
			case errors.Is(err, ErrNotSent):
				unsent++
				most = 0
			default:
				others++
			}
			if times := f.count(request(i, j)); times < least || times > most {
				t.Errorf("seed %d: Do(%q) = %v, executed %d times", seed, request(i, j), err, times)
			}
		}
	}
	if replies == 0 || unsent == 0 || others == 0 || f.dials.Load() < 2 {
		t.Errorf("seed %d: %d replies, %d unsent, %d other errors, %d connections; want some of each",
			seed, replies, unsent, others, f.dials.Load())
	}
}

func TestEndOfContext(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		ctx, cancel := context.WithCancelCause(t.Context())
		given := later(ctx, c, "slow 1")
		waiting := later(t.Context(), c, "2")
		why := errors.New("no longer wanted")
		cancel(why)
		if err := <-given; err != why {
			t.Errorf("Do = %v, want %v", err, why)
		}
		for range 100 {
			if _, err := c.Do(ctx, "3"); !errors.Is(err, why) || !errors.Is(err, ErrNotSent) {
				t.Errorf("Do after the end of its context = %v", err)
			}
		}
		if err := <-waiting; err != nil {
			t.Errorf("the next Do = %v", err)
		}
		if f.count("3") != 0 || f.dials.Load() != 1 {
			t.Errorf("%d requests too many, %d connections", f.count("3"), f.dials.Load())
		}
	})
}

func TestRedial(t *testing.T) {
	for _, word := range []string{"die", "leave"} {
		bubble(t, func(t *testing.T, f *fake, c *Client) {
			for i := range 3 {
				echoed(t, c, "before")
				slow := later(t.Context(), c, "doze")
				dying := later(t.Context(), c, word)
				behind := later(t.Context(), c, "behind")
				if err := <-slow; err != nil {
					t.Errorf("%s: Do before the end = %v", word, err)
				}
				for _, done := range []<-chan error{dying, behind} {
					if err := <-done; err == nil || errors.Is(err, ErrNotSent) {
						t.Errorf("%s: Do at the end of the connection = %v", word, err)
					}
				}
				echoed(t, c, "after")
				if got := f.dials.Load(); got != int64(i+2) {
					t.Errorf("%s: %d connections, want %d", word, got, i+2)
				}
			}
		})
	}
}

// If the server closes a connection that nobody uses, no call fails.
func TestRedialAfterRest(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		echoed(t, c, "before")
		for conn := range f.server.Conns() {
			conn.CloseWhenDone()
		}
		synctest.Wait()
		echoed(t, c, "after")
	})
}

func TestSilentServer(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		for range 2 {
			begin := time.Now()
			muted := later(t.Context(), c, "mute")
			behind := later(t.Context(), c, "behind")
			for _, done := range []<-chan error{muted, behind} {
				if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrNotSent) {
					t.Errorf("Do = %v, want a timeout", err)
				}
			}
			if took := time.Since(begin); took < c.Timeout || took > 2*c.Timeout {
				t.Errorf("after %v, want %v to %v", took, c.Timeout, 2*c.Timeout)
			}
			echoed(t, c, "after")
			time.Sleep(7 * time.Second)
		}
	})
}

// The server may take nearly Timeout for a reply, whenever the request was sent. A
// connection without requests stays open.
func TestSlowServerAfterRest(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		for rest := range 25 {
			time.Sleep(time.Duration(rest) * time.Second)
			slow := later(t.Context(), c, "slow")
			slower := later(t.Context(), c, "slow")
			for _, done := range []<-chan error{slow, slower} {
				if err := <-done; err != nil {
					t.Errorf("after a rest of %d s: %v", rest, err)
				}
			}
		}
		if got := f.dials.Load(); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}
	})
}

// If the server does not read, Do waits no longer than its context allows.
func TestServerDoesNotRead(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		echoed(t, c, "first")
		f.peer.HoldWrites(true)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var callers sync.WaitGroup
		for range 2 * c.MaxInFlight {
			callers.Go(func() {
				if _, err := c.Do(ctx, strings.Repeat("x", 64<<10)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Do = %v, want the end of the context", err)
				}
			})
		}
		callers.Wait()
		if took := time.Since(begin); took != time.Second {
			t.Errorf("Do has returned after %v, want 1s", took)
		}
	})
}

// If the server has ended its side, a request that can't be sent any more does not make
// Do wait.
func TestServerLeavesAndDoesNotRead(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		echoed(t, c, "first")
		f.peer.HoldReads(true)
		leaving := later(t.Context(), c, "leave")
		f.peer.HoldWrites(true)
		behind := later(t.Context(), c, "behind")
		f.peer.HoldReads(false)
		begin := time.Now()
		for _, done := range []<-chan error{leaving, behind} {
			if err := <-done; !errors.Is(err, io.ErrUnexpectedEOF) || time.Since(begin) != 0 {
				t.Errorf("Do = %v, after %v", err, time.Since(begin))
			}
		}
	})
}

func TestMaxInFlight(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		c.MaxInFlight = 3
		echoed(t, c, "first")
		f.peer.HoldReads(true)
		var all []<-chan error
		for range 10 {
			all = append(all, later(t.Context(), c, "more"))
		}
		if got := f.count("more"); got != 3 {
			t.Errorf("%d requests in flight, want 3", got)
		}
		f.peer.HoldReads(false)
		for _, done := range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestReplyTooLong(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		huge := later(t.Context(), c, "huge")
		echoed(t, c, "next")
		var tooLong *framer.MessageTooLongError
		if err := <-huge; !errors.As(err, &tooLong) {
			t.Errorf("Do = %v", err)
		}
		echoed(t, c, "after")
		if got := f.dials.Load(); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}
	})
}

func TestReplyWithoutRequest(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		echoed(t, c, "twice")
		synctest.Wait()
		echoed(t, c, "after")
		if got := f.dials.Load(); got != 2 {
			t.Errorf("%d connections, want 2", got)
		}
	})
}

func TestLineEndInRequest(t *testing.T) {
	c := NewClient("")
	for _, request := range []string{"a\r\nb", "a\n", "\r"} {
		if _, err := c.Do(t.Context(), request); !errors.Is(err, ErrNotSent) || !strings.Contains(err.Error(), "line end") {
			t.Errorf("Do(%q) = %v", request, err)
		}
	}
}

func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		c.MaxInFlight = 2
		var all []<-chan error
		for range 5 {
			all = append(all, later(t.Context(), c, "mute"))
		}
		begin := time.Now()
		for range 2 {
			if err := c.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		}
		unsent := 0
		for _, done := range all {
			err := <-done
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("Do at Close = %v", err)
			}
			if errors.Is(err, ErrNotSent) {
				unsent++
			}
		}
		if _, err := c.Do(t.Context(), "more"); !errors.Is(err, net.ErrClosed) || !errors.Is(err, ErrNotSent) {
			t.Errorf("Do after Close = %v", err)
		}
		if unsent != 3 || time.Since(begin) != 0 {
			t.Errorf("%d were not sent, want 3; Close took %v", unsent, time.Since(begin))
		}
	})
}

// stuckDial makes Dial wait until its context ends or proceed is closed, and then fail.
func stuckDial(c *Client, f *fake) (proceed chan struct{}, failure error) {
	proceed, failure = make(chan struct{}), errors.New("nobody there")
	c.Dial = func(ctx context.Context) (net.Conn, error) {
		f.dials.Add(1)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-proceed:
			return nil, failure
		}
	}
	return proceed, failure
}

func TestCloseWhileDialling(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		stuckDial(c, f)
		first, second := later(t.Context(), c, "1"), later(t.Context(), c, "2")
		begin := time.Now()
		c.Close()
		for _, done := range []<-chan error{first, second} {
			if err := <-done; !errors.Is(err, net.ErrClosed) || time.Since(begin) != 0 {
				t.Errorf("Do = %v, after %v", err, time.Since(begin))
			}
		}
	})
}

// If Dial returns a connection after Close was called, the connection is closed before
// Close returns.
func TestCloseBeforeDialReturns(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		dial := c.Dial
		c.Dial = func(ctx context.Context) (net.Conn, error) {
			time.Sleep(time.Second)
			return dial(ctx)
		}
		late := later(t.Context(), c, "1")
		begin := time.Now()
		c.Close()
		if took := time.Since(begin); took != time.Second || c.link == nil || c.link.Context().Err() == nil {
			t.Errorf("Close has returned after %v, with connection %v", took, c.link)
		}
		if err := <-late; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Do = %v", err)
		}
	})
}

// Callers that wait for a dial share its failure. They do not dial one after the other.
func TestDialFails(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		proceed, failure := stuckDial(c, f)
		ctx, cancel := context.WithCancel(t.Context())
		impatient := later(ctx, c, "0")
		var all []<-chan error
		for range 10 {
			all = append(all, later(t.Context(), c, "1"))
		}
		cancel() // the end of this context is no reason for the others
		if err := <-impatient; !errors.Is(err, context.Canceled) {
			t.Errorf("Do = %v", err)
		}
		synctest.Wait()
		close(proceed)
		for _, done := range all {
			if err := <-done; !errors.Is(err, failure) || !errors.Is(err, ErrNotSent) {
				t.Errorf("Do = %v, want %v", err, failure)
			}
		}
		if got := f.dials.Load(); got != 2 {
			t.Errorf("dialled %d times, want 2", got)
		}
		if _, err := c.Do(t.Context(), "later"); !errors.Is(err, failure) || f.dials.Load() != 3 {
			t.Errorf("Do = %v, after %d dials", err, f.dials.Load())
		}
	})
}

func TestDialTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		stuckDial(c, f)
		begin := time.Now()
		if _, err := c.Do(t.Context(), "1"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != c.Timeout {
			t.Errorf("Do = %v, after %v", err, time.Since(begin))
		}
	})
}

func TestCommand(t *testing.T) {
	for _, test := range []struct {
		args   string
		status int
		output string // must be part of the output
	}{
		{"-n 1000 -c 7", 0, "1000 requests from 7 goroutines in "},
		{"-n 1", 0, "1 requests from 50"},
		{"-h", 0, "Client sends requests "},
		{"-n 0", 2, "client: invalid value \"0\" for flag -n: want at least 1"},
		{"-c -1", 2, "flag -c: want at least 1"},
		{"-c many", 2, "flag -c: want a whole number"},
		{"-addr localhost", 2, "the port is missing"},
		{"-request a\nb", 2, "must be one line"},
		{"more", 2, `unexpected argument "more"`},
		{"-nosuch", 2, "not defined"},
	} {
		var output strings.Builder
		args := strings.Split(test.args, " ")
		if status := run(t.Context(), args, &output, &output); status != test.status || !strings.Contains(output.String(), test.output) {
			t.Errorf("client %s: status %d, want %d\n%s", test.args, status, test.status, &output)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	var stderr strings.Builder
	if status := run(t.Context(), []string{"-addr", l.Addr().String()}, io.Discard, &stderr); status != 1 || stderr.String() != "client: can't connect to "+l.Addr().String()+" (-addr): connection refused; nobody listens there\n" {
		t.Errorf("without a server: status %d\n%s", status, &stderr)
	}
}
