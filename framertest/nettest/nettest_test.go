// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package nettest runs the conformance tests of golang.org/x/net on package framertest.
// It is a separate module, so that no other module needs golang.org/x/net.
package nettest

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/goframer/framer/framertest"
	"golang.org/x/net/nettest"
)

func TestPipe(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		a, b = framertest.Pipe()
		return a, b, func() { closeAll(t, a, b) }, nil
	})
}

func TestListener(t *testing.T) {
	nettest.TestConn(t, func() (client, server net.Conn, stop func(), err error) {
		l := framertest.Listen()
		dialed := make(chan error, 1)
		go func() {
			var err error
			client, err = l.Dial()
			dialed <- err
		}()
		server, err = l.Accept()
		if err := errors.Join(err, <-dialed); err != nil {
			return nil, nil, nil, err
		}
		return client, server, func() { closeAll(t, client, server, l) }, nil
	})
}

func closeAll(t *testing.T, closers ...io.Closer) {
	for _, c := range closers {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
