// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A block is a VT (0x0B), the message, an FS (0x1C) and a CR.
var mllp = framer.Delimiter("\x1c\r").Limit(4 << 20)

var errMLLP = errors.New("not a block of MLLP")

var newMLLP = framer.Replies(mllp, func(c *framer.Conn, block, reply []byte) ([]byte, error) {
	msg, ok := strings.CutPrefix(string(block), "\x0b")
	if !ok {
		return nil, errMLLP
	}
	id, ok := controlID(msg)
	if !ok {
		return nil, errMLLP
	}
	// A real server stores the message before it answers: the sender does not keep it
	// after an AA.
	// MSH-3 to MSH-8, the names and the time, are empty in this answer.
	return fmt.Appendf(reply, "\x0bMSH|^~\\&|||||||ACK|A%s|P|2.5\rMSA|AA|%[1]s\r\x1c\r", id), nil
})

// controlID returns MSH-10, which the answer refers to. MSH-1, the byte behind "MSH",
// separates the fields of this message.
func controlID(msg string) (string, bool) {
	header, _, _ := strings.Cut(msg, "\r") // segments end in a CR alone
	if len(header) < 4 || header[:3] != "MSH" {
		return "", false
	}
	fields := strings.Split(header, header[3:4])
	if len(fields) < 10 {
		return "", false
	}
	id := fields[9]
	return id, !strings.Contains(id, "|") // in the answer it must be one field
}

func Example_mllp() {
	fmt.Print(framertest.Talk("\x0bMSH|^~\\&|LAB||EHR||20260101||ORU^R01|17|P|2.5\rPID|1\r\x1c\r"+
		"\x0bMSH#^~\\&#LAB##EHR##20260101##ORU^R01#18|AE#P#2.5\r\x1c\r", newMLLP, nil))
	// Output:
	// "\vMSH|^~\\&|||||||ACK|A17|P|2.5\rMSA|AA|17\r\x1c\r"
	// ended: not a block of MLLP
}
