// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command redcon is a server with github.com/tidwall/redcon. Package serverside describes
// its flags and its commands.
package main

import (
	"net"
	"strings"

	"github.com/tidwall/redcon"

	"github.com/goframer/framer/bench/internal/resp"
	"github.com/goframer/framer/bench/internal/serverside"
)

func main() {
	serverside.Main(serverside.Variant{Style: "redcon", Protocol: "resp", Start: start})
}

func start(address string) (net.Addr, error) {
	var store resp.Store
	handler := func(conn redcon.Conn, cmd redcon.Command) { serve(&store, conn, cmd) }
	return serverside.Listen(address, func(l net.Listener) error {
		return redcon.Serve(l, handler, nil, nil)
	})
}

// serve is the handler of redcon's own example. It may keep the arguments.
func serve(store *resp.Store, conn redcon.Conn, cmd redcon.Command) {
	switch name := strings.ToLower(string(cmd.Args[0])); {
	case name == "set" && len(cmd.Args) == 3:
		store.Set(cmd.Args[1], cmd.Args[2])
		conn.WriteString("OK")
	case name == "get" && len(cmd.Args) == 2:
		value, ok := store.Get(cmd.Args[1])
		if !ok {
			conn.WriteNull()
			return
		}
		conn.WriteBulk(value)
	default:
		conn.WriteError("ERR unknown command")
	}
}
