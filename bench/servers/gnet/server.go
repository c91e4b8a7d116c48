// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"log"
	"sync"

	"github.com/panjf2000/gnet/v2"
)

// A server handles the events of an engine.
type server struct {
	gnet.BuiltinEventEngine
	newProtocol func() protocol
	booted      chan gnet.Engine
	buffers     sync.Pool // of *[]byte, for output
}

// A protocol is the state of one connection.
type protocol interface {
	// serve appends the answers to input to output. The first ready bytes of the result
	// are sent. The rest is the output of the next call.
	serve(output, input []byte) (all []byte, ready int, err error)
}

// A connection is what the server keeps for a connection.
type connection struct {
	protocol protocol
	output   *[]byte // output that is not ready, or nil, so that silent connections keep no memory
}

// OnBoot tells start that the engine listens.
func (s *server) OnBoot(engine gnet.Engine) gnet.Action {
	s.booted <- engine
	return gnet.None
}

// OnOpen prepares a connection.
func (s *server) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	c.SetContext(&connection{protocol: s.newProtocol()})
	return nil, gnet.None
}

// OnTraffic handles all input that has come, without a copy, and writes all output that
// is ready at once.
func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	conn := c.Context().(*connection)
	if err := s.serve(conn, c); err != nil {
		log.Print(err)
		return gnet.Close
	}
	return gnet.None
}

func (s *server) serve(conn *connection, c gnet.Conn) error {
	input, err := c.Next(-1)
	if err != nil {
		return err
	}
	output := s.take(conn)
	all, ready, err := conn.protocol.serve(*output, input)
	if err != nil {
		return err
	}
	if ready > 0 {
		if _, err := c.Write(all[:ready]); err != nil {
			return err
		}
	}
	*output = all[:copy(all, all[ready:])]
	s.give(conn, output)
	return nil
}

// take returns the output of conn, or an empty buffer.
func (s *server) take(conn *connection) *[]byte {
	if conn.output != nil {
		return conn.output
	}
	if output, ok := s.buffers.Get().(*[]byte); ok {
		return output
	}
	return new([]byte)
}

// give stores output in conn, or in the pool if it is empty.
func (s *server) give(conn *connection, output *[]byte) {
	if len(*output) > 0 {
		conn.output = output
		return
	}
	conn.output = nil
	s.buffers.Put(output)
}
