// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goframer/framer/internal/cli"
)

// These are the limits of texts and names, in bytes.
const (
	maxLine = 1000 // of a line of a client, without its end
	maxName = 20
	maxRoom = 30
	maxNode = 30
)

// These are the kinds of events. Seq counts those of the first group, which are shown to
// the members of the room.
const (
	kindSay  = "say"
	kindJoin = "join"
	kindPart = "part" // Text is the reason
	kindNick = "nick" // Text is the new name

	kindHello = "hello" // a source begins, and asks who else is there
	kindBeat  = "beat"  // a source is still there
	kindBye   = "bye"   // a source ends
)

// An event is a message between nodes about a room. It travels over NATS as JSON.
type event struct {
	Kind   string   `json:"kind"`
	Source string   `json:"source"` // a node in a room, from the time its first member enters until its last one leaves
	Node   string   `json:"node"`
	Seq    uint64   `json:"seq"` // counts the events of the source that are counted, from 1; other events repeat the last number
	Name   string   `json:"name,omitempty"`
	Text   string   `json:"text,omitempty"`
	Names  []string `json:"names,omitempty"` // in a beat: the names of the first members
	Count  int      `json:"count,omitempty"` // in a beat: the number of all members
}

func (e *event) counted() bool {
	switch e.Kind {
	case kindSay, kindJoin, kindPart, kindNick:
		return true
	}
	return false
}

// subject returns the NATS subject of the event. JetStream keeps what is said, and no
// other events.
func (e *event) subject(room string) string {
	kind := "event"
	if e.Kind == kindSay {
		kind = kindSay
	}
	return subjectOf(room, kind)
}

func subjectOf(room, kind string) string { return "chat." + room + "." + kind }

// maxEvent is the greatest size of an event, in bytes.
const maxEvent = 16 << 10

// parseEvent returns an error for data that no node can have sent. Others may publish
// anything here. An event that parseEvent returns shows only printable text on a
// terminal.
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

// line returns the line that shows the event. If local is set, it is for the members on
// the author's own node.
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

// printable returns text, fit for one line of a terminal. A tab becomes a blank, and
// everything else that a terminal may obey instead of showing is escaped.
func printable(text string) string {
	return cli.Escape(strings.ReplaceAll(text, "\t", " "), "")
}

// brief returns the beginning of text in quotes.
func brief(text string) string { return cli.Quote(text, 40) }

// isName reports whether s can be the name of a person, a room or a node: a letter, then
// letters, digits, '-' and '_'. None of these has a special meaning in a NATS subject or
// in a line.
func isName(s string, limit int) bool {
	for i, r := range s {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || !('0' <= r && r <= '9' || r == '-' || r == '_')) {
			return false
		}
	}
	return s != "" && len(s) <= limit
}
