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

// newKeptAlive makes handlers that end the connection if no whole message comes within
// the given time, however many bytes come.
func newKeptAlive(within time.Duration) func(*framer.Conn) framer.Handler {
	return framer.Session(func(c *framer.Conn) error {
		timer := time.AfterFunc(within, func() { c.CloseWithError(errNoMessage) })
		defer timer.Stop()
		for {
			line, err := c.Next(framer.Delimiter("\r\n"))
			if err != nil {
				return err
			}
			timer.Reset(within)
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
