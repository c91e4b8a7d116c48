// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

var errNoMessage = fmt.Errorf("no whole message came in time: %w", os.ErrDeadlineExceeded)

// newKeptAlive makes handlers that end the connection if they wait for longer than the
// given time until a whole message has come, however many bytes come.
func newKeptAlive(within time.Duration) func(*framer.Conn) framer.Handler {
	return framer.Session(func(c *framer.Conn) error {
		timer := time.AfterFunc(within, func() { c.CloseWithError(errNoMessage) })
		defer timer.Stop()
		for {
			timer.Reset(within)
			line, err := c.Next(framer.Delimiter("\r\n"))
			timer.Stop() // nothing is read from here on, for which the peer can't be blamed
			if err != nil {
				return err
			}
			fmt.Fprintf(c, "250 %s\r\n", line)
		}
	})
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, nc := framertest.Pipe()
		cfg := &framer.Config{Logger: slog.New(slog.DiscardHandler)}
		served := make(chan error, 1)
		go func() { served <- framer.NewConn(nc, newKeptAlive(90*time.Second), cfg).Serve(t.Context()) }()

		framertest.Play(t, client, framertest.Pause(time.Minute),
			framertest.Send("PING\r\n"), framertest.ExpectLine("250 PING"))
		begin := time.Now()
		for range 8 { // a byte now and then
			framertest.Play(t, client, framertest.Pause(10*time.Second), framertest.Send("x"))
		}
		if err := <-served; !errors.Is(err, errNoMessage) {
			t.Errorf("served: %v, want %v", err, errNoMessage)
		}
		if got := time.Since(begin); got != 90*time.Second {
			t.Errorf("the connection lasted %v, want 90 seconds", got)
		}
		client.Close()
	})
}

// The time in which a push blocks does not count.
func TestKeepAliveBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, nc := framertest.Pipe()
		nc.HoldWrites(true)
		cfg := &framer.Config{MaxQueuedBytes: 1, WriteTimeout: -1} // the second answer waits for the first
		served := make(chan error, 1)
		go func() { served <- framer.NewConn(nc, newKeptAlive(90*time.Second), cfg).Serve(t.Context()) }()

		framertest.Play(t, client, framertest.Send("1\r\n2\r\n"), framertest.Pause(2*time.Minute))
		nc.HoldWrites(false)
		framertest.Play(t, client, framertest.Expect("250 1\r\n250 2\r\n"),
			framertest.Pause(time.Minute), framertest.HalfClose(), framertest.ExpectEnd(), framertest.Close())
		if err := <-served; err != nil {
			t.Errorf("served: %v", err)
		}
	})
}
