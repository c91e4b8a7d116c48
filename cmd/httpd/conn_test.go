// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A client that sends rubbish after a request gets the whole file before it is told.
func TestRubbish(t *testing.T) {
	t.Parallel()
	_, addr, dir := startServer(t, testOptions())
	content := make([]byte, 32<<20) // more than the buffers of the kernel
	rand.Read(content)
	if err := os.WriteFile(filepath.Join(dir, "big"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, addr)
	io.WriteString(nc, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"+strings.Repeat("\x00rubbish", 10_000))
	answers, err := readAnswers(nc)
	if err != nil || !slices.Equal(statuses(answers), []int{200, 400}) {
		t.Fatalf("got %v, %v, want 200 and 400", statuses(answers), err)
	}
	if answers[0].body != string(content) {
		t.Errorf("got %d bytes that are not the %d of the file", len(answers[0].body), len(content))
	}
}

// If a file becomes shorter while it is sent, the next answer must not be taken for the
// rest of it.
func TestTruncatedFile(t *testing.T) {
	t.Parallel()
	_, addr, dir := startServer(t, testOptions())
	name := filepath.Join(dir, "big")
	const size = 256 << 20 // sparse, and more than the buffers of the kernel
	if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, size)); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, addr)
	io.WriteString(nc, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"+probe)
	buf := bufio.NewReader(nc)
	res, err := http.ReadResponse(buf, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err == nil {
		t.Errorf("got %d bytes of %d, and no error", len(body), size)
	}
	if after := bytes.TrimLeft(body, "\x00"); len(after) > 0 {
		t.Errorf("got %q in place of the rest of the file", after)
	}
}

// Every answer that has begun when the server shuts down is complete.
func TestShutdownUnderTraffic(t *testing.T) {
	t.Parallel()
	server, addr, dir := startServer(t, testOptions())
	const size = 300_000
	if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var stopping atomic.Bool
	var traffic, clients sync.WaitGroup
	for range 10 {
		traffic.Add(1)
		clients.Go(func() {
			for i := 0; ; i++ {
				res, err := client.Get("http://" + addr + "/big")
				if err != nil {
					if !stopping.Load() {
						t.Error(err)
					}
					if i <= 3 {
						traffic.Done()
					}
					return
				}
				n, err := io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err != nil || n != size {
					t.Errorf("got %d bytes of %d: %v", n, size, err)
				}
				if i == 3 {
					traffic.Done()
				}
			}
		})
	}
	traffic.Wait()
	stopping.Store(true)
	if err := server.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	clients.Wait()
}

// A client can't keep a connection for ever by sending or reading nothing, or very
// little.
func TestTimeouts(t *testing.T) {
	s, _ := newSite(t)
	o := testOptions()
	o.requestTimeout = 10 * time.Second
	o.idleTimeout = 30 * time.Second
	tests := []struct {
		name, begin, drip string
		want              time.Duration // how long the connection lasts
		statuses          []int
	}{
		{"silent", "", "", 30 * time.Second, nil},
		{"header without end", "GET / HTTP/1.1\r\n", "", 10 * time.Second, []int{408}},
		{"slow header", "GET / HTTP/1.1\r\n", "X: y\r\n", 10 * time.Second, []int{408}},
		{"body that never comes", put + "Content-Length: 100\r\n\r\n", "", 30 * time.Second, []int{408}},
		{"slow body", put + "Content-Length: 100\r\n\r\n", "x", 11 * time.Second, []int{408}},
		{"slow chunks", put + inChunks, "1\r\nx\r\n", 11 * time.Second, []int{408}},
		{"slow trailer", put + inChunks + "0\r\n", "X: y\r\n", 11 * time.Second, []int{408}},
		{"after an answer", get + "\r\n", "", 30 * time.Second, []int{200}},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			client, nc := framertest.Pipe() // the client never ends its side
			start := time.Now()
			var clientEnd sync.WaitGroup
			clientEnd.Go(func() {
				_, err := io.WriteString(client, test.begin)
				for err == nil && test.drip != "" {
					time.Sleep(time.Second)
					_, err = io.WriteString(client, test.drip)
				}
			})
			clientEnd.Go(func() {
				answers, err := readAnswers(client)
				if err != nil || !slices.Equal(statuses(answers), test.statuses) {
					t.Errorf("%s: got %v, %v, want %v", test.name, statuses(answers), err, test.statuses)
				}
			})
			err := newServer(o, s.handler(true), io.Discard).ServeConn(t.Context(), nc)
			if got := time.Since(start).Truncate(time.Second); !errors.Is(err, os.ErrDeadlineExceeded) && !strings.HasPrefix(test.name, "slow chunk") && test.name != "slow trailer" || got != test.want {
				t.Errorf("%s: ended after %v with %v, want %v and a timeout", test.name, got, err, test.want)
			}
			clientEnd.Wait()
		})
	}
}

// At a shutdown, the body of a request in progress is read, and the request is answered,
// before the connection ends. An idle connection ends at once.
func TestShutdown(t *testing.T) {
	t.Parallel()
	server, addr, _ := startServer(t, testOptions())
	idle, busy := dial(t, addr), dial(t, addr)
	io.WriteString(idle, get+"\r\n")
	idleAnswers := bufio.NewReader(idle)
	if res, err := http.ReadResponse(idleAnswers, nil); err != nil || res.StatusCode != 200 {
		t.Fatalf("got %v, %v, want 200", res, err)
	} else if _, err := io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	io.WriteString(busy, put+"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	answers := bufio.NewReader(busy)
	if res, err := http.ReadResponse(answers, nil); err != nil || res.StatusCode != 100 {
		t.Fatalf("got %v, %v, want 100 Continue", res, err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(t.Context()) }()
	if _, err := idleAnswers.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection ended with %v, want EOF", err)
	}
	io.WriteString(busy, "hello"+probe)
	got, err := readAnswers(answers)
	if err != nil || !slices.Equal(statuses(got), []int{200}) || !got[0].Close || got[0].body != "hello" {
		t.Errorf("got %v, %v, want 200 and hello", statuses(got), err)
	}
	busy.Close()
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// A client that does nothing does not delay a shutdown.
func TestShutdownIdle(t *testing.T) {
	s, _ := newSite(t)
	synctest.Test(t, func(t *testing.T) {
		server := newServer(testOptions(), s.handler(false), io.Discard)
		client, nc := framertest.Pipe()
		served := make(chan error, 1)
		go func() { served <- server.ServeConn(t.Context(), nc) }()
		io.WriteString(client, get+"\r\n")
		if _, err := io.ReadFull(client, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("Shutdown has taken %v", d)
		}
		if err := <-served; err != nil {
			t.Errorf("the connection ended with %v", err)
		}
		client.Close()
	})
}

// For a client that sends requests and reads nothing, the server has only one file open.
func TestPipelineOfFiles(t *testing.T) {
	t.Parallel()
	s, dir := newSite(t)
	name := filepath.Join(dir, "big")
	if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, 64<<20)); err != nil {
		t.Fatal(err)
	}
	var open, most atomic.Int32
	begun := make(chan struct{}, 100)
	h := s.handler(false)
	_, addr := startHandler(t, testOptions(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), open.Add(1)))
		defer open.Add(-1)
		begun <- struct{}{}
		h.ServeHTTP(w, r)
	}))
	nc := dial(t, addr)
	const n = 4
	io.WriteString(nc, strings.Repeat("GET /big HTTP/1.1\r\nHost: x\r\n\r\n", n)+probe)
	<-begun
	answers, err := readAnswers(nc)
	if err != nil || len(answers) != n+1 || most.Load() != 1 {
		t.Errorf("got %v, %v, and %d at once", statuses(answers), err, most.Load())
	}
}

// If a handler panics, the client does not take what was sent for the whole response. The
// panic is logged, unless it is http.ErrAbortHandler.
func TestPanic(t *testing.T) {
	t.Parallel()
	for value, logged := range map[any]int{"oops": 1, http.ErrAbortHandler: 0} {
		log := new(recorder)
		s := &server{log: slog.New(log), maxHeader: 1000, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "some")
			w.(http.Flusher).Flush()
			panic(value)
		})}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		nc := dial(t, l.Addr().String())
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		served := framer.NewConn(peer, framer.Session(s.serve), &framer.Config{Logger: s.log}).Serve(t.Context())
		if answers, err := readAnswers(nc); err == nil && len(answers) > 0 {
			t.Errorf("%v: got %v, and no error", value, statuses(answers))
		}
		if served == nil || len(log.panics) != logged {
			t.Errorf("%v: ended with %v, and %d panics in the log, want %d", value, served, len(log.panics), logged)
		}
	}
}
