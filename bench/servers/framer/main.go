// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command framer is a server with framer, in several styles. Package serverside describes
// its flags and its commands.
package main

import (
	"crypto/tls"
	"net"

	"github.com/goframer/framer"
	"github.com/goframer/framer/bench/internal/resp"
	"github.com/goframer/framer/bench/internal/serverside"
)

func main() {
	store := new(resp.Store) // used by the variant that is chosen
	serverside.Main(
		serverside.Variant{
			Style: "handler", Protocol: "echo",
			Start: start(newEchoHandler), StartTLS: startTLS(newEchoHandler),
		},
		serverside.Variant{Style: "handler", Protocol: "set", Start: start(newSetHandler)},
		serverside.Variant{Style: "messages", Protocol: "echo", Start: start(newEchoMessages)},
		serverside.Variant{Style: "messages", Protocol: "set", Start: start(newSetMessages)},
		serverside.Variant{
			Style: "replies", Protocol: "echo",
			Start: start(framer.Replies(framer.Delimiter(crlf), echoReply)),
		},
		serverside.Variant{Style: "replies", Protocol: "set", Start: start(newSetReplies)},
		serverside.Variant{Style: "session", Protocol: "echo", Start: start(framer.Session(echoSession))},
		serverside.Variant{Style: "session", Protocol: "set", Start: start(framer.Session(setSession))},
		serverside.Variant{Style: "replies", Protocol: "resp", Start: start(newRESPReplies(store))},
		serverside.Variant{Style: "handler", Protocol: "resp", Start: start(newRESPHandler(store))},
		serverside.Variant{Style: "session", Protocol: "resp", Start: start(framer.Session(respSession(store)))},
	)
}

// start returns a function that serves with a [framer.Server].
func start(newHandler func(*framer.Conn) framer.Handler) func(string) (net.Addr, error) {
	return func(address string) (net.Addr, error) {
		return serverside.Listen(address, newServer(newHandler).Serve)
	}
}

// startTLS returns a function that does the same over TLS.
func startTLS(newHandler func(*framer.Conn) framer.Handler) func(string, *tls.Config) (net.Addr, error) {
	return func(address string, config *tls.Config) (net.Addr, error) {
		s := newServer(newHandler)
		s.TLSConfig = config
		return serverside.Listen(address, func(l net.Listener) error { return s.ServeTLS(l, "", "") })
	}
}

func newServer(newHandler func(*framer.Conn) framer.Handler) *framer.Server {
	return &framer.Server{
		NewHandler: newHandler,
		Config:     framer.Config{MaxMessageSize: serverside.MaxMessage},
	}
}
