// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A progress watches how the output of a connection gets on, and ends the connection when
// it stands still.
//
// A write that waits returns when the system has room again. Linux says so only when a
// third of its buffer is free. So the return of a write is not what counts. What counts
// is how much the peer's system has acknowledged, and a progress has to ask for that. It
// asks four times in a WriteTimeout, and only while a write waits. So a peer is dropped
// when it has taken nothing for a WriteTimeout, or up to a quarter longer. Where the
// system does not tell, the progress ends the waiting write when the WriteTimeout is
// over. Then it counts how much that write, or a new one that follows at once, has got
// rid of.
//
// The connection has no deadline until then: after a deadline has expired, TLS would not
// write any more, however much the peer has taken.
type progress struct {
	c *Conn

	mu         sync.Mutex
	alarm      *alarm // made when it is first needed
	wait       writeWait
	outputOnly bool      // no input is given to the handler any more, and output goes on
	over       bool      // the output has ended
	busy       bool      // there was always output since pace began, for MinWriteRate
	stalls     int64     // writes that have waited for stallTime or longer
	since      time.Time // when the write began to wait, or when outputOnly was set, if none waited
	movement   movement
	pace       pace // how fast the peer takes output, while busy is set
}

// A writeWait describes the write that waits for the peer, if there is one, and how far
// the end of that wait has come. When a timeout has expired, the write is told to return.
// If there may be room nevertheless, one more write finds out: the last attempt.
//
// A writeWait is guarded by the mutex of its progress.
type writeWait struct {
	on      bool          // a write waits
	goesOn  bool          // the next write continues the wait
	last    bool          // the write that waits, or is about to wait, is the last attempt
	gaveUp  bool          // a write that waited has returned its timeout, which ends the connection
	expired *TimeoutError // why the write, or the one before, was told to return; or nil
}

// blocked reports whether a write waits, is about to wait, or has waited in vain.
func (w *writeWait) blocked() bool { return w.on || w.goesOn || w.last || w.gaveUp }

// end records that the write has returned, and returns what w was before.
func (w *writeWait) end() (was writeWait) {
	was = *w
	*w = writeWait{gaveUp: was.gaveUp}
	return was
}

// tryAgain records that the last attempt follows, because of the timeout expired.
func (w *writeWait) tryAgain(expired *TimeoutError) { w.last, w.expired = true, expired }

// beginWait records that a write waits from now on.
func (p *progress) beginWait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait.last {
		p.wait.on = true
		d := p.lastChance()
		p.c.nc.SetWriteDeadline(time.Now().Add(d))
		p.ring(d + d/looks)
		return
	}
	if !p.wait.goesOn {
		if !p.busy && p.c.config().MinWriteRate > 0 {
			p.busy = true
			p.beginPace(0)
		}
		p.movement.forget()
		p.since = time.Now()
	}
	p.wait.on, p.wait.goesOn = true, false
	p.watch()
}

// blocked reports whether a write waits, or has waited in vain, which ends the connection.
func (p *progress) blocked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wait.blocked()
}

// idle records that there is nothing to write at the moment.
func (p *progress) idle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
}

// takenBytes returns how many bytes the peer has taken. If the system does not tell, it
// returns how many were written.
func (p *progress) takenBytes() (n int64, tells bool) {
	if _, ok := innermost(p.c.nc).(*net.TCPConn); ok {
		if n, ok := acked(p.c.nc); ok {
			return int64(n), true
		}
	}
	return p.c.out.written.Load(), false
}

// beginPace begins to measure. A wait that goes on, and has lasted for waited, counts only
// from now on. p.mu must be held.
func (p *progress) beginPace(waited time.Duration) {
	taken, _ := p.takenBytes()
	p.pace.begin(taken)
	p.pace.waited = -waited
}

// lastChance returns the time limit of the last attempt. It only has to find out whether
// there is room, but a busy machine may take a while to begin it.
func (p *progress) lastChance() time.Duration {
	return min(max(p.limit(p.wait.expired.Reason)/looks, 10*time.Millisecond), time.Second)
}

// endWait records that the write that waited has written n bytes. It returns what err,
// the error of the write, means. If it returns nil and n is 0, the caller should write
// again.
func (p *progress) endWait(n int64, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.wait.end()
	timedOut := errors.Is(err, os.ErrDeadlineExceeded)
	if timedOut || was.expired != nil {
		p.c.nc.SetWriteDeadline(time.Time{}) // otherwise the next write would fail at once
	}
	switch {
	case !timedOut:
	case was.expired == nil: // somebody else has set that deadline
		err = nil
		p.wait.goesOn = n == 0
	case n > 0 && !isTLS(p.c.nc):
		// The peer may have taken some of it after all. (Over TLS no write is possible
		// after a deadline has expired.)
		err = nil
	case !was.last && p.hidesRoom():
		err = nil
		p.wait.tryAgain(was.expired)
	default:
		err = was.expired
		p.wait.gaveUp = true
	}
	if !p.wait.goesOn && !p.wait.last {
		p.count(n)
	}
	return err
}

// count counts a wait that is over, in which n bytes were written. p.mu must be held.
func (p *progress) count(n int64) {
	now := time.Now()
	waited := now.Sub(p.since)
	if waited >= stallTime {
		p.stalls++
	}
	if p.busy {
		p.pace.waited += waited
	}
	if n > 0 && (p.outputOnly || p.c.config().idleTimeout() > 0) { // otherwise nobody asks for these times
		p.movement.took(now)
	}
}

// hidesRoom reports whether the system may have room for more although it has not told
// the write that waited. A new write finds out. p.mu must be held.
func (p *progress) hidesRoom() bool {
	_, tells := acked(p.c.nc)
	return !tells && !isTLS(p.c.nc) && losesUnsent(p.c.nc)
}

// wrote records that output was taken without a wait.
func (p *progress) wrote() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.movement.took(time.Now())
}

// read records that the peer has sent something.
func (p *progress) read() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.movement.came(time.Now())
}

// lastMoved returns when a byte has last moved either way. While a write waits, it
// returns the present time: then check is responsible for the timeout, and not the
// reader.
func (p *progress) lastMoved() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait.on {
		return time.Now()
	}
	return p.movement.moved
}

// beginEnd records that from now on there is only output. Whether the output waits for a
// producer or for the peer, the wait must not last longer than WriteTimeout.
func (p *progress) beginEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.outputOnly = true
	if p.wait.blocked() {
		return // the write goes on to wait
	}
	p.since = time.Now()
	p.movement.begin(acked(p.c.nc))
	p.watch()
}

// limitsChanged records that the connection had the Config old until now. A write that
// waits has waited for as long as before; MinWriteRate counts from now on if it was
// changed. The alarm was set for the old limits, or not at all; check sets it for the new
// ones.
func (p *progress) limitsChanged(old *Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cfg := p.c.config()
	if cfg.WriteTimeout == old.WriteTimeout && cfg.IdleTimeout == old.IdleTimeout && cfg.MinWriteRate == old.MinWriteRate {
		return
	}
	if old.idleTimeout() == 0 && !p.c.out.untold {
		p.movement.came(time.Now()) // so far, nothing was recorded; see output.notes
	}
	if cfg.MinWriteRate != old.MinWriteRate {
		if p.busy = cfg.MinWriteRate > 0 && (p.wait.on || p.wait.goesOn); p.busy {
			p.beginPace(time.Since(p.since))
		}
	}
	switch {
	case p.over, p.wait.last, p.wait.expired != nil && p.alarm.isSet(): // too late
	case p.alarm.isSet(), p.wait.on, p.outputOnly:
		p.ring(0)
	}
}

// goOn reverses beginEnd: the handler is given input again.
func (p *progress) goOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outputOnly = false
}

// endEnd records that the output has ended.
func (p *progress) endEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outputOnly, p.over = false, true
}

// stop ends the watch for good.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait.on, p.outputOnly = false, false
	if p.alarm != nil {
		p.alarm.stop()
	}
}

// watch sets the alarm, unless it is set. An alarm that is set stays, even when nothing
// waits any more: an early look does no harm, and over TLS every write is one that waits.
// So the alarm is not set and stopped for every write. p.mu must be held.
func (p *progress) watch() {
	if p.alarm.isSet() {
		return
	}
	left, which := p.left()
	if which == NotEnded {
		return
	}
	p.ring(left / looks)
}

// ring makes the alarm ring after d. p.mu must be held.
func (p *progress) ring(d time.Duration) {
	if p.alarm == nil {
		p.alarm = newAlarm(d, p.check)
		return
	}
	p.alarm.set(d)
}

// looks is how many times within a timeout a progress asks what the peer has taken.
const looks = 4

// left returns how much is left of the timeout that runs out first, and which one that
// is. If there is no timeout, which is NotEnded. p.mu must be held.
func (p *progress) left() (left time.Duration, which EndReason) {
	until := func(limit time.Duration, last time.Time, w EndReason) {
		if last.Before(p.since) {
			last = p.since
		}
		l := limit - time.Since(last)
		if limit > 0 && (which == NotEnded || l < left) {
			left, which = l, w
		}
	}
	until(p.c.config().writeTimeout(), p.movement.taken, EndWriteTimeout)
	// While there is a reader, the reader is responsible for IdleTimeout. When there is
	// none any more, IdleTimeout applies here if WriteTimeout is off: nothing else would
	// end a write to a peer that is gone.
	if !p.c.framer.stopped() || p.c.config().writeTimeout() == 0 {
		until(p.c.config().idleTimeout(), p.movement.moved, EndIdleTimeout)
	}
	if rate := p.c.config().MinWriteRate; rate > 0 && p.busy && p.wait.on {
		taken, tells := p.takenBytes()
		if !tells {
			taken, _ = addLength(uint64(taken), int64(p.c.out.waitSize)) // the write that waits counts as taken
		}
		l := p.pace.left(taken, rate) - time.Since(p.since)
		if which == NotEnded || l < left {
			left, which = l, EndMinWriteRate
		}
	}
	return left, which
}

// check is called by the alarm. It ends the connection if the output has stalled.
func (p *progress) check() {
	if err := p.stalled(); err != nil {
		p.c.abort(err, byPeer)
	}
}

// stalled returns why the connection must end now. Otherwise it returns nil, and sets the
// alarm again if there is something to watch.
func (p *progress) stalled() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alarm.rang()
	if !p.wait.on && !p.outputOnly {
		return nil
	}
	switch {
	case p.wait.last && !p.wait.on: // the last attempt is about to begin
		p.ring(p.lastChance())
		return nil
	case p.wait.last:
		return p.wait.expired // the connection ignores deadlines
	}
	tells := p.movement.look(acked(p.c.nc))
	left, which := p.left()
	switch {
	case which == NotEnded:
		return nil
	case left > 0 && tells:
		p.ring(min(left, max(p.limit(which)/looks, 1)))
		return nil
	case left > 0:
		p.ring(left)
		return nil
	case which != EndMinWriteRate && p.wait.on && p.wait.expired == nil:
		// Only the write knows how far it has got, so a deadline in the past makes it
		// return. If it does not return, the connection ignores deadlines.
		p.wait.expired = p.c.timeoutError(which)
		p.c.nc.SetWriteDeadline(longAgo)
		p.ring(max(p.limit(which)/looks, 1))
		return nil
	}
	return p.c.timeoutError(which)
}

func (p *progress) limit(which EndReason) time.Duration {
	switch which {
	case EndIdleTimeout:
		return p.c.config().idleTimeout()
	case EndMinWriteRate:
		return rateGrace
	}
	return p.c.config().writeTimeout()
}
