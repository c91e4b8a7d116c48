// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"

	"github.com/goframer/framer"
)

// push sends r in one of several ways, which is chosen at random.
func (s *soak) push(c *framer.Conn, rnd *rand.Rand, f *framing, r record) error {
	switch rnd.IntN(8) {
	case 0:
		pieceSize := 1 + rnd.IntN(1024) + r.size/100
		return c.PushWithProducer(framer.NewSimpleProducer(r.bytes(f, s.text), pieceSize))
	case 1:
		return c.PushWithProducer(framer.NewReaderProducer(bytes.NewReader(r.bytes(f, s.text))))
	case 2:
		head, payload, tail := r.pieces(f, s.text)
		return c.PushWithProducer(framer.NewSeqProducer(slices.Values([][]byte{head, payload, tail})))
	case 3:
		return s.pushFile(c, f, r)
	case 4:
		data := r.bytes(f, s.text)
		if err := c.TryPush(data); !errors.Is(err, framer.ErrQueueFull) {
			return err
		}
		return c.Push(data)
	case 5:
		// The parts stay together, because only this goroutine pushes.
		head, payload, tail := r.pieces(f, s.text)
		return errors.Join(c.Push(head), c.Push(payload), c.Push(tail))
	}
	return c.Push(r.bytes(f, s.text))
}

// pushFile sends r. The payload comes from a file.
func (s *soak) pushFile(c *framer.Conn, f *framing, r record) error {
	head, _, tail := r.pieces(f, s.text)
	file, err := os.Open(s.file)
	if err != nil {
		return err
	}
	if _, err := file.Seek(int64(r.offset), io.SeekStart); err != nil {
		file.Close()
		return err
	}
	payload := &io.LimitedReader{R: file, N: int64(r.size)}
	return c.PushWithProducer(framer.Concat(
		framer.NewBytesProducer(head),
		framer.NewReaderProducer(payload), // closes the file
		framer.NewBytesProducer(tail),
	))
}

// pushBroken sends a part of r with a producer that then fails.
func (s *soak) pushBroken(c *framer.Conn, f *framing, r record) error {
	data := r.bytes(f, s.text)
	part := framer.NewBytesProducer(data[:len(data)/2])
	fail := framer.ProducerFunc(func() ([]byte, error) { return nil, errInjected })
	return c.PushWithProducer(framer.Concat(part, fail))
}
