// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Whatever the steps in which a message is gathered, it is what was added.
func TestGathering(t *testing.T) {
	letters := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{}).Read(letters)
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 0))
		memory := new(buffers)
		if seed%2 == 0 {
			memory = nil
		}
		var g gathering
		for range 3 { // messages
			want := letters[random.IntN(1000):]
			want = want[:random.IntN([]int{10, 100_000, 2 << 20}[random.IntN(3)])]
			for at := 0; at < len(want); {
				n := min(1+random.IntN([]int{10, 5000, 300_000}[random.IntN(3)]), len(want)-at)
				switch random.IntN(8) {
				case 0:
					room := g.room(memory, n)
					if len(room) == 0 {
						t.Fatal("no room")
					}
					n = copy(room, want[at:at+n])
					g.took(n)
				case 1:
					if got := g.join(memory, random.IntN(2)*n); !bytes.Equal(got, want[:at]) {
						t.Fatalf("seed %d: joined after %d bytes: %d others", seed, at, len(got))
					}
					continue
				default:
					g.add(memory, want[at:at+n])
				}
				if at += n; g.len() != at {
					t.Fatalf("seed %d: %d bytes, want %d", seed, g.len(), at)
				}
			}
			if got := g.join(memory, 0); !bytes.Equal(got, want) {
				t.Fatalf("seed %d: gathered %d bytes, which are not the %d that were added", seed, len(got), len(want))
			}
			if random.IntN(2) == 0 {
				g.reset(memory)
			} else {
				g.giveBack(memory)
			}
			if g.len() != 0 {
				t.Fatalf("%d bytes are left", g.len())
			}
		}
	}
}
