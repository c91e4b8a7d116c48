// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goframer/framer"
)

// A body is the body of a request. It is read from the connection when the handler reads
// it. It is one message of known length or, if it is chunked, one message after the
// other.
type body struct {
	c        *conn
	req      *http.Request // the request that the handler has
	waits    atomic.Bool   // the client waits for 100 (Continue)
	expected bool          // the client has waited for it
	end      time.Time     // the deadline of a chunked body; zero if there is none

	mu     sync.Mutex
	closed bool
	err    error // the first error; io.EOF at the end
	chunked
	left int64     // bytes that are left of the length, or of the chunk
	part io.Reader // reads these bytes; nil before the first read
}

// chunked is used only if the body is chunked.
type chunked struct {
	is     bool
	excess int64 // bytes that are not data, beyond the usual number
}

// These limit the bytes that are not data in a chunked body.
const (
	maxChunkLine = 4 << 10
	maxExcess    = 16 << 10
	maxTrailer   = 16 << 10
)

var (
	errChunk = errors.New("httpd: malformed chunk")
	errLate  = fmt.Errorf("httpd: the body of the request did not come in time: %w", os.ErrDeadlineExceeded)
)

func newBody(c *conn, req *http.Request) *body {
	b := &body{c: c, left: req.ContentLength}
	if req.ContentLength < 0 {
		b.is, b.left = true, 0
		if d := c.server.requestTimeout; d > 0 {
			b.end = time.Now().Add(d)
		}
	}
	return b
}

// expects records an Expect field. It reports whether the expectation can't be met. b may
// be nil.
func (b *body) expects(field string) (unknown bool) {
	if !hasToken(field, "100-continue") {
		return true
	}
	if b != nil && b.req.ProtoAtLeast(1, 1) {
		b.expected = true
		b.waits.Store(true)
	}
	return false
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.read(p)
}

// Close implements io.Closer. The connection deals with the bytes that were not read.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// read is Read. b.mu must be held.
func (b *body) read(p []byte) (n int, err error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if b.waits.Swap(false) {
		b.c.Push([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	}
	n, b.err = b.readPart(p)
	return n, b.err
}

// readPart reads a part of the body. Like net/http, it returns io.EOF together with the
// last bytes of a known length.
func (b *body) readPart(p []byte) (int, error) {
	if b.is && b.left == 0 {
		if err := b.nextChunk(); err != nil {
			return 0, err
		}
	}
	if b.part == nil {
		var err error
		if b.part, err = b.c.nextReader(framer.Length(b.left)); err != nil {
			return 0, cutOff(err)
		}
	}
	n, err := b.part.Read(p)
	b.left -= int64(n)
	switch {
	case err != nil && err != io.EOF:
		return n, cutOff(err)
	case b.left > 0:
		return n, nil
	case b.is:
		b.part = nil
		return n, b.endChunk()
	}
	return n, io.EOF
}

// cutOff returns err, but io.ErrUnexpectedEOF in place of io.EOF, where the input must
// not end.
func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readLine reads a line between the chunks, or after them. Each line is a message with
// its own timeout, and there may be many lines.
func (b *body) readLine(limit int64) ([]byte, error) {
	if !b.end.IsZero() && time.Now().After(b.end) {
		return nil, errLate
	}
	line, err := b.c.next(framer.Delimiter("\r\n").Limit(limit))
	return line, cutOff(err)
}

// nextChunk reads the line that begins a chunk (RFC 9112, section 7.1). If that is the
// last chunk, it reads the trailer and returns io.EOF.
func (b *body) nextChunk() error {
	line, err := b.readLine(maxChunkLine)
	if err != nil {
		return err
	}
	size, ok := chunkSize(line)
	if !ok {
		return errChunk
	}
	// As in net/http, the usual number is 16 bytes for the line and the CRLF, and as many
	// again as the chunk has bytes of data.
	b.excess = max(b.excess+int64(len(line))+2-16-2*min(size, maxExcess), 0)
	if b.excess > maxExcess {
		return errChunk
	}
	b.left = size
	if size == 0 {
		return b.readTrailer()
	}
	return nil
}

// chunkSize returns the size at the beginning of a line. It ignores the extensions after
// it.
func chunkSize(line []byte) (n int64, ok bool) {
	digits, extension, extended := bytes.Cut(line, []byte(";"))
	if extended {
		digits = bytes.TrimRight(digits, " \t")
	}
	if len(digits) == 0 || len(digits) > 16 || !isText(extension) {
		return 0, false
	}
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		if n >= 1<<59 {
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, true
}

// endChunk reads the CRLF after a chunk.
func (b *body) endChunk() error {
	end, err := b.c.next(framer.Length(2))
	switch {
	case err != nil:
		return cutOff(err)
	case string(end) != "\r\n":
		return errChunk
	}
	return nil
}

// readTrailer reads the trailer after the last chunk, and returns io.EOF.
func (b *body) readTrailer() error {
	var s scanner
	s.lines = 1 // so that the first line is read as a field
	var lines []byte
	for {
		line, err := b.readLine(maxTrailer)
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), "\r\n"...)
		if len(line) == 0 {
			break
		}
		if len(lines) > maxTrailer || !s.take(line) {
			return errChunk
		}
	}
	fields, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(lines))).ReadMIMEHeader()
	if err != nil || s.facts != (facts{}) { // the header has said the length and the host already
		return errChunk
	}
	for name, values := range fields {
		if b.req.Trailer == nil {
			b.req.Trailer = make(http.Header)
		}
		b.req.Trailer[name] = values
	}
	return io.EOF
}

// maxUnread is how many bytes of a body are read after the handler has returned, so that
// the next request can follow. It is the same as in net/http.
const maxUnread = 256 << 10

// drain reads what the handler has not read, because the client may read nothing before
// it has sent everything. clean reports whether another request can follow. tooMuch
// reports whether it can't because the rest is too long.
func (b *body) drain() (clean, tooMuch bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err == io.EOF:
		return true, false
	case b.err != nil, b.expected:
		return false, false
	case !b.is && b.left >= maxUnread:
		return false, true
	}
	b.closed = true // the handler must not take the bytes it still gets for the whole body
	n, err := io.CopyN(io.Discard, readerFunc(b.read), maxUnread+1)
	return err == io.EOF, err == nil && n > maxUnread
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// failure returns the error of the input, or nil.
func (b *body) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == io.EOF {
		return nil
	}
	return b.err
}
