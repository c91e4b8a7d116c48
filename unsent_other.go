// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !linux

package framer

import "net"

// unsent returns how many bytes written to nc the peer's system has not
// acknowledged. Here it is not known.
func unsent(net.Conn) int { return 0 }
