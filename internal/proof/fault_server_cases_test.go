// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux

package proof_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// callFaults returns calls that a program makes at a bad moment.
func callFaults(flood []byte) []fault {
	return []fault{
		{
			name: "all calls from 100 goroutines",
			play: func(ft *faultTest) { atOnce(ft, (*framer.Conn).Close) },
			want: faultOutcome{reason: orInOrder(is(net.ErrClosed)), received: wantLines, end: unseen},
		},
		{
			name: "all calls but Close from 100 goroutines",
			play: func(ft *faultTest) {
				atOnce(ft, func(*framer.Conn) error { return nil })
				ft.actors[0].CloseWhenDone()
			},
			want: faultOutcome{reason: inOrder(), received: wantWholeLines},
		},
		{
			// All output has been written at that time, so nothing is lost.
			name: "Close as soon as the output is done",
			play: func(ft *faultTest) {
				p := ft.dial()
				c := ft.next().conn
				line := ft.own(framer.NewBytesProducer([]byte("line\n")))
				c.PushWithProducer(framer.OnDone(line, func(int64, error) { c.Close() }))
				ft.await()
				p.read("line\n")
			},
			want: faultOutcome{reason: is(net.ErrClosed), end: cutOff},
		},
		{
			name:   "context cancelled",
			handle: echoes,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write("line\n")
				p.read("line\n")
				ft.flush(ft.next())
				ft.cancel(errFault)
			},
			want: faultOutcome{reason: is(errFault), end: cutOff},
		},
		{
			name:   "context cancelled with output pending",
			cfg:    framer.Config{WriteTimeout: -1},
			handle: floods(flood),
			play: func(ft *faultTest) {
				p := ft.dial()
				p.read(string(flood[:10]))
				ft.cancel(errFault)
				ft.await()
			},
			want: faultOutcome{reason: is(errFault), got: flooded(flood)[10:], end: reset},
		},
	}
}

// flush waits until c has noticed that its output has been written. A connection that is
// closed earlier is reset, even if the peer has received everything.
func (ft *faultTest) flush(c interface{ Flush(context.Context) error }) {
	ft.t.Helper()
	if err := c.Flush(context.Background()); err != nil {
		ft.t.Errorf("Flush returned %v", err)
	}
}

// atOnce makes 100 goroutines push lines. Between their lines, each calls some other
// method of the connection. closing is called where a goroutine closes the connection.
func atOnce(ft *faultTest, closing func(*framer.Conn) error) {
	p := ft.dial()
	p.watch()
	c := ft.next().conn
	calls := []func(line string) error{
		func(string) error { c.DiscardBuffers(); return nil },
		func(line string) error { return c.Push([]byte(line)) },
		func(line string) error { return c.TryPush([]byte(line)) },
		func(line string) error {
			return c.PushWithProducer(ft.own(framer.NewBytesProducer([]byte(line))))
		},
		func(string) error { return c.CloseWhenDone() },
		func(string) error { return closing(c) },
	}
	const goroutines, rounds = 100, 20
	start := make(chan struct{})
	var group sync.WaitGroup
	for g := range goroutines {
		group.Go(func() {
			<-start
			for i := range rounds {
				c.Push([]byte(line(g, i)))
				if i == rounds/2 {
					calls[g%len(calls)](line(g, rounds))
				}
			}
		})
	}
	close(start)
	group.Wait()
}

// wantLines checks that got consists of lines of atOnce. The last line may be cut off.
func wantLines(t *testing.T, got string) {
	t.Helper()
	wantWholeLines(t, got[:strings.LastIndexByte(got, '\n')+1])
}

// wantWholeLines checks that no line is torn, and that the lines of each goroutine are in
// order.
func wantWholeLines(t *testing.T, got string) {
	t.Helper()
	last := make(map[int]int)
	for text := range strings.Lines(got) {
		var g, i int
		if _, err := fmt.Sscanf(text, "%d %d", &g, &i); err != nil || text != line(g, i) {
			t.Errorf("a line is torn: %q", text)
			return
		}
		const single = 20 // the number of the line that a goroutine pushes between the others
		if i == single {
			continue
		}
		if before, ok := last[g]; ok && i <= before {
			t.Errorf("line %d of goroutine %d came after line %d", i, g, before)
		}
		last[g] = i
	}
}

// serverFaults returns the bad moments of a whole server.
func serverFaults(flood []byte) []fault {
	return []fault{
		{
			name: "Shutdown under traffic",
			handle: func(ft *faultTest, s *script) {
				echoes(ft, s)
				s.onShutdown = func() error { return s.Push([]byte("goodbye\n")) }
			},
			play: func(ft *faultTest) {
				var talking, done sync.WaitGroup
				for range 8 {
					p := ft.dial()
					talking.Add(1)
					done.Go(func() { chat(ft.t, p, talking.Done) })
				}
				talking.Wait()
				ft.shutdown(ft.base, nil)
				done.Wait()
			},
			want: faultOutcome{reason: inOrder()},
		},
		{
			name:   "Shutdown whose context ends, with output pending",
			cfg:    framer.Config{WriteTimeout: -1},
			handle: floods(flood),
			play: func(ft *faultTest) {
				p := ft.dial()
				p.read(string(flood[:10]))
				shutdownInVain(ft)
			},
			want: faultOutcome{reason: is(framer.ErrServerClosed), got: flooded(flood)[10:], end: reset, takes: 3 * time.Second},
		},
		{
			name: "Shutdown whose context ends, with a busy handler",
			handle: func(ft *faultTest, s *script) {
				s.onFound = func() error {
					s.Push([]byte("busy\n"))
					ft.flush(s)
					<-s.Context().Done()
					return errFault
				}
			},
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write("line\n")
				p.read("busy\n")
				shutdownInVain(ft)
			},
			want: faultOutcome{reason: is(framer.ErrServerClosed), end: cutOff, takes: 3 * time.Second},
		},
		{
			name:   "Shutdown with a peer that does not end",
			cfg:    framer.Config{LingerTimeout: 5 * time.Second},
			handle: hello,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.read("hello\n")
				ft.shutdown(ft.base, nil)
				ft.await()
			},
			want: faultOutcome{reason: inOrder(), takes: lateInput + 5*time.Second},
		},
		{
			name:   "accept fails with EMFILE",
			handle: echoes,
			play: func(ft *faultTest) {
				ft.listener.errs <- syscall.EMFILE
				ft.listener.errs <- syscall.EMFILE
				for range 2 {
					p := ft.dial()
					p.write("line\n")
					p.read("line\n")
					p.closeWrite()
				}
			},
			want: faultOutcome{reason: inOrder(), takes: 15 * time.Millisecond},
		},
	}
}

// chat sends lines, ten at a time, and reads them back, until the server says goodbye. It
// calls talking after the first lines.
func chat(t *testing.T, p *faultPeer, talking func()) {
	r := bufio.NewReader(p)
	began := sync.OnceFunc(talking)
	defer began()
	for {
		for i := range 10 {
			if _, err := fmt.Fprintf(p, "line %d\n", i); err != nil {
				t.Error(err)
				return
			}
		}
		for i := range 10 {
			got, err := r.ReadString('\n')
			switch {
			case got == "goodbye\n" && r.Buffered() == 0:
				return
			case err != nil || got != fmt.Sprintf("line %d\n", i):
				t.Errorf("read %q and %v, want line %d or goodbye", got, err, i)
				return
			}
		}
		began()
	}
}

// shutdownInVain calls Shutdown with a context that ends too early, and waits for it.
func shutdownInVain(ft *faultTest) {
	ctx, cancel := context.WithTimeout(context.Background(), ft.medium.scale(3*time.Second))
	defer cancel()
	ft.shutdown(ctx, context.DeadlineExceeded)
	ft.await()
}

// mediumFaults returns the faults of some media only.
func mediumFaults() []fault {
	return []fault{
		{
			name: "TLS handshake that stalls",
			cfg:  framer.Config{HandshakeTimeout: 3 * time.Second},
			play: func(ft *faultTest) {
				ft.dialRaw()
				a := ft.next()
				ft.await()
				if a.called("connect") != 0 {
					ft.t.Error("HandleConnect was called")
				}
			},
			want: faultOutcome{reason: timedOut("HandshakeTimeout")},
			senseless: map[string]string{
				"tcp":  "there is no handshake",
				"unix": "there is no handshake",
				"pipe": "there is no handshake",
			},
		},
		{
			name:   "urgent data",
			handle: echoes,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write("before ")
				control(ft.t, p.raw, func(fd int) error {
					return syscall.Sendto(fd, []byte("!"), syscall.MSG_OOB, nil)
				})
				p.write("after\n")
				p.read("before after\n")
				p.closeWrite()
			},
			want: faultOutcome{reason: inOrder()},
			senseless: map[string]string{
				"unix": "urgent data is a matter of TCP",
				"pipe": "urgent data is a matter of TCP",
			},
		},
	}
}
