// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import "time"

// Results is what the program bench has measured. It has every single figure. The tables
// are made from it.
type Results struct {
	Machine  Machine  `json:"machine"`
	Settings Settings `json:"settings"`
	Notes    []string `json:"notes,omitempty"` // what could not be measured on this machine

	Runs  []Run     `json:"runs,omitempty"`
	Idle  []Idle    `json:"idle,omitempty"`
	Sends []SendRun `json:"sends,omitempty"`
}

// Add appends the measurements of more.
func (r *Results) Add(more Results) {
	r.Runs = append(r.Runs, more.Runs...)
	r.Idle = append(r.Idle, more.Idle...)
	r.Sends = append(r.Sends, more.Sends...)
}

// A Machine says where and when the results were measured.
type Machine struct {
	CPU         string    `json:"cpu"`
	Cores       int       `json:"cores"`
	CPUs        []int     `json:"cpus"` // those that this program may use
	Memory      int64     `json:"memory_bytes"`
	Kernel      string    `json:"kernel"`
	Go          string    `json:"go"`
	Revision    string    `json:"revision"` // the commit of this repository
	Peers       []string  `json:"peers"`    // modules and their versions
	Date        time.Time `json:"date"`
	Command     string    `json:"command"`
	LoadAverage string    `json:"load_average"` // at the start
}

// Settings are the values of the flags.
type Settings struct {
	Quick    bool          `json:"quick"`
	Rounds   int           `json:"rounds"`
	Warmup   time.Duration `json:"warmup_ns"`
	Duration time.Duration `json:"duration_ns"`
}

// A Scenario is a way to load a server. It has Conns connections, and Depth requests of
// Size bytes are in flight on each.
type Scenario struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"` // "echo", "set", "resp-set" or "resp-get"
	Conns    int    `json:"conns"`
	Depth    int    `json:"depth"`
	Size     int    `json:"size"`
	Pinned   bool   `json:"pinned"` // server and load generator share one CPU in all forms
	Heap     string `json:"heap"`   // GOMEMLIMIT of the server, with GOGC=off; empty: the defaults of Go
}

// A Run is one server process under one load. A figure that redis-benchmark does not
// print is zero.
type Run struct {
	Part           string   `json:"part"`
	Form           string   `json:"form"` // "apart", "together" or "one CPU"
	Scenario       Scenario `json:"scenario"`
	Implementation string   `json:"implementation"`
	Round          int      `json:"round"`
	Load           Load     `json:"load"`
	PeakBytes      int64    `json:"peak_bytes"`      // the greatest resident memory of the server
	Error          string   `json:"error,omitempty"` // why the run has failed
}

// An Idle is the resident memory of one server process, before it has connections, and
// while it has connections that were used once and are silent.
type Idle struct {
	Part           string `json:"part"`
	Implementation string `json:"implementation"`
	Round          int    `json:"round"`
	Conns          int    `json:"conns"`
	Before         int64  `json:"before_bytes"`
	After          int64  `json:"after_bytes"`
	Error          string `json:"error,omitempty"` // why the run has failed
}

// PerConn returns the bytes per connection.
func (i Idle) PerConn() float64 {
	return float64(i.After-i.Before) / float64(i.Conns)
}

// A SendRun is one sending process and its receiver.
type SendRun struct {
	Part  string `json:"part"`
	Name  string `json:"name"` // the name of the comparison
	Style string `json:"style"`
	Round int    `json:"round"`
	Send  Send   `json:"send"`
	Error string `json:"error,omitempty"` // why the run has failed
}
