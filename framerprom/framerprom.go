// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package framerprom exports the figures of a [framer.Server] as Prometheus metrics.
//
//	prometheus.MustRegister(framerprom.NewCollector("smtp", server))
//
// These are the metrics. Each has the label server, which is the name that NewCollector
// was given.
//
//	framer_connections                 gauge    connections that are open, by state
//	framer_connections_accepted_total  counter  connections that came, with those refused
//	framer_connections_refused_total   counter  connections that were refused
//	framer_connections_ended_total     counter  connections that have ended, by reason
//	framer_received_bytes_total        counter  bytes read
//	framer_sent_bytes_total            counter  bytes written
//	framer_received_messages_total     counter  messages read
//	framer_pushes_total                counter  pushes, which are the messages sent if each is pushed by itself
//	framer_queued_bytes                gauge    bytes pushed and not yet written
//	framer_push_waits_total            counter  pushes that had to wait, because the queue was full
//	framer_pushes_refused_total        counter  pushes that TryPush refused, because the queue was full
//	framer_write_stalls_total          counter  writes that have waited for the peer for 10 milliseconds or longer
//
// The label state is a [framer.ConnState], and reason a [framer.EndReason]: few, and
// always the same. All of them are there from the beginning, so that rates begin with the
// first event.
package framerprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/goframer/framer"
)

// A Collector collects the metrics of a server. [NewCollector] makes it. Its methods may
// be called from any goroutine.
//
// See Example in framerprom_test.go.
type Collector struct {
	server  *framer.Server
	states  *prometheus.Desc
	ended   *prometheus.Desc
	figures []figure
}

// A figure is a metric without further labels.
type figure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*framer.ServerStats) int64
}

// NewCollector returns a [Collector] of the metrics of s, with name as their label
// server. Several servers in one registry need different names.
//
// Every scrape calls [framer.Server.Stats] once, so all its figures are of the same
// moment.
func NewCollector(name string, s *framer.Server) *Collector {
	describe := func(metric, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("framer_"+metric, help, labels, prometheus.Labels{"server": name})
	}
	counter := func(metric, help string, of func(*framer.ServerStats) int64) figure {
		return figure{describe(metric, help), prometheus.CounterValue, of}
	}
	gauge := func(metric, help string, of func(*framer.ServerStats) int64) figure {
		return figure{describe(metric, help), prometheus.GaugeValue, of}
	}
	return &Collector{
		server: s,
		states: describe("connections", "Connections that are open, by state.", "state"),
		ended:  describe("connections_ended_total", "Connections that have ended, by reason.", "reason"),
		figures: []figure{
			counter("connections_accepted_total", "Connections that came, with those refused.", func(s *framer.ServerStats) int64 { return s.Accepted }),
			counter("connections_refused_total", "Connections that were refused.", func(s *framer.ServerStats) int64 { return s.Refused }),
			counter("received_bytes_total", "Bytes read.", func(s *framer.ServerStats) int64 { return s.BytesRead }),
			counter("sent_bytes_total", "Bytes written.", func(s *framer.ServerStats) int64 { return s.BytesWritten }),
			counter("received_messages_total", "Messages read.", func(s *framer.ServerStats) int64 { return s.MessagesRead }),
			counter("pushes_total", "Pushes, which are the messages sent if each is pushed by itself.", func(s *framer.ServerStats) int64 { return s.Pushes }),
			gauge("queued_bytes", "Bytes pushed and not yet written.", func(s *framer.ServerStats) int64 { return s.QueuedBytes }),
			counter("push_waits_total", "Pushes that had to wait, because the queue was full.", func(s *framer.ServerStats) int64 { return s.PushWaits }),
			counter("pushes_refused_total", "Pushes that TryPush refused, because the queue was full.", func(s *framer.ServerStats) int64 { return s.PushRefused }),
			counter("write_stalls_total", "Writes that have waited for the peer for 10 milliseconds or longer.", func(s *framer.ServerStats) int64 { return s.WriteStalls }),
		},
	}
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.states
	descs <- c.ended
	for _, f := range c.figures {
		descs <- f.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	stats := c.server.Stats()
	for s, n := range stats.States {
		metrics <- prometheus.MustNewConstMetric(c.states, prometheus.GaugeValue, float64(n), framer.ConnState(s).String())
	}
	for i, n := range stats.Ended {
		if r := framer.EndReason(i); r != framer.NotEnded {
			metrics <- prometheus.MustNewConstMetric(c.ended, prometheus.CounterValue, float64(n), r.String())
		}
	}
	for _, f := range c.figures {
		metrics <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(f.of(&stats)))
	}
}
