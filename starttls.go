// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// StartTLS continues the connection under TLS, as STARTTLS of SMTP (RFC 3207), STLS of
// POP3 (RFC 2595) and AUTH TLS of FTP (RFC 4217) do. wrap is [tls.Server] or
// [tls.Client], and cfg is its argument. StartTLS must be called before Serve, by a
// method of the Handler, or by the function of a ready-made one.
//
// In a [Session], StartTLS performs the handshake at once, and returns when it is
// complete. Otherwise the handshake begins when the method of the Handler has returned
// without an error, and the next method is called when it is complete.
//
// What was pushed before StartTLS, such as "220 go ahead", is sent in clear. So is what
// the function of [Replies] returns from the same call. What is pushed after StartTLS, by
// any goroutine, waits for the handshake and is encrypted. So is what HandleReadComplete
// pushes.
//
// Other goroutines must not push between the answer and StartTLS, because the peer
// expects nothing there. Hold a lock around the two that the others take as well, or use
// Replies, which sends its answer last. In a Session, where StartTLS lasts as long as the
// handshake, let nothing be pushed to the connection until it has returned.
//
// The connection ends if the handshake fails, or is not complete within HandshakeTimeout.
// It also ends if the peer has sent more in clear before the handshake: anybody could
// have inserted that, and it would be taken for something that came under TLS (RFC 3207
// section 6, CVE-2011-0411). Output that waits is dropped then. The method that called
// StartTLS must also return within HandshakeTimeout. What it pushes after StartTLS must
// fit in the queue, because nothing is sent before the handshake. CloseWhenDone,
// CloseWrite and Hijack after StartTLS take effect after the handshake.
//
// The part of a message that was collected is dropped, also from an embedded [Collector].
// The next message begins with the first byte under TLS, under the terminator in force.
// The Handler must itself forget whatever else it has learned from the peer.
// [Conn.NetConn] then returns the [*tls.Conn], which knows the certificates of the peer
// and what was negotiated. HandleConnect is not called again, and the [ConnState] does
// not change. A Shutdown lets the handshake complete.
//
// StartTLS returns an error at once if an argument is nil, or if it was called before and
// that handshake has not begun. If the connection is closing, or after CloseWrite, the
// error is [net.ErrClosed].
func (c *Conn) StartTLS(wrap func(net.Conn, *tls.Config) *tls.Conn, cfg *tls.Config) error {
	switch {
	case wrap == nil || cfg == nil:
		return errors.New("framer: StartTLS needs tls.Server or tls.Client, and a tls.Config")
	case c.upgrade != nil:
		return errors.New("framer: StartTLS was called twice")
	case c.framer.stopped() || c.asked.halfClose.Load():
		return errClosed
	case isPackets(c.nc):
		return fmt.Errorf("framer: StartTLS on a connection that keeps packets: %w", errors.ErrUnsupported)
	}
	u := &upgrade{
		wrap:      func(nc net.Conn) *tls.Conn { return wrap(nc, cfg) },
		ended:     c.Context().Done(),
		begin:     make(chan struct{}),
		clearSent: make(chan struct{}),
		over:      make(chan struct{}),
	}
	if !c.queue.pushUpgrade(u) {
		return errClosed
	}
	c.mu.Lock()
	c.upgrade = u
	c.mu.Unlock()
	c.framer.pause()
	if c.session == nil {
		return nil
	}
	end := c.secure()
	if end.err != nil { // without the handshake the session can't go on
		c.framer.requests.Or(stop)
		c.session.err = end.err
		c.mu.Lock()
		c.endWith(end)
		c.mu.Unlock()
		c.queue.close() // a push of the function must not wait: nothing is sent any more
	}
	return end.err
}

// An upgrade is a call of StartTLS that is to be carried out. It has a place in the
// queue. When the writer reaches that place, it waits until the goroutine of Serve has
// performed the handshake.
type upgrade struct {
	wrap      func(net.Conn) *tls.Conn
	ended     <-chan struct{} // closed when the connection has ended
	lastWords []byte          // what Replies still sends in clear
	given     bool            // the writer may use lastWords, so they must not be changed any more
	failed    bool            // what waits in the queue must not be sent; the writer reads it when over is closed
	shaking   bool            // the handshake is under way; guarded by the mutex of the Conn

	begin     chan struct{} // closed by Serve when lastWords are complete
	clearSent chan struct{} // closed by the writer when all that goes in clear was sent
	over      chan struct{} // closed by Serve when the writer may go on
}

// More makes an upgrade a Producer, so that it can be an entry of the queue.
func (u *upgrade) More() ([]byte, error) { return nil, nil }

// isShaking reports whether a handshake is under way. It must not be interrupted.
func (u *upgrade) isShaking() bool { return u != nil && u.shaking }

// awaitUpgrade waits until the upgrade is done; the writer calls it when u is the next
// entry of the queue. It reports whether the writer can go on.
func (c *Conn) awaitUpgrade(u *upgrade) (ok bool) {
	if !c.awaitHandler(u) {
		return false
	}
	if err := protect(func() error { return c.writeAll(u.lastWords) }); err != nil {
		c.writeFailed(err)
		return false
	}
	c.queue.wroteAll()
	c.progress.idle()
	close(u.clearSent)
	if !u.await(u.over) {
		return false
	}
	if u.failed {
		c.discardOutput(errClosed)
	}
	return true
}

// awaitHandler waits until the method that has called StartTLS has returned. That has a
// time limit: the method may wait for room in the queue, and nothing leaves the queue
// before it returns.
func (c *Conn) awaitHandler(u *upgrade) (ok bool) {
	if timeout := c.config().handshakeTimeout(); timeout > 0 {
		limit := newAlarm(timeout, func() { c.abort(c.timeoutError(EndHandshakeTimeout), byPeer) })
		defer limit.stop()
	}
	return u.await(u.begin)
}

// await waits until step is closed or the connection has ended. It reports whether step
// was closed.
func (u *upgrade) await(step <-chan struct{}) bool {
	select {
	case <-step:
		return true
	case <-u.ended:
		return false
	}
}

// wantsUpgrade reports whether a StartTLS is to be carried out. end is how the handler or
// the input has ended. If the connection is to be closed or handed over, the StartTLS is
// carried out all the same, because what was pushed after it must reach the peer.
func (c *Conn) wantsUpgrade(end ending) bool {
	return c.upgrade != nil && !c.upgrade.failed &&
		(end.err == nil || end.err == errPaused || c.framer.stopped() && errors.Is(end.err, errClosed))
}

// secure carries out a StartTLS. The handler must not be running, except in a Session,
// where the handler itself calls secure.
func (c *Conn) secure() ending {
	end := c.carryOut(c.upgrade)
	if end.err != nil {
		c.upgrade.failed = true
	}
	return end
}

func (c *Conn) carryOut(u *upgrade) ending {
	if n := len(c.rest()); n > 0 {
		err := fmt.Errorf("framer: StartTLS: the peer has sent %d bytes in clear before the handshake", n)
		return ending{err: err, by: byHandshake}
	}
	u.given = true
	close(u.begin)
	c.progress.beginEnd() // nobody reads, so no other timeout applies
	cleared := u.await(u.clearSent)
	c.progress.goOn()
	if !cleared {
		return ending{err: c.causeOfEnd(), by: byHandshake}
	}
	t, err := c.shakeHands(u)
	if err != nil {
		c.abort(err, byHandshake)
		return ending{err: c.causeOfEnd(), by: byHandshake}
	}
	if !c.goOnWith(t) {
		return ending{err: c.causeOfEnd(), by: byHandshake}
	}
	c.forgetInput()
	close(u.over)
	return ending{}
}

// causeOfEnd returns why the connection has ended, and never nil.
func (c *Conn) causeOfEnd() error { return causeOf(c.err()) }

// shakeHands performs the handshake of u.
func (c *Conn) shakeHands(u *upgrade) (*tls.Conn, error) {
	c.queue.endTurn() // from now on a push is not an answer, so it does not write in place of the writer
	c.mu.Lock()
	u.shaking = true // from now on only abort interrupts the connection
	c.deadline = time.Time{}
	c.nc.SetReadDeadline(time.Time{})
	c.mu.Unlock()
	t := u.wrap(c.nc)
	if t == nil {
		return nil, errors.New("framer: StartTLS: there is no tls.Conn")
	}
	return t, c.limitedHandshake(t)
}

// goOnWith makes t the connection of c, unless c has ended. The writer waits and no
// handler runs meanwhile. Other goroutines, which may end c or check its progress, take
// one of the two mutexes.
func (c *Conn) goOnWith(t *tls.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.progress.mu.Lock()
	defer c.progress.mu.Unlock()
	if c.state == StateClosed {
		return false
	}
	c.nc = t
	c.out.limitToRecords()
	c.stream = newStream(c)
	c.upgrade = nil
	return true
}

// forgetInput forgets the part of a message that has come in clear.
func (c *Conn) forgetInput() {
	c.framer.resume()
	if collector := collectorOf(c.handler); collector != nil {
		collector.Reset()
	}
	c.wait = inputWait{message: -1}
}

// dropUpgrade ends an upgrade that was not carried out. What was pushed after it must not
// be sent.
func (c *Conn) dropUpgrade() {
	u := c.upgrade
	if u == nil {
		return
	}
	u.failed = true
	if !u.given {
		close(u.begin)
	}
	close(u.over)
}
