// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command netpoll is a server with github.com/cloudwego/netpoll. Package serverside
// describes its flags and its commands.
package main

import (
	"bytes"
	"context"
	"log"
	"net"
	"runtime"

	"github.com/cloudwego/netpoll"

	"github.com/goframer/framer/bench/internal/serverside"
)

func main() {
	// The guide of netpoll recommends this for services with heavy I/O. The default is a
	// smaller number.
	if err := netpoll.Configure(netpoll.Config{PollerNum: runtime.GOMAXPROCS(0)}); err != nil {
		log.Fatal(err)
	}
	serverside.Main(
		serverside.Variant{Style: "netpoll", Protocol: "echo", Start: start(echo)},
		serverside.Variant{Style: "netpoll", Protocol: "set", Start: start(set)},
	)
}

// start returns a function that runs an event loop of netpoll. When there is input,
// netpoll calls serve on a goroutine that may wait for more input.
func start(serve func(netpoll.Reader, netpoll.Writer) error) func(string) (net.Addr, error) {
	return func(address string) (net.Addr, error) {
		l, err := netpoll.CreateListener("tcp", address)
		if err != nil {
			return nil, err
		}
		loop, err := netpoll.NewEventLoop(func(_ context.Context, c netpoll.Connection) error {
			err := serve(c.Reader(), c.Writer())
			if err != nil && c.IsActive() {
				log.Print(err)
				c.Close()
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		go func() { log.Fatal(loop.Serve(l)) }()
		return l.Addr(), nil
	}
}

// echo sends every line back.
func echo(r netpoll.Reader, w netpoll.Writer) error {
	for r.Len() > 0 {
		line, err := r.Until('\n')
		if err != nil {
			return err
		}
		if _, err := w.WriteBinary(line); err != nil {
			return err
		}
	}
	return finish(r, w)
}

// set answers payloads. For netpoll it costs less to wait for a whole payload and drop it
// than to drop it piece by piece.
func set(r netpoll.Reader, w netpoll.Writer) error {
	for r.Len() > 0 {
		line, err := r.Until('\n')
		if err != nil {
			return err
		}
		n, err := serverside.PayloadSize(bytes.TrimSuffix(line, []byte("\r\n")))
		if err != nil {
			return err
		}
		if err := r.Skip(n); err != nil {
			return err
		}
		if _, err := w.WriteString(serverside.Stored); err != nil {
			return err
		}
	}
	return finish(r, w)
}

// finish sends the replies. It releases the input only after that, because long lines are
// written from the input buffer.
func finish(r netpoll.Reader, w netpoll.Writer) error {
	if err := w.Flush(); err != nil {
		return err
	}
	return r.Release()
}
