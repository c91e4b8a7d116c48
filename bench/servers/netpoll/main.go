// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command netpoll serves with github.com/cloudwego/netpoll. See package serverside
// for how it is used.
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
	// As netpoll's guide has it for services with heavy I/O; it is less otherwise.
	if err := netpoll.Configure(netpoll.Config{PollerNum: runtime.GOMAXPROCS(0)}); err != nil {
		log.Fatal(err)
	}
	serverside.Main(
		serverside.Variant{Style: "netpoll", Protocol: "echo", Start: start(echo)},
		serverside.Variant{Style: "netpoll", Protocol: "set", Start: start(set)},
	)
}

// start returns a function that runs an event loop of netpoll. netpoll calls serve
// when there is input, on a goroutine that may wait for more.
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

// set answers payloads. To wait for one and to drop it whole costs netpoll less than
// to drop it as it comes.
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

// finish sends the replies. The input is released only then, because long lines are
// written from where they were read.
func finish(r netpoll.Reader, w netpoll.Writer) error {
	if err := w.Flush(); err != nil {
		return err
	}
	return r.Release()
}
