// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"encoding/base64"
	"strings"
)

// authenticate accepts every user, by PLAIN (RFC 4616) or LOGIN, and keeps the name. It
// ignores the password.
func (s *session) authenticate(arg string) error {
	mechanism, initial, _ := strings.Cut(arg, " ")
	switch {
	case !s.server.auth:
		s.reply("502 5.5.1 AUTH is not offered")
		return nil
	case s.hello == "":
		s.reply("503 5.5.1 EHLO comes first")
		return nil
	case s.user != "" || s.mail != nil:
		s.reply("503 5.5.1 AUTH comes once, and before MAIL")
		return nil
	}
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		return s.authPlain(initial)
	case "LOGIN":
		return s.authLogin(initial)
	}
	s.reply("504 5.5.4 The mechanism is not known")
	return nil
}

// authPlain reads "\x00name\x00password". Another name may come before the first zero
// byte.
func (s *session) authPlain(initial string) error {
	answer, ok, err := s.challenge("", initial)
	if !ok {
		return err
	}
	parts := strings.Split(answer, "\x00")
	if len(parts) != 3 {
		s.reply("501 5.5.2 PLAIN is a NUL, the name, a NUL and the password")
		return nil
	}
	s.accept(parts[1])
	return nil
}

func (s *session) authLogin(initial string) error {
	name, ok, err := s.challenge("Username:", initial)
	if !ok {
		return err
	}
	if _, ok, err := s.challenge("Password:", ""); !ok {
		return err
	}
	s.accept(name)
	return nil
}

// challenge returns the client's answer to text. If the answer came with the command, it
// is initial. If ok is false, the client has been told why, or err is not nil.
func (s *session) challenge(text, initial string) (answer string, ok bool, err error) {
	if initial == "" {
		s.reply("334 " + base64.StdEncoding.EncodeToString([]byte(text)))
		if initial, ok, err = s.readLine(maxAuthLine); !ok {
			return "", false, err
		}
	}
	switch initial {
	case "*":
		s.reply("501 5.7.0 AUTH is cancelled")
		return "", false, nil
	case "=":
		return "", true, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(initial)
	if err != nil {
		s.reply("501 5.5.2 The answer is not in base64")
		return "", false, nil
	}
	return string(decoded), true, nil
}

func (s *session) accept(user string) {
	if user == "" {
		s.reply("535 5.7.8 The name is empty")
		return
	}
	s.user = user
	s.reply("235 2.7.0 Accepted, as everybody is")
	s.server.log.Info("smtpd: authenticated", "remote", s.RemoteAddr(), "user", user)
}
