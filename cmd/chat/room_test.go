// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// newTestRoom returns a room without NATS that has one member. told returns the lines
// that the member was given, and closes the room.
func newTestRoom(t *testing.T) (r *room, told func() []string) {
	t.Helper()
	h := newHub(&options{node: "n1", maxDropped: 1000}, nil, slog.New(slog.DiscardHandler))
	nc, peer := framertest.Pipe()
	c := framer.NewConn(nc, framer.Messages(framer.Delimiter("\n"), func(*framer.Conn, []byte) error { return nil }), nil)
	var serving sync.WaitGroup
	serving.Go(func() { c.Serve(t.Context()) })
	r = newRoom(h, "lobby")
	r.members[&member{Conn: c, hub: h, name: "alice"}] = true
	return r, func() []string {
		c.CloseWhenDone()
		output, err := io.ReadAll(peer)
		if err != nil {
			t.Error(err)
		}
		peer.Close()
		serving.Wait()
		return strings.FieldsFunc(string(output), func(r rune) bool { return r == '\r' || r == '\n' })
	}
}

// An event that this node has sent to the room before the room was last empty is not
// shown. It is not taken for an event of another node with the same name, which would be
// logged.
func TestOldSource(t *testing.T) {
	r, told := newTestRoom(t)
	var log strings.Builder
	r.hub.log = slog.New(slog.NewTextHandler(&log, nil))
	from := func(source string) {
		r.account(&event{Kind: kindSay, Source: source, Node: "n1", Seq: 7, Name: "bob", Text: source[len(source)-3:]})
	}
	from(newRoom(r.hub, "lobby").source)
	if log.Len() > 0 || len(r.peers) != 1 {
		t.Errorf("got log %q, and %d sources, want none and 1", log.String(), len(r.peers))
	}
	from("another one")
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN msg=\"chat: another node has the same name") {
		t.Errorf("got log %q", got)
	}
	if got, want := told(), []string{"<bob@n1> one"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAccount(t *testing.T) {
	say := func(seq uint64) event {
		return event{Kind: kindSay, Source: "s", Node: "n2", Seq: seq, Name: "bob", Text: "x"}
	}
	uncounted := func(kind string, seq uint64) event {
		return event{Kind: kind, Source: "s", Node: "n2", Seq: seq}
	}
	const heard = "<bob@n2> x"
	lost := func(n string) string { return "* " + n + " lost, from node n2" }
	tests := map[string]struct {
		beats  int // since the room was opened
		events []event
		want   []string
	}{
		"in order":                {9, []event{say(1), say(2)}, []string{heard, heard}},
		"a gap":                   {9, []event{say(1), say(3)}, []string{heard, lost("1 message was"), heard}},
		"a late one":              {9, []event{say(1), say(3), say(2), say(4)}, []string{heard, lost("1 message was"), heard, heard}},
		"a double":                {9, []event{say(1), say(1), say(2)}, []string{heard, heard}},
		"the last, by a beat":     {9, []event{say(1), uncounted(kindBeat, 3)}, []string{heard, lost("2 messages were")}},
		"the last, by a bye":      {9, []event{say(1), uncounted(kindBye, 2)}, []string{heard, lost("1 message was")}},
		"the first":               {9, []event{say(3)}, []string{lost("2 messages were"), heard}},
		"the first, by a beat":    {9, []event{uncounted(kindHello, 0), uncounted(kindBeat, 2)}, []string{lost("2 messages were")}},
		"before the room, said":   {0, []event{say(7), say(8)}, []string{heard, heard}},
		"before the room, a beat": {0, []event{uncounted(kindBeat, 7), say(8), say(10)}, []string{heard, lost("1 message was"), heard}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, told := newTestRoom(t)
			r.beats = test.beats
			for _, e := range test.events {
				data, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				r.receive(data)
			}
			if got := told(); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseEvent(t *testing.T) {
	valid := `{"kind":"say","source":"s","node":"n2","seq":1,"name":"bob","text":"x"}`
	if _, err := parseEvent([]byte(valid)); err != nil {
		t.Error(err)
	}
	for _, replacement := range [][2]string{
		{`}`, ``},
		{`"s"`, `""`},
		{`"s"`, `"` + strings.Repeat("s", 65) + `"`},
		{`"n2"`, `"n\u001b"`},
		{`"bob"`, `"b\nb"`},
		{`"bob"`, `""`},
		{`:1`, `:0`},
		{`:1`, `:-1`},
		{`"x"`, `"x","count":-1`},
		{`"x"`, `"x","names":["\u001b"]`},
		{`"x"`, `"x","names":["a"` + strings.Repeat(`,"a"`, maxNames) + `]`},
		{`"x"`, `"` + strings.Repeat("x", maxEvent) + `"`},
	} {
		data := strings.Replace(valid, replacement[0], replacement[1], 1)
		if e, err := parseEvent([]byte(data)); err == nil {
			t.Errorf("%.200s is an event: %+v", data, e)
		}
	}
}

// Whatever others publish, only printable text reaches a terminal.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"kind":"nick","source":"s","node":"n2","seq":1,"name":"bob","text":"\u001b\r\n"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEvent(data)
		if err != nil {
			return
		}
		for _, local := range []bool{false, true} {
			line := strings.TrimSuffix(e.line(local), "\r\n")
			if line != printable(line) {
				t.Errorf("got %q", line)
			}
		}
	})
}
