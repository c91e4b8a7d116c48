// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// writeWaits returns a writeWait in each state.
func writeWaits() (all []writeWait) {
	for bits := range 16 {
		for _, expired := range []*TimeoutError{nil, {Reason: EndWriteTimeout}} {
			all = append(all, writeWait{bits&1 != 0, bits&2 != 0, bits&4 != 0, bits&8 != 0, expired})
		}
	}
	return all
}

// When a write has returned, nothing waits any more, and nothing is left of its timeout,
// except that a connection that gave up never comes back.
func TestWriteWaitEnds(t *testing.T) {
	for _, w := range writeWaits() {
		before := w
		if was := w.end(); was != before {
			t.Errorf("end of %+v returns %+v", before, was)
		}
		if want := (writeWait{gaveUp: before.gaveUp}); w != want {
			t.Errorf("the end of %+v leaves %+v", before, w)
		}
		if w.blocked() != before.gaveUp {
			t.Errorf("blocked() = %v after the end of %+v", w.blocked(), before)
		}
	}
}

// A connection is blocked from the beginning of the wait to the end of the last attempt,
// also while nothing waits in between.
func TestWriteWaitIsBlocked(t *testing.T) {
	var w writeWait
	check := func(want bool, when string) {
		t.Helper()
		if w.blocked() != want {
			t.Errorf("blocked() = %v %s", !want, when)
		}
	}
	check(false, "before the first write")
	w.on = true
	check(true, "while a write waits")
	idle := &TimeoutError{Reason: EndIdleTimeout}
	w.expired = idle
	was := w.end()
	w.tryAgain(was.expired)
	check(true, "before the last attempt")
	w.on = true
	check(true, "during the last attempt")
	if was := w.end(); !was.last || was.expired != idle {
		t.Errorf("the last attempt ends with %+v", was)
	}
	check(false, "after the last attempt")
	w.goesOn = true
	check(true, "before a write that continues the wait")
	w.goesOn = false
	w.gaveUp = true
	check(true, "after the connection gave up")
}

// A deadlineConn records the write deadlines that it is given. It has the address of a
// socket, but does not tell what the peer has taken.
type deadlineConn struct {
	net.Conn
	deadlines []time.Time
}

func (*deadlineConn) LocalAddr() net.Addr { return new(net.TCPAddr) }

func (c *deadlineConn) SetWriteDeadline(d time.Time) error {
	c.deadlines = append(c.deadlines, d)
	return nil
}

// endWait tells a write that has failed from one that was told to return, and gives up
// only after a last attempt. It takes back the deadline.
func TestEndWait(t *testing.T) {
	deadline := error(&net.OpError{Op: "write", Err: os.ErrDeadlineExceeded})
	idle := &TimeoutError{Reason: EndIdleTimeout}
	told, last := writeWait{on: true, expired: idle}, writeWait{on: true, expired: idle, last: true}
	tests := []struct {
		name    string
		wait    writeWait
		tls     bool
		n       int64
		err     error
		want    error     // unless it is a TimeoutError
		reason  EndReason // of the TimeoutError
		tries   bool      // a last attempt follows
		goesOn  bool      // the next write continues the wait
		cleared bool      // the deadline was taken back
	}{
		{name: "written", wait: writeWait{on: true}, n: 5},
		{name: "failed", wait: writeWait{on: true}, err: io.ErrClosedPipe, want: io.ErrClosedPipe},
		{name: "written before it was told", wait: told, n: 5, cleared: true},
		{name: "failed before it was told", wait: told, err: io.ErrClosedPipe, want: io.ErrClosedPipe, cleared: true},
		{name: "the deadline of somebody else", wait: writeWait{on: true}, err: deadline, goesOn: true, cleared: true},
		{name: "written before the deadline of somebody else", wait: writeWait{on: true}, n: 5, err: deadline, cleared: true},
		{name: "something was taken", wait: told, n: 5, err: deadline, cleared: true},
		{name: "nothing was taken", wait: told, err: deadline, tries: true, cleared: true},
		{name: "something was taken at last", wait: last, n: 5, err: deadline, cleared: true},
		{name: "nothing was taken at last", wait: last, err: deadline, reason: EndIdleTimeout, cleared: true},
		{name: "TLS", wait: told, tls: true, err: deadline, reason: EndIdleTimeout, cleared: true},
		{name: "TLS, something was taken", wait: told, tls: true, n: 5, err: deadline, reason: EndIdleTimeout, cleared: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			nc := new(deadlineConn)
			c := newConn(nc, nil, new(Config), new(buffers))
			if test.tls {
				c.nc = tls.Client(nc, new(tls.Config))
			}
			p := &c.progress
			p.wait = test.wait
			err := p.endWait(test.n, test.err)
			var timeout *TimeoutError
			if errors.As(err, &timeout) != (test.reason != NotEnded) || timeout != nil && timeout.Reason != test.reason {
				t.Errorf("error %v, want the reason %v", err, test.reason)
			}
			if timeout == nil && err != test.want {
				t.Errorf("error %v, want %v", err, test.want)
			}
			want := writeWait{gaveUp: timeout != nil, goesOn: test.goesOn}
			if test.tries {
				want = writeWait{last: true, expired: test.wait.expired}
			}
			if p.wait != want {
				t.Errorf("the wait is now %+v, want %+v", p.wait, want)
			}
			if cleared := slices.Equal(nc.deadlines, []time.Time{{}}); cleared != test.cleared || !cleared && nc.deadlines != nil {
				t.Errorf("the deadlines %v were set", nc.deadlines)
			}
		})
	}
}

// If IdleTimeout is switched on, nobody has recorded before when a byte has moved. So it
// counts from then on, also during a write that waits.
func TestIdleTimeoutSwitchedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConn(new(deadlineConn), nil, &Config{WriteTimeout: time.Hour}, new(buffers))
		c.out.untold = false // as for a socket
		p := &c.progress
		p.beginWait()
		defer p.stop()
		time.Sleep(time.Minute)
		c.SetConfig(Config{WriteTimeout: time.Hour, IdleTimeout: time.Second})
		if left, which := p.left(); left != time.Second || which != EndIdleTimeout {
			t.Errorf("%v are left of %v, want a second of IdleTimeout", left, which)
		}
	})
}

// The last attempt has a quarter of the timeout that has expired, within limits.
func TestLastChance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for expired, cfg := range map[EndReason]func(d time.Duration) *Config{
			EndWriteTimeout: func(d time.Duration) *Config { return &Config{WriteTimeout: d, IdleTimeout: 1} },
			EndIdleTimeout:  func(d time.Duration) *Config { return &Config{WriteTimeout: 1, IdleTimeout: d} },
		} {
			for limit, want := range map[time.Duration]time.Duration{
				1:                      10 * time.Millisecond,
				400 * time.Millisecond: 100 * time.Millisecond,
				time.Minute:            time.Second,
			} {
				nc := new(deadlineConn)
				p := &newConn(nc, nil, cfg(limit), new(buffers)).progress
				p.wait.tryAgain(&TimeoutError{Reason: expired})
				p.beginWait()
				if got := time.Until(nc.deadlines[0]); got != want {
					t.Errorf("%v: after a timeout of %v the last attempt has %v, want %v", expired, limit, got, want)
				}
				p.stop()
			}
		}
	})
}

// Without a MinWriteRate there is no pace. With one, it measures the waits from the first
// one after a rest on, and not the time between them. A wait of stallTime is a stall.
func TestProgressCountsWaits(t *testing.T) {
	for _, rate := range []int{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := net.Pipe()
			defer nc.Close()
			defer peer.Close()
			c := newConn(nc, nil, &Config{MinWriteRate: rate}, new(buffers))
			p := &c.progress
			defer p.stop()
			check := func(before int64, waited time.Duration, stalls int64) {
				t.Helper()
				if rate == 0 {
					before, waited = 0, 0
				}
				if want := (pace{before, waited}); p.pace != want || p.busy != (rate > 0) {
					t.Errorf("rate %d: busy is %v, and the pace %+v, want %+v", rate, p.busy, p.pace, want)
				}
				if n := p.stallsSoFar(); n != stalls {
					t.Errorf("rate %d: %d stalls, want %d", rate, n, stalls)
				}
			}
			wait := func(d time.Duration) {
				p.beginWait()
				time.Sleep(d)
				p.endWait(1, nil)
				c.out.written.Add(1)
			}
			wait(stallTime)
			check(0, stallTime, 1)
			time.Sleep(time.Second)
			wait(stallTime - 1)
			check(0, 2*stallTime-1, 1)
			p.idle()
			wait(1)
			check(2, 1, 1)
		})
	}
}

// A write that begins to wait does not know how long ago the peer's system was asked.
func TestProgressForgetsTheLastLook(t *testing.T) {
	c := newConn(new(deadlineConn), nil, &Config{WriteTimeout: -1}, new(buffers))
	p := &c.progress
	p.movement.begin(5, true)
	p.beginWait()
	if p.movement.look(5, true); p.movement.taken.IsZero() {
		t.Error("the first look of a wait has found nothing")
	}
}
