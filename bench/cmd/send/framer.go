// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"net"

	"github.com/goframer/framer"
	"golang.org/x/sync/errgroup"
)

// listening is the handler of a connection that only sends.
type listening struct{}

func (listening) CollectIncomingData([]byte) error { return nil }
func (listening) FoundTerminator() error           { return nil }

// A group is a list of connections. Each is served on its own goroutine.
type group struct {
	conns   []*framer.Conn
	serving errgroup.Group
}

// serve starts to serve conns.
func serve(conns []net.Conn) *group {
	g := &group{}
	for _, nc := range conns {
		c := framer.NewConn(nc, func(*framer.Conn) framer.Handler { return listening{} }, nil)
		g.conns = append(g.conns, c)
		g.serving.Go(func() error { return c.Serve(context.Background()) })
	}
	return g
}

// close ends the connections. It returns an error if one had ended before.
func (g *group) close() error {
	for _, c := range g.conns {
		c.Close()
	}
	if err := g.serving.Wait(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
