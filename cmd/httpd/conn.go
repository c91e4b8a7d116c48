// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goframer/framer"
)

// A server answers HTTP/1 requests with an http.Handler.
type server struct {
	handler        http.Handler
	log            *slog.Logger
	maxHeader      int
	requestTimeout time.Duration // for a chunked body; 0 means no limit
	closing        atomic.Bool   // every answer is the last one on its connection
	scratch        sync.Pool     // of *scratch
}

// A scratch is memory that a request needs until it is answered.
type scratch struct {
	head  bytes.Reader
	lines bufio.Reader // the lines of the header, for net/http
	out   []byte
}

func (s *server) getScratch() *scratch {
	if m, ok := s.scratch.Get().(*scratch); ok {
		return m
	}
	m := new(scratch)
	m.lines.Reset(&m.head)
	return m
}

// A conn is a connection with requests. It reads a request when it has answered the one
// before.
type conn struct {
	*framer.Conn
	server  *server
	ctx     context.Context
	remote  string
	tls     *tls.ConnectionState
	header  framer.Terminator
	scanner scanner
	leaving bool  // Next has returned ErrServerClosed
	late    error // the error of framer if the last body did not come in time
}

// serve is the function of a framer.Session.
func (s *server) serve(fc *framer.Conn) error {
	useSystemBuffers(fc.NetConn())
	c := &conn{Conn: fc, server: s, remote: fc.RemoteAddr().String()}
	c.ctx = context.WithValue(fc.Context(), http.LocalAddrContextKey, fc.LocalAddr())
	if t, ok := fc.NetConn().(interface{ ConnectionState() tls.ConnectionState }); ok {
		state := t.ConnectionState()
		c.tls = &state
	}
	c.scanner.max = s.maxHeader
	c.header = framer.Split(c.scanner.split).Limit(int64(s.maxHeader)) // the scanner refuses longer headers before that
	for {
		req, err := c.readRequest()
		if err != nil {
			return c.refuse(err)
		}
		if !c.answer(req) || c.leaving {
			return c.late
		}
	}
}

// readRequest reads a header, and prepares the body to be read.
func (c *conn) readRequest() (*http.Request, error) {
	head, err := c.Conn.Next(c.header)
	if err != nil {
		return nil, err
	}
	facts := c.scanner.facts
	c.scanner = scanner{max: c.scanner.max}
	m := c.server.getScratch()
	m.head.Reset(head)
	m.lines.Reset(&m.head)
	req, err := http.ReadRequest(&m.lines)
	c.server.scratch.Put(m)
	switch {
	case err != nil && facts.oddEncoding:
		return nil, errEncoding
	case err != nil:
		return nil, errMalformed
	case req.ProtoMajor != 1:
		return nil, errVersion
	}
	if err := facts.check(req.ProtoMinor); err != nil {
		return nil, err
	}
	req.RemoteAddr, req.TLS = c.remote, c.tls
	req.Body = http.NoBody
	if req.ContentLength != 0 {
		req.Body = newBody(c, req)
	}
	return req, nil
}

// next is Next inside a request. A shutdown has to wait until the request is answered.
func (c *conn) next(t framer.Terminator) ([]byte, error) {
	msg, err := c.Conn.Next(t)
	if err == framer.ErrServerClosed && !c.leaving {
		c.leaving = true
		msg, err = c.Conn.Next(t)
	}
	return msg, err
}

// nextReader is NextReader inside a request.
func (c *conn) nextReader(t framer.Terminator) (io.Reader, error) {
	r, err := c.Conn.NextReader(t)
	if err == framer.ErrServerClosed && !c.leaving {
		c.leaving = true
		r, err = c.Conn.NextReader(t)
	}
	return r, err
}

// answer lets the handler answer req. It reports whether another request may follow.
func (c *conn) answer(req *http.Request) bool {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	w := newResponse(c, req.WithContext(ctx))
	defer w.abort() // has no effect after finish
	expect := req.Header.Get("Expect")
	switch {
	case req.Method == http.MethodConnect: // the bytes after it would not be HTTP
		w.refuse(http.StatusMethodNotAllowed)
	case expect != "" && w.body.expects(expect):
		w.refuse(http.StatusExpectationFailed)
	case req.Method == http.MethodOptions && req.RequestURI == "*":
		w.Header().Set("Content-Length", "0")
	default:
		c.server.handler.ServeHTTP(w, w.req)
	}
	return w.finish()
}

// hurry makes the connection end without a long wait for the peer's end. It is called if
// nobody is there, or nothing is in progress. (The short wait is long enough to see that
// the peer has acknowledged everything.)
func (c *conn) hurry() {
	cfg := c.Config()
	cfg.LingerTimeout = 10 * time.Millisecond
	c.SetConfig(cfg)
}

// noteBody records err, the error of a body.
func (c *conn) noteBody(err error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	c.hurry()
	if err != errLate { // framer logs it
		c.late = err
		return
	}
	c.server.log.Info("httpd: connection ended", "remote", c.remote, "error", err)
}

// refuse ends the connection because of err, an error of readRequest, and returns the
// error to report. If possible, it answers first, with the same words as net/http.
func (c *conn) refuse(err error) error {
	status, text := http.StatusBadRequest, ""
	switch {
	case err == framer.ErrServerClosed:
		c.hurry()
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.hurry()
		if c.scanner.begun() {
			c.say(http.StatusRequestTimeout, "")
		}
		return err
	case err == errTooLong:
		status = http.StatusRequestHeaderFieldsTooLarge
	case err == errMalformed:
	case err == errMissingHost, err == errBadHost:
		text = ": " + err.Error()
	case err == errVersion:
		status, text = http.StatusHTTPVersionNotSupported, ": "+err.Error()
	case err == errEncoding:
		status, text = http.StatusNotImplemented, ""
	default: // an error of the network
		return err
	}
	c.say(status, text)
	return nil
}

// say sends an answer before, or instead of, a complete request.
func (c *conn) say(status int, text string) {
	line := statusText(status) + text
	c.Push([]byte("HTTP/1.1 " + line + "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" + line))
	c.logAnswer(&http.Request{Method: "-", RequestURI: "-"}, status, int64(len(line)))
}

// logAnswer writes a line to the access log.
func (c *conn) logAnswer(req *http.Request, status int, sent int64) {
	if !c.server.log.Enabled(c.ctx, slog.LevelInfo) {
		return
	}
	c.server.log.LogAttrs(c.ctx, slog.LevelInfo, "httpd: answered",
		slog.String("remote", c.remote),
		slog.String("method", req.Method),
		slog.String("uri", req.RequestURI),
		slog.Int("status", status),
		slog.Int64("bytes", sent),
	)
}

// hasToken reports whether a list of tokens contains token. Upper and lower case make no
// difference.
func hasToken(list, token string) bool {
	for e := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(e), token) {
			return true
		}
	}
	return false
}
