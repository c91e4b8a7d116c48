// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import "testing"

func TestTable(t *testing.T) {
	tab := &table{header: []string{"a", "µs", "ratio"}}
	tab.add("first", "8.6 µs", "1.00")
	tab.add("b", missing, "12.34")
	const want = "" +
		"| a     |     µs | ratio |\n" +
		"|:------|-------:|------:|\n" +
		"| first | 8.6 µs |  1.00 |\n" +
		"| b     |      – | 12.34 |\n"
	if got := tab.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
