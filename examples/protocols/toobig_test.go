// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

const maxJob = 10 // bytes

var (
	putLine = framer.Delimiter("\r\n").Limit(224)
	errPut  = errors.New("not put <bytes>")
)

// A putter receives "put <bytes>" and that many bytes, with a CRLF after them.
type putter struct {
	*framer.Conn
	framer.Collector
	data bool // the message is data, not a command
	drop bool // the data is too big
}

func newPutter(c *framer.Conn) framer.Handler {
	c.SetTerminator(putLine)
	return &putter{Conn: c}
}

func (h *putter) CollectIncomingData(data []byte) error {
	if h.drop {
		return nil
	}
	return h.Collector.CollectIncomingData(data)
}

func (h *putter) FoundTerminator() error {
	text := string(h.Take())
	if !h.data {
		return h.put(text)
	}
	if h.drop {
		fmt.Fprint(h, "JOB_TOO_BIG\r\n")
	} else {
		fmt.Fprintf(h, "INSERTED %q\r\n", strings.TrimSuffix(text, "\r\n"))
	}
	h.data, h.drop = false, false
	return h.SetTerminator(putLine)
}

func (h *putter) put(line string) error {
	digits, ok := strings.CutPrefix(line, "put ")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil {
		return errPut
	}
	h.data, h.drop = true, n > maxJob
	return h.SetTerminator(framer.Length(int64(n) + 2).Limit(-1)) // put has checked n itself
}

func Example_tooBig() {
	large := strings.Repeat("x", 2<<20) // more than MaxMessageSize
	fmt.Print(framertest.Talk("put 5\r\nhello\r\nput 2097152\r\n"+large+"\r\nput 3\r\nbye\r\n", newPutter, nil))
	// Output:
	// "INSERTED \"hello\"\r\n"
	// "JOB_TOO_BIG\r\n"
	// "INSERTED \"bye\"\r\n"
}
