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

// readResults returns what bench has measured. bench is a module of its own, so that it
// is missing where only the root module was downloaded.
func readResults(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, resultsFile))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no ", resultsFile)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPictures compares the pictures with what the program draws now.
func TestPictures(t *testing.T) {
	pictures, err := draw(readResults(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(pictures) != 4 {
		t.Errorf("%d pictures, want 4", len(pictures))
	}
	for name, want := range pictures {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if strings.ReplaceAll(string(got), "\r\n", "\n") != want {
			t.Errorf("%s differs from what is drawn now (go run ./docs/picture)", name)
		}
		if err := wellFormed(want); err != nil {
			t.Errorf("%s: %v", name, err)
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

// TestNumbers changes one number of RESULTS.md after the other: each must change the
// pictures.
func TestNumbers(t *testing.T) {
	text := readResults(t)
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
	text := strings.ReplaceAll(readResults(t), "\r\n", "\n")
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
