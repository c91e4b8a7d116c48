// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"slices"
)

// A stream moves the bytes of a Conn to and from its net.Conn. plainStream works on every
// net.Conn. A better stream is used for a net.Conn of which more is known.
type stream interface {
	// await calls f until f returns something other than errWouldBlock, and returns that.
	// Between two calls it waits for input. It must be called on the goroutine of Serve,
	// and not by f.
	await(f func() error) error

	// Read must be called only by the function that await calls. It may block, or return
	// errWouldBlock.
	io.Reader

	// write writes the beginning of p and returns how many bytes it has written. Without
	// wait, it writes what the system takes at once, perhaps nothing. With wait, it blocks
	// until it has written at least one byte. Only the writer may call it.
	write(p []byte, wait bool) (int, error)

	// hold tells the system to hold back what does not fill a segment, until more is
	// written, or not to hold it back any longer. Only Conn.hold calls it.
	hold(on bool)

	// discard reads some input and throws it away. Otherwise it is like Read.
	discard() error

	// sever ends the connection at once. It may be called from any goroutine. With reset,
	// it resets the connection if it can, so that the peer does not take what it got for
	// the whole.
	sever(reset bool)

	// release frees what is left after sever. It is called when nothing else uses the
	// stream.
	release()
}

// errWouldBlock reports that there is no more input without waiting.
var errWouldBlock = errors.New("framer: no input yet")

// A plainStream is the stream for any net.Conn. It waits for input in Read.
type plainStream struct {
	c  *Conn
	in io.Reader // the net.Conn, or a packetReader on it
}

func (s plainStream) await(f func() error) error { return f() }

func (s plainStream) Read(p []byte) (int, error) {
	c := s.c
	drained := false
	for early := 0; early < maxEmpty; {
		if err := c.beginWait(drained); err != nil {
			return 0, err
		}
		n, err := s.in.Read(p)
		if n < 0 || n > len(p) {
			n, err = 0, impossibleCount("Read", int64(n))
		}
		switch {
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return n, c.gotInput(n, err)
		case n > 0:
			return n, c.gotInput(n, nil)
		case c.interrupted():
			drained = true
		default:
			early++
		}
	}
	return 0, io.ErrNoProgress
}

func (s plainStream) discard() error { return s.c.readAndDiscard(s) }

func (s plainStream) write(p []byte, wait bool) (int, error) {
	if !wait {
		return 0, nil
	}
	p = p[:min(len(p), s.c.out.waitSize)]
	n, err := s.c.nc.Write(p)
	if n < 0 || n > len(p) {
		return 0, impossibleCount("Write", int64(n))
	}
	return n, err
}

func (s plainStream) hold(on bool) { cork(s.c.nc, on) }

// impossibleCount returns the error for who has read or written n bytes, if there can't be
// so many.
func impossibleCount(who string, n int64) error {
	return fmt.Errorf("framer: %s returned an impossible count of %d bytes", who, n)
}

func (s plainStream) sever(reset bool) {
	nc := s.c.nc
	if reset {
		resetOnClose(nc)
	}
	unblock(nc)
	if isTLS(nc) {
		innermost(nc).Close() // otherwise the Close of nc might wait for the peer
	}
	nc.Close()
}

func (s plainStream) release() {}

// A netConner is a net.Conn that runs on another net.Conn, such as a tls.Conn.
type netConner interface{ NetConn() net.Conn }

// maxLayers is how many layers of a connection are looked at. A NetConn method may return
// its own connection, so there must be a limit.
const maxLayers = 16

// layers returns nc and the connections below it, from the outermost to the innermost. The
// method NetConn of a connection returns the one below it.
func layers(nc net.Conn) iter.Seq[net.Conn] {
	return func(yield func(net.Conn) bool) {
		for range maxLayers {
			for u, ok := nc.(*unreadConn); ok; u, ok = nc.(*unreadConn) {
				nc = u.Conn // skip u: it has CloseWrite even if the connection below it has not
			}
			if nc == nil || !yield(nc) {
				return
			}
			outer, ok := nc.(netConner)
			if !ok {
				return
			}
			nc = outer.NetConn()
		}
	}
}

// innermost returns the last one of the layers of nc.
func innermost(nc net.Conn) net.Conn {
	for layer := range layers(nc) {
		nc = layer
	}
	return nc
}

// handshakerOf returns the tls.Conn among the layers of nc, or another layer that performs
// a handshake like one, or nil.
func handshakerOf(nc net.Conn) handshaker {
	for layer := range layers(nc) {
		if h, ok := layer.(handshaker); ok {
			return h
		}
	}
	return nil
}

func isTLS(nc net.Conn) bool { return handshakerOf(nc) != nil }

// resetOnClose makes the close of nc reset the connection, if nc can do that. So the peer
// does not take what was cut off for the whole.
func resetOnClose(nc net.Conn) {
	for layer := range layers(nc) {
		if l, ok := layer.(interface{ SetLinger(sec int) error }); ok {
			l.SetLinger(0)
			return
		}
	}
}

// closeWrite ends the output of nc, and reports whether the peer can see the end.
func closeWrite(nc net.Conn) (ended bool, err error) {
	for layer := range layers(nc) {
		half, ok := layer.(interface{ CloseWrite() error })
		if !ok {
			continue
		}
		if err := half.CloseWrite(); err != nil {
			return ended, err
		}
		ended = true
		// After TLS, end the output of the connection below, too: some peers ignore
		// close_notify.
		if _, ok := layer.(handshaker); !ok {
			break
		}
	}
	return ended, nil
}

// Unread returns a connection whose Read returns data first, and then what nc reads. It
// is for code that has read from nc, or peeked into it, before it hands nc on.
//
// data is kept, and must not be changed any more. The connection has a method NetConn,
// which returns nc, and a method CloseWrite. A [Conn] on it uses nc directly, with data
// as the beginning of its input.
func Unread(nc net.Conn, data []byte) net.Conn {
	if len(data) == 0 {
		return nc
	}
	return &unreadConn{Conn: nc, data: data}
}

type unreadConn struct {
	net.Conn
	data []byte
}

// cutUnread returns nc without the layers that Unread has put on it, and the data of these
// layers.
func cutUnread(nc net.Conn) (net.Conn, []byte) {
	u, ok := nc.(*unreadConn)
	if !ok {
		return nc, nil
	}
	nc, behind := cutUnread(u.Conn)
	return nc, slices.Concat(u.data, behind)
}

func (c *unreadConn) Read(p []byte) (int, error) {
	if len(c.data) > 0 {
		n := copy(p, c.data)
		c.consumed(n)
		return n, nil
	}
	return c.Conn.Read(p)
}

// consumed records that n bytes of the data were read.
func (c *unreadConn) consumed(n int) {
	if c.data = c.data[n:]; len(c.data) == 0 {
		c.data = nil // free the memory: the connection may exist for long
	}
}

// ReadFrom and WriteTo let io.Copy use the ReadFrom and WriteTo of a net.TCPConn.

func (c *unreadConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

func (c *unreadConn) WriteTo(w io.Writer) (int64, error) {
	var before int64
	if len(c.data) > 0 {
		n, err := w.Write(c.data)
		before = int64(n)
		c.consumed(n)
		if err == nil && len(c.data) > 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return before, err
		}
	}
	n, err := io.Copy(w, c.Conn)
	return before + n, err
}

func (c *unreadConn) NetConn() net.Conn { return c.Conn }

func (c *unreadConn) CloseWrite() error {
	ended, err := closeWrite(c.Conn)
	if err == nil && !ended {
		err = errNoCloseWrite
	}
	return err
}

var errNoCloseWrite = fmt.Errorf("framer: the connection has no CloseWrite: %w", errors.ErrUnsupported)

// canCloseWrite reports whether closeWrite can end the output of nc.
func canCloseWrite(nc net.Conn) bool {
	for layer := range layers(nc) {
		if _, ok := layer.(interface{ CloseWrite() error }); ok {
			return true
		}
	}
	return false
}

// losesUnsent reports whether a close of nc with unread input may destroy output that the
// peer has not received, as a reset of TCP does.
func losesUnsent(nc net.Conn) bool {
	addr := nc.LocalAddr()
	if addr == nil {
		return false
	}
	switch addr.Network() {
	case "tcp", "tcp4", "tcp6", "unix":
		return true
	}
	return false
}

// A packetReader reads the packets of a unixpacket connection as a stream of bytes. It
// reads whole packets, because the system drops what a read has no room for.
type packetReader struct {
	nc     net.Conn
	buf    []byte
	unread []byte
}

// maxPacket is the size of the largest packet that can be read, in bytes. The packets that
// are written are no larger than smallBuffer: most receivers have room for that.
const maxPacket = largeBuffer - 1

func (r *packetReader) Read(p []byte) (int, error) {
	if len(r.unread) == 0 {
		if r.buf == nil {
			r.buf = make([]byte, maxPacket+1)
		}
		n, err := r.nc.Read(r.buf)
		if err != nil {
			return 0, err
		}
		if n > maxPacket {
			return 0, fmt.Errorf("framer: a packet of more than %d bytes, which is the limit for unixpacket", maxPacket)
		}
		r.unread = r.buf[:n]
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// checkStream returns an error if nc is a connection of package net that is not a stream
// of bytes.
func checkStream(nc net.Conn) error {
	switch nc.(type) {
	case *net.UDPConn, *net.IPConn:
	case *net.UnixConn:
		if nc.LocalAddr().Network() != "unixgram" {
			return nil
		}
	default:
		return nil
	}
	return fmt.Errorf("framer: a connection of the network %q keeps datagrams, and is no stream of bytes: use it by itself", nc.LocalAddr().Network())
}

// isPackets reports whether nc is a unixpacket connection, or wraps one.
func isPackets(nc net.Conn) bool {
	addr := nc.LocalAddr()
	return addr != nil && addr.Network() == "unixpacket"
}

// newPlainStream returns a plainStream for c.
func newPlainStream(c *Conn) stream {
	if isPackets(c.nc) {
		c.out.size = min(c.out.size, smallBuffer)
		c.out.waitSize = min(c.out.waitSize, smallBuffer)
		return plainStream{c, &packetReader{nc: c.nc}}
	}
	return plainStream{c, c.nc}
}

// opError returns the error that package net would return for a failed system call on nc.
func opError(nc net.Conn, op string, err error) error {
	return &net.OpError{
		Op:     op,
		Net:    nc.LocalAddr().Network(),
		Source: nc.LocalAddr(),
		Addr:   nc.RemoteAddr(),
		Err:    os.NewSyscallError(op, err),
	}
}
