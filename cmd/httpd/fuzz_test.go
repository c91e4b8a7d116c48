// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/goframer/framer"
)

// serveInput returns the answers to in, at whose end the client ends its side.
func serveInput(t *testing.T, h http.Handler, in io.Reader) []answer {
	t.Helper()
	log := new(recorder)
	nc := &memoryConn{in: in}
	server := &server{handler: h, log: slog.New(log), maxHeader: 256}
	framer.NewConn(nc, framer.Session(server.serve), &framer.Config{Logger: server.log}).Serve(t.Context())
	if len(log.panics) > 0 {
		t.Fatalf("panic: %s", log.panics[0])
	}
	answers, err := readAnswers(&nc.out, log.methods...)
	if err != nil {
		t.Fatalf("the output is not a sequence of responses: %v\n%q", err, nc.out.String())
	}
	final := slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return a.StatusCode == 100 })
	if len(final) != len(log.methods) {
		t.Errorf("got %d responses for %d requests", len(final), len(log.methods))
	}
	for i, a := range answers[:max(len(answers)-1, 0)] {
		if a.Close {
			t.Errorf("an answer follows answer %d, which says close", i+1)
		}
	}
	return answers
}

// Whatever a client sends, the function of the Session returns. The output is a sequence
// of responses, the same however the input is cut. Nothing comes after a response that
// closes the connection.
func FuzzRequest(f *testing.F) {
	for _, test := range requestTests {
		if len(test.raw) < 64<<10 {
			f.Add(test.raw + probe)
		}
	}
	f.Add("G")
	f.Add(get + "\r0")
	f.Add("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n")
	f.Add(get + "X: " + strings.Repeat("x", 256) + "\x00")
	f.Add("GET /..%2f HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: Sat, 21 Nov 2026 13:34:57 GMT\r\n\r\n")
	s, _ := newSite(f)
	h := s.handler(true)
	f.Fuzz(func(t *testing.T, in string) {
		whole := serveInput(t, h, strings.NewReader(in))
		cut := serveInput(t, h, iotest.OneByteReader(strings.NewReader(in)))
		if got, want := statuses(cut), statuses(whole); !slices.Equal(got, want) {
			t.Errorf("got statuses %v for single bytes and %v for the whole", got, want)
		}
	})
}

// A memoryConn is a connection whose whole input is there from the beginning.
type memoryConn struct {
	net.Conn // nil
	in       io.Reader
	out      bytes.Buffer
}

func (c *memoryConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *memoryConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *memoryConn) Close() error                     { return nil }
func (c *memoryConn) RemoteAddr() net.Addr             { return new(net.TCPAddr) }
func (c *memoryConn) LocalAddr() net.Addr              { return new(net.TCPAddr) }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }

// A recorder is a slog.Handler that records the methods in the access log.
type recorder struct {
	slog.Handler
	methods []string
	panics  []string
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "method":
			r.methods = append(r.methods, a.Value.String())
		case "stack":
			r.panics = append(r.panics, a.Value.String())
		}
		return true
	})
	return nil
}
