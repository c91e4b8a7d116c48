// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"fmt"
	"log"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A message begins with a byte for its type. Then comes a length of four bytes, which
// counts the bytes after it.
var typed = framer.Prefix{Size: 4, Offset: 1, Keep: true}

const typedHeader = 5 // bytes

// appendTyped appends a message to dst.
func appendTyped(dst []byte, kind byte, payload []byte) ([]byte, error) {
	dst, err := typed.AppendLength(append(dst, kind), int64(len(payload)))
	return append(dst, payload...), err
}

var newTyped = framer.Replies(framer.LengthPrefix(typed).Limit(typedHeader+1<<10),
	func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
		kind, payload := msg[0], msg[typedHeader:] // Keep leaves the header there
		switch kind {
		case 'E':
			return appendTyped(reply, 'e', payload)
		default:
			return appendTyped(reply, '!', fmt.Appendf(nil, "no type %q\n", kind))
		}
	})

func Example_typeAndLength() {
	input, err := appendTyped(nil, 'E', []byte("hello\n"))
	if err != nil {
		log.Fatal(err)
	}
	input = append(input, "X\x00\x00\x00\x00"...)
	input = append(input, "E\xff\xff\xff\xff"...)
	fmt.Print(framertest.Talk(string(input), newTyped, nil))
	// Output:
	// "e\x00\x00\x00\x06hello\n"
	// "!\x00\x00\x00\fno type 'X'\n"
	// ended: framer: message too long: 4294967300 bytes, limit 1029 (Terminator.Limit); it begins "E\xff\xff\xff\xff"
}
