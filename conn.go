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
// Output is written by a goroutine that exists while there is some, or by a Push
// itself if that need not wait. It is sent in the order of the pushes; no push is
// torn by another. What is pushed while the Handler works through one buffer of
// input mostly leaves in one write, but is on its way at once if that takes long.
//
// # Closing
//
// After CloseWhenDone, and likewise when the peer has ended its side or has taken
// too long to send, when the Handler has returned an error or has panicked, no
// method of the Handler is called any more but HandleClose. What is queued is
// sent, then the end of output (CloseWrite). Input is read and thrown away until
// the peer ends its side too, or for LingerTimeout; then the connection is closed.
//
// Close, an error of the network, the end of Serve's context, and an error of a
// Producer close it at once. If that cuts off a push or a producer, a TCP
// connection is reset, so that the peer does not take what it got for the whole.
type Conn struct {
	nc         net.Conn
	stream     stream
	cfg        *Config
	newHandler func(*Conn) Handler
	observe    func(*Conn, ConnState) // of a Server, or nil
	queue      queue
	severed    sync.WaitGroup // until the stream is
	ended      sync.WaitGroup // until Serve is done

	bytesRead, bytesWritten, messagesRead atomic.Int64

	// Owned by the goroutine of Serve.
	handler    Handler
	framer     Framer
	goOn       func() error  // goOnWithNext, or nil
	message    []byte        // what came of it
	broken     error         // what the network said to the last read
	inWait     bool          // input is waited for
	inMessage  bool          // and that counts for MessageTimeout
	discarding bool          // input is thrown away
	waiting    time.Time     // when the last wait began, if it is timed
	timed      int64         // the message that spent is about, counted by framer.ends
	spent      time.Duration // how long the peer has taken over it

	// Owned by the writer.
	writeSize  int    // how much is written at once
	waitSize   int    // and if it has to wait
	writeArmed bool   // there is a deadline
	write      func() // runWriter

	shutting atomic.Bool // Shutdown was asked for
	writing  atomic.Bool // a write goes on; not while the writer waits for a producer
	writers  sync.WaitGroup

	mu          sync.Mutex
	values      context.Context // of Serve, or nil
	life        context.Context // made by Context
	cancel      context.CancelCauseFunc
	state       ConnState
	reason      error     // why the connection ends
	deadline    time.Time // for reading, as it was last set
	moved       time.Time // when a byte was written last, if it is timed
	linger      time.Duration
	lingerEnd   time.Time // set when the output has ended
	unsent      int       // bytes of it that the peer's system has not taken
	outputEnded bool
	served      bool
	drained     chan struct{} // closed by the writer after the last byte; made by awaitWriter
}

// NewConn returns a Conn on nc, which belongs to it from now on. Nothing happens
// until Serve is called. newHandler is called once, by Serve, before anything is
// read. What is pushed before is sent then. cfg may be nil. nc must support
// deadlines: the timeouts, and some ways to close, depend on them.
//
// The connections of a [Server] share the memory of their buffers. For many
// connections, [Server.ServeConn] is better than NewConn.
//
// If nc is a [*tls.Conn], Serve performs the handshake, after newHandler: what that
// pushes must fit in the queue, or it waits for ever.
func NewConn(nc net.Conn, newHandler func(*Conn) Handler, cfg *Config) *Conn {
	own := new(Config)
	if cfg != nil {
		*own = *cfg
	}
	return newConn(nc, newHandler, own, new(buffers))
}

// newConn is NewConn with a Config and memory that other connections may share.
func newConn(nc net.Conn, newHandler func(*Conn) Handler, cfg *Config, memory *buffers) *Conn {
	c := &Conn{
		nc:         nc,
		cfg:        cfg,
		newHandler: newHandler,
		timed:      -1,
		deadline:   longAgo, // whatever it is
	}
	c.writeSize, c.waitSize = cfg.writeBufferSizes()
	if _, ok := nc.(*tls.Conn); ok {
		c.writeSize, c.waitSize = min(c.writeSize, recordSize), min(c.waitSize, recordSize)
	}
	c.stream = newStream(c)
	c.severed.Add(1)
	c.ended.Add(1)
	c.framer.init(connReader{c}, cfg, memory)
	c.queue.init(cfg.maxQueuedBytes(), memory)
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
	c.values = ctx
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
		if h, ok := c.handler.(ShutdownHandler); ok && c.shutting.Load() {
			return h.HandleShutdown()
		}
		return nil
	}
	return err
}

// openQueue lets output be written.
func (c *Conn) openQueue() {
	if c.write == nil { // or a push from elsewhere may be reading it
		c.write = c.runWriter // once: it allocates
	}
	c.queue.open(c)
}

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
	var err error
	switch h := c.handler.(type) {
	case session:
		err = h(c)
	case messages:
		err = h.run(c)
	default:
		return c.stream.await(func() error { return c.framer.Run(h) })
	}
	// What Next said has mostly been handed on.
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, ErrServerClosed):
		return ErrServerClosed
	}
	return err
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
	if c.shutting.Load() {
		c.broken = ErrServerClosed
		return c.broken
	}
	ctx := c.Context()
	timeout := c.cfg.handshakeTimeout()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	c.nc.SetDeadline(time.Time{}) // others may have left one
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
	c.discarding = true
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
	err := c.stream.await(c.readAndDiscard)
	if err == errLingered || c.peerDone() {
		return
	}
	c.mu.Lock()
	sent := c.outputEnded
	c.mu.Unlock()
	if !sent {
		c.abort(err)
	}
}

// readAndDiscard reads and throws away all that can be read.
func (c *Conn) readAndDiscard() error {
	buf := c.framer.memory.get(smallBuffer)
	defer c.framer.memory.put(buf)
	for {
		if _, err := (connReader{c}).Read(buf[:cap(buf)]); err != nil {
			return err
		}
	}
}

// awaitWriter returns when the output has been sent, or can't be.
func (c *Conn) awaitWriter() {
	drained := make(chan struct{})
	c.mu.Lock()
	if c.outputEnded || c.state == StateClosed {
		c.mu.Unlock()
		return
	}
	c.drained = drained
	c.mu.Unlock()

	timeout := c.cfg.writeTimeout()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	if timeout == 0 {
		timer.Stop()
	}
	for {
		select {
		case <-drained:
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
	c.severed.Wait() // it may be another goroutine that closes the connection
	c.writers.Wait()
	c.stream.release()
	c.framer.release()
	defer c.ended.Done()
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
	cancel := c.cancel
	c.tellDrained()
	c.mu.Unlock()

	c.stream.sever(cut)
	if cancel != nil {
		cancel(causeOf(reason))
	}
	c.severed.Done()
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

// Push queues a copy of data for sending, or writes it at once: data may be used
// again when Push returns. While the queue is full it waits: until there is room, or
// the connection has ended. Nothing is sent for empty data.
//
// What goes wrong in sending is not an error of Push: it ends the connection and is
// its reason. After that, and after CloseWhenDone, Push returns an error that is
// [net.ErrClosed].
//
// While a handler waits in Push nothing is read, so that a peer that does not
// take its replies can't send requests.
func (c *Conn) Push(data []byte) error { return c.queue.push(data) }

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
func (c *Conn) PushWithProducer(p Producer) error {
	return c.pushProducer(context.Background(), p)
}

func (c *Conn) pushProducer(ctx context.Context, p Producer) error {
	if p == nil {
		return errors.New("framer: nil Producer")
	}
	err := c.queue.pushProducer(ctx, p)
	if err == nil {
		return nil
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
	life := c.Context()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
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
	if life.Err() != nil {
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
// is harmless twice, and always returns nil. The file descriptor may be kept until
// the method of the Handler that runs has returned.
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
	c.interrupt() // the stream may have relied on the output
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
	if c.life == nil {
		c.life, c.cancel = context.WithCancelCause(context.Background())
		if c.state == StateClosed {
			c.cancel(causeOf(c.reason))
		}
	}
	if c.values == nil {
		return c.life
	}
	return connContext{c.life, c.values}
}

// Wait waits until the connection has ended and HandleClose has returned. It
// returns what Serve returns.
func (c *Conn) Wait() error {
	c.ended.Wait()
	return c.err()
}

// LocalAddr returns the address of this side.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// NetConn returns the connection that c runs on, for its options and its state.
// To read, write or close it, or to set its deadlines, is the business of c. To
// close it waits until the method of the Handler that runs has returned, and a
// Handler that reads or closes it waits for itself; use [Conn.Close].
func (c *Conn) NetConn() net.Conn { return c.nc }

// Stats returns the figures of c so far.
func (c *Conn) Stats() ConnStats {
	return ConnStats{
		BytesRead:    c.bytesRead.Load(),
		BytesWritten: c.bytesWritten.Load(),
		MessagesRead: c.messagesRead.Load(),
		QueuedBytes:  c.queue.queued(),
	}
}

// String returns the addresses and the state of c, for logs.
func (c *Conn) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%v->%v (%v)", c.nc.LocalAddr(), c.nc.RemoteAddr(), c.state)
}
