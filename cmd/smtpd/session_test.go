// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// converse returns the replies of a server to in, and the mails that it keeps.
func converse(t testing.TB, in io.Reader, prepare func(*recorder), args ...string) (output string, mails []recorded) {
	t.Helper()
	m, store := newTestServer(t, args...)
	if prepare != nil {
		prepare(store)
	}
	cfg := m.newServer().Config
	cfg.ReadBufferSize = 256 // Recut overwrites the whole buffer at every read, so it is small
	transcript := framertest.Transcript(framer.Session(m.serveConn), &cfg)(in)
	for line := range strings.Lines(transcript) {
		if sent, ok := strings.CutPrefix(line, "sent "); ok {
			if _, err := fmt.Sscanf(sent, "%q", &output); err != nil {
				t.Fatal(err)
			}
		}
	}
	return output, store.kept(t)
}

// begin is the conversation before the text of a mail.
const (
	hello = "EHLO client\r\n"
	begin = hello + "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"

	helloCodes = "220 250 "
	beginCodes = helloCodes + "250 250 354 "
)

// Each script is what a client sends, with the codes of the replies, from the greeting
// on. text has the texts of the mails that are kept.
var scripts = []struct {
	name, script, codes string
	text                []string
	args                []string
}{
	{name: "nothing", codes: "220"},
	{name: "quit", script: "QUIT\r\n", codes: "220 221"},
	{name: "nothing behind quit", script: "QUIT\r\nNOOP\r\n", codes: "220 221"},
	{name: "mail", script: begin + "Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n", codes: beginCodes + "250 221", text: []string{"Subject: x\r\n\r\nhi\r\n"}},
	{name: "two mails", script: begin + "1\r\n.\r\n" + begin[len(hello):] + "2\r\n.\r\n", codes: beginCodes + "250 250 250 354 250", text: []string{"1\r\n", "2\r\n"}},
	{name: "dots", script: begin + "..\r\n...\r\n..x\r\n.x\r\nx.\r\n.\r\n", codes: beginCodes + "250", text: []string{".\r\n..\r\n.x\r\nx\r\nx.\r\n"}},
	{name: "empty mail", script: begin + ".\r\nNOOP\r\n", codes: beginCodes + "250 250", text: []string{""}},
	{name: "empty line", script: begin + "\r\n.\r\n", codes: beginCodes + "250", text: []string{"\r\n"}},
	{name: "long text line", script: begin + strings.Repeat("x", 2100) + "\r\n.\r\n", codes: beginCodes + "250", text: []string{strings.Repeat("x", 2100) + "\r\n"}},
	{name: "8 bits", script: begin + "\xff\x00\x1b\r\n.\r\n", codes: beginCodes + "250", text: []string{"\xff\x00\x1b\r\n"}},
	{name: "end within mail", script: begin + "hi\r\n.\r", codes: strings.TrimSpace(beginCodes)},
	{name: "end before mail", script: begin, codes: strings.TrimSpace(beginCodes)},
	{name: "end within command", script: "NOO", codes: "220"},

	{name: "helo", script: "helo client\r\nmail from:<>\r\nrcpt to:<PostMaster>\r\ndata\r\n.\r\n", codes: helloCodes + "250 250 354 250", text: []string{""}},
	{name: "bad hello", script: "EHLO\r\nEHLO a b\r\nHELO <x>\r\nEHLO \xc3\xa4\r\nEHLO -\r\nEHLO [127.0.0.1]\r\nEHLO [IPv6:::1]\r\n", codes: "220 501 501 501 501 501 250 250"},
	{name: "order", script: "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nEHLO x\r\nRCPT TO:<a@b>\r\nMAIL FROM:<>\r\nDATA\r\nMAIL FROM:<>\r\n", codes: "220 503 503 503 250 503 250 503 503"},
	{name: "hello forgets", script: hello + "MAIL FROM:<>\r\n" + hello + "RCPT TO:<a@b>\r\n", codes: "220 250 250 250 503"},
	{name: "rset forgets", script: hello + "MAIL FROM:<>\r\nRSET\r\nRCPT TO:<a@b>\r\nRSET x\r\n", codes: "220 250 250 250 503 501"},
	{name: "data forgets", script: begin + ".\r\nDATA\r\n", codes: beginCodes + "250 503", text: []string{""}},
	{name: "others", script: "NOOP\r\nnoop x\r\nVRFY a\r\nVRFY\r\nEXPN a\r\nHELP\r\nHELP MAIL\r\nBDAT 2\r\nWHAT\r\n\r\nQUIT x\r\n", codes: "220 250 250 252 501 502 214 214 502 500 500 501"},
	{name: "spaces", script: hello + "MAIL FROM: <a@x> \r\nRCPT TO:  <b@y>\r\nNOOP \r\n", codes: helloCodes + "250 250 250"},
	{name: "control character", script: "NOOP \x00\r\nNOOP \x1b[31m\r\nNOOP \t\r\n", codes: "220 500 500 500"},
	{name: "addresses", script: hello + addresses, codes: helloCodes + strings.Repeat("250 250 ", 6) + "250"},
	{name: "bad addresses", script: hello + badAddresses, codes: helloCodes + strings.TrimSuffix(strings.Repeat("501 ", strings.Count(badAddresses, "\r\n")), " ")},
	{name: "too many errors", script: strings.Repeat("WHAT\r\n", 30), codes: "220" + strings.Repeat(" 500", maxErrors) + " 421"},
	{name: "a long line too many", script: strings.Repeat("WHAT\r\n", 19) + strings.Repeat(strings.Repeat("x", 564)+"\r\n", 3), codes: "220" + strings.Repeat(" 500", maxErrors) + " 421"},
	{name: "a mail forgives errors", script: hello + strings.Repeat("WHAT\r\n", 19) + begin + ".\r\n" + strings.Repeat("WHAT\r\n", 19), codes: helloCodes + strings.Repeat("500 ", 19) + beginCodes[4:] + "250" + strings.Repeat(" 500", 19), text: []string{""}},
	{name: "HTTP", script: "POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\n", codes: "220 521"},
	{name: "TLS not here", script: "STARTTLS\r\n", codes: "220 502"},
	{name: "STARTTLS with argument", script: "STARTTLS now\r\n", codes: "220 501", args: []string{"-starttls"}},

	{name: "command of 512 bytes", script: "NOOP " + strings.Repeat("x", 505) + "\r\nNOOP\r\n", codes: "220 250 250"},
	{name: "command of 513 bytes", script: "NOOP " + strings.Repeat("x", 506) + "\r\nNOOP\r\n", codes: "220 500 250"},
	{name: "command of 2100 bytes", script: "NOOP " + strings.Repeat("x", 2100) + "\r\nNOOP\r\n", codes: "220 500 250"},
	{name: "long MAIL", script: hello + "MAIL FROM:<" + strings.Repeat("x", 512) + "@y> SIZE=1 SMTPUTF8\r\n", codes: helloCodes + "250"},

	{name: "mail of the greatest size", script: begin + "..234567\r\n.\r\nNOOP\r\n", codes: beginCodes + "250 250", text: []string{".234567\r\n"}, args: []string{"-max-size", "9"}},
	{name: "too large", script: begin + "12345678\r\n.\r\nNOOP\r\nDATA\r\n", codes: beginCodes + "552 250 503", args: []string{"-max-size", "9"}},
	{name: "much too large", script: begin + strings.Repeat("12345678\r\n..\r\n", 30) + ".\r\nNOOP\r\n", codes: beginCodes + "552 250", args: []string{"-max-size", "9"}},
	{name: "end in a large mail", script: begin + "1234567890\r\n.", codes: strings.TrimSpace(beginCodes), args: []string{"-max-size", "9"}},
	{name: "no limit", script: begin + strings.Repeat("x", 2100) + "\r\n.\r\n", codes: beginCodes + "250", text: []string{strings.Repeat("x", 2100) + "\r\n"}, args: []string{"-max-size", "0"}},
	{name: "SIZE", script: hello + "MAIL FROM:<> SIZE=10\r\nMAIL FROM:<> SIZE=99999999999999999999\r\nMAIL FROM:<> SIZE=999999999999999999999\r\nMAIL FROM:<> SIZE=-1\r\nMAIL FROM:<> SIZE=\r\nMAIL FROM:<> SIZE\r\nMAIL FROM:<> SIZE=9\r\n", codes: helloCodes + "552 552 501 501 501 555 250", args: []string{"-max-size", "9"}},
	{name: "parameters", script: hello + "MAIL FROM:<> BODY=9BIT\r\nMAIL FROM:<> SIZE=1 SIZE=1\r\nMAIL FROM:<> RET=HDRS\r\nMAIL FROM:<>SIZE=1\r\nMAIL FROM:<> AUTH=<>\r\nMAIL FROM:<> body=8bitmime size=1 smtputf8\r\nRCPT TO:<a@b> NOTIFY=NEVER\r\n", codes: helloCodes + "501 501 555 501 555 250 555"},
	{name: "parameters after HELO", script: "HELO x\r\nMAIL FROM:<> SIZE=1\r\n", codes: helloCodes + "555"},
	{name: "UTF-8", script: hello + "MAIL FROM:<ä@x>\r\nMAIL FROM:<a@ä> SMTPUTF8\r\nRCPT TO:<ü@ö.example>\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<ü@ö>\r\n", codes: helloCodes + "553 250 250 250 250 553"},
	{name: "recipients", script: hello + "MAIL FROM:<>\r\n" + strings.Repeat("RCPT TO:<a@b>\r\n", 3) + "DATA\r\n.\r\n", codes: helloCodes + "250 250 250 452 354 250", text: []string{""}, args: []string{"-max-recipients", "2"}},

	{name: "AUTH not here", script: hello + "AUTH PLAIN AGEAYg==\r\n", codes: helloCodes + "502"},
	{name: "AUTH", script: "AUTH PLAIN AGEAYg==\r\n" + hello + "AUTH\r\nAUTH CRAM-MD5\r\nAUTH PLAIN AGE=\r\nAUTH PLAIN !\r\nAUTH PLAIN =\r\nAUTH PLAIN AABi\r\nAUTH PLAIN\r\n*\r\nAUTH LOGIN\r\nYQ==\r\n*\r\nAUTH PLAIN AGEAYg==\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<> AUTH=a=b\r\n", codes: "220 503 250 504 504 501 501 501 535 334 501 334 334 501 235 503 250", args: []string{"-auth"}},
	{name: "AUTH LOGIN", script: hello + "auth login\r\nYQ==\r\nYg==\r\n", codes: helloCodes + "334 334 235", args: []string{"-auth"}},
	{name: "AUTH with a long answer", script: hello + "AUTH LOGIN YQ==\r\n" + strings.Repeat("YWFh", 600) + "\r\nNOOP " + strings.Repeat("x", 600) + "\r\n", codes: helloCodes + "334 235 500", args: []string{"-auth"}},
	{name: "AUTH with an answer that is too long", script: hello + "AUTH LOGIN YQ==\r\n" + strings.Repeat("YWFh", 6000) + "\r\nNOOP\r\n", codes: helloCodes + "334 500 250", args: []string{"-auth"}},
	{name: "end in AUTH", script: hello + "AUTH LOGIN\r\n", codes: helloCodes + "334", args: []string{"-auth"}},
}

// addresses are valid, two in each transaction.
const addresses = "MAIL FROM:<a.b+c@x-1.example>\r\nRSET\r\n" +
	"MAIL FROM:<\"a b>\\\"@\"@x>\r\nRSET\r\n" +
	"MAIL FROM:<@x,@y:a@z>\r\nRSET\r\n" +
	"MAIL FROM:<a@[127.0.0.1]>\r\nRSET\r\n" +
	"MAIL FROM:<a@[IPv6:::1]>\r\nRSET\r\n" +
	"MAIL FROM:<a_b@under_score>\r\nRSET\r\n" +
	"MAIL FROM:<o'neil=x@y>\r\n"

const badAddresses = "MAIL FROM:<a>\r\n" +
	"MAIL FROM:<@b>\r\n" +
	"MAIL FROM:<a@>\r\n" +
	"MAIL FROM:<a@b\r\n" +
	"MAIL FROM:<a@b>>\r\n" +
	"MAIL FROM:a@b\r\n" +
	"MAIL FROM:\r\n" +
	"MAIL\r\n" +
	"MAIL TO:<a@b>\r\n" +
	"MAIL FROM:<a b@c>\r\n" +
	"MAIL FROM:<a@b@c>\r\n" +
	"MAIL FROM:<a@b c>\r\n" +
	"MAIL FROM:<a@b..c>\r\n" +
	"MAIL FROM:<\"a@b>\r\n" +
	"MAIL FROM:<\"a\"b\"@c>\r\n" +
	"MAIL FROM:<postmaster>\r\n" +
	"MAIL FROM:<\xff@b>\r\n" +
	"MAIL FROM:<a@b> =\r\n"

// The replies are those of the table, however the input is cut.
func TestScripts(t *testing.T) {
	for _, test := range scripts {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			framertest.Recut(t, []byte(test.script), func(in io.Reader) string {
				output, mails := converse(t, in, nil, test.args...)
				got := codes(t, output)
				for _, mail := range mails {
					got += fmt.Sprintf(" %q", mail.text)
				}
				want := test.codes
				for _, text := range test.text {
					want += fmt.Sprintf(" %q", text)
				}
				if got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				return output
			})
		})
	}
}

// Only CRLF.CRLF ends a mail. If a mail contains something that other servers take for
// the end, with commands after it, the mail is refused and the connection closed. Nothing
// of the mail is kept, and none of the commands is executed.
func TestSmuggling(t *testing.T) {
	ends := []string{"\n", "\r", "\r\n", "\n\n", "\r\r", "\n\r", "\r\r\n", "\r\n\n", "\r\n\r"}
	for _, before := range ends {
		for _, after := range ends {
			if before == "\r\n" && strings.HasPrefix(after, "\r\n") {
				continue // this is a real end
			}
			end := before + "." + after
			t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
				t.Parallel()
				script := "1" + end + "NOOP\r\n.\r\n"
				framertest.Recut(t, []byte(script), func(in io.Reader) string {
					output, mails := converse(t, io.MultiReader(strings.NewReader(begin), in), nil)
					if got := codes(t, output); got != beginCodes+"521" || len(mails) > 0 {
						t.Errorf("got %s and mails %v, want %s521 and none", got, mails, beginCodes)
					}
					return output
				})
			})
		}
	}
	for _, command := range []string{"NOOP\n", "NOOP\r", "NO\rOP", "\n", "NOOP\r\r\n", "\nNOOP"} {
		t.Run(fmt.Sprintf("%q", command), func(t *testing.T) {
			framertest.Recut(t, []byte(hello+command+"\r\nNOOP\r\n"), func(in io.Reader) string {
				output, _ := converse(t, in, nil)
				if got := codes(t, output); got != helloCodes+"521" {
					t.Errorf("got %s, want %s521", got, helloCodes)
				}
				return output
			})
		})
	}
}

// A mail that can't be stored is refused. That does not affect the next mail.
func TestStoreFails(t *testing.T) {
	full := errors.New("no space left on device")
	for name, test := range map[string]struct {
		prepare func(*recorder)
		want    string
	}{
		"begin":  {func(r *recorder) { r.beginErr = full }, helloCodes + "250 250 452 250"},
		"write":  {func(r *recorder) { r.writeErr = full }, beginCodes + "452 250"},
		"commit": {func(r *recorder) { r.commitErr = full }, beginCodes + "452 250"},
	} {
		script := begin + "1\r\n2\r\n.\r\nNOOP\r\n"
		if name == "begin" {
			script = begin + "NOOP\r\n"
		}
		framertest.Recut(t, []byte(script), func(in io.Reader) string {
			output, mails := converse(t, in, test.prepare)
			if got := codes(t, output); got != test.want || len(mails) > 0 {
				t.Errorf("%s: got %s and mails %v, want %s and none", name, got, mails, test.want)
			}
			return output
		})
	}
}

func TestEnvelope(t *testing.T) {
	_, mails := converse(t, strings.NewReader("EHLO client\r\nMAIL FROM:<ä@x> SMTPUTF8\r\nRCPT TO:<b@y>\r\nRCPT TO:<@r:c@z>\r\nDATA\r\n.\r\n"), nil)
	if len(mails) != 1 {
		t.Fatalf("got mails %v, want one", mails)
	}
	mails[0].peer = "::1"
	header := mails[0].header("ID")
	_, date, _ := strings.Cut(header, ";\r\n\t")
	want := "Return-Path: <ä@x>\r\nDelivered-To: b@y\r\nDelivered-To: c@z\r\n" +
		"Received: from client ([IPv6:::1])\r\n\tby mx with UTF8SMTP id ID;\r\n\t" + date
	if header != want {
		t.Errorf("got header\n%s\nwant\n%s", header, want)
	}
}

// Whatever a client sends, the output is a sequence of replies. It is the same however
// the input is cut.
func FuzzSession(f *testing.F) {
	for _, test := range scripts {
		if len(test.script) < 1000 {
			f.Add(test.script)
		}
	}
	f.Fuzz(func(t *testing.T, script string) {
		whole, _ := converse(t, strings.NewReader(script), nil, "-auth", "-max-size", "100")
		codes(t, whole)
		bytewise, _ := converse(t, iotest.OneByteReader(strings.NewReader(script)), nil, "-auth", "-max-size", "100")
		if whole != bytewise {
			t.Errorf("got %q for single bytes, and %q for the whole", bytewise, whole)
		}
	})
}
