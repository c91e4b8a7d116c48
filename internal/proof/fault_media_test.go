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

// An ending is how the output of a connection ends for its peer.
type ending int

const (
	orderly ending = iota // as CloseWrite ends it
	cutOff                // as Close ends it, which only TLS can tell from CloseWrite
	reset                 // as the peer can't mistake for the end
	unseen                // the peer does not look, or can't tell
)

// A medium is a column of the matrix.
type medium struct {
	name   string
	listen func() (net.Listener, error)
	dial   func(l net.Listener) (net.Conn, error)
	second time.Duration // how long a second of the table takes

	// The sides' configurations if the medium is TLS.
	server, client *tls.Config

	// ends has what Read returns at the ends that a peer can see.
	ends map[ending]reason
}

// inMemory reports whether m works on a fake clock.
func (m *medium) inMemory() bool { return m.second == time.Second }

// scaled returns cfg in the time of m.
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
	server.SessionTicketsDisabled = true // a peer that closes without reading them would reset
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
			// There is no way to reset it, but to close it with unread input.
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
