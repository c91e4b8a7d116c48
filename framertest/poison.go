// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/poison"
)

// Poison returns newHandler with handlers that do not get away with keeping memory
// that was lent to them. The data of CollectIncomingData is a copy, which is
// overwritten when that returns; what was collected before a Reset of an embedded
// [framer.Collector] is overwritten when the method returns that has called it. A
// handler that works without Poison, and not with it, has kept a slice for too long:
// sooner or later it would have found the input of another connection there.
//
// Memory is overwritten with bytes that are no UTF-8, from \xf5 to \xff, another one
// for each connection in turn.
//
// The optional methods of a handler, and an embedded Collector, are found as before.
// The handlers of [framer.Messages], [framer.Session] and the like are returned as
// they are. A message that came in one read is lent to them where it was read, and
// there it is overwritten by the next Read of a [Pipe], of [Recut] or of [Transcript].
// With Transcript, Poison is not needed.
func Poison(newHandler func(*framer.Conn) framer.Handler) func(*framer.Conn) framer.Handler {
	var poisons poisons
	return func(c *framer.Conn) framer.Handler {
		if c != nil {
			poison.Set(c, poisons.next())
		}
		return newHandler(c)
	}
}

// poisons are different from one to the next, so that a text with poison in it is
// never the same twice. The zero value is ready.
type poisons struct{ n atomic.Uint32 }

func (p *poisons) next() poison.Byte {
	const all = uint32(poison.Last-poison.First) + 1
	return poison.First + poison.Byte((p.n.Add(1)-1)%all)
}

// hint explains a text that has poison in it, quoted or not, if input has none.
func hint(input []byte, text string) string {
	if slices.ContainsFunc(input, poison.Is) {
		return ""
	}
	found := slices.ContainsFunc([]byte(text), poison.Is)
	for b := int(poison.First); b <= int(poison.Last); b++ {
		found = found || strings.Contains(text, fmt.Sprintf(`\x%x`, b))
	}
	if !found {
		return ""
	}
	return "\n--- bytes from \\xf5 to \\xff are memory that was lent, and kept for too long"
}
