// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command gnet is a server with github.com/panjf2000/gnet. Package serverside describes
// its flags and its commands.
package main

import (
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"

	"github.com/goframer/framer/bench/internal/serverside"
)

func main() {
	serverside.Main(
		serverside.Variant{Style: "gnet", Protocol: "echo", Start: start(newEcho)},
		serverside.Variant{Style: "gnet", Protocol: "set", Start: start(newSet)},
	)
}

// start returns a function that runs an engine of gnet. It has an event loop for every
// processor, and otherwise the defaults of gnet.
func start(newProtocol func() protocol) func(string) (net.Addr, error) {
	return func(address string) (net.Addr, error) {
		s := &server{newProtocol: newProtocol, booted: make(chan gnet.Engine, 1)}
		failed := make(chan error, 1)
		logger := zap.Must(zap.NewProduction(zap.IncreaseLevel(zap.WarnLevel))) // the default logger writes to stdout
		go func() {
			failed <- gnet.Run(s, "tcp://"+address, gnet.WithMulticore(true), gnet.WithLogger(logger.Sugar()))
		}()
		select {
		case engine := <-s.booted:
			return listenerAddr(engine)
		case err := <-failed:
			return nil, err
		}
	}
}

// listenerAddr returns the address on which the engine listens.
func listenerAddr(engine gnet.Engine) (net.Addr, error) {
	fd, err := engine.Dup()
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.Addr(), nil
}
