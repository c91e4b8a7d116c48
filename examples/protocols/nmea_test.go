// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/goframer/framer"
)

// A sentence has at most 82 bytes, with its line end.
var nmeaLine = framer.AnyDelimiter("\r\n", "\n").Limit(80)

// sentences returns the sentences that r gives, without "$" and checksum. It leaves out
// damaged ones. An error of r comes last.
func sentences(r io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for line, err := range framer.NewFramer(r, nil).All(nmeaLine) {
			if errors.As(err, new(*framer.MessageTooLongError)) {
				continue // a line end was lost; All goes on after the next one
			}
			if err == io.ErrUnexpectedEOF {
				return // the port was closed in the middle of a sentence
			}
			if err != nil {
				yield("", err)
				return
			}
			if sentence, ok := checked(string(line)); ok && !yield(sentence, nil) {
				return
			}
		}
	}
}

// checked returns a line without "$" and checksum. It reports false if the checksum is
// not the XOR of the bytes between them.
func checked(line string) (string, bool) {
	line = line[strings.LastIndexByte(line, '$')+1:] // skip noise before it
	sentence, digits, _ := strings.Cut(line, "*")
	want, err := strconv.ParseUint(digits, 16, 8)
	sum := byte(0)
	for i := range len(sentence) {
		sum ^= sentence[i]
	}
	return sentence, err == nil && len(digits) == 2 && sum == byte(want)
}

func Example_nmea() {
	const good = "$GPGLL,4916.45,N,12311.12,W,225444,A*31"
	port := strings.NewReader("1.000,N*3A\r\n" + // the end of a sentence that began before
		good + "\r\n" +
		good + good + good + "\r\n" + // two line ends were lost
		"$GPGLL,4916.46,N,12311.12,W,225445,A*31\r\n" + // a digit was damaged
		"\x00\xff$GPGLL,4916.46,N,12311.12,W,225446,A*30\r\n")
	for sentence, err := range sentences(port) {
		fmt.Println(sentence, err)
	}
	// Output:
	// GPGLL,4916.45,N,12311.12,W,225444,A <nil>
	// GPGLL,4916.46,N,12311.12,W,225446,A <nil>
}
