// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A watched handler sends a ping to a silent peer, and ends the connection if the peer
// stays silent. It also ends the connection if a message takes too long.
type watched struct {
	*framer.Conn
	framer.Collector
	asked bool
}

func newWatched(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &watched{Conn: c}
}

func (h *watched) FoundTerminator() error {
	h.asked = false // any message shows that the peer is there
	h.Reset()
	return nil
}

func (h *watched) HandleTimeout(err error) error {
	if timeout, ok := errors.AsType[*framer.TimeoutError](err); ok && timeout.Reason == framer.EndMessageTimeout {
		return err // the peer is not silent: a ping would only give it more time
	}
	if h.asked {
		h.TryPush([]byte("ERROR no answer\r\n"))
		return err // the connection ends when the line has been sent
	}
	h.asked = true
	h.TryPush([]byte("PING\r\n")) // Push could block if the peer is gone
	return nil                    // the wait begins anew
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		client, nc := framertest.Pipe()
		cfg := &framer.Config{ReadIdleTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler)}
		served := make(chan error, 1)
		go func() { served <- framer.NewConn(nc, newWatched, cfg).Serve(t.Context()) }()

		framertest.Play(t, client,
			framertest.ExpectLine("PING"), // after a minute
			framertest.Send("PONG\r\n"),
			framertest.ExpectLine("PING"), // after two
			framertest.ExpectLine("ERROR no answer"),
			framertest.ExpectEnd(),
			framertest.Close())
		if err := <-served; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("served: %v, want a timeout", err)
		}
		if got := time.Since(begin); got != 3*time.Minute {
			t.Errorf("the connection lasted %v, want 3 minutes", got)
		}
	})
}

// A peer that sends a byte now and then gets no ping, and no more time.
func TestSlowMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		client, nc := framertest.Pipe()
		cfg := &framer.Config{
			ReadIdleTimeout: time.Minute, MessageTimeout: 30 * time.Second,
			Logger: slog.New(slog.DiscardHandler),
		}
		served := make(chan error, 1)
		go func() { served <- framer.NewConn(nc, newWatched, cfg).Serve(t.Context()) }()

		for range 3 { // the last byte comes after 20 seconds
			framertest.Play(t, client, framertest.Send("x"), framertest.Pause(10*time.Second))
		}
		framertest.Play(t, client, framertest.ExpectEnd(), framertest.Close())
		if err := <-served; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("served: %v, want a timeout", err)
		}
		if got := time.Since(begin); got != 30*time.Second {
			t.Errorf("the connection lasted %v, want 30 seconds", got)
		}
	})
}
