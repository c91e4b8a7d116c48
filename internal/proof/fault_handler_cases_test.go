// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux

package proof_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/goframer/framer"
)

var errFault = errors.New("a fault")

// A callback is a method of a handler that can fail.
type callback struct {
	name    string
	set     func(s *script, f func() error) // makes the method call f
	provoke func(ft *faultTest, p *faultPeer)
	takes   time.Duration // how long it takes until the method is called
}

func callbacks() []callback {
	return []callback{
		{
			name:    "HandleConnect",
			set:     func(s *script, f func() error) { s.onConnect = f },
			provoke: func(*faultTest, *faultPeer) {},
		},
		{
			name:    "CollectIncomingData",
			set:     func(s *script, f func() error) { s.onCollect = func([]byte) error { return f() } },
			provoke: func(_ *faultTest, p *faultPeer) { p.write("line") },
		},
		{
			name:    "FoundTerminator",
			set:     func(s *script, f func() error) { s.onFound = f },
			provoke: func(_ *faultTest, p *faultPeer) { p.write("line\nanother\n") },
		},
		{
			name: "HandleOversize",
			set: func(s *script, f func() error) {
				s.onOversize = func(*framer.MessageTooLongError) error { return f() }
			},
			provoke: func(_ *faultTest, p *faultPeer) { p.write(strings.Repeat("x", 101)) },
		},
		{
			name: "HandleShutdown",
			set:  func(s *script, f func() error) { s.onShutdown = f },
			provoke: func(ft *faultTest, p *faultPeer) {
				p.write("line\n")
				p.read("so far\n")
				ft.shutdown(ft.base, nil)
			},
			takes: lateInput,
		},
	}
}

// lateInput is how long a connection that shuts down waits for input that may have come
// before.
const lateInput = 10 * time.Millisecond

// shutdown starts a Shutdown of the server. It must return want.
func (ft *faultTest) shutdown(ctx context.Context, want error) {
	ft.group.Go(func() {
		if err := ft.server.Shutdown(ctx); err != want {
			ft.t.Errorf("Shutdown returned %v, want %v", err, want)
		}
	})
}

// handlerFaults returns the faults of handlers that fail or panic.
func handlerFaults() []fault {
	var all []fault
	for _, cb := range callbacks() {
		for name, fail := range map[string]func() error{
			"error": func() error { return errFault },
			"panic": func() error { panic(errFault) },
		} {
			want := faultOutcome{reason: is(errFault), got: "so far\n", takes: cb.takes}
			if name == "panic" {
				want.reason = panicked(errFault)
			}
			all = append(all, fault{
				name: name + " in " + cb.name,
				cfg:  framer.Config{MaxMessageSize: 100},
				handle: func(ft *faultTest, s *script) {
					s.onFound = func() error { return s.Push([]byte("so far\n")) }
					cb.set(s, func() error {
						s.Push([]byte("so far\n"))
						return fail()
					})
				},
				play: func(ft *faultTest) { cb.provoke(ft, ft.dial()) },
				want: want,
			})
		}
	}
	return append(all, panicFaults()...)
}

// panicFaults returns the panics in functions that can't return an error.
func panicFaults() []fault {
	return []fault{
		{
			name:   "panic in NewHandler",
			handle: func(*faultTest, *script) { panic(errFault) },
			play:   func(ft *faultTest) { ft.dialRaw() }, // the connection ends before the handshake, and without close_notify
			want:   faultOutcome{reason: panicked(errFault), unhandled: true},
		},
		{
			name: "panic in HandleClose",
			handle: func(ft *faultTest, s *script) {
				hello(ft, s)
				note := s.onClose
				s.onClose = func(err error) {
					note(err)
					panic(errFault)
				}
			},
			play: func(ft *faultTest) { ft.dial().closeWrite() },
			want: faultOutcome{reason: inOrder(), got: "hello\n"},
		},
	}
}

// producerFaults returns the faults of producers that fail, panic or block.
func producerFaults() []fault {
	var all []fault
	pieces := []string{"one\n", "two\n", "three\n"}
	for _, where := range []struct {
		name   string
		pieces []string
	}{
		{"at the start", nil},
		{"in the middle", pieces},
	} {
		for _, how := range []struct {
			name   string
			ending func([]byte) ([]byte, error)
			reason reason
		}{
			{"error", endError, is(errProducer)},
			{"panic", endPanic, panicked(errProducer)},
		} {
			all = append(all, fault{
				name: "producer " + how.name + " " + where.name,
				handle: func(ft *faultTest, s *script) {
					s.onFound = func() error {
						s.Push([]byte("before\n"))
						s.PushWithProducer(ft.own(&testProducer{pieces: where.pieces, ending: how.ending}))
						s.Push([]byte("behind\n"))
						return s.PushWithProducer(ft.own(framer.NewBytesProducer([]byte("last\n"))))
					}
				},
				play: func(ft *faultTest) { ft.dial().write("get\n") },
				want: faultOutcome{
					reason: how.reason,
					got:    "before\n" + strings.Join(where.pieces, ""),
					end:    reset,
				},
			})
		}
	}
	return append(all, blockedFaults()...)
}

// blockedFaults returns the faults of producers that have nothing to say until their
// connection ends.
func blockedFaults() []fault {
	blocks := func(ft *faultTest, s *script) {
		s.onConnect = func() error {
			s.Push([]byte("before\n"))
			s.PushWithProducer(ft.own(framer.ProducerFunc(func() ([]byte, error) {
				close(ft.signal)
				<-s.Context().Done()
				return nil, context.Cause(s.Context())
			})))
			s.Push([]byte("behind\n"))
			return s.PushWithProducer(ft.own(framer.NewBytesProducer([]byte("last\n"))))
		}
	}
	return []fault{
		{
			name:   "producer that blocks when the peer ends",
			cfg:    framer.Config{WriteTimeout: 3 * time.Second},
			handle: blocks,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.read("before\n")
				ft.hear()
				p.closeWrite()
			},
			want: faultOutcome{reason: timedOut("WriteTimeout"), end: reset, takes: 3 * time.Second},
		},
		{
			name:   "producer that blocks after CloseWhenDone",
			cfg:    framer.Config{WriteTimeout: 3 * time.Second},
			handle: blocks,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.read("before\n")
				ft.hear()
				ft.next().CloseWhenDone()
			},
			want: faultOutcome{reason: timedOut("WriteTimeout"), end: reset, takes: 3 * time.Second},
		},
		{
			name:   "producer that blocks when the peer resets",
			handle: blocks,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.read("b")
				ft.hear()
				p.reset()
			},
			want: faultOutcome{reason: is(syscall.ECONNRESET)},
		},
		{
			name:   "producer that blocks at Close",
			handle: blocks,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.read("before\n")
				ft.hear()
				ft.next().Close()
			},
			want: faultOutcome{reason: is(net.ErrClosed), end: reset},
		},
	}
}
