// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"testing"
	"testing/synctest"
	"time"
)

// Output counts for both times, and input for one.
func TestMovementEitherWay(t *testing.T) {
	var m movement
	first := time.Unix(1, 0)
	second := first.Add(time.Second)
	m.took(first)
	if m.taken != first || m.moved != first {
		t.Errorf("after output: taken %v, moved %v", m.taken, m.moved)
	}
	m.came(second)
	if m.taken != first || m.moved != second {
		t.Errorf("after input: taken %v, moved %v", m.taken, m.moved)
	}
}

// After forget, a look finds that the peer has taken something if the system tells another number than
// at the last look. A look that can't tell assumes it, but only if the system tells
// anything.
func TestMovementLooks(t *testing.T) {
	type step struct {
		n           uint64
		told, takes bool
	}
	tests := map[string][]step{
		"first":           {{5, true, true}},
		"first, not told": {{0, false, false}, {5, false, false}},
		"the same":        {{5, true, true}, {5, true, false}, {5, true, false}},
		"more":            {{5, true, true}, {6, true, true}, {6, true, false}},
		"less":            {{5, true, true}, {4, true, true}, {0, true, true}, {0, true, false}},
		"told again":      {{5, true, true}, {5, false, false}, {5, true, true}, {5, true, false}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m movement
				m.begin(5, true)
				m.forget()
				for i, s := range steps {
					before := m.taken
					time.Sleep(time.Second)
					if told := m.look(s.n, s.told); told != s.told {
						t.Errorf("look %d returns %v", i, told)
					}
					want := before
					if s.takes {
						want = time.Now()
					}
					if m.taken != want || m.moved != want {
						t.Errorf("look %d: taken %v, moved %v, want %v", i, m.taken, m.moved, want)
					}
				}
			})
		})
	}
}

// begin is not a movement itself. The next look compares with it, if the system has told.
func TestMovementBegins(t *testing.T) {
	for _, told := range []bool{true, false} {
		var m movement
		m.begin(5, told)
		if !m.taken.IsZero() || !m.moved.IsZero() {
			t.Error("begin has recorded a movement")
		}
		m.look(5, true)
		if moved := !m.taken.IsZero(); moved == told {
			t.Errorf("begin was told: %v; the first look has recorded a movement: %v", told, moved)
		}
	}
}
