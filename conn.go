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
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A ConnectHandler is a [Handler] that wants to begin the conversation.
type ConnectHandler interface {
	// HandleConnect is called when the connection stands, after a TLS handshake,
	// before the first read.
	HandleConnect() error
}

// A CloseHandler is a [Handler] that wants to know of the end.
type CloseHandler interface {
	// HandleClose is called once, after every other method, when the connection
	// has been closed. err is the reason, as Serve returns it: nil after an orderly
	// end, io.ErrUnexpectedEOF if the peer ended its side in the middle of a
	// message.
	HandleClose(err error)
}

// A ShutdownHandler is a [Handler] that wants to say goodbye.
type ShutdownHandler interface {
	// HandleShutdown is called once after [Server.Shutdown] was called, when all
	// that has been read was handled. Then the connection closes as by
	// CloseWhenDone.
	HandleShutdown() error
}

// A PanicError is the reason why a connection ended in which a Handler or a
// Producer has panicked.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // as debug.Stack returns it
}

func (e *PanicError) Error() string { return fmt.Sprintf("framer: panic: %v", e.Value) }

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// protect calls f and returns what it panics with as a *PanicError.
func protect(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// A ConnState is the state of a [Conn]. It only goes up.
type ConnState int

const (
	StateNew       ConnState = iota // the handler is being made
	StateHandshake                  // the TLS handshake goes on
	StateActive                     // input is given to the handler
	StateClosing                    // only output goes on, and the wait for the peer's end
	StateClosed                     // the connection is closed
)

// String returns the name of s.
func (s ConnState) String() string {
	switch s {
	case StateNew:
		return "new"
	case StateHandshake:
		return "handshake"
	case StateActive:
		return "active"
	case StateClosing:
		return "closing"
	case StateClosed:
		return "closed"
	}
	return fmt.Sprintf("ConnState(%d)", int(s))
}

// ConnStats are the figures of a [Conn].
type ConnStats struct {
	BytesRead    int64 // given by the connection
	BytesWritten int64 // accepted by the connection
	MessagesRead int64 // as of the last read
	QueuedBytes  int64 // pushed and not yet written, without producers
}

// A Conn is a [net.Conn] with a [Handler] for its input and a queue of producers
// for its output.
//
// Input is read by the goroutine that calls Serve, which calls all methods of the
// Handler. SetTerminator, Terminator and Next must be called from there, or
// before Serve. All other methods may be called from any goroutine, also from the
// Handler.
//
// Output is written by a goroutine that exists while there is some. It sends what
// was pushed in the order of the pushes; no push is torn by another.
//
// # Closing
//
// After CloseWhenDone, and likewise when the peer has ended its side or has taken
// too long to send, when the Handler has returned an error or has panicked, no
// method of the Handler is called any more but HandleClose. What is queued is sent, then the end of output
// (CloseWrite). Input is read and thrown away until the peer ends its side too,
// or for LingerTimeout; then the connection is closed. Close, an error of the
// network, the end of Serve's context, and an error of a Producer close it at
// once. If that cuts off a push or a producer, a TCP connection is reset, so that
// the peer does not take what it got for the whole.
type Conn struct {
	nc         net.Conn
	cfg        Config
	writeSize  int
	newHandler func(*Conn) Handler
	observe    func(*Conn, ConnState) // of a Server, or nil
	life       context.Context        // ends with the connection
	cancel     context.CancelCauseFunc
	ended      chan struct{} // closed when Serve is done
	queue      queue
	writer     errgroup.Group
	drained    chan struct{} // closed by the writer after the last byte

	bytesRead, bytesWritten, messagesRead atomic.Int64

	// Owned by the goroutine of Serve.
	handler Handler
	framer  Framer
	broken  error         // what the network said to the last read
	timed   int64         // the message that spent is about, counted by framer.ends
	spent   time.Duration // how long the peer has taken over it

	mu        sync.Mutex
	ctx       context.Context // life, with the values of Serve's context
	served    bool
	state     ConnState
	shutting  bool      // Shutdown was asked for
	reason    error     // why the connection ends
	deadline  time.Time // for reading, as it was last set
	moved     time.Time // when a byte was written last
	writing   bool      // the writer waits for the connection, not for a producer
	linger    time.Duration
	lingerEnd time.Time // set when the output has ended
	unsent    int       // bytes of it that the peer's system has not taken
}

// NewConn returns a Conn on nc, which belongs to it from now on. Nothing happens
// until Serve is called. newHandler is called once, by Serve, before anything is
// read. What is pushed before is sent then. cfg may be nil. nc must support
// deadlines: the timeouts, and some ways to close, depend on them.
//
// If nc is a [*tls.Conn], Serve performs the handshake, after newHandler: what that
// pushes must fit in the queue, or it waits for ever.
func NewConn(nc net.Conn, newHandler func(*Conn) Handler, cfg *Config) *Conn {
	c := &Conn{
		nc:         nc,
		newHandler: newHandler,
		ended:      make(chan struct{}),
		drained:    make(chan struct{}),
		timed:      -1,
		deadline:   longAgo, // whatever it is
	}
	if cfg != nil {
		c.cfg = *cfg
	}
	c.writeSize = c.cfg.writeBufferSize()
	if _, ok := nc.(*tls.Conn); ok {
		c.writeSize = min(c.writeSize, recordSize)
	}
	c.life, c.cancel = context.WithCancelCause(context.Background())
	c.ctx = c.life
	c.framer.init(connReader{c}, &c.cfg)
	c.queue.init(c.cfg.maxQueuedBytes())
	return c
}

// Dial connects to the address and starts a Conn, which serves on a goroutine of
// its own; Close ends it, and Wait waits for its end. newHandler has been called
// when Dial returns. ctx is for the connecting only; the connection's context has
// its values.
//
// For TLS, dial with [tls.Dialer] and use NewConn.
func Dial(ctx context.Context, network, address string, newHandler func(*Conn) Handler, cfg *Config) (*Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := NewConn(nc, newHandler, cfg)
	ctx = context.WithoutCancel(ctx)
	if err := c.claim(); err != nil {
		return nil, err
	}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	go c.serve(ctx)
	return c, nil
}

// Serve runs the connection and returns when it has ended: nil after an orderly
// end, otherwise the reason. An end is orderly after CloseWhenDone, after a
// Shutdown, or if the peer ended its side after a whole message. A further call
// of Serve returns an error.
//
// When ctx ends, the connection is closed at once, with the cause as the reason.
func (c *Conn) Serve(ctx context.Context) error {
	if err := c.claim(); err != nil {
		return err
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	return c.serve(ctx)
}

// claim makes c the business of one goroutine, which must see to finish.
func (c *Conn) claim() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.served || c.state != StateNew {
		return fmt.Errorf("framer: Serve was called before, or the connection closed: %w", net.ErrClosed)
	}
	c.served = true
	return nil
}

// begin makes the handler. If there is none, c is finished.
func (c *Conn) begin(ctx context.Context) error {
	c.mu.Lock()
	c.ctx = connContext{c.life, ctx}
	c.mu.Unlock()
	if _, ok := c.nc.(handshaker); !ok {
		c.openQueue() // newHandler may push more than the queue holds
	}

	err := errors.New("framer: newHandler has ended its goroutine")
	defer func() {
		if err != nil {
			c.finish(err)
		}
	}()
	err = protect(func() error {
		if c.newHandler != nil {
			c.handler = c.newHandler(c)
		}
		if c.handler == nil {
			return errors.New("framer: a connection without a Handler")
		}
		return nil
	})
	return err
}

// A connContext ends with the connection and has the values of Serve's context.
type connContext struct {
	context.Context
	values context.Context
}

func (c connContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.values.Value(key)
}

// serve is Serve after begin.
func (c *Conn) serve(ctx context.Context) (err error) {
	reason := errors.New("framer: the handler has ended its goroutine")
	defer func() { err = c.finish(reason) }()
	if ctx.Done() != nil {
		aborted := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(aborted)
			c.abort(context.Cause(ctx))
		})
		defer func() {
			if !stop() {
				<-aborted
			}
		}()
	}
	defer func() { c.windDown(reason) }() // also if the handler calls runtime.Goexit
	reason = protect(c.converse)
	return nil
}

// converse is the life of the connection until its handler is done.
func (c *Conn) converse() error {
	if err := c.handshake(); err != nil {
		return err
	}
	c.enter(StateActive)
	c.openQueue()
	err := c.receive()
	switch {
	case errors.Is(err, net.ErrClosed) && c.framer.stop.Load():
		return nil // after CloseWhenDone, or Close, which has its own reason
	case err == ErrServerClosed:
		if h, ok := c.handler.(ShutdownHandler); ok && c.isShutting() {
			return h.HandleShutdown()
		}
		return nil
	}
	return err
}

// openQueue lets output be written.
func (c *Conn) openQueue() { c.queue.open(func() { c.writer.Go(c.write) }) }

// receive feeds the handler.
func (c *Conn) receive() error {
	if c.framer.stop.Load() {
		return nil
	}
	if h, ok := c.handler.(ConnectHandler); ok {
		if err := h.HandleConnect(); err != nil {
			return err
		}
	}
	if s, ok := c.handler.(session); ok {
		err := s(c)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, ErrServerClosed):
			return ErrServerClosed
		}
		return err
	}
	return c.framer.Run(c.handler)
}

// A handshaker is a tls.Conn, perhaps one in disguise.
type handshaker interface {
	HandshakeContext(context.Context) error
}

func (c *Conn) handshake() error {
	t, ok := c.nc.(handshaker)
	if !ok {
		return nil
	}
	c.enter(StateHandshake)
	if c.isShutting() {
		c.broken = ErrServerClosed
		return c.broken
	}
	ctx := c.life
	timeout := c.cfg.handshakeTimeout()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	err := t.HandshakeContext(ctx)
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not complete after %v (Config.HandshakeTimeout): %w", timeout, os.ErrDeadlineExceeded)
	}
	c.broken = fmt.Errorf("framer: TLS handshake: %w", err)
	return c.broken
}

// enter raises the state to s. It is for the goroutine of Serve.
func (c *Conn) enter(s ConnState) {
	c.mu.Lock()
	raised := c.state < s
	if raised {
		c.state = s
	}
	c.mu.Unlock()
	if raised && c.observe != nil {
		c.observe(c, s)
	}
}

// windDown takes the connection from the conversation to its end.
func (c *Conn) windDown(reason error) {
	c.framer.stop.Store(true)
	if c.broken != nil && !c.peerDone() {
		c.abort(reason)
		return
	}
	c.messagesRead.Store(c.framer.found)
	c.enter(StateClosing)
	c.mu.Lock()
	if c.reason == nil {
		c.reason = reason
	}
	c.moved = time.Now()
	if !c.lingerEnd.IsZero() {
		c.lingerEnd = c.moved.Add(c.linger)
	}
	c.mu.Unlock()
	c.queue.close()
	if !c.peerDone() {
		c.discardInput()
	}
	c.awaitWriter()
}

// peerDone reports whether the peer has ended its side. One that speaks TLS may
// have done so without saying it properly.
func (c *Conn) peerDone() bool {
	return c.broken == io.EOF || c.broken == io.ErrUnexpectedEOF
}

// discardInput reads and throws away until the peer's end, or until it is no use
// any more.
func (c *Conn) discardInput() {
	buf := c.framer.buf
	if len(buf) == 0 {
		buf = make([]byte, c.framer.pieceSize)
	}
	for {
		_, err := connReader{c}.Read(buf)
		if err == nil {
			continue
		}
		if err != errLingered && !c.peerDone() {
			c.mu.Lock()
			sent := !c.lingerEnd.IsZero()
			c.mu.Unlock()
			if !sent {
				c.abort(err)
			}
		}
		return
	}
}

// awaitWriter returns when the output has been sent, or can't be.
func (c *Conn) awaitWriter() {
	timeout := c.cfg.writeTimeout()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	if timeout == 0 {
		timer.Stop()
	}
	for {
		select {
		case <-c.drained:
			return
		case <-c.life.Done():
			return
		case <-timer.C:
		}
		c.mu.Lock()
		left := timeout - time.Since(c.lastMoved())
		c.mu.Unlock()
		if left <= 0 {
			c.abort(c.timeoutError(writeTimeout))
			return
		}
		timer.Reset(left)
	}
}

// finish ends everything that is left and returns the reason. It is the last that
// the goroutine of Serve does.
func (c *Conn) finish(reason error) error {
	c.abort(reason)
	<-c.life.Done() // it may be another goroutine that closes the connection
	c.writer.Wait()
	defer close(c.ended)
	if c.observe != nil {
		defer c.observe(c, StateClosed)
	}
	reason = c.err()
	if err := c.queue.discard(causeOf(reason)); err != nil {
		c.logError("closing a producer", err)
	}
	c.logEnd(reason)
	if h, ok := c.handler.(CloseHandler); ok {
		err := protect(func() error {
			h.HandleClose(reason)
			return nil
		})
		if err != nil {
			c.logError("HandleClose", err)
		}
	}
	return reason
}

// abort closes the connection at once, from any goroutine. Only the first call
// has an effect; reason counts if there is none yet.
func (c *Conn) abort(reason error) {
	c.framer.stop.Store(true)
	cut := c.queue.shut()
	c.mu.Lock()
	if c.state == StateClosed {
		c.mu.Unlock()
		return
	}
	c.state = StateClosed
	if c.reason == nil {
		c.reason = reason
	}
	reason = c.reason
	served := c.served
	c.mu.Unlock()

	if cut {
		resetOnClose(c.nc)
	}
	if t, ok := c.nc.(*tls.Conn); ok {
		t.NetConn().Close() // or the close of t might wait for the peer
	}
	c.nc.Close()
	c.cancel(causeOf(reason))
	if !served {
		c.finish(reason)
	}
}

// causeOf returns what is the reason for those who wanted to go on.
func causeOf(reason error) error {
	if reason == nil {
		return errClosed
	}
	return reason
}

func (c *Conn) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// A connReader is the input of a Conn, for its Framer. Read takes care of the
// deadlines, and returns early when the connection is to close or to shut down.
type connReader struct{ c *Conn }

// errLingered ends the wait for the peer's end.
var errLingered = errors.New("framer: the peer did not end its side in time")

// longAgo is a deadline that interrupts.
var longAgo = time.Unix(1, 0)

func (r connReader) Read(p []byte) (int, error) {
	c := r.c
	c.messagesRead.Store(c.framer.found)
	inMessage := c.cfg.MessageTimeout > 0 && c.framer.inMessage()
	if c.timed != c.framer.ends {
		c.timed, c.spent = c.framer.ends, 0
	}
	var start time.Time
	if inMessage || c.cfg.IdleTimeout > 0 {
		start = time.Now()
	}
	for early := 0; early < maxEmpty; {
		if err := c.arm(start, inMessage); err != nil {
			return 0, err
		}
		n, err := c.nc.Read(p)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			if !c.expired() {
				early++
			}
			continue
		}
		c.bytesRead.Add(int64(n))
		if inMessage {
			c.spent += time.Since(start)
		}
		switch {
		case n > 0 && errors.Is(err, os.ErrDeadlineExceeded):
			err = nil
		case err != nil && c.isClosed():
			err = errClosed // whatever nc calls it
		}
		c.broken = err
		return n, err
	}
	return 0, io.ErrNoProgress
}

// A timeout says which limit a deadline comes from.
type timeout int

const (
	noTimeout timeout = iota
	messageTimeout
	idleTimeout
	writeTimeout
	lingerTimeout
)

func (c *Conn) timeoutError(t timeout) error {
	var what string
	switch t {
	case messageTimeout:
		what = fmt.Sprintf("message not complete after %v (Config.MessageTimeout)", c.cfg.MessageTimeout)
	case idleTimeout:
		what = fmt.Sprintf("no byte moved for %v (Config.IdleTimeout)", c.cfg.IdleTimeout)
	case writeTimeout:
		what = fmt.Sprintf("the peer accepted nothing for %v (Config.WriteTimeout)", c.cfg.writeTimeout())
	case lingerTimeout:
		return errLingered
	}
	return fmt.Errorf("framer: %s: %w", what, os.ErrDeadlineExceeded)
}

// arm sets the deadline for a read that began at start, or says why there must
// be none.
func (c *Conn) arm(start time.Time, inMessage bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == StateClosed, c.state == StateActive && c.framer.stop.Load():
		return errClosed
	case c.state == StateActive && c.shutting:
		return ErrServerClosed
	}
	deadline, which := c.readDeadline(start, inMessage)
	if which == lingerTimeout && c.lingerOn() {
		deadline, which = c.readDeadline(start, inMessage)
	}
	if which != noTimeout && !deadline.After(time.Now()) {
		return c.timeoutError(which)
	}
	if !deadline.Equal(c.deadline) {
		c.deadline = deadline
		c.nc.SetReadDeadline(deadline)
	}
	return nil
}

// lingerOn prolongs an expired wait for the peer's end if the peer has taken
// output since it began: as long as there is some in the system's buffer, to
// close could destroy it. c.mu must be held.
func (c *Conn) lingerOn() bool {
	if c.linger == 0 || time.Now().Before(c.lingerEnd) {
		return false
	}
	before := c.unsent
	c.unsent = unsent(c.nc)
	if c.unsent == 0 || c.unsent >= before {
		return false
	}
	c.lingerEnd = time.Now().Add(c.linger)
	return true
}

// readDeadline returns the earliest deadline that applies. c.mu must be held.
func (c *Conn) readDeadline(start time.Time, inMessage bool) (deadline time.Time, which timeout) {
	until := func(t time.Time, w timeout) {
		if which == noTimeout || t.Before(deadline) {
			deadline, which = t, w
		}
	}
	if c.state == StateActive {
		if inMessage {
			until(start.Add(c.cfg.MessageTimeout-c.spent), messageTimeout)
		}
	} else if !c.lingerEnd.IsZero() {
		until(c.lingerEnd, lingerTimeout)
	} else if d := c.cfg.writeTimeout(); d > 0 {
		until(c.lastMoved().Add(d), writeTimeout)
	}
	if d := c.cfg.idleTimeout(); d > 0 {
		last := start
		if moved := c.lastMoved(); moved.After(last) {
			last = moved
		}
		until(last.Add(d), idleTimeout)
	}
	return deadline, which
}

// lastMoved returns when output has moved last. How a write gets on is known only
// at its end; until then, its own deadline is what counts. c.mu must be held.
func (c *Conn) lastMoved() time.Time {
	if c.writing {
		return time.Now()
	}
	return c.moved
}

// expired reports whether the deadline for reading, at which a read has just
// ended, was one of ours. In any case it must be set anew.
func (c *Conn) expired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ours := !c.deadline.IsZero() && !time.Now().Before(c.deadline)
	c.deadline = longAgo
	return ours
}

// interrupt makes a read return, for stop or shutting to be seen.
func (c *Conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == StateActive {
		c.deadline = longAgo
		c.nc.SetReadDeadline(longAgo)
	}
}

func (c *Conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == StateClosed
}

func (c *Conn) isShutting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shutting
}

// shutdown asks the handler to say goodbye.
func (c *Conn) shutdown() {
	c.mu.Lock()
	c.shutting = true
	inHandshake := c.state == StateHandshake
	c.mu.Unlock()
	if inHandshake {
		c.abort(ErrServerClosed)
		return
	}
	c.interrupt()
}

// write is the writer goroutine: it sends what is queued, until there is nothing.
func (c *Conn) write() error {
	reason := errors.New("framer: the end of a producer has ended the writer's goroutine")
	defer func() {
		if reason != nil {
			c.abort(reason)
		}
	}()
	c.writeQueue()
	reason = nil
	return nil
}

func (c *Conn) writeQueue() {
	for {
		p, last := c.queue.take()
		switch {
		case p != nil:
			if !c.send(p) {
				return
			}
		case last:
			c.endOutput()
			return
		default:
			return
		}
	}
}

// send writes all that p produces and ends it. It reports whether the writer can
// go on.
func (c *Conn) send(p Producer) (ok bool) {
	var data []byte
	b, pushed := p.(*batch)
	if pushed {
		data = b.data
	}
	err := errors.New("framer: the producer has ended its goroutine")
	defer func() {
		c.disarmWrite()
		ok = c.sent(p, err)
		c.queue.done(p, len(data))
		if pushed {
			c.queue.recycle(data)
		}
	}()
	err = protect(func() error { return c.produce(p) })
	return ok
}

// sent ends p, which has failed with err if that is not nil.
func (c *Conn) sent(p Producer, err error) bool {
	if err == nil {
		c.queue.rest() // before p can tell anyone
	}
	if err != nil && err != errDiscarded {
		c.abort(err)
		err = causeOf(c.err())
	}
	closeErr := protect(func() error { return endProducer(p, err) })
	if closeErr != nil {
		c.logError("closing a producer", closeErr)
	}
	return err == nil || err == errDiscarded
}

// resetOnClose sees to it, where it can, that the peer does not take what was cut
// off for the whole: it finds the connection reset, not ended.
func resetOnClose(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if l, ok := nc.(interface{ SetLinger(sec int) error }); ok {
		l.SetLinger(0)
	}
}

// produce writes what p produces until it is exhausted or discarded.
func (c *Conn) produce(p Producer) error {
	t, canTransfer := p.(transferrer)
	tcp, ok := c.nc.(*net.TCPConn)
	canTransfer = canTransfer && ok
	for first := true; first || !c.queue.discarded(); first = false {
		if canTransfer {
			n, err := c.transfer(t, tcp)
			switch {
			case err == nil && n == 0:
				return nil
			case err == nil:
				continue
			case err != errNoTransfer:
				return err
			}
		}
		piece, err := p.More()
		if err != nil && err != io.EOF {
			return err
		}
		if writeErr := c.writeAll(piece); writeErr != nil {
			return writeErr
		}
		if len(piece) == 0 || err == io.EOF {
			return nil
		}
	}
	return errDiscarded
}

// recordSize is the size of a TLS record, RFC 8446 section 5.1. What a peer has
// accepted of one can't be known, so that each has a WriteTimeout of its own.
const recordSize = 16 << 10

// writeAll writes p in pieces of at most WriteBufferSize. Each must get on within
// WriteTimeout.
func (c *Conn) writeAll(p []byte) error {
	for len(p) > 0 {
		c.armWrite()
		n, err := c.nc.Write(p[:min(len(p), c.writeSize)])
		if err := c.wrote(int64(n), err); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// transfer lets t send some bytes to the connection.
func (c *Conn) transfer(t transferrer, to io.ReaderFrom) (int64, error) {
	c.armWrite()
	n, err := t.transfer(to)
	if err == errNoTransfer || n == 0 && err == nil {
		c.setWriting(false)
		return n, err
	}
	return n, c.wrote(n, err)
}

func (c *Conn) armWrite() {
	c.setWriting(true)
	if timeout := c.cfg.writeTimeout(); timeout > 0 {
		c.nc.SetWriteDeadline(time.Now().Add(timeout))
	}
}

// disarmWrite ends the deadline of the last write. TLS has something to write of
// its own accord, in a Read, when the peer updates its keys.
func (c *Conn) disarmWrite() {
	if _, ok := c.nc.(*tls.Conn); ok {
		c.nc.SetWriteDeadline(time.Time{})
	}
}

func (c *Conn) setWriting(writing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = writing
}

// wrote notes that n bytes were written. An expired deadline is no error if the
// peer has accepted something before.
func (c *Conn) wrote(n int64, err error) error {
	now := time.Now()
	c.mu.Lock()
	c.writing = false
	if n > 0 {
		c.moved = now
	}
	c.mu.Unlock()
	c.bytesWritten.Add(n)
	switch {
	case err == nil && n == 0:
		return io.ErrShortWrite
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case n > 0:
		return nil
	}
	return c.timeoutError(writeTimeout)
}

// endOutput tells the peer that nothing more will come.
func (c *Conn) endOutput() {
	c.armWrite()
	half := closeWrite(c.nc)
	c.mu.Lock()
	defer c.mu.Unlock()
	if half {
		c.linger = c.cfg.lingerTimeout()
	}
	c.lingerEnd = time.Now().Add(c.linger)
	c.unsent = unsent(c.nc)
	if c.state == StateClosing {
		c.deadline = c.lingerEnd
		c.nc.SetReadDeadline(c.lingerEnd)
	}
	close(c.drained)
}

// closeWrite ends the output of nc and reports whether the peer can tell.
func closeWrite(nc net.Conn) bool {
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok {
		return false
	}
	if err := half.CloseWrite(); err != nil {
		return false
	}
	if t, ok := nc.(*tls.Conn); ok {
		closeWrite(t.NetConn()) // for peers that don't heed close_notify
	}
	return true
}

// logEnd logs the reason why the connection ended.
func (c *Conn) logEnd(reason error) {
	var network net.Error
	switch {
	case reason == nil, errors.As(reason, &network), errors.Is(reason, net.ErrClosed), errors.Is(reason, ErrServerClosed),
		errors.Is(reason, io.EOF), errors.Is(reason, io.ErrUnexpectedEOF), errors.Is(reason, context.Canceled):
		c.log(slog.LevelDebug, "framer: connection ended", reason)
	default:
		c.logError("connection ended", reason)
	}
}

func (c *Conn) logError(msg string, err error) {
	var p *PanicError
	if errors.As(err, &p) {
		c.log(slog.LevelError, "framer: "+msg, err, slog.String("stack", string(p.Stack)))
		return
	}
	c.log(slog.LevelWarn, "framer: "+msg, err)
}

func (c *Conn) log(level slog.Level, msg string, err error, attrs ...slog.Attr) {
	ctx := c.Context()
	logger := c.cfg.logger()
	if logger.Enabled(ctx, level) {
		attrs = append(attrs, slog.Any("remote", c.RemoteAddr()), slog.Any("error", err))
		logger.LogAttrs(ctx, level, msg, attrs...)
	}
}

// Push queues a copy of data for sending. While the queue is full it waits: until
// there is room, or the connection has ended. Nothing is sent for empty data.
//
// Push only queues. What goes wrong in sending ends the connection and is its
// reason. After that, and after CloseWhenDone, Push returns an error that is
// [net.ErrClosed].
//
// While a handler waits in Push nothing is read, so that a peer that does not
// take its replies can't send requests.
func (c *Conn) Push(data []byte) error { return c.queue.push(c.life, data) }

// TryPush is Push, but returns [ErrQueueFull] where Push would wait.
func (c *Conn) TryPush(data []byte) error { return c.queue.tryPush(data) }

// Write is Push as an [io.Writer], for package fmt and others.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Push(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// PushWithProducer queues p, whose bytes are sent after all that was pushed
// before. p belongs to the connection from now on, also if there is an error; see
// [Producer] for when it is closed. PushWithProducer waits and fails as Push does.
func (c *Conn) PushWithProducer(p Producer) error { return c.pushProducer(c.life, p) }

func (c *Conn) pushProducer(ctx context.Context, p Producer) error {
	if p == nil {
		return errors.New("framer: nil Producer")
	}
	err := c.queue.pushProducer(ctx, p)
	if err == nil {
		return nil
	}
	if c.life.Err() != nil {
		err = errClosed
	}
	if closeErr := protect(func() error { return endProducer(p, err) }); closeErr != nil {
		c.logError("closing a producer", closeErr)
	}
	return err
}

// Flush waits until all that was pushed before has been handed to the system, or
// ctx has ended. If the connection has ended, or the output was discarded, it
// returns the reason or an error that is [net.ErrClosed]; otherwise the cause of
// ctx. It must not be called by a Producer.
func (c *Conn) Flush(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	done := make(chan error, 1)
	nothing := ProducerFunc(func() ([]byte, error) { return nil, nil })
	err := c.pushProducer(ctx, OnDone(nothing, func(_ int64, err error) { done <- err }))
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if c.life.Err() != nil {
		return errClosed
	}
	return context.Cause(ctx)
}

// CloseWhenDone closes the connection when all that was pushed before has been
// sent; see Closing above. Nothing can be pushed any more. It does not wait, is
// harmless twice, and always returns nil.
func (c *Conn) CloseWhenDone() error {
	c.framer.stop.Store(true)
	c.queue.close()
	c.interrupt()
	return nil
}

// Close closes the connection at once. What is queued is dropped. Serve and Wait
// return an error that is [net.ErrClosed], unless there was a reason before. Close
// is harmless twice, and always returns nil.
func (c *Conn) Close() error {
	c.abort(errClosed)
	return nil
}

// DiscardBuffers drops the output that is queued, ending its producers, and the
// input that has been read and not yet given to the handler. What stays are the
// terminator, and a close that waits. A write that goes on is not torn, but a
// producer that has begun is cut off.
func (c *Conn) DiscardBuffers() {
	c.framer.discard.Store(true)
	if err := c.queue.discard(errDiscarded); err != nil {
		c.logError("closing a producer", err)
	}
}

// SetTerminator is [Framer.SetTerminator] for the input of c.
func (c *Conn) SetTerminator(t Terminator) error { return c.framer.SetTerminator(t) }

// Terminator is [Framer.Terminator] for the input of c.
func (c *Conn) Terminator() Terminator { return c.framer.Terminator() }

// Context returns a context that ends when the connection does, with the reason
// as its cause, or an error that is [net.ErrClosed] after an orderly end. A
// producer that may block for long should heed it. It has the values of Serve's
// context once Serve was called.
func (c *Conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ctx
}

// Wait waits until the connection has ended and HandleClose has returned. It
// returns what Serve returns.
func (c *Conn) Wait() error {
	<-c.ended
	return c.err()
}

// LocalAddr returns the address of this side.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// NetConn returns the connection that c runs on, for its options and its state.
// To read, write or close it, or to set its deadlines, is the business of c.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Stats returns the figures of c so far.
func (c *Conn) Stats() ConnStats {
	return ConnStats{
		BytesRead:    c.bytesRead.Load(),
		BytesWritten: c.bytesWritten.Load(),
		MessagesRead: c.messagesRead.Load(),
		QueuedBytes:  c.queue.size.Load(),
	}
}

// String returns the addresses and the state of c, for logs.
func (c *Conn) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%v->%v (%v)", c.nc.LocalAddr(), c.nc.RemoteAddr(), c.state)
}
