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
	"runtime"
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

// startServer runs s on l. At the end of the test it is closed.
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
	nc.SetDeadline(time.Now().Add(time.Minute)) // a failing test shall not hang
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

// All methods of a zero Server are harmless.
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

// As in net/http, a function that returns no context panics at once.
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

// After Shutdown or Close nothing is served any more.
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

// asyncore: set_reuse_addr. The address can be used again at once, though the
// server has closed connections first, which are in TIME_WAIT.
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

// writeCertificate writes the certificate of config to files.
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

// The error says what is missing, and what to do.
func TestServeTLSWithoutCertificate(t *testing.T) {
	config, _ := tlsConfigs(t)
	certFile, keyFile := writeCertificate(t, config)
	none := filepath.Join(t.TempDir(), "none")
	const empty = "framer: no certificate for TLS: "
	const advice = " empty; give both, or set Certificates, GetCertificate or GetConfigForClient in TLSConfig and give neither"
	tests := []struct {
		name              string
		config            *tls.Config
		certFile, keyFile string
		want              string
		notExist          bool
	}{
		{"nothing", nil, "", "", empty + "certFile and keyFile are" + advice, false},
		{"empty config", &tls.Config{NextProtos: []string{"echo"}}, "", "", empty + "certFile and keyFile are" + advice, false},
		{"certFile only", nil, certFile, "", empty + "keyFile is" + advice, false},
		{"keyFile only", nil, "", keyFile, empty + "certFile is" + advice, false},
		{"config and certFile", config, certFile, "", empty + "keyFile is" + advice, false},
		{"config and keyFile", config, "", keyFile, empty + "certFile is" + advice, false},
		{"no such certFile", nil, none, keyFile, none, true},
		{"no such keyFile", nil, certFile, none, none, true},
		{"config, no such files", config, none, none, none, true},
		{"no certificate in certFile", nil, keyFile, keyFile, "certificate", false},
		{"no key in keyFile", nil, certFile, certFile, "private key", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := framer.Server{Addr: "127.0.0.1:0", NewHandler: newEchoLine, TLSConfig: test.config}
			l := listen(t, "tcp", "127.0.0.1:0")
			for name, err := range map[string]error{
				"ServeTLS":          s.ServeTLS(l, test.certFile, test.keyFile),
				"ListenAndServeTLS": s.ListenAndServeTLS(test.certFile, test.keyFile),
			} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v, want %q", name, err, test.want)
				}
				if got := errors.Is(err, os.ErrNotExist); got != test.notExist {
					t.Errorf("%s: %v matches ErrNotExist: %v", name, err, got)
				}
			}
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the listener is not closed: %v", err)
			}
		})
	}
}

// The one-client server of the tutorial: the listener is closed when the client
// has come, which is served to its end.
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

// asyncore: quick_connect. Connections that are reset before, or while, they are
// accepted don't disturb the server.
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

// A panic ends its own connection only.
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
		peers[0].Close() // one after the other, in either order
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

// A listener that nobody dials takes no place from others.
func TestMaxConnsWithIdleListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idle, l := framertest.Listen(), framertest.Listen()
		s := framer.Server{NewHandler: newEchoLine, MaxConns: 1}
		startServer(t, &s, idle)
		startServer(t, &s, l)
		synctest.Wait()
		for range 3 {
			peer, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			checkEcho(t, peer)
			peer.Close()
		}
		nc, peer := framertest.Pipe()
		given := call(func() error { return s.ServeConn(t.Context(), nc) })
		checkEcho(t, peer)
		peer.Close()
		if err := <-given; err != nil {
			t.Error(err)
		}
	})
}

// At the limit, Refuse says no, which arrives although the peer was talking, and those
// who were there before don't notice.
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

// What Refuse does wrong has an end: that of its deadline, or of the server.
func TestRefuseHasLimits(t *testing.T) {
	tests := map[string]struct {
		refuse func(nc net.Conn)
		end    func(s *framer.Server)
		after  time.Duration
	}{
		"a peer that does not read": {func(nc net.Conn) { nc.Write(make([]byte, 1<<20)) }, nil, 5 * time.Second},
		"a peer that does not end":  {func(nc net.Conn) {}, nil, 5 * time.Second},
		"a panic":                   {func(nc net.Conn) { panic("no") }, nil, 0},
		"Close":                     {func(nc net.Conn) { nc.Write(make([]byte, 1<<20)) }, func(s *framer.Server) { s.Close() }, time.Second},
		"Shutdown": {func(nc net.Conn) {}, func(s *framer.Server) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			s.Shutdown(ctx)
		}, time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan time.Time, 1)
				l := framertest.Listen()
				s := framer.Server{NewHandler: newEchoLine, MaxConns: 1, Refuse: test.refuse, Config: framer.Config{Logger: slog.New(slog.DiscardHandler)}}
				served := call(func() error { return s.Serve(endNotes{l, ended}) })
				first, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				checkEcho(t, first)
				second, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if test.end != nil {
					time.Sleep(time.Second)
					go test.end(&s)
				}
				if after := (<-ended).Sub(start); after != test.after {
					t.Errorf("closed after %v, want %v", after, test.after)
				}
				second.Close()
				first.Close()
				s.Close()
				<-served
			})
		})
	}
}

// endNotes tells when the second of its connections is closed.
type endNotes struct {
	net.Listener
	ended chan time.Time
}

func (l endNotes) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &noteClose{nc.(*framertest.Conn), l.ended}, nil
}

type noteClose struct {
	*framertest.Conn
	ended chan time.Time
}

func (c *noteClose) Close() error {
	select {
	case c.ended <- time.Now():
	default:
	}
	return c.Conn.Close()
}

// ServeHandler serves with another handler, under the same limits and shutdown.
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

// Zero and negative mean no limit.
func TestNoMaxConns(t *testing.T) {
	for _, limit := range []int{0, -1} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := framertest.Listen()
				s := framer.Server{NewHandler: newEchoLine, MaxConns: limit}
				startServer(t, &s, l)
				for range 10 {
					peer, err := l.Dial()
					if err != nil {
						t.Fatal(err)
					}
					defer peer.Close()
					checkEcho(t, peer)
				}
				if got := s.Stats().Conns; got != 10 {
					t.Errorf("%d connections are open, want 10", got)
				}
			})
		})
	}
}

// ServeConn waits for a place no longer than its context, or the server.
func TestServeConnWaitsInVain(t *testing.T) {
	ends := map[string]struct {
		end  func(s *framer.Server, cancel func())
		want error
	}{
		"context": {func(_ *framer.Server, cancel func()) { cancel() }, context.Canceled},
		"Close":   {func(s *framer.Server, _ func()) { s.Close() }, framer.ErrServerClosed},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := framer.Server{NewHandler: newEchoLine, MaxConns: 1}
				nc, peer := framertest.Pipe()
				first := call(func() error { return s.ServeConn(t.Context(), nc) })
				checkEcho(t, peer)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				nc, other := framertest.Pipe()
				second := call(func() error { return s.ServeConn(ctx, nc) })
				waits(t, "ServeConn", second)
				end.end(&s, cancel)
				if err := <-second; !errors.Is(err, end.want) {
					t.Errorf("ServeConn: %v, want %v", err, end.want)
				}
				readAll(t, other)
				peer.Close()
				<-first
			})
		})
	}
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

// passing are the errors of accept(2) that pass. Some systems have more.
var passing = []syscall.Errno{
	// A lack of resources.
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	// The connection has gone, or a firewall forbids it.
	syscall.ECONNABORTED, syscall.EPERM,
	// "already-pending network errors on the new socket"
	syscall.ENETDOWN, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EHOSTUNREACH,
	syscall.EOPNOTSUPP, syscall.ENETUNREACH,
}

// Errors of Accept that pass are waited out, ever longer, and never close the
// listener.
func TestAcceptErrorsPass(t *testing.T) {
	wraps := map[string]func(err error) error{
		"bare":    func(err error) error { return err },
		"syscall": func(err error) error { return os.NewSyscallError("accept4", err) },
		"net": func(err error) error {
			return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
		},
		"wrapped": func(err error) error { return fmt.Errorf("listener of its own: %w", err) },
	}
	for _, errno := range passing {
		for name, wrap := range wraps {
			t.Run(fmt.Sprintf("%d %v/%s", errno, errno, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testAcceptErrorPasses(t, wrap(errno)) })
			})
		}
	}
}

// bareFailures is a Listener whose Accept fails with errs, as they are: those of
// Fail are in a [net.OpError].
type bareFailures struct {
	*framertest.Listener
	errs chan error
}

func (l *bareFailures) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, err
	default:
		return l.Listener.Accept()
	}
}

func testAcceptErrorPasses(t *testing.T, passing error) {
	l := &bareFailures{Listener: framertest.Listen(), errs: make(chan error, 10)}
	for range cap(l.errs) {
		l.errs <- passing
	}
	var logs logBook
	s := framer.Server{NewHandler: newEchoLine, Config: framer.Config{Logger: slog.New(&logs)}}
	start := time.Now()
	served := startServer(t, &s, l)
	peer, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	// 5, 10, 20 ms and so on, a second at most.
	if got, want := time.Since(start), 1275*time.Millisecond+2*time.Second; got != want {
		t.Errorf("ten errors were waited out in %v, want %v", got, want)
	}
	checkEcho(t, peer)
	peer.Close()
	records := logs.find("framer: accept failed")
	if len(records) != 10 {
		t.Errorf("%d errors are logged, want 10", len(records))
	}
	for _, r := range records {
		if r.Level != slog.LevelWarn {
			t.Errorf("the level is %v, want Warn", r.Level)
		}
		if got := attr(r, "error"); got != passing.Error() {
			t.Errorf("the error logged is %q, want %q", got, passing)
		}
	}

	// After a success, the waits are short again.
	synctest.Wait() // the server waits in Accept
	l.errs <- passing
	l.errs <- passing
	if peer, err = l.Dial(); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	peer.Close()
	if peer, err = l.Dial(); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	if got, want := time.Since(start), 15*time.Millisecond; got != want {
		t.Errorf("after a success, two errors were waited out in %v, want %v", got, want)
	}
	s.Close()
	if err := <-served; err != framer.ErrServerClosed {
		t.Errorf("Serve: %v, want ErrServerClosed", err)
	}
}

// The wait after a failure to accept holds up neither Close nor Shutdown.
func TestCloseWhileAcceptFails(t *testing.T) {
	ends := map[string]func(s *framer.Server) error{
		"Close":    (*framer.Server).Close,
		"Shutdown": func(s *framer.Server) error { return s.Shutdown(context.Background()) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := framertest.Listen()
				s := framer.Server{NewHandler: newEchoLine, MaxConns: 1}
				served := startServer(t, &s, l)
				for range 9 {
					l.Fail(syscall.ENETDOWN)
				}
				waits(t, "Serve", served) // for a second
				start := time.Now()
				if err := end(&s); err != nil {
					t.Error(err)
				}
				if err := <-served; err != framer.ErrServerClosed {
					t.Errorf("Serve: %v, want ErrServerClosed", err)
				}
				if got := time.Since(start); got != 0 {
					t.Errorf("it took %v", got)
				}
			})
		})
	}
}

// An error of Accept that does not pass ends Serve, when the connections have
// ended.
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

// A closeBook is a listener that counts how often it is closed. Close returns err.
type closeBook struct {
	*framertest.Listener
	err     error
	closes  atomic.Int32
	onClose func()
}

func (l *closeBook) Close() error {
	l.closes.Add(1)
	if l.onClose != nil {
		l.onClose()
	}
	l.Listener.Close()
	return l.err
}

// Whatever ends Serve, the listener is closed once, also when Shutdown and Close
// follow. Of these the one that has closed it returns its error.
func TestListenerClosedOnce(t *testing.T) {
	ctx := context.Background()
	errClose, errBad := errors.New("close failed"), errors.New("bad listener")
	config, _ := tlsConfigs(t)
	plain := func(s *framer.Server, l net.Listener) error { return s.Serve(l) }
	withTLS := func(s *framer.Server, l net.Listener) error { return s.ServeTLS(l, "", "") }
	closeServer := func(_ *testing.T, s *framer.Server, _ *closeBook) error { return s.Close() }
	shutDown := func(_ *testing.T, s *framer.Server, _ *closeBook) error { return s.Shutdown(ctx) }
	tests := []struct {
		name    string
		prepare func(s *framer.Server)
		serve   func(s *framer.Server, l net.Listener) error
		end     func(t *testing.T, s *framer.Server, l *closeBook) error
		endErr  error // of end
		want    error // of serve; nil: any
	}{
		{"Close", nil, plain, closeServer, errClose, framer.ErrServerClosed},
		{"Shutdown", nil, plain, shutDown, errClose, framer.ErrServerClosed},
		{"Close with TLS", nil, withTLS, closeServer, errClose, framer.ErrServerClosed},
		{"Shutdown with TLS", nil, withTLS, shutDown, errClose, framer.ErrServerClosed},
		{"Close at MaxConns", nil, plain, func(t *testing.T, s *framer.Server, l *closeBook) error {
			peer, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			synctest.Wait()
			return s.Close()
		}, errClose, framer.ErrServerClosed},
		{"Close after a failure that passes", nil, plain, func(_ *testing.T, s *framer.Server, l *closeBook) error {
			l.Fail(syscall.ENETDOWN)
			return s.Close()
		}, errClose, framer.ErrServerClosed},
		{"at once", nil, plain, func(_ *testing.T, s *framer.Server, _ *closeBook) error {
			var calls []<-chan error
			for range 4 {
				calls = append(calls, call(s.Close), call(func() error { return s.Shutdown(ctx) }))
			}
			var errs []error
			for _, c := range calls {
				if err := <-c; err != nil {
					errs = append(errs, err)
				}
			}
			return errors.Join(errs...)
		}, errClose, framer.ErrServerClosed},
		{"Accept fails", nil, plain, func(_ *testing.T, _ *framer.Server, l *closeBook) error {
			l.Fail(errBad)
			return nil
		}, nil, errBad},
		{"Accept fails, a connection is left", func(s *framer.Server) { s.MaxConns = 2 }, plain, func(t *testing.T, s *framer.Server, l *closeBook) error {
			peer, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			l.Fail(errBad)
			synctest.Wait()
			return s.Close()
		}, nil, errBad},
		{"user", nil, plain, func(_ *testing.T, _ *framer.Server, l *closeBook) error {
			return l.Listener.Close()
		}, nil, net.ErrClosed},
		{"user, with TLS", nil, withTLS, func(_ *testing.T, _ *framer.Server, l *closeBook) error {
			return l.Listener.Close()
		}, nil, net.ErrClosed},
		{"closed before", func(s *framer.Server) { s.Close() }, plain, nil, nil, framer.ErrServerClosed},
		{"closed before, with TLS", func(s *framer.Server) { s.Close() }, withTLS, nil, nil, framer.ErrServerClosed},
		{"closed before, without a certificate", func(s *framer.Server) {
			s.TLSConfig = nil
			s.Close()
		}, withTLS, nil, nil, framer.ErrServerClosed},
		{"shut down before", func(s *framer.Server) { s.Shutdown(ctx) }, plain, nil, nil, framer.ErrServerClosed},
		{"closed in BaseContext", func(s *framer.Server) {
			s.BaseContext = func(net.Listener) context.Context {
				s.Close()
				return ctx
			}
		}, plain, nil, nil, framer.ErrServerClosed},
		{"panic in BaseContext", func(s *framer.Server) {
			s.BaseContext = func(net.Listener) context.Context { panic(errBad) }
		}, func(s *framer.Server, l net.Listener) (err error) {
			defer func() { err = recover().(error) }()
			return s.Serve(l)
		}, nil, nil, errBad},
		{"no NewHandler", func(s *framer.Server) { s.NewHandler = nil }, plain, nil, nil, nil},
		{"no NewHandler, with TLS", func(s *framer.Server) { s.NewHandler = nil }, withTLS, nil, nil, nil},
		{"no certificate", func(s *framer.Server) { s.TLSConfig = nil }, withTLS, nil, nil, nil},
		{"no file", nil, func(s *framer.Server, l net.Listener) error {
			return s.ServeTLS(l, "none", "none")
		}, nil, nil, os.ErrNotExist},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &closeBook{Listener: framertest.Listen(), err: errClose}
				s := framer.Server{
					NewHandler: newEchoLine,
					TLSConfig:  config,
					MaxConns:   1,
					Config:     framer.Config{Logger: slog.New(slog.DiscardHandler)},
				}
				l.onClose = func() { s.Stats() } // must not wait for the server
				if test.prepare != nil {
					test.prepare(&s)
				}
				served := call(func() error { return test.serve(&s, l) })
				synctest.Wait()
				if test.end != nil {
					if err := test.end(t, &s, l); !errors.Is(err, test.endErr) {
						t.Errorf("the end: %v, want %v", err, test.endErr)
					}
				}
				if err := <-served; err == nil || test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("it returned %v, want %v", err, test.want)
				}
				if err := errors.Join(s.Close(), s.Shutdown(ctx), s.Close()); err != nil {
					t.Errorf("Close and Shutdown afterwards: %v", err)
				}
				if got := l.closes.Load(); got != 1 {
					t.Errorf("the listener was closed %d times, want 1", got)
				}
			})
		})
	}
}

// The error of every listener is returned, and all are closed.
func TestCloseListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := framer.Server{NewHandler: newEchoLine}
		var listeners []*closeBook
		var served []<-chan error
		for i := range 3 {
			l := &closeBook{Listener: framertest.Listen(), err: fmt.Errorf("listener %d", i)}
			listeners = append(listeners, l)
			served = append(served, startServer(t, &s, l))
		}
		synctest.Wait()
		err := s.Close()
		for i, l := range listeners {
			if !errors.Is(err, l.err) {
				t.Errorf("Close: %v, want also %v", err, l.err)
			}
			if err := <-served[i]; err != framer.ErrServerClosed {
				t.Errorf("Serve: %v, want ErrServerClosed", err)
			}
			if got := l.closes.Load(); got != 1 {
				t.Errorf("the listener was closed %d times, want 1", got)
			}
		}
	})
}

// Shutdown, Close and Serve return only when the listener is closed, whoever does.
func TestSlowListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &closeBook{Listener: framertest.Listen()}
		goOn := make(chan struct{})
		l.onClose = func() {
			l.Listener.Close() // ends Accept
			<-goOn
		}
		s := framer.Server{NewHandler: newEchoLine}
		served := startServer(t, &s, l)
		synctest.Wait()
		calls := []<-chan error{call(s.Close), call(s.Close), call(func() error { return s.Shutdown(t.Context()) }), served}
		for i, c := range calls {
			waits(t, fmt.Sprintf("call %d", i), c)
		}
		close(goOn)
		for _, c := range calls {
			<-c
		}
	})
}

// goodbye is a Server that says goodbye in HandleShutdown.
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

// asyncore: closeall, closeall_default. Every connection, those of ServeConn
// included, says goodbye and ends, also while it waits for input.
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
		if i%2 == 0 { // a message that has begun is answered
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

// What has been read is handled before HandleShutdown.
func TestShutdownAfterMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		s := goodbye(t, nil)
		newHandler := s.NewHandler
		s.NewHandler = func(c *framer.Conn) framer.Handler {
			h := newHandler(c).(*script)
			h.onFound = func() error {
				time.Sleep(time.Second)
				return h.Push(append(h.Take(), '\n'))
			}
			return h
		}
		result := call(func() error { return s.ServeConn(t.Context(), nc) })
		writeString(t, peer, "1\n2\n3\n")
		synctest.Wait()
		shutdown := call(func() error { return s.Shutdown(t.Context()) })
		if got, want := readAll(t, peer), "1\n2\n3\ngoodbye\n"; got != want {
			t.Errorf("the peer got %q, want %q", got, want)
		}
		peer.Close()
		if err := errors.Join(<-shutdown, <-result); err != nil {
			t.Error(err)
		}
	})
}

// Output that waits is sent before the end.
func TestShutdownDrains(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		const size = 4 << 20
		s := goodbye(t, nil)
		newHandler := s.NewHandler
		connected := make(chan struct{})
		s.NewHandler = func(c *framer.Conn) framer.Handler {
			h := newHandler(c).(*script)
			h.onConnect = func() error {
				close(connected)
				return h.PushWithProducer(framer.NewBytesProducer(make([]byte, size)))
			}
			return h
		}
		result := call(func() error { return s.ServeConn(t.Context(), nc) })
		handshake(t, peer)
		<-connected
		shutdown := call(func() error { return s.Shutdown(t.Context()) })
		if got := readAll(t, peer); len(got) != size+len("goodbye\n") || !strings.HasSuffix(got, "goodbye\n") {
			t.Errorf("the peer got %d bytes, want %d", len(got), size+len("goodbye\n"))
		}
		peer.Close()
		if err := errors.Join(<-shutdown, <-result); err != nil {
			t.Error(err)
		}
	})
}

// A failure in HandleShutdown ends the connection as any other.
func TestHandleShutdownFails(t *testing.T) {
	for _, failure := range failures() {
		t.Run(failure.name, func(t *testing.T) {
			var logs logBook
			s := goodbye(t, nil)
			s.Config.Logger = slog.New(&logs)
			newHandler := s.NewHandler
			var closedWith error
			connected := make(chan struct{})
			s.NewHandler = func(c *framer.Conn) framer.Handler {
				h := newHandler(c).(*script)
				h.onConnect = func() error {
					close(connected)
					return nil
				}
				h.onShutdown = func() error {
					h.Push([]byte("last words"))
					return failure.fail()
				}
				h.onClose = func(err error) { closedWith = err }
				return h
			}
			nc, peer := tcpPair(t)
			served := make(chan struct{})
			go func() {
				defer close(served)
				s.ServeConn(t.Context(), nc)
			}()
			<-connected
			shutdown := call(func() error { return s.Shutdown(t.Context()) })
			if got := readAll(t, peer); got != "last words" {
				t.Errorf("the peer got %q", got)
			}
			peer.Close()
			if err := <-shutdown; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			<-served
			failure.check(t, closedWith, &logs)
		})
	}
}

// A Session learns of Shutdown when it would have to wait.
func TestShutdownSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		s := framer.Server{NewHandler: framer.Session(func(c *framer.Conn) error {
			for {
				line, err := c.Next(framer.Delimiter("\n"))
				if err != nil {
					fmt.Fprintf(c, "%v", err)
					return err
				}
				time.Sleep(time.Second)
				fmt.Fprintf(c, "%s\n", line)
			}
		})}
		result := call(func() error { return s.ServeConn(t.Context(), nc) })
		writeString(t, peer, "1\n2\n")
		synctest.Wait()
		shutdown := call(func() error { return s.Shutdown(t.Context()) })
		if got, want := readAll(t, peer), "1\n2\n"+framer.ErrServerClosed.Error(); got != want {
			t.Errorf("the peer got %q, want %q", got, want)
		}
		peer.Close()
		if err := errors.Join(<-shutdown, <-result); err != nil {
			t.Error(err)
		}
	})
}

// halves are ways to end a message "half", which comes in two parts.
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

// A shutdownTest is a connection of a server, which answers messages, and in the end
// says goodbye.
type shutdownTest struct {
	server    framer.Server
	conn      *framer.Conn
	peer      net.Conn
	served    <-chan error
	shutdown  <-chan error
	goodbyes  atomic.Int32
	connected chan struct{}
}

// A farewell is a handler that says goodbye.
type farewell struct {
	lineHandler
	goodbye func(c *framer.Conn) error
}

func (h *farewell) HandleShutdown() error { return h.goodbye(h.Conn) }

// newShutdownTest serves nc in the style. f answers a message.
func newShutdownTest(t *testing.T, style string, nc, peer net.Conn, term framer.Terminator, f func(c *framer.Conn, msg []byte) error) *shutdownTest {
	st := &shutdownTest{peer: peer, connected: make(chan struct{})}
	goodbye := func(c *framer.Conn) error {
		st.goodbyes.Add(1)
		return c.Push([]byte("goodbye\n"))
	}
	newHandler := map[string]func(*framer.Conn) framer.Handler{
		"Handler": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(term)
			return &farewell{lineHandler{Conn: c, f: func(c *framer.Conn, msg []byte) error {
				c.SetTerminator(term) // a Length counts once
				return f(c, msg)
			}}, goodbye}
		},
		"Messages": framer.Messages(term, func(c *framer.Conn, msg []byte) error {
			c.SetTerminator(term)
			return f(c, msg)
		}),
		"Session": framer.Session(func(c *framer.Conn) error {
			for {
				msg, err := c.Next(term)
				if err == framer.ErrServerClosed {
					return goodbye(c)
				}
				if err != nil {
					return err
				}
				if err := f(c, msg); err != nil {
					return err
				}
			}
		}),
	}[style]
	st.server.NewHandler = func(c *framer.Conn) framer.Handler {
		st.conn = c
		close(st.connected)
		return newHandler(c)
	}
	st.server.Config.Logger = slog.New(slog.DiscardHandler)
	st.served = call(func() error { return st.server.ServeConn(context.Background(), nc) })
	handshake(t, peer)
	<-st.connected
	return st
}

// begin begins to shut down, and returns when the connection knows.
func (st *shutdownTest) begin(ctx context.Context) {
	st.shutdown = call(func() error { return st.server.Shutdown(ctx) })
	for !strings.Contains(st.conn.String(), "shutting down") && st.conn.Context().Err() == nil {
		runtime.Gosched()
	}
}

// received returns when n bytes have been read.
func (st *shutdownTest) received(n int) {
	for st.conn.Stats().BytesRead < int64(n) && st.conn.Context().Err() == nil {
		runtime.Gosched()
	}
}

// check wants the peer to get what is left, and the end to be in order.
func (st *shutdownTest) check(t *testing.T, style, want string) {
	t.Helper()
	goodbyes := int32(1)
	if style == "Messages" {
		goodbyes = 0
	} else {
		want += "goodbye\n"
	}
	if got := readAll(t, st.peer); got != want {
		t.Errorf("the peer got %q, want %q", got, want)
	}
	st.peer.Close()
	if err := errors.Join(<-st.shutdown, <-st.served); err != nil {
		t.Error(err)
	}
	if got := st.goodbyes.Load(); got != goodbyes {
		t.Errorf("%d goodbyes, want %d", got, goodbyes)
	}
}

var styles = []string{"Handler", "Messages", "Session"}

func answer(c *framer.Conn, msg []byte) error {
	return c.Push([]byte(fmt.Sprintf("got %s\n", msg)))
}

// A message that has begun before a shutdown comes to its end, and is answered.
func TestShutdownInMessage(t *testing.T) {
	for name, half := range halves {
		for _, style := range styles {
			t.Run(name+"/"+style, func(t *testing.T) {
				for i, tr := range transports() {
					if i > 0 && name != "Delimiter" {
						continue // it is the same
					}
					nc, peer := tr.pair(t)
					st := newShutdownTest(t, style, nc, peer, half.term, answer)
					writeString(t, peer, half.first)
					st.received(len(half.first))
					st.begin(t.Context())
					writeString(t, peer, half.rest)
					st.check(t, style, "got half\n")
				}
			})
		}
	}
}

// So does one whose beginning comes while another one is answered, and Shutdown is
// called: it is unread then.
func TestShutdownWithUnreadInput(t *testing.T) {
	for _, style := range styles {
		for _, pushes := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%v", style, pushes), func(t *testing.T) {
				onTransports(t, func(t *testing.T, nc, peer net.Conn) {
					if !canHalfClose(peer) {
						return // net.Pipe has no buffer
					}
					g := newGate()
					f := func(c *framer.Conn, msg []byte) error {
						if string(msg) != "wait" {
							return answer(c, msg)
						}
						if err := g.pass(c); err != nil || !pushes {
							return err
						}
						return answer(c, msg)
					}
					st := newShutdownTest(t, style, nc, peer, framer.Delimiter("\n"), f)
					writeString(t, peer, "wait\n")
					g.await(t, st.conn)
					want := ""
					if pushes {
						want = "got wait\n"
					}
					for _, piece := range []string{"one\n", "two\n", "three\n", "hal"} {
						writeString(t, peer, piece)
					}
					st.begin(t.Context())
					g.open(t, st.conn)
					readString(t, peer, want+"got one\ngot two\ngot three\n")
					writeString(t, peer, "f\n")
					st.check(t, style, "got half\n")
				})
			})
		}
	}
}

// A peer that never pauses is left after a whole message. One that never comes to the
// end of a message is left when the context ends.
func TestShutdownWithEndlessInput(t *testing.T) {
	line := "line" + strings.Repeat("x", 200)
	for _, style := range styles {
		t.Run(style, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				if !canHalfClose(peer) {
					return // for such a peer there is no end before LingerTimeout
				}
				st := newShutdownTest(t, style, nc, peer, framer.Delimiter("\n"), answer)
				go func() {
					for {
						if _, err := io.WriteString(peer, line+"\n"+line+"\nli"); err != nil {
							return
						}
						if _, err := io.WriteString(peer, line[2:]+"\n"); err != nil {
							return
						}
					}
				}()
				readString(t, peer, "got "+line+"\ngot "+line+"\n")
				st.shutdown = call(func() error { return st.server.Shutdown(t.Context()) })
				got := strings.TrimSuffix(readAll(t, peer), "goodbye\n")
				if strings.Trim(strings.ReplaceAll(got, "got "+line+"\n", "."), ".") != "" {
					t.Errorf("the peer got %q", got[max(0, len(got)-100):])
				}
				peer.Close()
				if err := errors.Join(<-st.shutdown, <-st.served); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestShutdownInEndlessMessage(t *testing.T) {
	for _, style := range styles {
		t.Run(style, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				defer peer.Close()
				st := newShutdownTest(t, style, nc, peer, framer.Delimiter("\n"), answer)
				writeString(t, peer, "hal")
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				st.begin(ctx)
				for range 9 {
					time.Sleep(time.Second)
					writeString(t, peer, "f")
				}
				if err := <-st.shutdown; err != context.DeadlineExceeded {
					t.Errorf("Shutdown: %v, want DeadlineExceeded", err)
				}
				if got := time.Since(start); got != 10*time.Second {
					t.Errorf("Shutdown took %v", got)
				}
				if err := <-st.served; err != framer.ErrServerClosed {
					t.Errorf("ServeConn: %v, want ErrServerClosed", err)
				}
				if st.goodbyes.Load() != 0 {
					t.Error("there was a goodbye in the middle of a message")
				}
			})
		})
	}
}

// A peer that sends its next request as soon as it has an answer is left soon.
func TestShutdownWithBusyPeer(t *testing.T) {
	for _, style := range styles {
		t.Run(style, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				st := newShutdownTest(t, style, nc, peer, framer.Delimiter("\n"), answer)
				go func() {
					r := bufio.NewReader(peer)
					for {
						time.Sleep(time.Millisecond)
						io.WriteString(peer, "line\n")
						if line, err := r.ReadString('\n'); err != nil || line == "goodbye\n" {
							peer.Close()
							return
						}
					}
				}()
				time.Sleep(time.Second)
				start := time.Now()
				if err := errors.Join(st.server.Shutdown(t.Context()), <-st.served); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("Shutdown took %v", took)
				}
			})
		})
	}
}

// A Session can finish what it has begun after ErrServerClosed, which it gets once.
// One that never ends is ended by the context.
func TestShutdownSessionGoesOn(t *testing.T) {
	lines := framer.Delimiter("\n")
	t.Run("ends", func(t *testing.T) {
		onTransports(t, func(t *testing.T, nc, peer net.Conn) {
			var s framer.Server
			told := make(chan struct{})
			s.NewHandler = framer.Session(func(c *framer.Conn) error {
				header, err := c.Next(lines)
				if err != nil {
					return err
				}
				transaction := string(header)
				c.Push([]byte("begun\n"))
				for closed := 0; ; {
					line, err := c.Next(lines)
					switch {
					case err == framer.ErrServerClosed:
						if closed++; closed > 1 {
							t.Error("Next has returned ErrServerClosed twice")
						}
						close(told)
					case err != nil:
						return err
					case string(line) == "end":
						fmt.Fprintf(c, "%s\n", transaction)
						return nil
					default:
						transaction += " " + string(line)
					}
				}
			})
			served := call(func() error { return s.ServeConn(t.Context(), nc) })
			writeString(t, peer, "begin\n")
			readString(t, peer, "begun\n")
			shutdown := call(func() error { return s.Shutdown(t.Context()) })
			<-told
			for _, line := range []string{"one\n", "tw", "o\n", "end\n"} {
				writeString(t, peer, line)
			}
			if got := readAll(t, peer); got != "begin one two\n" {
				t.Errorf("the peer got %q", got)
			}
			peer.Close()
			if err := errors.Join(<-shutdown, <-served); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("never ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := framertest.Pipe()
			defer peer.Close()
			var s framer.Server
			s.NewHandler = framer.Session(func(c *framer.Conn) error {
				for {
					if _, err := c.Next(lines); err != nil && err != framer.ErrServerClosed {
						return err
					}
				}
			})
			served := call(func() error { return s.ServeConn(t.Context(), nc) })
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
				t.Errorf("Shutdown: %v, want DeadlineExceeded", err)
			}
			if err := <-served; err != framer.ErrServerClosed {
				t.Errorf("ServeConn: %v, want ErrServerClosed", err)
			}
		})
	})
}

// Shutdown while the handler is made, or greets: a message that has come is answered.
func TestShutdownAtTheBeginning(t *testing.T) {
	for _, hook := range []string{"newHandler", "HandleConnect"} {
		t.Run(hook, func(t *testing.T) {
			for _, tr := range transports() {
				t.Run(tr.name, func(t *testing.T) {
					if hook == "newHandler" && strings.HasPrefix(tr.name, "tls") {
						return // the handshake is to come
					}
					nc, peer := tr.pair(t)
					s := goodbye(t, nil)
					newHandler := s.NewHandler
					entered, proceed := make(chan *framer.Conn), make(chan struct{})
					s.NewHandler = func(c *framer.Conn) framer.Handler {
						h := newHandler(c).(*script)
						wait := func() error {
							entered <- c
							<-proceed
							return nil
						}
						if hook == "newHandler" {
							wait()
						} else {
							h.onConnect = wait
						}
						return h
					}
					served := call(func() error { return s.ServeConn(t.Context(), nc) })
					handshake(t, peer)
					<-entered
					called := make(chan struct{})
					s.RegisterOnShutdown(func() { close(called) })
					shutdown := call(func() error { return s.Shutdown(t.Context()) })
					<-called
					written := call(func() error {
						_, err := io.WriteString(peer, "hello\nhal")
						return err
					})
					if canHalfClose(peer) {
						<-written
					}
					close(proceed)
					readString(t, peer, "hello\n")
					writeString(t, peer, "f\n")
					if got := readAll(t, peer); got != "half\ngoodbye\n" {
						t.Errorf("the peer got %q", got)
					}
					peer.Close()
					if err := errors.Join(<-shutdown, <-served); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
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

// Shutdown waits for what was registered with RegisterOnShutdown, which is called
// once.
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

// Connections in a TLS handshake are closed at once, also if they come to it only
// then.
func TestShutdownInHandshake(t *testing.T) {
	for _, state := range []framer.ConnState{framer.StateNew, framer.StateHandshake} {
		t.Run(state.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				defer peer.Close()
				config, _ := tlsConfigs(t)
				s := goodbye(t, nil)
				s.ConnState = func(_ *framer.Conn, got framer.ConnState) {
					if got == state {
						time.Sleep(time.Second)
					}
				}
				result := call(func() error { return s.ServeConn(t.Context(), tls.Server(nc, config)) })
				synctest.Wait()
				start := time.Now()
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if got := time.Since(start); got > time.Second {
					t.Errorf("Shutdown took %v", got)
				}
				if err := <-result; !errors.Is(err, framer.ErrServerClosed) {
					t.Errorf("ServeConn: %v, want ErrServerClosed", err)
				}
			})
		})
	}
}

// Close is not graceful.
func TestServerClose(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	var scripts sync.Map
	s := goodbye(t, &scripts)
	served := startServer(t, s, l)
	peer := dial(t, l)
	writeString(t, peer, "hello\n")
	readString(t, peer, "hello\n")
	for c := range s.Conns() {
		if err := c.Flush(t.Context()); err != nil { // or the peer may find a reset
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
		serv func(s *framer.Server) // adapts the server
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

// Connections that come, go, and are broadcast to, while the server closes or
// shuts down.
func TestServerEndsUnderLoad(t *testing.T) {
	ends := map[string]func(s *framer.Server) error{
		"Close":    (*framer.Server).Close,
		"Shutdown": func(s *framer.Server) error { return s.Shutdown(t.Context()) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				testServerEndsUnderLoad(t, end)
			}
		})
	}
}

func testServerEndsUnderLoad(t *testing.T, end func(s *framer.Server) error) {
	var states sync.Map // from a Conn to its state
	s := goodbye(t, nil)
	s.Config.Logger = slog.New(slog.DiscardHandler)
	s.ConnState = func(c *framer.Conn, state framer.ConnState) {
		before, known := states.Swap(c, state)
		if known != (state != framer.StateNew) || known && before.(framer.ConnState) >= state {
			t.Errorf("state %v follows %v", state, before)
		}
	}
	l := listen(t, "tcp", "127.0.0.1:0")
	served := call(func() error { return s.Serve(l) })
	var clients sync.WaitGroup
	echoed := make(chan struct{}, 1)
	for range 8 {
		clients.Go(func() {
			for {
				nc, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					return
				}
				fmt.Fprint(nc, "hello\n")
				n, _ := io.ReadFull(nc, make([]byte, 6))
				nc.Close()
				if n == 6 {
					select {
					case echoed <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	for range 20 {
		<-echoed
		for c := range s.Conns() {
			c.TryPush([]byte("broadcast\n"))
		}
	}
	if err := end(s); err != nil {
		t.Error(err)
	}
	if err := <-served; err != framer.ErrServerClosed {
		t.Errorf("Serve: %v, want ErrServerClosed", err)
	}
	clients.Wait()
	states.Range(func(c, state any) bool {
		if state != framer.StateClosed {
			t.Errorf("%v was left in state %v", c, state)
		}
		return true
	})
	if stats := s.Stats(); stats.Conns != 0 || stats.QueuedBytes != 0 {
		t.Errorf("after the end: %+v", stats)
	}
}

func TestServerStats(t *testing.T) {
	s := framer.Server{NewHandler: newEchoLine}
	for range 3 {
		nc, peer := net.Pipe()
		result := call(func() error { return s.ServeConn(t.Context(), nc) })
		checkEcho(t, peer)
		if got := len(slices.Collect(s.Conns())); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}
		for c := range s.Conns() {
			if c.NetConn() != nc {
				t.Errorf("the connection is %v", c)
			}
			break
		}
		peer.Close()
		if err := <-result; err != nil {
			t.Error(err)
		}
	}
	want := framer.ServerStats{Accepted: 3, BytesRead: 21, BytesWritten: 21, MessagesRead: 3}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// After ErrStayOpen the connection goes on, until the handler closes it, the peer does,
// or the context of Shutdown ends.
func TestErrStayOpen(t *testing.T) {
	for name, wrap := range map[string]func() error{
		"as it is": func() error { return framer.ErrStayOpen },
		"wrapped":  func() error { return fmt.Errorf("in a transaction: %w", framer.ErrStayOpen) },
	} {
		for _, ends := range []string{"CloseWhenDone", "peer", "context", "error"} {
			t.Run(name+"/"+ends, func(t *testing.T) {
				onTransports(t, func(t *testing.T, nc, peer net.Conn) {
					errBad := errors.New("bad")
					var s fullScript
					s.t = t
					connected := make(chan struct{})
					s.onConnect = func() error { close(connected); return nil }
					s.onShutdown = func() error {
						return errors.Join(s.Push([]byte("finish, please\n")), wrap())
					}
					s.onFound = func() error {
						switch line := string(s.Take()); line {
						case "done":
							return errors.Join(s.Push([]byte("bye\n")), s.CloseWhenDone())
						case "fail":
							return errBad
						default:
							return s.Push([]byte(line + "\n"))
						}
					}
					server := framer.Server{NewHandler: s.newHandler}
					server.Config.Logger = slog.New(slog.DiscardHandler)
					served := call(func() error { return server.ServeConn(context.Background(), nc) })
					handshake(t, peer)
					<-connected
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					shutdown := call(func() error { return server.Shutdown(ctx) })
					readString(t, peer, "finish, please\n")
					for range 50 {
						exchange(t, peer)
					}
					again := call(func() error { return server.Shutdown(ctx) }) // says it only once
					exchange(t, peer)
					var want, wantShutdown error
					switch ends {
					case "CloseWhenDone":
						writeString(t, peer, "done\n")
						if got := readAll(t, peer); got != "bye\n" {
							t.Errorf("the peer got %q", got)
						}
						peer.Close()
					case "peer":
						peer.Close()
					case "error":
						writeString(t, peer, "fail\n")
						readAll(t, peer)
						peer.Close()
						want = errBad
					case "context":
						cancel()
						want, wantShutdown = framer.ErrServerClosed, context.Canceled
					}
					if err := <-served; !errors.Is(err, want) {
						t.Errorf("served: %v, want %v", err, want)
					}
					// One of the two may find that the other has closed all.
					if err := errors.Join(<-shutdown, <-again); !errors.Is(err, wantShutdown) {
						t.Errorf("Shutdown: %v, want %v", err, wantShutdown)
					}
					if n := s.called("shutdown"); n != 1 {
						t.Errorf("HandleShutdown was called %d times", n)
					}
				})
			})
		}
	}
}

// A Session can finish its transaction after Next has told of the shutdown.
func TestSessionStaysOpen(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		server := framer.Server{NewHandler: framer.Session(func(c *framer.Conn) error {
			c.Push([]byte("ready\n"))
			told := 0
			for {
				line, err := c.Next(framer.Delimiter("\n"))
				if err == framer.ErrServerClosed {
					told++
					err = c.Push([]byte("finish, please\n"))
				} else if err == nil && string(line) == "done" {
					_, err := fmt.Fprintf(c, "told %d times\n", told)
					return err
				}
				if err != nil {
					return err
				}
			}
		})}
		served := call(func() error { return server.ServeConn(context.Background(), nc) })
		readString(t, peer, "ready\n")
		shutdown := call(func() error { return server.Shutdown(t.Context()) })
		readString(t, peer, "finish, please\n")
		writeString(t, peer, "one\n")
		writeString(t, peer, "two\nth")
		writeString(t, peer, "ree\ndone\n")
		if got := readAll(t, peer); got != "told 1 times\n" {
			t.Errorf("the peer got %q", got)
		}
		peer.Close()
		if err := errors.Join(<-served, <-shutdown); err != nil {
			t.Error(err)
		}
	})
}

// While the function of Hijack runs, the connection is one of the server's; Shutdown
// waits for it, and closes it when it has no more time.
func TestShutdownDuringHijack(t *testing.T) {
	for _, ends := range []bool{true, false} {
		t.Run(fmt.Sprint(ends), func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				server := framer.Server{NewHandler: framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, _ []byte) error {
					c.Hijack(func(nc net.Conn) {
						io.WriteString(nc, "hijacked")
						io.Copy(nc, nc)
						nc.Close()
					})
					return nil
				})}
				served := call(func() error { return server.ServeConn(context.Background(), nc) })
				writeString(t, peer, "hijack\n")
				readString(t, peer, "hijacked")
				if n := server.Stats().Conns; n != 1 {
					t.Errorf("the server has %d connections, want 1", n)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				shutdown := call(func() error { return server.Shutdown(ctx) })
				exchange(t, peer)
				var want, wantShutdown error
				if ends {
					peer.Close()
				} else {
					cancel()
					want, wantShutdown = framer.ErrServerClosed, context.Canceled
				}
				if err := <-served; !errors.Is(err, want) {
					t.Errorf("served: %v, want %v", err, want)
				}
				if err := <-shutdown; !errors.Is(err, wantShutdown) {
					t.Errorf("Shutdown: %v, want %v", err, wantShutdown)
				}
			})
		})
	}
}
