// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// malformed reports whether data, the piece of a header that comes after what was
// collected, can't be part of one. It is stricter than net/http, so that nobody in
// front of this server sees other lines than it does: a line ends in CRLF, none
// continues the one before, and there are no control characters.
func malformed(collected, data []byte) bool {
	last := byte(0)
	if len(collected) > 0 {
		last = collected[len(collected)-1]
	}
	for _, b := range data {
		switch {
		case (b == '\n') != (last == '\r'):
			return true
		case last == '\n' && (b == ' ' || b == '\t'):
			return true
		case b < ' ' && b != '\t' && b != '\r' && b != '\n', b == 0x7f:
			return true
		}
		last = b
	}
	return false
}

// parseRequest parses a header, with the empty line that ends it. length is that
// of the body that follows, or noLength. If status is not 0, the header must be
// refused with it, and the other results are not to be used.
func parseRequest(header []byte) (req *http.Request, length int64, status int) {
	header = bytes.TrimPrefix(header, []byte("\r\n")) // RFC 9112, section 2.2
	_, lines, _ := bytes.Cut(header, []byte("\r\n"))
	fields, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(lines))).ReadMIMEHeader()
	if err != nil {
		return nil, 0, http.StatusBadRequest
	}
	// This comes before ReadRequest, which takes a request that has both
	// Content-Length and Transfer-Encoding, and hides what it does not heed.
	length, status = bodyLength(fields)
	if status != 0 {
		return nil, 0, status
	}
	req, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(header)))
	switch {
	case err != nil:
		return nil, 0, http.StatusBadRequest
	case req.ProtoMajor != 1:
		return nil, 0, http.StatusHTTPVersionNotSupported
	case !validHost(req, fields["Host"]) || !validNames(fields):
		return nil, 0, http.StatusBadRequest
	}
	return req, length, 0
}

// noLength is the length of a body whose length is not told. There is none then,
// as far as HTTP is concerned.
const noLength = -1

// bodyLength returns what the header says about the length of the body.
func bodyLength(fields textproto.MIMEHeader) (length int64, status int) {
	lengths := fields["Content-Length"]
	switch {
	case fields["Transfer-Encoding"] != nil && lengths != nil:
		return 0, http.StatusBadRequest
	case fields["Transfer-Encoding"] != nil:
		return 0, http.StatusNotImplemented
	case len(lengths) == 0:
		return noLength, 0
	case len(lengths) > 1:
		return 0, http.StatusBadRequest
	}
	// ParseUint takes digits only, no sign.
	n, err := strconv.ParseUint(lengths[0], 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, http.StatusRequestEntityTooLarge
	case err != nil:
		return 0, http.StatusBadRequest
	}
	return int64(n), 0
}

// validHost checks the Host fields of a request.
func validHost(req *http.Request, hosts []string) bool {
	if len(hosts) == 0 {
		return !req.ProtoAtLeast(1, 1)
	}
	u, err := url.Parse("//" + hosts[0])
	return len(hosts) == 1 && err == nil && u.Host == hosts[0]
}

// validNames refuses a space before the colon, which net/textproto lets pass as a
// part of the name.
func validNames(fields textproto.MIMEHeader) bool {
	for name := range fields {
		if strings.Contains(name, " ") {
			return false
		}
	}
	return true
}
