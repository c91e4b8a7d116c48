// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"io"

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

// respSession returns a function that does what the loop written by hand does: it uses
// arguments where they lie, and reads a large value into the memory in which the store
// keeps it.
func respSession(store *resp.Store) func(*framer.Conn) error {
	return func(c *framer.Conn) error {
		var key, reply []byte
		for {
			n, err := lineNumber(c, resp.ArgCount)
			if err != nil {
				return err
			}
			name, err := argument(c)
			if err != nil {
				return err
			}
			switch {
			case n == 3 && resp.Is(name, "SET"):
				reply = append(reply[:0], resp.OK...)
				key, err = set(c, store, key)
			case n == 2 && resp.Is(name, "GET"):
				reply, err = get(c, store, reply[:0])
			default:
				reply = append(reply[:0], resp.Unknown...)
				err = skipArguments(c, n-1)
			}
			if err != nil {
				return err
			}
			if err := c.Push(reply); err != nil {
				return err
			}
		}
	}
}

// set executes a SET. It copies the key into memory, because the key is lent only until
// the value is read. It returns that memory, to be used for the next key.
func set(c *framer.Conn, store *resp.Store, memory []byte) ([]byte, error) {
	key, err := argument(c)
	if err != nil {
		return nil, err
	}
	key = append(memory[:0], key...)
	value, err := ownArgument(c)
	if err != nil {
		return nil, err
	}
	store.Set(key, value)
	return key, nil
}

// get executes a GET, and appends its reply.
func get(c *framer.Conn, store *resp.Store, reply []byte) ([]byte, error) {
	key, err := argument(c)
	if err != nil {
		return nil, err
	}
	value, ok := store.Get(key)
	if !ok {
		return append(reply, resp.Null...), nil
	}
	return resp.AppendBulk(reply, value), nil
}

// skipArguments drops the arguments of an unknown command.
func skipArguments(c *framer.Conn, n int) error {
	for range n {
		if _, err := argument(c); err != nil {
			return err
		}
	}
	return nil
}

// lineNumber reads a line and returns the number that parse finds in it.
func lineNumber(c *framer.Conn, parse func([]byte) (int, error)) (int, error) {
	line, err := c.Next(framer.Delimiter(crlf))
	if err != nil {
		return 0, err
	}
	return parse(line)
}

// argument reads an argument, which is lent until the next one is read.
func argument(c *framer.Conn) ([]byte, error) {
	n, err := lineNumber(c, resp.ArgSize)
	if err != nil {
		return nil, err
	}
	arg, err := c.Next(framer.Length(int64(n + len(crlf))))
	if err != nil {
		return nil, err
	}
	return arg[:n], nil
}

// streamed is the size in bytes from which ownArgument reads an argument as a stream: that
// of the greatest read buffer. A smaller argument takes fewer reads as a whole.
const streamed = 64 << 10

// ownArgument reads an argument into new memory.
func ownArgument(c *framer.Conn) ([]byte, error) {
	n, err := lineNumber(c, resp.ArgSize)
	if err != nil {
		return nil, err
	}
	if n < streamed {
		arg, err := c.Next(framer.Length(int64(n + len(crlf))))
		if err != nil {
			return nil, err
		}
		return bytes.Clone(arg[:n]), nil
	}
	arg := make([]byte, n)
	r, err := c.NextReader(framer.Length(int64(n)))
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(r, arg); err != nil {
		return nil, err
	}
	_, err = c.Next(framer.Length(int64(len(crlf))))
	return arg, err
}
