// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux

package proof_test

import (
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// An ending is how a peer sees the output of a connection end.
type ending int

const (
	orderly ending = iota // as after CloseWrite
	cutOff                // as after Close; only TLS can tell it from CloseWrite
	reset                 // as a reset, which a peer can't take for the end
	unseen                // the peer does not read to the end, or can't tell
)

// A medium is a column of the matrix.
type medium struct {
	name   string
	listen func() (net.Listener, error)
	dial   func(l net.Listener) (net.Conn, error)
	second time.Duration // how long a second of the table takes on the medium

	// The configurations of the two sides if the medium is TLS.
	server, client *tls.Config

	// ends has the error that Read returns at each ending that a peer can see.
	ends map[ending]reason
}

// inMemory reports whether m uses a fake clock.
func (m *medium) inMemory() bool { return m.second == time.Second }

// scaled returns cfg with its times scaled to m.
func (m *medium) scaled(cfg framer.Config) framer.Config {
	for _, d := range []*time.Duration{&cfg.HandshakeTimeout, &cfg.MessageTimeout, &cfg.IdleTimeout, &cfg.WriteTimeout, &cfg.LingerTimeout} {
		*d = m.scale(*d)
	}
	return cfg
}

func (m *medium) scale(d time.Duration) time.Duration {
	return time.Duration(d.Seconds() * float64(m.second))
}

// media returns the columns of the matrix.
func media(t *testing.T) []*medium {
	const second = 10 * time.Millisecond
	server, client := tlsConfigs(t)
	server.SessionTicketsDisabled = true // a peer that closes without having read them would reset the connection
	socket := filepath.Join(t.TempDir(), "socket")
	dial := func(l net.Listener) (net.Conn, error) {
		return net.Dial(l.Addr().Network(), l.Addr().String())
	}
	listenTCP := func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
	return []*medium{
		{
			name:   "tcp",
			listen: listenTCP,
			dial:   dial,
			second: second,
			ends:   map[ending]reason{orderly: is(io.EOF), cutOff: is(io.EOF), reset: is(syscall.ECONNRESET)},
		},
		{
			name:   "tls",
			listen: listenTCP,
			dial:   dial,
			second: second,
			server: server,
			client: client,
			ends:   map[ending]reason{orderly: is(io.EOF), cutOff: is(io.ErrUnexpectedEOF), reset: is(syscall.ECONNRESET)},
		},
		{
			name:   "unix",
			listen: func() (net.Listener, error) { return net.Listen("unix", socket) },
			dial:   dial,
			second: second,
			// A Unix socket is reset only if it is closed with unread input.
			ends: map[ending]reason{orderly: is(io.EOF), cutOff: is(io.EOF), reset: is(io.EOF)},
		},
		{
			name:   "pipe",
			listen: func() (net.Listener, error) { return framertest.Listen(), nil },
			dial:   func(l net.Listener) (net.Conn, error) { return l.(*framertest.Listener).Dial() },
			second: time.Second,
			ends:   map[ending]reason{orderly: is(io.EOF), cutOff: is(io.EOF), reset: is(syscall.ECONNRESET)},
		},
	}
}
