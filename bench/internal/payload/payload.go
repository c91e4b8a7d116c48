// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package payload makes the data that the sending programs send. The receiving program
// checks the data with it.
package payload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Pattern returns size bytes that look random and are always the same.
func Pattern(size int) []byte {
	return pattern(size, 0)
}

func pattern(size int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// MessageSize is the size of the messages of a Source, in bytes.
const MessageSize = 64

// A message has the number of its goroutine, its own number, and bytes that are different
// for each goroutine.
const (
	sequenceAt = 8
	bodyAt     = 16
)

// A Source makes the messages of one goroutine. Several goroutines share a connection.
type Source struct {
	message [MessageSize]byte
	next    uint64
}

// NewSource returns the source of the messages of a goroutine.
func NewSource(goroutine int) *Source {
	s := &Source{}
	binary.BigEndian.PutUint64(s.message[:], uint64(goroutine))
	copy(s.message[bodyAt:], pattern(MessageSize-bodyAt, uint64(goroutine)))
	return s
}

// Next returns the next message. The message is lent: it is valid until the next call.
func (s *Source) Next() []byte {
	binary.BigEndian.PutUint64(s.message[sequenceAt:], s.next)
	s.next++
	return s.message[:]
}

// An OrderChecker checks that the messages of several Sources arrive whole, and that
// those of each Source are in order.
type OrderChecker struct {
	sources []*Source
	pending []byte // the beginning of a message that is not complete
}

// NewOrderChecker returns a checker for the messages of goroutines 0 to n-1.
func NewOrderChecker(n int) *OrderChecker {
	c := &OrderChecker{}
	for i := range n {
		c.sources = append(c.sources, NewSource(i))
	}
	return c
}

// Check checks the next bytes, wherever they are cut.
func (c *OrderChecker) Check(data []byte) error {
	if len(c.pending) > 0 {
		n := min(MessageSize-len(c.pending), len(data))
		c.pending = append(c.pending, data[:n]...)
		data = data[n:]
		if len(c.pending) < MessageSize {
			return nil
		}
		if err := c.checkMessage(c.pending); err != nil {
			return err
		}
		c.pending = c.pending[:0]
	}
	for ; len(data) >= MessageSize; data = data[MessageSize:] {
		if err := c.checkMessage(data[:MessageSize]); err != nil {
			return err
		}
	}
	c.pending = append(c.pending, data...)
	return nil
}

func (c *OrderChecker) checkMessage(message []byte) error {
	goroutine := binary.BigEndian.Uint64(message)
	if goroutine >= uint64(len(c.sources)) {
		return fmt.Errorf("a message of goroutine %d, which does not exist", goroutine)
	}
	source := c.sources[goroutine]
	expected := source.next
	if bytes.Equal(message, source.Next()) {
		return nil
	}
	if got := binary.BigEndian.Uint64(message[sequenceAt:]); got != expected {
		return fmt.Errorf("message %d of goroutine %d where %d was expected", got, goroutine, expected)
	}
	return fmt.Errorf("message %d of goroutine %d has been changed", expected, goroutine)
}

// A RepeatChecker checks that the same bytes are repeated.
type RepeatChecker struct {
	payload []byte
	at      int
}

// NewRepeatChecker returns a checker for repetitions of payload, which it keeps.
func NewRepeatChecker(payload []byte) *RepeatChecker {
	return &RepeatChecker{payload: payload}
}

// Check checks the next bytes, wherever they are cut.
func (c *RepeatChecker) Check(data []byte) error {
	for len(data) > 0 {
		n := min(len(c.payload)-c.at, len(data))
		if !bytes.Equal(data[:n], c.payload[c.at:c.at+n]) {
			return fmt.Errorf("the bytes behind offset %d of the payload differ", c.at)
		}
		data = data[n:]
		c.at = (c.at + n) % len(c.payload)
	}
	return nil
}
