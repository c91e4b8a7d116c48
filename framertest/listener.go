// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest

import (
	"net"
	"sync"
)

// A Listener is a [net.Listener] in memory. Dial returns one end of a [Pipe], and Accept
// the other. Its methods may be called from any goroutine.
//
// See ExampleListen in example_test.go.
type Listener struct {
	conns chan *Conn
	fails chan error
	done  chan struct{}
	once  sync.Once
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a new [Listener].
func Listen() *Listener {
	return &Listener{
		conns: make(chan *Conn),
		fails: make(chan error),
		done:  make(chan struct{}),
	}
}

// Dial connects to the listener. It blocks until the connection is accepted, and returns
// an error if the listener is closed.
func (l *Listener) Dial() (*Conn, error) {
	client, server := Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Fail makes one call of Accept return err, such as [syscall.EMFILE]. It blocks until
// Accept has returned it or the listener is closed, and reports whether Accept has.
func (l *Listener) Fail(err error) bool {
	select {
	case l.fails <- err:
		return true
	case <-l.done:
		return false
	}
}

// Accept waits for the next connection and returns it, a *[Conn]. After Close it returns
// an error that is [net.ErrClosed].
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

// Close makes Accept and Dial return errors. Connections stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns the address of the listener, which is only a name.
func (l *Listener) Addr() net.Addr { return addr("listener") }
