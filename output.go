// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

var errWriterEnded = errors.New("framer: the end of a producer has ended the writer's goroutine")

// start starts the writer goroutine.
func (c *Conn) start() {
	c.writers.Add(1)
	go c.write()
}

// runWriter is the writer goroutine: it sends what is queued, until there is
// nothing.
func (c *Conn) runWriter() {
	defer c.writers.Done()
	reason := errWriterEnded
	defer func() {
		if reason != nil {
			c.abort(reason)
		}
	}()
	c.writeQueue()
	reason = nil
}

func (c *Conn) writeQueue() {
	for ok := true; ok; {
		p, last := c.queue.take()
		switch p := p.(type) {
		case nil:
			if last {
				c.endOutput()
			}
			return
		case *batch:
			ok = c.sendBatch(p.data)
		default:
			ok = c.send(p)
		}
	}
}

// sendBatch writes what was pushed. It reports whether the writer can go on.
func (c *Conn) sendBatch(data []byte) (ok bool) {
	written := 0
	err := protect(func() error {
		for {
			n, err := c.writeSome(data[written:])
			if err != nil || written+n == len(data) {
				return err
			}
			written += n
			c.queue.written(n)
		}
	})
	c.disarmWrite()
	if err != nil {
		c.abort(err)
	}
	c.queue.doneBatch(data, len(data)-written)
	return err == nil
}

func (c *Conn) join()  { c.writers.Add(1) }
func (c *Conn) leave() { c.writers.Done() }

// writeNow does what the writer goroutine would with data, as long as it need not
// wait, and returns how many bytes it has written.
func (c *Conn) writeNow(data []byte) int {
	c.writing.Store(true)
	n, err := c.stream.write(data[:min(len(data), c.writeSize)])
	if n == 0 && err == nil {
		c.writing.Store(false)
		return 0
	}
	if err := c.wrote(int64(n), err); err != nil {
		c.abort(err)
	}
	return n
}

// send writes all that p produces and ends it. It reports whether the writer can
// go on.
func (c *Conn) send(p Producer) (ok bool) {
	err := errors.New("framer: the producer has ended its goroutine")
	defer func() {
		c.disarmWrite()
		ok = c.sent(p, err)
		c.queue.doneProducer()
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

// writeAll writes p.
func (c *Conn) writeAll(p []byte) error {
	for len(p) > 0 {
		n, err := c.writeSome(p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// writeSome writes the beginning of p, at most WriteBufferSize, which must get on
// within WriteTimeout.
func (c *Conn) writeSome(p []byte) (int, error) {
	c.disarmWrite()
	c.writing.Store(true)
	n, err := c.stream.write(p[:min(len(p), c.writeSize)])
	if n == 0 && err == nil {
		c.armWrite()
		n, err = c.nc.Write(p[:min(len(p), c.waitSize)])
	}
	return n, c.wrote(int64(n), err)
}

// transfer lets t send some bytes to the connection.
func (c *Conn) transfer(t transferrer, to io.ReaderFrom) (int64, error) {
	c.writing.Store(true)
	c.armWrite()
	n, err := t.transfer(to)
	if err == errNoTransfer || n == 0 && err == nil {
		c.writing.Store(false)
		return n, err
	}
	return n, c.wrote(n, err)
}

// armWrite sets the deadline for a write.
func (c *Conn) armWrite() {
	if timeout := c.cfg.writeTimeout(); timeout > 0 {
		c.writeArmed = true
		c.nc.SetWriteDeadline(time.Now().Add(timeout))
	}
}

// disarmWrite ends the deadline of the last write. It would be in the way of the
// next one; and TLS has something to write of its own accord, in a Read, when the
// peer updates its keys.
func (c *Conn) disarmWrite() {
	if c.writeArmed {
		c.writeArmed = false
		c.nc.SetWriteDeadline(time.Time{})
	}
}

// wrote notes that n bytes were written. An expired deadline is no error if the
// peer has accepted something before.
func (c *Conn) wrote(n int64, err error) error {
	if n > 0 && (c.cfg.IdleTimeout > 0 || c.framer.stop.Load()) {
		c.mu.Lock()
		c.moved = time.Now()
		c.mu.Unlock()
	}
	c.writing.Store(false)
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
	c.outputEnded = true
	c.tellDrained()
}

// tellDrained wakes awaitWriter. c.mu must be held.
func (c *Conn) tellDrained() {
	if c.drained != nil {
		close(c.drained)
		c.drained = nil
	}
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
