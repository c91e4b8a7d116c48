// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package listeners has what a framer.Server may listen on, other than what net.Listen
// gives: behind the PROXY protocol, with a socket that systemd holds, under a
// LimitListener, beside another process on the same port, with Multipath TCP. Its tests
// show what works on each; the few lines that some of them need are here, to be copied.
package listeners

import (
	"net"

	"github.com/pires/go-proxyproto"
	"golang.org/x/net/netutil"
)

// Proxied returns a listener for what comes by proxies at these addresses, such as
// 10.0.0.0/24, which must begin with a header of the PROXY protocol, version 1 or 2.
// RemoteAddr of the connections is the client's. What comes from elsewhere is closed.
//
// A connection whose header does not come is waited for, also by Shutdown, as long as
// ReadHeaderTimeout says, 10 seconds by default.
func Proxied(l net.Listener, trusted ...string) (net.Listener, error) {
	policy, err := proxyproto.TrustProxyHeaderFromRanges(trusted)
	if err != nil {
		return nil, err
	}
	return proxied{&proxyproto.Listener{Listener: l, ConnPolicy: policy}}, nil
}

type proxied struct{ net.Listener }

func (l proxied) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if c, ok := nc.(*proxyproto.Conn); ok {
		return proxiedConn{c}, nil
	}
	return nc, err
}

// A proxiedConn has the NetConn that a proxyproto.Conn calls Raw: by it a framer.Conn finds
// CloseWrite, and what the peer's system has acknowledged.
type proxiedConn struct{ *proxyproto.Conn }

func (c proxiedConn) NetConn() net.Conn { return c.Raw() }

// Limited is netutil.LimitListener for connections that tell what they run on; those of a
// LimitListener don't. Server.MaxConns is the same limit for one server.
func Limited(l net.Listener, n int) net.Listener {
	below := &below{Listener: l}
	return limited{netutil.LimitListener(below, n), below}
}

// A below is what a LimitListener accepts from, and keeps the last connection. It is for
// the one goroutine that accepts.
type below struct {
	net.Listener
	last net.Conn
}

func (b *below) Accept() (nc net.Conn, err error) {
	nc, err = b.Listener.Accept()
	b.last = nc
	return nc, err
}

type limited struct {
	net.Listener
	below *below
}

func (l limited) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return limitedConn{nc, l.below.last}, nil
}

type limitedConn struct {
	net.Conn
	raw net.Conn
}

func (c limitedConn) NetConn() net.Conn { return c.raw }
