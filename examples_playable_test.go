// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// An example without an Output comment is compiled and never run, and one that
// uses a declaration of another file has no Run button.
func TestExamplesArePlayable(t *testing.T) {
	names, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	fset := token.NewFileSet()
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	examples := doc.Examples(files...)
	if len(examples) == 0 {
		t.Fatal("no examples found")
	}
	for _, example := range examples {
		if example.Play == nil {
			t.Errorf("Example%s can't be run by readers: it uses what its file does not declare or import", example.Name)
		}
		if example.Output == "" {
			t.Errorf("Example%s has no output", example.Name)
		}
	}
}
