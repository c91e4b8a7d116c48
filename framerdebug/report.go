// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framerdebug

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goframer/framer"
)

// A Report is what the page returns as JSON: the figures of all servers, and some of
// their connections. In JSON the fields have their Go names.
//
// See Example in framerdebug_test.go.
type Report struct {
	Time     time.Time // when the figures were taken
	Servers  []Server
	Open     int    // connections that are open
	Matching int    // those of them that the filter lets through
	Offset   int    // how many of these come before Conns
	Conns    []Conn // in the order that was asked for
}

// A Server is one server in a [Report].
//
// See Example in framerdebug_test.go.
type Server struct {
	Name  string // its number, and its Protocol or its Addr
	Stats framer.ServerStats
}

// A Conn is one connection in a [Report].
//
// See Example in framerdebug_test.go.
type Conn struct {
	Server int    // the index in Report.Servers
	Peer   string // the address of the other side
	Local  string // the address of this side
	Info   string // what Options.Describe has returned
	framer.ConnStats
}

// A query says what a report must have.
type query struct {
	sort   func(a, b *Conn) int
	texts  bool     // sort compares Peer, Local or Info
	words  []string // in lower case
	offset int
	limit  int
}

// defaultLimit is the greatest number of connections in a report, if the request does not
// say it.
const defaultLimit = 100

func parseQuery(params url.Values) (q query, err error) {
	name := params.Get("sort")
	if name == "" {
		name = "queued"
	}
	q.sort = columns[name]
	if q.sort == nil {
		return q, fmt.Errorf("there is no column %q to sort by", name)
	}
	switch name {
	case "peer", "local", "info":
		q.texts = true
	}
	switch order := params.Get("order"); order {
	case "asc":
	case "desc", "":
		ascending := q.sort
		q.sort = func(a, b *Conn) int { return ascending(b, a) }
	default:
		return q, fmt.Errorf(`order must be "asc" or "desc", not %q`, order)
	}
	q.words = strings.Fields(strings.ToLower(params.Get("filter")))
	if q.limit, err = count(params, "limit", defaultLimit); err != nil {
		return q, err
	}
	q.offset, err = count(params, "offset", 0)
	return q, err
}

// count returns the value of a parameter that is a number, or otherwise if it is missing.
func count(params url.Values, name string, otherwise int) (int, error) {
	text := params.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s must be a number, and not negative", name)
	}
	return n, nil
}

// columns has a function for each column. It compares two connections, in ascending
// order.
var columns = map[string]func(a, b *Conn) int{
	"server":   func(a, b *Conn) int { return cmp.Compare(a.Server, b.Server) },
	"id":       func(a, b *Conn) int { return cmp.Compare(a.ID, b.ID) },
	"peer":     func(a, b *Conn) int { return cmp.Compare(a.Peer, b.Peer) },
	"local":    func(a, b *Conn) int { return cmp.Compare(a.Local, b.Local) },
	"state":    func(a, b *Conn) int { return cmp.Compare(a.State, b.State) },
	"info":     func(a, b *Conn) int { return cmp.Compare(a.Info, b.Info) },
	"age":      func(a, b *Conn) int { return b.Began.Compare(a.Began) },
	"idle":     func(a, b *Conn) int { return b.LastMoved.Compare(a.LastMoved) },
	"waiting":  func(a, b *Conn) int { return compareSince(a.WaitingSince, b.WaitingSince) },
	"queued":   func(a, b *Conn) int { return cmp.Compare(a.QueuedBytes, b.QueuedBytes) },
	"messages": func(a, b *Conn) int { return cmp.Compare(a.MessagesRead, b.MessagesRead) },
	"pushes":   func(a, b *Conn) int { return cmp.Compare(a.Pushes, b.Pushes) },
	"read":     func(a, b *Conn) int { return cmp.Compare(a.BytesRead, b.BytesRead) },
	"written":  func(a, b *Conn) int { return cmp.Compare(a.BytesWritten, b.BytesWritten) },
	"stalls":   func(a, b *Conn) int { return cmp.Compare(a.WriteStalls, b.WriteStalls) },
	"waits":    func(a, b *Conn) int { return cmp.Compare(a.PushWaits, b.PushWaits) },
	"refused":  func(a, b *Conn) int { return cmp.Compare(a.PushRefused, b.PushRefused) },
}

// compareSince compares how long two things have lasted. One that does not last at all
// comes first.
func compareSince(a, b time.Time) int {
	if a.IsZero() || b.IsZero() {
		return a.Compare(b)
	}
	return b.Compare(a)
}

// An entry is a connection of which a report is being made.
type entry struct {
	c    *framer.Conn
	conn Conn
}

// look returns a report.
func (p *page) look(q query, now time.Time) Report {
	report := Report{Time: now, Servers: []Server{}, Conns: []Conn{}}
	var entries []*entry // pointers, because it would take long to move the entries themselves
	for i, s := range p.servers {
		report.Servers = append(report.Servers, Server{nameOf(s, i), s.Stats()})
		for c := range s.Conns() {
			report.Open++
			e := &entry{c, Conn{Server: i, ConnStats: c.Stats()}}
			if q.texts || len(q.words) > 0 {
				p.describe(e)
			}
			if q.matches(&e.conn, report.Servers[i].Name) {
				entries = append(entries, e)
			}
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int {
		return cmp.Or(q.sort(&a.conn, &b.conn), cmp.Compare(a.conn.Server, b.conn.Server), cmp.Compare(a.conn.ID, b.conn.ID))
	})
	report.Matching = len(entries)
	report.Offset = min(q.offset, len(entries))
	entries = entries[report.Offset:]
	entries = entries[:min(q.limit, len(entries))]
	for _, e := range entries {
		p.describe(e)
		report.Conns = append(report.Conns, e.conn)
	}
	return report
}

// describe sets the texts of e, which take the most time. A second call does nothing.
func (p *page) describe(e *entry) {
	if e.c == nil {
		return
	}
	e.conn.Peer, e.conn.Local = text(e.c.RemoteAddr()), text(e.c.LocalAddr())
	if p.opts.Describe != nil {
		e.conn.Info = p.textOf(e.c)
	}
	e.c = nil
}

func text(addr net.Addr) string {
	if addr == nil {
		return ""
	}
	return addr.String()
}

// matches reports whether the filter accepts c. server is the name of its server.
func (q *query) matches(c *Conn, server string) bool {
	if len(q.words) == 0 {
		return true
	}
	all := strings.ToLower(strings.Join([]string{server, c.Peer, c.Local, c.State.String(), c.Info, "#" + strconv.FormatInt(c.ID, 10)}, "\n"))
	for _, word := range q.words {
		if !strings.Contains(all, word) {
			return false
		}
	}
	return true
}

// textOf calls Describe. If Describe panics, the panic is the text: the other connections
// must still be shown.
func (p *page) textOf(c *framer.Conn) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("panic in Describe: %v", v)
		}
	}()
	return p.opts.Describe(c)
}
