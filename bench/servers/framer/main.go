// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command framer serves with framer, in its three styles. See package serverside
// for how it is used.
package main

import (
	"log"
	"net"

	"github.com/goframer/framer"
	"github.com/goframer/framer/bench/internal/serverside"
)

func main() {
	serverside.Main(
		serverside.Variant{Style: "handler", Protocol: "echo", Start: start(newEchoHandler)},
		serverside.Variant{Style: "handler", Protocol: "set", Start: start(newSetHandler)},
		serverside.Variant{Style: "messages", Protocol: "echo", Start: start(newEchoMessages)},
		serverside.Variant{Style: "messages", Protocol: "set", Start: start(newSetMessages)},
		serverside.Variant{Style: "session", Protocol: "echo", Start: start(framer.Session(echoSession))},
		serverside.Variant{Style: "session", Protocol: "set", Start: start(framer.Session(setSession))},
	)
}

// start returns a function that serves with a [framer.Server].
func start(newHandler func(*framer.Conn) framer.Handler) func(string) (net.Addr, error) {
	return func(address string) (net.Addr, error) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		s := &framer.Server{
			NewHandler: newHandler,
			Config:     framer.Config{MaxMessageSize: serverside.MaxMessage},
		}
		go func() { log.Fatal(s.Serve(l)) }()
		return l.Addr(), nil
	}
}
