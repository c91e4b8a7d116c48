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
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// watchdog is how long a test waits for something that does not depend on time.
const watchdog = time.Minute

const goodbye = "goodbye\n"

// An ear is a handler that sends lines back and says goodbye.
type ear struct {
	*framer.Conn
	framer.Collector
}

func newEar(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\n"))
	return &ear{Conn: c}
}

func (e *ear) FoundTerminator() error { return e.Push(append(e.Take(), '\n')) }
func (e *ear) HandleShutdown() error  { return e.Push([]byte(goodbye)) }

// A subject is a kind of listener.
type subject struct {
	listen func(t *testing.T) net.Listener
	dial   func(t *testing.T, l net.Listener) *net.TCPConn

	direct    bool // connections are *net.TCPConn, so that writev and sendfile are used
	endsCut   bool // output that is cut off ends like whole output: a reset can't be sent, or the proxy does not pass it on
	steps     bool // the system of the proxy acknowledges in steps of megabytes
	halfClose bool // the output can be ended before the connection is closed
}

// maxConns is how many connections a service has at most in a test.
const maxConns = 256

// A service is a server on the listener of a subject.
type service struct {
	*framer.Server
	l      net.Listener
	conns  chan *framer.Conn // the connections that were accepted
	served chan error
}

func (s subject) serve(t *testing.T, newHandler func(*framer.Conn) framer.Handler, cfg framer.Config) *service {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	sv := &service{l: s.listen(t), conns: make(chan *framer.Conn, maxConns), served: make(chan error, 1)}
	sv.Server = &framer.Server{Config: cfg, NewHandler: func(c *framer.Conn) framer.Handler {
		sv.conns <- c
		return newHandler(c)
	}}
	go func() { sv.served <- sv.Serve(sv.l) }()
	t.Cleanup(func() {
		sv.Close()
		if err := <-sv.served; err != framer.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return sv
}

// receive receives from ch. It fails the test if nothing comes for a long time.
func receive[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(watchdog):
		t.Fatal("nothing comes")
	}
	return v
}

// wait waits until the next connection has ended and returns the reason.
func (sv *service) wait(t *testing.T) error {
	t.Helper()
	c := receive(t, sv.conns)
	defer time.AfterFunc(watchdog, func() { c.CloseWithError(errHangs) }).Stop()
	return c.Wait()
}

var errHangs = errors.New("the connection does not end")

func dialTCP(t *testing.T, l net.Listener) *net.TCPConn { return dialAddress(t, l.Addr().String()) }

func dialAddress(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return ready(t, nc)
}

// ready returns nc with a deadline, so that a failing test does not hang. nc is closed
// when the test ends.
func ready(t *testing.T, nc net.Conn) *net.TCPConn {
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(watchdog))
	return nc.(*net.TCPConn)
}

func write(t *testing.T, nc net.Conn, data string) {
	t.Helper()
	if _, err := io.WriteString(nc, data); err != nil {
		t.Fatal(err)
	}
}

func wantLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if got, err := r.ReadString('\n'); got != want {
		t.Fatalf("received %q (%v), want %q", got, err, want)
	}
}

// wantRest checks the rest of the input, up to its end. The end must be io.EOF.
func wantRest(t *testing.T, r io.Reader, want string) {
	t.Helper()
	if got, err := io.ReadAll(r); err != nil || string(got) != want {
		t.Fatalf("received %q (%v), want %q", got, err, want)
	}
}

// test runs all tests of a network connection on the subject.
func (s subject) test(t *testing.T) {
	t.Parallel()
	t.Run("echo", s.testEcho)
	t.Run("peer half-closes", s.testPeerHalfCloses)
	t.Run("CloseWrite", s.testCloseWrite)
	t.Run("linger", s.testLinger)
	t.Run("file", s.testFile)
	t.Run("cut off", s.testCutOff)
	t.Run("slow peer", s.testSlowPeer)
	t.Run("stuck peer", s.testStuckPeer)
	t.Run("Shutdown", s.testShutdown)
}

// Many lines at once are all sent back. The connection has the address of the client.
func (s subject) testEcho(t *testing.T) {
	const lines = 20000
	sv := s.serve(t, newEar, framer.Config{})
	peer := s.dial(t, sv.l)
	line := strings.Repeat("x", 63) + "\n"
	go io.WriteString(peer, strings.Repeat(line, lines))
	r := bufio.NewReader(peer)
	for range lines {
		wantLine(t, r, line)
	}
	c := receive(t, sv.conns)
	if got, want := c.RemoteAddr().String(), peer.LocalAddr().String(); got != want {
		t.Errorf("RemoteAddr is %s, want the client's, %s", got, want)
	}
	if _, direct := c.NetConn().(*net.TCPConn); direct != s.direct {
		t.Errorf("NetConn is a %T", c.NetConn())
	}
}

// A peer that has ended its side gets its answers, and then the end of the output.
func (s subject) testPeerHalfCloses(t *testing.T) {
	sv := s.serve(t, newEar, framer.Config{})
	peer := s.dial(t, sv.l)
	write(t, peer, "one\ntwo\n")
	peer.CloseWrite()
	wantRest(t, peer, "one\ntwo\n")
	if err := sv.wait(t); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// The output can be ended while input goes on.
func (s subject) testCloseWrite(t *testing.T) {
	lines := make(chan string, 1)
	sv := s.serve(t, framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, line []byte) error {
		if string(line) != "end" {
			lines <- string(line)
			return nil
		}
		c.Push([]byte("ended\n"))
		err := c.CloseWrite()
		if s.halfClose {
			return err
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("CloseWrite: %v, want an error that is ErrUnsupported", err)
		}
		return c.CloseWhenDone()
	}), framer.Config{})
	peer := s.dial(t, sv.l)
	write(t, peer, "end\n")
	wantRest(t, peer, "ended\n")
	if !s.halfClose {
		return
	}
	write(t, peer, "more\n")
	if line := receive(t, lines); line != "more" {
		t.Errorf("received %q behind our end", line)
	}
	peer.Close()
	if err := sv.wait(t); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// What was pushed before the connection was closed arrives, although the peer has sent
// more, and goes on to send, and nobody reads that.
func (s subject) testLinger(t *testing.T) {
	if !s.halfClose {
		t.Skip("input that comes after the last look may destroy output: there is no CloseWrite")
	}
	answer := strings.Repeat("x", 1<<20)
	sv := s.serve(t, framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, line []byte) error {
		c.Push([]byte(answer))
		return c.CloseWhenDone()
	}), framer.Config{})
	peer := s.dial(t, sv.l)
	noise := strings.Repeat("noise", 10000)
	write(t, peer, "answer\n"+noise)
	var b [1]byte
	if _, err := io.ReadFull(peer, b[:]); err != nil { // the connection is closing when the first byte comes
		t.Fatal(err)
	}
	write(t, peer, noise)
	if rest, err := io.ReadAll(peer); err != nil || len(rest) != len(answer)-1 {
		t.Errorf("received %d of %d bytes, %v", 1+len(rest), len(answer), err)
	}
	peer.Close()
	if err := sv.wait(t); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// A file arrives whole, whether it is sent by sendfile or not.
func (s subject) testFile(t *testing.T) {
	content := strings.Repeat("0123456789abcde\n", 200_000)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	sv := s.serve(t, framer.Session(func(c *framer.Conn) error {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		c.Push([]byte("head\n"))
		return c.PushWithProducer(framer.NewReaderProducer(f))
	}), framer.Config{})
	peer := s.dial(t, sv.l)
	got, err := io.ReadAll(peer)
	if err != nil || string(got) != "head\n"+content {
		t.Errorf("received %d of %d bytes, %v", len(got), 5+len(content), err)
	}
}

// If an error cuts off a reply, the peer must not take it for a whole one. The connection
// is reset, if the listener can pass that on.
func (s subject) testCutOff(t *testing.T) {
	errCut := errors.New("no more")
	sv := s.serve(t, framer.Session(func(c *framer.Conn) error {
		if _, err := c.Next(framer.Delimiter("\n")); err != nil {
			return err
		}
		first := true
		c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
			if first {
				first = false
				return []byte("half of it"), nil
			}
			return nil, errCut
		}))
		_, err := c.Next(framer.None()) // the producer's error makes Next return
		return err
	}), framer.Config{})
	peer := s.dial(t, sv.l)
	write(t, peer, "half\n")
	_, err := io.ReadAll(peer)
	peer.Close()
	if served := sv.wait(t); !errors.Is(served, errCut) {
		t.Errorf("Serve: %v, want the error of the producer", served)
	}
	if reset := errors.Is(err, syscall.ECONNRESET); reset != !s.endsCut {
		t.Errorf("the peer has read until %v", err)
	}
}

// A peer that reads slowly, for three times WriteTimeout, is not dropped.
func (s subject) testSlowPeer(t *testing.T) {
	if s.steps {
		t.Skip("the proxy's system may acknowledge nothing for a WriteTimeout, see Config.WriteTimeout")
	}
	t.Parallel()          // it mostly waits
	const size = 12 << 20 // more than the systems between the two ends can hold
	for timeout := 500 * time.Millisecond; timeout < watchdog/4; timeout *= 2 {
		began := time.Now()
		sv := s.serve(t, framer.Session(func(c *framer.Conn) error {
			return c.PushWithProducer(framer.NewBytesProducer(make([]byte, size)))
		}), framer.Config{WriteTimeout: timeout})
		got, longest, err := readSlowly(s.dial(t, sv.l), size/5, 3*timeout, began)
		if longest > timeout/4 {
			continue // this machine is so busy that the peer was not one that reads on; try again
		}
		if err != nil || got != size {
			t.Errorf("received %d of %d bytes, %v", got, size, err)
		}
		return
	}
	t.Skip("this machine has no time for it")
}

// readSlowly reads from r: n bytes in the time d, at an even pace, and then the rest.
// longest is the longest time without a read since began.
func readSlowly(r io.Reader, n int, d time.Duration, began time.Time) (got int, longest time.Duration, err error) {
	tick := time.NewTicker(d / 150)
	defer tick.Stop()
	buf := make([]byte, 64<<10)
	start, last := time.Now(), began
	for {
		p := buf
		if got < n {
			now := <-tick.C
			due := int(float64(n)*float64(now.Sub(start))/float64(d)) - got
			if due <= 0 {
				continue
			}
			p = buf[:min(due, len(buf))]
		}
		m, err := r.Read(p)
		got += m
		longest, last = max(longest, time.Since(last)), time.Now()
		if err == io.EOF {
			return got, longest, nil
		}
		if err != nil {
			return got, longest, err
		}
	}
}

// A peer that reads nothing is dropped.
func (s subject) testStuckPeer(t *testing.T) {
	t.Parallel() // it mostly waits
	sv := s.serve(t, framer.Session(func(c *framer.Conn) error {
		return c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
			return make([]byte, 64<<10), nil // the producer never ends
		}))
	}), framer.Config{WriteTimeout: 100 * time.Millisecond})
	s.dial(t, sv.l)
	err := sv.wait(t)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "WriteTimeout") {
		t.Errorf("Serve: %v, want a timeout of Config.WriteTimeout", err)
	}
}

// In a shutdown, a message that has begun is answered, and every peer gets the goodbye.
func (s subject) testShutdown(t *testing.T) {
	sv := s.serve(t, newEar, framer.Config{})
	begun := make(chan struct{})
	sv.RegisterOnShutdown(func() { close(begun) })
	idle, busy := s.dial(t, sv.l), s.dial(t, sv.l)
	write(t, idle, "hello\n")
	wantLine(t, bufio.NewReader(idle), "hello\n")
	write(t, busy, "hello\nhal")
	r := bufio.NewReader(busy)
	wantLine(t, r, "hello\n")
	shutdown := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), watchdog)
		defer cancel()
		shutdown <- sv.Shutdown(ctx)
	}()
	<-begun
	wantRest(t, idle, goodbye)
	idle.Close()
	write(t, busy, "f\n")
	wantRest(t, r, "half\n"+goodbye)
	busy.Close()
	if err := receive(t, shutdown); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// freeAddress returns a loopback address on which nobody listens. The port is not one
// that the system gives to clients: a client could get it while a server is being
// restarted.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// The listener of net.Listen is tested for comparison.
func TestListen(t *testing.T) {
	subject{listen: listen, dial: dialTCP, direct: true, halfClose: true}.test(t)
}
