// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/goframer/framer"
)

// These limit what a response keeps before it pushes, in bytes.
const (
	maxPending = 2 << 10   // the beginning of a body of unknown length; the same as in net/http
	pushSize   = 8 << 10   // pushed without waiting for more
	maxOut     = 64 << 10  // the greatest push, except for files
	maxRead    = 256 << 10 // the largest file that is read into memory and pushed with the header
)

// A response is the http.ResponseWriter of a request. It keeps what the handler writes
// until there is enough of it, or until the handler flushes. So a small answer is pushed
// once, together with its header.
//
// It is no http.Hijacker, and has no deadlines: the timeouts of the connection apply.
type response struct {
	c      *conn
	req    *http.Request
	body   *body // or nil
	header http.Header

	head
	pending []byte // the beginning of the body, until the header is complete
	written int64
	scratch *scratch // holds what was not pushed yet; nil if there is nothing
	err     error    // the error of the connection
	ended   bool     // finish was called
}

func newResponse(c *conn, req *http.Request) *response {
	w := &response{c: c, req: req, header: make(http.Header)}
	w.length = unknown
	if b, ok := req.Body.(*body); ok {
		b.req = req
		w.body = b
	}
	return w
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	switch {
	case w.status != 0:
		w.c.server.log.Warn("httpd: superfluous WriteHeader", "uri", w.req.RequestURI, "status", status)
	case status < 100 || status > 999:
		panic(fmt.Sprintf("httpd: invalid status %d", status))
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.inform(status)
	default:
		w.dontContinue()
		w.beginHead(status)
	}
}

// dontContinue is called for an answer without a 100 (Continue) before it. The client
// need not send the body then.
func (w *response) dontContinue() {
	if w.body != nil && w.body.waits.Swap(false) {
		w.body.Close()
	}
}

// refuse answers a request without asking the handler.
func (w *response) refuse(status int) {
	w.header.Set("Connection", "close")
	w.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) { return write(w, p) }

// WriteString implements io.StringWriter.
func (w *response) WriteString(s string) (int, error) { return write(w, s) }

func write[T []byte | string](w *response, p T) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	if w.length != unknown && w.written > w.length {
		return 0, http.ErrContentLength
	}
	rest := p
	if !w.closed {
		if w.length != unknown && w.typed {
			w.closeHead(false)
		} else {
			n := min(len(p), maxPending-len(w.pending))
			w.pending = append(w.pending, p[:n]...)
			if rest = p[n:]; len(rest) == 0 {
				return len(p), nil
			}
			w.closeHead(false)
		}
	}
	emit(w, rest)
	if w.scratch != nil && len(w.scratch.out) >= pushSize {
		w.push()
	}
	return len(p), w.err
}

// emit adds a part of the body to the output.
func emit[T []byte | string](w *response, p T) {
	if !w.sends {
		return
	}
	for len(p) > 0 && w.err == nil {
		m := w.memory()
		n := min(len(p), maxOut-len(m.out))
		if n <= 0 {
			w.push()
			continue
		}
		if w.chunks {
			m.out = append(strconv.AppendInt(m.out, int64(n), 16), "\r\n"...)
		}
		m.out = append(m.out, p[:n]...)
		if w.chunks {
			m.out = append(m.out, "\r\n"...)
		}
		p = p[n:]
	}
}

// memory returns w.scratch, and makes it first if necessary.
func (w *response) memory() *scratch {
	if w.scratch == nil {
		w.scratch = w.c.server.getScratch()
		w.scratch.out = w.scratch.out[:0]
	}
	return w.scratch
}

// push sends the output. It waits while the client accepts nothing.
func (w *response) push() {
	m := w.scratch
	if m == nil {
		return
	}
	if w.err == nil && len(m.out) > 0 {
		w.err = w.c.Push(m.out)
	}
	w.scratch = nil
	w.c.server.scratch.Put(m)
}

// Flush implements http.Flusher.
func (w *response) Flush() { w.FlushError() }

// FlushError flushes for an http.ResponseController.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.closed {
		w.closeHead(false)
	}
	w.push()
	return w.err
}

// ReadFrom implements io.ReaderFrom, which io.Copy uses to send a file. It reads a small
// file into the output, after the header, so that both are sent in one write. A large
// file becomes a producer, which sends it by sendfile.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	f, ok := limited.R.(*file)
	if !ok || limited.N <= 0 || w.length == unknown || limited.N > w.length-w.written ||
		!w.typed || !bodyAllowed(w.status) || w.req.Method == http.MethodHead {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	if !w.closed {
		w.closeHead(false)
	}
	n, err := int64(0), w.err
	switch {
	case err != nil:
	case limited.N <= maxRead:
		n, err = w.readFile(f, limited.N)
	default:
		w.push()
		n, err = w.sendFile(f, limited.N)
	}
	limited.N -= n
	w.written += n
	return n, err
}

// readFile adds n bytes of f to the output.
func (w *response) readFile(f *file, n int64) (int64, error) {
	m := w.memory()
	if len(m.out)+int(n) > maxOut+maxRead {
		w.push()
		m = w.memory()
	}
	have := len(m.out)
	m.out = slices.Grow(m.out, int(n))
	got, err := io.ReadFull(f, m.out[have:have+int(n)])
	m.out = m.out[:have+got]
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		err = nil // io.Copy returns no error for these, either
	}
	return int64(got), err
}

// sendFile sends n bytes of f, and returns when the system has taken them. It closes f.
//
// The header has been pushed before. If framer knew that a file comes after the header,
// it would make the system hold the header back (TCP_CORK). For a file of a few hundred
// KiB, that would double the CPU time. So an empty producer comes before the file.
func (w *response) sendFile(f *file, n int64) (int64, error) {
	type result struct {
		n   int64
		err error
	}
	done := make(chan result, 1)
	nothing := framer.ProducerFunc(func() ([]byte, error) { return nil, nil })
	content := framer.NewReaderProducer(&io.LimitedReader{R: f.File, N: n})
	counted := framer.OnDone(content, func(n int64, err error) { done <- result{n, err} })
	w.c.PushWithProducer(framer.Concat(nothing, counted))
	r := <-done
	w.err = r.err
	return r.n, r.err
}

// abort ends the connection if the handler has panicked, because the client must not take
// what was sent for the whole response. It logs the panic, unless that is
// http.ErrAbortHandler, which is intended.
func (w *response) abort() {
	if w.ended {
		return
	}
	w.c.Close()
	if v := recover(); v != nil && v != http.ErrAbortHandler {
		panic(v)
	}
}

// finish sends the rest of the response. It reports whether another request may follow.
func (w *response) finish() bool {
	w.ended = true
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.closed {
		w.closeHead(true)
	}
	if w.chunks {
		w.endChunks()
	}
	w.push()
	if w.body != nil {
		w.body.Close()
		w.c.noteBody(w.body.failure())
	}
	if f := w.req.MultipartForm; f != nil {
		f.RemoveAll()
	}
	if w.req.Method == http.MethodHead {
		w.written = 0
	} else if w.sends && w.length != unknown && w.written != w.length {
		w.last = true // the client still waits for the rest of the body
	}
	w.c.logAnswer(w.req, w.status, w.written)
	return !w.last && w.err == nil
}
