// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	_, addr, dir := startServer(t, testOptions())
	err := errors.Join(
		os.Symlink("../secret.txt", filepath.Join(dir, "out")),
		os.Symlink("..", filepath.Join(dir, "up")),
		os.Symlink("/", filepath.Join(dir, "top")),
		os.Symlink("small.txt", filepath.Join(dir, "in")),
		os.Symlink(filepath.Join(dir, "small.txt"), filepath.Join(dir, "absolute")),
		os.Symlink(filepath.Join(dir, "sub"), filepath.Join(dir, "absolutedir")),
		os.Symlink(dir+"x", filepath.Join(dir, "beside")),
		os.Symlink(filepath.Join(dir, "out"), filepath.Join(dir, "absoluteout")),
		os.Symlink("loop", filepath.Join(dir, "loop")),
		os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]int{
		"/absolute":                      200,
		"/absolutedir/a%20%3Cb%3E&c.txt": 200,
		"/absolutedir":                   301,
		"/beside":                        404,
		"/absoluteout":                   404,
		"/withindex/index.html":          301,
		"/small.txt":                     200,
		"/small.txt?query":               200,
		"/%73mall.txt":                   200,
		"/in":                            200,
		"/empty":                         200,
		"/":                              200,
		"/sub/":                          200,
		"/sub/a%20%3Cb%3E&c.txt":         200,
		"/withindex/":                    200,
		"/sub":                           301,
		"/../secret.txt":                 404,
		"/sub/../../secret.txt":          404,
		"/%2e%2e/secret.txt":             404,
		"/..%2fsecret.txt":               404,
		"/..%5csecret.txt":               404,
		"/sub%2f..%2f..%2fsecret.txt":    404,
		"//small.txt":                    200,
		"//../secret.txt":                404,
		"/./small.txt":                   200,
		"/small.txt/":                    301,
		"/small.txt%00":                  404,
		"/%00":                           404,
		"/out":                           404,
		"/sub%2fa%20%3Cb%3E&c.txt":       200,
		"/up/secret.txt":                 404,
		"/up/":                           404,
		"/top/etc/passwd":                404,
		"/loop":                          404,
		"/" + strings.Repeat("x", 1000):  404,
		"small.txt":                      400,
		"/%zz":                           400,
	}
	for path, want := range tests {
		nc := dial(t, addr)
		fmt.Fprintf(nc, "GET %s HTTP/1.0\r\n\r\n", path)
		answers, err := readAnswers(nc)
		if err != nil || !slices.Equal(statuses(answers), []int{want}) {
			t.Errorf("%s: got %v, %v, want %d", path, statuses(answers), err, want)
			continue
		}
		if answers[0].body == "secret" {
			t.Errorf("%s leads out of the directory", path)
		}
	}
}
