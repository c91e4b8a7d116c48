// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/goframer/framer"
)

// endOfHeader ends the header of a request: an empty line.
const endOfHeader = "\r\n\r\n"

// A handler reads the requests of one connection. It is in one of two states:
// the header is being read, which ends at a delimiter, or the body, which has a
// length. Answers are queued in the order of the requests, so that a client may
// send the next request before it has the answer to the last one.
type handler struct {
	*framer.Conn
	framer.Collector
	site    *site
	request *http.Request // while its body is read, otherwise nil
}

func (s *site) newHandler(c *framer.Conn) framer.Handler {
	return &handler{Conn: c, site: s}
}

func (h *handler) HandleConnect() error {
	return h.SetTerminator(framer.Delimiter(endOfHeader))
}

// CollectIncomingData refuses a bad header as soon as it can be told: one who
// speaks TLS, or ends his lines in a mere LF, would never send the end of it.
func (h *handler) CollectIncomingData(data []byte) error {
	if h.request == nil {
		room := h.site.maxHeader - h.Len()
		switch {
		case malformed(h.Bytes(), data[:min(room, len(data))]):
			return h.refuse(nil, http.StatusBadRequest)
		case len(data) > room:
			return h.refuse(nil, http.StatusRequestHeaderFieldsTooLarge)
		}
	}
	return h.Collector.CollectIncomingData(data)
}

// HandleOversize is for headers where they may be longer than bodies; the length
// of a body is known before.
func (h *handler) HandleOversize(*framer.MessageTooLongError) error {
	return h.refuse(nil, http.StatusRequestHeaderFieldsTooLarge)
}

func (h *handler) FoundTerminator() error {
	if h.request == nil {
		return h.foundHeader()
	}
	return h.foundBody()
}

// foundHeader goes over to the body, which may be empty.
func (h *handler) foundHeader() error {
	if malformed(h.Bytes(), []byte(endOfHeader)) {
		return h.refuse(nil, http.StatusBadRequest)
	}
	h.Collector.CollectIncomingData([]byte(endOfHeader))
	req, length, status := parseRequest(h.Bytes())
	h.Reset()
	if status == 0 {
		status = h.site.check(req, length)
	}
	if status != 0 {
		return h.refuse(req, status)
	}
	if length > 0 && req.Header.Get("Expect") != "" && req.ProtoAtLeast(1, 1) {
		if err := h.Push([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return err
		}
	}
	h.request = req
	return h.SetTerminator(framer.Length(max(length, 0)))
}

// foundBody answers, and goes over to the next header.
func (h *handler) foundBody() error {
	req := h.request
	h.request = nil
	if err := h.answer(req, h.site.respond(req, h.Take())); err != nil {
		return err
	}
	return h.SetTerminator(framer.Delimiter(endOfHeader))
}

// HandleShutdown tells a client that was in the middle of a request.
func (h *handler) HandleShutdown() error {
	if h.request == nil && h.Len() == 0 {
		return nil
	}
	return h.refuse(h.request, http.StatusServiceUnavailable)
}

// refuse answers what can't be served, and closes the connection: where the next
// request begins is not certain. req is nil if there is none.
func (h *handler) refuse(req *http.Request, status int) error {
	if req == nil {
		req = new(http.Request)
	}
	req.Close = true
	return h.answer(req, page(req, status))
}

// answer queues the response to req.
func (h *handler) answer(req *http.Request, res *response) error {
	sent := int64(0)
	wanted := res.length
	head := res.head(req)
	if req.Method == http.MethodHead {
		wanted = 0
	} else {
		head = append(head, res.text...)
		sent = int64(len(res.text))
	}
	body := res.body
	if body == nil {
		body = framer.ProducerFunc(func() ([]byte, error) { return nil, nil })
	}
	h.Push(head) // if this fails, the next push does too, and closes the body
	err := h.PushWithProducer(framer.OnDone(body, func(n int64, err error) {
		sent += n
		if err == nil && sent < wanted {
			// A file was truncated while it was sent. The client must not take
			// the next answer for the rest.
			err = fmt.Errorf("%d bytes were announced", wanted)
			h.Close()
		}
		h.log(req, res.status, sent, err)
	}))
	if err == nil && req.Close {
		err = h.CloseWhenDone()
	}
	return err
}

// log writes a line of the access log.
func (h *handler) log(req *http.Request, status int, sent int64, err error) {
	attrs := []slog.Attr{
		slog.String("remote", h.RemoteAddr().String()),
		slog.String("method", req.Method),
		slog.String("uri", req.RequestURI),
		slog.Int("status", status),
		slog.Int64("bytes", sent),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	h.site.log.LogAttrs(context.Background(), slog.LevelInfo, "httpd: answered", attrs...)
}

// A response is what is sent for a request.
type response struct {
	status int
	header http.Header
	length int64           // Content-Length; negative if there must be none
	text   []byte          // the body, or its beginning
	body   framer.Producer // the rest of it; nil if there is no rest
}

// head returns the header of the response as it is sent.
func (r *response) head(req *http.Request) []byte {
	r.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if r.length >= 0 {
		r.header.Set("Content-Length", strconv.FormatInt(r.length, 10))
	}
	switch {
	case req.Close:
		r.header.Set("Connection", "close")
	case !req.ProtoAtLeast(1, 1):
		r.header.Set("Connection", "keep-alive")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", r.status, http.StatusText(r.status))
	r.header.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}
