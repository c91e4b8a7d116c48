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

// A ConnectHandler is a [Handler] that sends first, such as a server that greets its
// clients.
//
// See ExampleConnectHandler in example_test.go.
type ConnectHandler interface {
	// HandleConnect is called once, before the first read, and after the TLS handshake if
	// there is one. An error ends the connection.
	HandleConnect() error
}

// A CloseHandler is a [Handler] that is told when the connection has ended.
//
// See ExampleCloseHandler in example_test.go.
type CloseHandler interface {
	// HandleClose is called once, as the last method, when the connection has been closed:
	// after queued output was sent, and after the wait of LingerTimeout. For what others
	// should know sooner, see EndHandler and TimeoutHandler. HandleClose is called for every
	// Handler that newHandler has returned. err is the reason, as Serve returns it: nil after
	// an orderly end, io.ErrUnexpectedEOF if the peer ended its side in the middle of a
	// message.
	HandleClose(err error)
}

// A ShutdownHandler is a [Handler] that is told of a shutdown, so that it can say goodbye
// to its peer.
//
// See ExampleShutdownHandler and ExampleShutdownHandler_stayOpen in example_test.go.
type ShutdownHandler interface {
	// HandleShutdown is called once after Server.Shutdown was called, when the input that had
	// come was handled and a message that had begun was completed. Then the connection closes
	// as by CloseWhenDone.
	//
	// If HandleShutdown returns ErrStayOpen, the connection goes on as before, so that a
	// transaction can be completed, until the handler calls CloseWhenDone or the context of
	// Shutdown ends.
	HandleShutdown() error
}

// ErrStayOpen is returned by the HandleShutdown method of a [ShutdownHandler] to keep the
// connection open. The handler must then call [Conn.CloseWhenDone] itself.
var ErrStayOpen = errors.New("framer: the connection stays open")

// A TimeoutHandler is a [Handler] that is called when a wait for input takes too long. It
// can send a ping and go on, or say why it ends the connection.
//
// See ExampleTimeoutHandler in example_test.go.
type TimeoutHandler interface {
	// HandleTimeout is called when MessageTimeout, IdleTimeout or ReadIdleTimeout has passed
	// in a wait for input. err is a *TimeoutError, which says which. If HandleTimeout
	// returns nil, the connection goes on, and the wait has the whole time again, under each
	// of the limits. There is no limit to how often. Otherwise the connection ends with the
	// error, which may be err, when what was pushed has been sent.
	//
	// Send a ping by TryPush: to a peer that is gone, Push may block. HandleTimeout is not
	// called when IdleTimeout passes while a write is blocked, because nothing that it could
	// push would be sent. A connection with output for a peer that is gone ends after
	// WriteTimeout, unless HandleTimeout calls Conn.CloseWithError.
	HandleTimeout(err error) error
}

// An EndHandler is a [Handler] that is told when the peer has ended its side.
//
// See ExampleEndHandler in example_test.go.
type EndHandler interface {
	// HandleEnd is called once, when all that the peer has sent was given to the other
	// methods. err is nil, or io.ErrUnexpectedEOF if the input ends in the middle of a
	// message. HandleEnd may still push. When it returns, the connection closes as by
	// CloseWhenDone. The reason is err, or another error that HandleEnd returns.
	HandleEnd(err error) error
}

// A PanicError is the reason for which a connection ended when its [Handler] or one of
// its producers has panicked. Find it with [errors.As] in what Serve returns.
//
// See ExamplePanicError in example_test.go.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // as debug.Stack returns it
}

// Error returns a text with the value of the panic, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("framer: panic: %v", e.Value) }

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// protect calls f and returns its error. If f panics, protect returns a *PanicError.
func protect(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// A ConnState is the state of a [Conn]. States follow one another in the order of the
// constants, and some may be left out.
//
// See ExampleServer_Stats in example_test.go.
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

// A Conn is a [net.Conn] with a [Handler] for its input and a queue of producers for its
// output.
//
// The goroutine that calls Serve reads the input, and calls all methods of the Handler.
// SetTerminator, Terminator, Matched, Next, NextReader, SetConfig, StartTLS and Hijack
// must be called on that goroutine, or before Serve. All other methods may be called from
// any goroutine, also from the Handler.
//
// Output is written by a goroutine that exists while there is output, or by Push itself
// if that need not wait. It is sent in the order of the pushes, and the bytes of one push
// stay together. What is pushed while the Handler works through one buffer of input is
// usually sent in one write. If the Handler takes long, it is sent at once.
//
// # Closing
//
// A connection closes in order after CloseWhenDone, when the peer has ended its side or
// has taken too long to send, and when the Handler has returned an error or has panicked.
// Then no method of the Handler is called but HandleClose. What is queued is sent, then
// the end of the output (CloseWrite). Input is read and thrown away until the peer ends
// its side, too, or for LingerTimeout. Then the connection is closed.
//
// A connection is closed at once by Close, by an error of the network, by the end of
// Serve's context, and by an error of a [Producer]. If that cuts off a push or a
// producer, a TCP connection is reset, so that the peer does not take what it got for the
// whole.
//
// See ExampleNewConn, ExampleConn_SetTerminator, ExampleConn_TryPush and
// ExampleConn_StartTLS in example_test.go.
type Conn struct {
	// A push that is written at once needs one cache line here, two of the queue, and one
	// of a socket.
	stream  stream                 // replaced after StartTLS, as nc is; see goOnWith
	cfg     atomic.Pointer[Config] // see config
	writers sync.WaitGroup         // the writer: the writer goroutine, or one that pushes
	out     output                 // owned by the writer
	traffic traffic
	asked   requests
	refused atomic.Int64 // how many pushes TryPush and TryPushWithProducer have refused
	queue   queue        // at a multiple of 64 bytes

	nc         net.Conn
	newHandler func(*Conn) Handler
	observe    func(*Conn, ConnState) // Server.ConnState, or nil
	id         int64                  // the number of the connection in its Server, or 0
	began      int64                  // when the Conn was made, in nanoseconds since 1970
	ends       endSteps
	progress   progress

	// Owned by the goroutine of Serve.
	session *sessionState // if the handler is a Session
	upgrade *upgrade      // a StartTLS that is not complete, or nil; changed with mu held
	leaving departure
	handler Handler // changed with mu held, because the method Handler returns it
	framer  Framer
	replies replies
	broken  error // the error of the network for the last read

	// Guarded by mu, except wait, which the goroutine of Serve owns. Before that goroutine
	// waits for input, it looks at the fields from mu to wait. They are in two cache
	// lines.
	mu        sync.Mutex
	state     ConnState
	deadline  time.Time // the read deadline, as it was last set
	linger    *linger   // set when the output has ended
	wait      inputWait
	end       ending // why the connection ends
	life      lifetime
	outputEnd outputEnd
	hijacked  hijackState
	served    bool
	poisonMark
}

// traffic counts what has come: bytes, and messages.
type traffic struct{ read, messages atomic.Int64 }

// requests are what other goroutines, or the handler, have asked the connection to do.
type requests struct {
	shutdown  atomic.Bool
	close     atomic.Bool // CloseWhenDone was called
	halfClose atomic.Bool // CloseWrite was called
	handOver  atomic.Bool // the output must not be ended, because the function of Hijack goes on
}

// endSteps are the steps of the end that other goroutines wait for.
type endSteps struct{ severed, served sync.WaitGroup }

// An output has the state and the limits of the writer.
type output struct {
	size     int          // how many bytes one write writes, at most
	written  atomic.Int64 // the number of bytes that the connection has taken
	writing  atomic.Bool  // a write is under way; not set while the writer waits for a producer
	notes    atomic.Bool  // progress must record when a byte has last moved
	held     bool         // the system holds back what does not fill a segment
	untold   bool         // the system does not tell when a byte has last moved; never changed
	waitSize int          // how many bytes one write that waits writes, at most
	run      func()       // runWriter
}

// A lifetime has what the contexts of a connection are made of.
type lifetime struct {
	values context.Context // the context of Serve, or nil
	ctx    context.Context // made by the method Context
	cancel context.CancelCauseFunc
}

// An outputEnd is the state of the end of the output.
type outputEnd struct {
	told    bool          // the peer was told of the end
	drained chan struct{} // closed by the writer after the last byte; made by awaitWriter
}

// NewConn returns a [Conn] on nc, which belongs to it from now on. Nothing is read or
// written until Serve is called. Serve calls newHandler once, before the first read. What
// was pushed before Serve is sent then. cfg may be nil. nc must support deadlines: the
// timeouts, and some ways to close, depend on them.
//
// If nc wraps another connection, it should have a method CloseWrite, or a method NetConn
// that returns the other one, as [tls.Conn.NetConn] does. Without them
//
//   - the peer can't be told of the end of the output before the connection is closed:
//     input that has come is read before that, but what the peer sends later may destroy
//     output that it has not received;
//   - the connection can't be reset to tell the peer that output was cut off;
//   - it is not known what a slow peer takes: over TLS, a peer must accept a record of 16
//     KiB within WriteTimeout.
//
// Serve refuses datagrams. The packets of a unixpacket connection count as bytes, and may
// have at most 65,535 of them.
//
// If nc is a [*tls.Conn], or wraps one, Serve performs the handshake after it has called
// newHandler. What newHandler pushes must fit in the queue; otherwise Push waits until
// HandshakeTimeout has passed, and the connection ends.
//
// The connections of a [Server] share the memory of their buffers. For many connections,
// [Server.ServeConn] is better than NewConn.
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
		deadline:   longAgo, // so that the first wait sets one
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

// config returns the Config in force. The caller must not change it.
func (c *Conn) config() *Config { return c.cfg.Load() }

// Config returns the limits of c as they were given to it last. A field that is zero has its
// default value.
func (c *Conn) Config() Config { return *c.config() }

// SetConfig replaces the limits of c: for the state that the protocol is in, or for a
// peer that has proved who it is. It must be called before Serve, by a method of the
// Handler, or by the function of a ready-made one. cfg is copied.
//
// ReadBufferSize and WriteBufferSize do not change. The other fields apply from the next
// message, wait and write on. The limits for output also apply to a write that waits
// already: WriteTimeout and IdleTimeout count as if they had been in force before, and
// MinWriteRate, if it is changed, counts from now on. A terminator with a
// [Terminator.Limit] keeps that limit, whatever MaxMessageSize is.
func (c *Conn) SetConfig(cfg Config) {
	old := c.config()
	cfg.ReadBufferSize, cfg.WriteBufferSize = old.ReadBufferSize, old.WriteBufferSize
	c.cfg.Store(&cfg)
	c.out.notes.Store(c.out.untold || cfg.IdleTimeout > 0)
	c.framer.setMaxSize(cfg.maxMessageSize())
	c.queue.setMaxBytes(cfg.maxQueuedBytes())
	c.progress.limitsChanged(old)
}

// Dial connects to the address and starts a [Conn], which serves on a goroutine of its
// own. Close ends it, and Wait waits for its end. newHandler has been called when Dial
// returns. cfg may be nil. ctx only limits the time for connecting; the context of the
// connection has its values.
//
// For TLS, or to end the connection with a context, connect by other means, such as a
// [tls.Dialer], and call [NewConn], and Serve on a goroutine.
func Dial(ctx context.Context, network, address string, newHandler func(*Conn) Handler, cfg *Config) (*Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return start(ctx, nc, newHandler, cfg)
}

// start runs a Conn on nc, on a goroutine of its own. The context of the connection has
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

// Serve runs the connection and blocks until it has ended. It returns nil after an
// orderly end, otherwise the reason. An end is orderly after CloseWhenDone, after a
// Shutdown, and if the peer ended its side after a whole message. Serve can be called
// once; a further call returns an error.
//
// When ctx ends, the connection is closed at once, and the reason is the cause of ctx.
func (c *Conn) Serve(ctx context.Context) error {
	if err := c.claim(); err != nil {
		return err
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	return c.serve(ctx)
}

// Push queues a copy of data for sending, or writes it at once. data may be used again
// when Push returns. If data is empty, nothing is sent.
//
// While the queue is full, Push blocks until there is room or the connection has ended.
// While a Handler is blocked in Push, nothing is read, so a peer that does not take its
// replies can't send more requests.
//
// Push does not return errors of sending: they end the connection, and are its reason.
// After the end, and after CloseWhenDone or CloseWrite, Push returns an error that is
// [net.ErrClosed].
func (c *Conn) Push(data []byte) error { return c.queue.push(data) }

// TryPush is [Conn.Push], but returns [ErrQueueFull] where Push would wait. It is for
// sending one message to many connections. If nothing is queued, and no TryPush to the same
// connection came just before, TryPush itself writes what the system takes at once, without
// a copy. TryPush never blocks, so it may be called with a mutex locked.
func (c *Conn) TryPush(data []byte) error { return c.noteRefused(c.queue.tryPush(data)) }

// PushContext is [Conn.Push], but returns the cause of ctx if ctx ends while it waits. If
// Push, PushContext or TryPush returns an error, no part of data has been or will be
// sent.
func (c *Conn) PushContext(ctx context.Context, data []byte) error {
	return c.queue.pushContext(ctx, data)
}

// Write is [Conn.Push] as an [io.Writer], for functions such as [fmt.Fprintf]. It copies
// p. It returns len(p) and nil, or 0 and the error of Push.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Push(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// PushWithProducer queues p, whose bytes are sent after all that was pushed before. p
// belongs to the connection from now on, also if PushWithProducer returns an error; see
// [Producer] for when it is closed. PushWithProducer blocks and fails as Push does.
//
// A small push before a producer of memory or of a file, such as the header of a file, is
// sent together with the beginning of the producer: always within [Concat], otherwise on
// Linux, on a TCP connection, if the push is still in the queue, or if that was so in the
// answers before.
func (c *Conn) PushWithProducer(p Producer) error {
	return c.pushProducer(p, func(p Producer) error { return c.queue.pushProducer(context.Background(), p) })
}

// TryPushWithProducer is [Conn.PushWithProducer], but returns [ErrQueueFull] where that
// would wait, also because other pushes already wait for room. p is closed in that case,
// too.
//
// With a [NewBytesProducer] for each connection, one payload can be sent to many
// connections without a copy, and a slow one does not delay the others.
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

// Flush blocks until all that was pushed before has been handed to the system, or ctx has
// ended. It may be called after CloseWhenDone. If ctx has ended, it returns the cause of
// ctx. If the connection ended before, or the output was discarded, it returns the
// reason, or an error that is [net.ErrClosed]. A [Producer] must not call Flush.
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
	case err := <-mark: // ctx has ended, but the mark was reached as well
		return err
	default:
	}
	if life.Err() != nil {
		return errClosed
	}
	return context.Cause(ctx)
}

// CloseWhenDone closes the connection when all that was pushed before has been sent; see
// Closing, above. Nothing can be pushed after it. CloseWhenDone does not wait. It may be
// called more than once, and always returns nil.
func (c *Conn) CloseWhenDone() error {
	c.asked.close.Store(true)
	c.framer.requests.Or(stop)
	c.queue.seal()
	c.interrupt()
	return nil
}

// Close closes the connection at once. Output that is queued is dropped. [Conn.Serve] and
// [Conn.Wait] return an error for which errors.Is(err, net.ErrClosed) holds, unless the
// connection already had a reason to end. Close may be called more than once, and always
// returns nil. The file descriptor may stay open until the current method of the Handler
// has returned.
func (c *Conn) Close() error {
	c.abort(errClosed, inOrder)
	return nil
}

// CloseWithError is [Conn.Close] with err as the reason: Serve, Wait and HandleClose
// report err, and it is logged at level Info. It is for a program that ends a connection
// for a reason of its own, such as a peer that is too slow for a broadcast. If err is
// nil, CloseWithError is Close. It returns nil.
func (c *Conn) CloseWithError(err error) error {
	if err == nil {
		return c.Close()
	}
	c.abort(err, byProgram)
	return nil
}

// CloseWrite ends the output of the connection when all that was pushed before has been
// sent. Nothing can be pushed after it. Input goes on until the peer ends its side, too;
// then the connection closes. CloseWrite does not wait, and may be called more than once.
// If the connection has no way to end only its output, as that of [net.Pipe], CloseWrite
// does nothing and returns [errors.ErrUnsupported].
func (c *Conn) CloseWrite() error {
	if !canCloseWrite(c.NetConn()) {
		return errNoCloseWrite
	}
	c.asked.halfClose.Store(true)
	c.queue.seal()
	c.interrupt() // if keepOpen was called, the queue is closed when there is nothing to read
	return nil
}

// DiscardBuffers drops the output that is queued, and the input that was read and not yet
// given to the Handler. Queued producers are closed. The terminator stays, and so does a
// CloseWhenDone that was called before. A write that has begun is completed, but a
// producer that has begun is cut off.
func (c *Conn) DiscardBuffers() {
	c.framer.requests.Or(discard)
	c.discardOutput(errDiscarded)
	c.interrupt() // the stream may have left out a read because of this output; see socket
}

// discardOutput drops what is queued. cause is why.
func (c *Conn) discardOutput(cause error) {
	producers, current := c.queue.discard()
	for _, p := range producers {
		c.endProducer(p, cause)
		c.queue.droppedProducer()
	}
	interruptProducer(current)
}

// SetTerminator makes t the terminator of the input from the next byte on. Its rules and
// its errors are those of [Framer.SetTerminator]. It must be called on the goroutine of
// the Handler, or before Serve.
func (c *Conn) SetTerminator(t Terminator) error { return c.framer.SetTerminator(t) }

// Terminator returns the terminator in force, as [Framer.Terminator] does. It must be
// called where SetTerminator may be called.
func (c *Conn) Terminator() Terminator { return c.framer.Terminator() }

// Context returns a context that ends when the connection is closed. Its cause is the
// reason of the end, or an error that is [net.ErrClosed] after an orderly end. While the
// connection is closing, the context has not ended, although nothing can be pushed any
// more. A producer that may block for long should watch it. When Serve was called, it has
// the values of Serve's context.
//
// While a method of the Handler runs, or the function of a [Session] does something other
// than wait in Next, nothing is read. So the end of the peer's side, or a reset, is not
// noticed then, and does not end the context. A Handler that waits for something other than
// input should return from its method, and push when that has come.
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

// Wait blocks until the connection has ended and HandleClose has returned. It returns
// what Serve returns.
func (c *Conn) Wait() error {
	c.ends.served.Wait()
	return c.err()
}

// LocalAddr returns the local address of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.NetConn().LocalAddr() }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.NetConn().RemoteAddr() }

// Handler returns the handler of c, or nil while newHandler has not returned. It is for
// code that finds c in [Server.Conns] and knows the type of its handler. The methods of
// the Handler interfaces are called only by the goroutine of Serve.
func (c *Conn) Handler() Handler {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handler
}

// NetConn returns the connection that c runs on, for its options and its state. After
// StartTLS that is the [*tls.Conn].
//
// Only c may read it, write to it, close it, and set its deadlines. A call of its Close
// blocks until the current method of the Handler has returned, so a Handler that calls
// it, or Read, blocks for ever. Use [Conn.Close].
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
