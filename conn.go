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
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
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
	// has been closed; not if it was closed before newHandler could be called. err is the reason, as Serve returns it: nil after an orderly
	// end, io.ErrUnexpectedEOF if the peer ended its side in the middle of a
	// message.
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
	// It is not called when IdleTimeout runs out while a write is stuck: nothing
	// that it could push would be sent. A handler that has nothing to say to a peer
	// that is gone can return what [Conn.CloseWithError] does.
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
// Handler. SetTerminator, Terminator, Matched, Next, NextReader, SetConfig and Hijack
// must be called from there, or before Serve. All other methods may be called from any
// goroutine, also from the Handler.
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
	cfg        atomic.Pointer[Config] // see config
	newHandler func(*Conn) Handler
	observe    func(*Conn, ConnState) // of a Server, or nil
	queue      queue
	progress   progress
	severed    sync.WaitGroup // until the stream is
	ended      sync.WaitGroup // until Serve is done

	bytesRead, bytesWritten, messagesRead atomic.Int64

	// Owned by the goroutine of Serve.
	handler     Handler
	framer      Framer
	goOn        func() error   // goOnWithNext, or nil
	message     []byte         // what came of it
	nextErr     error          // what Next has failed with last
	replies     []byte         // answers of Replies that were not pushed yet
	hijack      func(net.Conn) // of Hijack, or nil
	released    bool           // it has taken the connection
	timedOut    error          // the last timeout of the input
	broken      error          // what the network said to the last read
	inWait      bool           // input is waited for
	cutShort    bool           // the wait was interrupted before its time
	inMessage   bool           // and that counts for MessageTimeout
	waiting     time.Time      // when the last wait began, if it is timed
	timed       int64          // the message that spent is about, counted by framer.ends
	spent       time.Duration  // how long the peer has taken over it
	before      int64          // bytesRead when that message began
	departure   departure      // for a shutdown
	lateReads   int            // since that was asked for
	lateBytes   int64          // that had come before
	lastMessage int64          // before it, counted by framer.ends

	// Owned by the writer.
	writeSize int    // how much is written at once
	waitSize  int    // and if it has to wait
	write     func() // runWriter

	shutting   atomic.Bool // Shutdown was asked for
	closing    atomic.Bool // CloseWhenDone was called
	halfClosed atomic.Bool // CloseWrite was called
	handsOver  atomic.Bool // the output is not ended: the function of Hijack goes on
	writing    atomic.Bool // a write goes on; not while the writer waits for a producer
	writers    sync.WaitGroup

	mu          sync.Mutex
	values      context.Context // of Serve, or nil
	life        context.Context // made by Context
	cancel      context.CancelCauseFunc
	state       ConnState
	end         ending    // why the connection ends
	deadline    time.Time // for reading, as it was last set
	linger      *linger   // from the end of the output
	outputEnded bool
	lent        bool // to the function of Hijack, which has not returned
	served      bool
	drained     chan struct{} // closed by the writer after the last byte; made by awaitWriter
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
// received. And the connection can't be reset then to tell the peer that output was
// cut off. Datagrams are refused by Serve; packets of a unixpacket connection count as
// bytes and may have at most 65,535 of them.
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
		timed:      -1,
		deadline:   longAgo, // whatever it is
	}
	c.cfg.Store(cfg)
	c.progress.c = c
	c.writeSize, c.waitSize = cfg.writeBufferSizes()
	if isTLS(nc) {
		c.writeSize, c.waitSize = min(c.writeSize, recordSize), min(c.waitSize, recordSize)
	}
	c.stream = newStream(c)
	c.severed.Add(1)
	c.ended.Add(1)
	c.framer.init(connReader{c}, cfg, memory)
	if len(unread) > 0 {
		c.framer.unread(unread)
		c.bytesRead.Store(int64(len(unread)))
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
// rule from the next message, wait and write on.
func (c *Conn) SetConfig(cfg Config) {
	old := c.config()
	cfg.ReadBufferSize, cfg.WriteBufferSize = old.ReadBufferSize, old.WriteBufferSize
	c.cfg.Store(&cfg)
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
	switch {
	case c.served:
		return fmt.Errorf("framer: Serve was called before: %w", net.ErrClosed)
	case c.state != StateNew:
		return fmt.Errorf("framer: Serve was called after Close: %w", net.ErrClosed)
	}
	c.served = true
	return nil
}

// begin makes the handler. If there is none, c is finished, and the reason returned.
func (c *Conn) begin(ctx context.Context) (err error) {
	c.mu.Lock()
	c.values = ctx
	c.mu.Unlock()
	c.nc.SetDeadline(time.Time{}) // others may have left one
	prepareSocket(c.nc)
	if c.unshaken() == nil {
		c.openQueue() // newHandler may push more than the queue holds
	} else if timeout := c.config().handshakeTimeout(); timeout > 0 {
		// Nothing is sent before the handshake, so that it may wait in vain.
		limit := newAlarm(timeout, func() { c.abort(c.timeoutError(handshakeTimeout), byPeer) })
		defer limit.stop()
	}

	end := ending{err: errors.New("framer: newHandler has ended its goroutine"), by: byHandler}
	defer func() {
		if end.err != nil {
			err = c.finish(end)
		}
	}()
	defer c.heed(ctx)()
	end = c.protected("newHandler", c.makeHandler)
	return nil
}

func (c *Conn) makeHandler() ending {
	if err := checkStream(c.nc); err != nil {
		return ending{err: err, by: byHandler}
	}
	var h Handler
	if c.newHandler != nil {
		h = c.newHandler(c)
	}
	c.mu.Lock()
	c.handler = h // for Handler
	c.mu.Unlock()
	if h == nil {
		return ending{err: errors.New("framer: a connection without a Handler"), by: byHandler}
	}
	return c.endOfHandler(nil)
}

// protected calls f. A panic in it is logged, and becomes the ending.
func (c *Conn) protected(where string, f func() ending) (end ending) {
	err := protect(func() error {
		end = f()
		return nil
	})
	if err != nil {
		c.logPanic(err, where)
		return ending{err: err, by: byPanic}
	}
	return end
}

// heed has c closed when ctx ends. What it returns must be called when that is no
// longer wanted.
func (c *Conn) heed(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	aborted := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(aborted)
		c.abort(context.Cause(ctx), inOrder)
	})
	return func() {
		if !cancel() {
			<-aborted
		}
	}
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
	end := ending{err: errors.New("framer: the handler has ended its goroutine"), by: byHandler}
	defer func() { err = c.finish(end) }()
	defer c.heed(ctx)()
	defer func() { c.windDown(end) }() // also if the handler calls runtime.Goexit
	end = c.protected("the handler", c.converse)
	return nil
}

// converse is the life of the connection until its handler is done.
func (c *Conn) converse() ending {
	if err := c.handshake(); err != nil {
		return ending{err: err, by: byPeer}
	}
	c.enter(StateActive)
	c.openQueue()
	end := c.connected()
	if end.err == nil {
		end = c.receive()
	}
	for ends := false; ; end = c.receive() {
		if end, ends = c.lastWord(end); ends {
			return end
		}
	}
}

// connected lets the handler begin.
func (c *Conn) connected() ending {
	h, ok := c.handler.(ConnectHandler)
	if !ok || c.framer.stop.Load() {
		return ending{}
	}
	return c.endOfHandler(h.HandleConnect())
}

// lastWord lets the handler say something about an end of the input, and whether it
// ends the conversation.
func (c *Conn) lastWord(end ending) (ending, bool) {
	if c.framer.stop.Load() && (end.err == nil || errors.Is(end.err, errClosed)) {
		return ending{what: endByClose}, true // or Close, which has its own reason
	}
	switch {
	case end.by == byHandler:
	case end.err == ErrServerClosed && c.departure == left:
		return c.goodbye()
	case c.framer.stop.Load():
	case end.err != nil && end.err == c.timedOut:
		if h, ok := c.handler.(TimeoutHandler); ok {
			err := h.HandleTimeout(end.err)
			if err != end.err {
				end = c.endOfHandler(err)
			}
			return end, end.err != nil
		}
	case c.peerDone() && (end.err == nil || end.err == io.ErrUnexpectedEOF):
		if h, ok := c.handler.(EndHandler); ok {
			err := h.HandleEnd(end.err)
			switch {
			case err != nil && err != end.err:
				return c.endOfHandler(err), true
			case err == nil && c.hijack != nil:
				return ending{what: endByHijack}, true
			}
		}
	}
	return end, true
}

// goodbye lets the handler say goodbye in a shutdown, or stay.
func (c *Conn) goodbye() (ending, bool) {
	h, ok := c.handler.(ShutdownHandler)
	if !ok || c.framer.stop.Load() {
		return ending{what: endByShutdown}, true
	}
	err := h.HandleShutdown()
	if errors.Is(err, ErrStayOpen) {
		return ending{}, false
	}
	if end := c.endOfHandler(err); end.err != nil {
		return end, true
	}
	return ending{what: endByShutdown}, true
}

// openQueue lets output be written.
func (c *Conn) openQueue() {
	if c.write == nil { // or a push from elsewhere may be reading it
		c.write = c.runWriter // once: it allocates
	}
	c.queue.open(c)
}

// receive feeds the handler.
func (c *Conn) receive() ending {
	if c.framer.stop.Load() {
		return ending{what: endByClose}
	}
	switch h := c.handler.(type) {
	case session:
		return c.endOfSession(h(c))
	case messages:
		return h.run(c)
	}
	err := c.stream.await(func() error { return c.framer.Run(c.handler) })
	if c.framer.failed {
		return c.endOfHandler(err)
	}
	return c.endOfInput(err)
}

// endOfHandler returns the ending for what a handler has returned. A terminator that was
// refused is an error as well, unless the handler has closed the connection for that.
// That a message of the peer is too long is not the handler's doing, also if it was the
// one to say so.
func (c *Conn) endOfHandler(err error) ending {
	if err == nil && !c.framer.stop.Load() {
		err = c.framer.refused
	}
	if long := c.framer.tooLongErr; err != nil && long != nil && errors.Is(err, long) {
		return ending{err: err, by: byPeer}
	}
	return ending{err: err, by: byHandler}
}

// endOfInput returns the ending for an error of the input, which may be no more than
// its end.
func (c *Conn) endOfInput(err error) ending {
	switch {
	case err == nil, err == io.EOF:
		return ending{what: endByPeer}
	case c.broken != nil:
		return ending{err: err, by: byNetwork}
	}
	return ending{err: err, by: byPeer}
}

// A handshaker is a tls.Conn, perhaps one in disguise.
type handshaker interface {
	HandshakeContext(context.Context) error
}

// unshaken returns what has still to shake hands, or nil.
func (c *Conn) unshaken() handshaker {
	t := handshakerOf(c.nc)
	if done, ok := t.(interface{ ConnectionState() tls.ConnectionState }); ok && done.ConnectionState().HandshakeComplete {
		return nil
	}
	return t
}

func (c *Conn) handshake() error {
	t := c.unshaken()
	if t == nil {
		return nil
	}
	c.enter(StateHandshake)
	if c.shutting.Load() {
		c.abort(ErrServerClosed, inOrder)
		return ErrServerClosed
	}
	ctx := c.Context()
	if timeout := c.config().handshakeTimeout(); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	err := t.HandshakeContext(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		err = c.timeoutError(handshakeTimeout)
	default:
		err = fmt.Errorf("framer: TLS handshake: %w", err)
	}
	c.abort(err, byPeer)
	return err
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
func (c *Conn) windDown(end ending) {
	c.framer.stop.Store(true)
	var fatal syscall.Errno
	if c.broken != nil && !c.peerDone() && errors.As(c.broken, &fatal) {
		// The connection is no more. If the handler did not think so, that is the
		// reason.
		if end.err == nil {
			end = ending{err: c.broken, by: byNetwork}
		}
		c.abort(end.err, end.by)
		return
	}
	c.messagesRead.Store(c.framer.found)
	c.enter(StateClosing)
	handOver := c.hijack != nil && end.err == nil && !c.closing.Load()
	if handOver {
		end.what = endByHijack
		c.handsOver.Store(!c.halfClosed.Load())
	}
	c.mu.Lock()
	c.endWith(end)
	if c.linger != nil { // it begins anew
		c.linger = newLinger(c.lingerTimeout(!c.linger.blind), c.linger.unsent, !c.linger.blind)
	}
	c.mu.Unlock()
	c.queue.close()
	if c.queue.hasProducers() {
		c.progress.beginEnd() // they must not be silent for ever
	}
	if handOver {
		c.awaitWriter()
		if c.lend() {
			c.handOver()
			return
		}
	}
	c.discardInput()
	c.awaitWriter()
}

// lend reports whether the connection can be given to the function of Hijack: unless it
// was closed, or CloseWhenDone has ended the output after all.
func (c *Conn) lend() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lent = c.state != StateClosed && (c.linger == nil || c.halfClosed.Load())
	return c.lent
}

// handOver gives the connection to the function of Hijack.
func (c *Conn) handOver() {
	c.progress.endEnd()
	c.nc.SetDeadline(time.Time{})
	nc := Unread(c.nc, c.rest())
	c.framer.release() // f may take long
	end := ending{err: errors.New("framer: the function of Hijack has ended its goroutine"), by: byHandler}
	defer func() {
		if end.err != nil {
			c.abort(end.err, end.by)
			return
		}
		c.letGo()
	}()
	end = c.protected("the function of Hijack", func() ending {
		c.hijack(nc)
		return ending{}
	})
}

// rest returns a copy of what was read and not given to the handler.
func (c *Conn) rest() []byte {
	rest := c.framer.rest()
	if s, ok := c.stream.(plainStream); ok {
		if packets, ok := s.in.(*packetReader); ok {
			rest = append(rest, packets.unread...)
		}
	}
	return rest
}

// letGo ends c and leaves its connection open, unless it was closed meanwhile.
func (c *Conn) letGo() {
	c.mu.Lock()
	c.lent = false
	if c.state == StateClosed {
		c.mu.Unlock()
		return
	}
	c.released = true
	c.state = StateClosed
	c.queue.shut()
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel(errClosed)
	}
	c.severed.Done()
}

// endWith makes e the reason of the end, if there is none yet, or if the end was in
// order so far and e cuts it off. c.mu must be held.
func (c *Conn) endWith(e ending) {
	if c.end == (ending{}) || c.end.err == nil && e.err != nil {
		c.end = e
	}
}

// peerDone reports whether the peer has ended its side. One that speaks TLS may
// have done so without saying it properly.
func (c *Conn) peerDone() bool {
	return c.broken == io.EOF || c.broken == io.ErrUnexpectedEOF
}

// discardInput reads and throws away until the peer's end, or until it is no use
// any more.
func (c *Conn) discardInput() {
	if c.peerDone() {
		return
	}
	err := c.stream.await(func() error { return c.discardAll(c.stream) })
	for early := 0; early < maxEmpty && c.unreadable(err); early++ {
		// Perhaps it passes, or it is only the outermost layer, such as TLS after a
		// record that makes no sense.
		before := c.bytesRead.Load()
		err = c.discardAll(plainStream{c, innermost(c.nc)})
		if c.bytesRead.Load() != before {
			early = 0
		}
	}
	if c.unreadable(err) {
		err = c.awaitLinger(err)
	}
	if err == errLingered || c.peerDone() {
		return
	}
	c.mu.Lock()
	sent := c.outputEnded
	c.mu.Unlock()
	if left, known := unsent(c.nc); !sent || !known || left > 1 {
		c.abort(err, originOf(err))
	}
}

// unreadable reports whether err is one of reading only: output can still be sent.
func (c *Conn) unreadable(err error) bool {
	var fatal syscall.Errno
	return (c.broken != nil || err == io.ErrNoProgress) && !c.peerDone() && !c.isClosed() &&
		err != errLingered && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.As(err, &fatal)
}

// awaitLinger waits for the peer to take the output where nothing can be read, because
// of readErr. If it can't be known whether the peer has, that is the reason of the end.
func (c *Conn) awaitLinger(readErr error) error {
	c.awaitWriter()
	for {
		c.mu.Lock()
		if c.linger == nil { // the output was cut off
			c.mu.Unlock()
			return errClosed
		}
		err := c.lingered()
		left := time.Until(c.linger.end)
		c.mu.Unlock()
		if _, tells := unsent(c.nc); err == errLingered && !tells {
			c.abort(readErr, byNetwork)
		}
		if err != nil {
			return err
		}
		select {
		case <-time.After(left):
		case <-c.Context().Done():
			return errClosed
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
	<-drained
}

// finish ends everything that is left and returns the reason. It is the last that
// the goroutine of Serve does.
func (c *Conn) finish(end ending) error {
	c.abort(end.err, end.by)
	c.severed.Wait() // it may be another goroutine that closes the connection
	c.writers.Wait()
	c.progress.stop()
	if !c.released {
		c.stream.release()
	}
	c.framer.release()
	defer c.ended.Done()
	if c.observe != nil {
		defer c.observe(c, StateClosed)
	}
	c.mu.Lock()
	end = c.end
	c.mu.Unlock()
	c.discardOutput(causeOf(end.err))
	c.logEnd(end)
	if h, ok := c.handler.(CloseHandler); ok {
		err := protect(func() error {
			h.HandleClose(end.err)
			return nil
		})
		c.logPanic(err, "HandleClose")
	}
	return end.err
}

// abort closes the connection at once, from any goroutine. Only the first call
// has an effect; the reason counts if there is none yet.
func (c *Conn) abort(err error, by origin) {
	c.framer.stop.Store(true)
	c.mu.Lock()
	if c.state == StateClosed {
		c.mu.Unlock()
		return
	}
	c.state = StateClosed
	c.endWith(ending{err: err, by: by})
	cut := c.queue.shut() // now whoever fails to push has a reason
	err = c.end.err
	served, lent := c.served, c.lent
	cancel := c.cancel
	c.tellDrained()
	c.mu.Unlock()

	c.stream.sever(cut)
	if lent {
		c.nc.Close() // nobody else would tell the function of Hijack so
	}
	interruptProducer(c.queue.active())
	if cancel != nil {
		cancel(causeOf(err))
	}
	c.severed.Done()
	if !served {
		c.finish(ending{err: err, by: by})
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
	return c.end.err
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
func (c *Conn) PushWithProducer(p Producer) error {
	return c.pushProducer(p, func(p Producer) error { return c.queue.pushProducer(context.Background(), p) })
}

// TryPushWithProducer is PushWithProducer, but returns [ErrQueueFull] where that would
// wait; p has been closed then. With a [NewBytesProducer] for each, one payload can be
// sent to many connections without a copy, and none of them holds up the others.
func (c *Conn) TryPushWithProducer(p Producer) error {
	return c.pushProducer(p, c.queue.tryPushProducer)
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
// after CloseWhenDone, or until ctx has ended. If the connection has ended before that,
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
	c.closing.Store(true)
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
	c.abort(err, byPeer)
	return nil
}

// CloseWrite ends our side of the connection when all that was pushed before has been
// sent. Nothing can be pushed any more, but input goes on, until the peer ends its side,
// too: then the connection closes. It does not wait, and is harmless twice. If the
// connection can't do that, as that of net.Pipe, nothing happens and the error is
// [errors.ErrUnsupported].
func (c *Conn) CloseWrite() error {
	if !canCloseWrite(c.nc) {
		return errNoCloseWrite
	}
	c.halfClosed.Store(true)
	c.queue.seal()
	c.interrupt() // what keeps the queue open is over when there is nothing to read
	return nil
}

// Hijack takes the connection away from c, for a protocol that is not framed: CONNECT,
// SOCKS, an upgrade. It must be called by a method of the Handler, or the function of a
// ready-made one. No method of the Handler is called after that but HandleClose. When
// the one that runs has returned without an error, and what was pushed has been sent,
// Serve calls f and returns nil when f has. After a panic of f the connection is closed,
// and Serve returns it as a [*PanicError].
//
// nc gives the input first that was read already and not given to the handler; see
// [Unread]. It has no deadlines, and belongs to f, which closes it, or hands it on. Until
// f returns, the connection is open for the [Server]: Close, the end of Serve's context,
// and that of Shutdown's close nc. If it has ended before f could be called, f is not
// called and Serve returns the reason. Nor is it after CloseWhenDone, which closes the
// connection; after CloseWrite nc can only be read.
func (c *Conn) Hijack(f func(nc net.Conn)) {
	c.hijack = f
	c.framer.stop.Store(true)
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
	if c.life == nil {
		c.life, c.cancel = context.WithCancelCause(context.Background())
		if c.state == StateClosed {
			c.cancel(causeOf(c.end.err))
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

// Handler returns the handler of c, for those who find c in [Server.Conns] and know its
// type; nil while newHandler has not returned. Its methods are called by the goroutine
// of Serve.
func (c *Conn) Handler() Handler {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handler
}

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
	state := c.state.String()
	if c.state == StateActive && c.shutting.Load() {
		state = "shutting down"
	}
	return fmt.Sprintf("%v->%v (%s)", c.nc.LocalAddr(), c.nc.RemoteAddr(), state)
}
