// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !linux

package framer

import (
	"net"
	"syscall"
)

func prepareSocket(net.Conn) {}

func unblock(net.Conn) {}

func cork(net.Conn, bool) {}

// unsent returns how many bytes written to nc the peer's system has not acknowledged, if
// that is known. On this system it is not.
func unsent(net.Conn) (n int, ok bool) { return 0, false }

func wasReset(net.Conn) bool { return false }

func outQueue(net.Conn) (n int, ok bool) { return 0, false }

// systemPasses are errors after which Accept may succeed later. They are those of Windows.
// For the errors of these names, package syscall has made up numbers, which Windows never
// returns. No other system uses the numbers of Windows.
var systemPasses = []error{
	syscall.Errno(10024), // WSAEMFILE
	syscall.Errno(10050), // WSAENETDOWN
	syscall.Errno(10055), // WSAENOBUFS
}
