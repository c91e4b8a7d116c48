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

// A stream is how a Conn moves its bytes. There is one for every net.Conn, which
// is below, and may be a better one where more is known of it.
type stream interface {
	// await calls f until that returns something other than errWouldBlock, and
	// returns it. Between two calls it waits for input. It is for the goroutine of
	// Serve, and must not be called by f.
	await(f func() error) error

	// Read is for the function that await calls. It may block, or return
	// errWouldBlock.
	io.Reader

	// write writes some of p and returns how much: what the system takes at once,
	// perhaps nothing, or, if it waits, at least a byte. It is for the writer.
	write(p []byte, wait bool) (int, error)

	// hold has the system hold back what is written and does not fill a segment, for
	// what comes next, or send it after all. It is for the writer.
	hold(on bool)

	// discard reads some input and throws it away. It is otherwise like Read.
	discard() error

	// sever ends the connection at once, from any goroutine. With reset, the peer
	// shall not take what it got for the whole.
	sever(reset bool)

	// release frees what is left after sever, when nothing else uses the stream.
	release()
}

// errWouldBlock says that only waiting can give more input.
var errWouldBlock = errors.New("framer: no input yet")

// A plainStream is the stream of any net.Conn. It waits in Read.
type plainStream struct {
	c  *Conn
	in io.Reader // the net.Conn, or what is between
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
			n, err = 0, impossibleCount("Read", n)
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
		return 0, impossibleCount("Write", n)
	}
	return n, err
}

func (s plainStream) hold(on bool) { cork(s.c.nc, on) }

// impossibleCount is the error for a net.Conn, or a reader, that can't count.
func impossibleCount(method string, n int) error {
	return fmt.Errorf("framer: %s returned an impossible count of %d bytes", method, n)
}

func (s plainStream) sever(reset bool) {
	nc := s.c.nc
	if reset {
		resetOnClose(nc)
	}
	unblock(nc)
	if isTLS(nc) {
		innermost(nc).Close() // or the close of nc might wait for the peer
	}
	nc.Close()
}

func (s plainStream) release() {}

// A netConner is a net.Conn that runs on another one, such as a tls.Conn.
type netConner interface{ NetConn() net.Conn }

// maxLayers is how deep connections are looked into: one may return itself.
const maxLayers = 16

// layers returns nc and the connections it runs on, from the outside to the inside,
// as far as they tell by a method NetConn.
func layers(nc net.Conn) iter.Seq[net.Conn] {
	return func(yield func(net.Conn) bool) {
		for range maxLayers {
			for u, ok := nc.(*unreadConn); ok; u, ok = nc.(*unreadConn) {
				nc = u.Conn // u has CloseWrite whatever it is on
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

// innermost returns the last of the layers of nc.
func innermost(nc net.Conn) net.Conn {
	for layer := range layers(nc) {
		nc = layer
	}
	return nc
}

// handshakerOf returns the tls.Conn among the layers of nc, or whatever shakes hands
// like one, or nil.
func handshakerOf(nc net.Conn) handshaker {
	for layer := range layers(nc) {
		if h, ok := layer.(handshaker); ok {
			return h
		}
	}
	return nil
}

func isTLS(nc net.Conn) bool { return handshakerOf(nc) != nil }

// resetOnClose sees to it, where it can, that the peer does not take what was cut
// off for the whole: it finds the connection reset, not ended.
func resetOnClose(nc net.Conn) {
	for layer := range layers(nc) {
		if l, ok := layer.(interface{ SetLinger(sec int) error }); ok {
			l.SetLinger(0)
			return
		}
	}
}

// closeWrite ends the output of nc and reports whether the peer can tell.
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
		if _, ok := layer.(handshaker); !ok {
			break
		} // otherwise go on, for peers that don't heed close_notify
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

// cutUnread returns nc without what Unread has put before it.
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

// consumed notes that n bytes of the data were read.
func (c *unreadConn) consumed(n int) {
	if c.data = c.data[n:]; len(c.data) == 0 {
		c.data = nil // the connection may live long
	}
}

// ReadFrom and WriteTo let io.Copy find those of a net.TCPConn.

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

// losesUnsent reports whether nc may lose what it has sent if it is closed with unread
// input, as a reset of TCP does.
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

// A packetReader gives the packets of a unixpacket connection as bytes: what a read
// has no room for would be lost.
type packetReader struct {
	nc     net.Conn
	buf    []byte
	unread []byte
}

// maxPacket is the size of the largest packet that can be read, in bytes. Packets that
// are written are not larger than smallBuffer, which most receivers have room for.
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

// checkStream returns an error if nc is one of the connections of package net that
// are no streams of bytes.
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

// isPackets reports whether nc is a unixpacket connection, or a wrapped one.
func isPackets(nc net.Conn) bool {
	addr := nc.LocalAddr()
	return addr != nil && addr.Network() == "unixpacket"
}

// newPlainStream returns a stream for c, whatever its connection is.
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
