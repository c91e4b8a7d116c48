// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !linux

package framer

import "net"

func prepareSocket(net.Conn) {}

func unblock(net.Conn) {}

func cork(net.Conn, bool) {}

// unsent returns how many bytes written to nc the peer's system has not acknowledged,
// if that is known. Here it is not.
func unsent(net.Conn) (n int, ok bool) { return 0, false }

func outQueue(net.Conn) (n int, ok bool) { return 0, false }
