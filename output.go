// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

var errWriterEnded = errors.New("framer: the end of a producer has ended the writer's goroutine")

// startWriter starts the writer goroutine.
func (c *Conn) startWriter() {
	c.addWriter()
	go c.out.run()
}

// runWriter is the writer goroutine. It sends what is queued until the queue is empty.
func (c *Conn) runWriter() {
	defer c.removeWriter()
	reason := errWriterEnded
	defer func() {
		if reason != nil {
			c.abort(reason, bySystem)
		}
	}()
	if !c.writeQueue() {
		c.dropOutput()
	}
	reason = nil
}

// dropOutput drops what is queued, after the connection has ended. It must not be left to
// finish: the handler may wait for its producers to end, and finish waits for the handler.
func (c *Conn) dropOutput() { c.discardOutput(causeOf(c.err())) }

// writeQueue sends what is queued until the queue is empty. It returns false if the
// connection has ended before that.
func (c *Conn) writeQueue() (ok bool) {
	for ok = true; ok; {
		p, followed, last := c.queue.take()
		switch p.(type) {
		case nil: // don't call hold: another writer may have begun
		case *batch, *bytesProducer:
			if followed {
				c.hold(true)
			}
		default:
			c.hold(isReady(p))
		}
		switch p := p.(type) {
		case nil:
			if c.config().MinWriteRate > 0 {
				c.progress.idle()
			}
			if last {
				c.endOutput()
			}
			return true
		case *batch:
			ok = c.sendBytes(p.data, func(left int) { c.queue.doneBatch(p.data, left) })
		case *bytesProducer:
			ok = c.sendBytes(p.data, c.queue.doneShared)
		case *upgrade:
			ok = c.awaitUpgrade(p)
			c.queue.doneProducer()
		case flushMark:
			c.queue.wroteAll()
			p <- nil
			c.queue.doneProducer()
		default:
			ok = c.send(p)
		}
		c.hold(followed)
	}
	return false
}

// hold tells the system to hold back what does not fill a segment, or not to hold it back
// any longer. So a push is sent together with the beginning of a producer that is ready
// and follows it, such as a header with its file, and small pieces are sent together. The
// system holds nothing back for longer than 200 milliseconds; see MSG_MORE in send(2) and
// TCP_CORK in tcp(7). Only the writer may call hold, or, while there is none, a goroutine
// that holds the mutex of the queue.
func (c *Conn) hold(on bool) {
	if c.out.held != on {
		c.out.held = on
		c.stream.hold(on)
	}
}

// smallPiece is the size from which a piece of a producer is not held back, in bytes.
const smallPiece = 16 << 10

// sendBytes writes pushed bytes, and calls done with the number of bytes that it has not
// reported to queue.written. It reports whether the writer can go on.
func (c *Conn) sendBytes(data []byte, done func(left int)) (ok bool) {
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
	if err != nil {
		c.writeFailed(err)
	}
	done(len(data) - written)
	return err == nil
}

func (c *Conn) addWriter()    { c.writers.Add(1) }
func (c *Conn) removeWriter() { c.writers.Done() }

// writeNow writes data on the goroutine that pushes, as much as is possible without
// waiting, and returns how many bytes it has written.
func (c *Conn) writeNow(data []byte) (written int) {
	c.out.writing.Store(true)
	var err error
	for goesOn := true; goesOn; {
		piece := data[written:min(len(data), written+c.out.size)]
		var n int
		n, err = c.stream.write(piece, false)
		written += n
		goesOn = err == nil && n == len(piece) && written < len(data)
	}
	c.wrote(int64(written), err != nil, false) // not outputOnly: then nothing can be pushed
	if err != nil {
		c.writeFailed(err)
	}
	return written
}

// A flushMark is a Producer without bytes. When the writer comes to it, all that was
// pushed before has been written, and the channel receives nil. If it is dropped, the
// channel receives the cause.
type flushMark chan error

func (m flushMark) More() ([]byte, error) { return nil, nil }
func (m flushMark) end(cause error) error { m <- cause; return nil }

// send writes all that p produces, and ends p. It reports whether the writer can go on.
func (c *Conn) send(p Producer) (ok bool) {
	err := errors.New("framer: the producer has ended its goroutine")
	defer func() {
		ok = c.sent(p, err)
		c.queue.doneProducer()
	}()
	err = protect(func() error { return c.produce(p) })
	return ok
}

// sent ends p. err is the error with which p has failed, or nil. sent reports whether the
// writer can go on.
func (c *Conn) sent(p Producer, err error) bool {
	if err == nil {
		c.queue.wroteAll() // before p ends, because its end may call the program
	}
	if err == errDiscarded && c.isClosed() {
		err = errClosed // p was interrupted because the connection has ended
	}
	if err != nil && err != errDiscarded {
		var w *writeError
		if errors.As(err, &w) {
			c.writeFailed(w.err)
		} else {
			c.logPanic(err, "a producer")
			c.abort(err, bySystem)
		}
		err = causeOf(c.err())
	}
	c.endProducer(p, err)
	return err == nil || err == errDiscarded
}

// endProducer closes p. An error in that is logged, because it can't be returned to
// anybody.
func (c *Conn) endProducer(p Producer, cause error) {
	if err := endProducer(p, cause); err != nil {
		c.logError(err, "closing a producer")
	}
}

// A writeError is an error of the connection, not of a producer.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }

// writeFailed ends the connection after an error of writing.
func (c *Conn) writeFailed(err error) {
	c.logPanic(err, "Write")
	c.abort(err, originOf(err))
}

// produce writes what p produces, until p is exhausted or was discarded.
func (c *Conn) produce(p Producer) error {
	t, canTransfer := p.(transferrer)
	tcp, ok := c.nc.(*net.TCPConn)
	canTransfer = canTransfer && ok
	for first := true; first || !c.queue.discarded(); first = false {
		if c.isClosed() {
			return errClosed // don't call p: it may block for ever
		}
		if canTransfer {
			n, err := c.transfer(t, tcp)
			switch {
			case err == nil && n == 0:
				return nil
			case err == nil:
				c.hold(false)
				continue
			case err != errNoTransfer:
				return err
			}
		}
		piece, err := p.More()
		switch {
		case err == nil, err == io.EOF:
		case c.queue.discarded():
			return errDiscarded // the error comes from the interrupt
		default:
			return err
		}
		if writeErr := c.writeAll(piece); writeErr != nil {
			return &writeError{writeErr}
		}
		if len(piece) >= smallPiece {
			c.hold(false)
		}
		if len(piece) == 0 || err == io.EOF {
			return nil
		}
	}
	return errDiscarded
}

// recordSize is the size of a TLS record (RFC 8446 section 5.1), in bytes. If the system
// does not tell what the peer has acknowledged, a write over TLS shows only that whole
// records were accepted. So no more than a record is written at once.
const recordSize = 16 << 10

// limitToRecords limits the writes of a connection under TLS to a record each.
func (o *output) limitToRecords() {
	o.size, o.waitSize = min(o.size, recordSize), min(o.waitSize, recordSize)
}

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

// writeSome writes the beginning of p, at most WriteBufferSize bytes. It blocks until the
// connection has taken at least one byte.
func (c *Conn) writeSome(p []byte) (int, error) {
	c.out.writing.Store(true)
	p = p[:min(len(p), c.out.size)]
	n, err := c.stream.write(p, false)
	for early := 0; n == 0 && err == nil; early++ {
		if early == maxEmpty { // the deadline has expired for good, as over TLS
			err = c.timeoutError(EndWriteTimeout)
			break
		}
		c.progress.beginWait()
		n, err = c.stream.write(p, true)
		if n == 0 && err == nil {
			err = io.ErrShortWrite
		}
		err = c.progress.endWait(int64(n), err)
	}
	c.wrote(int64(n), err != nil, c.framer.stopped())
	return n, err
}

// transfer lets t send some bytes to the connection.
func (c *Conn) transfer(t transferrer, to io.ReaderFrom) (int64, error) {
	c.out.writing.Store(true)
	for range maxEmpty {
		c.progress.beginWait()
		n, err := t.transfer(to)
		failed := err != nil && err != errNoTransfer
		err = c.progress.endWait(n, err)
		if failed && n == 0 && err == nil {
			continue // somebody else had set the deadline
		}
		var file *fs.PathError
		failed = failed && err != nil && err != errDiscarded && !errors.As(err, &file)
		c.wrote(n, failed, c.framer.stopped())
		if failed {
			err = &writeError{err}
		}
		return n, err
	}
	return 0, &writeError{io.ErrNoProgress}
}

// wrote records that a write has ended, and that it has written n bytes. After a write
// that has failed, out.writing stays set, because the connection will end; gotInput needs
// that. outputOnly says that perhaps only output goes on.
func (c *Conn) wrote(n int64, failed, outputOnly bool) {
	if n > 0 && (outputOnly || c.out.notes.Load()) {
		c.progress.wrote()
	}
	if !failed {
		c.out.writing.Store(false)
	}
	c.out.written.Add(n)
}

// endOutput tells the peer that nothing more will come, and begins the wait for the peer
// to end its side.
func (c *Conn) endOutput() {
	if c.asked.handOver.Load() { // the function of Hijack goes on
		c.mu.Lock()
		defer c.mu.Unlock()
		c.outputEnd.told = true
		c.tellDrained()
		return
	}
	half, err := c.writeEnd()
	left, known := unsent(c.nc)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.abort(err, byPeer) // the peer was not told of the end in time, so the end is not orderly
	case !known || left <= 1:
		// As far as is known, the peer has received everything. It may have gone since.
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		c.abort(err, byNetwork) // a read would not return this error again, but io.EOF
	}
	c.progress.endEnd()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.linger = newLinger(c.lingerTimeout(half), left, half)
	if c.state == StateClosing {
		c.deadline = c.linger.end
		c.nc.SetReadDeadline(c.deadline)
	}
	c.outputEnd.told = true
	c.tellDrained()
}

// lingerTimeout returns how long to wait until the peer ends its side. half says that the
// peer can see the end of our output.
func (c *Conn) lingerTimeout(half bool) time.Duration {
	if !half && !losesUnsent(c.nc) {
		return 0
	}
	return c.config().lingerTimeout()
}

// writeEnd ends the output if the connection can do that. It reports whether the peer can
// see the end.
func (c *Conn) writeEnd() (bool, error) {
	if _, ok := c.nc.(*net.TCPConn); ok {
		return closeWrite(c.nc) // does not block
	}
	if isTLS(c.nc) {
		// A tls.Conn gives itself five seconds to send close_notify, even if the peer is
		// slow to take the output before it.
		prolong := newAlarm(time.Second, func() { c.nc.SetWriteDeadline(time.Time{}) })
		defer prolong.stop()
	}
	c.progress.beginWait()
	half, err := closeWrite(c.nc)
	if waitErr := c.progress.endWait(0, err); waitErr != nil {
		err = waitErr
	}
	return half, err
}

// tellDrained wakes the goroutine in awaitWriter. c.mu must be held.
func (c *Conn) tellDrained() {
	if c.outputEnd.drained != nil {
		close(c.outputEnd.drained)
		c.outputEnd.drained = nil
	}
}
