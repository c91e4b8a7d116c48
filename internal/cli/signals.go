// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package cli

import (
	"os"
	"os/signal"
	"syscall"
)

// CatchSignals returns a channel of the signals that end a server: an interrupt and
// SIGTERM. A second signal, which means that the server must hurry, finds room in the
// channel, too. Before CatchSignals is called, a signal ends the program at once, even if
// the program waits for a file that is a pipe. So a server calls it when it has begun.
func CatchSignals() <-chan os.Signal {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	return signals
}

// IgnoreSIGPIPE makes a write to a closed standard output or error fail, instead of ending
// the program. So a server continues when the reader of its log has gone. A program calls
// it first of all.
func IgnoreSIGPIPE() { signal.Ignore(syscall.SIGPIPE) }
