// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package listeners

import (
	"bufio"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/goframer/framer"
)

// listenMultipath listens for Multipath TCP (RFC 8684). net.Listen does so by default.
func listenMultipath(t *testing.T) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// dialMultipath connects with Multipath TCP. A client has to ask for it.
func dialMultipath(t *testing.T, l net.Listener) *net.TCPConn {
	t.Helper()
	var d net.Dialer
	d.SetMultipathTCP(true)
	nc, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return ready(t, nc)
}

// requireMultipath skips the test if the system has no Multipath TCP.
func requireMultipath(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("package net has Multipath TCP on Linux only")
	}
	enabled, err := os.ReadFile("/proc/sys/net/mptcp/enabled")
	if err != nil {
		t.Skipf("this kernel has no Multipath TCP: %v", err)
	}
	if strings.TrimSpace(string(enabled)) != "1" {
		t.Skip("net.mptcp.enabled is off")
	}
}

// A connection of Multipath TCP is a *net.TCPConn. So writev and sendfile are used.
func TestMultipath(t *testing.T) {
	requireMultipath(t)
	subject{listen: listenMultipath, dial: dialMultipath, direct: true, halfClose: true}.test(t)
}

// The client decides whether a connection uses Multipath TCP. One listener serves both
// kinds.
func TestMultipathIsReported(t *testing.T) {
	requireMultipath(t)
	for _, test := range []struct {
		name string
		dial func(*testing.T, net.Listener) *net.TCPConn
		want bool
	}{
		{"asked for", dialMultipath, true},
		{"not asked for", dialTCP, false},
	} {
		for name, listen := range map[string]func(*testing.T) net.Listener{"net.Listen": listen, "SetMultipathTCP": listenMultipath} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				s := subject{listen: listen, dial: test.dial}
				sv := s.serve(t, newEar, framer.Config{})
				peer := s.dial(t, sv.l)
				write(t, peer, "hello\n")
				wantLine(t, bufio.NewReader(peer), "hello\n")
				for side, nc := range map[string]net.Conn{"server": receive(t, sv.conns).NetConn(), "client": peer} {
					if used, err := nc.(*net.TCPConn).MultipathTCP(); err != nil || used != test.want {
						t.Errorf("%s: MultipathTCP reports %t, %v, want %t", side, used, err, test.want)
					}
				}
			})
		}
	}
}
