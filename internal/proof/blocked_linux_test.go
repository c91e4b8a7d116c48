// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// TestEndWhileHandlerIsBusy ends connections while their handlers are busy. The peer sees
// the end at once: a reset, if output was cut off. Serve returns when the handler has
// returned. Nothing is left open.
func TestEndWhileHandlerIsBusy(t *testing.T) {
	errStop := errors.New("stop")
	ends := []struct {
		name   string
		cfg    framer.Config
		end    func(s *framer.Server, c *framer.Conn, cancel context.CancelCauseFunc)
		output bool // the end needs output that waits for the peer
		want   error
	}{
		{name: "Close", end: func(_ *framer.Server, c *framer.Conn, _ context.CancelCauseFunc) { c.Close() }, want: net.ErrClosed},
		{name: "context", end: func(_ *framer.Server, _ *framer.Conn, cancel context.CancelCauseFunc) { cancel(errStop) }, want: errStop},
		{name: "Server.Close", end: func(s *framer.Server, _ *framer.Conn, _ context.CancelCauseFunc) {
			go s.Close()
		}, want: framer.ErrServerClosed},
		{name: "Shutdown", end: func(s *framer.Server, _ *framer.Conn, _ context.CancelCauseFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			go s.Shutdown(ctx)
		}, want: framer.ErrServerClosed},
		{name: "WriteTimeout", cfg: framer.Config{WriteTimeout: 20 * time.Millisecond},
			end: func(_ *framer.Server, c *framer.Conn, _ context.CancelCauseFunc) { <-c.Context().Done() }, output: true, want: os.ErrDeadlineExceeded},
	}
	for _, end := range ends {
		for _, cut := range []bool{false, true} {
			if end.output && !cut {
				continue
			}
			for style := range lineStyles(nil) {
				name := end.name + "/" + style
				if cut {
					name += "/output"
				}
				t.Run(name, func(t *testing.T) {
					before := takeInventory(t)
					nc, peer := tcpPair(t)
					peer.SetDeadline(time.Now().Add(watchdog))
					entered, leave := make(chan *framer.Conn), make(chan struct{})
					f := func(c *framer.Conn, _ []byte) error {
						if cut {
							beginEndlessOutput(c)
						}
						entered <- c
						<-leave
						return nil
					}
					cfg := end.cfg
					cfg.Logger = slog.New(slog.DiscardHandler)
					s := framer.Server{NewHandler: lineStyles(f)[style], Config: cfg}
					ctx, cancel := context.WithCancelCause(context.Background())
					defer cancel(nil)
					served := call(func() error { return s.ServeConn(ctx, nc) })
					writeString(t, peer, "line\n")
					end.end(&s, <-entered, cancel)

					_, err := io.Copy(io.Discard, peer)
					if isReset := errors.Is(err, syscall.ECONNRESET); isReset != cut || !isReset && err != nil {
						t.Errorf("the peer saw %v, output was cut off: %v", err, cut)
					}
					if len(served) > 0 {
						t.Error("ServeConn has returned while the handler runs")
					}
					peer.Close()
					close(leave)
					if err := <-served; !errors.Is(err, end.want) {
						t.Errorf("ServeConn: %v, want %v", err, end.want)
					}
					s.Close()
					before.compare(t)
				})
			}
		}
	}
}

// beginEndlessOutput returns when c has begun to send endless output.
func beginEndlessOutput(c *framer.Conn) {
	begun := make(chan struct{}, 1)
	piece := make([]byte, 64<<10)
	c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
		select {
		case begun <- struct{}{}:
		default:
		}
		return piece, nil
	}))
	<-begun
}
