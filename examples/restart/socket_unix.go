// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/goframer/framer/internal/cli"
)

// These names are from sd_listen_fds(3) and sd_notify(3).
const (
	listenPID    = "LISTEN_PID"
	listenFDs    = "LISTEN_FDS"
	notifySocket = "NOTIFY_SOCKET"
	firstFD      = 3
)

// listen returns the socket that the process was given, or else a new one.
func listen(address string) (*net.TCPListener, error) {
	defer os.Unsetenv(listenPID) // a child process must not think that the socket is for it
	defer os.Unsetenv(listenFDs)
	if os.Getenv(listenPID) != strconv.Itoa(os.Getpid()) {
		l, err := cli.Listen(context.Background(), "listen", address)
		if err != nil {
			return nil, err
		}
		return l.(*net.TCPListener), nil
	}
	if n := os.Getenv(listenFDs); n != "1" {
		return nil, fmt.Errorf("%s sockets were given, want 1", n)
	}
	f := os.NewFile(firstFD, "socket")
	defer f.Close() // FileListener has made its own descriptor
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("a socket of %s was given, want TCP", l.Addr().Network())
	}
	return tcp, nil
}

// notifyReady tells the starter of this process, such as systemd, that the process is
// ready. It does nothing if the starter has not asked for that.
func notifyReady() error {
	name := os.Getenv(notifySocket)
	os.Unsetenv(notifySocket)
	if name == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte("READY=1"))
	return err
}

// command returns a command that is given the socket. Only the process itself knows the
// id that LISTEN_PID must have, so a shell sets it, and then becomes the command.
func command(socket *os.File, args ...string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{socket} // becomes descriptor 3
	cmd.Env = append(os.Environ(), listenFDs+"=1")
	return cmd
}

// share returns a descriptor of the socket for another process.
//
// TCPListener.File also returns a descriptor. But when that is passed on, the socket
// becomes blocking, in all processes that share it. A Close would then wait for
// accept(2), and so for the next client.
func share(l *net.TCPListener) (*os.File, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	err = raw.Control(func(own uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, failed = syscall.Dup(int(own)); failed == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// maxStart is how long a successor may take to be ready.
const maxStart = 10 * time.Second

// startSuccessor starts the program again, as it is on the disk now, with the same
// socket. It returns when the successor is ready. Until this process stops, both accept
// connections from the queue of the socket.
func startSuccessor(l *net.TCPListener) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "restart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "notify")
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer ready.Close()
	socket, err := share(l)
	if err != nil {
		return err
	}
	defer socket.Close()

	cmd := command(socket, append([]string{program}, os.Args[1:]...)...)
	cmd.Env = append(cmd.Env, notifySocket+"="+name)
	if err := cmd.Start(); err != nil {
		return err
	}
	ready.SetReadDeadline(time.Now().Add(maxStart))
	if _, err := ready.Read(make([]byte, 64)); err != nil {
		cmd.Process.Kill()
		return fmt.Errorf("the successor is not ready: %w, %w", err, cmd.Wait())
	}
	return cmd.Process.Release()
}

// hold holds a socket and runs a command with it, until SIGTERM.
func hold(address string, args []string) error {
	l, err := cli.Listen(context.Background(), "listen", address)
	if err != nil {
		return err
	}
	defer l.Close()
	socket, err := share(l.(*net.TCPListener))
	if err != nil {
		return err
	}
	defer socket.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	fmt.Printf("hold: holds %s, process %d\n", l.Addr(), os.Getpid())
	for {
		cmd := command(socket, args...)
		if err := cmd.Start(); err != nil {
			return err
		}
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		select {
		case err := <-exited:
			if err == nil {
				err = errors.New("exit status 0")
			}
			return fmt.Errorf("the command %q has ended: %w", args, err)
		case sig := <-signals:
			cmd.Process.Signal(syscall.SIGTERM)
			if err := <-exited; err != nil || sig != syscall.SIGHUP {
				return err
			}
		}
	}
}
