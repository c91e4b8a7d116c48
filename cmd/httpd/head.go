// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"errors"
	"strings"
)

// A scanner finds the end of a request's header, for framer.Split. It refuses bytes that
// can't be a header as soon as possible: a client that speaks SSH or TLS, or whose lines
// end in a bare LF, would never send the end of a header. It is stricter than net/http,
// so that a proxy before this server can't see other lines, or another length, than this
// server does.
//
// It looks at every byte once, however the input is cut.
type scanner struct {
	max       int  // the greatest size of a header, in bytes
	at        int  // number of bytes looked at
	line      int  // index of the current line
	lines     int  // number of complete lines
	emptyLine bool // an empty line has come before the request
	facts
}

// facts are what a scanner has found, but net/http does not report.
type facts struct {
	hosts, lengths, encodings int
	oddEncoding               bool // an encoding other than chunked, or more than one
	badHost                   bool
}

// maxFields is the greatest number of fields in a header, the same as in net/http.
const maxFields = 500

// These are reasons to refuse a header.
var (
	errTooLong     = errors.New("header too long")
	errMalformed   = errors.New("malformed header")
	errMissingHost = errors.New("missing required Host header")
	errBadHost     = errors.New("malformed Host header")
	errEncoding    = errors.New("unsupported transfer encoding")
	errVersion     = errors.New("unsupported protocol version")
)

// split is a bufio.SplitFunc. Its token is a header with the empty line at its end.
func (s *scanner) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if len(data) < s.at {
		return 0, nil, nil // the input has ended, and all of it was processed
	}
	tooLong := len(data) > s.max
	data = data[:min(len(data), s.max)] // bytes after max must make no difference
	for {
		n := bytes.IndexByte(data[s.at:], '\n')
		if n < 0 {
			switch {
			case !plausible(data[max(s.line, s.at-1):]): // from one byte before s.at, which may be a CR
				return 0, nil, errMalformed
			case tooLong:
				return 0, nil, errTooLong
			}
			s.at = len(data)
			return 0, nil, nil
		}
		end := s.at + n
		line, ok := bytes.CutSuffix(data[s.line:end], []byte("\r"))
		s.at, s.line = end+1, end+1
		switch {
		case !ok:
			return 0, nil, errMalformed // a bare LF
		case len(line) > 0:
			if !s.take(line) {
				return 0, nil, errMalformed
			}
			if s.lines++; s.lines > 1+maxFields {
				return 0, nil, errTooLong
			}
		case s.lines > 0:
			return s.at, data[:s.at], nil
		case s.emptyLine:
			return 0, nil, errMalformed
		default: // one empty line is allowed: RFC 9112, section 2.2
			advance := s.at
			*s = scanner{max: s.max, emptyLine: true}
			return advance, nil, nil
		}
	}
}

// begun reports whether a byte of a header has come.
func (s *scanner) begun() bool { return s.at > 0 || s.emptyLine }

// plausible reports whether part can be text. It is part of a line whose end has not
// come.
func plausible(part []byte) bool {
	return isText(bytes.TrimSuffix(part, []byte("\r")))
}

// isText reports whether b has no control characters except tabs.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// take records what a line says, and reports whether the line is valid.
func (s *scanner) take(line []byte) bool {
	if !isText(line) {
		return false
	}
	if s.lines == 0 {
		return isRequestLine(line)
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isToken(name) { // this also refuses a folded line, and a space before the colon
		return false
	}
	switch len(name) {
	case len("Host"):
		if isName(name, "Host") {
			s.hosts++
			s.badHost = s.badHost || !isHost(bytes.Trim(value, " \t"))
		}
	case len("Content-Length"):
		if isName(name, "Content-Length") {
			s.lengths++
		}
	case len("Transfer-Encoding"):
		if isName(name, "Transfer-Encoding") {
			s.encodings++
			s.oddEncoding = s.oddEncoding || s.encodings > 1 || !isName(bytes.Trim(value, " \t"), "chunked")
		}
	}
	return true
}

func isName(b []byte, name string) bool { return strings.EqualFold(string(b), name) }

// isRequestLine reports whether line is a method, a target and a version, separated by
// spaces. net/http checks the details.
func isRequestLine(line []byte) bool {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, ok := bytes.Cut(rest, []byte(" "))
	return ok && isToken(method) && len(target) > 0 && bytes.HasPrefix(version, []byte("HTTP/"))
}

// isToken reports whether b is a token (RFC 9110, section 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if !isAlnum(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return len(b) > 0
}

// isHost reports whether b can be a host with a port (RFC 3986, section 3.2). It may be
// empty.
func isHost(b []byte) bool {
	for _, c := range b {
		if !isAlnum(c) && strings.IndexByte("-._~%!$&'()*+,;=:[]", c) < 0 {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// check returns the reason to refuse the header of an HTTP/1.minor request, or nil. If
// there are two lengths, or a length and an encoding, another server may take part of the
// body for the next request.
func (f *facts) check(minor int) error {
	switch {
	case f.oddEncoding:
		return errEncoding
	case f.encodings > 0 && (f.lengths > 0 || minor < 1), f.lengths > 1, f.hosts > 1:
		return errMalformed
	case f.hosts == 0 && minor >= 1:
		return errMissingHost
	case f.badHost:
		return errBadHost
	}
	return nil
}
