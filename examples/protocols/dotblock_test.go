// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"bytes"
	"fmt"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

var (
	mailCommand = framer.Delimiter("\r\n").Limit(510)
	mailText    = framer.DotBlock().Limit(20 << 20)
)

// serveMail receives a mail after DATA, and sends it back after RETR.
func serveMail(c *framer.Conn) error {
	var mail []byte
	for {
		line, err := c.Next(mailCommand)
		if err != nil {
			return err
		}
		switch string(line) {
		case "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			text, err := c.Next(mailText)
			if err != nil {
				return err
			}
			mail = bytes.Clone(text) // it is lent until the next call of Next
			fmt.Fprintf(c, "250 %d bytes\r\n", len(mail))
		case "RETR":
			fmt.Fprint(c, "+OK\r\n")
			if err := c.PushWithProducer(framer.NewDotProducer(bytes.NewReader(mail))); err != nil {
				return err
			}
		default:
			fmt.Fprint(c, "500 what?\r\n")
		}
	}
}

func Example_dotBlock() {
	fmt.Print(framertest.Talk("DATA\r\n.\r\nDATA\r\na line\r\n..profile\r\n.\r\nRETR\r\n", framer.Session(serveMail), nil))
	// Output:
	// "354 go on\r\n"
	// "250 0 bytes\r\n"
	// "354 go on\r\n"
	// "250 18 bytes\r\n"
	// "+OK\r\n"
	// "a line\r\n"
	// "..profile\r\n"
	// ".\r\n"
}
