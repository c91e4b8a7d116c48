// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// TestMain fails if a goroutine of this package outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if leaked := leakedGoroutine(); code == 0 && leaked != "" {
		fmt.Fprintf(os.Stderr, "a goroutine has leaked:\n\n%s\n", leaked)
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutine returns the stack of a goroutine of this module, or "". It gives
// goroutines that are about to end the time to do so.
func leakedGoroutine() (stack string) {
	buf := make([]byte, 1<<20)
	for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")[1:]
		i := slices.IndexFunc(stacks, func(s string) bool { return strings.Contains(s, "github.com/goframer/framer") })
		switch {
		case i < 0:
			return ""
		case time.Now().After(end):
			return stacks[i]
		}
	}
}

// A recorder is a store that keeps mails in memory.
type recorder struct {
	beginErr, writeErr, commitErr error

	mu     sync.Mutex
	mails  []recorded
	drafts int // drafts that were neither committed nor discarded
}

type recorded struct {
	envelope
	text string
}

func (r *recorder) begin(e *envelope) (draft, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.beginErr != nil {
		return nil, r.beginErr
	}
	r.drafts++
	return &recordedDraft{store: r, envelope: *e}, nil
}

// kept returns the mails that were committed.
func (r *recorder) kept(t testing.TB) []recorded {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drafts != 0 {
		t.Errorf("%d drafts were neither committed nor discarded", r.drafts)
	}
	return r.mails
}

type recordedDraft struct {
	store    *recorder
	envelope envelope
	text     bytes.Buffer
}

func (d *recordedDraft) id() string { return "id" }

func (d *recordedDraft) Write(text []byte) (int, error) {
	if d.store.writeErr != nil {
		return 0, d.store.writeErr
	}
	return d.text.Write(text)
}

func (d *recordedDraft) commit() error {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	d.store.drafts--
	if d.store.commitErr != nil {
		return d.store.commitErr
	}
	d.store.mails = append(d.store.mails, recorded{d.envelope, d.text.String()})
	return nil
}

func (d *recordedDraft) discard() {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	d.store.drafts--
}

// newTestServer returns a server with the flags in args. Its store is the recorder.
func newTestServer(t testing.TB, args ...string) (*mailServer, *recorder) {
	t.Helper()
	o, err := parseFlags(append([]string{"-hostname", "mx"}, args...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	m := &mailServer{options: *o, store: new(recorder), log: slog.New(slog.DiscardHandler)}
	if o.tls || o.startTLS {
		if m.tlsConfig, err = newTLSConfig(o); err != nil {
			t.Fatal(err)
		}
	}
	return m, m.store.(*recorder)
}

// serveTest serves on a loopback socket until the test ends.
func serveTest(t *testing.T, m *mailServer) (server *framer.Server, addr string) {
	t.Helper()
	server = m.newServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	start := server.Serve
	if m.tls {
		start = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	served := make(chan error, 1)
	go func() { served <- start(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; !errors.Is(err, framer.ErrServerClosed) {
			t.Errorf("Serve returned %v, want ErrServerClosed", err)
		}
	})
	return server, l.Addr().String()
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute)) // so that a failure does not hang the test
	return nc.(*net.TCPConn)
}

// codes returns the codes of the replies in output, one for each reply. It fails the test
// if output is not a sequence of replies (RFC 5321, section 4.2).
func codes(t testing.TB, output string) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(output) {
		text, ok := strings.CutSuffix(line, "\r\n")
		if !ok || len(text) < 4 || len(text) > 510 || strings.Trim(text[:3], "0123456789") != "" {
			t.Fatalf("%q is no line of a reply", line)
		}
		switch text[3] {
		case ' ':
			all = append(all, text[:3])
		case '-':
		default:
			t.Fatalf("%q is no line of a reply", line)
		}
	}
	return strings.Join(all, " ")
}
