// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux

package proof_test

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
)

// TestFaults runs every fault on every medium. What a peer sees at the end of a
// connection depends on the system. The table is right for Linux.
func TestFaults(t *testing.T) {
	columns := media(t)
	names := make(map[string]bool)
	for _, m := range columns {
		names[m.name] = true
	}
	for _, f := range faults() {
		for name := range f.senseless {
			if !names[name] {
				t.Errorf("%s: there is no medium %q", f.name, name)
			}
		}
		t.Run(f.name, func(t *testing.T) {
			before := takeInventory(t)
			t.Cleanup(func() { before.compare(t) }) // after the tests of all media
			for _, m := range columns {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel() // it mostly waits
					f.test(t, m)
				})
			}
		})
	}
}

// A fault is a row of the matrix.
type fault struct {
	name string

	// cfg has the limits of the connections. Its times are scaled to the medium.
	cfg framer.Config

	// handle, if not nil, sets the functions of the handler of a new connection.
	handle func(ft *faultTest, s *script)

	// play is what the peer does. When it returns, the rest of the input of the peer's
	// connections is read, and they are closed.
	play func(ft *faultTest)

	// want is what each side must see.
	want faultOutcome

	// senseless has the media on which the fault makes no sense, with the reason.
	senseless map[string]string
}

// A faultOutcome is what the two sides of a connection see.
type faultOutcome struct {
	// reason is what Serve, Wait and HandleClose must report.
	reason reason

	// got is what the peer receives after what play has read. If the output ends in
	// order, the peer must receive all of it. Otherwise it may receive only the
	// beginning.
	got string

	// received, if not nil, checks what the peer receives. Then got is not used.
	received func(t *testing.T, got string)

	end ending

	// takes is how long everything takes, exactly, on the fake clock. On real media it
	// only must not take as long as the watchdog.
	takes time.Duration

	// unhandled means that the connection never had a handler.
	unhandled bool
}

// test runs f on m and checks that nothing is left of it.
func (f *fault) test(t *testing.T, m *medium) {
	if why, ok := f.senseless[m.name]; ok {
		t.Logf("senseless: %s", why)
		return
	}
	var left remains
	if m.inMemory() {
		synctest.Test(t, func(t *testing.T) { left = f.run(t, m) })
	} else {
		left = f.run(t, m)
	}
	left.check(t)
}

// run runs f on m and checks what both sides have seen.
func (f *fault) run(t *testing.T, m *medium) remains {
	ft := newFaultTest(t, f, m)
	defer ft.close()
	start := time.Now()
	f.play(ft)
	ft.leave()
	ft.await()
	took := time.Since(start)
	ft.close()

	if m.inMemory() && took != f.want.takes {
		t.Errorf("took %v, want %v", took, f.want.takes)
	}
	ft.check(f.want)
	return ft.remains()
}

// A faultTest is a cell of the matrix: a server on a medium, its connections, and their
// peers.
type faultTest struct {
	t        *testing.T
	fault    *fault
	medium   *medium
	server   framer.Server
	listener *failingListener
	served   chan error // what Serve has returned
	base     context.Context
	cancel   context.CancelCauseFunc // cancels base
	arrived  chan *actor             // the connections that have got a handler
	signal   chan struct{}           // closed by one side as a signal to the other
	late     chan struct{}           // closed when the test takes too long
	group    sync.WaitGroup          // the goroutines of play and of the peers
	close    func()                  // ends everything and waits until it has ended

	actors []*actor // the connections that were received from arrived

	mu        sync.Mutex
	peers     []*faultPeer
	producers []*watchedProducer
}

// An actor is the server's side of a connection.
type actor struct {
	*script
	conn   *framer.Conn
	reason error // the error that HandleClose was given
}

func newFaultTest(t *testing.T, f *fault, m *medium) *faultTest {
	t.Helper()
	l, err := m.listen()
	if err != nil {
		t.Fatal(err)
	}
	ft := &faultTest{
		t:        t,
		fault:    f,
		medium:   m,
		listener: &failingListener{Listener: l, errs: make(chan error, 10)},
		served:   make(chan error, 1),
		arrived:  make(chan *actor, 100),
		signal:   make(chan struct{}),
		late:     make(chan struct{}),
	}
	ft.base, ft.cancel = context.WithCancelCause(context.Background())
	ft.server.NewHandler = ft.newHandler
	ft.server.Config = m.scaled(f.cfg)
	ft.server.Config.Logger = slog.New(slog.DiscardHandler)
	ft.server.TLSConfig = m.server
	ft.server.BaseContext = func(net.Listener) context.Context { return ft.base }
	go ft.serve()

	var watch sync.WaitGroup
	over := make(chan struct{})
	watch.Go(func() { ft.watch(over) })
	ft.close = sync.OnceFunc(func() {
		ft.end()
		ft.group.Wait()
		if err := <-ft.served; err != framer.ErrServerClosed {
			t.Errorf("Serve of the server returned %v, want ErrServerClosed", err)
		}
		close(over)
		watch.Wait()
	})
	return ft
}

// watch ends everything if the test takes too long.
func (ft *faultTest) watch(over <-chan struct{}) {
	select {
	case <-over:
	case <-time.After(watchdog):
		ft.t.Errorf("it is not over after %v", watchdog)
		close(ft.late)
		ft.cancel(context.DeadlineExceeded)
		ft.end()
	}
}

func (ft *faultTest) serve() {
	if ft.medium.server != nil {
		ft.served <- ft.server.ServeTLS(ft.listener, "", "")
		return
	}
	ft.served <- ft.server.Serve(ft.listener)
}

// end ends everything that still runs.
func (ft *faultTest) end() {
	ft.server.Close()
	ft.mu.Lock()
	defer ft.mu.Unlock()
	for _, p := range ft.peers {
		p.raw.Close()
	}
}

func (ft *faultTest) newHandler(c *framer.Conn) framer.Handler {
	a := &actor{script: &script{t: ft.t}, conn: c}
	a.onClose = func(err error) { a.reason = err }
	defer func() { ft.arrived <- a }()
	h := a.newHandler(c)
	if ft.fault.handle != nil {
		ft.fault.handle(ft, a.script)
	}
	return h
}

// dial returns a new peer.
func (ft *faultTest) dial() *faultPeer {
	ft.t.Helper()
	p := ft.dialRaw()
	if ft.medium.client != nil {
		p.below = &endNote{Conn: p.raw}
		c := tls.Client(p.below, ft.medium.client)
		if err := c.Handshake(); err != nil {
			ft.t.Fatal(err)
		}
		p.Conn = c
	}
	return p
}

// dialRaw returns a new peer that does not use TLS, whatever the medium is.
func (ft *faultTest) dialRaw() *faultPeer {
	ft.t.Helper()
	nc, err := ft.medium.dial(ft.listener.Listener)
	if err != nil {
		ft.t.Fatal(err)
	}
	p := &faultPeer{Conn: nc, raw: nc, ft: ft, seen: make(chan struct{})}
	ft.mu.Lock()
	defer ft.mu.Unlock()
	ft.peers = append(ft.peers, p)
	return p
}

// next waits for the next connection and returns it.
func (ft *faultTest) next() *actor {
	ft.t.Helper()
	select {
	case a := <-ft.arrived:
		ft.actors = append(ft.actors, a)
		return a
	case <-ft.late:
		ft.t.Fatal("there is no connection")
		return nil
	}
}

// hear waits for the signal of a handler or of a producer.
func (ft *faultTest) hear() {
	ft.t.Helper()
	select {
	case <-ft.signal:
	case <-ft.late:
		ft.t.Fatal("there is no signal")
	}
}

// await waits until all connections have ended.
func (ft *faultTest) await() {
	ft.t.Helper()
	for len(ft.actors) < len(ft.peers) {
		ft.next()
	}
	for _, a := range ft.actors {
		a.conn.Wait()
	}
}

// leave makes all peers read to the end of their input and close.
func (ft *faultTest) leave() {
	for _, p := range ft.peers {
		if p.gone {
			continue
		}
		p.watch()
		<-p.seen
		p.Close()
	}
}

// ticks calls f every second until it returns false, or done is closed.
func (ft *faultTest) ticks(done <-chan struct{}, f func() bool) {
	ticker := time.NewTicker(ft.medium.second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if !f() {
				return
			}
		case <-done:
			return
		}
	}
}

// own returns a producer that does what p does. The test checks that it is closed once.
func (ft *faultTest) own(p framer.Producer) framer.Producer {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	watched := &watchedProducer{Producer: p}
	ft.producers = append(ft.producers, watched)
	return watched
}

// check checks what must hold for every fault, and that the outcome is want.
func (ft *faultTest) check(want faultOutcome) {
	t := ft.t
	for _, a := range ft.actors {
		err := a.conn.Wait()
		if !want.reason.holds(err) {
			t.Errorf("the connection ended with %v, want %s", err, want.reason)
		}
		closes := 1
		if want.unhandled {
			closes = 0
		} else if a.reason != err {
			t.Errorf("HandleClose was told %v, Wait %v", a.reason, err)
		}
		if n := a.called("close"); n != closes {
			t.Errorf("HandleClose was called %d times, want %d", n, closes)
		}
		if err := a.conn.Push([]byte("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Push after the end returned %v, want net.ErrClosed", err)
		}
		if n := a.conn.Stats().QueuedBytes; n != 0 {
			t.Errorf("%d bytes are queued after the end", n)
		}
	}
	for i, p := range ft.producers {
		if n := p.closes.Load(); n != 1 {
			t.Errorf("producer %d was closed %d times, want 1", i, n)
		}
		if p.misused.Load() {
			t.Errorf("producer %d was asked for more after it was closed", i)
		}
	}
	if n := len(ft.listener.errs); n > 0 {
		t.Errorf("%d errors of Accept were not seen", n)
	}
	for _, p := range ft.peers {
		p.check(want)
	}
}
