// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"errors"
	"strings"
)

// A scanner finds the end of a request's header, for framer.Split, and refuses what
// can't be one as soon as it can be told: one who speaks SSH or TLS, or ends his lines
// in a mere LF, would never send the end of it. It is stricter than net/http, so that
// nobody in front of this server sees other lines, or another length, than it does.
//
// It looks at every byte once, however the input is cut.
type scanner struct {
	max       int  // bytes that a header may have
	at        int  // bytes looked at
	line      int  // where the current line begins
	lines     int  // complete lines
	emptyLine bool // there was one before the request
	facts
}

// facts are what a scanner has found that net/http does not tell.
type facts struct {
	hosts, lengths, encodings int
	oddEncoding               bool // other than chunked, or more than one
	badHost                   bool
}

// maxFields is how many fields a header may have. It is that of net/http.
const maxFields = 500

// Why a header is refused.
var (
	errTooLong     = errors.New("header too long")
	errMalformed   = errors.New("malformed header")
	errMissingHost = errors.New("missing required Host header")
	errBadHost     = errors.New("malformed Host header")
	errEncoding    = errors.New("unsupported transfer encoding")
	errVersion     = errors.New("unsupported protocol version")
)

// split is a bufio.SplitFunc whose token is a header with the empty line at its end.
func (s *scanner) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if len(data) < s.at {
		return 0, nil, nil // the input has ended, and what there was is taken
	}
	tooLong := len(data) > s.max
	data = data[:min(len(data), s.max)] // what is behind must make no difference
	for {
		n := bytes.IndexByte(data[s.at:], '\n')
		if n < 0 {
			switch {
			case !plausible(data[max(s.line, s.at-1):]): // with a CR that was the last byte
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
		default: // one is passed over: RFC 9112, section 2.2
			advance := s.at
			*s = scanner{max: s.max, emptyLine: true}
			return advance, nil, nil
		}
	}
}

// begun reports whether a byte of a header has come.
func (s *scanner) begun() bool { return s.at > 0 || s.emptyLine }

// plausible reports whether the next bytes of a line whose end has not come can be text.
func plausible(part []byte) bool {
	return isText(bytes.TrimSuffix(part, []byte("\r")))
}

// isText reports whether there are no control characters in b but tabs.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// take notes what line says, and reports whether it makes sense.
func (s *scanner) take(line []byte) bool {
	if !isText(line) {
		return false
	}
	if s.lines == 0 {
		return isRequestLine(line)
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isToken(name) { // a folded line and a space before the colon, too
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

// isRequestLine reports whether line is a method, a target and a version, with a space
// between them: net/http has a closer look.
func isRequestLine(line []byte) bool {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, ok := bytes.Cut(rest, []byte(" "))
	return ok && isToken(method) && len(target) > 0 && bytes.HasPrefix(version, []byte("HTTP/"))
}

// isToken reports whether b is a token: RFC 9110, section 5.6.2.
func isToken(b []byte) bool {
	for _, c := range b {
		if !isAlnum(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return len(b) > 0
}

// isHost reports whether b can be a host and a port: RFC 3986, section 3.2. It may be
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

// check returns why a header of a request of HTTP/1.minor must be refused, or nil. With
// two lengths, or a length and an encoding, somebody might take a part of the body for
// the next request.
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
