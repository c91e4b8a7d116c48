// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"encoding/binary"
	"net"
	"strings"
	"syscall"
	"unsafe"
)

// tcpNotSentLowat is the socket option TCP_NOTSENT_LOWAT: how much the system takes
// for sending before it can send it, in bytes.
const tcpNotSentLowat = 25

// maxNotSent is that much. Without it a slow peer has up to 4 MiB of output wait for it
// in the system, out of sight and out of reach: it takes minutes to end the connection
// in order.
const maxNotSent = 96 << 10

// prepareSocket makes the socket of nc, if it has one, ready for a Conn.
func prepareSocket(nc net.Conn) {
	controlSocket(nc, func(fd int) {
		// os.File.Fd sets a descriptor to wait, and net.TCPConn.File shares it: no
		// deadline would be heeded.
		syscall.SetNonblock(fd, true)
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpNotSentLowat, maxNotSent)
	})
}

// cork sets TCP_CORK, if nc is a TCP connection, or runs on one.
func cork(nc net.Conn, on bool) {
	if _, ok := innermost(nc).(*net.TCPConn); !ok {
		return
	}
	value := 0
	if on {
		value = 1
	}
	controlSocket(nc, func(fd int) { syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_CORK, value) })
}

// unblock ends the system calls that wait on the socket of nc, if it is one that has
// them wait: they don't heed deadlines, and a Close would wait for them.
func unblock(nc net.Conn) {
	controlSocket(nc, func(fd int) {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
		if errno == 0 && flags&syscall.O_NONBLOCK == 0 {
			syscall.SetNonblock(fd, true)
			syscall.Shutdown(fd, syscall.SHUT_RDWR)
		}
	})
}

// unsent returns how many bytes written to nc the peer's system has not acknowledged,
// if that is known: tcp(7) tells with SIOCOUTQ. What was written to a Unix socket has
// arrived: there, it is what the peer has not read.
func unsent(nc net.Conn) (n int, ok bool) {
	if addr := nc.LocalAddr(); addr == nil || strings.HasPrefix(addr.Network(), "unix") {
		return 0, false
	}
	return outQueue(nc)
}

// wasReset reports whether nc is, or runs on, a TCP connection that has ended without both
// sides having ended it, as by a reset. Linux tells the first system call of that, be it
// a read or a write; those that follow see the end of the input, or EPIPE.
func wasReset(nc net.Conn) (reset bool) {
	if _, ok := innermost(nc).(*net.TCPConn); !ok {
		return false
	}
	const closed = 7 // TCP_CLOSE
	controlSocket(nc, func(fd int) {
		info, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
		begin := binary.NativeEndian.AppendUint32(nil, uint32(info)) // of tcp_info: tcpi_state and three other bytes
		reset = err == nil && begin[0] == closed
	})
	return reset
}

// outQueue returns what SIOCOUTQ tells of nc.
func outQueue(nc net.Conn) (n int, ok bool) {
	controlSocket(nc, func(fd int) {
		var left int32
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&left)))
		n, ok = int(left), errno == 0
	})
	return n, ok
}

// controlSocket calls f with the descriptor of nc, if it has one.
func controlSocket(nc net.Conn, f func(fd int)) {
	sc, ok := innermost(nc).(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { f(int(fd)) })
}

// systemPasses are errors of accepting that pass and that only Linux has, or has
// in accept(2).
var systemPasses = []error{syscall.EHOSTDOWN, syscall.ENONET}
