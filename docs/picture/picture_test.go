// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// read returns the text of a file. bench is another module, so its files are missing if
// only the root module was downloaded.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no ", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n") // git may have converted the line ends on Windows
}

// TestFiles checks that the pictures and the README are what the program writes now.
func TestFiles(t *testing.T) {
	files, err := draw(read(t, resultsFile), read(t, readmeFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 5 {
		t.Errorf("%d files, want 5", len(files))
	}
	for name, want := range files {
		if read(t, name) != want {
			t.Errorf("%s is not what is written now (go run ./docs/picture)", name)
		}
		if filepath.Ext(name) == ".svg" {
			if err := wellFormed(want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func wellFormed(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestNumbers changes one number of RESULTS.md at a time. Each change must change the
// pictures.
func TestNumbers(t *testing.T) {
	text := read(t, resultsFile)
	r, err := parseResults(text)
	if err != nil {
		t.Fatal(err)
	}
	before := drawResults(light, r)
	for _, row := range r.rows {
		for _, im := range shown {
			figure, ok := row.cells[im.name]
			if !ok {
				continue
			}
			changed := figure
			changed.tail *= 3
			row.cells[im.name] = changed
			if drawResults(light, r) == before {
				t.Errorf("p99.9 of %s, %s, is not in the picture", im.name, row.scenario)
			}
			if figure.own == "" {
				changed = figure
				changed.ratio *= 1.5
				row.cells[im.name] = changed
				if drawResults(light, r) == before {
					t.Errorf("the ratio of %s, %s, is not in the picture", im.name, row.scenario)
				}
			}
			row.cells[im.name] = figure
		}
	}
}

func TestParseErrors(t *testing.T) {
	text := read(t, resultsFile)
	for name, broken := range map[string]string{
		"empty":       "",
		"no table":    strings.Replace(text, mainTable, "## Another", 1),
		"no RESP":     strings.Replace(text, respTable, "### Another", 1),
		"not a ratio": strings.Replace(text, "| c50p1s64 ", "| c50p1s64 | fast | fast ", 1),
		"not a count": strings.Replace(text, "| "+idleRow, "| "+idleRow+" | many", 1),
	} {
		if _, err := parseResults(broken); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestExplain(t *testing.T) {
	for scenario, want := range map[string][2]string{
		"c50p1s64":             {"50 connections, depth 1", "64 B"},
		"c1000p1s64":           {"1,000 connections, depth 1", "64 B"},
		"c8p4s16k":             {"8 connections, depth 4", "16 KiB"},
		"SET 1 KiB c50p16":     {"50 connections, depth 16", "SET 1 KiB"},
		"RESP GET 64 B c50p1":  {"50 connections, depth 1", "RESP GET 64 B"},
		"c1p1s64 on one CPU":   {"1 connection, depth 1", "64 B, one CPU"},
		"what comes tomorrow?": {"what comes tomorrow?", ""},
	} {
		if load, payload := explain(scenario); load != want[0] || payload != want[1] {
			t.Errorf("explain(%q) = %q, %q, want %q", scenario, load, payload, want)
		}
	}
}
