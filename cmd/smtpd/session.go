// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/goframer/framer"
)

// These are the limits of a session.
const (
	maxLine     = 512                // length of a command with its CRLF, in bytes (RFC 5321, section 4.5.3.1.4)
	maxMailLine = 512 + 26 + 17 + 10 // the same for MAIL, with SIZE, BODY and SMTPUTF8
	maxAuthLine = 12288              // the same for AUTH and its answers (RFC 4954, section 4)
	maxErrors   = 20                 // refused commands since the last mail
)

// A session is the conversation with one client.
type session struct {
	*framer.Conn
	server  *mailServer
	hello   string // the argument of EHLO or HELO; "" before that
	esmtp   bool   // the client has sent EHLO
	user    string // the name that AUTH has given
	mail    *envelope
	errors  int  // refused commands since the last mail
	over    bool // the last reply was sent
	closing bool // the server shuts down, but the client was not told yet
}

// serveConn serves one connection.
func (m *mailServer) serveConn(c *framer.Conn) error {
	s := &session{Conn: c, server: m}
	s.reply("220 " + m.hostname + " ESMTP framer smtpd, for development")
	for !s.over {
		line, err := s.readCommand()
		if err != nil {
			return s.explain(err)
		}
		if err := s.command(line); err != nil {
			return s.explain(err)
		}
		if s.errors >= maxErrors && !s.over {
			s.end("421 4.7.0 " + m.hostname + " too many errors")
		}
	}
	return nil
}

// reply sends a reply. Every line begins with the code at the beginning of text. If the
// reply can't be sent, the next read fails.
func (s *session) reply(text string, more ...string) {
	if text[0] >= '4' {
		s.server.log.Info("smtpd: refused", "remote", s.RemoteAddr(), "reply", text)
	}
	if text[0] == '5' {
		s.errors++
	}
	var b strings.Builder
	for _, next := range more {
		b.WriteString(text[:3] + "-" + text[4:] + "\r\n")
		text = text[:4] + next
	}
	b.WriteString(text + "\r\n")
	io.WriteString(s, b.String())
}

// end sends the last reply of the session.
func (s *session) end(text string) {
	s.reply(text)
	s.over = true
}

// explain tells the client why the connection ends, unless the client has ended it.
func (s *session) explain(err error) error {
	switch {
	case errors.Is(err, framer.ErrServerClosed):
		s.end("421 4.3.2 " + s.server.hostname + " is shutting down")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.end("421 4.4.2 " + s.server.hostname + " timeout exceeded")
	}
	return err
}

// readCommand returns the next line that is not too long. It returns "" if the session is
// over.
func (s *session) readCommand() (string, error) {
	for !s.over && s.errors < maxErrors {
		line, ok, err := s.readLine(s.lineLimit(""))
		if ok || err != nil {
			return line, err
		}
	}
	return "", nil
}

// lineEnd accepts a bare LF, too, so that readLine can refuse it.
var lineEnd = framer.AnyDelimiter("\r\n", "\n")

// readLine returns the next line. If the line is longer than limit bytes, readLine tells
// the client so, and ok is false. If the line does not end in CRLF, the session is over:
// other servers may have divided the input into other lines.
func (s *session) readLine(limit int) (line string, ok bool, err error) {
	msg, err := s.Next(lineEnd.Limit(int64(limit - len("\r\n"))))
	var tooLong *framer.MessageTooLongError
	switch {
	case errors.As(err, &tooLong):
		s.reply("500 5.5.2 The line is too long")
		return "", false, nil
	case err != nil:
		return "", false, err
	case s.Matched() != "\r\n" || strings.ContainsRune(string(msg), '\r'):
		s.end("521 5.5.2 A line ends in CRLF, not in a bare CR or LF (nc needs -C)")
		return "", false, nil
	}
	return string(msg), true, nil
}

// lineLimit returns the limit for a command line that begins with verb. For "" it returns
// the greatest of all limits.
func (s *session) lineLimit(verb string) int {
	switch {
	case s.server.auth && (verb == "AUTH" || verb == ""):
		return maxAuthLine
	case verb == "MAIL" || verb == "":
		return maxMailLine
	}
	return maxLine
}

// command carries out the command in line. An error comes from the connection, and ends
// the session.
func (s *session) command(line string) error {
	verb, arg := splitCommand(line)
	switch {
	case s.over || s.errors >= maxErrors:
		return nil
	case len(line)+len("\r\n") > s.lineLimit(verb):
		s.reply("500 5.5.2 The line is too long")
		return nil
	case hasControl(line):
		s.reply("500 5.5.2 A command has no control characters")
		return nil
	}
	switch verb {
	case "EHLO", "HELO":
		s.greet(verb, arg)
	case "MAIL":
		s.mailFrom(arg)
	case "RCPT":
		s.rcptTo(arg)
	case "DATA":
		return s.data(arg)
	case "RSET":
		s.withoutArg(arg, "250 2.0.0 OK", func() { s.mail = nil })
	case "NOOP":
		s.reply("250 2.0.0 OK")
	case "VRFY":
		s.verify(arg)
	case "HELP":
		s.reply("214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT" + s.moreCommands())
	case "QUIT":
		s.withoutArg(arg, "221 2.0.0 "+s.server.hostname+" closes the connection", func() { s.over = true })
	case "STARTTLS":
		return s.secure(arg)
	case "AUTH":
		return s.authenticate(arg)
	case "EXPN", "TURN", "ETRN", "BDAT", "BURL", "SEND", "SOML", "SAML":
		s.reply("502 5.5.1 The command is not implemented")
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "PRI":
		// A web page may make the browser send mail to this port, in the body of a
		// request.
		s.end("521 5.5.1 This is SMTP, not HTTP")
	default:
		s.reply("500 5.5.1 The command is not known")
	}
	return nil
}

// withoutArg calls f and replies with ok, if arg is empty.
func (s *session) withoutArg(arg, ok string, f func()) {
	if arg != "" {
		s.reply("501 5.5.4 The command has no argument")
		return
	}
	f()
	s.reply(ok)
}

// greet answers EHLO and HELO. It also ends the current transaction (RFC 5321, section
// 4.1.4).
func (s *session) greet(verb, name string) {
	if !isHostname(name) {
		s.reply("501 5.5.4 " + verb + " needs the name of the client or its address in brackets")
		return
	}
	s.hello, s.esmtp, s.mail = name, verb == "EHLO", nil
	if !s.esmtp {
		s.reply("250 " + s.server.hostname)
		return
	}
	extensions := []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"}
	if s.server.maxSize > 0 {
		extensions = append(extensions, fmt.Sprintf("SIZE %d", s.server.maxSize))
	} else {
		extensions = append(extensions, "SIZE")
	}
	if s.offersTLS() {
		extensions = append(extensions, "STARTTLS")
	}
	if s.server.auth {
		extensions = append(extensions, "AUTH PLAIN LOGIN")
	}
	s.reply("250 "+s.server.hostname, append(extensions, "HELP")...)
}

func (s *session) moreCommands() (more string) {
	if s.offersTLS() {
		more += " STARTTLS"
	}
	if s.server.auth {
		more += " AUTH"
	}
	return more
}

func (s *session) verify(arg string) {
	if arg == "" {
		s.reply("501 5.5.4 VRFY needs an address")
		return
	}
	s.reply("252 2.5.0 Nobody is known here; mail to everybody is accepted")
}

// underTLS reports whether the connection is encrypted.
func (s *session) underTLS() bool {
	_, ok := s.NetConn().(*tls.Conn)
	return ok
}

func (s *session) offersTLS() bool { return s.server.startTLS && !s.underTLS() }

// secure starts TLS. It forgets what the client has said before, because somebody else
// may have sent that (RFC 3207, section 4.2). It fails if bytes have come after STARTTLS
// in clear.
func (s *session) secure(arg string) error {
	switch {
	case arg != "":
		s.reply("501 5.5.4 STARTTLS has no argument")
		return nil
	case s.underTLS():
		s.reply("503 5.5.1 TLS is active")
		return nil
	case !s.server.startTLS:
		s.reply("502 5.5.1 TLS is not offered")
		return nil
	}
	s.reply("220 2.0.0 Go ahead")
	if err := s.StartTLS(tls.Server, s.server.tlsConfig); err != nil {
		return err
	}
	*s = session{Conn: s.Conn, server: s.server, errors: s.errors}
	return nil
}

// protocol returns the name of the protocol for the Received header (RFC 3848; RFC 6531,
// section 4.3).
func (s *session) protocol() string {
	if !s.esmtp {
		return "SMTP"
	}
	p := "ESMTP"
	if s.mail.utf8 {
		p = "UTF8SMTP"
	}
	if s.underTLS() {
		p += "S"
	}
	if s.user != "" {
		p += "A"
	}
	return p
}

// peer returns the address of the client without its port.
func (s *session) peer() string {
	addr := s.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
