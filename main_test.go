// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// TestMain fails if a goroutine of this package is still there after the tests.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // the tests make much garbage and keep nothing, so half of the time would be spent in the collector
	code := m.Run()
	if leaked := leakedGoroutines(); code == 0 && len(leaked) > 0 {
		fmt.Fprintf(os.Stderr, "%d goroutines have leaked:\n\n%s\n", len(leaked), strings.Join(leaked, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines returns the stacks of the goroutines that run code of this package or
// were created by it. It first gives the processor to goroutines that are about to end.
func leakedGoroutines() []string {
	for end := time.Now().Add(watchdog / 6); ; runtime.Gosched() {
		leaked := goroutines("github.com/goframer/framer")
		if len(leaked) == 0 || time.Now().After(end) {
			return leaked
		}
	}
}

// goroutines returns the stacks of the goroutines, other than the caller's, that
// contain s.
func goroutines(s string) (found []string) {
	buf := make([]byte, 1<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	for _, stack := range stacks[1:] {
		if strings.Contains(stack, s) {
			found = append(found, stack)
		}
	}
	return found
}

// Every example has an Output comment, or it would be compiled and never run. No example
// uses a declaration of another file, or it would have no Run button.
func TestExamplesArePlayable(t *testing.T) {
	names, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	fset := token.NewFileSet()
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	examples := doc.Examples(files...)
	if len(examples) == 0 {
		t.Fatal("no examples found")
	}
	for _, example := range examples {
		if example.Play == nil {
			t.Errorf("Example%s can't be run by readers: it uses what its file does not declare or import", example.Name)
		}
		if example.Output == "" {
			t.Errorf("Example%s has no output", example.Name)
		}
	}
}

// watchdog is how long a test waits for something that does not depend on time.
const watchdog = time.Minute

// underRace reports whether the race detector is on. It makes everything about ten times
// slower.
var underRace = func() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}()

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

// A script is a Handler made of functions, which are all optional. It records the names
// of the methods that are called. It fails the test if two methods run at once, if one
// runs after HandleClose, or if HandleClose is not called exactly once.
type script struct {
	*framer.Conn
	framer.Collector
	onConnect  func() error
	onCollect  func(data []byte) error // called in place of the Collector's method
	onFound    func() error
	onOversize func(e *framer.MessageTooLongError) error
	onShutdown func() error
	onClose    func(err error)

	t     *testing.T
	busy  atomic.Bool
	mu    sync.Mutex
	calls []string
}

// enter records the call of a method. The method must call leave when it ends.
func (s *script) enter(name string) (leave func()) {
	if !s.busy.CompareAndSwap(false, true) {
		s.t.Errorf("%s is called while another method runs", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.calls, "close") {
		s.t.Errorf("%s is called after HandleClose", name)
	}
	s.calls = append(s.calls, name)
	return func() { s.busy.Store(false) }
}

// called returns how often the method was called.
func (s *script) called(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c == name {
			n++
		}
	}
	return n
}

func (s *script) HandleConnect() error {
	defer s.enter("connect")()
	if s.onConnect == nil {
		return nil
	}
	return s.onConnect()
}

func (s *script) CollectIncomingData(data []byte) error {
	defer s.enter("collect")()
	if s.onCollect == nil {
		return s.Collector.CollectIncomingData(data)
	}
	return s.onCollect(data)
}

func (s *script) FoundTerminator() error {
	defer s.enter("found")()
	if s.onFound == nil {
		s.Reset()
		return nil
	}
	return s.onFound()
}

func (s *script) HandleOversize(e *framer.MessageTooLongError) error {
	defer s.enter("oversize")()
	if s.onOversize == nil {
		return e
	}
	return s.onOversize(e)
}

func (s *script) HandleShutdown() error {
	defer s.enter("shutdown")()
	if s.onShutdown == nil {
		return nil
	}
	return s.onShutdown()
}

func (s *script) HandleClose(err error) {
	defer s.enter("close")()
	if s.onClose != nil {
		s.onClose(err)
	}
}

// newHandler makes s the Handler of c. Each message is a line.
func (s *script) newHandler(c *framer.Conn) framer.Handler {
	s.Conn = c
	if err := c.SetTerminator(framer.Delimiter("\n")); err != nil {
		s.t.Error(err)
	}
	return s
}

// serve runs s on nc. It closes the connection at the end of the test.
func (s *script) serve(t *testing.T, nc net.Conn, cfg framer.Config) *framer.Conn {
	t.Helper()
	s.t = t
	t.Cleanup(func() { // runs after the cleanup function of serve
		if n := s.called("close"); n != 1 {
			t.Errorf("HandleClose was called %d times, want 1", n)
		}
	})
	return serve(t, nc, s.newHandler, cfg)
}

// serve runs a Conn on nc. It closes the connection at the end of the test.
func serve(t *testing.T, nc net.Conn, newHandler func(*framer.Conn) framer.Handler, cfg framer.Config) *framer.Conn {
	t.Helper()
	return serveContext(t, context.Background(), nc, newHandler, cfg)
}

func serveContext(t *testing.T, ctx context.Context, nc net.Conn, newHandler func(*framer.Conn) framer.Handler, cfg framer.Config) *framer.Conn {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = discardLogger()
	}
	c := framer.NewConn(nc, newHandler, &cfg)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := c.Serve(ctx)
		if waited := c.Wait(); waited != err {
			t.Errorf("Serve returned %v, Wait %v", err, waited)
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c
}

// A logBook is a slog.Handler that keeps all records.
type logBook struct {
	mu      sync.Mutex
	records []slog.Record
}

func (b *logBook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logBook) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *logBook) WithGroup(string) slog.Handler            { return b }

func (b *logBook) Handle(_ context.Context, r slog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, r)
	return nil
}

// find returns the records that have the message.
func (b *logBook) find(message string) (found []slog.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		if r.Message == message {
			found = append(found, r)
		}
	}
	return found
}

// attr returns the value of an attribute of r as a string.
func attr(r slog.Record, key string) (value string) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == key {
			value = a.Value.String()
		}
		return true
	})
	return value
}

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

// A closeCounter is a Producer that counts how often it is closed.
type closeCounter struct {
	framer.Producer
	closed atomic.Int32
}

func (p *closeCounter) Close() error {
	p.closed.Add(1)
	return nil
}

// exchange sends a line and waits until the peer has sent it back.
func exchange(t *testing.T, peer net.Conn) {
	t.Helper()
	writeString(t, peer, "line\n")
	readString(t, peer, "line\n")
}

// discardLogger returns a Logger for tests that want no records.
func discardLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }
