// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of what is said and of names, in bytes.
const (
	maxLine = 1000 // of a client, without its end
	maxName = 20
	maxRoom = 30
	maxNode = 30
)

// Kinds of events. Those of the first group are counted by Seq; they are shown to the
// members of the room.
const (
	kindSay  = "say"
	kindJoin = "join"
	kindPart = "part" // Text is the reason
	kindNick = "nick" // Text is the new name

	kindHello = "hello" // a source begins, and wants to know the others
	kindBeat  = "beat"  // a source is there
	kindBye   = "bye"   // a source ends
)

// An event is what nodes tell each other about a room, as JSON, by NATS.
type event struct {
	Kind   string   `json:"kind"`
	Source string   `json:"source"` // a node, since the first of its members has come into the room
	Node   string   `json:"node"`
	Seq    uint64   `json:"seq"` // of the source: events that are counted have 1, 2, 3; others repeat the last one
	Name   string   `json:"name,omitempty"`
	Text   string   `json:"text,omitempty"`
	Names  []string `json:"names,omitempty"` // of a beat: the first of the members
	Count  int      `json:"count,omitempty"` // of a beat: all members
}

func (e *event) counted() bool {
	switch e.Kind {
	case kindSay, kindJoin, kindPart, kindNick:
		return true
	}
	return false
}

// subject returns where the event goes. JetStream keeps what is said, and no more.
func (e *event) subject(room string) string {
	kind := "event"
	if e.Kind == kindSay {
		kind = kindSay
	}
	return subjectOf(room, kind)
}

func subjectOf(room, kind string) string { return "chat." + room + "." + kind }

// maxEvent is the size of an event above which it is not one of ours, in bytes.
const maxEvent = 16 << 10

// parseEvent returns an error for what no node has sent. Whatever it may be that others
// publish here, it shows nothing to a terminal but printable text.
func parseEvent(data []byte) (*event, error) {
	if len(data) > maxEvent {
		return nil, fmt.Errorf("an event of %d bytes", len(data))
	}
	e := new(event)
	if err := json.Unmarshal(data, e); err != nil {
		return nil, err
	}
	switch {
	case e.Source == "" || len(e.Source) > 64 || !isName(e.Node, maxNode):
		return nil, fmt.Errorf("an event of no node")
	case e.counted() && !isName(e.Name, maxName):
		return nil, fmt.Errorf("an event of nobody")
	case e.counted() && e.Seq == 0 || len(e.Names) > maxNames || e.Count < 0:
		return nil, fmt.Errorf("an event of a senseless number")
	}
	for _, name := range e.Names {
		if !isName(name, maxName) {
			return nil, fmt.Errorf("an event with nobody")
		}
	}
	return e, nil
}

// line returns how the event is shown on another node, or with local on its own.
func (e *event) line(local bool) string {
	who := e.Name
	if !local {
		who += "@" + e.Node
	}
	switch e.Kind {
	case kindSay:
		return "<" + who + "> " + printable(e.Text) + "\r\n"
	case kindJoin:
		return "* " + who + " has joined\r\n"
	case kindPart:
		return "* " + who + " has left\r\n"
	case kindNick:
		return "* " + who + " is now " + printable(e.Text) + "\r\n"
	}
	return ""
}

// printable returns text with everything escaped that a terminal may obey instead of
// showing it, as in a Go string. Line ends are not printable.
func printable(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1: // not UTF-8
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case strconv.IsPrint(r):
			b.WriteString(text[:n])
		case r == '\t':
			b.WriteByte(' ')
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
		text = text[n:]
	}
	return b.String()
}

// brief returns the beginning of text, quoted.
func brief(text string) string {
	const limit = 40
	if len(text) > limit {
		return strconv.Quote(text[:limit]) + "..."
	}
	return strconv.Quote(text)
}

// isName reports whether s is a name of a person, a room or a node: a letter, then
// letters, digits, '-' and '_'. None has a meaning in a subject of NATS, or in a line.
func isName(s string, limit int) bool {
	for i, r := range s {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || !('0' <= r && r <= '9' || r == '-' || r == '_')) {
			return false
		}
	}
	return s != "" && len(s) <= limit
}
