// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"

	"github.com/goframer/framer/bench/internal/resp"
)

// bestRESP returns a server of RESP. It uses arguments in the buffer, without a copy. It
// reads a value directly into the memory in which the store keeps it.
func bestRESP(store *resp.Store) func(net.Conn) error {
	return func(c net.Conn) error {
		r, w := newBuffers(c)
		var key []byte
		for {
			n, err := lineNumber(r, resp.ArgCount)
			if err != nil {
				return err
			}
			name, err := argument(r)
			if err != nil {
				return err
			}
			switch {
			case n == 3 && resp.Is(name, "SET"):
				key, err = set(r, w, store, key)
			case n == 2 && resp.Is(name, "GET"):
				err = get(r, w, store)
			default:
				err = refuse(r, w, n-1)
			}
			if err != nil {
				return err
			}
		}
	}
}

// set executes a SET. It copies the key into memory, because reading the value may
// overwrite the buffer. It returns that memory, to be used for the next key.
func set(r *bufio.Reader, w *bufio.Writer, store *resp.Store, memory []byte) ([]byte, error) {
	key, err := argument(r)
	if err != nil {
		return nil, err
	}
	key = append(memory[:0], key...)
	value, err := ownArgument(r)
	if err != nil {
		return nil, err
	}
	store.Set(key, value)
	_, err = w.WriteString(resp.OK)
	return key, err
}

func get(r *bufio.Reader, w *bufio.Writer, store *resp.Store) error {
	key, err := argument(r)
	if err != nil {
		return err
	}
	value, ok := store.Get(key)
	if !ok {
		_, err = w.WriteString(resp.Null)
		return err
	}
	_, err = w.Write(resp.AppendBulk(w.AvailableBuffer(), value))
	return err
}

// refuse drops the arguments of an unknown command.
func refuse(r *bufio.Reader, w *bufio.Writer, args int) error {
	for range args {
		if _, err := argument(r); err != nil {
			return err
		}
	}
	_, err := w.WriteString(resp.Unknown)
	return err
}

// lineNumber reads a line and returns the number that parse finds in it.
func lineNumber(r *bufio.Reader, parse func([]byte) (int, error)) (int, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	return parse(line[:max(0, len(line)-len("\r\n"))])
}

// argument reads a short argument. The result is valid until the next read.
func argument(r *bufio.Reader) ([]byte, error) {
	n, err := lineNumber(r, resp.ArgSize)
	if err != nil {
		return nil, err
	}
	if n > bufferSize-len("\r\n") {
		return nil, fmt.Errorf("an argument of %d bytes is too long", n)
	}
	arg, err := r.Peek(n + len("\r\n"))
	if err != nil {
		return nil, err
	}
	_, err = r.Discard(len(arg))
	return arg[:n], err
}

// ownArgument reads an argument into new memory.
func ownArgument(r *bufio.Reader) ([]byte, error) {
	n, err := lineNumber(r, resp.ArgSize)
	if err != nil {
		return nil, err
	}
	arg := make([]byte, n)
	if _, err := io.ReadFull(r, arg); err != nil {
		return nil, err
	}
	_, err = r.Discard(len("\r\n"))
	return arg, err
}
