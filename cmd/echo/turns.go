// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import "context"

// turns makes a client and a server in one process take turns, so that their logs come in
// the same order as in asynchat's single thread. The client sends a piece when the server
// has processed the one before. It does not read the answer before it has sent
// everything.
//
// A nil *turns makes nobody wait.
type turns struct {
	heard chan int      // the value of the last hear that awaitHeard has not received
	said  chan struct{} // closed by say
	known int           // the last value that awaitHeard has received; only awaitHeard uses it
}

func newTurns() *turns {
	return &turns{heard: make(chan int, 1), said: make(chan struct{}), known: -1}
}

// hear is called by the server when it has processed n bytes of the text.
func (t *turns) hear(n int) {
	if t == nil {
		return
	}
	select {
	case <-t.heard:
	default:
	}
	t.heard <- n // does not block: no other goroutine sends
}

// awaitHeard waits until the server has processed n bytes.
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

// say is called by the client when it has sent everything.
func (t *turns) say() {
	if t != nil {
		close(t.said)
	}
}

// awaitSaid waits until the client has sent everything.
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
