// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?m)^```go\n((?s:.*?))^```\n")

// surroundings make a program of what a block shows. %s stands for the block.
const (
	asProgram    = "%s"
	asHandler    = "package main\n\nimport \"github.com/goframer/framer\"\n\n%s\nfunc main() { _ = newEcho }\n"
	asStatements = `package main

import (
	"context"
	"errors"
	"log"
	"net/http"

	"github.com/goframer/framer"
)

func try(mux *http.ServeMux, hs *http.Server, newEcho func(*framer.Conn) framer.Handler, ctx, drain context.Context) error {
	err := errors.New("")
	_ = err
	{
%s
		return err
	}
}

func main() { _ = try }
`
)

// TestBlocks compiles the blocks of documents that have no file of their own.
func TestBlocks(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	for name, surroundings := range map[string][]string{
		"README.md":        {asProgram, asHandler, asStatements},
		"docs/net-http.md": {asStatements},
	} {
		blocks := goBlock.FindAllStringSubmatch(read(t, name), -1)
		if len(blocks) != len(surroundings) {
			t.Errorf("%s has %d blocks, want %d", name, len(blocks), len(surroundings))
			continue
		}
		for i, block := range blocks {
			if out, err := compile(t, fmt.Sprintf(surroundings[i], block[1])); err != nil {
				t.Errorf("%s: %v\n%s\n%s", name, err, out, block[1])
			}
		}
	}
}

// compile compiles a program within the root module.
func compile(t *testing.T, program string) (output string, err error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(program), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "out"), file)
	cmd.Dir = root
	var b strings.Builder
	cmd.Stdout, cmd.Stderr = &b, &b
	err = cmd.Run()
	return b.String(), err
}
