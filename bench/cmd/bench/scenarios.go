// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"slices"
	"strings"

	"github.com/goframer/framer/bench/internal/report"
)

// An implementation is a server program in one of its styles.
type implementation struct {
	name     string
	program  string // a directory in servers/
	style    string // empty if the program has only one
	echoOnly bool
	tls      bool // over TLS, which is used for idle connections only
}

// base is the implementation with which the others are compared.
const base = "raw-best"

// implementations returns all implementations, in the order of the tables.
func implementations() []implementation {
	return []implementation{
		{name: base, program: "raw", style: "best"},
		{name: "framer-replies", program: "framer", style: "replies"},
		{name: "framer-handler", program: "framer", style: "handler"},
		{name: "framer-messages", program: "framer", style: "messages"},
		{name: "framer-session", program: "framer", style: "session"},
		{name: "gnet", program: "gnet"},
		{name: "netpoll", program: "netpoll"},
		{name: "raw-scanner", program: "raw", style: "scanner", echoOnly: true},
		{name: "raw-textproto", program: "raw", style: "textproto", echoOnly: true},
	}
}

// respImplementations returns the implementations of RESP, in the order of the tables.
func respImplementations() []implementation {
	return []implementation{
		{name: base, program: "raw", style: "best"},
		{name: "framer-replies", program: "framer", style: "replies"},
		{name: "framer-handler", program: "framer", style: "handler"},
		{name: "framer-session", program: "framer", style: "session"},
		{name: "redcon", program: "redcon"},
		{name: redisServer, program: redisServer},
	}
}

// idleImplementations returns the implementations whose idle memory is measured. These
// are all of them, and the two most important ones over TLS as well.
func idleImplementations() []implementation {
	all := implementations()
	for _, im := range implementations() {
		if im.name == base || im.name == "framer-handler" {
			im.name += " over TLS"
			im.tls = true
			all = append(all, im)
		}
	}
	return all
}

// serves reports whether im supports the protocol.
func (im implementation) serves(protocol string) bool {
	return protocol == "echo" || !im.echoOnly
}

// arguments returns the flags of the server program.
func (im implementation) arguments(protocol string) []string {
	protocol, _, _ = strings.Cut(protocol, "-") // the server protocol "resp" serves both "resp-set" and "resp-get"
	args := []string{"-protocol", protocol}
	if im.style != "" {
		args = append(args, "-style", im.style)
	}
	if im.tls {
		args = append(args, "-tls")
	}
	return args
}

// scenarios returns the scenarios of the main table.
func scenarios() []report.Scenario {
	return []report.Scenario{
		{Name: "c50p1s64", Protocol: "echo", Conns: 50, Depth: 1, Size: 64},
		{Name: "c50p16s64", Protocol: "echo", Conns: 50, Depth: 16, Size: 64},
		{Name: "c50p100s32", Protocol: "echo", Conns: 50, Depth: 100, Size: 32},
		{Name: "c1000p1s64", Protocol: "echo", Conns: 1000, Depth: 1, Size: 64},
		{Name: "c8p4s16k", Protocol: "echo", Conns: 8, Depth: 4, Size: 16 << 10},
		{Name: "SET 1 KiB c50p16", Protocol: "set", Conns: 50, Depth: 16, Size: 1 << 10},
		{Name: "SET 1 MiB c8p1", Protocol: "set", Conns: 8, Depth: 1, Size: 1 << 20},
		{Name: "c1p1s64 on one CPU", Protocol: "echo", Conns: 1, Depth: 1, Size: 64, Pinned: true},
	}
}

// respScenarios returns the scenarios of RESP: what redis-benchmark sends with and
// without -P 16, and long values. The last one is once more with the same heap for all: a
// program that has a small heap, as those of framer, otherwise collects garbage more often.
func respScenarios() []report.Scenario {
	return []report.Scenario{
		{Name: "RESP SET 3 B c50p16", Protocol: "resp-set", Conns: 50, Depth: 16, Size: 3},
		{Name: "RESP GET 3 B c50p16", Protocol: "resp-get", Conns: 50, Depth: 16, Size: 3},
		{Name: "RESP SET 64 B c50p16", Protocol: "resp-set", Conns: 50, Depth: 16, Size: 64},
		{Name: "RESP GET 64 B c50p16", Protocol: "resp-get", Conns: 50, Depth: 16, Size: 64},
		{Name: "RESP SET 64 B c50p1", Protocol: "resp-set", Conns: 50, Depth: 1, Size: 64},
		{Name: "RESP GET 64 B c50p1", Protocol: "resp-get", Conns: 50, Depth: 1, Size: 64},
		{Name: "RESP SET 16 KiB c50p1", Protocol: "resp-set", Conns: 50, Depth: 1, Size: 16 << 10},
		{Name: "RESP SET 200 KiB c50p1", Protocol: "resp-set", Conns: 50, Depth: 1, Size: 200 << 10},
		{Name: "RESP SET 200 KiB, same heap", Protocol: "resp-set", Conns: 50, Depth: 1, Size: 200 << 10, Heap: "64MiB"},
	}
}

// A goal is what the library must reach in a row of the main table, and the best that it
// could reach. It is a ratio to base, or a number of bytes. Less is better.
type goal struct {
	reach, moonshot string
}

// idleRow is the name of the row for idle memory, which is not a scenario.
const idleRow = "idle bytes per connection"

// goals returns the goals by the name of the row.
func goals() map[string]goal {
	return map[string]goal{
		"c50p1s64":             {"0.95", "0.87"},
		"c50p16s64":            {"1.00", "0.92"},
		"c50p100s32":           {"1.00", "0.93"},
		"c1000p1s64":           {"0.95", "0.85"},
		"c8p4s16k":             {"0.95", "0.85"},
		"SET 1 KiB c50p16":     {"1.00", "0.90"},
		"SET 1 MiB c8p1":       {"0.88", "0.78"},
		"c1p1s64 on one CPU":   {"0.90", "0.80"},
		idleRow:                {"4,200", "3,800"},
		"RESP SET 3 B c50p16":  {"1.10", "1.00"},
		"RESP GET 3 B c50p16":  {"1.10", "1.00"},
		"RESP SET 64 B c50p16": {"1.10", "1.00"},
		"RESP GET 64 B c50p16": {"1.10", "1.00"},
	}
}

// growthImplementations returns the implementations in the growth experiments.
func growthImplementations() []string {
	return []string{base, "framer-replies", "framer-handler", "gnet"}
}

// overConns returns the scenarios with a growing number of connections.
func overConns(quick bool) []report.Scenario {
	var list []report.Scenario
	for _, n := range growthConns(quick) {
		list = append(list, report.Scenario{
			Name: "c" + grouped(int64(n)) + "p1s64", Protocol: "echo", Conns: n, Depth: 1, Size: 64,
		})
	}
	return list
}

func growthConns(quick bool) []int {
	conns := []int{10, 100, 1_000, 10_000}
	if quick {
		return conns[:3]
	}
	return conns
}

// overSizes returns the scenarios with a growing size of a message.
func overSizes(quick bool) []report.Scenario {
	sizes := []int{10, 100, 1 << 10, 10 << 10, 100 << 10, 1 << 20, 8 << 20, 64 << 20}
	if quick {
		sizes = sizes[:6]
	}
	var list []report.Scenario
	for _, size := range sizes {
		list = append(list, report.Scenario{
			Name: "c8p1 " + byteCount(float64(size)), Protocol: "echo", Conns: 8, Depth: 1, Size: size,
		})
	}
	return list
}

// rotated returns list so that it begins with another element in every round. So no
// element always comes after the same one.
func rotated[T any](list []T, round int) []T {
	if len(list) == 0 {
		return nil
	}
	k := round % len(list)
	return slices.Concat(list[k:], list[:k])
}
