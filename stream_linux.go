// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux && !386 && !s390x

package framer

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// newStream returns the stream of c. A socket is used only for the two types of package
// net themselves: a type that embeds one of them may have a Read of its own.
func newStream(c *Conn) stream {
	var raw syscall.RawConn
	var err error
	switch nc := c.nc.(type) {
	case *net.TCPConn:
		raw, err = nc.SyscallConn()
	case *net.UnixConn:
		if !isPackets(nc) {
			raw, err = nc.SyscallConn()
		}
	}
	if raw == nil || err != nil {
		return newPlainStream(c)
	}
	s := &socket{c: c, raw: raw, drained: true}
	s.onInput, s.onOutput = s.readable, s.writable
	raw.Control(func(fd uintptr) {
		s.tells = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpInq, 1) == nil
	})
	return s
}

// tcpInq is the socket option TCP_INQ. It is also the type of the control message that the
// option adds to the result of every recvmsg(2), which says how many bytes are left to
// read. At the end of the input this number is 1. So 0 means that nothing is left, and
// that this is not the end.
const tcpInq = 36

// A socket is a stream that makes fewer system calls than a plainStream.
//
// net.Conn.Read begins with a read that mostly finds nothing. A socket reads only when
// there may be input, and learns from TCP_INQ when nothing is left. For that, await makes
// a single call of RawConn.Read: while this call lasts, the runtime remembers that more
// has come. The call also keeps the descriptor open, so sever can't close it and has to
// use other means.
//
// TCP_INQ does not report that the connection was reset after the last byte. A write
// reports that. So a read is left out only if there is something to write.
type socket struct {
	// For write. These fields are only one cache line, because a push that goes to many
	// connections finds none of them in the processor's cache.
	raw      syscall.RawConn
	onOutput func(fd uintptr) bool // writable
	out      []byte                // what must be written; after writable, what was written
	failed   syscall.Errno
	waits    bool // the write may wait
	more     bool // the system must hold back what does not fill a segment
	held     bool // the system may hold something back

	// alone says that no other connection of the server has had input since the last time
	// that this connection had input.
	alone atomic.Bool

	// For await, in another cache line.
	c       *Conn
	onInput func(fd uintptr) bool // readable
	f       func() error
	err     error // the result of f
	early   int   // how many waits have ended too early since the last input
	fd      int   // the descriptor, while f runs
	drained bool  // nothing can be read
	tells   bool  // TCP_INQ works
	empty   bool  // TCP_INQ has reported that the last read has left nothing
	spared  bool  // after that, a Read between two calls of await was left out
}

// An inqMessage is the control message of TCP_INQ; see cmsg(3).
type inqMessage struct {
	syscall.Cmsghdr
	left int32
}

func (s *socket) await(f func() error) error {
	s.f = f
	for s.early = 0; s.early < maxEmpty; {
		err := s.raw.Read(s.onInput)
		s.drained = true
		if err == nil {
			return s.err
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return s.c.gotInput(0, err)
		}
		if !s.c.interrupted() {
			s.early++
		}
		if err := s.c.beginWait(false); err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// readable is called by RawConn.Read, at first, and whenever there may be input. It
// returns false to wait for more.
func (s *socket) readable(fd uintptr) bool {
	// If a Read was left out, there may be input. Mostly there is none. f would find that
	// out, too, but it would have to get a buffer first.
	nothing := s.spared && hasNothing(fd)
	s.fd, s.drained, s.empty, s.spared = int(fd), false, false, false
	s.noteTurn()
	if nothing {
		s.err = s.c.beginWait(true)
		return s.err != nil
	}
	for {
		if s.err = s.f(); s.err != errWouldBlock {
			return true
		}
		if err := s.c.beginWait(true); err != nil {
			s.err = err
			return true
		}
		// A read may have been left out because a write would report a reset. If that
		// output was discarded before the deadline was set, read after all.
		if !s.empty || s.c.queue.undisturbed() {
			return false
		}
	}
}

func (s *socket) Read(p []byte) (int, error) {
	answered := s.empty && s.c.queue.endTurn()
	s.spared = s.empty && s.drained
	if answered || s.drained {
		return 0, errWouldBlock
	}
	n, err := s.receive(p)
	switch {
	case err == syscall.EAGAIN:
		s.drained = true
		return 0, errWouldBlock
	case err != nil:
		return 0, s.c.gotInput(0, s.opError("read", err))
	case n == 0 && len(p) > 0:
		return 0, s.c.gotInput(0, io.EOF)
	}
	s.early = 0
	if s.empty {
		s.c.queue.beginTurn()
	}
	return n, s.c.gotInput(n, nil)
}

// hasNothing reports whether a read would have to wait. It takes less time than a read,
// and does not consume an error of the connection.
func hasNothing(fd uintptr) bool {
	poll := struct {
		fd             int32
		events, result int16
	}{fd: int32(fd), events: pollIn}
	var atOnce syscall.Timespec
	n, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&atOnce)), 0, 0, 0)
	return n == 0 && errno == 0
}

// pollIn is POLLIN of poll(2). The end of the input counts as input, too. Errors are
// always reported.
const pollIn = 0x1

// noteTurn sets alone, when s has input.
func (s *socket) noteTurn() {
	memory := s.c.framer.memory
	if !memory.shared {
		return
	}
	self := uintptr(unsafe.Pointer(s))
	alone := memory.last.Load() == self
	if !alone {
		memory.last.Store(self)
	}
	if alone != s.alone.Load() {
		s.alone.Store(alone)
	}
}

// maxReceive is how many bytes one system call reads at most.
const maxReceive = 256 << 10

// receive reads what there is, and learns whether more is left.
//
// The system call is not announced to the scheduler. The announcement lets other
// goroutines run if the call takes long. But this call only copies, at most maxReceive
// bytes. The scheduler does not know that, and for large copies it often wakes another
// thread for nothing. While a write goes on, the call may have to wait until the write is
// over, so then it is announced.
func (s *socket) receive(p []byte) (int, error) {
	p = p[:min(len(p), maxReceive)]
	// Call recvmsg(2) directly: syscall.Recvmsg would also ask for an address. For Unix
	// sockets there is no room for control messages, because those could bring
	// descriptors.
	iov := syscall.Iovec{Base: unsafe.SliceData(p)}
	iov.SetLen(len(p))
	msg := syscall.Msghdr{Iov: &iov, Iovlen: 1}
	var told inqMessage
	if s.tells {
		msg.Control = (*byte)(unsafe.Pointer(&told))
		msg.SetControllen(int(unsafe.Sizeof(told)))
	}
	for {
		var n uintptr
		var errno syscall.Errno
		if s.c.out.writing.Load() {
			n, _, errno = syscall.Syscall(syscall.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&msg)), syscall.MSG_DONTWAIT)
		} else {
			n, _, errno = syscall.RawSyscall(syscall.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&msg)), syscall.MSG_DONTWAIT)
		}
		switch errno {
		case 0:
			s.empty = n > 0 && told.Level == syscall.IPPROTO_TCP && told.Type == tcpInq && told.left == 0
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		s.empty = false
		return 0, errno
	}
}

// maxDiscard is how many bytes one system call throws away at most.
const maxDiscard = 1 << 20

// discard avoids the copy: with MSG_TRUNC, TCP drops what recv(2) would have copied; see
// tcp(7).
func (s *socket) discard() error {
	if !s.tells {
		return s.c.readAndDiscard(s)
	}
	s.empty = false
	const flags = syscall.MSG_DONTWAIT | syscall.MSG_TRUNC
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(s.fd), 0, maxDiscard, flags, 0, 0)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			return errWouldBlock
		case errno != 0:
			return s.c.gotInput(0, s.opError("read", errno))
		case n == 0:
			return s.c.gotInput(0, io.EOF)
		}
		s.early = 0
		return s.c.gotInput(int(n), nil)
	}
}

// write waits, if it may, until the write deadline. There is no deadline unless the peer
// takes nothing.
func (s *socket) write(p []byte, wait bool) (int, error) {
	s.out, s.waits = p, wait
	err := s.raw.Write(s.onOutput)
	n := len(s.out)
	s.out = nil
	switch {
	case err != nil && !wait && errors.Is(err, os.ErrDeadlineExceeded):
		return 0, nil // the deadline is not ours
	case err != nil:
		return 0, err
	case s.failed == syscall.EAGAIN:
		return 0, nil
	case s.failed != 0:
		return 0, s.opError("write", s.failed)
	}
	return n, nil
}

// writable is called by RawConn.Write, at first, and whenever there may be room. It
// returns false to wait for more.
//
// To send takes longer than to copy: the system call mostly does the work of the network
// as well, and, if the peer is on the same machine, the work of the peer's side. If the
// thread loses its processor there, the scheduler must know, so that other goroutines can
// run meanwhile. Otherwise, fifty connections would take a fifth less CPU time, but their
// p99 latency would be three times as long. If a connection is alone, no other connection
// waits for it.
//
// (MSG_DONTWAIT is needed because os.File.Fd makes a descriptor blocking, and
// net.TCPConn.File shares it.)
func (s *socket) writable(fd uintptr) bool {
	flags := uintptr(syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL)
	if s.more {
		flags |= msgMore
	}
	data, size := unsafe.Pointer(unsafe.SliceData(s.out)), uintptr(len(s.out))
	for {
		var n uintptr
		if s.alone.Load() && len(s.out) <= smallBuffer {
			n, _, s.failed = syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(data), size, flags, 0, 0)
		} else {
			n, _, s.failed = syscall.Syscall6(syscall.SYS_SENDTO, fd, uintptr(data), size, flags, 0, 0)
		}
		switch {
		case s.failed == syscall.EINTR:
		case s.failed == 0:
			s.out = s.out[:n]
			return true
		default:
			return s.failed != syscall.EAGAIN || !s.waits
		}
	}
}

// hold sets MSG_MORE on the writes that follow. Unlike cork, this needs no system call of
// its own. When hold ends, cork sends what was held back.
func (s *socket) hold(on bool) {
	switch {
	case !s.tells: // no TCP connection
	case on:
		s.more, s.held = true, true
	case s.held:
		s.more, s.held = false, false
		cork(s.c.nc, false) // sends it
	}
}

// msgMore is MSG_MORE of send(2).
const msgMore = 0x8000

// sever cuts the connection as close(2) would, but leaves the descriptor open.
func (s *socket) sever(reset bool) {
	s.raw.Control(func(fd uintptr) { cut(int(fd), reset) })
	s.c.nc.SetDeadline(longAgo) // wakes goroutines that wait
}

func (s *socket) release() { s.c.nc.Close() }

// opError returns the error that package net would return.
func (s *socket) opError(op string, err error) error { return opError(s.c.nc, op, err) }

// cut cuts the connection of a socket as close(2) would.
func cut(fd int, reset bool) {
	if !reset || disconnect(fd) != nil {
		syscall.Shutdown(fd, syscall.SHUT_RDWR)
	}
}

// disconnect resets a TCP connection: connect(2) with AF_UNSPEC ends it without a FIN.
func disconnect(fd int) error {
	nowhere := syscall.RawSockaddr{Family: syscall.AF_UNSPEC}
	_, _, errno := syscall.Syscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&nowhere)), unsafe.Sizeof(nowhere))
	if errno != 0 {
		return errno
	}
	return nil
}

// acked returns a number that changes when the peer's system acknowledges output of nc, if
// the system tells. For TCP it is the number of acknowledged bytes. (The number of unsent
// bytes would not do: if more was written meanwhile, it may be the same as before.)
func acked(nc net.Conn) (n uint64, ok bool) {
	controlSocket(nc, func(fd int) {
		var info [16]uint64 // tcp_info, up to tcpi_bytes_acked, which is the last
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		n, ok = info[len(info)-1], errno == 0 && size == uint32(unsafe.Sizeof(info))
	})
	if !ok {
		left, known := outQueue(nc) // a Unix socket, perhaps
		return uint64(left), known
	}
	return n, ok
}
