// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"context"
	"errors"
	"fmt"
	"net"
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
	// HandleClose is called once, after every other method, when the connection has
	// been closed; not if it was closed before newHandler could be called. err is the
	// reason, as Serve returns it: nil after an orderly end, io.ErrUnexpectedEOF if the
	// peer ended its side in the middle of a message.
	HandleClose(err error)
}

// A ShutdownHandler is a [Handler] that wants to say goodbye.
type ShutdownHandler interface {
	// HandleShutdown is called once after [Server.Shutdown] was called, when what had
	// come was handled, and a message that had begun has come to its
	// end. Then the connection closes as by CloseWhenDone.
	//
	// If it returns [ErrStayOpen], the connection goes on as before, for a
	// transaction to come to its end, until the handler calls CloseWhenDone, or the
	// context of Shutdown ends.
	HandleShutdown() error
}

// ErrStayOpen is returned by HandleShutdown of a [ShutdownHandler] that will call
// CloseWhenDone itself.
var ErrStayOpen = errors.New("framer: the connection stays open")

// A TimeoutHandler is a [Handler] that has a say in timeouts: it can send a ping, or say
// why the connection ends.
type TimeoutHandler interface {
	// HandleTimeout is called when MessageTimeout, IdleTimeout or ReadIdleTimeout
	// has run out in a wait for input; err says which, and is
	// [os.ErrDeadlineExceeded]. If it returns nil, the connection goes on, and the
	// wait has the whole time again, under each of the limits: for how long, is up to
	// the Handler. Otherwise the connection ends with the error, which may be err,
	// when what was pushed has been sent.
	//
	// A ping is best sent by TryPush: to a peer that is gone, Push may have to wait.
	// HandleTimeout is not called when IdleTimeout runs out while a write is stuck: nothing
	// that it could push would be sent. A connection with output for a peer that is
	// gone ends after WriteTimeout, unless HandleTimeout calls [Conn.CloseWithError].
	HandleTimeout(err error) error
}

// An EndHandler is a [Handler] that wants to know that the peer has ended its side.
type EndHandler interface {
	// HandleEnd is called once, after all that the peer has sent was given to the
	// other methods. err is nil, or io.ErrUnexpectedEOF if that ends in the middle of
	// a message. It is the last chance to push: then the connection closes as by
	// CloseWhenDone. The reason is err, or another error that HandleEnd returns.
	HandleEnd(err error) error
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

// A Conn is a [net.Conn] with a [Handler] for its input and a queue of producers
// for its output.
//
// Input is read by the goroutine that calls Serve, which calls all methods of the
// Handler. SetTerminator, Terminator, Matched, Next, NextReader, SetConfig, StartTLS
// and Hijack must be called from there, or before Serve. All other methods may be
// called from any goroutine, also from the Handler.
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
	// What a push needs that is written at once is in a cache line here, in two of the
	// queue, and in one of a socket.
	stream  stream                 // another after StartTLS, as nc; see goOnWith
	cfg     atomic.Pointer[Config] // see config
	writers sync.WaitGroup         // the writer: a goroutine, or one that pushes
	out     output                 // owned by the writer
	traffic traffic
	asked   requests
	refused atomic.Int64 // pushes, by TryPush
	queue   queue        // at a multiple of 64 bytes

	nc         net.Conn
	newHandler func(*Conn) Handler
	observe    func(*Conn, ConnState) // of a Server, or nil
	id         int64                  // in that Server, or 0
	began      int64                  // when nc was given to us, in nanoseconds since 1970
	ends       endings
	progress   progress

	// Owned by the goroutine of Serve.
	session *sessionState // if the handler is one
	upgrade *upgrade      // of StartTLS, or nil; changed with mu held
	leaving departure
	handler Handler
	framer  Framer
	replies replies
	broken  error // what the network said to the last read

	// Guarded by mu, but for wait, which the goroutine of Serve owns: it looks at these
	// before it waits for input, and finds them in two cache lines.
	mu        sync.Mutex
	state     ConnState
	deadline  time.Time // for reading, as it was last set
	linger    *linger   // from the end of the output
	wait      inputWait
	end       ending // why the connection ends
	life      lifetime
	outputEnd outputEnd
	hijacked  hijacking
	served    bool
	poisonMark
}

// traffic is what has come.
type traffic struct{ read, messages atomic.Int64 }

// requests are what a connection was asked for, from any goroutine.
type requests struct {
	shutdown  atomic.Bool
	close     atomic.Bool // CloseWhenDone
	halfClose atomic.Bool // CloseWrite
	handOver  atomic.Bool // the output is not ended: the function of Hijack goes on
}

// endings are what is waited for at the end of a connection.
type endings struct{ severed, served sync.WaitGroup }

// An output is how the writer writes.
type output struct {
	size     int          // how much is written at once
	written  atomic.Int64 // bytes that the connection has accepted
	writing  atomic.Bool  // a write goes on; not while the writer waits for a producer
	notes    atomic.Bool  // progress must keep when a byte last moved
	held     bool         // the system holds back what does not fill a segment
	untold   bool         // the system does not tell when a byte last moved; it does not change
	waitSize int          // how much is written at once if it has to wait
	run      func()       // runWriter
}

// A lifetime is what the contexts of a connection are made of.
type lifetime struct {
	values context.Context // of Serve, or nil
	ctx    context.Context // made by Context
	cancel context.CancelCauseFunc
}

// An outputEnd is the end of the output.
type outputEnd struct {
	told    bool          // to the peer
	drained chan struct{} // closed by the writer after the last byte; made by awaitWriter
}

// NewConn returns a Conn on nc, which belongs to it from now on. Nothing happens
// until Serve is called. newHandler is called once, by Serve, before anything is
// read. What is pushed before is sent then. cfg may be nil. nc must support
// deadlines: the timeouts, and some ways to close, depend on them.
//
// If nc wraps another connection it should have a method CloseWrite, or a method
// NetConn that returns the other one, as [tls.Conn.NetConn] does. Otherwise the end of
// the output can't be told to the peer before the connection is closed: what has come
// is read before, but what the peer sends later may destroy output that it has not
// received. The connection can't be reset then to tell the peer that output was cut
// off, nor is it known what a slow peer takes: over TLS it is taken to accept nothing
// if it does not accept a record of 16 KiB within WriteTimeout. Datagrams are refused
// by Serve; packets of a unixpacket connection count as bytes and may have at most
// 65,535 of them.
//
// The connections of a [Server] share the memory of their buffers. For many
// connections, [Server.ServeConn] is better than NewConn.
//
// If nc is a [*tls.Conn], or wraps one, Serve performs the handshake, after newHandler:
// what that pushes must fit in the queue, or it waits until HandshakeTimeout has passed
// and the connection ends.
func NewConn(nc net.Conn, newHandler func(*Conn) Handler, cfg *Config) *Conn {
	own := new(Config)
	if cfg != nil {
		*own = *cfg
	}
	return newConn(nc, newHandler, own, new(buffers))
}

// newConn is NewConn with a Config and memory that other connections may share.
func newConn(nc net.Conn, newHandler func(*Conn) Handler, cfg *Config, memory *buffers) *Conn {
	nc, unread := cutUnread(nc)
	c := &Conn{
		nc:         nc,
		newHandler: newHandler,
		wait:       inputWait{message: -1},
		deadline:   longAgo, // whatever it is
		began:      time.Now().UnixNano(),
	}
	c.cfg.Store(cfg)
	c.progress.c = c
	c.out.size, c.out.waitSize = cfg.writeBufferSizes()
	if isTLS(nc) {
		c.out.limitToRecords()
	}
	c.out.untold = !tellsMoves(nc)
	c.out.notes.Store(c.out.untold || cfg.IdleTimeout > 0)
	c.stream = newStream(c)
	c.ends.severed.Add(1)
	c.ends.served.Add(1)
	c.framer.init(connReader{c}, cfg, memory)
	if len(unread) > 0 {
		c.framer.unread(unread)
		c.traffic.read.Store(int64(len(unread)))
	}
	c.queue.init(cfg.maxQueuedBytes(), memory)
	return c
}

// config returns the Config in force, which must not be changed.
func (c *Conn) config() *Config { return c.cfg.Load() }

// Config returns the limits of c as they are now.
func (c *Conn) Config() Config { return *c.config() }

// SetConfig gives c other limits, for the state that its protocol is in, or for a peer
// that has proved who it is: a command line may take minutes, and the mail after it
// hours. It may be called before Serve, by a method of the Handler and by the function
// of a ready-made one. ReadBufferSize and WriteBufferSize stay as they are. The others
// rule from the next message, wait and write on; but for a Terminator with a
// [Terminator.Limit], that is the limit, whatever MaxMessageSize is.
func (c *Conn) SetConfig(cfg Config) {
	old := c.config()
	cfg.ReadBufferSize, cfg.WriteBufferSize = old.ReadBufferSize, old.WriteBufferSize
	c.cfg.Store(&cfg)
	c.out.notes.Store(c.out.untold || cfg.IdleTimeout > 0)
	c.framer.setMaxSize(cfg.maxMessageSize())
	c.queue.setMaxBytes(cfg.maxQueuedBytes())
}

// Dial connects to the address and starts a Conn, which serves on a goroutine of
// its own; Close ends it, and Wait waits for its end. newHandler has been called
// when Dial returns. ctx is for the connecting only; the connection's context has
// its values.
//
// For TLS, and where the context is to end the connection, dial by other means, such as
// [tls.Dialer], and use NewConn and Serve on a goroutine.
func Dial(ctx context.Context, network, address string, newHandler func(*Conn) Handler, cfg *Config) (*Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return start(ctx, nc, newHandler, cfg)
}

// start has a Conn on nc serve on a goroutine of its own. The connection's context has
// the values of ctx.
func start(ctx context.Context, nc net.Conn, newHandler func(*Conn) Handler, cfg *Config) (*Conn, error) {
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

// TryPush is Push, but returns [ErrQueueFull] where Push would wait. It is for those who
// send one message to many connections: what can be written at once to a connection that
// was quiet is written by TryPush itself, without a copy.
func (c *Conn) TryPush(data []byte) error { return c.noteRefused(c.queue.tryPush(data)) }

// PushContext is Push, but gives up with the cause of ctx when that ends. After an
// error of Push, PushContext or TryPush nothing of data has been sent, or will be.
func (c *Conn) PushContext(ctx context.Context, data []byte) error {
	return c.queue.pushContext(ctx, data)
}

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
//
// A small push before a producer of memory or a file, such as the header of a file,
// leaves together with its beginning: on Linux, on a TCP connection, if it is still in
// the queue, or if that was so in the answers before. Within [Concat] it always does.
func (c *Conn) PushWithProducer(p Producer) error {
	return c.pushProducer(p, func(p Producer) error { return c.queue.pushProducer(context.Background(), p) })
}

// TryPushWithProducer is PushWithProducer, but returns [ErrQueueFull] where that would
// wait, also because others wait for room already; p has been closed then. With a
// [NewBytesProducer] for each, one payload can be sent to many connections without a copy,
// also for those that can't take it at once, and none of them holds up the others.
func (c *Conn) TryPushWithProducer(p Producer) error {
	return c.noteRefused(c.pushProducer(p, c.queue.tryPushProducer))
}

func (c *Conn) pushProducer(p Producer, push func(Producer) error) error {
	if p == nil {
		return errors.New("framer: nil Producer")
	}
	err := push(p)
	if err != nil {
		c.endProducer(p, err)
	}
	return err
}

// Flush waits until all that was pushed before has been handed to the system, also
// after CloseWhenDone, or until ctx has ended. If the connection ended before that,
// or the output was discarded, it returns the reason or an error that is
// [net.ErrClosed]; otherwise the cause of ctx. It must not be called by a Producer.
func (c *Conn) Flush(ctx context.Context) error {
	life := c.Context()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	mark := make(flushMark, 1)
	if done, err := c.queue.pushMark(ctx, mark); done || err != nil {
		return err
	}
	select {
	case err := <-mark:
		return err
	case <-ctx.Done():
		c.queue.dropMark(mark)
	}
	select {
	case err := <-mark: // both have come about
		return err
	default:
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
	c.asked.close.Store(true)
	c.framer.stop.Store(true)
	c.queue.seal()
	c.interrupt()
	return nil
}

// Close closes the connection at once. What is queued is dropped. Serve and Wait
// return an error that is [net.ErrClosed], unless there was a reason before. Close
// is harmless twice, and always returns nil. The file descriptor may be kept until
// the method of the Handler that runs has returned.
func (c *Conn) Close() error {
	c.abort(errClosed, inOrder)
	return nil
}

// CloseWithError is Close with err as the reason, which Serve, Wait and HandleClose are
// told and the log at level Info, so that it is known why: because the peer was too slow
// for a broadcast, for instance. A nil err is that of Close.
func (c *Conn) CloseWithError(err error) error {
	if err == nil {
		return c.Close()
	}
	c.abort(err, byProgram)
	return nil
}

// CloseWrite ends our side of the connection when all that was pushed before has been
// sent. Nothing can be pushed any more, but input goes on, until the peer ends its side,
// too: then the connection closes. It does not wait, and is harmless twice. If the
// connection can't do that, as that of net.Pipe, nothing happens and the error is
// [errors.ErrUnsupported].
func (c *Conn) CloseWrite() error {
	if !canCloseWrite(c.NetConn()) {
		return errNoCloseWrite
	}
	c.asked.halfClose.Store(true)
	c.queue.seal()
	c.interrupt() // what keeps the queue open is over when there is nothing to read
	return nil
}

// DiscardBuffers drops the output that is queued, ending its producers, and the
// input that has been read and not yet given to the handler. What stays are the
// terminator, and a close that waits. A write that goes on is not torn, but a
// producer that has begun is cut off.
func (c *Conn) DiscardBuffers() {
	c.framer.discard.Store(true)
	c.discardOutput(errDiscarded)
	c.interrupt() // the stream may have relied on the output
}

// discardOutput drops what is queued, for the given reason.
func (c *Conn) discardOutput(cause error) {
	producers, asked := c.queue.discard()
	for _, p := range producers {
		c.endProducer(p, cause)
		c.queue.droppedProducer()
	}
	interruptProducer(asked)
}

// SetTerminator is [Framer.SetTerminator] for the input of c.
func (c *Conn) SetTerminator(t Terminator) error { return c.framer.SetTerminator(t) }

// Terminator is [Framer.Terminator] for the input of c.
func (c *Conn) Terminator() Terminator { return c.framer.Terminator() }

// Context returns a context that ends when the connection is closed, with the reason
// as its cause, or an error that is [net.ErrClosed] after an orderly end. While it is
// closing, the context is alive, although nothing can be pushed any more. A
// producer that may block for long should heed it. It has the values of Serve's
// context once Serve was called.
func (c *Conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.ctx == nil {
		c.life.ctx, c.life.cancel = context.WithCancelCause(context.Background())
		if c.state == StateClosed {
			c.life.cancel(causeOf(c.end.err))
		}
	}
	if c.life.values == nil {
		return c.life.ctx
	}
	return connContext{c.life.ctx, c.life.values}
}

// Wait waits until the connection has ended and HandleClose has returned. It
// returns what Serve returns.
func (c *Conn) Wait() error {
	c.ends.served.Wait()
	return c.err()
}

// LocalAddr returns the address of this side.
func (c *Conn) LocalAddr() net.Addr { return c.NetConn().LocalAddr() }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.NetConn().RemoteAddr() }

// Handler returns the handler of c, for those who find c in [Server.Conns] and know its
// type; nil while newHandler has not returned. Its methods are called by the goroutine
// of Serve.
func (c *Conn) Handler() Handler {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handler
}

// NetConn returns the connection that c runs on, for its options and its state; after
// StartTLS it is the [*tls.Conn].
// To read, write or close it, or to set its deadlines, is the business of c. To
// close it waits until the method of the Handler that runs has returned, and a
// Handler that reads or closes it waits for itself; use [Conn.Close].
func (c *Conn) NetConn() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nc
}

// String returns the addresses and the state of c, for logs.
func (c *Conn) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.state.String()
	if c.state == StateActive && c.asked.shutdown.Load() {
		state = "shutting down"
	}
	return fmt.Sprintf("%v->%v (%s)", c.nc.LocalAddr(), c.nc.RemoteAddr(), state)
}
