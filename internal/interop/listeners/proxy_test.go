// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package listeners

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/goframer/framer"
)

// trusted is the address from which HAProxy connects. stranger is an address that is not
// trusted.
const trusted, stranger = "127.0.0.1", "127.0.0.2"

func proxyListener(t *testing.T) net.Listener {
	t.Helper()
	l, err := Proxied(listen(t), trusted)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// haproxy returns the name of the program. It skips the test if there is none.
func haproxy(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("haproxy is not installed")
	return ""
}

const haproxyConfig = `
global
	stats socket %s
	no log
	# What the server is to know of a slow client, HAProxy must not hold back.
	tune.rcvbuf.server 65536
defaults
	mode tcp
	timeout connect 10s
	timeout client 1m
	timeout server 1m
listen lines
	bind fd@3
	server lines %s %s
`

// proxyTo runs a HAProxy in front of the address, to which it sends the header. It
// returns the address of the HAProxy. The socket is open before HAProxy is started, so
// there is no need to wait for it.
func proxyTo(t *testing.T, address, header string) string {
	t.Helper()
	program := haproxy(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf(haproxyConfig, filepath.Join(dir, "admin"), address, header)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	front := listen(t)
	socket, err := front.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-db", "-q", "-f", config)
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
	})
	return front.Addr().String()
}

// Behind HAProxy, a Conn has the address of the client. It can do everything that it can
// do over TCP.
func TestHAProxy(t *testing.T) {
	haproxy(t)
	for _, header := range []string{"send-proxy", "send-proxy-v2"} {
		t.Run(header, subject{
			listen: proxyListener,
			dial: func(t *testing.T, l net.Listener) *net.TCPConn {
				return dialAddress(t, proxyTo(t, l.Addr().String(), header))
			},
			halfClose: true,
			endsCut:   true,
		}.test)
	}
}

const nginxConfig = `
%s
daemon off;
master_process off;
error_log stderr warn;
pid nginx.pid;
events {}
stream {
	server {
		listen %s;
		proxy_pass %s;
		proxy_protocol on;
		proxy_half_close on;
		proxy_timeout 1m;
	}
}
`

// nginxTo runs an nginx in front of the address. It returns the address of the nginx.
func nginxTo(t *testing.T, address string) string {
	t.Helper()
	program, module := nginx(t)
	if module != "" {
		module = "load_module " + module + ";"
	}
	dir, front := t.TempDir(), freeAddress(t)
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, module, front, address), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-p", dir, "-e", "stderr", "-c", config)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
	})
	return front
}

// nginx returns the name of the program, and the name of its module for streams if the
// module is not built in.
func nginx(t *testing.T) (program, module string) {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		module := filepath.Join(filepath.Dir(program), "../lib/nginx/modules/ngx_stream_module.so")
		if _, err := os.Stat(module); err == nil {
			return program, module
		}
		if out, _ := exec.Command(program, "-V").CombinedOutput(); strings.Contains(string(out), "--with-stream ") {
			return program, ""
		}
	}
	t.Skip("nginx with its module for streams is not installed")
	return "", ""
}

// The same holds behind nginx with proxy_half_close.
func TestNginx(t *testing.T) {
	nginx(t)
	subject{
		listen: proxyListener,
		dial: func(t *testing.T, l net.Listener) *net.TCPConn {
			front := nginxTo(t, l.Addr().String())
			for deadline := time.Now().Add(watchdog); ; { // nginx does not tell when it is ready
				nc, err := net.Dial("tcp", front)
				if err == nil {
					return ready(t, nc)
				}
				if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
					t.Fatal(err)
				}
			}
		},
		steps:     true, // nothing limits how much the system of nginx takes
		endsCut:   true,
		halfClose: true,
	}.test(t)
}

// A proxyproto.Conn alone has no method NetConn, so its output can't be ended alone.
func TestProxyprotoAsItIs(t *testing.T) {
	subject{
		listen: func(t *testing.T) net.Listener {
			policy, err := proxyproto.TrustProxyHeaderFromRanges([]string{trusted})
			if err != nil {
				t.Fatal(err)
			}
			return &proxyproto.Listener{Listener: listen(t), ConnPolicy: policy}
		},
		dial:    func(t *testing.T, l net.Listener) *net.TCPConn { return dialWithHeader(t, l, trusted) },
		endsCut: true,
	}.test(t)
}

// dialFrom connects from the address.
func dialFrom(t *testing.T, l net.Listener, from string) *net.TCPConn {
	t.Helper()
	nc, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", l.Addr().String())
	if err != nil {
		if from == stranger && runtime.GOOS != "linux" {
			t.Skipf("this system has no address %s: %v", stranger, err)
		}
		t.Fatal(err)
	}
	return ready(t, nc)
}

// dialWithHeader connects and sends a header, as a proxy does.
func dialWithHeader(t *testing.T, l net.Listener, from string) *net.TCPConn {
	t.Helper()
	peer := dialFrom(t, l, from)
	if _, err := proxyproto.HeaderProxyFromAddrs(2, peer.LocalAddr(), peer.RemoteAddr()).WriteTo(peer); err != nil {
		t.Fatal(err)
	}
	return peer
}

// The same holds without HAProxy.
func TestProxied(t *testing.T) {
	subject{
		listen:    proxyListener,
		dial:      func(t *testing.T, l net.Listener) *net.TCPConn { return dialWithHeader(t, l, trusted) },
		halfClose: true,
	}.test(t)
}

// A client behind the proxy can't change its address: a header that the client sends is
// input.
func TestForgedHeader(t *testing.T) {
	s := subject{listen: proxyListener}
	sv := s.serve(t, newEar, framer.Config{})
	peer := dialWithHeader(t, sv.l, trusted)
	forged := "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
	write(t, peer, forged)
	wantLine(t, bufio.NewReader(peer), forged)
	if got, want := receive(t, sv.conns).RemoteAddr().String(), peer.LocalAddr().String(); got != want {
		t.Errorf("RemoteAddr is %s, want %s", got, want)
	}
}

// A trusted proxy that sends no header is refused. Its first bytes are not taken for
// input.
func TestNoHeader(t *testing.T) {
	s := subject{listen: proxyListener}
	sv := s.serve(t, newEar, framer.Config{})
	peer := dialFrom(t, sv.l, trusted)
	write(t, peer, "a line without a header\n")
	if got, _ := io.ReadAll(peer); len(got) > 0 {
		t.Errorf("received %q", got)
	}
	peer.Close()
	if err := sv.wait(t); !errors.Is(err, proxyproto.ErrNoProxyProtocol) {
		t.Errorf("Serve: %v, want ErrNoProxyProtocol", err)
	}
}

// A connection from another address is refused, even with a header. The listener goes on.
func TestStranger(t *testing.T) {
	s := subject{listen: proxyListener}
	sv := s.serve(t, newEar, framer.Config{})
	nc := dialFrom(t, sv.l, stranger)
	header := proxyproto.HeaderProxyFromAddrs(1, nc.RemoteAddr(), nc.LocalAddr())
	header.WriteTo(nc) // fails if nc is closed by now
	io.WriteString(nc, "line\n")
	if got, _ := io.ReadAll(nc); len(got) > 0 {
		t.Errorf("received %q", got)
	}
	peer := dialWithHeader(t, sv.l, trusted)
	write(t, peer, "line\n")
	wantLine(t, bufio.NewReader(peer), "line\n")
	if got := sv.Stats().Accepted; got != 1 {
		t.Errorf("%d connections have come to the server, want 1", got)
	}
}

// A proxy that sends no header does not keep others waiting. Shutdown waits for it, like
// for any connection that was accepted, until the context ends.
func TestSilentProxy(t *testing.T) {
	s := subject{listen: proxyListener}
	sv := s.serve(t, newEar, framer.Config{})
	silent := dialFrom(t, sv.l, trusted)
	peer := dialWithHeader(t, sv.l, trusted)
	write(t, peer, "line\n")
	wantLine(t, bufio.NewReader(peer), "line\n")
	begun := make(chan struct{})
	sv.RegisterOnShutdown(func() { close(begun) })
	shutdown := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), watchdog)
		defer cancel()
		shutdown <- sv.Shutdown(ctx)
	}()
	<-begun
	wantRest(t, peer, goodbye)
	peer.Close()
	proxyproto.HeaderProxyFromAddrs(2, silent.LocalAddr(), silent.RemoteAddr()).WriteTo(silent)
	write(t, silent, "late\n")
	wantRest(t, silent, "late\n"+goodbye)
	silent.Close()
	if err := receive(t, shutdown); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
