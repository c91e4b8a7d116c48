// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

func TestConnStats(t *testing.T) {
	nc, peer := tcpPair(t)
	defer peer.Close()
	var s script
	s.onFound = func() error { return s.Push([]byte("reply\n")) }
	c := s.serve(t, nc, framer.Config{})
	writeString(t, peer, "one\ntwo\nthree")
	readString(t, peer, "reply\nreply\n")
	endInput(t, peer)
	readAll(t, peer)
	c.Wait()
	got := c.Stats()
	if age := time.Since(got.Began); age < 0 || age > watchdog {
		t.Errorf("began %v ago", age)
	}
	got.Began, got.LastMoved = time.Time{}, time.Time{} // Linux does not tell LastMoved after the end
	want := framer.ConnStats{
		State: framer.StateClosed, End: framer.EndTruncated,
		BytesRead: 13, BytesWritten: 12, MessagesRead: 2, Pushes: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// Every way to push counts as one push. A push of nothing is not counted.
func TestConnStatsPushes(t *testing.T) {
	nc, peer := framertest.Pipe()
	defer peer.Close()
	nc.HoldWrites(true)
	var s script
	c := s.serve(t, nc, framer.Config{MaxQueuedBytes: 4000})
	large := make([]byte, 1000)
	pushes := []func() error{
		func() error { return c.Push(large) },
		func() error { return c.Push([]byte("x")) },
		func() error { return c.Push([]byte("x")) }, // this one can join the push before it in the queue
		func() error { return c.TryPush([]byte("x")) },
		func() error { return c.PushContext(t.Context(), []byte("x")) },
		func() error { return c.PushWithProducer(framer.NewBytesProducer(large)) },
		func() error { return c.TryPushWithProducer(framer.NewBytesProducer([]byte("x"))) },
		func() error { return c.PushWithProducer(framer.NewSimpleProducer([]byte("x"), 0)) },
		func() error { return c.TryPushWithProducer(framer.NewSimpleProducer([]byte("x"), 0)) },
	}
	for i, push := range pushes {
		if err := push(); err != nil {
			t.Fatal(err)
		}
		if got := c.Stats().Pushes; got != int64(i+1) {
			t.Errorf("%d after push %d", got, i+1)
		}
	}
	for range 3 {
		if err := c.Push(nil); err != nil {
			t.Error(err)
		}
		if err := c.TryPushWithProducer(framer.NewBytesProducer(nil)); err != nil {
			t.Error(err)
		}
		for _, err := range []error{c.TryPush(make([]byte, 3000)), c.TryPushWithProducer(framer.NewBytesProducer(make([]byte, 3000)))} {
			if err != framer.ErrQueueFull {
				t.Errorf("the error is %v", err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := c.PushContext(ctx, make([]byte, 3000)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	got := c.Stats()
	if got.Pushes != int64(len(pushes)) || got.PushRefused != 6 || got.PushWaits != 1 {
		t.Errorf("%d pushes, %d refused, %d waited; want %d, 6, 1", got.Pushes, got.PushRefused, got.PushWaits, len(pushes))
	}
}

func TestConnStatsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		defer peer.Close()
		start := time.Now()
		s := script{}
		s.onFound = func() error { return s.Push([]byte("reply\n")) }
		c := s.serve(t, nc, framer.Config{})
		wantTimes := func(when string, moved, waiting time.Duration) {
			t.Helper()
			synctest.Wait()
			got := c.Stats()
			if !got.Began.Equal(start) || got.LastMoved.Sub(start) != moved {
				t.Errorf("%s: began at %v and moved at %v, want 0 and %v", when, got.Began.Sub(start), got.LastMoved.Sub(start), moved)
			}
			switch {
			case waiting < 0 && !got.WaitingSince.IsZero():
				t.Errorf("%s: output waits since %v", when, got.WaitingSince.Sub(start))
			case waiting >= 0 && got.WaitingSince.Sub(start) != waiting:
				t.Errorf("%s: output waits since %v, want %v", when, got.WaitingSince.Sub(start), waiting)
			}
		}
		time.Sleep(time.Second)
		wantTimes("nothing has moved", 0, -1)
		writeString(t, peer, "x")
		wantTimes("a byte has come", time.Second, -1)
		time.Sleep(time.Second)
		writeString(t, peer, "\n")
		wantTimes("an answer was sent", 2*time.Second, -1)
		readString(t, peer, "reply\n")
		nc.HoldWrites(true)
		time.Sleep(time.Second)
		c.Push([]byte("more"))
		time.Sleep(10 * time.Second)
		wantTimes("a write waits", 2*time.Second, 3*time.Second)
		if got := c.Stats(); got.WriteStalls != 1 || got.QueuedBytes != 4 {
			t.Errorf("%d stalls and %d bytes wait; want 1 and 4", got.WriteStalls, got.QueuedBytes)
		}
		nc.HoldWrites(false)
		wantTimes("it has got on", 13*time.Second, -1)
		for range 3 { // these waits are too short to count as stalls
			nc.HoldWrites(true)
			c.Push([]byte("x"))
			time.Sleep(9 * time.Millisecond)
			nc.HoldWrites(false)
			synctest.Wait()
		}
		if got := c.Stats(); got.WriteStalls != 1 || got.QueuedBytes != 0 {
			t.Errorf("%d stalls and %d bytes wait; want 1 and 0", got.WriteStalls, got.QueuedBytes)
		}
	})
}

// On Linux, LastMoved of a TCP connection comes from the system, also below TLS.
func TestConnStatsLastMoved(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		s := script{}
		s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
		c := s.serve(t, nc, framer.Config{})
		exchange(t, peer)
		began := c.Stats().Began
		for c.Stats().LastMoved.Sub(began) < 20*time.Millisecond {
			exchange(t, peer) // repeated until LastMoved is late enough
		}
		idle := func() time.Duration { return time.Since(c.Stats().LastMoved) }
		peer.SetReadDeadline(time.Now().Add(60 * time.Millisecond))
		if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the error is %v", err)
		}
		if got := idle(); got < 50*time.Millisecond {
			t.Errorf("a byte has moved %v ago", got)
		}
		peer.SetDeadline(time.Now().Add(watchdog))
		before := c.Stats().LastMoved
		exchange(t, peer)
		if got := c.Stats().LastMoved; got.Sub(before) < 40*time.Millisecond {
			t.Errorf("after another exchange, it is %v later", got.Sub(before))
		}
		peer.Close()
	})
}

func TestEndReasonNames(t *testing.T) {
	seen := make(map[string]bool)
	for r := range len(framer.EndCounts{}) {
		name := framer.EndReason(r).String()
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(name) || seen[name] {
			t.Errorf("reason %d has the name %q", r, name)
		}
		seen[name] = true
	}
	if got := framer.EndReason(200).String(); got != "EndReason(200)" {
		t.Errorf("an unknown reason has the name %q", got)
	}
}

func TestStatsJSON(t *testing.T) {
	var s framer.ServerStats
	s.Conns, s.States[framer.StateActive] = 3, 3
	s.Ended[framer.EndWriteTimeout] = 5
	if got := s.Ended.Total(); got != 5 {
		t.Errorf("the total is %d", got)
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back framer.ServerStats
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Errorf("there and back (-want +got):\n%s", diff)
	}
	for _, bad := range []string{`{"Ended":{"no such reason":1}}`, `{"States":{"no such state":1}}`, `{"Ended":1}`, `{"States":1}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	state := framer.StateActive
	if err := state.UnmarshalText([]byte("no such state")); err == nil || state != framer.StateActive {
		t.Errorf("after an error the state is %v", state)
	}
	var got struct {
		Conns  int
		States map[string]int
		Ended  map[string]int
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Conns != 3 || got.States["active"] != 3 || got.Ended["write_timeout"] != 5 {
		t.Errorf("the JSON is %s", data)
	}
	if len(got.States) != len(s.States) || len(got.Ended) != len(s.Ended)-1 {
		t.Errorf("the JSON has %d states and %d reasons", len(got.States), len(got.Ended))
	}
	data, err = json.Marshal(framer.ConnStats{ID: 7, State: framer.StateClosed, End: framer.EndPanic, Began: time.Unix(0, 0).UTC()})
	const want = `{"ID":7,"State":"closed","End":"panic","Began":"1970-01-01T00:00:00Z",` +
		`"BytesRead":0,"BytesWritten":0,"MessagesRead":0,"Pushes":0,"QueuedBytes":0,"PushWaits":0,"PushRefused":0,"WriteStalls":0}`
	if diff := cmp.Diff(want, string(data)); diff != "" || err != nil {
		t.Errorf("JSON (-want +got):\n%s\n%v", diff, err)
	}
}

// A watch reads the figures of a server again and again. It fails the test if they do not
// make sense.
type watch struct {
	s    *framer.Server
	mu   sync.Mutex
	last framer.ServerStats
}

// look reads the figures once.
func (w *watch) look(t *testing.T) {
	w.mu.Lock() // so that two calls compare their figures in the order in which they were read
	defer w.mu.Unlock()
	now := w.s.Stats()
	if sum := int64(now.Conns) + now.Refused + now.Ended.Total(); sum != now.Accepted {
		t.Errorf("%d open, %d refused, %d ended; accepted %d", now.Conns, now.Refused, now.Ended.Total(), now.Accepted)
	}
	states := 0
	for _, n := range now.States {
		states += n
	}
	if states != now.Conns || now.Ended[framer.NotEnded] != 0 {
		t.Errorf("%d connections have a state, %d are open, %d ended and have not", states, now.Conns, now.Ended[framer.NotEnded])
	}
	last := w.last
	w.last = now
	last.Conns, last.States, last.QueuedBytes = 0, framer.StateCounts{}, 0
	for r, n := range last.Ended {
		if now.Ended[r] < n {
			t.Errorf("%v was %d, and is %d", framer.EndReason(r), n, now.Ended[r])
		}
	}
	before, after := reflect.ValueOf(last), reflect.ValueOf(now)
	for i := range before.NumField() {
		if f := before.Field(i); f.CanInt() && after.Field(i).Int() < f.Int() {
			t.Errorf("%s was %d, and is %d", before.Type().Field(i).Name, f.Int(), after.Field(i).Int())
		}
	}
	seen := make(map[int64]bool)
	for c := range w.s.Conns() {
		stats := c.Stats()
		if stats.ID <= 0 || seen[stats.ID] || (stats.State < framer.StateClosing) != (stats.End == framer.NotEnded) {
			t.Errorf("a connection has %+v", stats)
		}
		seen[stats.ID] = true
	}
}

// An end is one way in which a connection ends.
type end struct {
	reason  framer.EndReason
	cfg     framer.Config
	handler func(*framer.Conn) framer.Handler
	peer    func(nc, peer *framertest.Conn)
	wrap    func(net.Conn) net.Conn
}

// each returns a newHandler function. Its handlers call f for every line.
func each(f func(c *framer.Conn) error) func(*framer.Conn) framer.Handler {
	return framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, _ []byte) error { return f(c) })
}

// sends returns a peer that sends text and waits for the end.
func sends(text string) func(nc, peer *framertest.Conn) {
	return func(_, peer *framertest.Conn) {
		io.WriteString(peer, text)
		io.Copy(io.Discard, peer)
	}
}

// ends returns all ways to end that need no real network.
func ends(server *tls.Config) []end {
	silent := func(*framer.Conn) error { return nil }
	secured := func(nc net.Conn) net.Conn { return tls.Server(nc, server) }
	failing := framer.ProducerFunc(func() ([]byte, error) { return nil, errors.New("no more") })
	panicking := framer.ProducerFunc(func() ([]byte, error) { panic("no more") })
	long := &framer.MessageTooLongError{Limit: 1, Seen: 2}
	stuck := func(nc, peer *framertest.Conn) {
		nc.HoldWrites(true)
		sends("line\n")(nc, peer)
	}
	trickle := func(_, peer *framertest.Conn) {
		for {
			if _, err := io.WriteString(peer, "x"); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	sip := func(nc, peer *framertest.Conn) {
		nc.CutWrites(1)
		io.WriteString(peer, "line\n")
		for {
			if _, err := peer.Read(make([]byte, 1)); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	answer := func(c *framer.Conn) error { return c.Push(make([]byte, 1000)) }
	return []end{
		{reason: framer.EndPeer, handler: each(answer), peer: func(_, peer *framertest.Conn) {
			io.WriteString(peer, "line\n")
			peer.CloseWrite()
			io.Copy(io.Discard, peer)
		}},
		{reason: framer.EndDone, handler: each((*framer.Conn).CloseWhenDone), peer: sends("line\n")},
		{reason: framer.EndDone, handler: framer.Session(silent), peer: sends("")},
		{reason: framer.EndHijack, handler: each(func(c *framer.Conn) error {
			c.Hijack(func(nc net.Conn) { nc.Close() })
			return nil
		}), peer: sends("line\n")},
		{reason: framer.EndClosed, handler: each((*framer.Conn).Close), peer: sends("line\n")},
		{reason: framer.EndWithError, handler: each(func(c *framer.Conn) error {
			return c.CloseWithError(long) // any error would do
		}), peer: sends("line\n")},
		{reason: framer.EndTruncated, handler: each(silent), peer: func(_, peer *framertest.Conn) {
			io.WriteString(peer, "half")
			peer.Close()
		}},
		{reason: framer.EndNetwork, handler: each(silent), peer: func(_, peer *framertest.Conn) {
			io.WriteString(peer, "half")
			peer.Reset()
		}},
		{reason: framer.EndTLSHandshake, handler: each(silent), wrap: secured, peer: sends("GET / HTTP/1.1\r\n\r\n")},
		{reason: framer.EndTLSHandshake, handler: each(func(c *framer.Conn) error {
			return c.StartTLS(tls.Server, server)
		}), peer: sends("line\nand more\n")},
		{reason: framer.EndFraming, handler: each(silent), cfg: framer.Config{MaxMessageSize: 3}, peer: sends("line\n")},
		{reason: framer.EndFraming, handler: framer.Messages(framer.LengthPrefix(framer.Prefix{Size: framer.Uvarint}), nil), peer: sends("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
		{reason: framer.EndHandshakeTimeout, handler: each(silent), wrap: secured, peer: sends("")},
		{reason: framer.EndMessageTimeout, handler: each(silent), cfg: framer.Config{MessageTimeout: time.Second}, peer: sends("half")},
		{reason: framer.EndMessageTimeout, cfg: framer.Config{MessageTimeout: time.Second}, peer: sends("half"),
			handler: framer.Session(func(c *framer.Conn) error {
				_, err := c.Next(framer.Delimiter("\n"))
				return fmt.Errorf("no line: %w", err)
			})},
		{reason: framer.EndIdleTimeout, handler: each(silent), cfg: framer.Config{IdleTimeout: time.Second}, peer: sends("half")},
		{reason: framer.EndReadIdleTimeout, handler: each(silent), cfg: framer.Config{ReadIdleTimeout: time.Second}, peer: sends("half")},
		{reason: framer.EndWriteTimeout, handler: each(answer), peer: stuck},
		{reason: framer.EndMinReadRate, handler: each(silent), cfg: framer.Config{MinReadRate: 100}, peer: trickle},
		{reason: framer.EndMinWriteRate, handler: each(answer), cfg: framer.Config{MinWriteRate: 1 << 20}, peer: sip},
		{reason: framer.EndHandlerError, handler: each(func(*framer.Conn) error { return os.ErrDeadlineExceeded }), peer: sends("line\n")},
		{reason: framer.EndHandlerError, handler: func(*framer.Conn) framer.Handler { return nil }, peer: sends("")},
		{reason: framer.EndPanic, handler: each(func(*framer.Conn) error { panic("no more") }), peer: sends("line\n")},
		{reason: framer.EndPanic, handler: each(func(c *framer.Conn) error { return c.PushWithProducer(panicking) }), peer: sends("line\n")},
		{reason: framer.EndProducerError, handler: each(func(c *framer.Conn) error { return c.PushWithProducer(failing) }), peer: sends("line\n")},
	}
}

// A lookingHandler is a slog.Handler that calls look for every record, so that look runs
// while a connection ends.
type lookingHandler struct{ look func() }

func (lookingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h lookingHandler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h lookingHandler) WithGroup(string) slog.Handler          { return h }

func (h lookingHandler) Handle(context.Context, slog.Record) error {
	h.look()
	return nil
}

// A refusedConn is a connection that VerifyConn refuses.
type refusedConn struct{ net.Conn }

// Many connections end in every way at once. Each end is counted under its own reason. At
// no moment is a connection missing or counted twice.
func TestServerStatsStorm(t *testing.T) {
	server, _ := tlsConfigs(t)
	synctest.Test(t, func(t *testing.T) {
		const rounds = 8
		var w watch
		s := &framer.Server{
			Config:    framer.Config{Logger: slog.New(lookingHandler{func() { w.look(t) }})},
			ConnState: func(*framer.Conn, framer.ConnState) { w.look(t) },
			VerifyConn: func(nc net.Conn) error {
				if _, ok := nc.(refusedConn); ok {
					return errors.New("no")
				}
				return nil
			},
		}
		w.s = s
		var conns sync.WaitGroup
		var want framer.EndCounts
		serve := func(ctx context.Context, e end, reason framer.EndReason) {
			want[reason]++
			nc, peer := framertest.Pipe()
			conns.Go(func() { e.peer(nc, peer); peer.Close() })
			conns.Go(func() {
				var wrapped net.Conn = nc
				if e.wrap != nil {
					wrapped = e.wrap(nc)
				}
				var c *framer.Conn
				s.ServeHandler(ctx, wrapped, func(conn *framer.Conn) framer.Handler {
					c = conn
					cfg := e.cfg
					cfg.Logger = s.Config.Logger
					c.SetConfig(cfg)
					return e.handler(c)
				})
				if c != nil && c.Stats().End != reason {
					t.Errorf("the end is %v, want %v", c.Stats().End, reason)
				}
			})
		}
		silent := func(*framer.Conn) error { return nil }
		quiet := end{handler: each(silent), peer: sends("line\n")}
		stays := end{handler: func(*framer.Conn) framer.Handler { return new(stayer) }, peer: sends("line\n")}
		ctx, cancel := context.WithCancel(t.Context())
		refused := end{handler: each(silent), peer: sends("line\n"), wrap: func(nc net.Conn) net.Conn { return refusedConn{nc} }}
		for range rounds {
			for _, e := range ends(server) {
				serve(t.Context(), e, e.reason)
			}
			serve(ctx, quiet, framer.EndContext)
			serve(t.Context(), quiet, framer.EndShutdown)
			serve(t.Context(), stays, framer.EndCutOff)
			serve(t.Context(), refused, framer.NotEnded)
			time.Sleep(time.Second)
			w.look(t)
		}
		want[framer.NotEnded] = 0
		for range 1000 {
			time.Sleep(123 * time.Millisecond)
			w.look(t)
		}
		if got := s.Stats(); got.Conns != 3*rounds || got.States[framer.StateActive] != 3*rounds {
			t.Errorf("%d are open, %d of them active, want %d", got.Conns, got.States[framer.StateActive], 3*rounds)
		}
		cancel()
		synctest.Wait()
		out, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Shutdown(out); err == nil {
			t.Error("Shutdown has not cut off anything")
		}
		conns.Wait()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("when all have ended, Shutdown returns %v", err)
		}
		w.look(t)
		got := s.Stats()
		if diff := cmp.Diff(want, got.Ended); diff != "" {
			t.Errorf("ends (-want +got):\n%s", diff)
		}
		if got.Refused != rounds || got.Conns != 0 || got.QueuedBytes != 0 {
			t.Errorf("%d refused, %d open with %d bytes queued; want %d, 0, 0", got.Refused, got.Conns, got.QueuedBytes, rounds)
		}
	})
}

// A stayer does not end in a shutdown.
type stayer struct{ framer.Collector }

func (*stayer) FoundTerminator() error { return nil }
func (*stayer) HandleShutdown() error  { return framer.ErrStayOpen }

// TestServerStatsOnTCP does the same on real connections, while the figures are read all
// the time.
func TestServerStatsOnTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &framer.Server{
		NewHandler: newEchoLine,
		MaxConns:   8,
		Refuse:     func(nc net.Conn) { io.WriteString(nc, "full\n") },
		Config:     framer.Config{Logger: discardLogger(), MaxMessageSize: 100},
	}
	served := call(func() error { return s.Serve(l) })
	w := watch{s: s}
	done := make(chan struct{})
	var looks sync.WaitGroup
	for range 2 {
		looks.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					w.look(t)
				}
			}
		})
	}
	const peers, rounds = 16, 25
	var clients sync.WaitGroup
	for i := range peers {
		clients.Go(func() {
			for round := range rounds {
				peer, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				peer.SetDeadline(time.Now().Add(watchdog))
				switch (i + round) % 4 {
				case 0:
					io.WriteString(peer, "line\r\n")
					peer.(*net.TCPConn).CloseWrite()
					io.Copy(io.Discard, peer)
				case 1:
					io.WriteString(peer, "line\r\nhalf")
					peer.(*net.TCPConn).SetLinger(0)
				case 2:
					peer.Write(make([]byte, 200))
					io.Copy(io.Discard, peer)
				}
				peer.Close()
			}
		})
	}
	clients.Wait()
	for s.Stats().Accepted < peers*rounds || s.Stats().Conns > 0 {
		runtime.Gosched()
	}
	close(done)
	looks.Wait()
	s.Close()
	if err := <-served; err != framer.ErrServerClosed {
		t.Errorf("Serve returned %v", err)
	}
	got := s.Stats()
	if got.Refused+got.Ended.Total() != peers*rounds {
		t.Errorf("%d refused and %d ended, want %d", got.Refused, got.Ended.Total(), peers*rounds)
	}
	usual := []framer.EndReason{framer.EndPeer, framer.EndTruncated, framer.EndNetwork, framer.EndFraming}
	for r, n := range got.Ended {
		if n > 0 && !slices.Contains(usual, framer.EndReason(r)) {
			t.Errorf("%d have ended with %v", n, framer.EndReason(r))
		}
	}
}

// The peer's system has acknowledged all output but the part for which it has no room.
func TestStatsLingerTimeout(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell what the peer has taken")
	}
	nc, peer := tcpPair(t)
	defer peer.Close()
	if err := peer.(*net.TCPConn).SetReadBuffer(1 << 10); err != nil {
		t.Fatal(err)
	}
	c := serve(t, nc, framer.Session(func(c *framer.Conn) error { return c.Push(make([]byte, 90<<10)) }),
		framer.Config{WriteTimeout: 300 * time.Millisecond, LingerTimeout: 10 * time.Millisecond})
	c.Wait()
	if got := c.Stats().End; got != framer.EndLingerTimeout {
		t.Errorf("the end is %v: %v", got, c.Wait())
	}
}
