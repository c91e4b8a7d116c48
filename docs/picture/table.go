// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Results are the results of bench that the pictures show.
type results struct {
	machine, date string
	rounds        int
	names         []string // the implementations; the others are compared with the first one
	rows          []row
	resp          []row
	idle          map[string]float64 // bytes per connection
}

// A row is the row of a scenario.
type row struct {
	scenario string
	cells    map[string]cell // by implementation; has only those that were measured
}

// A cell is the result of one implementation.
type cell struct {
	own         string // the CPU time itself; only for the first implementation
	ratio       float64
	least, most float64
	tail        float64 // 99.9th percentile of the latency, in microseconds
}

const (
	mainTable = "## Server and load generator on a CPU each"
	respTable = "### Our load generator, which checks every reply"
	idleRow   = "idle bytes per connection"
)

var (
	cellPattern  = regexp.MustCompile(`^([\d.]+(?: (?:ns|µs|ms))?) \(([\d.]+)–([\d.]+)\); \d+/\d+/(\d+)$`)
	roundPattern = regexp.MustCompile(`rounds: (\d+)`)
)

func parseResults(text string) (*results, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n") // git may have converted the line ends on Windows
	r := &results{machine: item(text, "Machine"), date: item(text, "Date"), idle: make(map[string]float64)}
	if r.machine == "" || r.date == "" {
		return nil, errors.New("no machine, or no date")
	}
	r.date, _, _ = strings.Cut(r.date, " ")
	r.machine, _, _ = strings.Cut(r.machine, " and ")
	if m := roundPattern.FindStringSubmatch(text); m != nil {
		r.rounds, _ = strconv.Atoi(m[1])
	}
	header, lines, err := tableBehind(text, mainTable)
	if err != nil {
		return nil, err
	}
	r.names = header[1:]
	for _, line := range lines {
		if line[0] == idleRow {
			err = r.addIdle(line)
		} else {
			r.rows, err = addRow(r.rows, header, line)
		}
		if err != nil {
			return nil, err
		}
	}
	header, lines, err = tableBehind(text, respTable)
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		if r.resp, err = addRow(r.resp, header, line); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// item returns the value of an item in the list at the beginning of text.
func item(text, name string) string {
	_, rest, _ := strings.Cut(text, "\n- "+name+": ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// tableBehind returns the first table after heading: its header, without the columns that
// are not results, and its rows.
func tableBehind(text, heading string) (header []string, rows [][]string, err error) {
	_, rest, ok := strings.Cut(text, "\n"+heading+"\n")
	if !ok {
		return nil, nil, fmt.Errorf("no heading %q", heading)
	}
	for line := range strings.Lines(rest) {
		if strings.HasPrefix(line, "#") {
			break
		}
		if strings.HasPrefix(line, "|") {
			cells := strings.Split(strings.Trim(line, "|\n"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		} else if rows != nil {
			break
		}
	}
	if len(rows) < 3 {
		return nil, nil, fmt.Errorf("no table below %q", heading)
	}
	header = rows[0]
	if i := slices.Index(header, "reach at least"); i >= 0 {
		header = header[:i]
	}
	return header, rows[2:], nil
}

func addRow(rows []row, header, line []string) ([]row, error) {
	r := row{line[0], make(map[string]cell)}
	for i := 1; i < len(header) && i < len(line); i++ {
		if line[i] == "–" {
			continue
		}
		m := cellPattern.FindStringSubmatch(line[i])
		if m == nil {
			return nil, fmt.Errorf("%s, %s: %q is no figure", line[0], header[i], line[i])
		}
		c := cell{ratio: parse(m[1]), least: parse(m[2]), most: parse(m[3]), tail: parse(m[4])}
		if i == 1 {
			c.own, c.ratio, c.least, c.most = m[1], 1, 1, 1
		}
		r.cells[header[i]] = c
	}
	return append(rows, r), nil
}

func (r *results) addIdle(line []string) error {
	for i, name := range r.names {
		if i+1 >= len(line) || line[i+1] == "–" {
			continue
		}
		bytes, err := strconv.ParseFloat(strings.ReplaceAll(line[i+1], ",", ""), 64)
		if err != nil {
			return fmt.Errorf("%s: %w", idleRow, err)
		}
		r.idle[name] = bytes
	}
	return nil
}

// parse converts a match of cellPattern to a number.
func parse(text string) float64 {
	x, _ := strconv.ParseFloat(text, 64)
	return x
}
