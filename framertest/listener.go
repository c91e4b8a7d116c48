// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest

import (
	"net"
	"sync"
)

// A Listener is a [net.Listener] in memory: what Dial returns is one end of a
// [Pipe], and what Accept returns the other. Its methods may be called from any
// goroutine.
type Listener struct {
	conns chan *Conn
	fails chan error
	done  chan struct{}
	once  sync.Once
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a Listener.
func Listen() *Listener {
	return &Listener{
		conns: make(chan *Conn),
		fails: make(chan error),
		done:  make(chan struct{}),
	}
}

// Dial connects. It waits until the connection is accepted, and fails when the
// listener is closed.
func (l *Listener) Dial() (*Conn, error) {
	client, server := Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Fail makes Accept return err, once, such as [syscall.EMFILE]. It waits until it
// has, and reports whether it did before the listener was closed.
func (l *Listener) Fail(err error) bool {
	select {
	case l.fails <- err:
		return true
	case <-l.done:
		return false
	}
}

// Accept returns the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, l.error(net.ErrClosed)
	default:
	}
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.fails:
		return nil, l.error(err)
	case <-l.done:
		return nil, l.error(net.ErrClosed)
	}
}

func (l *Listener) error(err error) error {
	return &net.OpError{Op: "accept", Net: "pipe", Addr: l.Addr(), Err: err}
}

// Close ends Accept and Dial. Connections stay.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns the address, a name.
func (l *Listener) Addr() net.Addr { return addr("listener") }
