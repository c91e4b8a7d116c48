// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSettle checks what is counted as lost when a connection has ended. On each page,
// three messages were sent, two were processed and replied to, and one reply was
// received.
func TestSettle(t *testing.T) {
	tests := map[string]struct {
		and  func(*connection)
		want damages
	}{
		"a reply did not come": {
			and:  func(*connection) {},
			want: damages{Lost: 1},
		},
		"it comes": {
			and: func(c *connection) { c.acknowledge(101) },
		},
		"a harsh fault": {
			and: func(c *connection) { c.hit(closeUnread) },
		},
		"a gentle fault": {
			and:  func(c *connection) { c.hit(serverPanic) },
			want: damages{Lost: 1},
		},
		"a farewell comes": {
			and: func(c *connection) {
				c.acknowledge(101)
				c.sayFarewell()
				c.hearFarewell()
			},
		},
		"a farewell does not": {
			and: func(c *connection) {
				c.acknowledge(101)
				c.sayFarewell()
			},
			want: damages{Lost: 1},
		},
		"a farewell that nobody hears": {
			and: func(c *connection) {
				c.acknowledge(101)
				c.leave()
				c.sayFarewell()
			},
		},
		"the client ended its side": {
			and: func(c *connection) {
				c.acknowledge(101)
				c.end()
			},
			want: damages{Lost: 1},
		},
		"the client ended its side in a shutdown": {
			and: func(c *connection) {
				c.acknowledge(101)
				c.end()
				c.sayFarewell()
				c.hearFarewell()
			},
		},
		"the client ended its side of a connection that the server closed": {
			and: func(c *connection) {
				c.acknowledge(101)
				c.end()
				c.dismiss()
			},
		},
		"a message is skipped, in spite of a harsh fault": {
			and: func(c *connection) {
				c.hit(serverCancelled)
				c.send()
				c.process(103)
			},
			want: damages{Lost: 1},
		},
		"acknowledged and not processed": {
			and: func(c *connection) {
				c.acknowledge(101)
				c.acknowledge(102)
			},
			want: damages{Lost: 1},
		},
		"a reply to nothing": {
			and: func(c *connection) {
				c.acknowledge(101)
				c.acknowledge(103)
			},
			want: damages{Torn: 1},
		},
		"a connection that is excluded": {
			and: func(c *connection) {
				c.excluded = true
				c.tear(errTorn)
				c.process(100)
				c.acknowledge(99)
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := &ledger{log: slog.New(slog.DiscardHandler)}
			c := l.newConnection("lines", 100, false)
			for range 3 {
				c.send()
			}
			for n := range uint64(2) {
				c.process(100 + n)
				c.replied()
			}
			c.acknowledge(100)
			test.and(c)
			c.settle()
			if diff := cmp.Diff(test.want, l.damages()); diff != "" {
				t.Errorf("damages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResult(t *testing.T) {
	var l ledger
	l.acknowledged.Store(1234567)
	l.injected[halfClose].Store(321)
	l.replaced.Store(29)
	good := result{took: time.Minute, ledger: &l, left: resources{0, unknown}, memory: 45 << 20}
	const want = "soak: 60s: acknowledged 1234567, lost 0, duplicated 0, reordered 0, torn 0; faults 321; servers replaced 29; goroutines left 0, descriptors left unknown, peak memory 45 MiB"
	if got := good.String(); got != want || !good.ok() {
		t.Errorf("ok %t:\n got %s\nwant %s", good.ok(), got, want)
	}
	bad := good
	bad.left.goroutines = 1
	if bad.ok() {
		t.Error("ok with a goroutine left")
	}
	bad = good
	bad.left.descriptors = 1
	if bad.ok() {
		t.Error("ok with a descriptor left")
	}
	for i, counter := range []interface{ Store(int64) }{&l.lost, &l.duplicated, &l.reordered, &l.torn, &l.cutOff} {
		counter.Store(1)
		if good.ok() {
			t.Errorf("ok with damage %d", i)
		}
		counter.Store(0)
	}
}
