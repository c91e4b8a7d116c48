// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package resp

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Replies that are always the same.
const (
	OK      = "+OK\r\n"
	Null    = "$-1\r\n"
	Unknown = "-ERR unknown command\r\n"
)

const (
	// MaxArgs is the greatest number of arguments of a command, including its name.
	MaxArgs = 1 << 10

	// MaxArg is the greatest size of an argument, in bytes.
	MaxArg = 64 << 20
)

// AppendBulk appends a bulk string.
func AppendBulk(dst, value []byte) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(value)), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// AppendCommand appends a command as clients send it: an array of bulk strings.
func AppendCommand(dst []byte, args ...[]byte) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(args))
	for _, arg := range args {
		dst = AppendBulk(dst, arg)
	}
	return dst
}

// ArgCount returns the n of a line "*n". The line must not have its CRLF.
func ArgCount(line []byte) (int, error) {
	n, err := count('*', line, MaxArgs)
	if err == nil && n == 0 {
		err = errors.New("a command without a name")
	}
	return n, err
}

// ArgSize returns the n of a line "$n". The line must not have its CRLF.
func ArgSize(line []byte) (int, error) {
	return count('$', line, MaxArg)
}

func count(kind byte, line []byte, most int) (int, error) {
	if len(line) < 2 || line[0] != kind {
		return 0, fmt.Errorf("bad line %q, want %c and a number", line, kind)
	}
	n := 0
	for _, c := range line[1:] {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("bad number in %q", line)
		}
		if n = 10*n + int(c-'0'); n > most {
			return 0, fmt.Errorf("%q is more than %d", line, most)
		}
	}
	return n, nil
}

// Args collects the arguments of a command. It uses their memory again for the next
// command. The zero value is empty.
type Args [][]byte

// Add appends a copy of arg.
func (a *Args) Add(arg []byte) {
	n := len(*a)
	if n == cap(*a) {
		*a = append(*a, bytes.Clone(arg))
		return
	}
	*a = (*a)[:n+1]
	(*a)[n] = append((*a)[n][:0], arg...)
}

// Reset removes the arguments. Their memory is kept.
func (a *Args) Reset() { *a = (*a)[:0] }
