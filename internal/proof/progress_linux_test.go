// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// A throughConn wraps a connection and has a method NetConn.
type throughConn struct{ net.Conn }

func (c throughConn) NetConn() net.Conn { return c.Conn }

// sockets returns the transports that use a socket: alone, wrapped, and below TLS.
func sockets(t *testing.T) []transport {
	tcp := func(wrap func(nc, peer net.Conn) (net.Conn, net.Conn)) func(t *testing.T) (nc, peer net.Conn) {
		return func(t *testing.T) (nc, peer net.Conn) { return wrap(narrowPair(t, "tcp", "127.0.0.1:0")) }
	}
	server, client := tlsConfigs(t)
	return []transport{
		{"tcp", tcp(func(nc, peer net.Conn) (net.Conn, net.Conn) { return nc, peer })},
		{"tls-server", tcp(func(nc, peer net.Conn) (net.Conn, net.Conn) { return tls.Server(nc, server), tls.Client(peer, client) })},
		{"tls-client", tcp(func(nc, peer net.Conn) (net.Conn, net.Conn) { return tls.Client(nc, client), tls.Server(peer, server) })},
		{"wrapped", tcp(func(nc, peer net.Conn) (net.Conn, net.Conn) { return struct{ net.Conn }{nc}, peer })},
		{"through", tcp(func(nc, peer net.Conn) (net.Conn, net.Conn) { return throughConn{nc}, peer })},
		{"unix", func(t *testing.T) (nc, peer net.Conn) {
			return narrowPair(t, "unix", filepath.Join(t.TempDir(), "socket"))
		}},
	}
}

// narrowPair returns a pair like socketPair. The peer's buffer is small, so that its
// system acknowledges in small steps.
func narrowPair(t *testing.T, network, address string) (nc, peer net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<10)
		})
	}}
	peer, err = d.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return nc, peer
}

// A trial is a connection whose peer is slow or stuck.
type trial struct {
	name     string
	nc, peer net.Conn
	socket   net.Conn // the socket below nc
	c        *framer.Conn
	began    time.Time // before c was served
}

// trials calls begin for a pair of each of sockets, serves it, and then runs f for all of
// them at the same time.
func trials(t *testing.T, begin func(*trial) bool, newHandler func(*framer.Conn) framer.Handler, cfg framer.Config, f func(*trial)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, tr := range sockets(t) {
		nc, peer := tr.pair(t)
		t.Cleanup(func() { peer.Close() })
		peer.SetDeadline(time.Now().Add(watchdog))
		x := &trial{name: tr.name, nc: nc, peer: peer, socket: socketOf(nc)}
		if begin != nil && !begin(x) {
			nc.Close()
			continue
		}
		x.began = time.Now()
		x.c = serve(t, nc, newHandler, cfg)
		wg.Go(func() { f(x) })
	}
}

// socketOf returns the socket below nc.
func socketOf(nc net.Conn) net.Conn {
	switch nc := nc.(type) {
	case struct{ net.Conn }:
		return nc.Conn
	case interface{ NetConn() net.Conn }:
		return nc.NetConn()
	}
	return nc
}

// outputs returns ways to send size bytes.
func outputs(t *testing.T, size int) map[string]func(c *framer.Conn) error {
	data := make([]byte, size)
	file := writeFile(t, data).Name()
	return map[string]func(c *framer.Conn) error{
		"push": func(c *framer.Conn) error { return c.Push(data) },
		"producer": func(c *framer.Conn) error {
			return c.PushWithProducer(framer.NewReaderProducer(struct{ io.Reader }{bytes.NewReader(data)}))
		},
		"file": func(c *framer.Conn) error {
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			return c.PushWithProducer(framer.NewReaderProducer(f))
		},
	}
}

// A peer that never stops reading is not dropped, even if it reads so little that the
// system accepts no write within a WriteTimeout.
func TestSlowPeer(t *testing.T) {
	t.Parallel() // it mostly waits
	timeout := 500 * time.Millisecond
	if underRace {
		timeout *= 10 // everything is slower, and the test is only for races then
	}
	const size = 1 << 20
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, buffer := range []int{0, 4 << 20} {
		for how, output := range outputs(t, size) {
			wg.Go(func() {
				// What a busy machine does not let read in time says nothing. Try again
				// then, with more time.
				for timeout := timeout; timeout < watchdog/4; timeout *= 2 {
					if !slowPeers(t, how, output, size, buffer, timeout) {
						return
					}
				}
				t.Logf("%s, buffer %d: this machine is too busy to tell", how, buffer)
			})
		}
	}
}

// slowPeers tries output, which sends size bytes, on all transports. It reports whether a
// peer did not come to read for a quarter of timeout, so that nothing was tested.
func slowPeers(t *testing.T, how string, output func(*framer.Conn) error, size, buffer int, timeout time.Duration) (busy bool) {
	cfg := framer.Config{WriteTimeout: timeout, LingerTimeout: timeout / 10}
	if how == "producer" {
		cfg.WriteBufferSize = 4096 // the system takes a whole write or nothing
	}
	var late atomic.Bool
	trials(t, func(x *trial) bool {
		if buffer == 0 {
			return true
		}
		return x.socket.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(buffer) == nil
	}, framer.Session(func(c *framer.Conn) error {
		if _, ok := c.NetConn().(struct{ net.Conn }); ok {
			c.Push(make([]byte, 12<<20)) // here the system takes more, so send more
		}
		return output(c)
	}), cfg, func(x *trial) {
		slow, want := 120_000, size
		switch x.name {
		case "unix":
			slow *= 2 // the system acknowledges in larger steps
		case "wrapped":
			want += 12 << 20
		}
		got, longest, err := readSlowly(x.peer, slow, 3*timeout, x.began)
		x.peer.Close()
		served := x.c.Wait()
		if longest > timeout/4 {
			late.Store(true)
			return
		}
		if err != nil || got != want || served != nil {
			t.Errorf("%s, %s, buffer %d: the peer got %d of %d bytes and %v, Serve returned %v", x.name, how, buffer, got, want, err, served)
		}
	})
	return late.Load()
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

// A peer that takes nothing any more is dropped, whatever it has taken before, and even
// if the connection ignores deadlines.
func TestStuckPeer(t *testing.T) {
	t.Parallel() // it mostly waits
	block := func(x *trial) {
		f, err := x.socket.(interface{ File() (*os.File, error) }).File()
		if errors.Is(err, net.ErrClosed) {
			return // the connection has timed out already
		}
		if err != nil {
			t.Error(err)
			return
		}
		f.Fd() // this makes both descriptors blocking
		f.Close()
	}
	tests := []struct {
		name   string
		cfg    framer.Config
		limit  string
		waits  bool         // the descriptor is blocking
		closes bool         // the handler returns, so that the connection is closing while the output waits
		before func(*trial) // called before Serve
		during func(*trial) // called during a write
	}{
		{name: "from the beginning", cfg: framer.Config{WriteTimeout: 100 * time.Millisecond}},
		{name: "after much", cfg: framer.Config{WriteTimeout: 100 * time.Millisecond}, during: func(x *trial) {
			io.CopyN(io.Discard, x.peer, 1<<20)
		}},
		{waits: true, name: "descriptor that waits before", cfg: framer.Config{WriteTimeout: 100 * time.Millisecond}, before: block},
		{waits: true, name: "descriptor that waits", cfg: framer.Config{WriteTimeout: 100 * time.Millisecond}, during: block},
		{waits: true, name: "descriptor that waits after much", cfg: framer.Config{WriteTimeout: 100 * time.Millisecond}, during: func(x *trial) {
			io.CopyN(io.Discard, x.peer, 1<<10)
			block(x)
			io.CopyN(io.Discard, x.peer, 1<<20)
		}},
		// The buffer holds only the first records of TLS, which are small. So the write
		// is partly done.
		{name: "idle, small buffer", cfg: framer.Config{WriteTimeout: -1, IdleTimeout: 100 * time.Millisecond}, before: func(x *trial) {
			x.socket.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(8 << 10)
		}, limit: "IdleTimeout"},
		{name: "no time at all", cfg: framer.Config{WriteTimeout: 1}},
		{name: "idle", cfg: framer.Config{WriteTimeout: -1, IdleTimeout: 100 * time.Millisecond}, limit: "IdleTimeout"},
		// The timeout is long enough for a write to begin to wait. Otherwise the
		// connection would be found idle between two writes, and only WriteTimeout, which
		// is very long here, could end it.
		{name: "idle earlier", cfg: framer.Config{WriteTimeout: math.MaxInt64, IdleTimeout: 500 * time.Millisecond}, limit: "IdleTimeout"},
		{closes: true, name: "idle and closing", cfg: framer.Config{WriteTimeout: -1, IdleTimeout: 100 * time.Millisecond}, limit: "IdleTimeout"},
		{name: "idle never", cfg: framer.Config{WriteTimeout: 100 * time.Millisecond, IdleTimeout: math.MaxInt64}},
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, test := range tests {
		for how, output := range outputs(t, 5<<20) { // more than the buffers hold
			if how == "producer" || how == "file" && test.during == nil && test.before == nil {
				continue
			}
			wg.Go(func() {
				cfg := test.cfg
				cfg.MaxQueuedBytes = -1
				trials(t, func(x *trial) bool {
					if test.waits && x.name == "wrapped" {
						return false // the test can't reach its descriptor
					}
					if test.before != nil {
						test.before(x)
					}
					return true
				}, framer.Session(func(c *framer.Conn) error {
					err := output(c)
					if !test.closes {
						c.Next(framer.None()) // the handler ignores a timeout
					}
					return err
				}), cfg, func(x *trial) {
					if tc, ok := x.peer.(*tls.Conn); ok {
						tc.Handshake()
					}
					if test.during != nil {
						test.during(x)
					}
					defer time.AfterFunc(watchdog, func() { x.c.Close() }).Stop()
					err := x.c.Wait()
					limit := max(test.limit, "IdleTimeout")
					if test.limit == "" {
						limit = "WriteTimeout"
					}
					if !errors.Is(err, os.ErrDeadlineExceeded) || !bytes.Contains([]byte(fmt.Sprint(err)), []byte("Config."+limit)) {
						t.Errorf("%s, %s, %s: Serve returned %v, want a timeout of %s", test.name, x.name, how, err, limit)
					}
				})
			})
		}
	}
}
