// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// talkRaw runs the connection without package framer.
func (d *dialogue) talkRaw(load context.Context) error {
	var dialer net.Dialer
	nc, err := dialer.DialContext(d.life, "tcp", d.server.address)
	if err != nil {
		return d.server.dialError(err)
	}
	defer nc.Close()
	defer context.AfterFunc(d.life, func() { nc.Close() })()
	tcp := nc.(*net.TCPConn)
	if d.plan.fault == closeUnread {
		d.closeUnread(tcp)
		return nil
	}

	ctx, cancel := context.WithCancel(d.life)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		d.readAll(d.input(load, tcp))
	})
	defer reading.Wait()
	to := d.output(load, tcp)
	send := func(r record) error {
		_, err := to.Write(r.bytes(d.service.framing, d.text))
		return err
	}
	if d.sendAll(load, ctx, send, func() bool { return d.injectRaw(tcp, send) }) {
		d.awaitReplies(ctx)
		d.endSide(tcp)
	}
	return nil
}

// endSide ends the client's side of the connection.
func (d *dialogue) endSide(tcp *net.TCPConn) {
	if tcp.CloseWrite() == nil {
		d.page.end()
	}
}

// readAll reads until the server has ended its side.
func (d *dialogue) readAll(from io.Reader) {
	r := bufio.NewReader(from)
	for {
		data, err := d.service.framing.read(r)
		if err != nil || d.receive(data) != nil {
			return
		}
	}
}

// closeUnread sends messages and returns when the first reply comes. The connection is
// then closed, with unread replies.
func (d *dialogue) closeUnread(tcp *net.TCPConn) {
	for range d.plan.messages {
		if _, err := tcp.Write(d.message().bytes(d.service.framing, d.text)); err != nil {
			return
		}
	}
	d.page.hit(closeUnread)
	io.ReadFull(tcp, make([]byte, 1))
}

// injectRaw injects the fault of the plan and reports whether to go on.
func (d *dialogue) injectRaw(tcp *net.TCPConn, send func(record) error) (goOn bool) {
	f := d.plan.fault
	switch f {
	case slowReader, slowWriter:
		return true // the fault began with the connection
	case resetMidMessage, finMidMessage, halfClose:
		d.page.hit(f)
	default:
		return d.injectInServer(send)
	}
	if f != halfClose {
		part := record{kind: message, conn: d.page.id, size: 100}.bytes(d.service.framing, d.text)
		if _, err := tcp.Write(part[:1+d.rnd.IntN(100)]); err != nil {
			return false
		}
	}
	if f == resetMidMessage {
		tcp.SetLinger(0)
		tcp.Close()
		return false
	}
	d.endSide(tcp)
	return false
}

// slowness is the pause between two reads or writes of a slow client.
const slowness = time.Millisecond

// input returns the reader for the connection.
func (d *dialogue) input(load context.Context, tcp *net.TCPConn) io.Reader {
	if d.plan.fault != slowReader {
		return tcp
	}
	d.page.hit(slowReader)
	return slow{load, tcp, 256}
}

// output returns the writer for the connection.
func (d *dialogue) output(load context.Context, tcp *net.TCPConn) io.Writer {
	if d.plan.fault != slowWriter {
		return tcp
	}
	d.page.hit(slowWriter)
	return slow{load, tcp, 8}
}

// slow reads and writes a few bytes at a time, with pauses, until load ends.
type slow struct {
	load context.Context
	tcp  *net.TCPConn
	size int
}

func (s slow) Read(p []byte) (int, error) {
	pause(s.load, slowness)
	return s.tcp.Read(p[:min(len(p), s.size)])
}

func (s slow) Write(p []byte) (int, error) {
	for written := 0; written < len(p); {
		pause(s.load, slowness)
		n, err := s.tcp.Write(p[written:min(len(p), written+s.size)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return len(p), nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
