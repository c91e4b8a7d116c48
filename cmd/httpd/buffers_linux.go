// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"net"
	"syscall"
)

// useSystemBuffers lets the system buffer as much output as it likes, as net/http does. A
// framer.Conn limits that, so that it knows how much a slow peer has received. But to
// send a large file in large parts takes half as much CPU time.
func useSystemBuffers(nc net.Conn) {
	if outer, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = outer.NetConn()
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	const notSentLowat = 25 // TCP_NOTSENT_LOWAT
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, notSentLowat, 0)
	})
}
