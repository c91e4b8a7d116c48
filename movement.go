// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import "time"

// A movement knows when bytes have last moved, for WriteTimeout and IdleTimeout. What was
// written without a wait, and what was read, is recorded only if somebody asks for these
// times; see output.notes.
//
// While a write waits, the system may be asked from time to time how much the peer has
// acknowledged. The peer has taken something if that has changed. See the function acked.
//
// A movement is guarded by the mutex of its progress.
type movement struct {
	taken  time.Time // when the peer has last taken output
	moved  time.Time // when a byte has last moved either way
	acked  uint64    // what the peer's system had acknowledged at the last look
	looked bool      // acked is known: it was not forgotten, and the system has told it
}

// took records that the peer has taken output.
func (m *movement) took(now time.Time) { m.taken, m.moved = now, now }

// came records that the peer has sent something.
func (m *movement) came(now time.Time) { m.moved = now }

// forget forgets the last look. The next one can't tell whether the peer has taken
// something since, and assumes that it has.
func (m *movement) forget() { m.looked = false }

// begin takes the results of acked as those of a first look.
func (m *movement) begin(n uint64, told bool) { m.acked, m.looked = n, told }

// look takes the results of acked, and records it if the peer has taken something since
// the last look. It returns told, which says that the system has told.
func (m *movement) look(n uint64, told bool) bool {
	if told && (!m.looked || n != m.acked) {
		m.took(time.Now())
	}
	m.begin(n, told)
	return told
}
