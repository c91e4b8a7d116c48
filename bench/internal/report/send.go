// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

// A Send is what the program send has measured for one task in one style. The time begins
// with the first byte that is given to the connections. It ends when the receiver has all
// bytes.
type Send struct {
	Task  string `json:"task"` // "push", "broadcast" or "file"
	Style string `json:"style"`
	Conns int    `json:"conns"`
	Size  int64  `json:"size"` // bytes of a message, a payload or the file

	Messages  int64   `json:"messages"` // how many messages, payloads or files, over all connections
	Seconds   float64 `json:"seconds"`
	CPU       float64 `json:"cpu_seconds"`     // the CPU time of the sending process
	PeakBytes int64   `json:"peak_bytes"`      // the greatest resident memory, minus that at the start
	Allocated int64   `json:"allocated_bytes"` // all heap memory that was allocated
}

// A Sink is what the receiver of a Send has received and checked.
type Sink struct {
	Conns int   `json:"conns"`
	Bytes int64 `json:"bytes"` // over all connections
}
