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

// newStream returns the stream of c. Only the two types of net are known well
// enough: a type that embeds one of them may have a Read of its own.
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

// tcpInq is the socket option TCP_INQ, and the type of the control message that it
// adds to every recvmsg(2): how many bytes are left to be read. At the end of the
// input it is 1, so that zero means: nothing is left, and this is not the end.
const tcpInq = 36

// A socket is a stream without system calls that could be spared.
//
// net.Conn.Read begins with a read that mostly finds nothing. A socket reads only
// when there may be something, and is told by TCP_INQ when it has got all of it.
// For that, await is one single RawConn.Read: as long as it lasts, the runtime
// keeps in mind that more has come. It also keeps the descriptor open, so that
// sever has to use other means than to close it.
//
// What TCP_INQ does not tell is that the connection was reset behind the last byte.
// A write tells that; so the read is spared only if there is something to write.
type socket struct {
	// For write. It is one cache line: a push that goes to many connections finds none of
	// it in the cache.
	raw      syscall.RawConn
	onOutput func(fd uintptr) bool // writable
	out      []byte                // what is to be written; of it, what was
	failed   syscall.Errno
	waits    bool // it may wait
	more     bool // what is written shall be held back
	held     bool // something was, perhaps

	// alone says that no other connection of the server had input since the last
	// time that this one had.
	alone atomic.Bool

	// For await, in another one.
	c       *Conn
	onInput func(fd uintptr) bool // readable
	f       func() error
	err     error // what f has returned
	early   int   // waits that were interrupted since the last input
	fd      int   // while f runs
	drained bool  // nothing can be read
	tells   bool  // TCP_INQ works
	empty   bool  // TCP_INQ told that nothing was left by the last read
	spared  bool  // since then, a read between two calls of await was spared
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

// readable is called by RawConn.Read, at first and whenever there may be input. It
// returns false to wait for more.
func (s *socket) readable(fd uintptr) bool {
	nothing := s.spared && hasNothing(fd)
	s.fd, s.drained, s.empty, s.spared = int(fd), false, false, false
	s.noteTurn()
	if nothing { // f would find that out, too, but it has to get a buffer for that
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
		// Before the deadline was set, the output may have been discarded that
		// was to tell of a reset.
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

// hasNothing reports whether a read would have to wait. It takes less time than one, and
// leaves an error of the connection where it is.
func hasNothing(fd uintptr) bool {
	poll := struct {
		fd             int32
		events, result int16
	}{fd: int32(fd), events: pollIn}
	var atOnce syscall.Timespec
	n, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&atOnce)), 0, 0, 0)
	return n == 0 && errno == 0
}

// pollIn is POLLIN of poll(2), which the end of the input is, too. An error always is told.
const pollIn = 0x1

// noteTurn sets alone.
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

// maxReceive is how much is read by one system call, in bytes.
const maxReceive = 256 << 10

// receive reads what there is, and learns whether there is more.
//
// The system call is made behind the back of the scheduler, which would be told so
// that other goroutines can run if it takes long. It is a copy, of maxReceive at
// most; but the scheduler can't know, and for large ones often wakes another thread
// for nothing. Only if a write goes on, it may have to wait for the end of that.
func (s *socket) receive(p []byte) (int, error) {
	p = p[:min(len(p), maxReceive)]
	// syscall.Recvmsg would ask for an address too. Unix sockets have no room for
	// control messages, which could bring descriptors.
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

// maxDiscard is how much is thrown away by one system call, in bytes.
const maxDiscard = 1 << 20

// discard spares the copy: with MSG_TRUNC, TCP drops what recv(2) would have copied;
// see tcp(7).
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

// write waits, if it has to, for as long as the deadline lets it: there is none
// unless the peer takes nothing.
func (s *socket) write(p []byte, wait bool) (int, error) {
	s.out, s.waits = p, wait
	err := s.raw.Write(s.onOutput)
	n := len(s.out)
	s.out = nil
	switch {
	case err != nil && !wait && errors.Is(err, os.ErrDeadlineExceeded):
		return 0, nil // one that is not ours
	case err != nil:
		return 0, err
	case s.failed == syscall.EAGAIN:
		return 0, nil
	case s.failed != 0:
		return 0, s.opError("write", s.failed)
	}
	return n, nil
}

// writable is called by RawConn.Write, at first and whenever there may be room. It
// returns false to wait for more.
//
// To send is more than to copy: mostly the network, and on the same machine the
// peer's side of it, is served in the same system call. If the thread loses its
// processor there, the scheduler must know, so that others can run meanwhile: were
// it not told, fifty connections would take a fifth less CPU time, but their p99
// latency would be three times as long. Where a connection is alone nobody waits
// for it.
//
// (MSG_DONTWAIT, because os.File.Fd sets a descriptor to wait, and net.TCPConn.File
// shares it.)
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

// hold spares a system call for every piece, and the one at the end if a file was sent
// behind what is held back: that takes it along.
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

// sever cuts the connection as close(2) would.
func (s *socket) sever(reset bool) {
	s.raw.Control(func(fd uintptr) { cut(int(fd), reset) })
	s.c.nc.SetDeadline(longAgo) // wakes who waits
}

func (s *socket) release() { s.c.nc.Close() }

// opError returns the error that package net would.
func (s *socket) opError(op string, err error) error { return opError(s.c.nc, op, err) }

// cut cuts the connection of a socket as close(2) would.
func cut(fd int, reset bool) {
	if !reset || disconnect(fd) != nil {
		syscall.Shutdown(fd, syscall.SHUT_RDWR)
	}
}

// disconnect resets a TCP connection: connect(2) with AF_UNSPEC ends it, without a
// FIN.
func disconnect(fd int) error {
	nowhere := syscall.RawSockaddr{Family: syscall.AF_UNSPEC}
	_, _, errno := syscall.Syscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&nowhere)), unsafe.Sizeof(nowhere))
	if errno != 0 {
		return errno
	}
	return nil
}

// acked returns a number that changes when the peer's system acknowledges output of nc,
// if that is known. For TCP it is how many bytes were: what is unsent may be as much as
// before if more was written meanwhile.
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
