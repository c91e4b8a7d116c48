// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package listeners

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goframer/framer"
)

// listenReusing listens on the address with SO_REUSEPORT.
func listenReusing(t *testing.T, address string) net.Listener {
	t.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		return errors.Join(err, failed)
	}}
	l, err := lc.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestReusePort(t *testing.T) {
	subject{
		listen:    func(t *testing.T) net.Listener { return listenReusing(t, "127.0.0.1:0") },
		dial:      dialTCP,
		direct:    true,
		halfClose: true,
	}.test(t)
}

// clients is how many clients connect. With so many, the system cannot by chance give all
// of them to the same one of two sockets.
const clients = 64

// Two servers share a port. When one shuts down, the clients that it has accepted are
// answered and get the goodbye. Clients that connect after its listener was closed get to
// the other server.
func TestReusePortShutdown(t *testing.T) {
	s := subject{listen: func(t *testing.T) net.Listener { return listenReusing(t, "127.0.0.1:0") }, dial: dialTCP}
	old := s.serve(t, newEar, framer.Config{})
	s.listen = func(t *testing.T) net.Listener { return listenReusing(t, old.l.Addr().String()) }
	s.serve(t, newEar, framer.Config{})
	var peers []*net.TCPConn
	for range clients {
		peer := s.dial(t, old.l)
		write(t, peer, "hello\nhal")
		wantLine(t, bufio.NewReader(peer), "hello\n") // so the client was accepted
		peers = append(peers, peer)
	}
	of := map[string]bool{} // the addresses of the clients of old
	for c := range old.Conns() {
		of[c.RemoteAddr().String()] = true
	}
	if len(of) == 0 || len(of) == clients {
		t.Fatalf("the old server has %d of %d clients", len(of), clients)
	}
	begun := make(chan struct{})
	old.RegisterOnShutdown(func() { close(begun) })
	shutdown := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), watchdog)
		defer cancel()
		shutdown <- old.Shutdown(ctx)
	}()
	<-begun // now the listener is closed
	for range clients {
		peer := s.dial(t, old.l)
		write(t, peer, "new\n")
		wantLine(t, bufio.NewReader(peer), "new\n")
	}
	for _, peer := range peers {
		write(t, peer, "f\n")
		if of[peer.LocalAddr().String()] {
			wantRest(t, peer, "half\n"+goodbye)
		} else {
			wantLine(t, bufio.NewReader(peer), "half\n")
		}
		peer.Close()
	}
	if err := receive(t, shutdown); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// When a socket is closed, the connections that wait in its queue are reset, with their
// requests. If net.ipv4.tcp_migrate_req is 1, they move to the queue of the other socket
// instead.
func TestReusePortQueue(t *testing.T) {
	setting, err := os.ReadFile("/proc/sys/net/ipv4/tcp_migrate_req")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	migrates := strings.TrimSpace(string(setting)) == "1"
	old := listenReusing(t, "127.0.0.1:0") // nobody accepts on it
	s := subject{listen: func(t *testing.T) net.Listener { return listenReusing(t, old.Addr().String()) }}
	s.serve(t, newEar, framer.Config{})
	var peers []*net.TCPConn
	for range clients {
		peer := dialTCP(t, old)
		write(t, peer, "hello\n")
		peers = append(peers, peer)
	}
	old.Close()
	answered, reset := 0, 0
	for _, peer := range peers {
		line, err := bufio.NewReader(peer).ReadString('\n')
		switch {
		case line == "hello\n":
			answered++
		case errors.Is(err, syscall.ECONNRESET) || err == io.EOF:
			reset++
		default:
			t.Errorf("received %q, %v", line, err)
		}
	}
	t.Logf("tcp_migrate_req=%t: of %d connections %d were answered, %d were reset", migrates, clients, answered, reset)
	if answered == 0 || migrates != (reset == 0) {
		t.Errorf("%d connections were reset", reset)
	}
}
