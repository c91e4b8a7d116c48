// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

const (
	fixBegin = "8=FIX.4.4\x019=" // then come the length, an SOH (0x01), and the body
	fixEnd   = "10=%03d\x01"     // with the sum of all bytes before it, modulo 256
	maxFIX   = 8 << 10           // bytes
)

var errGarbage = errors.New("no good message")

// A fixScanner finds the messages of one connection.
type fixScanner struct{ dropped int } // bytes since the last good message

// split is for framer.Split. A token is a whole message, from "8=" to the last SOH.
func (s *fixScanner) split(data []byte, _ bool) (advance int, token []byte, err error) {
	begin := bytes.IndexByte(data, '8')
	switch {
	case begin < 0:
		return s.drop(len(data))
	case begin > 0:
		return s.drop(begin)
	}
	size, good := fixSize(data)
	switch {
	case size > len(data): // more input is needed
		return 0, nil, nil
	case !good:
		return s.drop(1) // a good message may begin at any other byte
	}
	s.dropped = 0
	return size, data[:size], nil
}

// drop returns what makes Split drop n bytes. They do not count for the limit, so drop
// has its own.
func (s *fixScanner) drop(n int) (int, []byte, error) {
	s.dropped += n
	if s.dropped > maxFIX {
		return 0, nil, errGarbage
	}
	return n, nil, nil
}

// fixSize returns the size of the message at the beginning of data. The size is above
// len(data) if more input is needed. fixSize reports whether the message is good.
func fixSize(data []byte) (size int, good bool) {
	if n := min(len(data), len(fixBegin)); string(data[:n]) != fixBegin[:n] {
		return 0, false
	} else if n < len(fixBegin) {
		return len(fixBegin), false
	}
	rest := string(data[len(fixBegin):min(len(data), len(fixBegin)+5)]) // 4 digits and an SOH
	digits, _, ok := strings.Cut(rest, "\x01")
	if !ok && len(rest) < 5 {
		return len(data) + 1, false
	}
	n, err := strconv.ParseUint(digits, 10, 16) // no sign
	if !ok || err != nil {
		return 0, false
	}
	end := len(fixBegin) + len(digits) + 1 + int(n)
	size = end + len("10=000\x01")
	switch {
	case size > maxFIX:
		return 0, false
	case size > len(data):
		return size, false
	}
	return size, string(data[end:size]) == fmt.Sprintf(fixEnd, fixSum(data[:end]))
}

func fixSum(data []byte) (sum byte) {
	for _, b := range data {
		sum += b
	}
	return sum
}

// appendFIX appends a message to dst. Each field of its body ends in an SOH.
func appendFIX(dst []byte, body string) []byte {
	begin := len(dst)
	dst = fmt.Appendf(dst, "%s%d\x01%s", fixBegin, len(body), body)
	return fmt.Appendf(dst, fixEnd, fixSum(dst[begin:]))
}

// newFIX makes the handler of a connection, with a terminator of its own.
func newFIX(c *framer.Conn) framer.Handler {
	t := framer.Split(new(fixScanner).split).Limit(maxFIX)
	return framer.Replies(t, answerFIX)(c)
}

// answerFIX answers a Test Request (35=1) with a Heartbeat (35=0) of the same ID (112).
func answerFIX(c *framer.Conn, msg, reply []byte) ([]byte, error) {
	if _, id, ok := strings.Cut(string(msg), "\x0135=1\x01112="); ok {
		id, _, _ = strings.Cut(id, "\x01")
		reply = appendFIX(reply, "35=0\x01112="+id+"\x01")
	}
	return reply, nil
}

// fixInput has three good messages, and what a damaged stream may have between them.
var fixInput = strings.ReplaceAll(
	"35=1|10=000|"+ // the end of a message that began before
		"8=FIX.4.4|9=11|35=1|112=A|10=228|"+
		"8=FIX.4.4|9=11|35=1|112=X|10=000|"+ // a wrong checksum
		"8=FIX.4.4|9=+1|8=FIX.4.4|9=99999|8=FIX.4.4|9=9999|8=FIX.4.4|9=|8=FIX.8=FIX.4.4|9=3"+
		"8=FIX.4.4|9=11|35=1|112=B|10=229|"+
		"8=FIX.4.4|9=44|35=1|112=X|10=000|"+ // the length includes the next message
		"8=FIX.4.4|9=11|35=1|112=C|10=230|", "|", "\x01")

func Example_fix() {
	garbage := strings.Repeat("garbage!", maxFIX/8)
	last := string(appendFIX(nil, "35=1\x01112=D\x01"))
	output := framertest.Talk(fixInput+garbage+last+garbage+"!"+last, newFIX, nil)
	output = strings.ReplaceAll(output, `\x01`, "|")
	fmt.Print(strings.ReplaceAll(output, "|8=", "|\n 8="))
	// Output:
	// "8=FIX.4.4|9=11|35=0|112=A|10=227|
	//  8=FIX.4.4|9=11|35=0|112=B|10=228|
	//  8=FIX.4.4|9=11|35=0|112=C|10=229|
	//  8=FIX.4.4|9=11|35=0|112=D|10=230|"
	// ended: no good message
}

func TestFIXCuts(t *testing.T) {
	framertest.Recut(t, []byte(fixInput), framertest.Transcript(newFIX, nil))
}
