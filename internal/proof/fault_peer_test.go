// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux

package proof_test

import (
	"io"
	"net"
	"strings"
	"sync/atomic"

	"github.com/goframer/framer"
)

// A faultPeer is a peer of the server.
type faultPeer struct {
	net.Conn // a tls.Conn if the medium is TLS
	raw      net.Conn
	below    *endNote // the connection from which TLS reads, or nil
	ft       *faultTest
	gone     bool // it has closed its end, so nothing is checked

	watching bool
	seen     chan struct{} // closed when the peer has seen the end
	got      []byte
	err      error // the error at the end
}

func (p *faultPeer) write(s string) {
	p.ft.t.Helper()
	writeString(p.ft.t, p, s)
}

func (p *faultPeer) read(want string) {
	p.ft.t.Helper()
	readString(p.ft.t, p, want)
}

// watch starts to read all input.
func (p *faultPeer) watch() {
	if p.watching {
		return
	}
	p.watching = true
	p.ft.group.Go(func() {
		defer close(p.seen)
		p.got, p.err = io.ReadAll(p)
		switch {
		case p.err == nil && p.below != nil && p.below.ended:
			p.err = io.ErrUnexpectedEOF // there was no close_notify
		case p.err == nil:
			p.err = io.EOF
		}
	})
}

// closeWrite ends the output of p.
func (p *faultPeer) closeWrite() {
	p.ft.t.Helper()
	endInput(p.ft.t, p.Conn)
}

// reset closes p without a FIN. On a Unix socket, p must have unread input for that.
func (p *faultPeer) reset() {
	p.gone = true
	if l, ok := p.raw.(interface{ SetLinger(sec int) error }); ok {
		l.SetLinger(0)
	}
	p.raw.Close()
}

func (p *faultPeer) check(want faultOutcome) {
	t := p.ft.t
	if p.gone {
		return
	}
	got := string(p.got)
	if want.received != nil {
		want.received(t, got)
	}
	if want.end == unseen {
		return
	}
	if end := p.ft.medium.ends[want.end]; !end.holds(p.err) {
		t.Errorf("after %d bytes the peer saw %v, want %s", len(got), p.err, end)
	}
	switch {
	case want.received != nil:
	case want.end != orderly && strings.HasPrefix(want.got, got):
	case got != want.got:
		t.Errorf("the peer got %d bytes, %.40q..., want %d, %.40q...", len(got), got, len(want.got), want.got)
	}
}

// An endNote records that the connection has ended. If there was no close_notify, but the
// end is between two records, crypto/tls returns io.EOF as if there had been one.
type endNote struct {
	net.Conn
	ended bool
}

func (c *endNote) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.ended = c.ended || err == io.EOF
	return n, err
}

// A watchedProducer counts how often it is closed.
type watchedProducer struct {
	framer.Producer
	closes  atomic.Int32
	misused atomic.Bool // More was called after Close
}

func (p *watchedProducer) More() ([]byte, error) {
	if p.closes.Load() > 0 {
		p.misused.Store(true)
	}
	return p.Producer.More()
}

func (p *watchedProducer) Close() error {
	p.closes.Add(1)
	return nil
}

// A failingListener is a listener whose Accept first returns the errors in errs.
type failingListener struct {
	net.Listener
	errs chan error
}

func (l *failingListener) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, err
	default:
		return l.Listener.Accept()
	}
}
