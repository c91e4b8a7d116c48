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
	"syscall"
	"time"

	"github.com/goframer/framer/internal/poison"
)

// claim gives c to one goroutine, which must make sure that finish is called.
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

// begin makes the handler. If there is none, begin finishes c and returns the reason.
func (c *Conn) begin(ctx context.Context) (err error) {
	c.mu.Lock()
	c.life.values = ctx
	c.mu.Unlock()
	c.nc.SetDeadline(time.Time{}) // the program may have left a deadline
	prepareSocket(c.nc)
	if c.unshaken() == nil {
		c.openQueue() // newHandler may push more than the queue holds
	} else if timeout := c.config().handshakeTimeout(); timeout > 0 {
		// The queue is not opened before the handshake. So a push of newHandler that
		// waits for room would wait for ever.
		limit := newAlarm(timeout, func() { c.abort(c.timeoutError(EndHandshakeTimeout), byPeer) })
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
		c.framer.lender = newLender(poison.Of(&c.poisonMark))
	}
	c.mu.Lock()
	c.handler = h // the method Handler returns it
	c.mu.Unlock()
	if h == nil {
		return ending{err: errors.New("framer: a connection without a Handler"), by: byHandler}
	}
	if m, ok := h.(*messages); ok {
		if err := m.begin(c); err != nil {
			return ending{err: err, by: byHandler}
		}
	}
	if end := c.endOfHandler(nil); end.err != errPaused {
		return end
	}
	return ending{}
}

// protected calls f. If f panics, the panic is logged and becomes the ending.
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

// heed closes c when ctx ends. The caller must call stop when that is no longer wanted. If
// ctx has ended, stop waits for the goroutine that closes c, so that it does not outlive
// Serve.
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

// serve does the part of Serve that comes after begin.
func (c *Conn) serve(ctx context.Context) (err error) {
	end := ending{err: errors.New("framer: the handler has ended its goroutine"), by: byHandler}
	defer func() { err = c.finish(end) }()
	defer c.heed(ctx)()
	defer func() { c.windDown(end) }() // deferred, so that it runs also if the handler calls runtime.Goexit
	end = c.protected("the handler", c.converse)
	return nil
}

// converse runs the connection from the handshake until the handler is done.
func (c *Conn) converse() ending {
	if err := c.handshake(); err != nil {
		return ending{err: err, by: byHandshake}
	}
	c.enter(StateActive)
	c.openQueue()
	var end ending
	if c.upgrade != nil {
		end = c.secure()
	}
	if end.err == nil {
		end = c.connected()
	}
	if end.err == nil {
		end = c.receive()
	}
	for ends := false; ; {
		if c.wantsUpgrade(end) {
			if failed := c.secure(); failed.err != nil {
				return failed
			}
		}
		switch {
		case end.err == errPaused:
			end = c.receive()
			continue
		case ends:
			return end
		}
		if end, ends = c.lastWord(end); !ends {
			end = c.receive()
		}
	}
}

// connected calls HandleConnect.
func (c *Conn) connected() ending {
	h, ok := c.handler.(ConnectHandler)
	if !ok || c.framer.stopped() {
		return ending{}
	}
	return c.endOfHandler(h.HandleConnect())
}

// lastWord tells the handler of an end of the input, by the optional method for that end.
// It reports whether the conversation is over.
func (c *Conn) lastWord(end ending) (ending, bool) {
	if c.framer.stopped() && (end.err == nil || errors.Is(end.err, errClosed)) {
		return ending{what: endByClose}, true // or by Close, which has set its own reason
	}
	switch {
	case end.by == byHandler:
	case end.err == ErrServerClosed && c.leaving.stage == left:
		return c.goodbye()
	case c.framer.stopped():
	case end.err != nil && end.err == c.wait.failed:
		if end.err.(*TimeoutError).Reason == EndIdleTimeout && c.progress.blocked() {
			c.abort(end.err, byPeer) // as progress does at the same moment: nothing that is pushed would be sent
			return end, true
		}
		if h, ok := c.handler.(TimeoutHandler); ok {
			end = c.endAsHandlerSays(end, h.HandleTimeout(end.err))
			return end, end.err != nil
		}
	case c.peerDone() && (end.err == nil || end.err == io.ErrUnexpectedEOF):
		if h, ok := c.handler.(EndHandler); ok {
			err := h.HandleEnd(end.err)
			switch {
			case err != nil:
				return c.endAsHandlerSays(end, err), true
			case c.hijacked.f != nil:
				return ending{what: endByHijack}, true
			}
		}
	}
	return end, true
}

// endAsHandlerSays returns the ending for what a method of the handler has returned that was
// told of end. If that is the error of end, perhaps with more to say about it, it is no
// error of the handler's own.
func (c *Conn) endAsHandlerSays(end ending, err error) ending {
	if end.err != nil && errors.Is(err, end.err) {
		end.err = err
		return end
	}
	return c.endOfHandler(err)
}

// goodbye calls HandleShutdown. It reports whether the conversation is over: it is not if
// the handler wants to stay.
func (c *Conn) goodbye() (ending, bool) {
	h, ok := c.handler.(ShutdownHandler)
	if !ok || c.framer.stopped() {
		return ending{what: endByShutdown}, true
	}
	err := h.HandleShutdown()
	if errors.Is(err, ErrStayOpen) {
		return ending{}, false
	}
	if end := c.endOfHandler(err); end.err != nil && end.err != errPaused {
		return end, true
	}
	return ending{what: endByShutdown}, true
}

// openQueue lets the writer send what is in the queue.
func (c *Conn) openQueue() {
	if c.out.run == nil { // if it is set, a push of another goroutine may be reading it
		c.out.run = c.runWriter // only once, because it allocates
	}
	c.queue.open(c)
}

// receive gives the input to the handler, until the input or the handler ends.
func (c *Conn) receive() ending {
	if c.framer.stopped() {
		return ending{what: endByClose}
	}
	switch h := c.handler.(type) {
	case session:
		c.session = &sessionState{goOn: c.goOnWithNext}
		c.framer.finish = c.finishNext
		return c.endOfSession(h(c))
	case *messages:
		return h.run(c)
	}
	err := c.stream.await(func() error { return c.framer.Run(c.handler) })
	if c.framer.failed {
		return c.endOfHandler(err)
	}
	return c.endOfInput(err)
}

// endOfHandler returns the ending for what a handler has returned. A terminator that was
// refused is an error as well, unless the handler has closed the connection for that
// reason. If a message was too long, that is the peer's doing, even if the handler has
// returned that error.
func (c *Conn) endOfHandler(err error) ending {
	if err == nil && !c.framer.stopped() {
		err = c.framer.refused
	}
	if long := c.framer.tooLongErr; err != nil && long != nil && errors.Is(err, long) {
		return ending{err: err, by: byPeer}
	}
	return ending{err: err, by: byHandler}
}

// endOfInput returns the ending for an error of the input. io.EOF, or no error, is the
// peer's end.
func (c *Conn) endOfInput(err error) ending {
	switch {
	case err == nil, err == io.EOF:
		return ending{what: endByPeer}
	case c.broken != nil:
		return ending{err: err, by: byNetwork}
	}
	return ending{err: err, by: byPeer}
}

// A handshaker is a tls.Conn, or something that wraps one.
type handshaker interface {
	HandshakeContext(context.Context) error
}

// unshaken returns the handshaker whose handshake is still to be done, or nil.
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
	if c.asked.shutdown.Load() {
		c.abort(ErrServerClosed, inOrder)
		return ErrServerClosed
	}
	err := c.limitedHandshake(t)
	if err != nil {
		c.abort(err, byHandshake)
	}
	return err
}

// limitedHandshake performs the handshake of t within HandshakeTimeout.
func (c *Conn) limitedHandshake(t handshaker) error {
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
		return c.timeoutError(EndHandshakeTimeout)
	}
	return fmt.Errorf("framer: TLS handshake: %w", err)
}

// enter sets the state to s, unless it is at s or beyond. The goroutine of Serve calls
// it.
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

// windDown sends the rest of the output and ends the connection, when the conversation is
// over.
func (c *Conn) windDown(end ending) {
	c.framer.requests.Or(stop)
	var fatal syscall.Errno
	if c.broken != nil && !c.peerDone() && errors.As(c.broken, &fatal) {
		// The connection is broken. If the handler has reported no error, that is the
		// reason of the end.
		if end.err == nil {
			end = ending{err: c.broken, by: byNetwork}
		}
		c.abort(end.err, end.by)
		return
	}
	c.traffic.messages.Store(c.framer.found)
	c.enter(StateClosing)
	handOver := c.hijacked.f != nil && end.err == nil && !c.asked.close.Load()
	if handOver {
		end.what = endByHijack
		c.asked.handOver.Store(!c.asked.halfClose.Load())
	}
	c.mu.Lock()
	c.endWith(end)
	if c.linger != nil { // the linger time begins anew
		c.linger = newLinger(c.lingerTimeout(!c.linger.blind), c.linger.unsent, !c.linger.blind)
	}
	c.mu.Unlock()
	c.queue.close()
	c.dropUpgrade() // only now, when nothing more can be pushed
	if c.queue.hasProducers() {
		c.progress.beginEnd() // otherwise a producer could have nothing to say for ever
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

// endWith makes e the reason of the end if there is no reason yet. It also does so if e
// is an error and the end was in order so far. c.mu must be held.
func (c *Conn) endWith(e ending) {
	if c.end == (ending{}) || c.end.err == nil && e.err != nil {
		c.end = e
	}
}

// peerDone reports whether the peer has ended its side. Over TLS, a peer may have done so
// without a close_notify.
func (c *Conn) peerDone() bool {
	return c.broken == io.EOF || c.broken == io.ErrUnexpectedEOF
}

// discardInput reads input and throws it away, until the peer's end, or until there is no
// point in going on.
func (c *Conn) discardInput() {
	if c.peerDone() {
		return
	}
	err := c.stream.await(func() error { return c.discardAll(c.stream) })
	for early := 0; early < maxEmpty && c.unreadable(err); early++ {
		// The error may pass. Or only the outermost layer has failed, such as TLS after
		// an invalid record, and the connection below it can still be read.
		before := c.traffic.read.Load()
		err = c.discardAll(plainStream{c, innermost(c.nc)})
		if c.traffic.read.Load() != before {
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
	sent := c.outputEnd.told
	c.mu.Unlock()
	if left, known := unsent(c.nc); !sent || !known || left > 1 {
		c.abort(err, originOf(err))
	}
}

// unreadable reports whether err concerns reading only, so that output can still be sent.
func (c *Conn) unreadable(err error) bool {
	var fatal syscall.Errno
	return (c.broken != nil || err == io.ErrNoProgress) && !c.peerDone() && !c.isClosed() &&
		err != errLingered && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.As(err, &fatal)
}

// awaitLinger waits for the peer to take the output when nothing can be read because of
// readErr. If the system does not tell whether the peer has taken it, readErr is the
// reason of the end.
func (c *Conn) awaitLinger(readErr error) error {
	c.awaitWriter()
	for {
		c.mu.Lock()
		if c.linger == nil { // the output was cut off
			c.mu.Unlock()
			return errClosed
		}
		err := c.lingered(false)
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

// awaitWriter blocks until the output has been sent, or can't be sent.
func (c *Conn) awaitWriter() {
	drained := make(chan struct{})
	c.mu.Lock()
	if c.outputEnd.told || c.state == StateClosed {
		c.mu.Unlock()
		return
	}
	c.outputEnd.drained = drained
	c.mu.Unlock()
	<-drained
}

// finish ends everything that is left and returns the reason of the end. The goroutine of
// Serve calls it last. abort calls it for a connection that nobody serves.
func (c *Conn) finish(end ending) error {
	c.abort(end.err, end.by)
	c.ends.severed.Wait() // another goroutine may be closing the connection
	c.writers.Wait()
	c.progress.stop()
	if !c.hijacked.released {
		c.stream.release()
	}
	c.framer.release()
	defer c.ends.served.Done()
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

// abort closes the connection at once. It may be called from any goroutine. Only the
// first call has an effect. err is the reason of the end if there is none yet.
func (c *Conn) abort(err error, by origin) {
	c.framer.requests.Or(stop)
	c.mu.Lock()
	if c.state == StateClosed {
		c.mu.Unlock()
		return
	}
	c.state = StateClosed
	c.endWith(ending{err: err, by: by})
	cut := c.queue.shut() // c.end is set, so a push that fails from now on finds the reason
	err = c.end.err
	served, lent := c.served, c.hijacked.lent
	stream := c.stream // StartTLS does not change it after StateClosed
	cancel := c.life.cancel
	c.tellDrained()
	c.mu.Unlock()

	if lent {
		// The function of Hijack must not mistake the end for the peer's end.
		plainStream{c: c}.sever(cut)
	} else {
		stream.sever(cut)
	}
	interruptProducer(c.queue.active())
	if cancel != nil {
		cancel(causeOf(err))
	}
	c.ends.severed.Done()
	if !served {
		c.finish(ending{err: err, by: by})
	}
}

// causeOf returns reason, or errClosed if reason is nil: a call that fails because the
// connection has ended must return an error.
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
