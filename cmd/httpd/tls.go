// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"time"
)

// A tlsListener accepts TLS connections. It answers clients that speak plain HTTP.
type tlsListener struct {
	net.Listener
	config *tls.Config
}

func (l tlsListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tlsConn{tls.Server(nc, l.config)}, nil
}

type tlsConn struct{ *tls.Conn }

// HandshakeContext is called by framer, to perform the handshake.
func (c *tlsConn) HandshakeContext(ctx context.Context) error {
	err := c.Conn.HandshakeContext(ctx)
	var header tls.RecordHeaderError
	if errors.As(err, &header) && header.Conn != nil && isHTTP(header.RecordHeader) {
		header.Conn.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(header.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		err = errors.New("the client has sent an HTTP request to an HTTPS server")
	}
	return err
}

// isHTTP reports whether header, the first bytes in place of a TLS record, begin an HTTP
// request.
func isHTTP(header [5]byte) bool {
	return slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO"}, string(header[:]))
}
