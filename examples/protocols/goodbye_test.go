// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

var errNoLogout = errors.New("no answer to LOGOUT")

// Each side says LOGOUT and waits for the other's. This one waits for 10 seconds.
var newLogout = framer.Session(func(c *framer.Conn) error {
	asked := false
	for {
		line, err := c.Next(framer.Delimiter("\r\n"))
		switch {
		case errors.Is(err, framer.ErrServerClosed): // only once
			asked = true
			timer := time.AfterFunc(10*time.Second, func() { c.CloseWithError(errNoLogout) })
			defer timer.Stop()
			fmt.Fprint(c, "LOGOUT\r\n")
			continue // Next waits again
		case err != nil:
			return err // io.EOF, an orderly end, if the peer ends its side instead
		case string(line) == "LOGOUT":
			if !asked {
				fmt.Fprint(c, "LOGOUT\r\n")
			}
			return nil // what was pushed is sent, then the connection closes
		}
		fmt.Fprintf(c, "OK %s\r\n", line) // also what the peer has sent before its answer
	}
})

func TestLogout(t *testing.T) {
	send, expectLine, pause := framertest.Send, framertest.ExpectLine, framertest.Pause
	for name, test := range map[string]struct {
		steps []framertest.Step // Shutdown is called after 5 seconds
		want  framer.EndReason
		took  time.Duration
	}{
		"answer": {[]framertest.Step{
			expectLine("LOGOUT"), send("A\r\n"), expectLine("OK A"),
			pause(9 * time.Second), send("LOGOUT\r\n"), framertest.ExpectEnd(),
		}, framer.EndDone, 14 * time.Second},
		"end": {[]framertest.Step{
			expectLine("LOGOUT"), framertest.HalfClose(), framertest.ExpectEnd(),
		}, framer.EndPeer, 5 * time.Second},
		"no answer": {[]framertest.Step{
			expectLine("LOGOUT"), pause(9 * time.Second), send("A\r\n"), expectLine("OK A"),
			framertest.ExpectEnd(),
		}, framer.EndWithError, 15 * time.Second},
		"the peer is first": {[]framertest.Step{
			send("LOGOUT\r\n"), expectLine("LOGOUT"), framertest.ExpectEnd(),
		}, framer.EndDone, 0},
		"half a message": {[]framertest.Step{
			pause(4 * time.Second), send("A"), framertest.ExpectEnd(),
		}, framer.EndMessageTimeout, 34 * time.Second},
		"a message": {[]framertest.Step{
			pause(4 * time.Second), send("A"), pause(20 * time.Second), send("\r\n"),
			expectLine("OK A"), expectLine("LOGOUT"), send("LOGOUT\r\n"), framertest.ExpectEnd(),
		}, framer.EndDone, 24 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := framer.Server{NewHandler: newLogout}
				s.Config.MessageTimeout = 30 * time.Second
				s.Config.Logger = slog.New(slog.DiscardHandler)
				client, nc := framertest.Pipe()
				var running sync.WaitGroup
				begin := time.Now()
				running.Go(func() { s.ServeConn(t.Context(), nc) })
				running.Go(func() {
					framertest.Play(t, client, test.steps...)
					if got := time.Since(begin).Round(time.Second); got != test.took {
						t.Errorf("the end came after %v, want %v", got, test.took)
					}
					client.Close()
				})
				time.Sleep(5 * time.Second)
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				running.Wait()
				if got := s.Stats().Ended[test.want]; got != 1 {
					t.Errorf("ended: %v, want %v", s.Stats().Ended, test.want)
				}
			})
		})
	}
}
