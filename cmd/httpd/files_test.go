// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"html"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
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

// A list has links that work, and shows sizes and dates.
func TestList(t *testing.T) {
	t.Parallel()
	s, dir := newSite(t)
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	names := []string{"a:b", "q?x=y", "h#i", "per%cent", "\"quote\"", "<b>", "\xff", "späce d", ".hidden", "plain.txt"}
	want := map[string]bool{"../": true, "deep/": true}
	if err := os.Mkdir(filepath.Join(dir, "names"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "names", "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		want[name] = true
		path := filepath.Join(dir, "names", name)
		if err := errors.Join(os.WriteFile(path, []byte("12345"), 0o644), os.Chtimes(path, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	h := s.handler(false)
	get := func(path string) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Body.String()
	}
	page := get("/names/")
	if !strings.Contains(page, ">plain.txt</a>"+strings.Repeat(" ", 41)+" 2026-01-02 03:04:05  5\n") {
		t.Errorf("no size and date in %q", page)
	}
	base, err := url.Parse("http://x/names/")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`<a href="([^"]*)">(.*?)</a>`).FindAllStringSubmatch(page, -1) {
		name := html.UnescapeString(m[2])
		if !want[name] {
			t.Errorf("unexpected name %q", name)
		}
		delete(want, name)
		link, err := base.Parse(html.UnescapeString(m[1]))
		if err != nil {
			t.Errorf("%q: %v", name, err)
		} else if got := get(link.RequestURI()); !strings.HasSuffix(name, "/") && got != "12345" {
			t.Errorf("%q leads to %q", name, got)
		}
	}
	if len(want) > 0 {
		t.Errorf("%v are missing in %q", want, page)
	}
	if page := get("/"); strings.Contains(page, "../") {
		t.Errorf("the root has a parent: %q", page)
	}
	if page := get("/withindex/"); page != "<p>index" {
		t.Errorf("got %q in place of the index", page)
	}
}
