// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command textproto is a server of lines with net/textproto. See package lines.
package main

import (
	"net"
	"net/textproto"

	"github.com/goframer/framer/bench/internal/lines"
)

func serve(nc net.Conn) {
	c := textproto.NewConn(nc)
	defer c.Close()
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		reply, last := lines.Answer(line)
		if err := c.PrintfLine("%s", reply); err != nil || last {
			return
		}
	}
}

func main() {
	lines.Main(func(address string) (lines.Server, error) {
		return lines.ServeConns(address, serve)
	})
}
