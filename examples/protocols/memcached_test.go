// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

const maxItem = 1 << 20 // bytes

var (
	cacheCommand = framer.Delimiter("\r\n").Limit(2048)
	errBadSet    = errors.New("bad set")
)

// A cache serves the commands get and set of memcached, without noreply.
type cache struct {
	mu    sync.Mutex
	items map[string]string // flags, length and data, as get sends them
}

func (s *cache) serve(c *framer.Conn) error {
	for {
		line, err := c.Next(cacheCommand)
		if err != nil {
			return err
		}
		// The strings are copies: line is lent until the next call of Next.
		switch words := strings.Fields(string(line)); {
		case len(words) == 2 && words[0] == "get":
			s.mu.Lock()
			item, ok := s.items[words[1]]
			s.mu.Unlock()
			if ok {
				fmt.Fprintf(c, "VALUE %s %s", words[1], item)
			}
			fmt.Fprint(c, "END\r\n")
		case len(words) > 0 && words[0] == "set":
			if err := s.set(c, words[1:]); err != nil {
				fmt.Fprint(c, "CLIENT_ERROR bad data chunk\r\n")
				return err // nobody knows where the next command begins
			}
		default:
			fmt.Fprint(c, "ERROR\r\n")
		}
	}
}

// set carries out "set <key> <flags> <exptime> <bytes>" with the data behind it.
func (s *cache) set(c *framer.Conn, args []string) error {
	if len(args) != 4 || len(args[0]) > 250 {
		return errBadSet
	}
	n, err := strconv.ParseUint(args[3], 10, 31) // no sign, and n+2 can't overflow
	if err != nil {
		return err
	}
	data, err := c.Next(framer.Length(int64(n) + 2).Limit(maxItem + 2))
	if tooLong := (*framer.MessageTooLongError)(nil); errors.As(err, &tooLong) {
		_, err := fmt.Fprint(c, "SERVER_ERROR object too large for cache\r\n")
		return err // nil: the next call of Next skips the data
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF // the command came without its data
	}
	if err != nil {
		return err
	}
	if !bytes.HasSuffix(data, []byte("\r\n")) {
		return errBadSet
	}
	s.mu.Lock()
	s.items[args[0]] = fmt.Sprintf("%s %d\r\n%s", args[1], n, data)
	s.mu.Unlock()
	_, err = fmt.Fprint(c, "STORED\r\n")
	return err
}

func Example_memcached() {
	s := &cache{items: make(map[string]string)}
	large := strings.Repeat("x", 2<<20)
	fmt.Print(framertest.Talk("set k 0 0 7\r\nEND\r\nab\r\n"+
		"set k 0 0 2097152\r\n"+large+"\r\n"+
		"get k\r\n"+
		"set k 0 0 3\r\ntoo long\r\n", framer.Session(s.serve), nil))
	fmt.Print(framertest.Talk("set k 0 0 3\r\n", framer.Session(s.serve), nil)) // without its data
	// Output:
	// "STORED\r\n"
	// "SERVER_ERROR object too large for cache\r\n"
	// "VALUE k 0 7\r\n"
	// "END\r\n"
	// "ab\r\n"
	// "END\r\n"
	// "CLIENT_ERROR bad data chunk\r\n"
	// ended: bad set
	// "CLIENT_ERROR bad data chunk\r\n"
	// ended: unexpected EOF
}
