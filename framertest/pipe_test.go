// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer/framertest"
)

// bufferSize is the size that the documentation of Pipe states.
const bufferSize = 64 << 10

// bubbles runs test twice, each time in a bubble with a Pipe. The second time the ends
// are exchanged.
func bubbles(t *testing.T, test func(t *testing.T, a, b *framertest.Conn)) {
	t.Helper()
	for _, exchanged := range []bool{false, true} {
		t.Run(fmt.Sprintf("exchanged=%t", exchanged), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := framertest.Pipe()
				if exchanged {
					a, b = b, a
				}
				test(t, a, b)
			})
		})
	}
}

// A result is what an operation has returned, and how long it took.
type result struct {
	n    int
	err  error
	took time.Duration
}

// begin starts an operation, which must wait. It fails the test if the operation returns
// at once.
func begin(t *testing.T, f func([]byte) (int, error), p []byte) <-chan result {
	t.Helper()
	start := time.Now()
	done := make(chan result, 1)
	go func() {
		n, err := f(p)
		done <- result{n, err, time.Since(start)}
	}()
	waits(t, done)
	return done
}

// waits fails the test if the operation has returned.
func waits(t *testing.T, done <-chan result) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-done:
		t.Fatalf("the operation does not wait; it returned %d, %v", r.n, r.err)
	default:
	}
}

// wantResult waits for the operation and fails the test unless it returns n and err. A
// negative n stands for any count.
func wantResult(t *testing.T, done <-chan result, n int, err error) {
	t.Helper()
	if r := <-done; n >= 0 && r.n != n || !errors.Is(r.err, err) {
		t.Errorf("got %d, %v; want %d, %v", r.n, r.err, n, err)
	}
}

func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if n, err := io.WriteString(w, s); n != len(s) || err != nil {
		t.Fatalf("Write(%.20q) = %d, %v", s, n, err)
	}
}

func read(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want)+1)
	n, err := r.Read(got)
	if string(got[:n]) != want || err != nil {
		t.Fatalf("Read: %.20q, %v; want %.20q", got[:n], err, want)
	}
}

// wantReadError and wantWriteError fail the test unless the error is want, wrapped as
// package net does it.
func wantReadError(t *testing.T, c net.Conn, want error) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	wantError(t, "read", n, err, want)
}

func wantWriteError(t *testing.T, c net.Conn, want error) {
	t.Helper()
	n, err := c.Write(make([]byte, 1))
	wantError(t, "write", n, err, want)
}

func wantError(t *testing.T, op string, n int, err, want error) {
	t.Helper()
	if n != 0 || !errors.Is(err, want) {
		t.Errorf("%s: %d, %v; want 0, %v", op, n, err, want)
	}
	if want == io.EOF {
		if err != io.EOF {
			t.Errorf("%s: %#v; want io.EOF as it is", op, err)
		}
		return
	}
	var opError *net.OpError
	if !errors.As(err, &opError) || opError.Op != op || opError.Net != "pipe" {
		t.Errorf("%s: %#v; want a *net.OpError", op, err)
		return
	}
	if timeout := want == os.ErrDeadlineExceeded; opError.Timeout() != timeout {
		t.Errorf("%s: Timeout of %v is %t", op, err, !timeout)
	}
}

func TestPipeCarriesBothWays(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		write(t, a, "to b")
		write(t, b, "to a")
		write(t, a, ", at once")
		read(t, b, "to b, at once")
		read(t, a, "to a")
		waiting := begin(t, a.Read, make([]byte, 10))
		write(t, b, "again")
		wantResult(t, waiting, 5, nil)
		if a.LocalAddr() != b.RemoteAddr() || a.RemoteAddr() != b.LocalAddr() || a.LocalAddr() == b.LocalAddr() {
			t.Errorf("addresses: a is %v->%v, b is %v->%v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
		}
	})
}

// A Read may return less than has come. The next Read returns the rest.
func TestPipeShortRead(t *testing.T) {
	a, b := framertest.Pipe()
	write(t, a, "abcd")
	for _, want := range []string{"ab", "cd"} {
		p := make([]byte, 2)
		if n, err := b.Read(p); string(p[:n]) != want || err != nil {
			t.Errorf("Read: %q, %v; want %q", p[:n], err, want)
		}
	}
}

// Each direction ends separately. What was written before can be read.
func TestPipeCloseWrite(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		write(t, a, "last words")
		for range 2 { // a second call is harmless
			if err := a.CloseWrite(); err != nil {
				t.Error(err)
			}
		}
		wantWriteError(t, a, syscall.EPIPE)
		read(t, b, "last words")
		wantReadError(t, b, io.EOF)
		wantReadError(t, b, io.EOF)

		write(t, b, "answer")
		read(t, a, "answer")
		waiting := begin(t, a.Read, make([]byte, 1))
		if err := b.CloseWrite(); err != nil {
			t.Error(err)
		}
		wantResult(t, waiting, 0, io.EOF)
		a.Close()
		wantReadError(t, b, io.EOF)
		if err := a.CloseWrite(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("CloseWrite after Close: %v, want net.ErrClosed", err)
		}
	})
}

// Close of an end without unread input does not destroy what it has written.
func TestPipeClose(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		write(t, b, "read")
		read(t, a, "read")
		write(t, a, "last words")
		for range 2 {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
		wantReadError(t, a, net.ErrClosed)
		wantWriteError(t, a, net.ErrClosed)
		read(t, b, "last words")
		wantReadError(t, b, io.EOF)
		wantReadError(t, b, io.EOF)
	})
}

// A reset destroys what was not read. An end that was closed returns net.ErrClosed all
// the same.
func TestPipeReset(t *testing.T) {
	resets := map[string]func(t *testing.T, a, b *framertest.Conn){
		"Close with unread input": func(t *testing.T, a, b *framertest.Conn) {
			write(t, b, "unread")
			a.Close()
		},
		"Close with unread input, after CloseWrite": func(t *testing.T, a, b *framertest.Conn) {
			write(t, b, "unread")
			a.CloseWrite()
			a.Close()
		},
		"Write to a closed end": func(t *testing.T, a, b *framertest.Conn) {
			a.Close()
			wantWriteError(t, b, syscall.ECONNRESET)
		},
		"Reset": func(_ *testing.T, a, _ *framertest.Conn) { a.Reset() },
		"SetLinger": func(_ *testing.T, a, _ *framertest.Conn) {
			a.SetLinger(0)
			a.Close()
		},
	}
	for name, reset := range resets {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
				write(t, a, "destroyed")
				reset(t, a, b)
				wantReadError(t, b, syscall.ECONNRESET)
				wantReadError(t, b, syscall.ECONNRESET)
				wantWriteError(t, b, syscall.ECONNRESET)
				wantReadError(t, a, net.ErrClosed)
				wantWriteError(t, a, net.ErrClosed)
				b.Close()
				wantReadError(t, b, net.ErrClosed)
			})
		})
	}
}

// After Close it is too late to reset the connection, as with TCP.
func TestPipeResetAfterClose(t *testing.T) {
	a, b := framertest.Pipe()
	write(t, a, "last words")
	a.SetLinger(0)
	a.SetLinger(-1)
	a.Close()
	a.Reset()
	read(t, b, "last words")
	wantReadError(t, b, io.EOF)
}

// When either side closes or resets the connection, every operation that waits returns.
func TestPipeEndsWaits(t *testing.T) {
	type want struct{ read, write error }
	tests := map[string]struct {
		end  func(a, b *framertest.Conn)
		want want
	}{
		"own Close":       {func(a, _ *framertest.Conn) { a.Close() }, want{net.ErrClosed, net.ErrClosed}},
		"own Reset":       {func(a, _ *framertest.Conn) { a.Reset() }, want{net.ErrClosed, net.ErrClosed}},
		"the other Close": {func(_, b *framertest.Conn) { b.Close() }, want{syscall.ECONNRESET, syscall.ECONNRESET}},
		"the other Reset": {func(_, b *framertest.Conn) { b.Reset() }, want{syscall.ECONNRESET, syscall.ECONNRESET}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
				reading := begin(t, a.Read, make([]byte, 1))
				writing := begin(t, a.Write, make([]byte, bufferSize+1))
				turn := begin(t, a.Write, make([]byte, 1)) // waits for the write before it
				test.end(a, b)
				wantResult(t, reading, 0, test.want.read)
				wantResult(t, writing, bufferSize, test.want.write)
				wantResult(t, turn, 0, test.want.write)
			})
		})
	}
}

// 64 KiB can be written without a reader, and not a byte more.
func TestPipeBuffer(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		write(t, a, strings.Repeat("x", bufferSize))
		writing := begin(t, a.Write, []byte("y"))
		read(t, b, strings.Repeat("x", bufferSize))
		wantResult(t, writing, 1, nil)
		read(t, b, "y")
	})
}

// A write of more than the buffer is not mixed with other writes.
func TestPipeWritesAreWhole(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		const size, writers = 3*bufferSize + 1, 4
		var writes sync.WaitGroup
		for i := range writers {
			writes.Go(func() { write(t, a, strings.Repeat(string(rune('a'+i)), size)) })
		}
		go func() {
			writes.Wait()
			a.Close()
		}()
		got, err := io.ReadAll(b)
		if err != nil || len(got) != writers*size {
			t.Fatalf("read %d bytes, %v; want %d", len(got), err, writers*size)
		}
		for piece := range slices.Chunk(got, size) {
			if want := bytes.Repeat(piece[:1], size); !bytes.Equal(piece, want) {
				t.Errorf("a write of %q is torn", piece[0])
			}
		}
	})
}

// Both sides may write more than the buffers hold if they read meanwhile.
func TestPipeFullDuplex(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		sent := bytes.Repeat([]byte("0123456789abcde"), 5*bufferSize/15)
		var all sync.WaitGroup
		for _, c := range []*framertest.Conn{a, b} {
			all.Go(func() {
				write(t, c, string(sent))
				c.CloseWrite()
			})
			all.Go(func() {
				if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("read %d bytes, %v; want the %d that were sent", len(got), err, len(sent))
				}
			})
		}
		all.Wait()
	})
}

// Reads and writes of no bytes do not wait and change nothing. They return an error if
// this end is closed.
func TestPipeNoBytes(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		none := func(c *framertest.Conn, want error) {
			t.Helper()
			if n, err := c.Read(nil); n != 0 || !errors.Is(err, want) {
				t.Errorf("Read(nil) = %d, %v; want 0, %v", n, err, want)
			}
			if n, err := c.Write(nil); n != 0 || !errors.Is(err, want) {
				t.Errorf("Write(nil) = %d, %v; want 0, %v", n, err, want)
			}
		}
		none(a, nil)
		b.HoldReads(true)
		b.HoldWrites(true)
		none(b, nil)
		b.HoldReads(false)
		b.HoldWrites(false)
		write(t, a, "x")
		none(b, nil)
		read(t, b, "x")
		a.CloseWrite()
		if n, err := b.Read(nil); n != 0 || err != nil {
			t.Errorf("Read(nil) = %d, %v at the end of the input", n, err)
		}
		a.Close()
		none(a, net.ErrClosed)
	})
}

// A deadline ends an operation exactly at its time, whenever it was set. It stays in
// force until it is changed.
func TestPipeDeadlines(t *testing.T) {
	type side struct {
		name string
		set  func(c *framertest.Conn, t time.Time) error
		// do returns an operation that blocks for ever without a deadline, after n bytes.
		do func(c *framertest.Conn) func([]byte) (int, error)
		n  int
	}
	sides := []side{
		{"Read", (*framertest.Conn).SetReadDeadline, func(c *framertest.Conn) func([]byte) (int, error) { return c.Read }, 0},
		{"Write", (*framertest.Conn).SetWriteDeadline, func(c *framertest.Conn) func([]byte) (int, error) { return c.Write }, bufferSize},
		{"Read, both", (*framertest.Conn).SetDeadline, func(c *framertest.Conn) func([]byte) (int, error) { return c.Read }, 0},
		{"Write, both", (*framertest.Conn).SetDeadline, func(c *framertest.Conn) func([]byte) (int, error) { return c.Write }, bufferSize},
	}
	tests := []struct {
		name          string
		before        time.Duration   // the deadline set before the operation begins; 0 means none
		during        []time.Duration // the deadlines set while it waits, one second after the other; 0 means none
		want          time.Duration
		neverByItself bool
	}{
		{name: "before", before: time.Minute, want: time.Minute},
		{name: "during", during: []time.Duration{time.Minute}, want: time.Minute},
		{name: "prolonged", before: time.Minute, during: []time.Duration{time.Hour}, want: time.Hour},
		{name: "shortened", before: time.Hour, during: []time.Duration{time.Minute}, want: time.Minute},
		{name: "in the past during", before: time.Hour, during: []time.Duration{-time.Hour}, want: time.Second},
		{name: "changed often", during: []time.Duration{time.Hour, 0, time.Minute, 0, 10 * time.Second}, want: 10 * time.Second},
		{name: "removed", before: time.Minute, during: []time.Duration{0}, neverByItself: true},
	}
	for _, side := range sides {
		for _, test := range tests {
			t.Run(side.name+"/"+test.name, func(t *testing.T) {
				bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
					start := time.Now()
					set := func(d time.Duration) {
						var deadline time.Time
						if d != 0 {
							deadline = start.Add(d)
						}
						if err := side.set(a, deadline); err != nil {
							t.Error(err)
						}
					}
					set(test.before)
					done := begin(t, side.do(a), make([]byte, bufferSize+1))
					for _, d := range test.during {
						time.Sleep(time.Second)
						waits(t, done)
						set(d)
					}
					if test.neverByItself {
						time.Sleep(1000 * time.Hour)
						waits(t, done)
						a.Close()
						wantResult(t, done, side.n, net.ErrClosed)
						return
					}
					r := <-done
					if r.n != side.n || !errors.Is(r.err, os.ErrDeadlineExceeded) || r.took != test.want {
						t.Errorf("got %d, %v after %v; want %d, a deadline after %v", r.n, r.err, r.took, side.n, test.want)
					}
					if _, err := side.do(a)(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("after the deadline: %v", err)
					}
				})
			})
		}
	}
}

// After a deadline has passed, every operation fails. When the deadline is removed,
// operations go on, and nothing is lost.
func TestPipePastDeadline(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		write(t, b, "there")
		a.SetDeadline(time.Now().Add(-time.Second))
		wantReadError(t, a, os.ErrDeadlineExceeded)
		wantWriteError(t, a, os.ErrDeadlineExceeded)
		a.SetReadDeadline(time.Time{})
		read(t, a, "there")
		wantWriteError(t, a, os.ErrDeadlineExceeded)
		a.SetWriteDeadline(time.Now().Add(time.Second))
		write(t, a, "and back")
		read(t, b, "and back")

		a.SetDeadline(time.Now().Add(-time.Second))
		a.Close()
		wantReadError(t, a, net.ErrClosed)
		wantWriteError(t, a, net.ErrClosed)
		for _, set := range []func(time.Time) error{a.SetDeadline, a.SetReadDeadline, a.SetWriteDeadline} {
			if err := set(time.Time{}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a deadline after Close: %v, want net.ErrClosed", err)
			}
		}
	})
}

// If a deadline is changed at the moment at which it passes, the old deadline has no
// effect later.
func TestPipeDeadlineChangedAsItPasses(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		write(t, b, "x")
		for range 1000 {
			a.SetReadDeadline(time.Now().Add(time.Second))
			time.Sleep(time.Second)
			a.SetReadDeadline(time.Now().Add(time.Hour))
			synctest.Wait()
			if _, err := a.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			write(t, b, "x")
		}
	})
}

// A deadline affects only its own direction and its own end.
func TestPipeDeadlinesAreSeparate(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		past := time.Now().Add(-time.Second)
		a.SetReadDeadline(past)
		write(t, a, "to b")
		read(t, b, "to b")
		write(t, b, "to a")
		a.SetReadDeadline(time.Time{})
		a.SetWriteDeadline(past)
		read(t, a, "to a")
	})
}

func TestHoldReads(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		write(t, b, "before")
		a.HoldReads(true)
		write(t, b, ", after")
		reading := begin(t, a.Read, make([]byte, 100))
		write(t, a, "the other way")
		read(t, b, "the other way")
		a.HoldReads(false)
		wantResult(t, reading, len("before, after"), nil)

		// HoldReads also holds back the end of the output and a reset.
		a.HoldReads(true)
		b.CloseWrite()
		reading = begin(t, a.Read, make([]byte, 1))
		a.HoldReads(false)
		wantResult(t, reading, 0, io.EOF)
		a.HoldReads(true)
		b.Reset()
		reading = begin(t, a.Read, make([]byte, 1))
		a.HoldReads(false)
		wantResult(t, reading, 0, syscall.ECONNRESET)

		// HoldReads does not hold back a Close of this end.
		a.HoldReads(true)
		reading = begin(t, a.Read, make([]byte, 1))
		a.Close()
		wantResult(t, reading, 0, net.ErrClosed)
	})
}

func TestHoldWrites(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		write(t, a, "before")
		a.HoldWrites(true)
		writing := begin(t, a.Write, []byte("after"))
		read(t, b, "before")
		waits(t, writing)
		write(t, b, "the other way")
		read(t, a, "the other way")
		a.HoldWrites(false)
		wantResult(t, writing, 5, nil)
		read(t, b, "after")

		a.HoldWrites(true)
		writing = begin(t, a.Write, []byte("never"))
		b.Close()
		wantResult(t, writing, 0, syscall.ECONNRESET)
	})
}

func TestCutReads(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		write(t, b, "abcdefg")
		a.CutReads(3)
		read(t, a, "abc")
		a.CutReads(1)
		read(t, a, "d")
		a.CutReads(0)
		read(t, a, "efg")
		write(t, b, "h")
		a.CutReads(3)
		read(t, a, "h")
	})
}

func TestCutWrites(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		a.CutWrites(2)
		writing := begin(t, a.Write, []byte("abcde"))
		for _, piece := range []string{"ab", "cd"} {
			waits(t, writing)
			read(t, b, piece)
		}
		wantResult(t, writing, 5, nil) // Write returns when the last piece is in the buffer
		writing = begin(t, a.Write, []byte("fghi"))
		read(t, b, "e")
		synctest.Wait()
		read(t, b, "fg")
		wantResult(t, writing, 4, nil)
		read(t, b, "hi")

		writing = begin(t, a.Write, []byte("jklm"))
		a.CutWrites(0)
		wantResult(t, writing, 4, nil)
		read(t, b, "jklm")
	})
}

// Many goroutines may call all methods at once. After Close none of them waits, and no
// goroutine or timer is left.
func TestPipeConcurrency(t *testing.T) {
	bubbles(t, func(t *testing.T, a, b *framertest.Conn) {
		var all sync.WaitGroup
		for _, c := range []*framertest.Conn{a, b} {
			for i := range 4 {
				all.Go(func() { io.Copy(io.Discard, c) })
				all.Go(func() {
					for {
						if _, err := c.Write(make([]byte, 5000)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
							return
						}
						time.Sleep(time.Millisecond)
					}
				})
				all.Go(func() {
					for n := range 100 {
						c.CutReads(n % 7)
						c.CutWrites(n % 5 * 1000)
						c.HoldReads(n%3 == 0)
						c.HoldWrites(n%4 == 0)
						c.SetReadDeadline(time.Now().Add(time.Duration(n%3) * time.Minute))
						c.SetWriteDeadline(time.Now().Add(time.Duration(n%5-1) * time.Millisecond))
						time.Sleep(time.Duration(i+1) * time.Millisecond)
					}
					c.HoldReads(false)
					if i == 3 {
						c.CloseWrite()
						c.Close()
					}
				})
			}
		}
		all.Wait()
	})
}
