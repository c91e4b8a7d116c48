// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package logqueue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A sink is a log. It can be made to block, and to fail.
type sink struct {
	gate    chan struct{} // each Write receives from it; if nil, Write does not wait
	err     error         // if not nil, Write returns it after part bytes
	part    int
	writes  int
	content strings.Builder
}

func (s *sink) Write(p []byte) (int, error) {
	s.writes++
	if s.gate != nil {
		<-s.gate
	}
	if s.err != nil {
		s.content.Write(p[:s.part])
		return s.part, s.err
	}
	return s.content.Write(p)
}

func (s *sink) want(t *testing.T, content string) {
	t.Helper()
	if got := s.content.String(); got != content {
		t.Errorf("the log is %q, want %q", got, content)
	}
}

// write writes records and fails the test if one is not accepted.
func write(t *testing.T, w io.Writer, records ...string) {
	t.Helper()
	for _, r := range records {
		if n, err := io.WriteString(w, r); n != len(r) || err != nil {
			t.Errorf("Write(%.20q) = %d, %v; want %d and no error", r, n, err, len(r))
		}
	}
}

func closeWriter(t *testing.T, w *Writer) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// Each record is one write, and the order is kept. Close returns after the waiting
// records were written.
func TestOrder(t *testing.T) {
	var s sink
	w := New(&s, 0)
	var want strings.Builder
	for i := range 1000 {
		r := fmt.Sprintf("record %d\n", i)
		want.WriteString(r)
		write(t, w, r)
	}
	closeWriter(t, w)
	s.want(t, want.String())
	if s.writes != 1000 {
		t.Errorf("%d writes, want 1000", s.writes)
	}
	if _, err := w.Write([]byte("late\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close: %v, want os.ErrClosed", err)
	}
	closeWriter(t, w)
}

// Close ends a goroutine that waits for records.
func TestCloseIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		w := New(&s, 0)
		synctest.Wait()
		closeWriter(t, w)
		s.want(t, "")
	})
}

// A record is copied.
func TestCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: make(chan struct{})}
		w := New(&s, 0)
		p := []byte("one\n")
		w.Write(p)
		copy(p, "two\n")
		close(s.gate)
		closeWriter(t, w)
		s.want(t, "one\n")
	})
}

// A record without room is dropped. It is counted at the place where it would have been.
func TestDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: make(chan struct{})}
		w := New(&s, 10)
		write(t, w, "0\n")
		synctest.Wait() // the record is being written
		write(t, w, "1234\n", "6789\n", "dropped\n", "x\n", "")
		s.gate <- struct{}{}
		synctest.Wait() // the waiting records are being written, so there is room again
		write(t, w, "next\n")
		close(s.gate)
		closeWriter(t, w)
		s.want(t, "0\n1234\n6789\nlogqueue: 3 records were dropped because the log was not read\nnext\n")
	})
}

// A record that is larger than the queue is accepted if no other waits.
func TestLargeRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: make(chan struct{})}
		w := New(&s, 4)
		write(t, w, "large\n")
		synctest.Wait()
		write(t, w, "larger\n", "x\n")
		close(s.gate)
		closeWriter(t, w)
		s.want(t, "large\nlarger\nlogqueue: 1 records were dropped because the log was not read\n")
	})
}

// If nobody reads the log, nobody who writes to it waits, however many write. The memory
// for waiting records is bounded. Every record is either in the log or counted.
func TestNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: make(chan struct{})}
		w := New(&s, 1000)
		logger := slog.New(slog.NewTextHandler(w, nil))
		var g sync.WaitGroup
		for range 8 {
			g.Go(func() {
				for range 100 {
					logger.Info("connection ended")
				}
			})
		}
		g.Wait()
		w.mu.Lock()
		if n := len(w.waiting.data); n > 1000 {
			t.Errorf("%d bytes wait, want 1000 at most", n)
		}
		w.mu.Unlock()
		close(s.gate)
		closeWriter(t, w)
		total := 0
		for line := range strings.Lines(s.content.String()) {
			n := 1
			fmt.Sscanf(line, "logqueue: %d records were dropped", &n)
			total += n
		}
		if total != 800 {
			t.Errorf("%d records in the log or counted, want 800", total)
		}
	})
}

// If the log fails, it is tried once for each record. Later it says what was lost.
func TestFailingLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{err: errors.New("no space left")}
		w := New(&s, 0)
		for range 3 {
			write(t, w, "lost\n")
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.writes != 3 {
			t.Errorf("%d writes for 3 records", s.writes)
		}
		s.err = nil
		write(t, w, "found\n", "again\n")
		closeWriter(t, w)
		s.want(t, "logqueue: 3 records were lost: no space left\nfound\nagain\n")
	})
}

// If only a part of a record was written, the next line still begins on a new line.
func TestTornRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{err: errors.New("no space left"), part: 2}
		w := New(&s, 0)
		write(t, w, "lost\n")
		synctest.Wait()
		s.err = nil
		write(t, w, "found\n")
		closeWriter(t, w)
		s.want(t, "lo\nlogqueue: 1 records were lost: no space left\nfound\n")
	})
}

func TestCloseSaysWhatIsLost(t *testing.T) {
	s := sink{err: io.ErrShortBuffer}
	w := New(&s, 0)
	write(t, w, "1\n", "2\n")
	err := w.Close()
	if !errors.Is(err, io.ErrShortBuffer) || !strings.Contains(err.Error(), "2 records") {
		t.Errorf("Close: %v, want io.ErrShortBuffer and 2 records", err)
	}
}

// If the write can't be interrupted, Close returns when its time is over. The goroutine
// ends after that write and writes nothing more.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: make(chan struct{})}
		w := New(&s, 0)
		write(t, w, "1\n")
		synctest.Wait()
		write(t, w, "2\n")
		begin := time.Now()
		if err := w.Close(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v, want context.DeadlineExceeded", err)
		}
		if d := time.Since(begin); d != CloseTimeout {
			t.Errorf("Close has waited for %v, want %v", d, CloseTimeout)
		}
		close(s.gate)
		<-w.done
		s.want(t, "1\n")
	})
}

// Close interrupts a write to a pipe that nobody reads. The pipe can be used afterwards.
func TestCloseInterrupts(t *testing.T) {
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer out.Close()
	if out.SetWriteDeadline(time.Time{}) != nil {
		t.Skip("pipes have no deadlines here")
	}
	w := New(out, 0)
	write(t, w, strings.Repeat("x", 1<<20)) // more than a pipe holds
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.closeBefore(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v, want the context's error", err)
	}
	select {
	case <-w.done:
	default:
		t.Error("the goroutine goes on")
	}
	go io.Copy(io.Discard, r)
	if _, err := io.WriteString(out, "the end\n"); err != nil {
		t.Errorf("the pipe after Close: %v", err)
	}
}

// If the reader of a pipe has gone, only records are lost. (For standard output and
// standard error, this holds only if the program ignores SIGPIPE.)
func TestClosedPipe(t *testing.T) {
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	r.Close()
	w := New(out, 0)
	write(t, w, "1\n", "2\n")
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "2 records were lost") {
		t.Errorf("Close: %v, want 2 lost records", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	w := New(io.Discard, 0)
	record := []byte(strings.Repeat("x", 149) + "\n")
	b.ReportAllocs()
	for b.Loop() {
		w.Write(record)
	}
	if err := w.Close(); err != nil {
		b.Error(err)
	}
}
