// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"fmt"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// This Terminator is made once and used for all connections.
var lenientLine = framer.AnyDelimiter("\r\n", "\n").Limit(510)

var newLenient = framer.Messages(lenientLine, func(c *framer.Conn, line []byte) error {
	_, err := fmt.Fprintf(c, "you said %q\r\n", line)
	return err
})

func Example_lenientLines() {
	fmt.Print(framertest.Talk("from Windows\r\nfrom Unix\n\n", newLenient, nil))
	// Output:
	// "you said \"from Windows\"\r\n"
	// "you said \"from Unix\"\r\n"
	// "you said \"\"\r\n"
}
