// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// small is the content of the file small.txt of a test site.
const small = "hello, world\n"

// testOptions returns options with small limits and without timeouts.
func testOptions() *options {
	return &options{maxHeader: 4 << 10, demo: true}
}

// newSite makes a directory to serve. A file next to it must not be served.
func newSite(t testing.TB) (*site, string) {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "site")
	files := map[string]string{
		"secret.txt":                "secret",
		"site/small.txt":            small,
		"site/noext":                "<html>sniffed",
		"site/sub/a <b>&c.txt":      "odd",
		"site/withindex/index.html": "<p>index",
	}
	for name, content := range files {
		name = filepath.Join(top, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openSite(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.root.Close() })
	return s, dir
}

// startServer serves a test site on a loopback socket until the test ends.
func startServer(t *testing.T, o *options) (server *framer.Server, addr, dir string) {
	t.Helper()
	s, dir := newSite(t)
	server, addr = startHandler(t, o, s.handler(o.demo))
	return server, addr, dir
}

// startHandler is startServer for another handler.
func startHandler(t *testing.T, o *options, h http.Handler) (server *framer.Server, addr string) {
	t.Helper()
	server = newServer(o, h, io.Discard)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; err != framer.ErrServerClosed {
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

// An answer holds the parts of a response that a test checks.
type answer struct {
	*http.Response
	body string
}

// readAnswers reads responses until r ends. methods are the methods of the requests. If
// there are more responses, the other requests are taken for GET.
func readAnswers(r io.Reader, methods ...string) ([]answer, error) {
	var answers []answer
	buf := bufio.NewReader(r)
	for {
		if _, err := buf.Peek(1); err == io.EOF {
			return answers, nil
		}
		req := &http.Request{Method: http.MethodGet}
		if len(methods) > 0 {
			req.Method = methods[0]
		}
		res, err := http.ReadResponse(buf, req)
		if err != nil {
			return answers, err
		}
		if res.StatusCode != http.StatusContinue && len(methods) > 0 {
			methods = methods[1:]
		}
		body, err := io.ReadAll(res.Body)
		answers = append(answers, answer{res, string(body)})
		if err != nil {
			return answers, err
		}
	}
}

func statuses(answers []answer) []int {
	var all []int
	for _, a := range answers {
		all = append(all, a.StatusCode)
	}
	return all
}
