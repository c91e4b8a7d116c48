// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package report

import "time"

// Results is what the program bench has measured. Nothing in it is condensed: the
// tables are made of it.
type Results struct {
	Machine  Machine  `json:"machine"`
	Settings Settings `json:"settings"`
	Notes    []string `json:"notes,omitempty"` // what could not be measured here

	Runs  []Run     `json:"runs,omitempty"`
	Idle  []Idle    `json:"idle,omitempty"`
	Sends []SendRun `json:"sends,omitempty"`
}

// Add appends what was measured in more.
func (r *Results) Add(more Results) {
	r.Runs = append(r.Runs, more.Runs...)
	r.Idle = append(r.Idle, more.Idle...)
	r.Sends = append(r.Sends, more.Sends...)
}

// A Machine is where and when the results were measured.
type Machine struct {
	CPU         string    `json:"cpu"`
	Cores       int       `json:"cores"`
	CPUs        []int     `json:"cpus"` // that this program may use
	Memory      int64     `json:"memory_bytes"`
	Kernel      string    `json:"kernel"`
	Go          string    `json:"go"`
	Revision    string    `json:"revision"` // of this repository
	Peers       []string  `json:"peers"`    // modules and their versions
	Date        time.Time `json:"date"`
	Command     string    `json:"command"`
	LoadAverage string    `json:"load_average"` // at the start
}

// Settings are the flags in force.
type Settings struct {
	Quick    bool          `json:"quick"`
	Rounds   int           `json:"rounds"`
	Warmup   time.Duration `json:"warmup_ns"`
	Duration time.Duration `json:"duration_ns"`
}

// A Scenario is a way to load a server: requests of Size bytes, Depth of them in
// flight on each of Conns connections.
type Scenario struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"` // "echo", "set", "resp-set" or "resp-get"
	Conns    int    `json:"conns"`
	Depth    int    `json:"depth"`
	Size     int    `json:"size"`
	Pinned   bool   `json:"pinned"` // server and load generator share one CPU, in all forms
}

// A Run is one server process under one load. What redis-benchmark does not say is
// zero.
type Run struct {
	Part           string   `json:"part"`
	Form           string   `json:"form"` // "apart", "together" or "one CPU"
	Scenario       Scenario `json:"scenario"`
	Implementation string   `json:"implementation"`
	Round          int      `json:"round"`
	Load           Load     `json:"load"`
	PeakBytes      int64    `json:"peak_bytes"`      // greatest resident memory of the server
	Error          string   `json:"error,omitempty"` // why the run has failed
}

// An Idle is the resident memory of one server process before and while it has
// silent connections that were used once.
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
	Name  string `json:"name"` // of the comparison
	Style string `json:"style"`
	Round int    `json:"round"`
	Send  Send   `json:"send"`
	Error string `json:"error,omitempty"` // why the run has failed
}
