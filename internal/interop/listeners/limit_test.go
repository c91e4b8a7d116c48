// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package listeners

import (
	"bufio"
	"net"
	"testing"

	"golang.org/x/net/netutil"

	"github.com/goframer/framer"
)

// A connection of a LimitListener has no method NetConn, so its output can't be ended
// alone. A connection of Limited has one.
func TestLimitListener(t *testing.T) {
	t.Run("as it is", subject{
		listen:  func(t *testing.T) net.Listener { return netutil.LimitListener(listen(t), 2) },
		dial:    dialTCP,
		endsCut: true,
	}.test)
	t.Run("Limited", subject{
		listen:    func(t *testing.T) net.Listener { return Limited(listen(t), 2) },
		dial:      dialTCP,
		halfClose: true,
	}.test)
}

// The next client is served when one has left.
func TestLimit(t *testing.T) {
	s := subject{listen: func(t *testing.T) net.Listener { return Limited(listen(t), 1) }, dial: dialTCP}
	sv := s.serve(t, newEar, framer.Config{})
	first, second := s.dial(t, sv.l), s.dial(t, sv.l)
	write(t, second, "second\n")
	write(t, first, "first\n")
	wantLine(t, bufio.NewReader(first), "first\n")
	receive(t, sv.conns)
	if got := sv.Stats().Accepted; got != 1 {
		t.Errorf("%d connections were accepted, want 1", got)
	}
	first.Close()
	wantLine(t, bufio.NewReader(second), "second\n")
}
