// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
)

// A stream is how a Conn moves its bytes. There is one for every net.Conn, which
// is below, and may be a better one where more is known of it.
type stream interface {
	// await calls f until that returns something other than errWouldBlock, and
	// returns it. Between two calls it waits for input. It is for the goroutine of
	// Serve, and must not be called by f.
	await(f func() error) error

	// Read is for the function that await calls. It may block, or return
	// errWouldBlock.
	io.Reader

	// write writes what the system takes at once, perhaps nothing. It is for the
	// writer.
	write(p []byte) (int, error)

	// sever ends the connection at once, from any goroutine. With reset, the peer
	// shall not take what it got for the whole.
	sever(reset bool)

	// release frees what is left after sever, when nothing else uses the stream.
	release()
}

// errWouldBlock says that only waiting can give more input.
var errWouldBlock = errors.New("framer: no input yet")

// A plainStream is the stream of any net.Conn. It waits in Read.
type plainStream struct{ c *Conn }

func (s plainStream) await(f func() error) error { return f() }

func (s plainStream) Read(p []byte) (int, error) {
	c := s.c
	for early := 0; early < maxEmpty; {
		if err := c.beginWait(); err != nil {
			return 0, err
		}
		n, err := c.nc.Read(p)
		switch {
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return n, c.gotInput(n, err)
		case n > 0:
			return n, c.gotInput(n, nil)
		case !c.interrupted():
			early++
		}
	}
	return 0, io.ErrNoProgress
}

func (s plainStream) write([]byte) (int, error) { return 0, nil }

func (s plainStream) sever(reset bool) {
	if reset {
		resetOnClose(s.c.nc)
	}
	if t, ok := s.c.nc.(*tls.Conn); ok {
		t.NetConn().Close() // or the close of t might wait for the peer
	}
	s.c.nc.Close()
}

func (s plainStream) release() {}

// resetOnClose sees to it, where it can, that the peer does not take what was cut
// off for the whole: it finds the connection reset, not ended.
func resetOnClose(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if l, ok := nc.(interface{ SetLinger(sec int) error }); ok {
		l.SetLinger(0)
	}
}
