// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import "context"

// turns makes a client and a server in one process speak in turn, so that their
// logs come in the order that asynchat's single thread gives them: the client
// sends a piece when the server has dealt with the one before, and does not look
// at the answer before it has sent all.
//
// A nil *turns lets everybody speak at any time.
type turns struct {
	heard chan int      // holds the last value of hear that awaitHeard has not seen
	said  chan struct{} // closed by say
	known int           // what awaitHeard has seen, which alone uses it
}

func newTurns() *turns {
	return &turns{heard: make(chan int, 1), said: make(chan struct{}), known: -1}
}

// hear is called by the server when it has dealt with n bytes of the text.
func (t *turns) hear(n int) {
	if t == nil {
		return
	}
	select {
	case <-t.heard:
	default:
	}
	t.heard <- n // has room: no other goroutine sends
}

// awaitHeard waits until the server has dealt with n bytes.
func (t *turns) awaitHeard(ctx context.Context, n int) error {
	if t == nil {
		return nil
	}
	for t.known < n {
		select {
		case t.known = <-t.heard:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// say is called by the client when it has sent all.
func (t *turns) say() {
	if t != nil {
		close(t.said)
	}
}

// awaitSaid waits until the client has sent all.
func (t *turns) awaitSaid(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case <-t.said:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
