// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command go-netty is a server of lines with github.com/go-netty/go-netty. See
// package lines.
package main

import (
	"net"

	"github.com/go-netty/go-netty"
	"github.com/go-netty/go-netty/codec/format"
	"github.com/go-netty/go-netty/codec/frame"
	"github.com/go-netty/go-netty/transport"
	"github.com/go-netty/go-netty/transport/tcp"

	"github.com/goframer/framer/bench/internal/lines"
)

type handler struct{}

func (handler) HandleRead(ctx netty.InboundContext, message netty.Message) {
	reply, last := lines.Answer(message.(string))
	ctx.Write(string(reply)) // the codec adds the end of the line
	if last {
		ctx.Close(nil)
	}
}

func initialize(c netty.Channel) {
	c.Pipeline().
		AddLast(frame.DelimiterCodec(1<<20, "\r\n", true)).
		AddLast(format.TextCodec()).
		AddLast(handler{})
}

// A loopback is the transport for TCP with a listener of our own: that of tcp
// listens on all interfaces, whatever the address says.
type loopback struct {
	transport.Factory
	listener net.Listener
}

func (l loopback) Listen(*transport.Options) (transport.Acceptor, error) {
	return acceptor{l.listener}, nil
}

type acceptor struct{ net.Listener }

func (a acceptor) Accept() (transport.Transport, error) {
	c, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return transport.NewTransport(c, tcp.DefaultOption.ReadBufferSize, tcp.DefaultOption.WriteBufferSize), nil
}

func start(address string) (lines.Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return lines.Server{}, err
	}
	bootstrap := netty.NewBootstrap(
		netty.WithChildInitializer(initialize),
		netty.WithTransport(loopback{tcp.New(), l}),
	)
	listener := bootstrap.Listen("tcp://" + l.Addr().String())
	if err := listener.Acquire(); err != nil {
		return lines.Server{}, err
	}
	go listener.Sync()
	return lines.Server{Addr: l.Addr(), Shutdown: func() error {
		bootstrap.Shutdown()
		return nil
	}}, nil
}

func main() { lines.Main(start) }
