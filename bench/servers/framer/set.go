// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"github.com/goframer/framer"
	"github.com/goframer/framer/bench/internal/serverside"
)

// A setHandler answers payloads. It drops them as they come.
type setHandler struct {
	answers
	command   framer.Collector
	inPayload bool
}

func newSetHandler(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter(crlf))
	return &setHandler{answers: answers{Conn: c}}
}

func (h *setHandler) CollectIncomingData(data []byte) error {
	if h.inPayload {
		return nil
	}
	return h.command.CollectIncomingData(data)
}

func (h *setHandler) FoundTerminator() error {
	if h.inPayload {
		h.inPayload = false
		h.begin()
		h.buf = append(h.buf, serverside.Stored...)
		return h.SetTerminator(framer.Delimiter(crlf))
	}
	n, err := serverside.PayloadSize(h.command.Bytes())
	if err != nil {
		return err
	}
	h.command.Reset()
	h.inPayload = true
	return h.SetTerminator(framer.Length(int64(n)))
}

// newSetMessages returns a handler whose function is called for commands and payloads in
// turn.
func newSetMessages(c *framer.Conn) framer.Handler {
	inPayload := false
	return framer.Messages(framer.Delimiter(crlf), func(c *framer.Conn, msg []byte) error {
		if inPayload {
			inPayload = false
			c.SetTerminator(framer.Delimiter(crlf))
			return c.Push([]byte(serverside.Stored))
		}
		n, err := serverside.PayloadSize(msg)
		if err != nil {
			return err
		}
		inPayload = true
		return c.SetTerminator(framer.Length(int64(n)))
	})(c)
}

// newSetReplies returns a handler whose function answers commands and payloads in turn.
func newSetReplies(c *framer.Conn) framer.Handler {
	inPayload := false
	return framer.Replies(framer.Delimiter(crlf), func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
		if inPayload {
			inPayload = false
			return append(reply, serverside.Stored...), c.SetTerminator(framer.Delimiter(crlf))
		}
		n, err := serverside.PayloadSize(msg)
		if err != nil {
			return nil, err
		}
		inPayload = true
		return nil, c.SetTerminator(framer.Length(int64(n)))
	})(c)
}

// setSession reads commands and payloads in turn.
func setSession(c *framer.Conn) error {
	for {
		command, err := c.Next(framer.Delimiter(crlf))
		if err != nil {
			return err
		}
		n, err := serverside.PayloadSize(command)
		if err != nil {
			return err
		}
		if _, err := c.Next(framer.Length(int64(n))); err != nil {
			return err
		}
		if err := c.Push([]byte(serverside.Stored)); err != nil {
			return err
		}
	}
}
