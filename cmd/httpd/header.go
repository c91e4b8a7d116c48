// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unknown is the length of a body whose length the handler has not given.
const unknown = -1

// A head is the header of a response. It is made in two steps. WriteHeader writes the
// handler's fields, so the handler may change them afterwards. The other fields follow
// when the body, or its beginning, is known. These rules are the same as in net/http.
type head struct {
	status int  // 0 until WriteHeader
	closed bool // the header was written to its end

	length     int64    // Content-Length, or unknown
	connection []string // the Connection field of the handler
	encoding   []string // the Transfer-Encoding of the handler
	typed      bool     // the handler has set Content-Type or Content-Encoding
	dated      bool     // the handler has set Date
	trailers   []string

	sends  bool // a body is sent
	chunks bool // the body is chunked
	last   bool // the connection closes after the response
}

// An appender is a slice that is an io.Writer and an io.StringWriter.
type appender []byte

func (a *appender) Write(p []byte) (int, error)       { *a = append(*a, p...); return len(p), nil }
func (a *appender) WriteString(s string) (int, error) { *a = append(*a, s...); return len(s), nil }

// own are the fields that only closeHead writes.
var own = map[string]bool{"Connection": true, "Content-Length": true, "Transfer-Encoding": true}

// noBody are the fields that an informational response must not have. ownUntyped is own
// and Content-Type, which a 304 (Not Modified) does not have.
var (
	noBody     = map[string]bool{"Content-Length": true, "Transfer-Encoding": true}
	ownUntyped = map[string]bool{"Connection": true, "Content-Length": true, "Transfer-Encoding": true, "Content-Type": true}
)

// bodyAllowed reports whether a response may have a body.
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// statusText returns the code and the phrase of a status line.
func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return strconv.Itoa(status) + " " + text
	}
	return strconv.Itoa(status) + " status code " + strconv.Itoa(status)
}

// addStatusLine adds the line that begins a header.
func (w *response) addStatusLine(status int) {
	m := w.memory()
	version := "HTTP/1.1 "
	if !w.req.ProtoAtLeast(1, 1) {
		version = "HTTP/1.0 "
	}
	m.out = append(append(m.out, version...), statusText(status)...)
	m.out = append(m.out, "\r\n"...)
}

// inform sends an informational response.
func (w *response) inform(status int) {
	if status == http.StatusContinue && w.body != nil {
		w.body.waits.Store(false)
	}
	w.addStatusLine(status)
	m := w.memory()
	w.header.WriteSubset((*appender)(&m.out), noBody)
	m.out = append(m.out, "\r\n"...)
	w.push()
}

// beginHead writes the part of the header that the handler determines.
func (w *response) beginHead(status int) {
	w.status = status
	h := w.header
	if lengths := h["Content-Length"]; len(lengths) > 0 && lengths[0] != "" {
		n, err := strconv.ParseInt(lengths[0], 10, 64)
		if err == nil && n >= 0 {
			w.length = n
		} else {
			w.c.server.log.Warn("httpd: invalid Content-Length", "uri", w.req.RequestURI, "length", lengths[0])
			h.Del("Content-Length")
		}
	}
	w.connection, w.encoding = h["Connection"], h["Transfer-Encoding"]
	_, w.typed = h["Content-Type"]
	w.typed = w.typed || h.Get("Content-Encoding") != ""
	_, w.dated = h["Date"]
	for _, list := range h["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			w.declareTrailer(textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)))
		}
	}

	exclude := own
	if status == http.StatusNotModified {
		exclude = ownUntyped
	}
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			exclude = withName(exclude, name)
			w.trailers = append(w.trailers, "") // a placeholder: the trailer will have such fields
		}
	}
	w.addStatusLine(status)
	h.WriteSubset((*appender)(&w.memory().out), exclude)
}

// declareTrailer records a field that comes after the body. Fields that say how to read
// the body can't come after it, and are ignored.
func (w *response) declareTrailer(name string) {
	if name != "" && !own[name] && name != "Trailer" {
		w.trailers = append(w.trailers, name)
	}
}

// withName returns a copy of names with name added.
func withName(names map[string]bool, name string) map[string]bool {
	more := map[string]bool{name: true}
	for name := range names {
		more[name] = true
	}
	return more
}

// closeHead completes the header and adds pending to the output. If done is set, pending
// is the whole body; otherwise it is the beginning.
func (w *response) closeHead(done bool) {
	w.closed = true
	isHead := w.req.Method == http.MethodHead
	allowed := bodyAllowed(w.status)
	plain := first(w.encoding) == ""
	if w.length == unknown && done && allowed && len(w.trailers) == 0 && plain && (!isHead || len(w.pending) > 0) {
		w.length = int64(len(w.pending))
	}
	connection := w.connectionField(isHead, allowed)
	if w.body != nil && !w.last {
		if clean, tooMuch := w.body.drain(); !clean {
			w.last = true
			if tooMuch {
				w.connection, connection = nil, "close"
			}
		}
	}
	w.frame(isHead, allowed)
	if w.last && !w.switches() && !hasToken(first(w.connection), "close") {
		w.connection, connection = nil, ""
		if w.req.ProtoAtLeast(1, 1) {
			connection = "close"
		}
	}

	out := w.memory().out
	if allowed && !w.typed && plain && len(w.pending) > 0 {
		out = addField(out, "Content-Type", http.DetectContentType(w.pending))
	}
	if connection != "" {
		out = addField(out, "Connection", connection)
	}
	if !w.dated {
		out = append(out, "Date: "...)
		out = time.Now().UTC().AppendFormat(out, http.TimeFormat)
		out = append(out, "\r\n"...)
	}
	out = addFields(out, "Connection", w.connection)
	if w.length != unknown && allowed {
		out = append(out, "Content-Length: "...)
		out = append(strconv.AppendInt(out, w.length, 10), "\r\n"...)
	}
	out = addFields(out, "Transfer-Encoding", w.encoding)
	w.memory().out = append(out, "\r\n"...)
	emit(w, w.pending)
	w.pending = nil
}

// connectionField decides whether the connection stays open. It returns the value of a
// Connection field to add, or "".
func (w *response) connectionField(isHead, allowed bool) string {
	closing := w.c.server.closing.Load() || first(w.connection) == "close"
	persistent := w.req.ProtoAtLeast(1, 1)
	if !persistent && hasToken(w.req.Header.Get("Connection"), "keep-alive") && (isHead || w.length != unknown || !allowed) {
		w.last = closing
		if w.connection == nil {
			return "keep-alive"
		}
		return ""
	}
	w.last = closing || !persistent || w.req.Close
	return ""
}

// frame decides how the client is told where the body ends (RFC 9112, section 6).
func (w *response) frame(isHead, allowed bool) {
	encoding := first(w.encoding)
	if w.length != unknown && encoding != "" && encoding != "identity" {
		w.c.server.log.Warn("httpd: Content-Length and Transfer-Encoding", "uri", w.req.RequestURI)
		w.length = unknown
	}
	switch {
	case isHead || !allowed:
		w.encoding = nil
		return
	case w.length != unknown:
		w.encoding = nil
	case !w.req.ProtoAtLeast(1, 1), encoding == "identity":
		w.encoding, w.last = nil, true
	default:
		if encoding == "chunked" {
			w.encoding = nil
		}
		w.encoding = append(slices.Clone(w.encoding), "chunked")
		w.chunks = true
	}
	w.sends = true
}

// endChunks adds the last chunk and the trailer. The trailer has the fields that the
// Trailer field has announced, and those whose names begin with http.TrailerPrefix.
func (w *response) endChunks() {
	m := w.memory()
	m.out = append(m.out, "0\r\n"...)
	trailer := make(http.Header)
	for name, values := range w.header {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			trailer[name] = values
		}
	}
	for _, name := range w.trailers {
		if values, ok := w.header[name]; ok {
			trailer[name] = append(trailer[name], values...)
		}
	}
	trailer.Write((*appender)(&m.out))
	m.out = append(m.out, "\r\n"...)
}

// switches reports whether this is the answer to an Upgrade request.
func (w *response) switches() bool {
	return w.status == http.StatusSwitchingProtocols && hasToken(first(w.connection), "upgrade") && w.header.Get("Upgrade") != ""
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// addFields adds a line for each value of a field.
func addFields(out []byte, name string, values []string) []byte {
	for _, v := range values {
		out = addField(out, name, strings.Map(noLineEnd, v))
	}
	return out
}

func noLineEnd(r rune) rune {
	if r == '\r' || r == '\n' {
		return ' '
	}
	return r
}

// addField adds a field. Its value must have no line ends.
func addField(out []byte, name, value string) []byte {
	out = append(append(out, name...), ": "...)
	return append(append(out, value...), "\r\n"...)
}
