// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

// A soloPush guesses whether the next push comes alone in its turn: as the one answer
// to what was read. If it does, it is written at once by the goroutine that pushes,
// because to have another one write it would take longer. Where there are more, only
// another goroutine can be relied on to write the first at once, whatever comes after
// it, and the others together.
//
// Likewise it guesses whether it leads: whether a producer follows at once, as a file does
// behind its header. Then it is written at once, too, but leaves with the beginning of
// what follows.
//
// What was so in the last turns is expected to be so again. It is guarded by the queue's
// mutex.
type soloPush struct {
	expected bool // the next push comes alone, or leads
	leads    bool // in this turn, it was expected to lead
	behind   follower
	like     follower // what was behind the push in the last turn
	streak   int8     // turns in a row that were like it, at most minStreak
	first    int64    // bytes pushed after its first push, and a producer behind it, or 0
	before   int64    // bytes pushed when the turn began
}

// A follower is what is pushed behind the first push of a turn.
type follower uint8

const (
	nobody   follower = iota
	producer          // one, which is ready
	others
)

// minStreak is how often turns must have been alike for the next one to be expected to
// be.
const minStreak = 4

// begin begins a turn, after so many bytes.
func (s *soloPush) begin(pushed int64) { s.before, s.first, s.behind = pushed, 0, nobody }

func (s *soloPush) expect() {
	s.expected = s.streak >= minStreak
	s.leads = s.expected && s.like == producer
}

// push notes a push, after which so many bytes are pushed.
func (s *soloPush) push(pushed int64) {
	if s.first == 0 {
		s.first = pushed
	}
}

// pushProducer notes a producer behind so many bytes, which has n that are counted.
func (s *soloPush) pushProducer(pushed int64, n int, ready bool) {
	if ready && s.behind == nobody && s.first == pushed {
		s.behind = producer
		s.first += int64(n)
		return
	}
	s.behind = others
}

// end ends the turn, after so many bytes, and reports whether there was a push in it.
func (s *soloPush) end(pushed int64) bool {
	s.expected, s.leads = false, false
	if pushed != s.first {
		if pushed == s.before && s.behind == nobody {
			return false
		}
		s.behind = others
	}
	if s.behind != s.like {
		s.like, s.streak = s.behind, 0
	}
	s.streak = min(s.streak+1, minStreak)
	if s.like == others {
		s.streak = 0
	}
	return pushed != s.before
}
