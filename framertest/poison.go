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
// that was lent to them: what the connection lends is a copy, which is overwritten when
// the loan ends. A handler that works without Poison, and not with it, has kept a slice
// for too long: sooner or later it would have found the input of another connection
// there.
//
// That holds for every message, wherever its input was cut, for
//
//   - the data of CollectIncomingData, until that returns;
//   - what [framer.Messages] and [framer.Replies] give their function, until it is called
//     again, and the reply that Replies lends, until it returns;
//   - what Next returns in a [framer.Session], until the next call of Next or NextReader,
//     and what a reader of NextReader writes to a Writer by WriteTo, as [io.Copy] has it,
//     until Write returns;
//   - what an embedded [framer.Collector] has returned by Bytes, when it was emptied by
//     Reset, or because the message is too long, in a method for input, until that
//     returns. While it collects more, what was returned stays as it was.
//
// What lends without a connection is not overwritten: a Collector that is not embedded,
// what More of a producer returns, and what the function of [framer.Split] is given. For
// the messages of a [framer.Framer] alone there is [Recut].
//
// Memory is overwritten with bytes that are no UTF-8, from \xf5 to \xff, another one
// for each connection in turn.
//
// The handlers themselves are as newHandler has made them. With Transcript, Poison is not
// needed.
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
