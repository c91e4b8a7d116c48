// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import "errors"

// A fault is what goes wrong on a connection.
type fault int

const (
	noFault fault = iota

	// Of clients that are made of a net.Conn.
	resetMidMessage // a part of a message, then a reset
	finMidMessage   // a part of a message, then the end of the client's side
	halfClose       // the end of the client's side while replies are on their way
	closeUnread     // a close while replies are unread
	slowReader
	slowWriter

	// Of clients that use package framer.
	clientError
	clientPanic
	clientProducerError
	clientCancelled
	discardBuffers // on both sides; such a connection is not in the ledger

	// In the server, at the command of a client.
	serverError
	serverPanic
	serverProducerError
	serverCancelled

	faults // their number
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

// harsh reports whether replies that were pushed may not arrive after f.
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

// command returns the command to the server by which f happens.
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

// errInjected is the error, or the value of the panic, of a fault.
var errInjected = errors.New("soak: injected fault")
