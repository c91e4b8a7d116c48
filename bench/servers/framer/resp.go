// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"github.com/goframer/framer"
	"github.com/goframer/framer/bench/internal/resp"
)

// A request is a command whose parts come one by one. They are a line "*n", and then, for
// each of the n arguments, a line "$size", size bytes and a CRLF.
type request struct {
	args       resp.Args
	missing    int  // how many arguments have not come yet
	size       int  // the size of the next argument
	inArgument bool // the next part is an argument, and not a line
}

// add adds a part. It returns the terminator of the next part, and whether the command is
// complete.
func (r *request) add(part []byte) (next framer.Terminator, whole bool, err error) {
	switch {
	case r.inArgument:
		r.inArgument = false
		r.args.Add(part[:r.size])
		r.missing--
		return framer.Delimiter(crlf), r.missing == 0, nil
	case r.missing > 0:
		if r.size, err = resp.ArgSize(part); err != nil {
			return next, false, err
		}
		r.inArgument = true
		return framer.Length(int64(r.size + len(crlf))), false, nil
	}
	r.args.Reset()
	r.missing, err = resp.ArgCount(part)
	return framer.Delimiter(crlf), false, err
}

// A respHandler answers commands.
type respHandler struct {
	*framer.Conn
	framer.Collector
	store   *resp.Store
	request request
	reply   []byte
}

func newRESPHandler(store *resp.Store) func(*framer.Conn) framer.Handler {
	return func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter(crlf))
		return &respHandler{Conn: c, store: store}
	}
}

func (h *respHandler) FoundTerminator() error {
	next, whole, err := h.request.add(h.Bytes())
	if err != nil {
		return err
	}
	h.Reset()
	if whole {
		h.reply = h.store.AppendReply(h.reply[:0], h.request.args)
		if err := h.Push(h.reply); err != nil {
			return err
		}
	}
	return h.SetTerminator(next)
}

// newRESPReplies returns a newHandler function. The function of Replies is called for
// each part of a command.
func newRESPReplies(store *resp.Store) func(*framer.Conn) framer.Handler {
	return func(c *framer.Conn) framer.Handler {
		var r request
		return framer.Replies(framer.Delimiter(crlf), func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
			next, whole, err := r.add(msg)
			if err != nil {
				return nil, err
			}
			if whole {
				reply = store.AppendReply(reply, r.args)
			}
			return reply, c.SetTerminator(next)
		})(c)
	}
}

// respSession returns a function that reads the parts of commands and answers.
func respSession(store *resp.Store) func(*framer.Conn) error {
	return func(c *framer.Conn) error {
		var args resp.Args
		var reply []byte
		for {
			if err := readCommand(c, &args); err != nil {
				return err
			}
			reply = store.AppendReply(reply[:0], args)
			if err := c.Push(reply); err != nil {
				return err
			}
		}
	}
}

func readCommand(c *framer.Conn, args *resp.Args) error {
	line, err := c.Next(framer.Delimiter(crlf))
	if err != nil {
		return err
	}
	n, err := resp.ArgCount(line)
	if err != nil {
		return err
	}
	args.Reset()
	for range n {
		line, err := c.Next(framer.Delimiter(crlf))
		if err != nil {
			return err
		}
		size, err := resp.ArgSize(line)
		if err != nil {
			return err
		}
		arg, err := c.Next(framer.Length(int64(size + len(crlf))))
		if err != nil {
			return err
		}
		args.Add(arg[:size])
	}
	return nil
}
