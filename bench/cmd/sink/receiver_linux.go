// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// readSize is the greatest size of a read, in bytes.
const readSize = 1 << 20

// A checker checks the bytes of a connection, wherever they are cut.
type checker interface {
	Check(data []byte) error
}

// A connection is a connection from which the receiver reads.
type connection struct {
	fd       int
	received int64 // how many bytes of this window have come
	checker  checker
}

// A receiver reads from all connections on one thread.
type receiver struct {
	epoll       int
	flags       int // the flags of recv
	connections map[int32]*connection
	buffer      []byte
	open        int // how many connections have not received their window
}

// newReceiver opens the connections. If newChecker is nil, the kernel throws the bytes
// away.
func newReceiver(addr string, conns int, newChecker func() checker) (*receiver, error) {
	peer, err := socketAddress(addr)
	if err != nil {
		return nil, err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	r := &receiver{
		epoll:       epoll,
		connections: make(map[int32]*connection, conns),
		buffer:      make([]byte, readSize),
	}
	if newChecker == nil {
		r.flags = unix.MSG_TRUNC
	}
	for range conns {
		c := &connection{}
		if newChecker != nil {
			c.checker = newChecker()
		}
		if err := r.connect(c, peer); err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

func socketAddress(addr string) (*unix.SockaddrInet4, error) {
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}, nil
}

// connect opens c and adds it to the receiver.
func (r *receiver) connect(c *connection, peer unix.Sockaddr) (err error) {
	c.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	r.connections[int32(c.fd)] = c
	if err := unix.Connect(c.fd, peer); err != nil {
		return os.NewSyscallError("connect", err)
	}
	if err := unix.SetNonblock(c.fd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, c.fd, &event))
}

// receive reads until every connection has received window bytes.
func (r *receiver) receive(window int64) error {
	r.open = len(r.connections)
	for _, c := range r.connections {
		c.received = 0
	}
	events := make([]unix.EpollEvent, 256)
	for r.open > 0 {
		n, err := unix.EpollWait(r.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("epoll_wait", err)
		}
		for _, event := range events[:max(n, 0)] {
			if err := r.read(r.connections[event.Fd], window); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads once from c.
func (r *receiver) read(c *connection, window int64) error {
	n, _, err := unix.Recvfrom(c.fd, r.buffer, r.flags)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return os.NewSyscallError("recv", err)
	case n == 0:
		return fmt.Errorf("after %d of %d bytes: %w", c.received, window, io.ErrUnexpectedEOF)
	}
	before := c.received
	c.received += int64(n)
	if c.received > window {
		return fmt.Errorf("%d bytes more than the expected %d", c.received-window, window)
	}
	if c.checker != nil {
		if err := c.checker.Check(r.buffer[:n]); err != nil {
			return fmt.Errorf("after %d bytes: %w", before, err)
		}
	}
	if c.received == window {
		r.open--
	}
	return nil
}

func (r *receiver) close() {
	for _, c := range r.connections {
		unix.Close(c.fd)
	}
	unix.Close(r.epoll)
}
