// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command scanner is a server of lines with a bufio.Scanner. See package lines.
package main

import (
	"bufio"
	"net"

	"github.com/goframer/framer/bench/internal/lines"
)

func serve(c net.Conn) {
	defer c.Close()
	s := bufio.NewScanner(c)
	for s.Scan() {
		reply, last := lines.AnswerLine(s.Text())
		if _, err := c.Write(reply); err != nil || last {
			return
		}
	}
}

func main() {
	lines.Main(func(address string) (lines.Server, error) {
		return lines.ServeConns(address, serve)
	})
}
