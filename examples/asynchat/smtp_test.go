// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package asynchat_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// serveSMTP is the conversation of an SMTP server with one client. It leaves out most of
// the checks of RFC 5321; cmd/smtpd has them.
func serveSMTP(c *framer.Conn) error {
	var from string
	var to []string
	fmt.Fprint(c, "220 example.com\r\n")
	for {
		line, err := c.Next(framer.Delimiter("\r\n").Limit(510))
		if err != nil {
			var long *framer.MessageTooLongError
			if errors.As(err, &long) {
				fmt.Fprint(c, "500 the line is too long\r\n")
				continue // with the next line
			}
			return err // io.EOF, for instance: an orderly end
		}
		verb, arg, _ := strings.Cut(string(line), " ") // a copy: line is lent
		switch strings.ToUpper(verb) {
		case "HELO":
			fmt.Fprint(c, "250 example.com\r\n")
		case "MAIL":
			from, to = strings.TrimPrefix(arg, "FROM:"), nil
			fmt.Fprint(c, "250 OK\r\n")
		case "RCPT":
			to = append(to, strings.TrimPrefix(arg, "TO:"))
			fmt.Fprint(c, "250 OK\r\n")
		case "DATA":
			fmt.Fprint(c, "354 end with a lone dot\r\n")
			text, err := c.Next(framer.DotBlock()) // without the lone dot, dots unstuffed
			if err != nil {
				return err
			}
			fmt.Printf("mail from %s to %s: %q\n", from, to, text)
			fmt.Fprint(c, "250 OK\r\n")
		case "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return nil // what was written is sent, then the connection is closed
		default:
			fmt.Fprint(c, "500 unknown command\r\n")
		}
	}
}

// A mail, and a mail without text.
func Example_smtp() {
	fmt.Print(framertest.Talk("HELO me\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n"+
		"DATA\r\nHello,\r\n..world\r\n.\r\nDATA\r\n.\r\nQUIT\r\n", framer.Session(serveSMTP), nil))
	// Output:
	// mail from <a@example.com> to [<b@example.com>]: "Hello,\r\n.world\r\n"
	// mail from <a@example.com> to [<b@example.com>]: ""
	// "220 example.com\r\n"
	// "250 example.com\r\n"
	// "250 OK\r\n"
	// "250 OK\r\n"
	// "354 end with a lone dot\r\n"
	// "250 OK\r\n"
	// "354 end with a lone dot\r\n"
	// "250 OK\r\n"
	// "221 bye\r\n"
}
