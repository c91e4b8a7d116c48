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

// Poison returns newHandler with handlers that are caught when they keep memory that was
// lent to them. They are lent copies, and a copy is overwritten when the loan ends. A
// handler that works without Poison, but not with it, keeps a slice for too long. Without
// Poison it would sooner or later find the input of another connection there.
//
// The following is overwritten, wherever the input is cut:
//
//   - the data of CollectIncomingData, when that returns;
//   - what [framer.Messages] and [framer.Replies] give their function, when it is called
//     again, and the reply that Replies lends, when the function returns;
//   - what Next returns in a [framer.Session], at the next call of Next or NextReader, and
//     what a reader of NextReader writes to a Writer by WriteTo, as [io.Copy] does, when
//     Write returns;
//   - what Bytes of an embedded [framer.Collector] has returned, if the Collector is emptied
//     in a method for input, by Reset or because the message is too long, when that method
//     returns. While the Collector collects more, what Bytes has returned stays as it was.
//
// What is lent without a connection is not overwritten: by a Collector that is not embedded,
// by More of a producer, and to the function of [framer.Split]. For the messages of a
// [framer.Framer] alone use [Recut].
//
// Memory is overwritten with bytes from \xf5 to \xff, which are not UTF-8, a different one
// for each connection in turn.
//
// The handlers are those that newHandler has made, not wrappers. Poison is not needed with
// [Transcript].
func Poison(newHandler func(*framer.Conn) framer.Handler) func(*framer.Conn) framer.Handler {
	var poisons poisons
	return func(c *framer.Conn) framer.Handler {
		if c != nil {
			poison.Set(c, poisons.next())
		}
		return newHandler(c)
	}
}

// poisons returns another byte each time, in turn. Each connection, or run, gets one. So
// a text that contains memory that was kept for too long differs from one to the next.
// The zero value is ready to use.
type poisons struct{ n atomic.Uint32 }

func (p *poisons) next() poison.Byte {
	const all = uint32(poison.Last-poison.First) + 1
	return poison.First + poison.Byte((p.n.Add(1)-1)%all)
}

// hint explains why text contains poison, quoted or not. It returns "" if text has none,
// or if input has such bytes itself.
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
