// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/goframer/framer"
)

// A framing says how records are separated. Package framer uses terminator and counted.
// The clients and servers without package framer use read, which is independent of them.
type framing struct {
	name       string
	terminator framer.Terminator
	counted    bool                                // terminator ends the length of a record, and the record follows
	before     func(n int) []byte                  // returns what comes before a record of n bytes; may be nil
	after      string                              // what comes after each record
	read       func(*bufio.Reader) ([]byte, error) // reads a record; returns io.EOF only between records
}

func framings() []*framing {
	return []*framing{
		{
			name:       "lines",
			terminator: framer.Delimiter("\r\n"),
			after:      "\r\n",
			read:       func(r *bufio.Reader) ([]byte, error) { return readUntil(r, "\r\n") },
		},
		{
			name:       "any lines",
			terminator: framer.AnyDelimiter("\n", "\r\n"),
			after:      "\r\n",
			read:       func(r *bufio.Reader) ([]byte, error) { return readUntil(r, "\r\n") },
		},
		{
			name:       "dots",
			terminator: framer.Delimiter("\r\n.\r\n"),
			after:      "\r\n.\r\n",
			read:       func(r *bufio.Reader) ([]byte, error) { return readUntil(r, "\r\n.\r\n") },
		},
		{
			name:       "length and body",
			terminator: framer.Delimiter("\n"),
			counted:    true,
			before:     func(n int) []byte { return fmt.Appendln(nil, n) },
			read:       readCounted,
		},
		{
			name:       "length prefix",
			terminator: framer.LengthPrefix(framer.Prefix{Size: 4}),
			before:     func(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) },
			read:       readPrefixed,
		},
		{
			name:       "variable length prefix",
			terminator: framer.LengthPrefix(framer.Prefix{Size: framer.Uvarint}),
			before:     func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) },
			read:       readVarPrefixed,
		},
	}
}

// next returns the next record of a session.
func (f *framing) next(c *framer.Conn) ([]byte, error) {
	data, err := c.Next(f.terminator)
	if err != nil || !f.counted {
		return data, err
	}
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return nil, err
	}
	return c.Next(framer.Length(n))
}

// A receiver is a handler that calls a function for each record.
type receiver struct {
	framer.Collector
	conn    *framer.Conn
	framing *framing
	process func(data []byte) error // data is lent: it is valid until process returns
	inBody  bool
}

func (r *receiver) HandleConnect() error { return r.conn.SetTerminator(r.framing.terminator) }

func (r *receiver) FoundTerminator() error {
	defer r.Reset()
	if !r.framing.counted {
		return r.process(r.Bytes())
	}
	r.inBody = !r.inBody
	if !r.inBody {
		if err := r.conn.SetTerminator(r.framing.terminator); err != nil {
			return err
		}
		return r.process(r.Bytes())
	}
	n, err := strconv.ParseInt(string(r.Bytes()), 10, 64)
	if err != nil {
		return err
	}
	return r.conn.SetTerminator(framer.Length(n))
}

func readUntil(r *bufio.Reader, delim string) ([]byte, error) {
	var data []byte
	for {
		part, err := r.ReadBytes(delim[len(delim)-1])
		data = append(data, part...)
		if record, ok := bytes.CutSuffix(data, []byte(delim)); ok {
			return record, nil
		}
		if err != nil {
			return nil, midRecord(err, len(data) > 0)
		}
	}
}

func readCounted(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, midRecord(err, len(line) > 0)
	}
	n, err := strconv.ParseUint(line[:len(line)-1], 10, 32)
	if err != nil {
		return nil, err
	}
	return readBody(r, n)
}

func readPrefixed(r *bufio.Reader) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	return readBody(r, uint64(binary.BigEndian.Uint32(header[:])))
}

func readVarPrefixed(r *bufio.Reader) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	return readBody(r, n)
}

func readBody(r *bufio.Reader, n uint64) ([]byte, error) {
	if n > 2*maxPayload {
		return nil, errors.New("soak: no record is that long")
	}
	data := make([]byte, n)
	_, err := io.ReadFull(r, data)
	return data, midRecord(err, true)
}

// midRecord returns err, or io.ErrUnexpectedEOF if err is io.EOF and a record has begun.
func midRecord(err error, begun bool) error {
	if err == io.EOF && begun {
		return io.ErrUnexpectedEOF
	}
	return err
}
