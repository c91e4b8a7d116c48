// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The loop uses raw system calls: the scheduler of Go is not told that the goroutine may
// block. To tell it would add to the cost of every call, and with a single processor much
// more. No other goroutine needs to run meanwhile.

// epollWait waits for events, and no longer than timeout, rounded up to milliseconds. It
// blocks SIGURG, the signal with which Go's scheduler interrupts long calculations.
// Otherwise the signal would come every 10 ms and end the wait.
func epollWait(epoll int, events []unix.EpollEvent, timeout time.Duration) (int, error) {
	ms := (timeout + time.Millisecond - 1) / time.Millisecond
	masked := uint64(1) << (unix.SIGURG - 1)
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(ms),
		uintptr(unsafe.Pointer(&masked)), unsafe.Sizeof(masked))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// read reads from a non-blocking descriptor.
func read(fd int, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// write writes to a non-blocking descriptor.
func write(fd int, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// connsPerSource is how many connections come from one loopback address. The ports of one
// address are not enough for many more, because earlier runs still hold some.
const connsPerSource = 5000

// connect opens connection i to addr and returns a non-blocking descriptor.
func connect(addr netip.AddrPort, i int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("socket: %w", err)
	}
	if err := connectSocket(fd, addr, i); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

func connectSocket(fd int, addr netip.AddrPort, i int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("setsockopt: %w", err)
	}
	if addr.Addr().IsLoopback() {
		if err := bindSource(fd, byte(1+i/connsPerSource)); err != nil {
			return err
		}
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return fmt.Errorf("connect to %v: %w", addr, err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("set non-blocking: %w", err)
	}
	return nil
}

// bindSource makes fd connect from 127.0.0.host. The system may choose any port that is
// not used for the same server.
func bindSource(fd int, host byte) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("setsockopt: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, host}}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}
