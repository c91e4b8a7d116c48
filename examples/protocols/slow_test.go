// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A slowHandler answers every request on a goroutine of its own. A request is a number,
// which the reply repeats, and a text for query, which may block until its context ends.
type slowHandler struct {
	*framer.Conn
	framer.Collector
	query   func(ctx context.Context, text string) string
	running errgroup.Group
}

func newSlow(query func(context.Context, string) string) func(*framer.Conn) framer.Handler {
	return func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter("\r\n").Limit(510))
		h := &slowHandler{Conn: c, query: query}
		h.running.SetLimit(8)
		return h
	}
}

func (h *slowHandler) FoundTerminator() error {
	number, text, _ := strings.Cut(string(h.Bytes()), " ")
	h.Reset()
	h.running.Go(func() error { // blocks while 8 are running: nothing is read then
		result := h.query(h.Context(), text)
		fmt.Fprintf(h, "%s %s\r\n", number, result) // fails if the connection has ended
		return nil
	})
	return nil
}

// HandleEnd waits, because a peer that has ended its side may still read.
func (h *slowHandler) HandleEnd(err error) error {
	h.running.Wait()
	return err
}

// HandleShutdown waits for the replies to be pushed.
func (h *slowHandler) HandleShutdown() error { return h.running.Wait() }

// HandleClose waits until no goroutine is left. The context has ended.
func (h *slowHandler) HandleClose(error) { h.running.Wait() }

// sleep is a query that takes as long as text says.
func sleep(ctx context.Context, text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return "ERROR"
	}
	select {
	case <-time.After(d):
		return "OK"
	case <-ctx.Done():
		<-time.After(time.Second) // it takes a second to stop
		return "CANCELLED"
	}
}

func TestSlowReplies(t *testing.T) {
	for name, test := range map[string]struct {
		steps []framertest.Step
		want  time.Duration // until the connection has ended
	}{
		"two at a time": {[]framertest.Step{
			framertest.Send("1 20s\r\n2 10s\r\n"),
			framertest.ExpectLine("2 OK"), framertest.ExpectLine("1 OK"), framertest.Close(),
		}, 20 * time.Second},
		"end": {[]framertest.Step{
			framertest.Send("1 20s\r\n"), framertest.HalfClose(),
			framertest.ExpectLine("1 OK"), framertest.ExpectEnd(), framertest.Close(),
		}, 20 * time.Second},
		"reset": {[]framertest.Step{
			framertest.Send("1 20s\r\n"), framertest.Pause(time.Second), framertest.Reset(),
		}, 2 * time.Second},
		"shutdown": {[]framertest.Step{
			framertest.Send("1 40s\r\n"),
			framertest.ExpectLine("1 OK"), framertest.ExpectEnd(), framertest.Close(),
		}, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := framer.Server{NewHandler: newSlow(sleep)}
				client, nc := framertest.Pipe()
				var running sync.WaitGroup
				running.Go(func() {
					<-time.After(30 * time.Second)
					s.Shutdown(t.Context())
				})
				running.Go(func() { framertest.Play(t, client, test.steps...) })
				begin := time.Now()
				s.ServeConn(t.Context(), nc)
				if got := time.Since(begin); got != test.want {
					t.Errorf("the connection lasted %v, want %v", got, test.want)
				}
				running.Wait()
			})
		})
	}
}
