// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/goframer/framer"
)

// A visit is the server's side of a connection.
type visit struct {
	server *server
	conn   *framer.Conn
	rnd    *rand.Rand
	page   *connection // nil until the first record has come
}

// A visitHandler is a visit as a Handler.
type visitHandler struct {
	receiver
	visit *visit
}

func (sv *server) newHandler(c *framer.Conn) framer.Handler {
	v := &visit{server: sv, conn: c}
	return &visitHandler{receiver{conn: c, framing: sv.framing, process: v.process}, v}
}

func (h *visitHandler) HandleShutdown() error { return h.visit.sayFarewell() }

// session is a visit as a Session.
func (sv *server) session(c *framer.Conn) error {
	v := &visit{server: sv, conn: c}
	for {
		data, err := sv.framing.next(c)
		if errors.Is(err, framer.ErrServerClosed) {
			return v.sayFarewell()
		}
		if err == nil {
			err = v.process(data)
		}
		if err != nil {
			return err
		}
	}
}

// process does what a record asks for.
func (v *visit) process(data []byte) error {
	r, err := parse(data)
	if v.page == nil {
		if err == nil {
			v.page = v.server.page(r.conn)
		}
		if v.page == nil {
			return v.server.ledger.tearFirst(r.conn, err)
		}
		v.rnd = rand.New(rand.NewPCG(v.server.seed, r.conn))
	}
	if err == nil && r.conn != v.page.id {
		err = fmt.Errorf("%w of connection %d", errTorn, r.conn)
	}
	if err != nil {
		v.page.tear(err)
		return err
	}
	return v.obey(r)
}

func (v *visit) obey(r record) error {
	switch r.kind {
	case message:
		v.page.process(r.number)
		return v.reply(r)
	case closeCommand:
		return v.conn.CloseWhenDone()
	case errorCommand:
		return errInjected
	case panicCommand:
		panic(errInjected)
	case producerErrorCommand:
		return v.server.pushBroken(v.conn, v.server.framing, record{kind: farewell, conn: r.conn})
	case cancelCommand:
		v.conn.Context().Value(cancelKey{}).(context.CancelCauseFunc)(errInjected)
		return nil
	case discardCommand:
		v.conn.DiscardBuffers()
		return nil
	}
	err := fmt.Errorf("%w of kind %q", errTorn, r.kind)
	v.page.tear(err)
	return err
}

func (v *visit) reply(r record) error {
	err := v.push(record{
		kind:   reply,
		conn:   r.conn,
		number: r.number,
		offset: v.rnd.IntN(maxPayload),
		size:   r.answer,
	})
	if err == nil {
		v.page.replied()
	}
	return err
}

// sayFarewell tells the client that the server is being shut down.
func (v *visit) sayFarewell() error {
	if v.page == nil {
		return nil
	}
	err := v.push(record{kind: farewell, conn: v.page.id})
	if err == nil {
		v.page.sayFarewell()
	}
	return err
}

func (v *visit) push(r record) error {
	return v.server.push(v.conn, v.rnd, v.server.framing, r)
}
