// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

var (
	netstringLength = framer.Delimiter(":").Limit(7) // digits
	errNetstring    = errors.New("bad netstring")
)

// nextNetstring returns the next netstring. It is lent until the next call.
// r is a *framer.Conn in a Session, or a *framer.Framer.
func nextNetstring(r interface {
	Next(framer.Terminator) ([]byte, error)
}) ([]byte, error) {
	digits, err := r.Next(netstringLength)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(string(digits), 10, 32) // takes no sign
	if err != nil || len(digits) > 1 && digits[0] == '0' {
		return nil, errNetstring
	}
	text, err := r.Next(framer.Length(int64(n) + 1)) // with the comma
	if err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if text[n] != ',' {
		return nil, errNetstring
	}
	return text[:n], nil
}

// echoNetstrings sends every netstring back.
func echoNetstrings(c *framer.Conn) error {
	for {
		text, err := nextNetstring(c)
		if err != nil {
			return err
		}
		fmt.Fprintf(c, "%d:%s,", len(text), text)
	}
}

func Example_netstrings() {
	fmt.Print(framertest.Talk("5:hello,0:,3:a,b,", framer.Session(echoNetstrings), nil))
	fmt.Print(framertest.Talk("1:a,05:hello,", framer.Session(echoNetstrings), nil))
	fmt.Print(framertest.Talk("5:", framer.Session(echoNetstrings), nil))
	// Output:
	// "5:hello,0:,3:a,b,"
	// "1:a,"
	// ended: bad netstring
	// ended: unexpected EOF
}
