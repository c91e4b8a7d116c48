// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"

	"github.com/goframer/framer/bench/internal/serverside"
)

// An echo sends every line back.
type echo struct{}

func newEcho() protocol { return echo{} }

// wholeLine is the greatest length, in bytes, of a line that is sent back as a whole.
// Longer lines are sent in pieces.
const wholeLine = 64 << 10

func (echo) serve(output, input []byte) (all []byte, ready int, err error) {
	for {
		line, rest, found := cutLine(input)
		if !found {
			break
		}
		output = append(output, line...)
		ready = len(output)
		input = rest
	}
	output = append(output, input...)
	if len(output)-ready >= wholeLine {
		ready = len(output)
	}
	return output, ready, nil
}

// A set answers payloads. It drops them as they come.
type set struct {
	command []byte // the beginning of a command that is not complete
	payload int    // how many bytes of the payload have not come yet
	storing bool   // a payload is coming, and not a command
}

func newSet() protocol { return new(set) }

func (s *set) serve(output, input []byte) (all []byte, ready int, err error) {
	for {
		if s.storing {
			n := min(s.payload, len(input))
			s.payload -= n
			input = input[n:]
			if s.payload > 0 {
				return output, len(output), nil
			}
			s.storing = false
			output = append(output, serverside.Stored...)
		}
		line, rest, found := cutLine(input)
		if !found {
			s.command = append(s.command, input...)
			return output, len(output), nil
		}
		if err := s.begin(line); err != nil {
			return nil, 0, err
		}
		input = rest
	}
}

// begin begins the payload that a line announces.
func (s *set) begin(line []byte) (err error) {
	if len(s.command) > 0 {
		line = append(s.command, line...)
		s.command = s.command[:0]
	}
	s.storing = true
	s.payload, err = serverside.PayloadSize(bytes.TrimSuffix(line, []byte("\r\n")))
	return err
}

// cutLine returns the first line of input, including its end, and the rest of the input.
func cutLine(input []byte) (line, rest []byte, found bool) {
	i := bytes.IndexByte(input, '\n')
	return input[:i+1], input[i+1:], i >= 0
}
