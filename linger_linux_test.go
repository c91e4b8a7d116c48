// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// TestLingerWhilePeerReads has a peer that takes its output for much longer than
// LingerTimeout and sends all the while. A close before it has got everything
// would reset the connection and destroy the rest.
func TestLingerWhilePeerReads(t *testing.T) {
	t.Parallel() // it does little but wait
	const size = 2 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := framer.Server{
		Config: framer.Config{LingerTimeout: 500 * time.Millisecond, MaxQueuedBytes: -1},
		NewHandler: framer.Session(func(c *framer.Conn) error {
			if _, err := c.Next(framer.Delimiter("\n")); err != nil {
				return err
			}
			return c.Push(make([]byte, size))
		}),
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	defer func() {
		s.Close()
		<-served
	}()

	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.(*net.TCPConn).SetReadBuffer(128 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(nc, "go")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	buf := make([]byte, 16<<10)
	var got int
	for err == nil {
		<-tick.C
		var n int
		n, err = nc.Read(buf)
		got += n
		fmt.Fprintln(nc, "rubbish")
	}
	if err != io.EOF || got != size {
		t.Errorf("the peer got %d of %d bytes and %v, want all and EOF", got, size, err)
	}
}
