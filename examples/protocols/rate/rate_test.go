// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package rate_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
	"golang.org/x/time/rate"
)

var line = framer.Delimiter("\r\n").Limit(510)

// newSlowed makes handlers that read no faster than limiter allows. All connections can
// share one limiter, or those of one user.
func newSlowed(limiter *rate.Limiter) func(*framer.Conn) framer.Handler {
	return framer.Messages(line, func(c *framer.Conn, msg []byte) error {
		if err := limiter.Wait(c.Context()); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c, "250 %s\r\n", msg)
		return err
	})
}

// newRefusing makes handlers that say no.
func newRefusing(limiter *rate.Limiter) func(*framer.Conn) framer.Handler {
	return framer.Messages(line, func(c *framer.Conn, msg []byte) error {
		if !limiter.Allow() {
			_, err := fmt.Fprint(c, "450 too many commands, try again later\r\n")
			return err
		}
		_, err := fmt.Fprintf(c, "250 %s\r\n", msg)
		return err
	})
}

func TestSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		answers(t, newSlowed, "250 A\r\n250 B\r\n250 C\r\n250 D\r\n")
		if got := time.Since(begin); got != 2*time.Second {
			t.Errorf("it took %v, want 2 seconds: two are free, and the others take one each", got)
		}
	})
}

func TestRefusing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const no = "450 too many commands, try again later\r\n"
		answers(t, newRefusing, "250 A\r\n250 B\r\n"+no+no)
	})
}

// answers sends four commands at once, and expects the answers want.
func answers(t *testing.T, newLimited func(*rate.Limiter) func(*framer.Conn) framer.Handler, want string) {
	client, nc := framertest.Pipe()
	newHandler := newLimited(rate.NewLimiter(rate.Every(time.Second), 2))
	served := make(chan error, 1)
	go func() { served <- framer.NewConn(nc, newHandler, nil).Serve(t.Context()) }()

	framertest.Play(t, client,
		framertest.Send("A\r\nB\r\nC\r\nD\r\n"), framertest.HalfClose(),
		framertest.Expect(want), framertest.ExpectEnd(), framertest.Close())
	if err := <-served; err != nil {
		t.Errorf("served: %v", err)
	}
}
