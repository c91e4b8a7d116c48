// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"net"
	"os"
	"testing"
)

// A wrapper of a TCP connection.
type wrappedConn struct{ net.Conn }

func (c wrappedConn) NetConn() net.Conn { return c.Conn }

// Where the system tells what the peer has taken, it counts, and not what a write that was
// told to return has written: the system may have taken that long ago.
func TestEndWaitWhereTheSystemTells(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, n := range []int64{0, 5} {
		p := &newConn(wrappedConn{nc}, nil, new(Config), new(buffers)).progress
		expired := &TimeoutError{Reason: EndWriteTimeout}
		p.wait = writeWait{on: true, expired: expired}
		if err := p.endWait(n, os.ErrDeadlineExceeded); err != error(expired) {
			t.Errorf("after a write of %d bytes the error is %v, want that of the timeout", n, err)
		}
	}
}
