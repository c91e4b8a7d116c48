// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

// A soloPush guesses whether the next push comes alone in its turn, as the only answer to
// what was read. If it does, the goroutine that pushes writes it at once, because it would
// take longer to have another goroutine write it. If more pushes follow, a writer
// goroutine is better: it writes the first one at once, whatever the handler does next,
// and it writes the others together.
//
// A soloPush also guesses whether the next push leads. It leads if a producer that is
// ready follows at once, such as a file after its header. A push that leads is written at
// once, too, but it is sent together with the beginning of what follows.
//
// If the last turns were alike, the next one is expected to be like them. A soloPush is
// guarded by the mutex of the queue.
type soloPush struct {
	expected bool     // the next push is expected to come alone, or to lead
	leads    bool     // the first push of this turn was expected to lead
	behind   follower // what has followed the first push of this turn
	like     follower // what followed the first push of the last turn
	streak   int8     // how many consecutive turns had this follower, at most minStreak; 0 if it is others
	first    int64    // the value of queue.pushed after the first push of the turn, and after a producer that followed; or 0
	before   int64    // the value of queue.pushed when the turn began
}

// A follower says what has followed the first push of a turn.
type follower uint8

const (
	nobody   follower = iota // nothing has followed
	producer                 // one producer, which is ready
	others                   // something else
)

// minStreak is how many consecutive turns must have been alike before the next one is
// expected to be like them.
const minStreak = 4

// begin begins a turn. In all methods, pushed is the value of queue.pushed.
func (s *soloPush) begin(pushed int64) { s.before, s.first, s.behind = pushed, 0, nobody }

// expect makes the guess for the first push of the turn.
func (s *soloPush) expect() {
	s.expected = s.streak >= minStreak
	s.leads = s.expected && s.like == producer
}

// push records a push, which is included in pushed.
func (s *soloPush) push(pushed int64) {
	if s.first == 0 {
		s.first = pushed
	}
}

// pushProducer records a producer. n of its bytes will count as pushed, and are not
// included in pushed. ready says that the producer is ready.
func (s *soloPush) pushProducer(pushed int64, n int, ready bool) {
	if ready && s.behind == nobody && s.first == pushed {
		s.behind = producer
		s.first += int64(n)
		return
	}
	s.behind = others
}

// end ends the turn, and reports whether there was a push in it.
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
