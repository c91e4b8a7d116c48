// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package framertest helps to test protocols that are written with package framer, and
// other code that uses a [net.Conn].
//
// This test finds out whether a handler depends on where its input was cut:
//
//	func TestCuts(t *testing.T) {
//		framertest.Recut(t, []byte("one\r\ntwo\r\n"), framertest.Transcript(newHandler, nil))
//	}
//
// The parts, each usable without the others:
//
//   - [Pipe] makes a connection in memory that ends as a TCP connection does, and can be
//     told to stall, or to deliver little at a time;
//   - [Listen] makes a listener of such connections;
//   - [Recut] runs a function on an input that is cut in many ways, and [Transcript]
//     makes that function from a handler;
//   - [Poison] overwrites what was lent to a handler when the loan has ended, as
//     Transcript does, and as Recut does for a [framer.Framer] alone;
//   - [Play] is a peer that follows a script;
//   - [Talk] serves one connection with a given input and returns what comes back, for
//     examples.
//
// # Time
//
// Pipes and listeners work in the bubbles of [testing/synctest]. There timeouts take no
// time, and a goroutine that is left behind fails the test. What is used in a bubble must
// be made in it. This is a peer that has died without a word:
//
//	synctest.Test(t, func(t *testing.T) {
//		_, nc := framertest.Pipe()
//		nc.HoldReads(true)
//		nc.HoldWrites(true)
//		err := framer.NewConn(nc, newHandler, &framer.Config{IdleTimeout: time.Hour}).Serve(t.Context())
//		// err is a timeout. More than an hour has passed, but only in the bubble.
//	})
package framertest
