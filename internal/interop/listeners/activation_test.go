// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build unix

package listeners

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/goframer/framer"
)

// If this variable is in the environment, the test program is a server on the socket that
// it was given.
const activatedVariable = "LISTENERS_TEST_ACTIVATED"

func TestMain(m *testing.M) {
	if os.Getenv(activatedVariable) == "" {
		os.Exit(m.Run())
	}
	if err := activated(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// activated serves until SIGTERM.
func activated() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listeners, err := activation.Listeners()
	if err != nil || len(listeners) != 1 {
		return fmt.Errorf("%d sockets were given (%v), want 1", len(listeners), err)
	}
	s := framer.Server{NewHandler: newEar}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listeners[0]) }()
	<-ctx.Done()
	timeout, cancel := context.WithTimeout(context.Background(), watchdog)
	defer cancel()
	if err := s.Shutdown(timeout); err != nil {
		return err
	}
	if err := <-served; err != framer.ErrServerClosed {
		return err
	}
	return nil
}

// A unit is a socket and the process that serves it, as with systemd.
type unit struct {
	t      *testing.T
	socket *os.File
	cmd    *exec.Cmd
}

// start starts the process. As with systemd, LISTEN_PID must be the process's own ID.
// Only the process itself knows that, so it begins as a shell, which sets the variable.
func (u *unit) start() {
	u.t.Helper()
	u.run(exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0]), "LISTEN_FDS=1", "LISTEN_FDNAMES=lines")
}

func (u *unit) run(cmd *exec.Cmd, env ...string) {
	u.t.Helper()
	cmd.Env = append(os.Environ(), append(env, activatedVariable+"=1", "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))...)
	cmd.Stderr = os.Stderr
	if u.socket != nil {
		cmd.ExtraFiles = []*os.File{u.socket}
	}
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	u.cmd = cmd
	u.t.Cleanup(func() {
		cmd.Process.Kill() // returns an error if the process has ended
		cmd.Wait()
	})
}

// stop tells the process to end.
func (u *unit) stop() {
	u.t.Helper()
	if err := u.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		u.t.Fatal(err)
	}
}

func (u *unit) wantExit() {
	u.t.Helper()
	if err := u.cmd.Wait(); err != nil {
		u.t.Errorf("the process: %v", err)
	}
}

// A process that was given its socket serves it. At SIGTERM it says goodbye and ends. The
// connections that wait in the queue of the socket are left to the next process.
func TestActivation(t *testing.T) {
	l := listen(t)
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	early := dialTCP(t, l) // no process serves yet
	write(t, early, "early\n")

	u := &unit{t: t, socket: socket}
	u.start()
	r := bufio.NewReader(early)
	wantLine(t, r, "early\n")
	half := dialTCP(t, l)
	write(t, half, "one\ntwo\n")
	half.CloseWrite()
	wantRest(t, half, "one\ntwo\n")
	write(t, early, "another\nhal")
	wantLine(t, r, "another\n")
	idle := dialTCP(t, l)
	write(t, idle, "hello\n")
	wantLine(t, bufio.NewReader(idle), "hello\n")

	u.stop()
	wantRest(t, idle, goodbye)
	idle.Close()
	late := dialTCP(t, l) // the process does not accept any more
	write(t, late, "late\n")
	write(t, early, "f\n")
	wantRest(t, r, "half\n"+goodbye)
	early.Close()
	u.wantExit()

	u.start()
	wantLine(t, bufio.NewReader(late), "late\n")
	late.Close()
	u.stop()
	u.wantExit()
}

// On a socket that it was given, a server can do everything that it can do on its own.
func TestFileListener(t *testing.T) {
	subject{
		listen: func(t *testing.T) net.Listener {
			t.Helper()
			own := listen(t)
			socket, err := own.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			socket.Fd() // makes the socket blocking, as it is in a process that was given it
			l, err := net.FileListener(socket)
			if err != nil {
				t.Fatal(err)
			}
			own.Close()
			return l
		},
		dial:      dialTCP,
		direct:    true,
		halfClose: true,
	}.test(t)
}

// systemd-socket-activate, which is for testing, starts the process when the first client
// connects.
func TestSystemdSocketActivate(t *testing.T) {
	tool, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("systemd-socket-activate is not installed")
	}
	name := filepath.Join(t.TempDir(), "socket")
	u := &unit{t: t}
	u.run(exec.Command(tool, "--listen", name, "--setenv", activatedVariable, "--setenv", "GORACE", os.Args[0]))
	var nc net.Conn
	for deadline := time.Now().Add(watchdog); ; {
		if nc, err = net.Dial("unix", name); err == nil {
			break
		}
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(watchdog))
	write(t, nc, "hello\n")
	r := bufio.NewReader(nc)
	wantLine(t, r, "hello\n")
	u.stop()
	wantRest(t, r, goodbye)
	nc.Close()
	u.wantExit()
}
