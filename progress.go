// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A progress knows how the output of a connection gets on, and ends the connection
// when it does not.
//
// A write that waits returns when the system has room again, and Linux says so only
// when a third of its buffer is free. What counts is therefore what the peer's system
// acknowledges, and that has to be asked for: four times in a WriteTimeout, and only
// while a write waits. So a peer is dropped when it has taken nothing for a
// WriteTimeout and at most a quarter more. Where the system does not tell, it is what
// the write has got rid of when the WriteTimeout is over, or a new one does then.
//
// There is no deadline on the connection meanwhile: after one that has expired, TLS
// would not write any more, however much the peer has taken.
type progress struct {
	c *Conn

	mu      sync.Mutex
	alarm   *alarm    // made when first needed
	armed   bool      // it will ring
	waiting bool      // a write waits for the peer
	ending  bool      // no input is given to the handler any more, and output goes on
	over    bool      // the output has ended
	looked  bool      // there was a look since the write began to wait
	last    bool      // the write that waits has a last chance
	busy    bool      // for MinWriteRate: there was no moment without output since
	expired timeout   // for which the write that waits was told to return, if it was
	stalls  int64     // writes that have waited for stallTime or longer
	since   time.Time // when waiting or ending began
	taken   time.Time // when the peer has last taken output
	moved   time.Time // when a byte has last moved either way, if there is an IdleTimeout
	acked   uint64    // what the peer's system had acknowledged at the last look; see acked

	// While busy: how long the peer was waited for, and what it had taken before that.
	waited time.Duration
	before int64
}

// beginWait notes that a write waits from now on.
func (p *progress) beginWait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last {
		p.waiting = true
		p.c.nc.SetWriteDeadline(time.Now().Add(lastChance))
		p.ring(lastChance + lastChance/looks)
		return
	}
	if !p.busy && p.c.config().MinWriteRate > 0 {
		p.busy, p.waited, p.before = true, 0, p.takenBytes()
	}
	p.waiting, p.looked = true, false
	p.since = time.Now()
	p.watch()
}

// rest notes that there is nothing more to write at the moment.
func (p *progress) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
}

// takenBytes returns how many bytes the peer has taken. Where that is not known, it is
// given credit for the write that waits.
func (p *progress) takenBytes() int64 {
	if _, ok := innermost(p.c.nc).(*net.TCPConn); ok {
		if n, ok := acked(p.c.nc); ok {
			return int64(n)
		}
	}
	n := p.c.out.written.Load()
	if p.waiting {
		n += int64(p.c.out.waitSize)
	}
	return n
}

// lastChance is how long a write may take that shall only see whether there is room.
const lastChance = 10 * time.Millisecond

// endWait notes that the write that has waited has got rid of n bytes, and says what
// its error means: nil, with n zero, that it should try again.
func (p *progress) endWait(n int64, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	expired, last := p.expired, p.last
	p.waiting, p.expired, p.last = false, noTimeout, false
	now := time.Now()
	waited := now.Sub(p.since)
	if waited >= stallTime {
		p.stalls++
	}
	if p.busy {
		p.waited += waited
	}
	if n > 0 && (p.ending || p.c.config().idleTimeout() > 0) { // otherwise nobody asks
		p.taken, p.moved = now, now
	}
	timedOut := errors.Is(err, os.ErrDeadlineExceeded)
	if timedOut || expired != noTimeout {
		p.c.nc.SetWriteDeadline(time.Time{}) // or the next write would not even begin
	}
	switch {
	case !timedOut:
		return err
	case expired == noTimeout:
		return nil // it was somebody else's deadline
	case n > 0 && !isTLS(p.c.nc): // which does not write any more
		return nil // some was taken after all
	case !last && p.hidesRoom():
		p.last, p.expired = true, expired
		return nil
	}
	return p.c.timeoutError(expired)
}

// hidesRoom reports whether the system may have room for more although the write that
// waited was not told. A new write sees. p.mu must be held.
func (p *progress) hidesRoom() bool {
	_, tells := acked(p.c.nc)
	return !tells && !isTLS(p.c.nc) && losesUnsent(p.c.nc)
}

// wrote notes that the peer has taken output without a wait.
func (p *progress) wrote() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = time.Now()
	p.moved = p.taken
}

// read notes that the peer has sent something.
func (p *progress) read() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved = time.Now()
}

// lastMoved returns when a byte has last moved either way. While a write waits, it is
// up to check to see that none does.
func (p *progress) lastMoved() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting {
		return time.Now()
	}
	return p.moved
}

// beginEnd notes that only output goes on from now. Whatever it waits for, a producer
// or the peer, must not take longer than WriteTimeout.
func (p *progress) beginEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.ending = true
	p.since = time.Now()
	p.acked, p.looked = acked(p.c.nc)
	p.watch()
}

// goOn ends what beginEnd has begun: the handler is given input again.
func (p *progress) goOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = false
}

// endEnd ends the watch for the end of the output.
func (p *progress) endEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending, p.over = false, true
}

// stop ends the watch for good.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting, p.ending = false, false
	if p.alarm != nil {
		p.alarm.stop()
	}
}

// An alarm calls a function when its timer fires. The runtime keeps a timer that was
// stopped until it would have fired, and what the function refers to must not stay with
// it.
type alarm struct {
	timer *time.Timer
	f     atomic.Pointer[func()]
}

func newAlarm(d time.Duration, f func()) *alarm {
	a := new(alarm)
	a.f.Store(&f)
	a.timer = time.AfterFunc(d, a.ring)
	return a
}

func (a *alarm) ring() {
	if f := a.f.Load(); f != nil {
		(*f)()
	}
}

// stop stops a for good.
func (a *alarm) stop() {
	a.timer.Stop()
	a.f.Store(nil)
}

// watch sets the alarm. One that is set may stay, and it stays when nothing waits any
// more: it does no harm to look too early, and over TLS every write is one that waits.
// p.mu must be held.
func (p *progress) watch() {
	if p.armed {
		return
	}
	left, which := p.left()
	if which == noTimeout {
		return
	}
	p.ring(left / looks)
}

// ring lets the alarm ring after d. p.mu must be held.
func (p *progress) ring(d time.Duration) {
	p.armed = true
	if p.alarm == nil {
		p.alarm = newAlarm(d, p.check)
		return
	}
	p.alarm.timer.Reset(d)
}

// looks is how often to ask, within a timeout, what the peer has taken.
const looks = 4

// left returns how much is left of the timeout that runs out first, if there is one.
// p.mu must be held.
func (p *progress) left() (left time.Duration, which timeout) {
	until := func(limit time.Duration, last time.Time, w timeout) {
		if last.Before(p.since) {
			last = p.since
		}
		l := limit - time.Since(last)
		if limit > 0 && (which == noTimeout || l < left) {
			left, which = l, w
		}
	}
	until(p.c.config().writeTimeout(), p.taken, writeTimeout)
	// While nothing waits, IdleTimeout is for the reader to see. When there is no reader
	// any more it goes on to rule where WriteTimeout is off: nothing else would end a
	// write to a peer that is gone.
	if !p.c.framer.stop.Load() || p.c.config().writeTimeout() == 0 {
		until(p.c.config().idleTimeout(), p.moved, idleTimeout)
	}
	if rate := p.c.config().MinWriteRate; rate > 0 && p.busy && p.waiting {
		l := timeFor(p.takenBytes()-p.before, rate) - p.waited - time.Since(p.since)
		if which == noTimeout || l < left {
			left, which = l, writeRate
		}
	}
	return left, which
}

// check is called by the alarm.
func (p *progress) check() {
	if err := p.stalled(); err != nil {
		p.c.abort(err, byPeer)
	}
}

// stalled returns why the connection must end now. Otherwise it sees to it that it is
// called again.
func (p *progress) stalled() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
	if !p.waiting && !p.ending {
		return nil
	}
	switch {
	case p.last && !p.waiting: // it is about to begin
		p.alarm.timer.Reset(lastChance)
		return nil
	case p.last:
		return p.c.timeoutError(p.expired) // deadlines are not heeded
	}
	tells := p.look()
	left, which := p.left()
	switch {
	case which == noTimeout:
		return nil
	case left > 0 && tells:
		p.ring(min(left, max(p.limit(which)/looks, 1)))
		return nil
	case left > 0:
		p.ring(left)
		return nil
	case which != writeRate && p.waiting && p.expired == noTimeout:
		// The write knows best how far it has got. If it does not return, it does
		// not heed deadlines.
		p.expired = which
		p.c.nc.SetWriteDeadline(longAgo)
		p.ring(max(p.limit(which)/looks, 1))
		return nil
	}
	return p.c.timeoutError(which)
}

func (p *progress) limit(which timeout) time.Duration {
	switch which {
	case idleTimeout:
		return p.c.config().idleTimeout()
	case writeRate:
		return rateGrace
	}
	return p.c.config().writeTimeout()
}

// look asks what the peer has taken since the last look, and reports whether that can
// be known. p.mu must be held.
func (p *progress) look() bool {
	n, ok := acked(p.c.nc)
	if ok && (!p.looked || n != p.acked) {
		p.taken = time.Now()
		p.moved = p.taken
	}
	p.acked, p.looked = n, ok
	return ok
}
