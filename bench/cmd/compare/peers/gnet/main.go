// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command gnet is a server of lines with github.com/panjf2000/gnet. See package
// lines.
package main

import (
	"bytes"
	"context"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"

	"github.com/goframer/framer/bench/internal/lines"
)

type server struct {
	gnet.BuiltinEventEngine
	booted chan gnet.Engine
}

func (s *server) OnBoot(engine gnet.Engine) gnet.Action {
	s.booted <- engine
	return gnet.None
}

func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	for {
		input, err := c.Peek(-1)
		if err != nil {
			return gnet.Close
		}
		line, _, found := bytes.Cut(input, []byte("\r\n"))
		if !found {
			return gnet.None
		}
		request := string(line)
		c.Discard(len(line) + len("\r\n"))
		reply, last := lines.AnswerLine(request)
		if _, err := c.Write(reply); err != nil || last {
			return gnet.Close
		}
	}
}

func start(address string) (lines.Server, error) {
	s := &server{booted: make(chan gnet.Engine, 1)}
	failed := make(chan error, 1)
	logger := zap.Must(zap.NewProduction(zap.IncreaseLevel(zap.WarnLevel))) // not to stdout
	go func() { failed <- gnet.Run(s, "tcp://"+address, gnet.WithLogger(logger.Sugar())) }()
	select {
	case engine := <-s.booted:
		addr, err := listenerAddr(engine)
		return lines.Server{Addr: addr, Shutdown: func() error { return engine.Stop(context.Background()) }}, err
	case err := <-failed:
		return lines.Server{}, err
	}
}

// listenerAddr returns the address that the engine listens on.
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

func main() { lines.Main(start) }
