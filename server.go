// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// ErrServerClosed is returned by the Serve methods of a [Server] after Shutdown or Close
// was called. In a [Session], [Conn.Next] returns it when the server shuts down. It is
// also the reason of a connection that was cut off by [Server.Close], or by a
// [Server.Shutdown] whose context had ended.
var ErrServerClosed = errors.New("framer: Server closed")

// Errors that are mistakes of the program.
var (
	errNoHandler  = errors.New("framer: Server without NewHandler")
	errNoListener = errors.New("framer: Serve without a Listener; did Listen fail?")
)

// A Server accepts connections, serves each on a goroutine of its own, and knows them
// until they have ended. A zero Server with a NewHandler is ready. Its fields must not be
// changed once it serves. All methods may be called from any goroutine.
//
// The fields and methods that have a namesake in [net/http.Server] behave like it, with
// two exceptions: the Serve methods return only when the connections that they have
// accepted have ended, and an empty Addr means a free port.
//
// A panic of a handler, a producer, NewHandler, VerifyConn or Refuse ends its connection.
// A panic of another function in the fields is not caught.
//
// See ExampleServer_Shutdown, ExampleServer_ServeConn, ExampleServer_Conns and
// ExampleServer_ServeHTTP in example_test.go.
type Server struct {
	// Addr is the TCP address to listen on, as "host:port". If it is empty, or the
	// port is 0, ListenAndServe uses a free port; to know which, listen and call
	// Serve.
	Addr string

	// NewHandler is called once for every connection, before its first read, on
	// the goroutine that serves it. It must not be nil.
	NewHandler func(*Conn) Handler

	// Config has the limits of the connections.
	Config Config

	// TLSConfig optionally configures ServeTLS and ListenAndServeTLS. It is cloned.
	TLSConfig *tls.Config

	// Protocol optionally names the protocol, for ALPN (RFC 7301): ServeTLS offers
	// it. A peer that offers no protocols is served as well. ServeHTTP, TLSNextProto
	// and ConfigureHTTP need it.
	Protocol string

	// MaxConns is how many connections may be open at once. At the limit, the server accepts
	// no more until one has ended, unless Refuse is set; further connections wait in the
	// system's backlog. ServeHTTP answers them with the status 503, and TLSNextProto closes
	// them. If zero or negative, there is no limit.
	MaxConns int

	// Refuse is optionally called for a new connection at MaxConns, to write an answer such
	// as "421 too many connections" to nc. It must return within 5 seconds, which is the
	// deadline of nc. Then nc is closed in a way that does not destroy what was written.
	// Refuse is called on a goroutine of its own. 64 of these may run at once; then the
	// server accepts no more until one has ended. ServeHTTP does not call Refuse.
	Refuse func(nc net.Conn)

	// VerifyConn optionally decides whether to serve a new connection, like verify_request of
	// Python's servers. It is called on the goroutine of the connection, before a TLS
	// handshake, and should not read. In ServeHTTP and TLSNextProto it is called after the
	// handshake, with the *tls.Conn. If it returns an error, that is logged, and the
	// connection is closed.
	VerifyConn func(net.Conn) error

	// BaseContext optionally specifies the base context of the connections of a listener. If
	// nil, it is context.Background(). When it ends, all these connections are closed, and
	// later ones are closed at once.
	BaseContext func(net.Listener) context.Context

	// ConnContext optionally modifies the context of a new connection.
	ConnContext func(ctx context.Context, nc net.Conn) context.Context

	// ConnState is optionally called when a connection changes its state, on the goroutine
	// that serves it. StateNew comes first, StateClosed last.
	ConnState func(*Conn, ConnState)

	// memory has the buffers of the connections. It is a pointer, and not a part of the
	// Server, because the garbage collector frees a pool late: the pool must not keep the
	// Server.
	memory *buffers

	mu         sync.Mutex
	closed     bool            // Shutdown or Close was called
	cut        bool            // Close was called, or Shutdown is out of time
	life       context.Context // ends when closed is set
	cancel     context.CancelFunc
	slots      *semaphore.Weighted // the places under MaxConns
	refusals   *semaphore.Weighted // the places for calls of Refuse
	listeners  map[*net.Listener]struct{}
	stopped    chan struct{} // closed when Shutdown or Close has closed the listeners
	arriving   int           // the number of accept loops, and of accepted connections that are not in conns yet
	conns      map[*Conn]struct{}
	onShutdown []func()
	refusing   int           // the number of connections that VerifyConn has refused and that are not closed yet
	callbacks  int           // the number of functions of RegisterOnShutdown that are running
	idle       chan struct{} // for Shutdown: closed when conns is empty, and arriving, refusing and callbacks are 0
	stats      ServerStats   // the figures of the connections that have ended
}

// init sets the fields that the zero value lacks. s.mu must be held.
func (s *Server) init() {
	if s.life != nil {
		return
	}
	s.life, s.cancel = context.WithCancel(context.Background())
	s.listeners = make(map[*net.Listener]struct{})
	s.stopped = make(chan struct{})
	s.conns = make(map[*Conn]struct{})
	s.memory = &buffers{shared: true}
	if s.MaxConns > 0 {
		s.slots = semaphore.NewWeighted(int64(s.MaxConns))
		s.refusals = semaphore.NewWeighted(maxRefusals)
	}
}

// ListenAndServe listens on the TCP address Addr and calls [Server.Serve]. It always
// returns an error that is not nil.
func (s *Server) ListenAndServe() error {
	l, err := s.listen()
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// ListenAndServeTLS listens on the TCP address Addr and calls [Server.ServeTLS].
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	l, err := s.listen()
	if err != nil {
		return err
	}
	return s.ServeTLS(l, certFile, keyFile)
}

func (s *Server) listen() (net.Listener, error) {
	if s.isClosed() {
		return nil, ErrServerClosed
	}
	return net.Listen("tcp", s.Addr)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// ServeTLS is [Server.Serve] with TLS. certFile and keyFile are files in PEM with a
// certificate chain and its key. Both may be "" if TLSConfig has Certificates,
// GetCertificate or GetConfigForClient.
func (s *Server) ServeTLS(l net.Listener, certFile, keyFile string) error {
	if l == nil {
		return errNoListener
	}
	if s.isClosed() {
		l.Close()
		return ErrServerClosed
	}
	config := s.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if s.Protocol != "" && !slices.Contains(config.NextProtos, s.Protocol) {
		config.NextProtos = append(slices.Clone(config.NextProtos), s.Protocol)
	}
	if err := addCertificate(config, certFile, keyFile); err != nil {
		l.Close()
		return err
	}
	return s.Serve(tls.NewListener(l, config))
}

// addCertificate sets the certificate of config to the one in the files. If there are no
// files, config must have a certificate of its own.
func addCertificate(config *tls.Config, certFile, keyFile string) error {
	var empty string
	switch {
	case certFile != "" && keyFile != "":
		certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return err
		}
		config.Certificates = []tls.Certificate{certificate}
		return nil
	case certFile != "":
		empty = "keyFile is"
	case keyFile != "":
		empty = "certFile is"
	case len(config.Certificates) > 0 || config.GetCertificate != nil || config.GetConfigForClient != nil:
		return nil
	default:
		empty = "certFile and keyFile are"
	}
	return errors.New("framer: no certificate for TLS: " + empty +
		" empty; give both, or set Certificates, GetCertificate or GetConfigForClient in TLSConfig and give neither")
}

// Serve accepts connections from l and serves them. It returns when l fails or the server
// is closed, and the connections have ended. It always returns an error that is not nil,
// and closes l, only once. After Shutdown or Close the error is [ErrServerClosed].
//
// To accept no more connections and serve those that are open to their end, close l. Then
// the error is [net.ErrClosed].
//
// Errors of Accept that pass, such as a lack of file descriptors or a network that is
// down, are logged, and Serve tries again later.
func (s *Server) Serve(l net.Listener) error {
	if l == nil {
		return errNoListener
	}
	if s.NewHandler == nil {
		l.Close()
		return errNoHandler
	}
	var conns errgroup.Group
	err := s.accept(l, &conns)
	conns.Wait()
	return err
}

// accept accepts connections until l fails for good. Then it closes l.
func (s *Server) accept(l net.Listener, conns *errgroup.Group) error {
	if !s.trackListener(&l) {
		l.Close()
		return ErrServerClosed
	}
	defer s.closeListener(&l)
	ctx := context.Background()
	if s.BaseContext != nil {
		if ctx = s.BaseContext(l); ctx == nil {
			panic("framer: BaseContext returned a nil context")
		}
	}
	var delay time.Duration
	for {
		if err := s.awaitPlace(); err != nil {
			return s.acceptError(err)
		}
		nc, err := l.Accept()
		if err != nil {
			if !passes(err) || s.isClosed() {
				return s.acceptError(err)
			}
			delay = min(max(2*delay, minAcceptDelay), maxAcceptDelay)
			s.Config.logger().Warn("framer: accept failed", "error", err, "retry", delay)
			select {
			case <-time.After(delay):
			case <-s.life.Done():
			}
			continue
		}
		delay = 0
		if err := s.startServing(ctx, nc, conns); err != nil {
			nc.Close()
			return s.acceptError(err)
		}
	}
}

// awaitPlace blocks until a connection can be accepted. It does not keep the place while
// Accept waits, because other listeners may need it.
func (s *Server) awaitPlace() error {
	if s.Refuse != nil {
		return s.life.Err()
	}
	if err := s.acquire(s.life); err != nil {
		return err
	}
	s.release()
	return nil
}

// startServing starts a goroutine that serves or refuses nc.
func (s *Server) startServing(ctx context.Context, nc net.Conn, conns *errgroup.Group) error {
	if s.slots != nil && !s.slots.TryAcquire(1) { // TryAcquire also takes a place while shutting down
		if s.Refuse != nil {
			return s.startRefusing(nc, conns)
		}
		if err := s.acquire(s.life); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.arriving++
	s.mu.Unlock()
	conns.Go(func() error {
		defer s.release()
		s.serve(ctx, nc, s.NewHandler, fromListener)
		return nil
	})
	return nil
}

// startRefusing starts a goroutine that refuses nc.
func (s *Server) startRefusing(nc net.Conn, conns *errgroup.Group) error {
	if err := s.refusals.Acquire(s.life, 1); err != nil {
		return err
	}
	conns.Go(func() error {
		defer s.refusals.Release(1)
		s.refuse(nc)
		return nil
	})
	return nil
}

const (
	maxRefusals   = 64
	refuseTimeout = 5 * time.Second
)

// refuse calls Refuse for nc and makes sure that the peer receives what it writes.
func (s *Server) refuse(nc net.Conn) {
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(refuseTimeout)) // RemoteAddr may read a header, such as that of the PROXY protocol
	stop := context.AfterFunc(s.life, func() { nc.SetDeadline(longAgo) })
	s.noteFull(nc.RemoteAddr())
	stop()
	err := s.say(nc, s.Refuse)
	if p, ok := err.(*PanicError); ok {
		s.Config.logger().Error("framer: panic in Refuse", "remote", nc.RemoteAddr(), "error", err, "stack", string(p.Stack))
	}
}

// say calls f, which writes the last bytes for the peer of nc, and makes sure that the
// peer receives them.
func (s *Server) say(nc net.Conn, f func(net.Conn)) error {
	nc.SetDeadline(time.Now().Add(refuseTimeout))
	defer context.AfterFunc(s.life, func() { nc.SetDeadline(longAgo) })()
	err := protect(func() error {
		f(nc)
		return nil
	})
	if err != nil {
		return err
	}
	if ended, err := closeWrite(nc); ended && err == nil {
		io.CopyN(io.Discard, nc, maxRefused) // closing with unread input would destroy what f has written
	}
	return nil
}

// noteFull counts and logs a connection that is refused because of MaxConns.
func (s *Server) noteFull(remote any) {
	s.mu.Lock()
	s.stats.Accepted++
	s.stats.Refused++
	s.mu.Unlock()
	s.Config.logger().Info("framer: connection refused", "remote", remote, "error", "at the limit (Server.MaxConns)")
}

// maxRefused is how many bytes are read at most from a peer that was refused.
const maxRefused = 256 << 10

// The wait between two attempts to accept, after one has failed.
const (
	minAcceptDelay = 5 * time.Millisecond
	maxAcceptDelay = time.Second
)

// passingErrors are the errors of Accept that pass: a lack of resources, and what has
// happened to a single connection. On Linux, accept(2) also returns the network errors of
// the new connection.
var passingErrors = append(systemPasses,
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.ECONNABORTED, syscall.EPERM,
	syscall.ENETDOWN, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EHOSTUNREACH,
	syscall.EOPNOTSUPP, syscall.ENETUNREACH,
)

// passes reports whether Accept may succeed later, after it has returned err.
func passes(err error) bool {
	var t interface{ Temporary() bool }
	if errors.As(err, &t) && t.Temporary() {
		return true
	}
	return slices.ContainsFunc(passingErrors, func(passing error) bool { return errors.Is(err, passing) })
}

func (s *Server) acceptError(err error) error {
	if s.isClosed() {
		return ErrServerClosed
	}
	return err
}

// acquire takes a place under MaxConns. It blocks until one is free, or ctx ends.
func (s *Server) acquire(ctx context.Context) error {
	if s.slots == nil {
		return ctx.Err()
	}
	return s.slots.Acquire(ctx, 1)
}

// tryAcquire takes a place under MaxConns if one is free, and reports whether it has.
func (s *Server) tryAcquire() bool {
	s.mu.Lock()
	s.init()
	s.mu.Unlock()
	return s.slots == nil || s.slots.TryAcquire(1)
}

func (s *Server) release() {
	if s.slots != nil {
		s.slots.Release(1)
	}
}

// ServeConn serves nc, which the server did not accept itself, and blocks until the
// connection has ended. It returns what [Conn.Serve] returns. At MaxConns it waits for a
// place. Shutdown and Close apply to nc as to the other connections. When ctx ends, nc is
// closed.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	return s.ServeHandler(ctx, nc, s.NewHandler)
}

// ServeHandler is [Server.ServeConn] with newHandler in place of NewHandler: for the data
// connections of an FTP server, for instance.
func (s *Server) ServeHandler(ctx context.Context, nc net.Conn, newHandler func(*Conn) Handler) error {
	if newHandler == nil {
		nc.Close()
		return errNoHandler
	}
	s.mu.Lock()
	s.init()
	s.mu.Unlock()
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.life, cancel)
	err := s.acquire(wait)
	stop()
	if err != nil {
		nc.Close()
		return s.acceptError(context.Cause(wait))
	}
	defer s.release()
	return s.serve(ctx, nc, newHandler, fromProgram)
}

// A source says where a connection comes from: the program or net/http has given it to
// the server, or the server has accepted it.
type source uint8

const (
	fromProgram  source = iota
	fromListener        // it is counted in Server.arriving until track is called
)

// serve serves one connection.
func (s *Server) serve(ctx context.Context, nc net.Conn, newHandler func(*Conn) Handler, from source) error {
	c, err := s.register(nc, newHandler, from)
	if err != nil {
		s.closeRejected(c)
		return err
	}
	return s.serveRegistered(ctx, c)
}

// register adds nc to the connections of s. If it returns an error, the caller must call
// closeRejected with the Conn.
//
// The goroutine that accepts must not call it: to get the address of nc may mean to read
// a header from nc, such as that of the PROXY protocol.
func (s *Server) register(nc net.Conn, newHandler func(*Conn) Handler, from source) (*Conn, error) {
	c := newConn(nc, newHandler, &s.Config, s.memory)
	c.claim() // from track on, other goroutines find c and may close it
	if !s.track(c, from) {
		return c, ErrServerClosed
	}
	if s.isClosed() {
		c.shutdown() // Shutdown may have run before track added c
	}
	return c, s.verify(c)
}

// closeRejected closes c, for which register has returned an error.
func (s *Server) closeRejected(c *Conn) {
	c.finish(ending{err: errClosed, by: inOrder})
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.id != 0 { // it is 0 if track has refused c: then c is not in s.refusing
		s.refusing--
		s.checkIdle()
	}
}

// serveRegistered serves c, which register has added.
func (s *Server) serveRegistered(ctx context.Context, c *Conn) error {
	defer s.forget(c)
	if s.ConnContext != nil {
		if ctx = s.ConnContext(ctx, c.nc); ctx == nil {
			panic("framer: ConnContext returned a nil context")
		}
	}
	if s.ConnState != nil {
		c.observe = s.ConnState
		s.ConnState(c, StateNew)
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	return c.serve(ctx)
}

func (s *Server) verify(c *Conn) error {
	if s.VerifyConn == nil {
		return nil
	}
	err := protect(func() error { return s.VerifyConn(c.nc) })
	if err == nil {
		return nil
	}
	c.logPanic(err, "VerifyConn")
	s.mu.Lock()
	delete(s.conns, c)
	s.refusing++
	s.stats.Refused++
	s.stats.BytesRead += c.traffic.read.Load() // what Unread has given
	s.mu.Unlock()
	c.log(slog.LevelInfo, "framer: connection refused", slog.Any("error", err))
	return fmt.Errorf("framer: connection refused: %w", err)
}

// trackListener adds l to the listeners that Shutdown closes. It reports whether the
// server is still open.
func (s *Server) trackListener(l *net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	if s.closed {
		return false
	}
	s.listeners[l] = struct{}{}
	s.arriving++
	return true
}

// closeListener closes l. If Shutdown or Close was called, that call closes l, and
// closeListener waits until it has. So l is closed only once.
func (s *Server) closeListener(l *net.Listener) {
	s.mu.Lock()
	closed := s.closed
	delete(s.listeners, l)
	s.arriving--
	s.checkIdle()
	s.mu.Unlock()
	if closed {
		<-s.stopped
		return
	}
	(*l).Close()
}

// track adds c to the connections that Shutdown waits for, and reports whether it has: it
// does not if the server is closed. A connection that was accepted before the server was
// shut down is added all the same, as in net/http: its peer may have sent a request. Only
// after Close, or when Shutdown is out of time, it is not.
func (s *Server) track(c *Conn, from source) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	if from == fromListener {
		s.arriving--
	}
	if s.cut || s.closed && from != fromListener {
		s.checkIdle()
		return false
	}
	s.conns[c] = struct{}{}
	s.stats.Accepted++
	c.id = s.stats.Accepted
	return true
}

// forget removes c, which has ended, and adds its figures to those of the server.
func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	counts := c.counts()
	if counts.End == NotEnded {
		counts.End = EndPanic // ConnContext or ConnState has panicked; the server does not catch that
	}
	s.stats.Ended[counts.End]++
	s.stats.add(counts)
	s.checkIdle()
}

// checkIdle wakes Shutdown if nothing is left to wait for. s.mu must be held.
func (s *Server) checkIdle() {
	if s.idle != nil && len(s.conns) == 0 && s.arriving == 0 && s.refusing == 0 && s.callbacks == 0 {
		close(s.idle)
		s.idle = nil
	}
}

// Shutdown ends the server gracefully. It closes the listeners and lets every connection
// say goodbye (see [ShutdownHandler]). A connection closes when its output has been sent.
// Shutdown blocks until all connections have ended and the functions of
// RegisterOnShutdown have returned. If ctx ends before that, the connections that are
// left are closed at once, and Shutdown returns the error of ctx.
//
// A message that has begun is completed and answered before. So are other messages that
// have come, but not without limit: about 64 KiB are read from a peer that never pauses.
// Connections that a listener has already accepted are served in the same way. Those that
// still wait in the system to be accepted are lost with the listener, unless another
// process has it as well.
//
// If a peer does not end its side, Shutdown waits for LingerTimeout, which is 5 seconds
// by default.
//
// Connections in a TLS handshake are closed at once. Those in the handshake of StartTLS
// may complete it within HandshakeTimeout. Connections given to ServeConn, or that came
// by ServeHTTP or TLSNextProto, are shut down like all others. A server that was shut
// down can't serve again.
//
// A handler must not wait for Shutdown, because Shutdown waits for the handler.
func (s *Server) Shutdown(ctx context.Context) error {
	idle, err := s.beginShutdown()
	select {
	case <-idle: // everything has ended, so it does not matter if ctx has
		return err
	default:
	}
	select {
	case <-idle:
		return err
	case <-ctx.Done():
		s.closeConns()
		return ctx.Err()
	}
}

// beginShutdown does what Shutdown does, without the wait. The wait is over when idle is
// closed.
func (s *Server) beginShutdown() (idle <-chan struct{}, err error) {
	err = s.stop()
	s.mu.Lock()
	for _, f := range s.onShutdown {
		s.callbacks++
		go s.callback(f)
	}
	s.onShutdown = nil
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle = s.idle
	s.checkIdle()
	s.mu.Unlock()

	for c := range s.Conns() {
		c.shutdown()
	}
	return idle, err
}

// callback runs f, which was given to RegisterOnShutdown.
func (s *Server) callback(f func()) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.callbacks--
		s.checkIdle()
	}()
	f()
}

// RegisterOnShutdown registers a function that Shutdown calls at once, on a goroutine of
// its own. It is for ending what the server does not know of, and for the waits of handlers:
// a method that runs, or the function of a Session outside of Next, learns of a shutdown in
// no other way. It can cancel a context for which they watch.
func (s *Server) RegisterOnShutdown(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onShutdown = append(s.onShutdown, f)
}

// Close closes the listeners and all connections at once, and returns the error of
// closing the listeners, if any. It does not wait for the handlers. It may be called more
// than once, and after Shutdown.
func (s *Server) Close() error {
	err := s.stop()
	s.closeConns()
	return err
}

// stop closes the listeners, or waits until another call has closed them. From then on
// trackListener refuses every listener, and track adds only connections that were
// accepted before. stop calls the listeners without s.mu, because a listener may call
// Stats.
func (s *Server) stop() error {
	s.mu.Lock()
	s.init()
	stopping := s.closed
	s.closed = true
	s.cancel()
	listeners := s.listeners
	s.listeners = nil
	s.mu.Unlock()
	if stopping {
		<-s.stopped
		return nil
	}
	defer close(s.stopped)
	var errs []error
	for l := range listeners {
		errs = append(errs, (*l).Close())
	}
	return errors.Join(errs...)
}

func (s *Server) closeConns() {
	s.mu.Lock()
	s.cut = true
	s.mu.Unlock()
	for c := range s.Conns() {
		c.abort(ErrServerClosed, inOrder)
	}
}

// Conns returns an iterator over the connections that are open when the iteration begins.
func (s *Server) Conns() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		s.mu.Lock()
		conns := slices.Collect(maps.Keys(s.conns))
		s.mu.Unlock()
		for _, c := range conns {
			if !yield(c) {
				return
			}
		}
	}
}
