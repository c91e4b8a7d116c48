// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"net"
	"sync"
	"sync/atomic"

	"github.com/goframer/framer/bench/internal/payload"
	"golang.org/x/sync/errgroup"
)

// preparePushFramer makes goroutines call Push on one connection.
func preparePushFramer(o options, conns []net.Conn) (*sender, error) {
	g := serve(conns)
	s := newPush(o, g.conns[0].Push)
	s.close = g.close
	return s, nil
}

// preparePushBufio makes goroutines use a mutex and a bufio.Writer, as a program without
// framer does.
func preparePushBufio(o options, conns []net.Conn) (*sender, error) {
	w := &sharedWriter{buffer: bufio.NewWriterSize(conns[0], 64<<10)}
	s := newPush(o, w.push)
	s.close = conns[0].Close
	return s, nil
}

// newPush returns a sender that calls push from several goroutines. What is pushed must
// be sent soon, without a further call.
func newPush(o options, push func([]byte) error) *sender {
	return &sender{
		messages: int64(o.goroutines) * int64(o.messages),
		size:     payload.MessageSize,
		windows:  1,
		send: func() error {
			var g errgroup.Group
			for i := range o.goroutines {
				g.Go(func() error { return pushAll(payload.NewSource(i), o.messages, push) })
			}
			return g.Wait()
		},
	}
}

func pushAll(s *payload.Source, n int, push func([]byte) error) error {
	for range n {
		if err := push(s.Next()); err != nil {
			return err
		}
	}
	return nil
}

// A sharedWriter is a buffer for several goroutines. A goroutine flushes it if no other
// one waits.
type sharedWriter struct {
	pushing atomic.Int64 // how many calls of push have not written yet
	mu      sync.Mutex
	buffer  *bufio.Writer
}

func (w *sharedWriter) push(message []byte) error {
	w.pushing.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.buffer.Write(message)
	if w.pushing.Add(-1) == 0 && err == nil {
		err = w.buffer.Flush()
	}
	return err
}
