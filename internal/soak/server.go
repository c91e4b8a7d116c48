// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/goframer/framer"
)

// shutdownLimit is how long a graceful shutdown may take. No client waits for nearly as
// long.
const shutdownLimit = 30 * time.Second

// A service is a sequence of servers for one framing. One of them is the current server.
type service struct {
	*soak
	framing *framing
	rnd     *rand.Rand

	mu      sync.Mutex
	current *server
}

// A server is a framer.Server with the pages of its connections.
type server struct {
	*service
	framer   framer.Server
	address  string
	served   chan error     // what Serve has returned
	visitors sync.WaitGroup // the clients of this server

	mu    sync.Mutex
	pages map[uint64]*connection
}

// run replaces servers until load ends. Then it retires the last one.
func (s *service) run(load context.Context) error {
	for {
		pause(load, s.lifetime/2+time.Duration(s.rnd.Int64N(int64(s.lifetime))))
		if load.Err() != nil {
			return s.replace(nil).retire()
		}
		next, err := s.start()
		if err != nil {
			return errors.Join(err, s.replace(nil).retire())
		}
		s.ledger.replaced.Add(1)
		if err := s.replace(next).retire(); err != nil {
			return errors.Join(err, s.replace(nil).retire())
		}
	}
}

// replace makes next the current server; nil means that there is none. It returns the
// server before.
func (s *service) replace(next *server) (old *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, s.current = s.current, next
	return old
}

// start returns a new server, which is running.
func (s *service) start() (*server, error) {
	l, err := s.listen()
	if err != nil {
		return nil, err
	}
	sv := &server{
		service: s,
		address: l.Addr().String(),
		served:  make(chan error, 1),
		pages:   make(map[uint64]*connection),
	}
	sv.framer = framer.Server{
		NewHandler:  sv.newHandler,
		Config:      s.config(s.rnd),
		ConnContext: connContext(s.rnd.IntN(2) == 0),
	}
	if s.rnd.IntN(2) == 0 {
		sv.framer.NewHandler = framer.Session(sv.session)
	}
	go func() { sv.served <- sv.framer.Serve(l) }()
	s.log.Debug("soak: server started", "framing", s.framing.name, "address", sv.address)
	return sv, nil
}

// config returns the configuration of a connection. Small buffers cause many cuts.
func (s *soak) config(rnd *rand.Rand) framer.Config {
	choose := func(sizes ...int) int { return sizes[rnd.IntN(len(sizes))] }
	return framer.Config{
		ReadBufferSize:  choose(0, 0, 0, 7, 100),
		WriteBufferSize: choose(0, 0, 0, 1000),
		MaxQueuedBytes:  choose(0, 0, 5000),
		Logger:          s.quiet,
	}
}

// cancelKey is the context key of the function that cancels the context of a connection.
type cancelKey struct{}

// connContext returns a function for Server.ConnContext. It gives each connection a
// context that can be cancelled, and, if small is true, a small send buffer in the
// system. It does not change the receive buffer: with a small one, Linux may take back a
// window that it has offered. It then drops acknowledgements, so that both sides are
// stuck.
func connContext(small bool) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, nc net.Conn) context.Context {
		if tcp, ok := nc.(*net.TCPConn); ok && small {
			tcp.SetWriteBuffer(16 << 10)
		}
		ctx, cancel := context.WithCancelCause(ctx)
		return context.WithValue(ctx, cancelKey{}, cancel)
	}
}

// visit returns the current server and a page for a new connection to it. It returns nil
// if there is no server any more. The client must call Done of the server's visitors.
func (s *service) visit(first uint64, excluded bool) (*server, *connection) {
	s.mu.Lock()
	sv := s.current
	if sv != nil {
		sv.visitors.Add(1)
	}
	s.mu.Unlock()
	if sv == nil {
		return nil, nil
	}

	page := s.ledger.newConnection(s.framing.name, first, excluded)
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.pages[page.id] = page
	return sv, page
}

// dialError returns err, the error of dialing. It returns nil if sv was replaced
// meanwhile, because then the error is expected.
func (sv *server) dialError(err error) error {
	sv.service.mu.Lock()
	defer sv.service.mu.Unlock()
	if sv.service.current != sv {
		return nil
	}
	return err
}

func (sv *server) page(id uint64) *connection {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	return sv.pages[id]
}

// retire shuts sv down, waits until everything has ended, and settles the pages.
func (sv *server) retire() error {
	ctx, cancel := context.WithTimeout(sv.life, shutdownLimit)
	defer cancel()
	err := sv.framer.Shutdown(ctx)
	if ctx.Err() != nil {
		sv.ledger.cutOff.Add(1)
		sv.log.Error("soak: no graceful shutdown", "framing", sv.framing.name, "cause", context.Cause(ctx))
		err = nil
	}
	if serveErr := <-sv.served; serveErr != framer.ErrServerClosed {
		err = errors.Join(err, serveErr)
	}
	sv.visitors.Wait()
	for _, page := range sv.pages {
		page.settle()
	}
	return err
}
