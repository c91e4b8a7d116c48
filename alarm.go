// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"sync/atomic"
	"time"
)

// An alarm calls a function when its timer fires. The runtime may keep a timer that was
// stopped until the time at which it would have fired. So the alarm drops the function
// when it is stopped: what the function refers to must not be kept that long.
//
// stop may be called at any time. An owner that sets the alarm more than once guards it
// by a mutex, which must be held for the other methods. The function takes that mutex
// itself, and calls rang.
type alarm struct {
	timer *time.Timer
	f     atomic.Pointer[func()]
	armed bool // it was set, and rang was not called since
}

// newAlarm returns an alarm that is set: it calls f after d.
func newAlarm(d time.Duration, f func()) *alarm {
	a := &alarm{armed: true}
	a.f.Store(&f)
	a.timer = time.AfterFunc(d, a.ring)
	return a
}

func (a *alarm) ring() {
	if f := a.f.Load(); f != nil {
		(*f)()
	}
}

// isSet reports whether a will ring. A nil alarm never does.
func (a *alarm) isSet() bool { return a != nil && a.armed }

// set makes a ring after d, and not when it would have rung before.
func (a *alarm) set(d time.Duration) {
	a.armed = true
	a.timer.Reset(d)
}

// rang records that a has rung.
func (a *alarm) rang() { a.armed = false }

// stop stops a for good.
func (a *alarm) stop() {
	a.timer.Stop()
	a.f.Store(nil)
}
