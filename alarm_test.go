// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"
)

// A watcher sets an alarm as often as a test wants, and records when it rings.
type watcher struct {
	mu    sync.Mutex
	alarm *alarm
	start time.Time
	rings []time.Duration // after start
}

func newWatcher(d time.Duration) *watcher {
	w := &watcher{start: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarm = newAlarm(d, w.ring)
	return w
}

func (w *watcher) ring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarm.rang()
	w.rings = append(w.rings, time.Since(w.start))
}

// set sets the alarm, and reports whether it was set before.
func (w *watcher) set(d time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.alarm.isSet()
	w.alarm.set(d)
	return was
}

// check waits for d, and then compares the rings so far, and whether the alarm is set.
func (w *watcher) check(t *testing.T, d time.Duration, isSet bool, rings ...time.Duration) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.rings, rings) {
		t.Errorf("the alarm has rung after %v, want %v", w.rings, rings)
	}
	if w.alarm.isSet() != isSet {
		t.Errorf("isSet() = %v after %v", !isSet, time.Since(w.start))
	}
}

// An alarm rings once for each time it is set, unless it is set again before. It is set
// until it has rung.
func TestAlarmRings(t *testing.T) {
	if (*alarm)(nil).isSet() {
		t.Error("there is no alarm, but it is set")
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher(3)
		w.check(t, 2, true)
		w.check(t, 1, false, 3)
		w.check(t, 10, false, 3) // 13
		if w.set(5) {            // until 18
			t.Error("an alarm that has rung is set")
		}
		w.check(t, 4, true, 3)
		if !w.set(10) { // until 27
			t.Error("an alarm that was set is not set")
		}
		w.check(t, 9, true, 3)
		w.check(t, 1, false, 3, 27)
		w.set(20)
		w.set(1) // until 28
		w.check(t, 50, false, 3, 27, 28)
	})
}

// An alarm that was stopped does not ring, even if it is set afterwards.
func TestAlarmStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher(3)
		time.Sleep(2 * time.Nanosecond)
		w.alarm.stop()
		time.Sleep(10 * time.Nanosecond)
		w.set(1)
		w.check(t, 10, true)
	})
}

// An alarm may be stopped while it rings, as the race detector checks.
func TestAlarmStopsWhileItRings(t *testing.T) {
	for range 100 {
		w := newWatcher(1)
		w.alarm.stop()
	}
}

// neverRings returns an alarm, and what its function refers to.
func neverRings() (*alarm, weak.Pointer[[1 << 10]byte]) {
	p := new([1 << 10]byte)
	return newAlarm(time.Hour, func() { p[0]++ }), weak.Make(p)
}

// An alarm keeps its function until it is stopped, and no longer.
func TestAlarmDropsItsFunction(t *testing.T) {
	a, p := neverRings()
	runtime.GC()
	if p.Value() == nil {
		t.Error("an alarm that is set has dropped its function")
	}
	a.stop()
	for range 10 { // a stale word on a stack can keep it for a while
		if runtime.GC(); p.Value() == nil {
			break
		}
	}
	if p.Value() != nil {
		t.Error("an alarm that was stopped keeps its function")
	}
	runtime.KeepAlive(a)
}
