// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"errors"
	"net"
	"time"
)

// A hijackState is the state of a call of Hijack.
type hijackState struct {
	f        func(net.Conn) // nil if Hijack was not called; owned by the goroutine of Serve
	released bool           // f has returned and owns the connection; owned by the goroutine of Serve
	lent     bool           // f has the connection and has not returned; guarded by Conn.mu
}

// Hijack takes the connection away from c, for a protocol that is not framed: CONNECT,
// SOCKS, an upgrade. It must be called by a method of the Handler, or by the function of
// a ready-made one. After it, no method of the Handler is called but HandleClose. When
// the current method has returned without an error, and what was pushed has been sent,
// Serve calls f, and returns nil when f has returned. If f panics, the connection is
// closed, and Serve returns a [*PanicError].
//
// nc first reads the input that was not yet given to the Handler; see [Unread]. nc has no
// deadlines. It belongs to f, which must close it or hand it on.
//
// Until f returns, the connection still counts as open. [Conn.Close], the end of Serve's
// context, and the end of the context of [Server.Shutdown] close nc. It keeps its place
// under MaxConns, so f must not wait for another place, as [Server.ServeConn] does.
//
// f is not called if the connection has ended before; then Serve returns the reason. Nor
// is it called after CloseWhenDone, which closes the connection. After CloseWrite, nc can
// only be read.
func (c *Conn) Hijack(f func(nc net.Conn)) {
	c.hijacked.f = f
	c.framer.requests.Or(stop)
}

// lend marks the connection as lent to the function of Hijack, and reports whether it has.
// It does not if the connection was closed, or CloseWhenDone has ended the output.
func (c *Conn) lend() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hijacked.lent = c.state != StateClosed && (c.linger == nil || c.asked.halfClose.Load())
	return c.hijacked.lent
}

// handOver gives the connection to the function of Hijack.
func (c *Conn) handOver() {
	c.progress.endEnd()
	c.nc.SetDeadline(time.Time{})
	nc := Unread(c.nc, c.rest())
	c.framer.release() // f may run for a long time
	end := ending{err: errors.New("framer: the function of Hijack has ended its goroutine"), by: byHandler}
	defer func() {
		if end.err != nil {
			c.abort(end.err, end.by)
			return
		}
		c.letGo()
	}()
	end = c.protected("the function of Hijack", func() ending {
		c.hijacked.f(nc)
		return ending{}
	})
}

// rest returns a copy of the input that was read and not given to the handler.
func (c *Conn) rest() []byte {
	rest := c.framer.rest()
	if s, ok := c.stream.(plainStream); ok {
		if packets, ok := s.in.(*packetReader); ok {
			rest = append(rest, packets.unread...)
		}
	}
	return rest
}

// letGo ends c and leaves its connection open, unless the connection was closed
// meanwhile.
func (c *Conn) letGo() {
	c.mu.Lock()
	c.hijacked.lent = false
	if c.state == StateClosed {
		c.mu.Unlock()
		return
	}
	c.hijacked.released = true
	c.state = StateClosed
	c.queue.shut()
	cancel := c.life.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel(errClosed)
	}
	c.ends.severed.Done()
}
