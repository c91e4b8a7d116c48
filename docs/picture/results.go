// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	resultsWidth = 720.0
	headHeight   = 124.0
	footHeight   = 60.0

	panelWidth = 346.0
	panelGap   = resultsWidth - 4 - 2*panelWidth
	panelSpace = 46.0 // the part of a panel for its heading, and the space below it
	lineHeight = 20.0

	barLeft  = 108.0 // from the left edge of the panel
	barRight = 226.0
	ratioEnd = 272.0
	tailEnd  = panelWidth

	// The bars have a logarithmic scale, so that half and double have the same length.
	leastRatio = 0.65
	mostRatio  = 1.8
)

// shown are the bars of a panel: their names in RESULTS.md, and the labels in the
// picture.
var shown = []struct {
	name, label string
	ours        bool
}{
	{"raw-best", "hand-written", false},
	{"framer-replies", "Replies", true},
	{"framer-handler", "Handler", true},
	{"framer-messages", "Messages", true},
	{"framer-session", "Session", true},
	{"gnet", "gnet", false},
	{"netpoll", "netpoll", false},
	{"redcon", "redcon", false},
	{"redis-server", "redis-server", false},
	{"raw-scanner", "Scanner", false},
}

// respShown are the rows of the RESP table that have a panel.
var respShown = map[string]bool{"RESP SET 64 B c50p16": true, "RESP GET 64 B c50p1": true, "RESP SET 200 KiB c50p1": true}

// drawResults draws a panel for each row of the main table and for some rows of the RESP
// table, and one for the memory of idle connections.
func drawResults(th theme, r *results) string {
	rows := r.rows
	for _, row := range r.resp {
		if respShown[row.scenario] {
			rows = append(rows[:len(rows):len(rows)], row)
		}
	}
	c := new(canvas)
	c.text(2, 24, style{size: 20, fill: th.ink, bold: true}, "CPU time per message, beside a hand-written loop")
	c.text(2, 50, style{size: 16, fill: th.muted}, "Left of the line is less than the loop takes, right of it more. Blue is framer.")
	c.text(2, 73, style{size: 16, fill: th.muted}, "Depth is the number of requests in flight on each connection.")
	for column := range 2 {
		x := panelX(column)
		c.text(x+ratioEnd, 110, style{size: 14, fill: th.muted, anchor: "end"}, "CPU")
		c.text(x+tailEnd, 110, style{size: 14, fill: th.muted, anchor: "end"}, "p99.9")
	}
	y := headHeight
	for pair := range slices.Chunk(append(rows, row{}), 2) {
		most := 0
		for column, row := range pair {
			lines := 0
			if row.scenario == "" { // the last one
				lines = c.idlePanel(th, panelX(column), y, r.idle)
			} else {
				lines = c.panel(th, panelX(column), y, row)
			}
			most = max(most, lines)
		}
		y += panelSpace + float64(most)*lineHeight
	}
	height := y + footHeight
	c.text(2, height-34, style{size: 14, fill: th.muted},
		fmt.Sprintf("Median of %d rounds; thin lines: least to greatest. A CPU each for server and load generator.", r.rounds))
	c.text(2, height-12, style{size: 14, fill: th.muted}, r.machine+", "+r.date+": bench/RESULTS.md has the rest.")
	return c.document(resultsWidth, height, "Measured results", describe(rows, r.idle))
}

func panelX(column int) float64 {
	return 2 + float64(column)*(panelWidth+panelGap)
}

// heading draws the heading of a panel, and a line.
func (c *canvas) heading(th theme, x, y float64, title, note string) {
	c.addf(`<path d="M%s,%s h%s" stroke="%s" stroke-width="1"/>`, number(x), number(y), number(panelWidth), th.rule)
	c.text(x, y+20, style{size: 14, fill: th.ink, bold: true}, title)
	c.text(x+panelWidth, y+20, style{size: 14, fill: th.muted, anchor: "end"}, note)
}

// panel draws the panel of a scenario. It returns how many lines it has drawn.
func (c *canvas) panel(th theme, x, y float64, r row) int {
	title, note := explain(r.scenario)
	c.heading(th, x, y, title, note)
	y += 30
	line := 0
	for _, im := range shown {
		figure, ok := r.cells[im.name]
		if !ok {
			continue
		}
		base := y + float64(line)*lineHeight + 14
		ink, bold := th.muted, false
		if im.ours {
			ink, bold = th.ink, true
		}
		c.text(x, base, style{size: 15, fill: ink, bold: bold}, im.label)
		if figure.own != "" {
			c.text(x+(barLeft+barRight)/2, base, style{size: 15, fill: ink, anchor: "middle"}, figure.own)
		} else {
			c.ratioBar(th, x, base-5, figure, im.ours)
		}
		c.text(x+ratioEnd, base, style{size: 15, fill: ink, anchor: "end"}, ratio(figure.ratio))
		c.text(x+tailEnd, base, style{size: 15, fill: ink, anchor: "end"}, microseconds(figure.tail))
		line++
	}
	one := number(x + at(1))
	c.addf(`<path d="M%s,%s V%s" stroke="%s" stroke-width="1.5"/>`, one, number(y+lineHeight+1), number(y+float64(line)*lineHeight), th.ink)
	return line
}

// at returns the place of a ratio in a panel. A ratio that is too small or too large is
// at the edge.
func at(ratio float64) float64 {
	ratio = min(max(ratio, leastRatio), mostRatio)
	return barLeft + (barRight-barLeft)*math.Log(ratio/leastRatio)/math.Log(mostRatio/leastRatio)
}

// ratioBar draws a bar from 1 to the ratio, with a thin line from the smallest to the
// greatest measurement. A bar that would leave the panel ends in an arrow.
func (c *canvas) ratioBar(th theme, x, middle float64, figure cell, ours bool) {
	fill := th.others
	if ours {
		fill = th.ours
	}
	from, to := at(min(figure.ratio, 1)), at(max(figure.ratio, 1))
	if figure.ratio > mostRatio {
		c.addf(`<path d="M%s,%s H%s l8,5.5 l-8,5.5 H%s z" fill="%s"/>`,
			number(x+from), number(middle-5.5), number(x+to-8), number(x+from), fill)
		return
	}
	c.addf(`<rect x="%s" y="%s" width="%s" height="11" fill="%s"/>`, number(x+from), number(middle-5.5), number(to-from), fill)
	c.addf(`<path d="M%s,%s H%s" stroke="%s" stroke-width="1.5"/>`, number(x+at(figure.least)), number(middle), number(x+at(figure.most)), th.ink)
}

// idlePanel draws the memory of idle connections. Its bars begin at zero. It returns how
// many lines it has drawn.
func (c *canvas) idlePanel(th theme, x, y float64, idle map[string]float64) int {
	c.heading(th, x, y, "10,000 idle connections", "bytes for each")
	y += 30
	most := 0.0
	for _, im := range shown {
		most = max(most, idle[im.name])
	}
	line := 0
	for _, im := range shown {
		bytes, ok := idle[im.name]
		if !ok {
			continue
		}
		base := y + float64(line)*lineHeight + 14
		ink, fill, bold := th.muted, th.others, false
		if im.ours {
			ink, fill, bold = th.ink, th.ours, true
		}
		c.text(x, base, style{size: 15, fill: ink, bold: bold}, im.label)
		c.addf(`<rect x="%s" y="%s" width="%s" height="11" fill="%s"/>`,
			number(x+barLeft), number(base-10.5), number((ratioEnd-barLeft-12)*bytes/most), fill)
		c.text(x+tailEnd, base, style{size: 15, fill: ink, anchor: "end"}, grouped(bytes))
		line++
	}
	return line
}

// explain describes a scenario in words: the load, and the payload.
func explain(scenario string) (load, payload string) {
	name, only, _ := strings.Cut(scenario, " on ")
	fields := strings.Fields(name)
	last := fields[len(fields)-1]
	var conns, depth int
	if n, _ := fmt.Sscanf(last, "c%dp%d", &conns, &depth); n != 2 {
		return scenario, ""
	}
	payload = strings.Join(fields[:len(fields)-1], " ")
	if _, size, ok := strings.Cut(last, "s"); ok {
		payload = size + " B"
		if kib, ok := strings.CutSuffix(size, "k"); ok {
			payload = kib + " KiB"
		}
	}
	load = fmt.Sprintf("%s connections, depth %d", grouped(float64(conns)), depth)
	if conns == 1 {
		load = fmt.Sprintf("1 connection, depth %d", depth)
	}
	if only != "" {
		payload += ", " + only
	}
	return load, payload
}

// describe describes the picture in words, for people who can't see it.
func describe(rows []row, idle map[string]float64) string {
	var b strings.Builder
	b.WriteString("CPU time of the server per message as a ratio to the best hand-written loop, and the p99.9 latency.")
	for _, r := range rows {
		fmt.Fprintf(&b, " %s:", r.scenario)
		for _, im := range shown {
			if figure, ok := r.cells[im.name]; ok {
				fmt.Fprintf(&b, " %s %s, %s;", im.label, ratio(figure.ratio), microseconds(figure.tail))
			}
		}
	}
	b.WriteString(" Bytes for an idle connection:")
	for _, im := range shown {
		if bytes, ok := idle[im.name]; ok {
			fmt.Fprintf(&b, " %s %s;", im.label, grouped(bytes))
		}
	}
	return strings.TrimSuffix(b.String(), ";") + "."
}

func ratio(x float64) string {
	if x >= 10 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// microseconds formats a time with at most three digits.
func microseconds(x float64) string {
	switch {
	case x < 1000:
		return fmt.Sprintf("%.0f µs", x)
	case x < 9_950:
		return fmt.Sprintf("%.1f ms", x/1000)
	}
	return fmt.Sprintf("%.0f ms", x/1000)
}

// grouped formats a number below a million, with a comma before the last three digits.
func grouped(x float64) string {
	n := int(math.Round(x))
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
