// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package listeners tests a framer.Server on listeners that do not come from net.Listen:
// behind the PROXY protocol, on a socket that systemd holds, under a LimitListener, on a
// port that another process shares, and with Multipath TCP. Its tests show what works on
// each. Some listeners need a few lines of code, which are here to be copied.
package listeners

import (
	"net"

	"github.com/pires/go-proxyproto"
	"golang.org/x/net/netutil"
)

// Proxied returns a listener for connections that come through proxies. trusted has the
// addresses of the proxies, such as 10.0.0.0/24. Such a connection must begin with a
// header of the PROXY protocol, version 1 or 2. Its RemoteAddr is the address of the
// client. Connections from other addresses are closed.
//
// If a header does not come, the connection waits for it as long as ReadHeaderTimeout
// says, 10 seconds by default. Shutdown waits for that, too.
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

// A proxiedConn has a method NetConn, which a proxyproto.Conn calls Raw. A framer.Conn
// needs it to find CloseWrite, and to ask what the peer's system has acknowledged.
type proxiedConn struct{ *proxyproto.Conn }

func (c proxiedConn) NetConn() net.Conn { return c.Raw() }

// Limited is netutil.LimitListener, but its connections have a method NetConn. Those of a
// LimitListener have not. Server.MaxConns does the same for a single server.
func Limited(l net.Listener, n int) net.Listener {
	below := &below{Listener: l}
	return limited{netutil.LimitListener(below, n), below}
}

// A below is the listener from which a LimitListener accepts. It keeps the last
// connection. Only the goroutine that accepts may use it.
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
