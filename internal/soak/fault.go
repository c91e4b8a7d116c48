// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import "errors"

// A fault is what goes wrong on a connection.
type fault int

const (
	noFault fault = iota

	// Faults of clients that use a net.Conn.
	resetMidMessage // a part of a message, then a reset
	finMidMessage   // a part of a message, then the end of the client's side
	halfClose       // the end of the client's side while replies are on their way
	closeUnread     // a close while replies are unread
	slowReader
	slowWriter

	// Faults of clients that use package framer.
	clientError
	clientPanic
	clientProducerError
	clientCancelled
	discardBuffers // on both sides; the ledger does not count such a connection

	// Faults in the server, which a client commands.
	serverError
	serverPanic
	serverProducerError
	serverCancelled

	faults // how many faults there are
)

func (f fault) String() string {
	return [faults]string{
		"none", "reset mid-message", "FIN mid-message", "half-close with output pending",
		"close with input unread", "slow reader", "slow writer",
		"client: handler error", "client: handler panic", "client: producer error", "client: context cancelled",
		"DiscardBuffers",
		"server: handler error", "server: handler panic", "server: producer error", "server: context cancelled",
	}[f]
}

// The first and the last fault of each kind.
const (
	firstRaw, lastRaw       = resetMidMessage, slowWriter
	firstFramer, lastFramer = clientError, discardBuffers
	firstServer, lastServer = serverError, serverCancelled
)

// harsh reports whether replies that were pushed may be lost after f.
func (f fault) harsh() bool {
	switch f {
	case resetMidMessage, closeUnread, clientError, clientPanic, clientProducerError, clientCancelled,
		serverProducerError, serverCancelled:
		return true
	}
	return false
}

// inServer reports whether f happens in the server.
func (f fault) inServer() bool { return f >= firstServer && f <= lastServer }

// command returns the command that makes the server cause f.
func (f fault) command() kind {
	switch f {
	case discardBuffers:
		return discardCommand
	case serverError:
		return errorCommand
	case serverPanic:
		return panicCommand
	case serverProducerError:
		return producerErrorCommand
	case serverCancelled:
		return cancelCommand
	}
	panic("no command for the fault: " + f.String())
}

// errInjected is the error of a fault, or the value of its panic.
var errInjected = errors.New("soak: injected fault")
