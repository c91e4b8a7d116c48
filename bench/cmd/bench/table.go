// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"strings"
	"unicode/utf8"
)

// A table is a table in Markdown. The first column is aligned to the left, the others to
// the right.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) {
	t.rows = append(t.rows, cells)
}

// String returns the table in Markdown. The columns are padded, so that the source is
// easy to read.
func (t *table) String() string {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), len("--:"))
		}
	}
	var b strings.Builder
	writeRow(&b, t.header, widths)
	for i, width := range widths {
		if i == 0 {
			b.WriteString("|:" + strings.Repeat("-", width+1))
			continue
		}
		b.WriteString("|" + strings.Repeat("-", width+1) + ":")
	}
	b.WriteString("|\n")
	for _, row := range t.rows {
		writeRow(&b, row, widths)
	}
	return b.String()
}

func writeRow(b *strings.Builder, cells []string, widths []int) {
	for i, cell := range cells {
		padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i == 0 {
			b.WriteString("| " + cell + padding + " ")
			continue
		}
		b.WriteString("| " + padding + cell + " ")
	}
	b.WriteString("|\n")
}
