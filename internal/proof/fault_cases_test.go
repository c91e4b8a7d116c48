// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux

package proof_test

import (
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/goframer/framer"
)

// faults returns the rows of the matrix.
func faults() []fault {
	// flood is more than any medium buffers.
	flood := make([]byte, 8<<20)
	rand.NewChaCha8([32]byte{}).Read(flood)
	return slices.Concat(
		endFaults(flood),
		speedFaults(flood),
		sizeFaults(),
		handlerFaults(),
		producerFaults(),
		callFaults(flood),
		serverFaults(flood),
		mediumFaults(),
	)
}

// hello makes the handler greet its peer.
func hello(_ *faultTest, s *script) {
	s.onConnect = func() error { return s.Push([]byte("hello\n")) }
}

// echoes makes the handler send every line back.
func echoes(_ *faultTest, s *script) {
	s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
}

// floods makes the handler begin with data, and then push more.
func floods(data []byte) func(ft *faultTest, s *script) {
	return func(ft *faultTest, s *script) {
		s.onConnect = func() error {
			if err := s.PushWithProducer(ft.own(framer.NewBytesProducer(data))); err != nil {
				return err
			}
			if err := s.Push([]byte("between\n")); err != nil {
				return err
			}
			return s.PushWithProducer(ft.own(framer.NewBytesProducer([]byte("last\n"))))
		}
	}
}

// flooded returns what a peer of floods receives.
func flooded(data []byte) string { return string(data) + "between\nlast\n" }

// endFaults returns the faults of peers that end a connection at the wrong time.
func endFaults(flood []byte) []fault {
	return []fault{
		{
			name:   "reset mid-message",
			handle: hello,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write("unfinished")
				p.read("h")
				p.reset()
			},
			want: faultOutcome{reason: is(syscall.ECONNRESET)},
		},
		{
			name:   "reset with output pending",
			handle: floods(flood),
			play: func(ft *faultTest) {
				p := ft.dial()
				p.read(string(flood[:10]))
				p.reset()
			},
			want: faultOutcome{reason: is(syscall.ECONNRESET, syscall.EPIPE)},
		},
		{
			name:   "FIN mid-message",
			handle: hello,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write("unfinished")
				p.closeWrite()
			},
			want: faultOutcome{reason: is(io.ErrUnexpectedEOF), got: "hello\n"},
		},
		{
			name:   "FIN mid-message without close_notify",
			handle: hello,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write("unfinished")
				endInput(ft.t, p.raw)
			},
			want: faultOutcome{reason: is(io.ErrUnexpectedEOF), got: "hello\n"},
			senseless: map[string]string{
				"tcp":  "there is no TLS",
				"unix": "there is no TLS",
				"pipe": "there is no TLS",
			},
		},
		{
			name: "half-close with output pending",
			handle: func(ft *faultTest, s *script) {
				s.onFound = func() error {
					if err := s.PushWithProducer(ft.own(framer.NewSimpleProducer(flood, 100_000))); err != nil {
						return err
					}
					return s.Push([]byte("end\n"))
				}
			},
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write("get\n")
				p.closeWrite()
			},
			want: faultOutcome{reason: inOrder(), got: string(flood) + "end\n"},
		},
		{
			name: "close with input unread",
			handle: func(ft *faultTest, s *script) {
				s.onFound = func() error {
					select {
					case <-ft.signal:
					case <-s.Context().Done():
					}
					s.Push([]byte("bye\n"))
					return s.CloseWhenDone()
				}
			},
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write("quit\n")
				p.write(strings.Repeat("unread\n", 4000))
				close(ft.signal)
			},
			want: faultOutcome{reason: inOrder(), got: "bye\n"},
		},
		{
			name:   "peer gone without a word",
			cfg:    framer.Config{IdleTimeout: 3 * time.Second, LingerTimeout: 2 * time.Second},
			handle: echoes,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write("line\n")
				p.read("line\n")
				ft.await()
			},
			want: faultOutcome{reason: timedOut("IdleTimeout"), takes: 5 * time.Second},
		},
	}
}

// speedFaults returns the faults of slow peers.
func speedFaults(flood []byte) []fault {
	// readSlowly reads one byte a second, n times or until the connection has ended. Then
	// it reads the rest.
	readSlowly := func(ft *faultTest, p *faultPeer, n int) {
		var text []byte
		ft.ticks(ft.next().conn.Context().Done(), func() bool {
			var b [1]byte
			read, err := p.Read(b[:])
			text = append(text, b[:read]...)
			return err == nil && len(text) < n
		})
		p.watch()
		<-p.seen
		p.got = append(text, p.got...)
	}
	const bigSteps = "the system takes what was read from its window in large steps only"
	return []fault{
		{
			name: "reader at one byte a second",
			cfg:  framer.Config{LingerTimeout: 5 * time.Second},
			handle: func(_ *faultTest, s *script) {
				s.onConnect = func() error {
					s.Push([]byte("0123456789"))
					return s.CloseWhenDone()
				}
			},
			play: func(ft *faultTest) { readSlowly(ft, ft.dial(), 10) },
			want: faultOutcome{reason: inOrder(), got: "0123456789", takes: 5 * time.Second},
		},
		{
			name:   "reader at one byte a second of a flood",
			cfg:    framer.Config{WriteTimeout: 3 * time.Second},
			handle: floods(flood),
			play: func(ft *faultTest) {
				p := ft.dial()
				p.closeWrite()
				readSlowly(ft, p, 30)
			},
			want:      faultOutcome{reason: inOrder(), got: flooded(flood), takes: 30 * time.Second},
			senseless: map[string]string{"tcp": bigSteps, "tls": bigSteps, "unix": bigSteps},
		},
		{
			name:      "reader too slow for its window",
			cfg:       framer.Config{WriteTimeout: 3 * time.Second},
			handle:    floods(flood),
			play:      func(ft *faultTest) { readSlowly(ft, ft.dial(), math.MaxInt) },
			want:      faultOutcome{reason: timedOut("WriteTimeout"), got: flooded(flood), end: reset},
			senseless: map[string]string{"pipe": "every byte that is read makes room for another"},
		},
		{
			name:   "reader that never reads",
			cfg:    framer.Config{WriteTimeout: 3 * time.Second},
			handle: floods(flood),
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write("something\n")
				ft.await()
			},
			want: faultOutcome{reason: timedOut("WriteTimeout"), got: flooded(flood), end: reset, takes: 3 * time.Second},
		},
		{
			name:   "writer at one byte a second",
			cfg:    framer.Config{MessageTimeout: 500 * time.Second, IdleTimeout: 500 * time.Second},
			handle: echoes,
			play: func(ft *faultTest) {
				p := ft.dial()
				text := "one\ntwo\n"
				ft.ticks(nil, func() bool {
					p.write(text[:1])
					text = text[1:]
					return text != ""
				})
				p.closeWrite()
			},
			want: faultOutcome{reason: inOrder(), got: "one\ntwo\n", takes: 8 * time.Second},
		},
		{
			name:   "writer at one byte a second for ever",
			cfg:    framer.Config{MessageTimeout: 5 * time.Second, IdleTimeout: 500 * time.Second},
			handle: hello,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.watch()
				ft.ticks(p.seen, func() bool {
					p.Write([]byte("x"))
					return true
				})
			},
			want: faultOutcome{reason: timedOut("MessageTimeout"), got: "hello\n", takes: 6 * time.Second},
		},
	}
}

// sizeFaults returns the faults of messages that are too long.
func sizeFaults() []fault {
	const limit = 4096
	all := []fault{
		{
			name:   "endless bytes without a terminator",
			cfg:    framer.Config{MaxMessageSize: limit},
			handle: hello,
			play: func(ft *faultTest) {
				p := ft.dial()
				p.watch()
				chunk := make([]byte, 10_000)
				for range 1000 {
					select {
					case <-p.seen:
						return
					default:
						p.Write(chunk)
					}
				}
				p.closeWrite()
			},
			want: faultOutcome{reason: endedTooLong(limit, limit+1), got: "hello\n"},
		},
		{
			// The peer goes on to send after it was refused.
			name:   "endless bytes that do not stop",
			cfg:    framer.Config{MaxMessageSize: limit, LingerTimeout: 5 * time.Second},
			handle: hello,
			play: func(ft *faultTest) {
				p := ft.dial()
				chunk := make([]byte, 10_000)
				p.write(string(chunk))
				p.watch()
				<-p.seen
				ft.ticks(ft.next().conn.Context().Done(), func() bool {
					p.Write(chunk)
					return true
				})
			},
			want: faultOutcome{reason: endedTooLong(limit, limit+1), got: "hello\n", takes: 5 * time.Second},
		},
		{
			name:   "message of one byte too many",
			cfg:    framer.Config{MaxMessageSize: limit},
			handle: echoes,
			play: func(ft *faultTest) {
				p := ft.dial()
				most := strings.Repeat("x", limit) + "\n"
				p.write(most)
				p.read(most)
				p.write("x" + most)
			},
			want: faultOutcome{reason: endedTooLong(limit, limit+1)},
		},
	}
	for _, prefix := range []struct {
		name   string
		header string
		seen   int64
	}{
		{"2^31", "\x80\x00\x00\x00", 1 << 31},
		{"2^63-1", "\x7f\xff\xff\xff\xff\xff\xff\xff", math.MaxInt64},
		{"2^64-1", "\xff\xff\xff\xff\xff\xff\xff\xff", math.MaxInt64},
	} {
		all = append(all, fault{
			name: "length prefix of " + prefix.name,
			handle: func(ft *faultTest, s *script) {
				hello(ft, s)
				s.SetTerminator(framer.LengthPrefix(framer.Prefix{Size: len(prefix.header)}))
			},
			play: func(ft *faultTest) {
				p := ft.dial()
				p.write(prefix.header)
				p.write("abc")
			},
			want: faultOutcome{reason: endedTooLong(1<<20, prefix.seen), got: "hello\n"},
		})
	}
	return all
}
