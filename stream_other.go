// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !linux || 386 || s390x

package framer

import "net"

func newStream(c *Conn) stream { return newPlainStream(c) }

// acked returns a number that changes when the peer's system acknowledges output of nc, if
// the system tells.
func acked(nc net.Conn) (n uint64, ok bool) {
	left, ok := outQueue(nc)
	return uint64(left), ok
}
