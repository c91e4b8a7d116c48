// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A polite handler tells the peer why the connection ends.
type polite struct {
	*framer.Conn
	framer.Collector
}

func newPolite(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &polite{Conn: c}
}

func (h *polite) HandleConnect() error { return h.Push([]byte("220 ready\r\n")) }

func (h *polite) FoundTerminator() error {
	h.Reset()
	return h.Push([]byte("250 OK\r\n"))
}

func (h *polite) HandleTimeout(err error) error {
	h.TryPush([]byte("421 4.4.2 timeout\r\n"))
	return err
}

func (h *polite) HandleShutdown() error {
	return h.TryPush([]byte("421 4.3.2 shutting down\r\n"))
}

// In a Session, Next returns an error for both.
var newPoliteSession = framer.Session(func(c *framer.Conn) error {
	fmt.Fprint(c, "220 ready\r\n")
	for {
		_, err := c.Next(framer.Delimiter("\r\n"))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.TryPush([]byte("421 4.4.2 timeout\r\n"))
			return err
		case errors.Is(err, framer.ErrServerClosed):
			c.TryPush([]byte("421 4.3.2 shutting down\r\n"))
			return err // an orderly end
		case err != nil:
			return err
		}
		fmt.Fprint(c, "250 OK\r\n")
	}
})

func TestLastWords(t *testing.T) {
	for name, newHandler := range map[string]func(*framer.Conn) framer.Handler{
		"handler": newPolite, "session": newPoliteSession,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { lastWords(t, newHandler) })
		})
	}
}

func lastWords(t *testing.T, newHandler func(*framer.Conn) framer.Handler) {
	s := framer.Server{NewHandler: newHandler}
	s.Config.IdleTimeout = 5 * time.Minute // RFC 5321 section 4.5.3.2.7
	s.Config.Logger = slog.New(slog.DiscardHandler)
	l := framertest.Listen()
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Serve(l); err != framer.ErrServerClosed {
			t.Error(err)
		}
	})
	play := func(steps ...framertest.Step) {
		nc, err := l.Dial()
		if err != nil {
			t.Error(err)
			return
		}
		framertest.Play(t, nc, steps...)
	}

	play(framertest.ExpectLine("220 ready"),
		framertest.ExpectLine("421 4.4.2 timeout"),
		framertest.ExpectEnd(), framertest.Close())

	running.Go(func() {
		play(framertest.ExpectLine("220 ready"),
			framertest.Send("NOOP\r\n"), framertest.ExpectLine("250 OK"),
			framertest.ExpectLine("421 4.3.2 shutting down"),
			framertest.ExpectEnd(), framertest.Close())
	})
	synctest.Wait() // the second connection waits for a command
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	running.Wait()
}
