// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

const (
	maxParts   = 1024      // of a request
	maxRequest = 512 << 10 // bytes of all parts together
)

var (
	respLine = framer.Delimiter("\r\n").Limit(32)
	errRESP  = errors.New("bad request")
)

// respCount reads a line such as "*2" or "$5".
func respCount(c *framer.Conn, kind string, limit int64) (int64, error) {
	line, err := c.Next(respLine)
	if err != nil {
		return 0, err
	}
	digits, ok := strings.CutPrefix(string(line), kind)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || int64(n) > limit {
		return 0, errRESP
	}
	return int64(n), nil
}

// respRequest reads a request: an array of strings. It allocates nothing for what a
// count claims: append allocates for what has come.
func respRequest(c *framer.Conn) (parts []string, err error) {
	n, err := respCount(c, "*", maxParts)
	if err != nil {
		return nil, err // io.EOF here is an orderly end
	}
	defer func() {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // and here it is not
		}
	}()
	left := int64(maxRequest)
	for range n {
		size, err := respCount(c, "$", left)
		if err != nil {
			return nil, err
		}
		left -= size
		part, err := c.Next(framer.Length(size + 2)) // with its CRLF
		if err != nil {
			return nil, err
		}
		text, ok := strings.CutSuffix(string(part), "\r\n")
		if !ok {
			return nil, errRESP
		}
		parts = append(parts, text)
	}
	return parts, nil
}

func serveRESP(c *framer.Conn) error {
	for {
		parts, err := respRequest(c)
		switch {
		case errors.Is(err, errRESP):
			fmt.Fprint(c, "-ERR Protocol error\r\n")
			return err
		case err != nil:
			return err
		case len(parts) == 2 && parts[0] == "ECHO":
			fmt.Fprintf(c, "$%d\r\n%s\r\n", len(parts[1]), parts[1])
		case len(parts) == 1 && parts[0] == "PING":
			fmt.Fprint(c, "+PONG\r\n")
		default:
			fmt.Fprint(c, "-ERR unknown command\r\n")
		}
	}
}

func Example_resp() {
	newHandler := framer.Session(serveRESP)
	fmt.Print(framertest.Talk("*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n*1000000000\r\n", newHandler, nil))
	fmt.Print(framertest.Talk("*2\r\n$4\r\nECHO\r\n", newHandler, nil))            // half a request
	fmt.Print(framertest.Talk("*2\r\n$4\r\nECHO\r\n$524288\r\n", newHandler, nil)) // 4 bytes too many
	// Output:
	// "+PONG\r\n"
	// "$5\r\n"
	// "hello\r\n"
	// "-ERR Protocol error\r\n"
	// ended: bad request
	// ended: unexpected EOF
	// "-ERR Protocol error\r\n"
	// ended: bad request
}
