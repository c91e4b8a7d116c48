// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux && !386 && !s390x

package framer

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

// tellsMoves reports whether lastMove works for nc.
func tellsMoves(nc net.Conn) bool {
	_, ok := innermost(nc).(*net.TCPConn)
	return ok
}

// lastMove returns how long ago data was last received or sent on nc. ok is false if that
// is not known. Linux records it for every TCP connection, to some milliseconds.
func lastMove(nc net.Conn) (ago time.Duration, ok bool) {
	controlSocket(nc, func(fd int) {
		var info syscall.TCPInfo
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		ago = time.Duration(min(info.Last_data_recv, info.Last_data_sent)) * time.Millisecond
		ok = errno == 0 && size == uint32(unsafe.Sizeof(info))
	})
	return ago, ok
}
