// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package serverside

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// Stored answers a payload in the protocol "set".
	Stored = "OK\r\n"

	// MaxMessage is the greatest message, in bytes, that servers with a limit
	// are to accept.
	MaxMessage = 64 << 20
)

// PayloadSize returns the n of the command line "SET n", without its CRLF.
func PayloadSize(line []byte) (int, error) {
	// A conversion of a few bytes that do not escape allocates nothing.
	digits, ok := strings.CutPrefix(string(line), "SET ")
	if !ok {
		return 0, fmt.Errorf("bad command %q", line)
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > MaxMessage {
		return 0, fmt.Errorf("bad command %q", line)
	}
	return n, nil
}
