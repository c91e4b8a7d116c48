// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the code in docs/protocols.md anew")

// document shows the code of each file of this package after a link to the file.
const document = "../../docs/protocols.md"

// shown matches a link to a file, and the code after it.
var shown = regexp.MustCompile("(?s)\\[[^\\]]*\\]\\(\\.\\./examples/protocols/([a-z_/]+_test\\.go)\\):\n\n```go\n(.*?)```\n")

// TestDocument compares the code in the document with the files that it comes from.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{"document_test.go": true}
	written := shown.ReplaceAllStringFunc(string(text), func(block string) string {
		found := shown.FindStringSubmatch(block)
		name, code := found[1], found[2]
		seen[name] = true
		want, ok := source(t, name)
		if !ok {
			return block
		}
		if code != want && !*update {
			t.Errorf("the code of %s is not the one in %s; go test -update writes it anew", name, document)
		}
		return strings.TrimSuffix(block, code+"```\n") + want + "```\n"
	})
	if n := strings.Count(written, "```go\n"); n != len(seen)-1 {
		t.Errorf("%s has %d pieces of code, and %d links to a file in front of one", document, n, len(seen)-1)
	}
	for _, pattern := range []string{"*_test.go", "*/*_test.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if !seen[filepath.ToSlash(name)] {
				t.Errorf("%s does not show %s", document, name)
			}
		}
	}
	if *update {
		if err := os.WriteFile(document, []byte(written), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// source returns the code of a file after its imports. It reports false if the file is in
// a nested module that is not there, as in the module cache.
func source(t *testing.T, name string) (string, bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if dir := filepath.Dir(name); dir != "." && os.IsNotExist(err) {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return "", false
		}
	}
	if err != nil {
		t.Error(err)
		return "", false
	}
	_, code, ok := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n)\n\n")
	if !ok {
		t.Errorf("%s has no imports in parentheses", name)
	}
	return code, ok
}
