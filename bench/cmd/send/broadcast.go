// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"net"

	"github.com/goframer/framer"
	"github.com/goframer/framer/bench/internal/payload"
)

// prepareBroadcastPush pushes a copy of the payload to every connection.
func prepareBroadcastPush(o options, conns []net.Conn) (*sender, error) {
	g := serve(conns)
	s := newBroadcast(o, g.conns, (*framer.Conn).TryPush)
	s.close = g.close
	return s, nil
}

// prepareBroadcastProducer shares the payload between the connections.
func prepareBroadcastProducer(o options, conns []net.Conn) (*sender, error) {
	g := serve(conns)
	s := newBroadcast(o, g.conns, func(c *framer.Conn, p []byte) error {
		return c.TryPushWithProducer(framer.NewBytesProducer(p))
	})
	s.close = g.close
	return s, nil
}

// prepareBroadcastRaw writes to one connection after the other. This is the cheapest way,
// but one slow receiver makes all others wait.
func prepareBroadcastRaw(o options, conns []net.Conn) (*sender, error) {
	s := newBroadcast(o, conns, func(nc net.Conn, p []byte) error {
		_, err := nc.Write(p)
		return err
	})
	s.close = func() error {
		var errs []error
		for _, nc := range conns {
			errs = append(errs, nc.Close())
		}
		return errors.Join(errs...)
	}
	return s, nil
}

// newBroadcast returns a sender that calls send for every connection.
func newBroadcast[C any](o options, conns []C, send func(C, []byte) error) *sender {
	p := payload.Pattern(o.size)
	return &sender{
		messages: int64(len(conns)),
		size:     int64(o.size),
		windows:  o.repeat,
		send: func() error {
			for _, c := range conns {
				if err := send(c, p); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
