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

// tcpNotSentLowat is the socket option TCP_NOTSENT_LOWAT. It limits how many bytes the
// system takes that it can't send yet.
const tcpNotSentLowat = 25

// maxNotSent is the value of TCP_NOTSENT_LOWAT. Without it, up to 4 MiB of output for a
// slow peer wait in the system, where they can't be seen or dropped. It would take minutes
// to end such a connection in order.
const maxNotSent = 96 << 10

// prepareSocket prepares the socket of nc, if nc has one, for a Conn.
func prepareSocket(nc net.Conn) {
	controlSocket(nc, func(fd int) {
		// os.File.Fd makes a descriptor blocking, and net.TCPConn.File shares it. Then
		// deadlines would have no effect.
		syscall.SetNonblock(fd, true)
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpNotSentLowat, maxNotSent)
	})
}

// cork sets or clears TCP_CORK if nc is a TCP connection, or runs on one.
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

// unblock ends the system calls that are blocked on the socket of nc, if the descriptor is
// a blocking one. Deadlines have no effect on such calls, and Close would wait for them.
func unblock(nc net.Conn) {
	controlSocket(nc, func(fd int) {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
		if errno == 0 && flags&syscall.O_NONBLOCK == 0 {
			syscall.SetNonblock(fd, true)
			syscall.Shutdown(fd, syscall.SHUT_RDWR)
		}
	})
}

// unsent returns how many bytes written to nc the peer's system has not acknowledged, if
// that is known: tcp(7) tells with SIOCOUTQ. For a Unix socket it is not known: what was
// written has arrived at once, and SIOCOUTQ tells what the peer has not read.
func unsent(nc net.Conn) (n int, ok bool) {
	if addr := nc.LocalAddr(); addr == nil || strings.HasPrefix(addr.Network(), "unix") {
		return 0, false
	}
	return outQueue(nc)
}

// wasReset reports whether nc is, or runs on, a TCP connection that was ended in another
// way than by the ends of both sides, such as a reset. Linux reports that only to the
// first system call, a read or a write. Later ones see the end of the input, or EPIPE.
func wasReset(nc net.Conn) (reset bool) {
	if _, ok := innermost(nc).(*net.TCPConn); !ok {
		return false
	}
	const closed = 7 // TCP_CLOSE
	controlSocket(nc, func(fd int) {
		info, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
		begin := binary.NativeEndian.AppendUint32(nil, uint32(info)) // the first bytes of tcp_info: tcpi_state and three others
		reset = err == nil && begin[0] == closed
	})
	return reset
}

// outQueue returns what SIOCOUTQ reports for nc.
func outQueue(nc net.Conn) (n int, ok bool) {
	controlSocket(nc, func(fd int) {
		var left int32
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&left)))
		n, ok = int(left), errno == 0
	})
	return n, ok
}

// controlSocket calls f with the descriptor of nc, if nc has one.
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

// systemPasses are errors of accept(2) after which Accept may succeed later, and that only
// Linux has, or returns from accept(2).
var systemPasses = []error{syscall.EHOSTDOWN, syscall.ENONET}
