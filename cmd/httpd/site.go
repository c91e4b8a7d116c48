// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goframer/framer"
)

// A site is what all connections have in common.
type site struct {
	root      *os.Root
	log       *slog.Logger
	maxHeader int
	maxBody   int64
}

// allowed returns the methods that there are for a path.
func allowed(path string) []string {
	if path == "/echo" {
		return []string{http.MethodOptions, http.MethodPost}
	}
	return []string{http.MethodGet, http.MethodHead, http.MethodOptions}
}

// check returns the status with which req is refused before its body is read, or
// 0.
func (s *site) check(req *http.Request, length int64) int {
	expect := req.Header.Get("Expect")
	switch {
	case !slices.Contains(allowed(req.URL.Path), req.Method):
		return http.StatusMethodNotAllowed
	case req.Method == http.MethodPost && length == noLength:
		return http.StatusLengthRequired
	case length > s.maxBody:
		return http.StatusRequestEntityTooLarge
	case expect != "" && !strings.EqualFold(expect, "100-continue"):
		return http.StatusExpectationFailed
	}
	return 0
}

// respond returns the response to a request that check lets pass.
func (s *site) respond(req *http.Request, body []byte) *response {
	switch {
	case req.Method == http.MethodOptions:
		return &response{status: http.StatusNoContent, header: allow(req), length: noLength}
	case req.URL.Path == "/echo":
		return text(http.StatusOK, "application/octet-stream", body)
	case req.URL.Path == "/stream":
		return stream(req)
	}
	return s.find(req)
}

// text returns a response that lies in memory.
func text(status int, contentType string, body []byte) *response {
	header := http.Header{"Content-Type": {contentType}}
	return &response{status: status, header: header, length: int64(len(body)), text: body}
}

// page returns a response that says no more than its status.
func page(req *http.Request, status int) *response {
	res := text(status, "text/plain; charset=utf-8", fmt.Appendf(nil, "%d %s\n", status, http.StatusText(status)))
	if status == http.StatusMethodNotAllowed {
		res.header["Allow"] = allow(req)["Allow"]
	}
	return res
}

func allow(req *http.Request) http.Header {
	return http.Header{"Allow": {strings.Join(allowed(req.URL.Path), ", ")}}
}

// find returns the file that req asks for, or what there is instead.
func (s *site) find(req *http.Request) *response {
	name, ok := fileName(req.URL)
	if !ok {
		return page(req, http.StatusNotFound)
	}
	file, info, err := s.open(name)
	if err != nil {
		return page(req, errorStatus(err))
	}
	wantDir := strings.HasSuffix(req.URL.Path, "/")
	switch {
	case info.IsDir() && wantDir:
		defer file.Close()
		if index, info, err := s.open(path.Join(name, "index.html")); err == nil {
			if info.Mode().IsRegular() {
				return sendFile(req, index, info)
			}
			index.Close()
		}
		return list(req, file)
	case info.IsDir():
		file.Close()
		res := page(req, http.StatusMovedPermanently)
		res.header.Set("Location", (&url.URL{Path: path.Base(name) + "/"}).String())
		return res
	case wantDir, !info.Mode().IsRegular():
		file.Close()
		return page(req, http.StatusNotFound)
	}
	return sendFile(req, file, info)
}

// fileName returns the name, below the root, of what u asks for. No name has an
// element that is "..", or a slash that is not a separator.
func fileName(u *url.URL) (string, bool) {
	if strings.Contains(strings.ToLower(u.EscapedPath()), "%2f") {
		return "", false
	}
	name, ok := strings.CutPrefix(u.Path, "/")
	name = cmp.Or(strings.TrimSuffix(name, "/"), ".")
	return name, ok && fs.ValidPath(name)
}

// open opens a file, without waiting for the writer if it is a named pipe.
func (s *site) open(name string) (*os.File, fs.FileInfo, error) {
	file, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// errorStatus returns the status for a file that can't be opened. What leads out
// of the root is not there.
func errorStatus(err error) int {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return http.StatusServiceUnavailable
	}
	return http.StatusNotFound
}

// sendFile returns a response with the content of file, which belongs to it.
func sendFile(req *http.Request, file *os.File, info fs.FileInfo) *response {
	header := http.Header{"Last-Modified": {info.ModTime().UTC().Format(http.TimeFormat)}}
	if notModified(req, info.ModTime()) {
		file.Close()
		return &response{status: http.StatusNotModified, header: header, length: noLength}
	}
	header.Set("Content-Type", contentType(file))
	content := &io.LimitedReader{R: file, N: info.Size()}
	if req.Method == http.MethodHead {
		content.N = 0
	}
	return &response{
		status: http.StatusOK,
		header: header,
		length: info.Size(),
		body:   framer.NewReaderProducer(content), // sendfile, and the end of file
	}
}

func notModified(req *http.Request, modified time.Time) bool {
	if req.Header.Get("If-None-Match") != "" {
		return false // RFC 9110, section 13.1.3
	}
	since, err := http.ParseTime(req.Header.Get("If-Modified-Since"))
	return err == nil && !modified.Truncate(time.Second).After(since)
}

func contentType(file *os.File) string {
	if t := mime.TypeByExtension(path.Ext(file.Name())); t != "" {
		return t
	}
	var head [512]byte
	n, _ := file.ReadAt(head[:], 0) // if this fails, sending does too
	return http.DetectContentType(head[:n])
}

// list returns a page with the entries of a directory.
func list(req *http.Request, dir *os.File) *response {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return page(req, http.StatusInternalServerError)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!doctype html>\n<meta charset=\"utf-8\">\n<title>%[1]s</title>\n<h1>%[1]s</h1>\n<ul>\n", html.EscapeString(req.URL.Path))
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() {
			name += "/"
		}
		link := url.URL{Path: name}
		fmt.Fprintf(&b, "<li><a href=\"%s\">%s</a>\n", html.EscapeString(link.String()), html.EscapeString(name))
	}
	b.WriteString("</ul>\n")
	return text(http.StatusOK, "text/html; charset=utf-8", b.Bytes())
}

// How far /stream counts.
const (
	defaultLines = 10
	maxLines     = 100_000
)

// stream returns a response whose length is not known before: chunked, or, for
// HTTP/1.0, with the end of the connection for its end.
func stream(req *http.Request) *response {
	lines := defaultLines
	if s := req.URL.Query().Get("lines"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > maxLines {
			return page(req, http.StatusBadRequest)
		}
		lines = n
	}
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	res := &response{status: http.StatusOK, header: header, length: noLength}
	var body framer.Producer = &counter{last: lines}
	if req.ProtoAtLeast(1, 1) {
		header.Set("Transfer-Encoding", "chunked")
		body = &chunker{producer: body}
	} else {
		req.Close = true
	}
	if req.Method != http.MethodHead {
		res.body = body
	}
	return res
}

// A counter is a producer of lines that count.
type counter struct {
	line, last int
	buf        []byte
}

// pieceSize is how long a piece of a counter is, about, in bytes.
const pieceSize = 4096

func (c *counter) More() ([]byte, error) {
	c.buf = c.buf[:0]
	for c.line < c.last && len(c.buf) < pieceSize {
		c.line++
		c.buf = fmt.Appendf(c.buf, "line %d\n", c.line)
	}
	return c.buf, nil
}

// A chunker is a producer that sends each piece of another one, which must not be
// an io.Closer, as a chunk: RFC 9112, section 7.1.
type chunker struct {
	producer framer.Producer
	ended    bool
	buf      []byte
}

func (c *chunker) More() ([]byte, error) {
	if c.ended {
		return nil, nil
	}
	piece, err := c.producer.More()
	if err != nil && err != io.EOF {
		return nil, err
	}
	c.buf = c.buf[:0]
	if len(piece) > 0 {
		c.buf = fmt.Appendf(c.buf, "%x\r\n%s\r\n", len(piece), piece)
	}
	if len(piece) == 0 || err == io.EOF {
		c.ended = true
		c.buf = append(c.buf, "0\r\n\r\n"...)
	}
	return c.buf, nil
}
