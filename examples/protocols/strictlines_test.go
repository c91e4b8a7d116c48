// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// strictLine finds both line ends, so that newStrict can refuse the wrong one at once.
var strictLine = framer.AnyDelimiter("\r\n", "\n").Limit(510)

var errBareLF = errors.New("a line ended in a bare LF")

func newStrict(c *framer.Conn) framer.Handler {
	return framer.Messages(strictLine, func(c *framer.Conn, line []byte) error {
		if c.Matched() != "\r\n" {
			fmt.Fprint(c, "500 5.5.2 bare LF refused\r\n")
			return errBareLF // the answer is sent, then the connection ends
		}
		_, err := fmt.Fprintf(c, "250 %s\r\n", line)
		return err
	})(c)
}

func Example_strictLines() {
	fmt.Print(framertest.Talk("HELO example.com\r\nNOOP\nQUIT\r\n", newStrict, nil))
	// Output:
	// "250 HELO example.com\r\n"
	// "500 5.5.2 bare LF refused\r\n"
	// ended: a line ended in a bare LF
}
