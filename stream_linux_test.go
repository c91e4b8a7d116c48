// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux && !386 && !s390x

package framer

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"unsafe"
)

// The fields of a socket that a write needs are one cache line, wherever the runtime
// allocates the socket.
func TestSocketLayout(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of 64 bits")
	}
	s := new(socket)
	if size := unsafe.Sizeof(*s); size != 128 {
		t.Errorf("a socket has %d bytes, which does not put its beginning at a multiple of 64", size)
	}
	if end := unsafe.Offsetof(s.alone) + unsafe.Sizeof(s.alone); end > 64 {
		t.Errorf("a write needs the first %d bytes", end)
	}
}

// Linux reports a reset once, to a read or to a write. If it was reported to a write that
// has not ended the connection yet, a read must not take the reset for the end of the
// input.
func TestResetDuringWrite(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	client := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "example.com"

	for name, wrap := range map[string]func(nc net.Conn, server bool) net.Conn{
		"tcp": func(nc net.Conn, _ bool) net.Conn { return nc },
		"tls": func(nc net.Conn, isServer bool) net.Conn {
			if isServer {
				return tls.Server(nc, server.TLS)
			}
			return tls.Client(nc, client)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			socket, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			peer := wrap(socket, false)
			nc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c := NewConn(wrap(nc, true), Session(func(c *Conn) error {
				if _, err := c.Next(Delimiter("\n")); err != nil {
					return err
				}
				socket.(*net.TCPConn).SetLinger(0)
				socket.Close()
				// The reset is reported to this write, as it would be to a write of the Conn.
				for err := error(nil); err == nil; {
					_, err = nc.Write([]byte("x"))
				}
				c.out.writing.Store(true)
				_, err := c.Next(Delimiter("\n"))
				c.out.writing.Store(false)
				return err
			}), &Config{Logger: slog.New(slog.DiscardHandler)})
			go peer.Write([]byte("request\n"))
			if err := c.Serve(t.Context()); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Serve: %v, want %v", err, syscall.ECONNRESET)
			}
		})
	}
}
