// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import "github.com/goframer/framer"

const crlf = "\r\n"

// An echoHandler sends every line back.
type echoHandler struct{ answers }

func newEchoHandler(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter(crlf))
	return &echoHandler{answers{Conn: c}}
}

func (h *echoHandler) CollectIncomingData(data []byte) error {
	h.begin()
	h.buf = append(h.buf, data...)
	return nil
}

func (h *echoHandler) FoundTerminator() error {
	h.begin()
	h.buf = append(h.buf, crlf...)
	return nil
}

// newEchoMessages returns a handler that sends every line back.
func newEchoMessages(c *framer.Conn) framer.Handler {
	var reply []byte
	return framer.Messages(framer.Delimiter(crlf), func(c *framer.Conn, line []byte) error {
		reply = append(append(reply[:0], line...), crlf...)
		return c.Push(reply)
	})(c)
}

// echoSession sends every line back.
func echoSession(c *framer.Conn) error {
	var reply []byte
	for {
		line, err := c.Next(framer.Delimiter(crlf))
		if err != nil {
			return err
		}
		reply = append(append(reply[:0], line...), crlf...)
		if err := c.Push(reply); err != nil {
			return err
		}
	}
}

// echoReply appends every line to the reply.
func echoReply(_ *framer.Conn, line, reply []byte) ([]byte, error) {
	return append(append(reply, line...), crlf...), nil
}
