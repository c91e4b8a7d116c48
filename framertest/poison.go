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
		h := newHandler(c)
		if h == nil || isReadyMade(h) {
			return h
		}
		return &poisoned{wrap(h), poisons.next()}
	}
}

// poisoned is a wrapper that lends its own memory.
type poisoned struct {
	wrapper
	poison poison
}

func (p *poisoned) CollectIncomingData(data []byte) error {
	lent := slices.Clip(slices.Clone(data))
	defer p.poison.overwrite(lent)
	defer p.overwriteCollector()
	return p.Handler.CollectIncomingData(lent)
}

func (p *poisoned) FoundTerminator() error {
	defer p.overwriteCollector()
	return p.Handler.FoundTerminator()
}

func (p *poisoned) HandleReadComplete() error {
	defer p.overwriteCollector()
	return p.wrapper.HandleReadComplete()
}

func (p *poisoned) HandleOversize(e *framer.MessageTooLongError) error {
	defer p.overwriteCollector()
	return p.wrapper.HandleOversize(e)
}

// overwriteCollector overwrites the memory that an embedded Collector, if it is
// empty, keeps for the next message, and takes it away: what was kept of it shall not
// look like the next message.
func (p *poisoned) overwriteCollector() {
	if c := p.Collector; c != nil && c.Len() == 0 {
		spare := c.Take()
		p.poison.overwrite(spare[:cap(spare)])
	}
}

// A poison is what memory is overwritten with: a byte that no UTF-8 has.
type poison byte

const firstPoison, lastPoison = 0xf5, 0xff

func isPoison(b byte) bool { return b >= firstPoison }

func (b poison) overwrite(p []byte) {
	if len(p) == 0 {
		return
	}
	p[0] = byte(b)
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}

// poisons are different from one to the next, so that a text with poison in it is
// never the same twice. The zero value is ready.
type poisons struct{ n atomic.Uint32 }

func (p *poisons) next() poison {
	return firstPoison + poison((p.n.Add(1)-1)%(lastPoison-firstPoison+1))
}

// hint explains a text that has poison in it, quoted or not, if input has none.
func hint(input []byte, text string) string {
	if slices.ContainsFunc(input, isPoison) {
		return ""
	}
	found := slices.ContainsFunc([]byte(text), isPoison)
	for b := firstPoison; b <= lastPoison; b++ {
		found = found || strings.Contains(text, fmt.Sprintf(`\x%x`, b))
	}
	if !found {
		return ""
	}
	return "\n--- bytes from \\xf5 to \\xff are memory that was lent, and kept for too long"
}
