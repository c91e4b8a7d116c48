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
	// Stored is the answer to a payload in the protocol "set".
	Stored = "OK\r\n"

	// MaxMessage is the greatest message, in bytes, that a server must accept if it has a
	// limit.
	MaxMessage = 64 << 20
)

// PayloadSize returns the n of the command line "SET n". The line must not have its CRLF.
func PayloadSize(line []byte) (int, error) {
	// The conversion of a few bytes to a string that does not escape allocates nothing.
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
