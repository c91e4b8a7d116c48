// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

// A Send is what the program send has measured: of one task done in one style,
// from the first byte given to the connections until the receiver had all of
// them.
type Send struct {
	Task  string `json:"task"` // "push", "broadcast" or "file"
	Style string `json:"style"`
	Conns int    `json:"conns"`
	Size  int64  `json:"size"` // bytes of a message, a payload or the file

	Messages  int64   `json:"messages"` // messages, payloads or files, over all connections
	Seconds   float64 `json:"seconds"`
	CPU       float64 `json:"cpu_seconds"`     // of the sending process
	PeakBytes int64   `json:"peak_bytes"`      // greatest resident memory, above that at the start
	Allocated int64   `json:"allocated_bytes"` // heap memory allocated in all
}

// A Sink is what the receiver of a Send has got and checked.
type Sink struct {
	Conns int   `json:"conns"`
	Bytes int64 `json:"bytes"` // over all connections
}
