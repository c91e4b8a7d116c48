// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package lines is what the server programs that cmd/compare compares share: the
// protocol, and their talk with cmd/compare.
//
// A request is a line that ends in CRLF, and so is a reply:
//
//	reply N   N bytes, with the end of the line
//	close N   the same, and then the server closes the connection
//	work      "done", after a second of work; it says "working" before that
//	mark      "marked"; it says "marked" before that
//
// Everything else is sent back. What a server program says goes to its standard
// output. It begins with "listening HOST:PORT". On its standard input it takes
// commands, a line each:
//
//	gc           collect the garbage and give free memory back; it says "done"
//	goroutines   it says how many there are
//	shutdown     shut the server down, and end; it says "done" between them
//
// At the end of the input the program ends.
package lines

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const end = "\r\n"

// work is how long the request "work" takes.
const work = time.Second

// Answer returns the reply to a request, both without the end of the line, and
// whether the connection is to be closed after it.
func Answer(request string) (reply []byte, last bool) {
	verb, argument, _ := strings.Cut(request, " ")
	switch verb {
	case "reply", "close":
		n, err := strconv.Atoi(argument)
		if err != nil || n < len(end) {
			return []byte("bad size"), true
		}
		return bytes.Repeat([]byte("x"), n-len(end)), verb == "close"
	case "work":
		fmt.Println("working")
		time.Sleep(work)
		return []byte("done"), false
	case "mark":
		fmt.Println("marked")
		return []byte("marked"), false
	}
	return []byte(request), false
}

// AnswerLine is Answer with the end of the line behind the reply.
func AnswerLine(request string) (reply []byte, last bool) {
	reply, last = Answer(request)
	return append(reply, end...), last
}
