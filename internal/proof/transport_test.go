// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goframer/framer/framertest"
)

// A transport makes connected pairs: the end under test, and its peer.
type transport struct {
	name string
	pair func(t *testing.T) (nc, peer net.Conn)
}

// transports returns all transports that a Conn is tested on.
func transports() []transport {
	list := []transport{
		{"tcp4", func(t *testing.T) (nc, peer net.Conn) { return socketPair(t, "tcp4", "127.0.0.1:0") }},
		{"unix", func(t *testing.T) (nc, peer net.Conn) {
			return socketPair(t, "unix", filepath.Join(t.TempDir(), "socket"))
		}},
		{"tls-server", func(t *testing.T) (nc, peer net.Conn) {
			nc, peer = tcpPair(t)
			server, client := tlsConfigs(t)
			return tls.Server(nc, server), tls.Client(peer, client)
		}},
		{"tls-client", func(t *testing.T) (nc, peer net.Conn) {
			nc, peer = tcpPair(t)
			server, client := tlsConfigs(t)
			return tls.Client(nc, client), tls.Server(peer, server)
		}},
		{"memory", memoryPair},
		{"pipe", func(*testing.T) (nc, peer net.Conn) { return net.Pipe() }},
	}
	if hasIPv6() {
		list = append(list, transport{"tcp6", func(t *testing.T) (nc, peer net.Conn) {
			return socketPair(t, "tcp6", "[::1]:0")
		}})
	}
	return list
}

func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// canHalfClose reports whether one side of nc can end its output without closing nc.
func canHalfClose(nc net.Conn) bool {
	_, ok := nc.(interface{ CloseWrite() error })
	return ok
}

// onTransports runs test on a pair of every transport.
func onTransports(t *testing.T, test func(t *testing.T, nc, peer net.Conn)) {
	t.Helper()
	for _, tr := range transports() {
		t.Run(tr.name, func(t *testing.T) {
			nc, peer := tr.pair(t)
			t.Cleanup(func() { peer.Close() })
			// A failing test must not hang.
			peer.SetDeadline(time.Now().Add(watchdog))
			test(t, nc, peer)
		})
	}
}

func tcpPair(t *testing.T) (nc, peer net.Conn) { return socketPair(t, "tcp", "127.0.0.1:0") }

func memoryPair(*testing.T) (nc, peer net.Conn) {
	a, b := framertest.Pipe()
	return a, b
}

// socketPair returns the two ends of a connection. It uses a listener of its own.
func socketPair(t *testing.T, network, address string) (nc, peer net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return nc, peer
}

// tlsConfigs returns TLS configurations for the two sides. They are for this test alone.
func tlsConfigs(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	return &tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{RootCAs: roots, ServerName: "framer.test"}
}

// certificate returns a certificate that is made once for all tests.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"framer.test"},
		NotBefore:    time.Unix(0, 0), // in a synctest bubble it is the year 2000, outside it is not
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
})

// readAll returns all input of nc. It fails the test if the input does not end with
// io.EOF.
func readAll(t *testing.T, nc net.Conn) string {
	t.Helper()
	data, err := io.ReadAll(nc)
	if err != nil {
		t.Errorf("after %d bytes: %v", len(data), err)
	}
	return string(data)
}

// readString reads len(want) bytes and fails the test if they are not want.
func readString(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if err != nil || string(got) != want {
		t.Fatalf("read %q and %v, want %q", got[:n], err, want)
	}
}

// writeString writes s and fails the test if it can't.
func writeString(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

// A countingConn records the calls of Write. It has no ReadFrom and no CloseWrite.
type countingConn struct {
	net.Conn
	mu    sync.Mutex
	sizes []int
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.sizes = append(c.sizes, len(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// writes returns the sizes of all writes so far.
func (c *countingConn) writes() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sizes)
}

// exchange sends a line and waits until the peer has sent it back.
func exchange(t *testing.T, peer net.Conn) {
	t.Helper()
	writeString(t, peer, "line\n")
	readString(t, peer, "line\n")
}

// endInput ends the output of peer: with CloseWrite if it has that, otherwise with Close.
func endInput(t *testing.T, peer net.Conn) {
	t.Helper()
	var err error
	if half, ok := peer.(interface{ CloseWrite() error }); ok {
		err = half.CloseWrite()
	} else {
		err = peer.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

// control calls f with the file descriptor of nc.
func control(t *testing.T, nc net.Conn, f func(fd int) error) {
	t.Helper()
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var callErr error
	if err := raw.Control(func(fd uintptr) { callErr = f(int(fd)) }); err != nil {
		t.Fatal(err)
	}
	if callErr != nil {
		t.Fatal(callErr)
	}
}

// bubblePairs are the connections that work in a synctest bubble.
var bubblePairs = map[string]func(t *testing.T) (nc, peer net.Conn){
	"pipe":   func(*testing.T) (nc, peer net.Conn) { return net.Pipe() },
	"memory": memoryPair,
	"tls": func(t *testing.T) (nc, peer net.Conn) {
		a, b := framertest.Pipe()
		server, client := tlsConfigs(t)
		return tls.Server(a, server), tls.Client(b, client)
	},
}

// handshake performs the peer's side of a TLS handshake.
func handshake(t *testing.T, peer net.Conn) {
	t.Helper()
	if tc, ok := peer.(interface{ Handshake() error }); ok {
		if err := tc.Handshake(); err != nil {
			t.Error(err)
		}
	}
}

// A seeThroughConn wraps a connection and has a method NetConn.
type seeThroughConn struct{ net.Conn }

func (c seeThroughConn) NetConn() net.Conn { return c.Conn }

// onWrappedTransports runs test on a pair of every transport, and also on connections
// that wrap another one.
func onWrappedTransports(t *testing.T, test func(t *testing.T, nc, peer net.Conn)) {
	t.Helper()
	onTransports(t, test)
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"opaque":      func(nc net.Conn) net.Conn { return struct{ net.Conn }{nc} },
		"see-through": func(nc net.Conn) net.Conn { return seeThroughConn{nc} },
	} {
		t.Run(name, func(t *testing.T) {
			nc, peer := tcpPair(t)
			t.Cleanup(func() { peer.Close() })
			peer.SetDeadline(time.Now().Add(watchdog))
			test(t, wrap(nc), peer)
		})
	}
}
