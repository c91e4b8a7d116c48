// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/goframer/framer"
)

// serveInput answers what a client sends before it ends its side.
func serveInput(t *testing.T, s *site, in io.Reader) []answer {
	t.Helper()
	log := new(recorder)
	logged := *s
	logged.log = slog.New(log)
	nc := &memoryConn{in: in}
	cfg := &framer.Config{MaxMessageSize: max(int64(s.maxHeader), s.maxBody), Logger: logged.log}
	framer.NewConn(nc, logged.newHandler, cfg).Serve(t.Context())
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

// Whatever a client sends, the handler ends, its output is a sequence of
// responses, the same however the input is cut, and nothing comes after one that
// closes the connection.
func FuzzRequest(f *testing.F) {
	for _, test := range requestTests {
		f.Add(test.raw + probe)
	}
	f.Add("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n")
	f.Add(get + "X: " + strings.Repeat("x", 256) + "\x00")
	f.Add("GET /..%2f HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: Sat, 21 Nov 2026 13:34:57 GMT\r\n\r\n")
	root, _ := newSite(f)
	s := &site{root: root, maxHeader: 256, maxBody: 512}
	f.Fuzz(func(t *testing.T, in string) {
		whole := serveInput(t, s, strings.NewReader(in))
		cut := serveInput(t, s, iotest.OneByteReader(strings.NewReader(in)))
		if got, want := statuses(cut), statuses(whole); !slices.Equal(got, want) {
			t.Errorf("got statuses %v for single bytes and %v for the whole", got, want)
		}
	})
}
