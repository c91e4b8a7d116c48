// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"crypto/tls"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/goframer/framer"
)

// lineEnd is what ends a line of a client: telnet sends CRLF, nc LF.
var lineEnd = framer.AnyDelimiter("\r\n", "\n")

// goodbye is what a client is told at a shutdown.
const goodbye = "* the server shuts down, good-bye\r\n"

// serve runs the conversation with a client.
func (h *hub) serve(c *framer.Conn) error {
	m := &member{Conn: c, hub: h, limit: limiter{rate: h.rate}}
	h.admit(m)
	defer h.dismiss(m)
	defer m.leave()
	m.greet()
	for !m.over {
		line, err := m.Next(lineEnd)
		var tooLong *framer.MessageTooLongError
		switch {
		case err == nil:
			err = m.command(string(line))
		case errors.As(err, &tooLong):
			m.reply("not sent: a line has at most %d bytes", tooLong.Limit)
			continue
		case errors.Is(err, framer.ErrServerClosed):
			// TryPush does not wait, so a client that reads nothing does not delay the
			// shutdown.
			m.TryPush([]byte(goodbye))
		case errors.Is(err, os.ErrDeadlineExceeded):
			m.reply("you have said nothing for %v, good-bye", h.idleTimeout)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *member) greet() {
	m.reply("welcome to node %s, %s", m.hub.node, m.name)
	m.help()
}

func (m *member) help() {
	for _, line := range []string{
		"/nick NAME    take a name",
		"/join ROOM    go into a room, and leave the one before",
		"/part         leave the room",
		"/who          who is in the room",
		"/history      what was said there last",
		"/help         this text",
		"/quit         end the connection",
	} {
		m.reply("%s", line)
	}
	if m.offersTLS() {
		m.reply("/starttls     begin anew under TLS")
	}
	m.reply("everything else is said in the room")
}

// command carries out the command in line. An error comes from the connection.
func (m *member) command(line string) error {
	verb, arg, _ := strings.Cut(strings.TrimRight(line, " "), " ")
	arg = strings.TrimSpace(arg)
	verb = strings.ToLower(verb)
	if verb == "/quit" {
		m.reply("good-bye")
		m.over = true
		return nil
	}
	if line == "" {
		return nil
	}
	if !m.limit.allow(time.Now()) {
		m.reply("not sent: more than %d lines a second: %s", m.hub.rate, brief(line))
		return nil
	}
	if !strings.HasPrefix(verb, "/") {
		m.say(line)
		return nil
	}
	switch verb {
	case "/nick":
		m.nick(arg)
	case "/join":
		m.join(arg)
	case "/part":
		if m.room == nil {
			m.reply("you are in no room")
			return nil
		}
		name := m.room.name
		m.leave()
		m.reply("you have left %s", name)
	case "/who":
		m.who()
	case "/history":
		m.history()
	case "/help":
		m.help()
	case "/starttls":
		return m.startTLS()
	default:
		m.reply("%s is not known; /help tells what is", brief(verb))
	}
	return nil
}

func (m *member) say(text string) {
	if m.room == nil {
		m.reply("not sent: you are in no room, try /join lobby: %s", brief(text))
		return
	}
	if err := m.room.post(m, event{Kind: kindSay, Name: m.name, Text: text}); err != nil {
		m.reply("not sent: %v: %s", err, brief(text))
	}
}

func (m *member) nick(name string) {
	old := m.name
	switch {
	case !isName(name, maxName):
		m.reply("a name is a letter, and then up to %d letters, digits, '-' and '_'", maxName-1)
		return
	case !m.hub.rename(m, name):
		m.reply("%s is the name of somebody else", name)
		return
	}
	m.reply("you are %s", name)
	if m.room != nil {
		m.room.post(m, event{Kind: kindNick, Name: old, Text: name}) // if it fails, what they say later still has the new name
	}
}

// join enters a room. Upper and lower case make no difference in the names of rooms.
func (m *member) join(name string) {
	name = strings.ToLower(name)
	switch {
	case !isName(name, maxRoom):
		m.reply("a room is a letter, and then up to %d letters, digits, '-' and '_'", maxRoom-1)
		return
	case m.room != nil && m.room.name == name:
		m.reply("you are in %s", name)
		return
	}
	m.leave()
	r, err := m.hub.enter(name)
	if err != nil {
		m.reply("you are in no room: %v", err)
		return
	}
	m.room = r
	r.add(m)
	if err := r.post(m, event{Kind: kindJoin, Name: m.name}); err != nil {
		m.reply("nobody hears you now: %v", err)
	}
}

// leave leaves the room, if m is in one. After that, nothing more is delivered to m.
func (m *member) leave() {
	if m.room == nil {
		return
	}
	m.room.remove(m)
	if !m.hub.closing.Load() { // otherwise the node tells the others that it shuts down
		m.room.post(nil, event{Kind: kindPart, Name: m.name})
	}
	m.hub.exit(m.room)
	m.room = nil
}

func (m *member) who() {
	if m.room == nil {
		m.reply("you are %s, in no room", m.name)
		return
	}
	m.reply("you are %s, in %s", m.name, m.room.name)
	for _, line := range m.room.who() {
		m.reply("%s", line)
	}
}

func (m *member) history() {
	if m.room == nil {
		m.reply("you are in no room")
		return
	}
	lines, err := m.hub.history.lines(m.Context(), m.room.name)
	switch {
	case err != nil:
		m.reply("there is no history: %s", printable(err.Error()))
		return
	case len(lines) == 0:
		m.reply("nothing was said in %s yet", m.room.name)
	}
	for _, line := range lines {
		m.reply("%s", strings.TrimSuffix(line, "\r\n"))
	}
}

// offersTLS reports whether /starttls is possible.
func (m *member) offersTLS() bool {
	_, encrypted := m.NetConn().(*tls.Conn)
	return m.hub.tlsConfig != nil && !encrypted
}

// startTLS starts TLS. It forgets what the client has said before, because somebody else
// may have sent that.
func (m *member) startTLS() error {
	if !m.offersTLS() {
		m.reply("TLS is not offered, or active")
		return nil
	}
	m.leave() // a push by another member must not come between the answer and the handshake
	m.hub.dismiss(m)
	m.reply("begin with TLS")
	if err := m.StartTLS(tls.Server, m.hub.tlsConfig); err != nil {
		return err
	}
	m.hub.admit(m)
	m.greet()
	return nil
}
