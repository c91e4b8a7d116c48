// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// A hub is what all sessions of a node share.
type hub struct {
	options
	tlsConfig *tls.Config // nil if there is no certificate
	log       *slog.Logger
	engine
	history *history
	id      string         // the source of each room of this process begins with it
	closing atomic.Bool    // the server is shutting down
	beating sync.WaitGroup // waits for the goroutine of beats
	done    chan struct{}  // closed to end that goroutine

	mu     sync.Mutex
	names  map[string]*member // by name in lower case
	rooms  map[string]*room
	guests int // number of guests so far
}

func newHub(o *options, tlsConfig *tls.Config, log *slog.Logger) *hub {
	return &hub{
		options:   *o,
		tlsConfig: tlsConfig,
		log:       log,
		id:        nuid.Next(),
		done:      make(chan struct{}),
		names:     make(map[string]*member),
		rooms:     make(map[string]*room),
	}
}

// connect connects to NATS, or starts it. After an error there is nothing to close.
func (h *hub) connect() error {
	err := h.engine.connect(&h.options, h.log, []nats.Option{
		nats.DisconnectErrHandler(h.disconnected),
		nats.ReconnectHandler(h.reconnected),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			attrs := []any{"error", err}
			if s != nil { // the members notice it, too, by the numbers of the events
				dropped, _ := s.Dropped()
				attrs = append(attrs, "subject", s.Subject, "dropped", dropped)
			}
			h.log.Warn("chat: NATS", attrs...)
		}),
	})
	if err != nil {
		return err
	}
	h.history = openHistory(h.nc)
	h.beating.Go(h.beats)
	return nil
}

// close is called after all sessions have ended.
func (h *hub) close() {
	close(h.done)
	h.beating.Wait()
	if h.server != nil && h.history.stream != nil { // the server ends with this process, so the stream must be complete
		ctx, cancel := context.WithTimeout(context.Background(), natsTimeout)
		defer cancel()
		h.history.settle(ctx)
	}
	h.engine.close()
}

// allRooms returns the rooms that have members on this node.
func (h *hub) allRooms() []*room {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		all = append(all, r)
	}
	return all
}

// beats makes every room send beats until the hub is closed.
func (h *hub) beats() {
	ticker := time.NewTicker(h.beat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-h.done:
			return
		}
		for _, r := range h.allRooms() {
			r.tick()
		}
	}
}

func (h *hub) disconnected(nc *nats.Conn, err error) {
	if nc.IsClosed() {
		return // close has closed it
	}
	var attrs []any
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	h.log.Warn("chat: the connection to NATS is lost; messages are refused until it is back", attrs...)
	for _, r := range h.allRooms() {
		r.tell("* the connection to NATS is lost: what you say is refused, and what others say may be missing")
	}
}

// reconnected tells all members that messages arrive again. Before that, it waits until
// the server has the subscriptions.
func (h *hub) reconnected(nc *nats.Conn) {
	h.log.Warn("chat: connected to NATS again", "url", nc.ConnectedUrlRedacted())
	if err := nc.FlushTimeout(natsTimeout); err != nil {
		return // the connection was lost again, which the members were told
	}
	for _, r := range h.allRooms() {
		r.renew()
		r.tell("* connected to NATS again")
	}
}

// admit gives m its first name.
func (h *hub) admit(m *member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for m.name == "" || h.names[strings.ToLower(m.name)] != nil {
		h.guests++
		m.name = fmt.Sprintf("guest%d", h.guests)
	}
	h.names[strings.ToLower(m.name)] = m
}

// rename gives m another name, if no other member on this node has it.
func (h *hub) rename(m *member, name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := strings.ToLower(name)
	if other := h.names[key]; other != nil && other != m {
		return false
	}
	delete(h.names, strings.ToLower(m.name))
	h.names[key] = m
	m.name = name
	return true
}

// dismiss forgets m, which must be in no room.
func (h *hub) dismiss(m *member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.names, strings.ToLower(m.name))
	m.name = ""
}

// enter returns the room, connected to the other nodes.
func (h *hub) enter(name string) (*room, error) {
	h.mu.Lock()
	r := h.rooms[name]
	if r == nil {
		r = newRoom(h, name)
		h.rooms[name] = r
	}
	r.users++
	h.mu.Unlock()
	err := r.open()
	if err != nil {
		h.exit(r)
	}
	return r, err
}

// exit undoes enter. If the room is entered again later, it is a new one.
func (h *hub) exit(r *room) {
	h.mu.Lock()
	r.users--
	last := r.users == 0
	if last {
		delete(h.rooms, r.name)
	}
	h.mu.Unlock()
	if last {
		r.close()
	}
}
