// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/goframer/framer"
)

// An envelope is what is known of a mail in addition to its text.
type envelope struct {
	from       string
	to         []string
	utf8       bool // the addresses may contain UTF-8
	peer       string
	hello      string
	protocol   string
	by         string // the name of this server
	receivedAt time.Time
}

// header returns the lines that final delivery adds at the beginning of a mail (RFC 5321,
// section 4.4). id is the name of the mail on this server.
func (e *envelope) header(id string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Return-Path: <%s>\r\n", e.from)
	for _, to := range e.to {
		fmt.Fprintf(&b, "Delivered-To: %s\r\n", to)
	}
	fmt.Fprintf(&b, "Received: from %s (%s)\r\n\tby %s with %s id %s;\r\n\t%s\r\n",
		e.hello, literal(e.peer), e.by, e.protocol, id, e.receivedAt.Format(time.RFC1123Z))
	return b.String()
}

// literal returns the address of a peer as it is written in headers (RFC 5321, section
// 4.1.3).
func literal(peer string) string {
	if addr, err := netip.ParseAddr(peer); err == nil && addr.Is6() {
		return "[IPv6:" + peer + "]"
	}
	return "[" + peer + "]"
}

func (s *session) mailFrom(arg string) {
	address, rest, ok := cutPath(arg, "FROM:")
	params, err := parseMailParams(rest, s.server.auth)
	limit := s.server.maxSize
	switch {
	case s.hello == "":
		s.reply("503 5.5.1 EHLO or HELO comes first")
	case s.mail != nil:
		s.reply("503 5.5.1 There is a MAIL already; RSET forgets it")
	case !ok:
		s.reply("501 5.5.4 The syntax is MAIL FROM:<address>")
	case rest != "" && !s.esmtp:
		s.reply(unknownParam.Error())
	case err != nil:
		s.reply(err.Error())
	case address != "" && !isMailbox(address):
		s.reply(badAddress.Error())
	case !params.utf8 && !isASCII(address):
		s.reply(needsUTF8.Error())
	case limit > 0 && params.size > limit:
		s.reply(tooLarge.Error())
	default:
		s.mail = &envelope{from: address, utf8: params.utf8}
		s.reply("250 2.1.0 OK")
	}
}

func (s *session) rcptTo(arg string) {
	address, rest, ok := cutPath(arg, "TO:")
	limit := s.server.maxRecipients
	switch {
	case s.mail == nil:
		s.reply("503 5.5.1 MAIL comes first")
	case !ok:
		s.reply("501 5.5.4 The syntax is RCPT TO:<address>")
	case rest != "":
		s.reply(unknownParam.Error())
	case !isMailbox(address) && !strings.EqualFold(address, "postmaster"):
		s.reply(badAddress.Error())
	case !s.mail.utf8 && !isASCII(address):
		s.reply(needsUTF8.Error())
	case limit > 0 && len(s.mail.to) >= limit:
		s.reply("452 4.5.3 Too many recipients")
	default:
		s.mail.to = append(s.mail.to, address)
		s.reply("250 2.1.5 OK")
	}
}

// data receives a mail.
func (s *session) data(arg string) error {
	switch {
	case arg != "":
		s.reply("501 5.5.4 DATA has no argument")
		return nil
	case s.mail == nil:
		s.reply("503 5.5.1 MAIL comes first")
		return nil
	case len(s.mail.to) == 0:
		s.reply("503 5.5.1 There are no recipients; RCPT comes first")
		return nil
	}
	e := s.mail
	e.peer, e.hello, e.protocol, e.by = s.peer(), s.hello, s.protocol(), s.server.hostname
	e.receivedAt = time.Now()
	s.mail = nil
	draft, err := s.server.store.begin(e)
	if err != nil {
		s.refuseToStore(err)
		return nil
	}
	s.reply("354 The mail ends with <CRLF>.<CRLF>")
	w := &mailWriter{w: draft}
	err = s.copyMail(w)
	if err == nil && w.err == nil {
		w.err = draft.commit()
	} else {
		draft.discard()
	}
	return s.answerMail(e, w, draft.id(), err)
}

// copyMail copies the text of a mail to w, under the limits for mails. If the server
// shuts down before the text has begun, copyMail still receives all of it.
func (s *session) copyMail(w io.Writer) error {
	cfg := s.Config()
	defer s.SetConfig(cfg)
	cfg.MessageTimeout = s.server.dataTimeout
	s.SetConfig(cfg)
	block := framer.DotBlock().Limit(-1)
	if s.server.maxSize > 0 {
		block = framer.DotBlock().Limit(s.server.maxSize)
	}
	text, err := s.NextReader(block)
	if errors.Is(err, framer.ErrServerClosed) {
		s.closing = true
		text, err = s.NextReader(block)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(w, text)
	if tooLong := (*framer.MessageTooLongError)(nil); errors.As(err, &tooLong) {
		if _, skipErr := s.Next(framer.Length(0)); skipErr != nil { // skips the rest of the mail, and reads nothing after it
			return skipErr
		}
	}
	return err
}

// answerMail replies to a mail. err is the result of reading the mail. The result of
// writing it is in w.
func (s *session) answerMail(e *envelope, w *mailWriter, id string, err error) error {
	var tooLong *framer.MessageTooLongError
	switch {
	case errors.Is(err, errBareLineEnd):
		s.server.log.Info("smtpd: mail refused", "remote", s.RemoteAddr(), "error", err)
		s.end("521 5.6.0 A line of the mail ends in a bare CR or LF, not in CRLF")
	case errors.As(err, &tooLong):
		s.reply(tooLarge.Error())
	case err != nil:
		return err
	case w.err != nil:
		s.refuseToStore(w.err)
	default:
		s.errors = 0
		s.reply("250 2.0.0 OK " + id)
		s.server.log.Info("smtpd: mail accepted", "remote", s.RemoteAddr(), "from", e.from,
			"recipients", len(e.to), "bytes", w.size, "longest line", w.longest+len("\r\n"), "id", id)
	}
	if s.closing && !s.over {
		return framer.ErrServerClosed
	}
	return nil
}

// refuseToStore tells the client that the mail can't be kept, and that it may try again.
func (s *session) refuseToStore(err error) {
	s.server.log.Warn("smtpd: mail can't be stored", "remote", s.RemoteAddr(), "error", err)
	s.reply("452 4.3.1 The mail can't be stored")
}

// errBareLineEnd is the error for a mail in which a CR or LF is not part of a CRLF. Other
// servers may take it for the end of a line, and find a second mail in the text.
// Attackers smuggle mails that way (CVE-2023-51764).
var errBareLineEnd = errors.New("a line ends in a bare CR or LF (curl needs --crlf)")

// A mailWriter passes the text of a mail to w, if all lines end in CRLF.
type mailWriter struct {
	w       io.Writer
	err     error // the error of w; after it, the rest of the text is dropped
	size    int64
	line    int // length of the current line so far, in bytes
	longest int // length of the longest line without its CRLF, in bytes
	cr      bool
}

func (m *mailWriter) Write(text []byte) (int, error) {
	for _, b := range text {
		switch {
		case m.cr != (b == '\n'):
			return 0, errBareLineEnd
		case b == '\n':
			m.longest = max(m.longest, m.line)
			m.line = 0
		case b != '\r':
			m.line++
		}
		m.cr = b == '\r'
	}
	m.size += int64(len(text))
	if m.err == nil {
		_, m.err = m.w.Write(text)
	}
	return len(text), nil
}
