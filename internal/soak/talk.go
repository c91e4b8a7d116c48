// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/goframer/framer"
)

// talk runs the connection with package framer.
func (d *dialogue) talk(load context.Context) error {
	var serving sync.WaitGroup
	defer serving.Wait()
	ctx, cancel := context.WithCancelCause(d.life)
	defer cancel(nil)
	conn, err := d.open(ctx, &serving)
	if err != nil {
		return d.server.dialError(err)
	}
	defer context.AfterFunc(d.life, func() { conn.Close() })()
	var failed error
	send := func(r record) error {
		err := d.push(conn, d.rnd, d.service.framing, r)
		if err != nil && !errors.Is(err, net.ErrClosed) {
			failed = err
			conn.Close()
		}
		return err
	}
	inject := func() bool { return d.inject(conn, cancel, send) }
	if d.sendAll(load, conn.Context(), send, inject) && (d.page.excluded || d.awaitReplies(conn.Context())) {
		d.page.leave()
		conn.CloseWhenDone()
	}
	conn.Wait()
	return failed
}

// open connects. It uses Dial or, if the fault of the plan cancels ctx, NewConn and
// Serve.
func (d *dialogue) open(ctx context.Context, serving *sync.WaitGroup) (*framer.Conn, error) {
	cfg := d.config(d.rnd)
	if d.plan.fault != clientCancelled && d.rnd.IntN(2) == 0 {
		return framer.Dial(ctx, "tcp", d.server.address, d.newHandler, &cfg)
	}
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "tcp", d.server.address)
	if err != nil {
		return nil, err
	}
	conn := framer.NewConn(nc, d.newHandler, &cfg)
	serving.Go(func() { conn.Serve(ctx) })
	return conn, nil
}

// inject injects the fault of the plan and reports whether to go on.
func (d *dialogue) inject(conn *framer.Conn, cancel context.CancelCauseFunc, send func(record) error) (goOn bool) {
	switch f := d.plan.fault; f {
	case clientError, clientPanic:
		return true // the handler injects it
	case clientProducerError:
		d.page.hit(f)
		d.pushBroken(conn, d.service.framing, d.command(closeCommand))
		return false
	case clientCancelled:
		d.page.hit(f)
		cancel(errInjected)
		return false
	case discardBuffers:
		goOn = d.injectInServer(send)
		conn.DiscardBuffers()
		return goOn
	}
	return d.injectInServer(send)
}
