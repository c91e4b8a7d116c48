// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command redcon is a server of lines with github.com/tidwall/redcon, which takes
// lines of words besides the protocol of Redis. See package lines.
package main

import (
	"bytes"

	"github.com/tidwall/redcon"

	"github.com/goframer/framer/bench/internal/lines"
)

func handle(c redcon.Conn, cmd redcon.Command) {
	reply, last := lines.AnswerLine(string(bytes.Join(cmd.Args, []byte(" "))))
	c.WriteRaw(reply)
	if last {
		c.Close()
	}
}

func main() {
	lines.Main(func(address string) (lines.Server, error) {
		s := redcon.NewServer(address, handle, nil, nil)
		return lines.Serve(address, s.Serve, s.Close)
	})
}
