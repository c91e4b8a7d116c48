// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// liveHeap returns how many bytes reachable objects take.
func liveHeap() int64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// wantHeap fails the test if n connections take more than limit bytes of the heap each.
// before is how much was in use without them.
func wantHeap(t *testing.T, before int64, n int, limit int64) {
	t.Helper()
	each := (liveHeap() - before) / int64(n)
	if each > limit {
		t.Errorf("each of %d connections takes %d bytes, want at most %d", n, each, limit)
	}
}

// An endlessConn always has something to read, and never a line feed. It yields the
// processor before each read. Otherwise, on a single processor, it would run until the
// scheduler stops it, each time.
type endlessConn struct {
	*framertest.Conn
	closed chan struct{}
	once   sync.Once
}

func (c *endlessConn) Read(p []byte) (int, error) {
	runtime.Gosched()
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
		return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
	}
}

func (c *endlessConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Peers that send endless data take no more memory than their limits allow. Each of them
// is refused by itself.
func TestEndlessBytesAreBounded(t *testing.T) {
	const (
		conns = 500
		limit = 4096
	)
	refusing := make(chan chan struct{}, conns) // has an element for each connection that has reached the limit
	server := framer.Server{
		NewHandler: func(c *framer.Conn) framer.Handler {
			s := &script{t: t}
			s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
			s.onOversize = func(e *framer.MessageTooLongError) error {
				refuse := make(chan struct{})
				refusing <- refuse
				<-refuse
				return e
			}
			return s.newHandler(c)
		},
		Config: framer.Config{MaxMessageSize: limit, LingerTimeout: -1, Logger: slog.New(slog.DiscardHandler)},
	}
	ended := make(chan error, conns)
	var group sync.WaitGroup
	serve := func(nc net.Conn) {
		group.Go(func() { ended <- server.ServeConn(context.Background(), nc) })
	}

	before := liveHeap()
	for range conns {
		nc, _ := framertest.Pipe()
		serve(&endlessConn{Conn: nc, closed: make(chan struct{})})
	}
	var refusals []chan struct{}
	for range conns {
		refusals = append(refusals, <-refusing)
	}
	// This is the read buffer, the message with room to grow, and the connection itself
	// with the pipe.
	wantHeap(t, before, conns, 64<<10+2*limit+6<<10)

	nc, peer := framertest.Pipe()
	serve(nc)
	for i, refuse := range refusals {
		close(refuse)
		var long *framer.MessageTooLongError
		if err := <-ended; !errors.As(err, &long) || long.Limit != limit || long.Seen <= limit {
			t.Errorf("a connection ended with %v, want a MessageTooLongError", err)
		}
		if i%100 == 0 {
			writeString(t, peer, "line\n")
			readString(t, peer, "line\n")
		}
	}
	peer.Close()
	if err := <-ended; err != nil {
		t.Errorf("the connection of the good peer ended with %v", err)
	}
	group.Wait()
}

// Peers that never read cost as much memory as may be queued for them, until WriteTimeout
// is over. A good peer is not affected.
func TestDeafPeersAreBounded(t *testing.T) { synctest.Test(t, testDeafPeersAreBounded) }

func testDeafPeersAreBounded(t *testing.T) {
	const (
		maxQueued = 4 << 10
		conns     = 2000
	)
	handlers := make(chan *script, conns+1)
	server := framer.Server{
		NewHandler: func(c *framer.Conn) framer.Handler {
			s := &script{t: t}
			s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
			handlers <- s
			return s.newHandler(c)
		},
		Config: framer.Config{
			MaxQueuedBytes: maxQueued,
			WriteTimeout:   10 * time.Second,
			Logger:         slog.New(slog.DiscardHandler),
		},
	}
	ended := make(chan error, conns+1)
	serve := func(nc net.Conn) {
		go func() { ended <- server.ServeConn(context.Background(), nc) }()
	}
	nc, peer := framertest.Pipe()
	serve(nc)
	<-handlers
	echoes := func() {
		t.Helper()
		begin := time.Now()
		writeString(t, peer, "line\n")
		readString(t, peer, "line\n")
		if took := time.Since(begin); took != 0 {
			t.Errorf("the good peer waited for %v", took)
		}
	}

	for range conns {
		nc, _ := framertest.Pipe()
		nc.HoldWrites(true)
		serve(nc)
	}
	synctest.Wait()
	before := liveHeap()
	for range conns {
		fill(t, <-handlers, maxQueued)
	}
	synctest.Wait()
	// A slice that grows may have twice the room that it needs.
	wantHeap(t, before, conns, 2*maxQueued+1<<10)

	for range 9 {
		time.Sleep(time.Second)
		echoes()
	}
	time.Sleep(time.Second - 1)
	synctest.Wait()
	if len(ended) > 0 {
		t.Fatalf("%d connections have ended before WriteTimeout, one with %v", len(ended), <-ended)
	}
	time.Sleep(time.Nanosecond)
	synctest.Wait()
	if len(ended) != conns {
		t.Fatalf("%d connections have ended at WriteTimeout, want %d", len(ended), conns)
	}
	for range conns {
		wantTimeout(t, <-ended, "WriteTimeout")
	}
	echoes()
	peer.Close()
	if err := <-ended; err != nil {
		t.Errorf("the connection of the good peer ended with %v", err)
	}
}

// fill pushes until the queue of s is full, and checks that it then has max bytes.
func fill(t *testing.T, s *script, max int64) {
	t.Helper()
	data := make([]byte, 100)
	var err error
	for err == nil {
		err = s.TryPush(data)
	}
	if n := s.Stats().QueuedBytes; err != framer.ErrQueueFull || n > max || n <= max-int64(len(data)) {
		t.Errorf("%d bytes are queued and TryPush returned %v, want ErrQueueFull at %d", n, err, max)
	}
}

// However slow a peer is, Shutdown returns when its context ends, and all connections end
// then.
func TestSlowPeerDoesNotDelayShutdown(t *testing.T) {
	every := func(nc net.Conn, d time.Duration, step func() error) {
		for step() == nil {
			time.Sleep(d)
		}
		nc.Close()
	}
	peers := map[string]func(nc net.Conn){
		"reads a byte a second": func(nc net.Conn) {
			every(nc, time.Second, func() error {
				_, err := io.ReadFull(nc, make([]byte, 1))
				return err
			})
		},
		"writes a byte a second": func(nc net.Conn) {
			every(nc, time.Second, func() error {
				_, err := nc.Write([]byte("x"))
				return err
			})
		},
		"never reads":  func(net.Conn) {},
		"does not end": func(nc net.Conn) { io.Copy(io.Discard, nc) },
	}
	for name, play := range peers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testSlowPeerDoesNotDelayShutdown(t, play) })
		})
	}
}

func testSlowPeerDoesNotDelayShutdown(t *testing.T, play func(nc net.Conn)) {
	output := strings.Repeat("x", 200<<10) // more than the pipe holds
	server := framer.Server{
		NewHandler: func(c *framer.Conn) framer.Handler {
			s := &script{t: t}
			s.onConnect = func() error { return s.Push([]byte(output)) }
			return s.newHandler(c)
		},
		Config: framer.Config{WriteTimeout: time.Hour, LingerTimeout: time.Hour},
	}
	l := framertest.Listen()
	served := startServer(t, &server, l)
	peer, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	defer group.Wait()
	defer peer.Close()
	group.Go(func() { play(peer) })
	time.Sleep(5 * time.Second)

	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != context.DeadlineExceeded {
		t.Errorf("Shutdown returned %v, want context.DeadlineExceeded", err)
	}
	if err := <-served; err != framer.ErrServerClosed {
		t.Errorf("Serve returned %v, want ErrServerClosed", err)
	}
	if took := time.Since(begin); took != 10*time.Second {
		t.Errorf("the end took %v, want 10 s", took)
	}
}

// wantTimeout fails the test unless err says that the time limit was exceeded.
func wantTimeout(t *testing.T, err error, limit string) {
	t.Helper()
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "(Config."+limit+")") {
		t.Errorf("ended with %v, want a timeout of %s", err, limit)
	}
}
