// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package report has the results that the programs of this module exchange as JSON.
package report

// A Load is what one run of the load generator has measured, from the end of its warm-up
// on.
type Load struct {
	Protocol string `json:"protocol"` // "echo", "set", "resp-set" or "resp-get"
	Conns    int    `json:"conns"`
	Depth    int    `json:"depth"` // the number of requests in one window of a connection
	Size     int    `json:"size"`  // bytes of a line without its CRLF, or of a payload

	Messages int64   `json:"messages"` // the number of replies that were received and checked
	Seconds  float64 `json:"seconds"`

	// The time in nanoseconds from the write of a window to the last byte of a reply. The
	// percentiles are at most 1/64 too high.
	P50  int64 `json:"p50_ns"`
	P99  int64 `json:"p99_ns"`
	P999 int64 `json:"p999_ns"`
	Max  int64 `json:"max_ns"`

	LoadCPU   float64 `json:"load_cpu_seconds"`
	ServerCPU float64 `json:"server_cpu_seconds"` // 0 without -server-pid
}
