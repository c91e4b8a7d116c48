// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
	"github.com/google/go-cmp/cmp"
)

// startServer runs s on l. It closes s at the end of the test.
func startServer(t *testing.T, s *framer.Server, l net.Listener) (served <-chan error) {
	t.Helper()
	if s.Config.Logger == nil {
		s.Config.Logger = slog.New(slog.DiscardHandler)
	}
	result := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		result <- s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return result
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	nc, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute)) // a failing test must not hang
	return nc
}

func newEchoLine(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &echo{Conn: c}
}

// checkEcho fails the test unless the server sends a line back.
func checkEcho(t *testing.T, peer net.Conn) {
	t.Helper()
	writeString(t, peer, "hello\r\n")
	readString(t, peer, "hello\r\n")
}

// asyncore: "all on IPv4, IPv6, Unix"
func TestServerNetworks(t *testing.T) {
	addresses := map[string]string{"tcp4": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "socket")}
	if hasIPv6() {
		addresses["tcp6"] = "[::1]:0"
	}
	for network, address := range addresses {
		t.Run(network, func(t *testing.T) {
			l := listen(t, network, address)
			if tcp, ok := l.Addr().(*net.TCPAddr); ok && tcp.Port == 0 {
				t.Error("the port of the listener is not known before Serve")
			}
			s := framer.Server{NewHandler: newEchoLine}
			served := startServer(t, &s, l)
			checkEcho(t, dial(t, l))
			checkEcho(t, dial(t, l))
			s.Close()
			if err := <-served; err != framer.ErrServerClosed {
				t.Errorf("Serve: %v, want ErrServerClosed", err)
			}
		})
	}
}

// All methods of a zero Server can be called.
func TestZeroServer(t *testing.T) {
	methods := map[string]func(s *framer.Server) error{
		"Close":    (*framer.Server).Close,
		"Shutdown": func(s *framer.Server) error { return s.Shutdown(t.Context()) },
		"Stats": func(s *framer.Server) error {
			if diff := cmp.Diff(framer.ServerStats{}, s.Stats()); diff != "" {
				return errors.New(diff)
			}
			return nil
		},
		"Conns": func(s *framer.Server) error {
			if conns := slices.Collect(s.Conns()); len(conns) != 0 {
				return fmt.Errorf("%v", conns)
			}
			return nil
		},
		"RegisterOnShutdown": func(s *framer.Server) error {
			s.RegisterOnShutdown(func() {})
			return nil
		},
	}
	for name, method := range methods {
		t.Run(name, func(t *testing.T) {
			var s framer.Server
			for range 2 {
				if err := method(&s); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestServeWithoutNewHandler(t *testing.T) {
	var s framer.Server
	l := listen(t, "tcp", "127.0.0.1:0")
	if err := s.Serve(l); err == nil {
		t.Error("Serve returned no error")
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is not closed: %v", err)
	}
	nc, peer := net.Pipe()
	if err := s.ServeConn(t.Context(), nc); err == nil {
		t.Error("ServeConn returned no error")
	}
	readAll(t, peer)
}

func TestServeWithoutListener(t *testing.T) {
	config, _ := tlsConfigs(t)
	s := framer.Server{NewHandler: newEchoLine, TLSConfig: config}
	for range 2 {
		for _, err := range []error{s.Serve(nil), s.ServeTLS(nil, "", "")} {
			if err == nil || !strings.Contains(err.Error(), "without a Listener") {
				t.Errorf("the error is %v", err)
			}
		}
		s.Close()
	}
}

// A function that returns no context makes the server panic at once, as in net/http.
func TestNilContext(t *testing.T) {
	tests := map[string]func(s *framer.Server) error{
		"BaseContext": func(s *framer.Server) error {
			s.BaseContext = func(net.Listener) context.Context { return nil }
			return s.Serve(framertest.Listen())
		},
		"ConnContext": func(s *framer.Server) error {
			s.ConnContext = func(context.Context, net.Conn) context.Context { return nil }
			nc, peer := framertest.Pipe()
			defer peer.Close()
			defer nc.Close()
			return s.ServeConn(t.Context(), nc)
		},
	}
	for name, serve := range tests {
		t.Run(name, func(t *testing.T) {
			s := framer.Server{NewHandler: newEchoLine}
			defer s.Close()
			defer func() {
				if got, want := recover(), "framer: "+name+" returned a nil context"; got != want {
					t.Errorf("panic %v, want %q", got, want)
				}
			}()
			t.Errorf("it returned %v", serve(&s))
		})
	}
}

// After Shutdown or Close the server serves nothing any more.
func TestServerClosed(t *testing.T) {
	server, _ := tlsConfigs(t)
	s := framer.Server{NewHandler: newEchoLine, TLSConfig: server}
	s.Close()
	nc, peer := net.Pipe()
	l := listen(t, "tcp", "127.0.0.1:0")
	for name, err := range map[string]error{
		"Serve":             s.Serve(l),
		"ServeTLS":          s.ServeTLS(listen(t, "tcp", "127.0.0.1:0"), "", ""),
		"ListenAndServe":    s.ListenAndServe(),
		"ListenAndServeTLS": s.ListenAndServeTLS("", ""),
		"ServeConn":         s.ServeConn(t.Context(), nc),
	} {
		if err != framer.ErrServerClosed {
			t.Errorf("%s: %v, want ErrServerClosed", name, err)
		}
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is not closed: %v", err)
	}
	readAll(t, peer)
}

// asyncore: bind
func TestListenFails(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	defer l.Close()
	s := framer.Server{Addr: l.Addr().String(), NewHandler: newEchoLine}
	if err := s.ListenAndServe(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("ListenAndServe: %v, want EADDRINUSE", err)
	}
	if err := s.ListenAndServeTLS("", ""); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("ListenAndServeTLS: %v, want EADDRINUSE", err)
	}
}

// asyncore: set_reuse_addr. The address can be used again at once, even if the server has
// closed connections first, so that they are in the state TIME_WAIT.
func TestRebind(t *testing.T) {
	address := "127.0.0.1:0"
	for range 3 {
		l := listen(t, "tcp", address)
		address = l.Addr().String()
		s := framer.Server{NewHandler: newEchoLine}
		served := startServer(t, &s, l)
		checkEcho(t, dial(t, l))
		s.Close()
		<-served
	}
}

func TestListenAndServe(t *testing.T) {
	address := freeAddress(t)
	listening := make(chan string, 1)
	s := framer.Server{
		Addr:       address,
		NewHandler: newEchoLine,
		BaseContext: func(l net.Listener) context.Context {
			listening <- l.Addr().String()
			return t.Context()
		},
	}
	served := make(chan error, 1)
	go func() { served <- s.ListenAndServe() }()
	if got := <-listening; got != address {
		t.Errorf("listens on %s, want %s", got, address)
	}
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	checkEcho(t, nc)
	s.Close()
	if err := <-served; err != framer.ErrServerClosed {
		t.Errorf("ListenAndServe: %v, want ErrServerClosed", err)
	}
}

// freeAddress returns an address that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l := listen(t, "tcp", "127.0.0.1:0")
	defer l.Close()
	return l.Addr().String()
}

func TestServeTLS(t *testing.T) {
	server, client := tlsConfigs(t)
	certFile, keyFile := writeCertificate(t, server)
	tests := []struct {
		name              string
		config            *tls.Config
		certFile, keyFile string
	}{
		{"config", server, "", ""},
		{"files", nil, certFile, keyFile},
		{"GetCertificate", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &server.Certificates[0], nil
		}}, "", ""},
		{"GetConfigForClient", &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			config := server.Clone()
			config.NextProtos = []string{"echo/1"}
			return config, nil
		}}, "", ""},
		{"config and files", &tls.Config{Certificates: []tls.Certificate{{}}}, certFile, keyFile},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			listening := make(chan net.Addr, 1)
			protocol := make(chan string, 1)
			s := framer.Server{
				Addr:      "127.0.0.1:0",
				Protocol:  "echo/1",
				TLSConfig: test.config,
				NewHandler: func(c *framer.Conn) framer.Handler {
					if _, ok := c.NetConn().(*tls.Conn); !ok {
						t.Errorf("NetConn is a %T", c.NetConn())
					}
					return newEchoLine(c)
				},
				BaseContext: func(l net.Listener) context.Context {
					listening <- l.Addr()
					return t.Context()
				},
			}
			served := make(chan error, 1)
			go func() { served <- s.ListenAndServeTLS(test.certFile, test.keyFile) }()
			config := client.Clone()
			config.NextProtos = []string{"other", "echo/1"}
			nc, err := tls.Dial("tcp", (<-listening).String(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			checkEcho(t, nc)
			protocol <- nc.ConnectionState().NegotiatedProtocol
			if got := <-protocol; got != "echo/1" {
				t.Errorf("the protocol is %q, want echo/1", got)
			}
			s.Close()
			if err := <-served; err != framer.ErrServerClosed {
				t.Errorf("ListenAndServeTLS: %v, want ErrServerClosed", err)
			}
			if test.config != nil && len(test.config.NextProtos) != 0 {
				t.Error("the TLSConfig was changed")
			}
		})
	}
}

// writeCertificate writes the certificate of config to files and returns their names.
func writeCertificate(t *testing.T, config *tls.Config) (certFile, keyFile string) {
	t.Helper()
	certificate := config.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return write("cert.pem", "CERTIFICATE", certificate.Certificate[0]), write("key.pem", "PRIVATE KEY", key)
}

// The one-client server of the tutorial closes the listener when the client has come. It
// serves the client to its end.
func TestOneClient(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	s := framer.Server{NewHandler: func(c *framer.Conn) framer.Handler {
		l.Close()
		return newEchoLine(c)
	}}
	served := startServer(t, &s, l)
	peer := dial(t, l)
	checkEcho(t, peer)
	checkEcho(t, peer)
	select {
	case err := <-served:
		t.Errorf("Serve has returned %v before the client was served", err)
	default:
	}
	peer.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v, want net.ErrClosed", err)
	}
}

// asyncore: quick_connect. Connections that are reset before or while they are accepted
// do not disturb the server.
func TestQuickConnect(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	s := framer.Server{NewHandler: newEchoLine}
	startServer(t, &s, l)
	for range 200 {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.(*net.TCPConn).SetLinger(0)
		nc.Close()
	}
	checkEcho(t, dial(t, l))
}

// A panic ends only its own connection.
func TestPanicStaysInItsConnection(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	s := framer.Server{NewHandler: framer.Messages(framer.Delimiter("\r\n"), func(c *framer.Conn, msg []byte) error {
		if string(msg) == "panic" {
			panic(string(msg))
		}
		return c.Push(append(slices.Clone(msg), "\r\n"...))
	})}
	startServer(t, &s, l)
	other := dial(t, l)
	checkEcho(t, other)
	peer := dial(t, l)
	writeString(t, peer, "panic\r\n")
	readAll(t, peer)
	checkEcho(t, other)
}

func TestMaxConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := framertest.Listen()
		s := framer.Server{NewHandler: newEchoLine, MaxConns: 2}
		startServer(t, &s, l)
		var peers []net.Conn
		for range 2 {
			peer, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			checkEcho(t, peer)
			peers = append(peers, peer)
		}
		third := call(func() error {
			peer, err := l.Dial()
			if err == nil {
				checkEcho(t, peer)
				peer.Close()
			}
			return err
		})
		waits(t, "the third connection", third)
		nc, fourth := framertest.Pipe()
		given := call(func() error { return s.ServeConn(t.Context(), nc) })
		waits(t, "ServeConn", given)
		peers[0].Close() // the two that wait get the places one after the other, in any order
		echoed := call(func() error {
			checkEcho(t, fourth)
			return fourth.Close()
		})
		for _, result := range []<-chan error{third, echoed, given} {
			if err := <-result; err != nil {
				t.Error(err)
			}
		}
		peers[1].Close()
	})
}

// At MaxConns, what Refuse writes arrives although the peer has sent data. The
// connections that were there before are not affected.
func TestRefuse(t *testing.T) {
	var logs logBook
	s := framer.Server{
		NewHandler: newEchoLine,
		MaxConns:   2,
		Refuse:     func(nc net.Conn) { io.WriteString(nc, "421 too many connections\n") },
		Config:     framer.Config{Logger: slog.New(&logs)},
	}
	l := listen(t, "tcp", "127.0.0.1:0")
	startServer(t, &s, l)
	var peers []net.Conn
	for range 2 {
		peer := dial(t, l)
		checkEcho(t, peer)
		peers = append(peers, peer)
	}
	for range 100 {
		peer := dial(t, l)
		writeString(t, peer, "EHLO\n")
		if got := readAll(t, peer); got != "421 too many connections\n" {
			t.Fatalf("got %q", got)
		}
		peer.Close()
	}
	for _, peer := range peers {
		checkEcho(t, peer)
		peer.Close()
	}
	if stats := s.Stats(); stats.Refused != 100 || stats.Accepted != 102 {
		t.Errorf("%d of %d were refused, want 100 of 102", stats.Refused, stats.Accepted)
	}
	records := logs.find("framer: connection refused")
	if len(records) != 100 || records[0].Level != slog.LevelInfo {
		t.Errorf("%d records, want 100 at level Info", len(records))
	}
}

// ServeHandler serves with another handler, under the same limits and the same Shutdown.
func TestServeHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := framer.Server{MaxConns: 1}
		nc, peer := framertest.Pipe()
		served := call(func() error {
			return s.ServeHandler(t.Context(), nc, framer.Session(func(c *framer.Conn) error {
				_, err := c.Next(framer.Delimiter("\n"))
				if err == framer.ErrServerClosed {
					return c.Push([]byte("goodbye"))
				}
				return err
			}))
		})
		synctest.Wait()
		if got := s.Stats().Conns; got != 1 {
			t.Errorf("%d connections are open, want 1", got)
		}
		other, _ := framertest.Pipe()
		late := call(func() error { return s.ServeHandler(t.Context(), other, newEchoLine) })
		waits(t, "a second ServeHandler", late)
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		impatient, _ := framertest.Pipe()
		gaveUp := call(func() error { return s.ServeHandler(ctx, impatient, newEchoLine) })
		waits(t, "a third ServeHandler", gaveUp)
		cancel(enough)
		if err := <-gaveUp; err != enough {
			t.Errorf("the third: %v, want the cause of its context", err)
		}
		go s.Shutdown(t.Context())
		if got := readAll(t, peer); got != "goodbye" {
			t.Errorf("the peer got %q", got)
		}
		peer.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := <-late; err != framer.ErrServerClosed {
			t.Errorf("the second: %v", err)
		}
		third, _ := framertest.Pipe()
		if err := s.ServeHandler(t.Context(), third, nil); err == nil {
			t.Error("ServeHandler without a handler")
		}
	})
}

func TestVerifyConn(t *testing.T) {
	errRefused := errors.New("not you")
	var logs logBook
	var served atomic.Int32
	s := framer.Server{
		NewHandler: func(c *framer.Conn) framer.Handler {
			served.Add(1)
			return newEchoLine(c)
		},
		Config: framer.Config{Logger: slog.New(&logs)},
	}
	s.VerifyConn = func(net.Conn) error {
		switch s.Stats().Accepted {
		case 1:
			return errRefused
		case 2:
			panic(errRefused)
		}
		return nil
	}
	for range 2 {
		nc, peer := net.Pipe()
		result := call(func() error { return s.ServeConn(t.Context(), nc) })
		if got := readAll(t, peer); got != "" {
			t.Errorf("a peer that was refused got %q", got)
		}
		if err := <-result; !errors.Is(err, errRefused) {
			t.Errorf("ServeConn: %v, want %v", err, errRefused)
		}
	}
	nc, peer := net.Pipe()
	result := call(func() error { return s.ServeConn(t.Context(), nc) })
	checkEcho(t, peer)
	peer.Close()
	<-result
	if got := len(logs.find("framer: connection refused")); got != 2 {
		t.Errorf("%d refusals are logged, want 2", got)
	}
	stats := s.Stats()
	if stats.Accepted != 3 || stats.Refused != 2 || served.Load() != 1 {
		t.Errorf("accepted %d, refused %d, served %d, want 3, 2, 1", stats.Accepted, stats.Refused, served.Load())
	}
}

// If Accept fails with an error that does not pass, Serve returns when the connections
// have ended.
func TestAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := framertest.Listen()
		s := framer.Server{NewHandler: newEchoLine}
		errBad := errors.New("bad listener")
		served := call(func() error { return s.Serve(l) })
		peer, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		l.Fail(errBad)
		waits(t, "Serve", served)
		checkEcho(t, peer)
		peer.Close()
		if err := <-served; !errors.Is(err, errBad) {
			t.Errorf("Serve: %v, want %v", err, errBad)
		}
		if _, err := l.Dial(); err == nil {
			t.Error("the listener is open")
		}
	})
}

// goodbye returns a Server that says goodbye in HandleShutdown.
func goodbye(t *testing.T, scripts *sync.Map) *framer.Server {
	return &framer.Server{NewHandler: func(c *framer.Conn) framer.Handler {
		s := &script{t: t}
		s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
		s.onShutdown = func() error { return s.Push([]byte("goodbye\n")) }
		if scripts != nil {
			scripts.Store(c, s)
		}
		return s.newHandler(c)
	}}
}

// asyncore: closeall, closeall_default. Every connection says goodbye and ends, also one
// of ServeConn, and one that waits for input.
func TestShutdown(t *testing.T) {
	const peers = 50
	l := listen(t, "tcp", "127.0.0.1:0")
	var scripts sync.Map
	s := goodbye(t, &scripts)
	called := make(chan struct{})
	s.RegisterOnShutdown(func() { close(called) })
	served := startServer(t, s, l)
	nc, given := tcpPair(t)
	result := call(func() error { return s.ServeConn(t.Context(), nc) })

	conns := []net.Conn{given}
	for range peers {
		conns = append(conns, dial(t, l))
	}
	for i, peer := range conns {
		writeString(t, peer, "hello\n")
		readString(t, peer, "hello\n")
		if i%2 == 0 {
			writeString(t, peer, "unfinished")
		}
	}
	if got := s.Stats().Conns; got != peers+1 {
		t.Errorf("%d connections are open, want %d", got, peers+1)
	}
	shutdown := call(func() error { return s.Shutdown(t.Context()) })
	for i, peer := range conns {
		want := "goodbye\n"
		if i%2 == 0 { // half of the peers have begun a message, which is answered
			<-called
			writeString(t, peer, " business\n")
			want = "unfinished business\ngoodbye\n"
		}
		if got := readAll(t, peer); got != want {
			t.Errorf("a peer got %q, want %q", got, want)
		}
		peer.Close()
	}
	if err := <-shutdown; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != framer.ErrServerClosed {
		t.Errorf("Serve: %v, want ErrServerClosed", err)
	}
	if err := <-result; err != nil {
		t.Errorf("ServeConn: %v", err)
	}
	if got := s.Stats().Conns; got != 0 {
		t.Errorf("%d connections are left", got)
	}
	scripts.Range(func(_, value any) bool {
		sc := value.(*script)
		if sc.called("shutdown") != 1 || sc.called("close") != 1 {
			t.Errorf("the calls are %v, want shutdown and close once", sc.calls)
		}
		return true
	})
}

// A lateListener accepts a connection only when it is being closed, as a system may do.
type lateListener struct {
	net.Listener
	nc      net.Conn
	given   bool
	closed  chan struct{}
	proceed chan struct{} // LocalAddr of the connection waits for it
}

func (l *lateListener) Accept() (net.Conn, error) {
	<-l.closed
	if l.given {
		return nil, net.ErrClosed
	}
	l.given = true
	return slowAddr{l.nc, l.proceed}, nil
}

func (l *lateListener) Close() error {
	close(l.closed)
	return l.Listener.Close()
}

// A slowAddr reads its own address from its peer, as with the PROXY protocol.
type slowAddr struct {
	net.Conn
	known chan struct{}
}

func (c slowAddr) LocalAddr() net.Addr {
	<-c.known
	return c.Conn.LocalAddr()
}

// A connection that was accepted before the listener was closed is served, because the
// peer may have sent a request. Shutdown waits for it, and Close closes it.
func TestShutdownOfNewcomer(t *testing.T) {
	tests := []struct {
		name string
		end  func(*framer.Server) error
		want string
	}{
		{"Shutdown", func(s *framer.Server) error { return s.Shutdown(context.Background()) }, "hello\ngoodbye\n"},
		{"Close", (*framer.Server).Close, ""},
		{"Shutdown out of time", func(s *framer.Server) error {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := s.Shutdown(ctx); err != context.Canceled {
				return fmt.Errorf("Shutdown: %w, want a context's error", err)
			}
			return nil
		}, ""},
	}
	for _, test := range tests {
		for _, maxConns := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s/MaxConns=%d", test.name, maxConns), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := framertest.Pipe()
					l := &lateListener{framertest.Listen(), nc, false, make(chan struct{}), make(chan struct{})}
					s := goodbye(t, nil)
					s.MaxConns = maxConns
					served := call(func() error { return s.Serve(l) })
					writeString(t, peer, "hello\n")
					synctest.Wait()
					ended := call(func() error { return test.end(s) })
					synctest.Wait()
					if test.want != "" {
						waits(t, test.name, ended)
					}
					close(l.proceed)
					if got, err := io.ReadAll(peer); string(got) != test.want || (err == nil) != (test.want != "") {
						t.Errorf("the peer got %q (%v), want %q, or a reset", got, err, test.want)
					}
					peer.Close()
					if err := <-ended; err != nil {
						t.Error(err)
					}
					if err := <-served; err != framer.ErrServerClosed {
						t.Errorf("Serve: %v, want ErrServerClosed", err)
					}
				})
			})
		}
	}
}

// halves are ways to send the message "half" in two parts.
var halves = map[string]struct {
	term        framer.Terminator
	first, rest string
}{
	"Delimiter":    {framer.Delimiter("\n"), "hal", "f\n"},
	"in Delimiter": {framer.Delimiter("\r\n"), "half\r", "\n"},
	"AnyDelimiter": {framer.AnyDelimiter("\n", "\r\n"), "hal", "f\r\n"},
	"Length":       {framer.Length(4), "hal", "f"},
	"FixedLength":  {framer.FixedLength(4), "h", "alf"},
	"header":       {framer.LengthPrefix(framer.Prefix{Size: 2}), "\x00", "\x04half"},
	"after header": {framer.LengthPrefix(framer.Prefix{Size: 2}), "\x00\x04", "half"},
	"Split":        {framer.Split(bufio.ScanLines), "hal", "f\n"},
}

// When the context of Shutdown ends, the connections that are left are closed.
func TestShutdownContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		defer peer.Close()
		s := goodbye(t, nil)
		result := call(func() error { return s.ServeConn(t.Context(), nc) })
		writeString(t, peer, "hello\n")
		synctest.Wait()
		peer.HoldReads(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown: %v, want DeadlineExceeded", err)
		}
		if got := time.Since(start); got != time.Second {
			t.Errorf("Shutdown took %v, want a second", got)
		}
		if err := <-result; err != nil && err != framer.ErrServerClosed {
			t.Errorf("ServeConn: %v", err)
		}
	})
}

// Shutdown calls each function of RegisterOnShutdown once and waits for it.
func TestRegisterOnShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s framer.Server
		var calls atomic.Int32
		for range 3 {
			s.RegisterOnShutdown(func() {
				time.Sleep(time.Minute)
				calls.Add(1)
			})
		}
		other := call(func() error { return s.Shutdown(t.Context()) })
		if err := errors.Join(s.Shutdown(t.Context()), <-other); err != nil {
			t.Error(err)
		}
		if got := calls.Load(); got != 3 {
			t.Errorf("%d calls, want 3", got)
		}
		if err := s.Shutdown(t.Context()); err != nil || calls.Load() != 3 {
			t.Errorf("a further Shutdown: %v, %d calls", err, calls.Load())
		}
	})
}

// Close closes the connections at once, without HandleShutdown.
func TestServerClose(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	var scripts sync.Map
	s := goodbye(t, &scripts)
	served := startServer(t, s, l)
	peer := dial(t, l)
	writeString(t, peer, "hello\n")
	readString(t, peer, "hello\n")
	for c := range s.Conns() {
		if err := c.Flush(t.Context()); err != nil { // otherwise the peer might get a reset before this
			t.Error(err)
		}
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if got := readAll(t, peer); got != "" {
		t.Errorf("the peer got %q", got)
	}
	if err := <-served; err != framer.ErrServerClosed {
		t.Errorf("Serve: %v, want ErrServerClosed", err)
	}
	scripts.Range(func(_, value any) bool {
		if calls := value.(*script).calls; slices.Contains(calls, "shutdown") {
			t.Errorf("the calls are %v", calls)
		}
		return true
	})
}

type baseKey struct{}

func TestServerContexts(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), baseKey{}, "base"))
	defer cancel(nil)
	values := make(chan []any, 1)
	reason := make(chan error, 1)
	s := framer.Server{
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, contextKey{}, nc.LocalAddr())
		},
		NewHandler: func(c *framer.Conn) framer.Handler {
			ctx := c.Context()
			values <- []any{ctx.Value(baseKey{}), ctx.Value(contextKey{}) == c.LocalAddr(), ctx.Value("other")}
			h := &script{t: t, onClose: func(err error) { reason <- err }}
			return h.newHandler(c)
		},
	}
	l := listen(t, "tcp", "127.0.0.1:0")
	startServer(t, &s, l)
	dial(t, l)
	if diff := cmp.Diff([]any{"base", true, nil}, <-values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	errStop := errors.New("stop")
	cancel(errStop)
	if err := <-reason; err != errStop {
		t.Errorf("HandleClose got %v, want %v", err, errStop)
	}
}

func TestConnState(t *testing.T) {
	server, client := tlsConfigs(t)
	errBad := errors.New("bad")
	tests := []struct {
		name string
		serv func(s *framer.Server) // changes the server for the test
		tls  bool
		want []framer.ConnState
	}{
		{"plain", nil, false, []framer.ConnState{framer.StateNew, framer.StateActive, framer.StateClosing, framer.StateClosed}},
		{"tls", nil, true, []framer.ConnState{framer.StateNew, framer.StateHandshake, framer.StateActive, framer.StateClosing, framer.StateClosed}},
		{"closed", func(s *framer.Server) {
			s.NewHandler = framer.Session(func(c *framer.Conn) error { return c.Close() })
		}, false, []framer.ConnState{framer.StateNew, framer.StateActive, framer.StateClosed}},
		{"refused", func(s *framer.Server) {
			s.VerifyConn = func(net.Conn) error { return errBad }
		}, false, nil},
		{"closed in VerifyConn", func(s *framer.Server) {
			s.VerifyConn = func(net.Conn) error { return s.Close() }
		}, false, []framer.ConnState{framer.StateNew, framer.StateClosed}},
		{"without a handler", func(s *framer.Server) {
			s.NewHandler = func(*framer.Conn) framer.Handler { return nil }
		}, false, []framer.ConnState{framer.StateNew, framer.StateClosed}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []framer.ConnState
			s := framer.Server{
				Config:     framer.Config{Logger: slog.New(slog.DiscardHandler)},
				NewHandler: newEchoLine,
				ConnState:  func(_ *framer.Conn, state framer.ConnState) { got = append(got, state) },
			}
			if test.serv != nil {
				test.serv(&s)
			}
			nc, peer := tcpPair(t)
			if test.tls {
				nc, peer = tls.Server(nc, server), tls.Client(peer, client)
			}
			result := call(func() error { return s.ServeConn(t.Context(), nc) })
			handshake(t, peer)
			endInput(t, peer)
			<-result
			peer.Close()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
		})
	}
}

// A lateAddress is a connection that learns its peer's address from the peer, as with the
// PROXY protocol: RemoteAddr reads.
type lateAddress struct {
	net.Conn
	once sync.Once
}

func (c *lateAddress) RemoteAddr() net.Addr {
	c.once.Do(func() { c.Conn.Read(make([]byte, 1)) })
	return c.Conn.RemoteAddr()
}

// A peer that is refused and does not send its address does not keep its place.
func TestRefusedWithoutAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := framertest.Listen()
		s := &framer.Server{
			NewHandler: framer.Messages(framer.None(), func(*framer.Conn, []byte) error { return nil }),
			MaxConns:   1,
			Refuse:     func(nc net.Conn) { io.WriteString(nc, "full") },
			Config:     framer.Config{Logger: slog.New(slog.DiscardHandler)},
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(lateAddressListener{l}) }()
		dial := func() net.Conn {
			nc, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
		first := dial()
		io.WriteString(first, "x")
		synctest.Wait()
		silent := dial()
		time.Sleep(time.Minute)
		if n := s.Stats().Refused; n != 1 {
			t.Errorf("%d connections refused after a minute, want 1", n)
		}
		silent.Close()
		first.Close()
		s.Close()
		<-served
	})
}

type lateAddressListener struct{ net.Listener }

func (l lateAddressListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lateAddress{Conn: nc}, nil
}
