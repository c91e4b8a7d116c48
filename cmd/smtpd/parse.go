// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// splitCommand returns the command of a line, in capitals, and its argument.
func splitCommand(line string) (verb, arg string) {
	verb, arg, _ = strings.Cut(line, " ")
	return strings.ToUpper(verb), strings.Trim(arg, " ")
}

// A syntaxError is the reply to a command that can't be read.
type syntaxError string

func (e syntaxError) Error() string { return string(e) }

// These are replies to MAIL and RCPT.
const (
	badAddress   syntaxError = "501 5.1.3 This is no address; an address is <name@domain>"
	needsUTF8    syntaxError = "553 5.6.7 An address in UTF-8 needs SMTPUTF8 in MAIL"
	badParameter syntaxError = "501 5.5.4 A parameter can't be read"
	unknownParam syntaxError = "555 5.5.4 A parameter is not known"
	badBody      syntaxError = "501 5.5.4 BODY is 7BIT or 8BITMIME"
	badSize      syntaxError = "501 5.5.4 SIZE is a number of bytes"
	tooLarge     syntaxError = "552 5.3.4 The mail is too large"
)

// cutPath cuts the path that follows name, as in "FROM:<joe@example.org> SIZE=7" (RFC
// 5321, section 4.1.2). It returns the address, without the angle brackets and without a
// source route. It ignores spaces before the path, which many clients send.
func cutPath(arg, name string) (address, rest string, ok bool) {
	if len(arg) < len(name) || !strings.EqualFold(arg[:len(name)], name) {
		return "", "", false
	}
	path := strings.TrimLeft(arg[len(name):], " ")
	end := endOfPath(path)
	if end < 0 {
		return "", "", false
	}
	address, rest = path[1:end], path[end+1:]
	if strings.HasPrefix(address, "@") {
		if _, address, ok = strings.Cut(address, ":"); !ok {
			return "", "", false
		}
	}
	return address, strings.TrimLeft(rest, " "), rest == "" || rest[0] == ' '
}

// endOfPath returns the index of the ">" that ends path, or -1.
func endOfPath(path string) int {
	if !strings.HasPrefix(path, "<") {
		return -1
	}
	quoted := false
	for i := 1; i < len(path); i++ {
		switch path[i] {
		case '"':
			quoted = !quoted
		case '\\':
			i++
		case '>':
			if !quoted {
				return i
			}
		}
	}
	return -1
}

// isMailbox reports whether address is a local part, which may be quoted, at a domain.
func isMailbox(address string) bool {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || !utf8.ValidString(address) {
		return false
	}
	name, domain := address[:at], address[at+1:]
	if !isDomain(domain) && !isLiteral(domain) {
		return false
	}
	if name[0] == '"' {
		return isQuoted(name)
	}
	return !strings.ContainsAny(name, ` ()<>[]\,;:@"`)
}

// isQuoted reports whether s as a whole is a quoted string.
func isQuoted(s string) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	inner := s[1 : len(s)-1]
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '"':
			return false
		case '\\':
			if i++; i == len(inner) {
				return false
			}
		}
	}
	return true
}

// isDomain reports whether s can be a domain name, in ASCII or UTF-8. It allows
// underscores: domain names have none, but the names of many machines do.
func isDomain(s string) bool {
	for _, label := range strings.Split(s, ".") {
		if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool {
			return r < utf8.RuneSelf && !isAlphanumeric(r) && r != '-' && r != '_'
		}) {
			return false
		}
	}
	return true
}

// isLiteral reports whether s looks like "[127.0.0.1]" or "[IPv6:::1]".
func isLiteral(s string) bool {
	return len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' &&
		!strings.ContainsFunc(s[1:len(s)-1], func(r rune) bool {
			return !isAlphanumeric(r) && !strings.ContainsRune(".:-", r)
		})
}

// isHostname reports whether s can be the argument of EHLO.
func isHostname(s string) bool { return isASCII(s) && (isDomain(s) || isLiteral(s)) }

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// hasControl reports whether line has an ASCII control character.
func hasControl(line string) bool {
	return strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// mailParams are the parameters of MAIL.
type mailParams struct {
	size int64
	utf8 bool
}

// parseMailParams reads the parameters of MAIL: SIZE (RFC 1870), BODY (RFC 6152),
// SMTPUTF8 (RFC 6531) and, if auth is set, AUTH (RFC 4954).
func parseMailParams(s string, auth bool) (p mailParams, err error) {
	seen := make(map[string]bool)
	for _, param := range strings.Fields(s) {
		key, value, hasValue := strings.Cut(param, "=")
		key = strings.ToUpper(key)
		if seen[key] || hasValue && value == "" || strings.Contains(value, "=") && key != "AUTH" {
			return p, badParameter
		}
		seen[key] = true
		switch {
		case key == "SIZE" && hasValue:
			if p.size, err = parseSize(value); err != nil {
				return p, err
			}
		case key == "BODY" && hasValue:
			if body := strings.ToUpper(value); body != "7BIT" && body != "8BITMIME" {
				return p, badBody
			}
		case key == "SMTPUTF8" && !hasValue:
			p.utf8 = true
		case key == "AUTH" && hasValue && auth: // the original sender; accepted and ignored
		default:
			return p, unknownParam
		}
	}
	return p, nil
}

// parseSize reads a number of at most 20 digits (RFC 1870, section 3).
func parseSize(s string) (int64, error) {
	if len(s) > 20 || strings.Trim(s, "0123456789") != "" {
		return 0, badSize
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, tooLarge // larger than any int64
	}
	return n, nil
}
