// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !linux || 386 || s390x

package framer

import (
	"net"
	"time"
)

// tellsMoves reports whether lastMove works for nc.
func tellsMoves(net.Conn) bool { return false }

// lastMove returns how long ago data was last received or sent on nc. Here it is never
// known, and ok is false.
func lastMove(net.Conn) (ago time.Duration, ok bool) { return 0, false }
