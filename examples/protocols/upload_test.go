// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// serveUploads receives commands of the form "PUT name size", each with the file behind
// it. A file may have at most limit bytes.
func serveUploads(dir *os.Root, limit int64) func(*framer.Conn) error {
	return func(c *framer.Conn) error {
		for {
			line, err := c.Next(framer.Delimiter("\r\n").Limit(510))
			if err != nil {
				return err
			}
			words := strings.Fields(string(line))
			if len(words) != 3 || words[0] != "PUT" {
				fmt.Fprint(c, "500 what?\r\n")
				continue
			}
			size, err := strconv.ParseInt(words[2], 10, 64)
			if err != nil {
				return err // nobody knows where the next command begins
			}
			body, err := c.NextReader(framer.Length(size).Limit(limit))
			if errors.As(err, new(*framer.MessageTooLongError)) {
				fmt.Fprint(c, "552 too large\r\n")
				continue // the next call of Next skips the file
			}
			if err == nil {
				err = store(dir, words[1], body)
			}
			if err != nil {
				fmt.Fprint(c, "451 not stored\r\n")
				return err
			}
			fmt.Fprint(c, "226 stored\r\n")
		}
	}
}

// store gives the file its name when all of it is there. An os.Root refuses names that
// lead out of it.
func store(dir *os.Root, name string, body io.Reader) (err error) {
	part := name + ".part"
	file, err := dir.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, dir.Remove(part))
		}
	}()
	_, err = io.Copy(file, body) // io.ErrUnexpectedEOF if the peer went away
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return dir.Rename(part, name)
}

func Example_upload() {
	name, err := os.MkdirTemp("", "uploads")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(name)
	dir, err := os.OpenRoot(name)
	if err != nil {
		log.Fatal(err)
	}
	defer dir.Close()

	fmt.Print(framertest.Talk("PUT motd 13\r\nHello, world\n"+
		"PUT large 2000\r\n"+strings.Repeat("x", 2000)+
		"PUT cut 100\r\nHello", framer.Session(serveUploads(dir, 1000)), nil))
	motd, err := dir.ReadFile("motd")
	fmt.Printf("%q %v\n", motd, err)
	files, err := fs.Glob(dir.FS(), "*")
	fmt.Println(files, err)
	// Output:
	// "226 stored\r\n"
	// "552 too large\r\n"
	// "451 not stored\r\n"
	// ended: unexpected EOF
	// "Hello, world\n" <nil>
	// [motd] <nil>
}
