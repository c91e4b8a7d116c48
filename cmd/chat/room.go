// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// These are the limits of a room.
const (
	maxUnheard      = 1000    // events of this node that have not come back from NATS
	maxPeers        = 1000    // sources
	maxNames        = 50      // names in a beat
	maxPending      = 10000   // events from NATS that wait to be shown
	maxPendingBytes = 8 << 20 // the same, in bytes
	goneAfter       = 3       // beats without an event, after which a source has gone
	forgetAfter     = 3600    // beats without an event, after which a source is forgotten
)

// These are the reasons why nothing can be said.
var (
	errNoNATS  = errors.New("there is no connection to NATS")
	errUnheard = errors.New("NATS does not answer")
)

// A room is what one node knows of a chat room, from the time its first member on this
// node enters until the last one leaves. To the other nodes it is a source of events.
//
// Everything that is said goes to NATS first, even on this node, and is shown when it
// comes back. So all members see the events of one source in the same order. The events
// of a source are counted. A gap in the numbers means that events were lost, and the
// members are told so. An event that comes after a later one is not shown any more.
type room struct {
	hub    *hub
	name   string
	source string
	users  int // guarded by the lock of the hub

	// say is held while an event is numbered and published, so that events are sent in
	// the order of their numbers. If the NATS server accepts nothing, it may be held for
	// natsTimeout. Receiving events does not need it.
	say  sync.Mutex
	sub  *nats.Subscription // nil until open has succeeded, and after close
	last uint64             // number of the last published event

	mu      sync.Mutex // guards the fields below
	ready   bool       // open has succeeded
	members map[*member]bool
	peers   map[string]*peer // by source, with the room itself
	beats   int              // since open, or since the connection to NATS is back
	unheard []unheard
}

// A peer is a source as this node knows it.
type peer struct {
	node  string
	last  uint64 // number of the last event seen
	age   int    // beats of this node since the peer was heard
	gone  bool   // it was reported to have gone
	names []string
	count int
}

// An unheard is an event of this node that has not come back.
type unheard struct {
	seq    uint64
	author *member
	text   string
}

func newRoom(h *hub, name string) *room {
	source := h.id + nuid.Next()
	return &room{
		hub:     h,
		name:    name,
		source:  source,
		members: make(map[*member]bool),
		peers:   map[string]*peer{source: {node: h.node}},
	}
}

// open connects the room to the other nodes, if it is not connected yet.
func (r *room) open() error {
	r.say.Lock()
	defer r.say.Unlock()
	if r.sub != nil {
		return nil
	}
	nc := r.hub.nc
	if !nc.IsConnected() {
		return errNoNATS
	}
	sub, err := nc.Subscribe(subjectOf(r.name, "*"), func(msg *nats.Msg) { r.receive(msg.Data) })
	if err != nil {
		return err
	}
	err = sub.SetPendingLimits(maxPending, maxPendingBytes)
	if err == nil {
		err = nc.FlushTimeout(natsTimeout) // after that the server has the subscription
	}
	if err == nil {
		err = r.publish(&event{Kind: kindHello})
	}
	if err != nil {
		sub.Unsubscribe()
		return err
	}
	r.sub = sub
	r.mu.Lock()
	r.ready = true
	r.mu.Unlock()
	return nil
}

// close disconnects the room. It is called when the last member has left.
func (r *room) close() {
	r.say.Lock()
	defer r.say.Unlock()
	if r.sub == nil {
		return
	}
	e := &event{Kind: kindBye}
	if r.hub.closing.Load() {
		e.Text = "it shuts down"
	}
	r.publish(e) // if it fails, the others notice that the beats stop
	r.sub.Unsubscribe()
	r.sub = nil
}

// publish numbers e as an event of this source, and sends it. The lock say must be held.
func (r *room) publish(e *event) error {
	e.Source, e.Node, e.Seq = r.source, r.hub.node, r.last
	if e.counted() {
		e.Seq++
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	err = r.hub.nc.Publish(e.subject(r.name), data)
	if err == nil || !unsent(err) {
		r.last = e.Seq // if the event was sent in spite of the error, it has this number
	}
	return err
}

// unsent reports whether err, an error of Publish, means that nothing was sent.
func unsent(err error) bool {
	for _, known := range []error{nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrMaxPayload} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// post says something in the room. If it returns an error, nothing has been sent. If the
// event gets lost later, the author is told.
func (r *room) post(author *member, e event) error {
	r.say.Lock()
	defer r.say.Unlock()
	if !r.hub.nc.IsConnected() {
		return errNoNATS
	}
	r.mu.Lock()
	full := len(r.unheard) >= maxUnheard
	if !full { // before publish, because the event may come back at once
		r.unheard = append(r.unheard, unheard{r.last + 1, author, e.Text})
	}
	r.mu.Unlock()
	if full {
		return errUnheard
	}
	err := r.publish(&e)
	switch {
	case err == nil:
		return nil
	case !unsent(err):
		return nil // it may have been sent; if not, its number will be found missing
	}
	r.mu.Lock()
	r.unheard = r.unheard[:len(r.unheard)-1]
	r.mu.Unlock()
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return errNoNATS
	}
	return err
}

// add adds m to the members who hear what is said, and tells m that it is in the room.
func (r *room) add(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.deliver("* you are in "+r.name+"\r\n", 1)
	r.members[m] = true
}

// remove removes m. When it returns, nothing is being delivered to m.
func (r *room) remove(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, m)
}

// tell shows a line to all members on this node.
func (r *room) tell(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.show(fmt.Sprintf(format, args...)+"\r\n", 1, nil)
}

// show shows a line that stands for n events to all members except but. The lock must be
// held.
func (r *room) show(line string, n int, but *member) {
	for m := range r.members {
		if m != but {
			m.deliver(line, n)
		}
	}
}

// renew gives the other nodes the whole time again before they count as gone.
func (r *room) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.beats = 0
	for _, p := range r.peers {
		p.age = 0
	}
}

// tick tells the others that this node is there, and looks for nodes that have gone.
func (r *room) tick() {
	if !r.look() {
		return
	}
	r.beat()
}

// look counts a beat, and reports whether the room is open and connected. It shows which
// nodes have gone.
func (r *room) look() bool {
	connected := r.hub.nc.IsConnected() // may wait for a write to NATS, so it is called without the lock
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ready || !connected {
		return false
	}
	r.beats++
	for source, p := range r.peers {
		if source == r.source {
			continue
		}
		switch p.age++; p.age {
		case goneAfter:
			p.gone = true
			r.show(fmt.Sprintf("* node %s has gone, with %s; what they have said last may be missing\r\n", p.node, people(p.count)), 1, nil)
		case forgetAfter:
			delete(r.peers, source)
		}
	}
	return true
}

func (r *room) beat() {
	r.say.Lock()
	defer r.say.Unlock()
	if r.sub == nil {
		return
	}
	names, count := r.here()
	r.publish(&event{Kind: kindBeat, Names: names, Count: count}) // if it fails, the next one may succeed
}

// here returns the members on this node: the names of the first ones, and the number of
// all.
func (r *room) here() (names []string, count int) {
	r.mu.Lock()
	members := make([]*member, 0, len(r.members))
	for m := range r.members {
		members = append(members, m)
	}
	r.mu.Unlock()
	r.hub.mu.Lock()
	for _, m := range members {
		names = append(names, m.name)
	}
	r.hub.mu.Unlock()
	slices.Sort(names)
	return names[:min(len(names), maxNames)], len(members)
}

// receive is called for every event, in order.
func (r *room) receive(data []byte) {
	e, err := parseEvent(data)
	if err != nil {
		r.hub.log.Warn("chat: what is not an event has come by NATS", "room", r.name, "error", err)
		return
	}
	r.mu.Lock()
	fresh := r.account(e)
	r.mu.Unlock()
	if fresh && e.Kind == kindHello && e.Source != r.source {
		r.beat() // so that the new source knows us
	}
}

// account makes sure that every event of a source is shown, or reported missing. It
// reports whether e is new. The lock must be held.
func (r *room) account(e *event) bool {
	p := r.peers[e.Source]
	if p == nil && strings.HasPrefix(e.Source, r.hub.id) {
		return false // an event that this node has sent to the room before the room was last empty
	}
	if p == nil {
		if len(r.peers) >= maxPeers {
			r.hub.log.Warn("chat: too many sources in a room", "room", r.name, "node", e.Node)
			return false
		}
		p = &peer{node: e.Node}
		r.peers[e.Source] = p
		if r.beats < goneAfter {
			p.last = e.Seq // the peer was there before us
			if e.counted() {
				p.last--
			}
		}
		if e.Node == r.hub.node {
			r.hub.log.Warn("chat: another node has the same name; give each its own by -node", "node", e.Node)
		}
	}
	if p.gone {
		r.show(fmt.Sprintf("* node %s is back\r\n", p.node), 1, nil)
	}
	p.gone, p.age = false, 0
	local := e.Source == r.source
	expected := e.Seq
	if e.counted() {
		expected--
	}
	if expected > p.last {
		r.miss(p, expected, local)
	}
	if e.counted() {
		if e.Seq <= p.last {
			return false // was reported missing already, or is a duplicate
		}
		p.last = e.Seq
	}
	switch {
	case e.counted():
		var author *member
		if local {
			author = r.heard(e.Seq)
		}
		r.show(e.line(local), 1, author)
	case e.Kind == kindBeat:
		p.names, p.count = e.Names, e.Count
	case e.Kind == kindBye:
		delete(r.peers, e.Source)
		if e.Text != "" && !local {
			r.show(fmt.Sprintf("* node %s has gone, with %s: %s\r\n", p.node, people(p.count), printable(e.Text)), 1, nil)
		}
	}
	return true
}

// miss reports that the events of p after p.last, up to seq, are missing. The lock must
// be held.
func (r *room) miss(p *peer, seq uint64, local bool) {
	n := seq - p.last
	p.last = seq
	r.show(fmt.Sprintf("* %s lost, from node %s\r\n", messages(n), p.node), int(min(n, 1<<20)), nil)
	if !local {
		return
	}
	for len(r.unheard) > 0 && r.unheard[0].seq <= seq {
		u := r.unheard[0]
		r.unheard = r.unheard[1:]
		if r.members[u.author] && u.text != "" {
			u.author.deliver(fmt.Sprintf("* lost, or heard by some only: %s\r\n", brief(u.text)), 1)
		}
	}
}

// heard returns the author of an event of this node that has come back. The lock must be
// held.
func (r *room) heard(seq uint64) *member {
	if len(r.unheard) == 0 || r.unheard[0].seq != seq {
		return nil // somebody else has sent it in the name of our source
	}
	u := r.unheard[0]
	r.unheard = r.unheard[1:]
	return u.author
}

// who returns lines that list the members on all nodes.
func (r *room) who() []string {
	names, count := r.here()
	lines := []string{nodeLine(r.hub.node, names, count)}
	r.mu.Lock()
	defer r.mu.Unlock()
	for source, p := range r.peers {
		if source != r.source && !p.gone {
			lines = append(lines, nodeLine(p.node, p.names, p.count))
		}
	}
	slices.Sort(lines[1:])
	return lines
}

func nodeLine(node string, names []string, count int) string {
	line := fmt.Sprintf("node %s, %s:", node, people(count))
	for _, name := range names {
		line += " " + name
	}
	if count > len(names) {
		line += " ..."
	}
	return line
}

// people returns "1 member" or "n members".
func people(n int) string {
	if n == 1 {
		return "1 member"
	}
	return fmt.Sprintf("%d members", n)
}
