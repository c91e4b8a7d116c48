// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// An MQTT packet begins with a byte for its type and flags. Then comes the Remaining
// Length, a Uvarint, which counts the bytes after it.
var (
	mqttHeader = framer.Prefix{Size: framer.Uvarint, Offset: 1, Keep: true}
	mqttPacket = framer.LengthPrefix(mqttHeader).Limit(64 << 10) // bytes, header included
	errPacket  = errors.New("malformed packet")
)

// cutPacket returns what comes after the header of a packet.
func cutPacket(packet []byte) (body []byte, err error) {
	_, n := binary.Uvarint(packet[1:])    // n is the size of the field
	if n > 4 || n > 1 && packet[n] == 0 { // more bytes than allowed, or than necessary
		return nil, errPacket
	}
	return packet[1+n:], nil
}

// appendPacket appends a packet to dst.
func appendPacket(dst []byte, first byte, body []byte) ([]byte, error) {
	dst, err := mqttHeader.AppendLength(append(dst, first), int64(len(body)))
	return append(dst, body...), err
}

var newMQTT = framer.Replies(mqttPacket, func(c *framer.Conn, packet, reply []byte) ([]byte, error) {
	body, err := cutPacket(packet)
	if err != nil {
		return nil, err
	}
	switch packet[0] >> 4 {
	case 3: // PUBLISH; a broker sends it to the subscribers
		return appendPacket(reply, packet[0], body)
	case 12: // PINGREQ
		return appendPacket(reply, 13<<4, nil) // PINGRESP
	}
	return nil, errPacket
})

func Example_mqtt() {
	body := "\x00\x01t" + strings.Repeat(strings.Repeat("x", 39)+"\n", 4) // a topic and 160 bytes
	input, err := appendPacket(nil, 3<<4, []byte(body))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(framertest.Talk(string(input)+"\xc0\x00", newMQTT, nil))
	fmt.Print(framertest.Talk("\xc0\x80\x80\x80\x80\x00", newMQTT, nil)) // 5 bytes for the length 0
	fmt.Print(framertest.Talk("\xc0\x80\x00", newMQTT, nil))             // 2 bytes for the length 0
	// Output:
	// "0\xa3\x01\x00\x01txxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
	// "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
	// "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
	// "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
	// "\xd0\x00"
	// ended: malformed packet
	// ended: malformed packet
}
