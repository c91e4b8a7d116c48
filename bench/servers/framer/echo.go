// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import "github.com/goframer/framer"

const crlf = "\r\n"

// An echoHandler sends every line back.
type echoHandler struct {
	*framer.Conn
	framer.Collector
}

func newEchoHandler(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter(crlf))
	return &echoHandler{Conn: c}
}

// CollectIncomingData collects small pieces, to push them with their CRLF, and
// passes large ones on, so that they are not copied twice.
func (h *echoHandler) CollectIncomingData(data []byte) error {
	if len(data) < 1024 && h.Len() == 0 {
		return h.Collector.CollectIncomingData(data)
	}
	if h.Len() > 0 {
		h.Push(h.Bytes())
		h.Reset()
	}
	return h.Push(data)
}

func (h *echoHandler) FoundTerminator() error {
	h.Collector.CollectIncomingData([]byte(crlf))
	err := h.Push(h.Bytes())
	h.Reset()
	return err
}

// newEchoMessages makes handlers that send every line back.
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
