// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import "syscall"

// systemPasses are errors of accepting that pass. Package syscall has numbers of
// its own for their namesakes, which Windows never gives.
var systemPasses = []error{
	syscall.Errno(10024), // WSAEMFILE
	syscall.Errno(10050), // WSAENETDOWN
	syscall.Errno(10055), // WSAENOBUFS
}
