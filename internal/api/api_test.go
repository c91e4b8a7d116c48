// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package api keeps a listing of what the packages export, and checks their
// documentation.
package api

import (
	"bytes"
	"flag"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the listings anew")

// packages are the directories of the packages that users import.
var packages = map[string]string{
	"framer":      "../..",
	"framerdebug": "../../framerdebug",
	"framerprom":  "../../framerprom",
	"framertest":  "../../framertest",
}

// A source is a package, as its files on Linux have it, tests included.
type source struct {
	*doc.Package
	fset *token.FileSet
}

func load(t *testing.T, name, dir string) source {
	t.Helper()
	system := build.Default
	system.GOOS, system.GOARCH, system.CgoEnabled = "linux", "amd64", false
	p, err := system.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, f := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
		file, err := parser.ParseFile(fset, filepath.Join(dir, f), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	d, err := doc.NewFromFiles(fset, files, "github.com/goframer/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return source{d, fset}
}

// print returns a declaration without comments and bodies.
func (s source) print(node any) string {
	if f, ok := node.(*ast.FuncDecl); ok {
		f.Body = nil
		f.Doc = nil
	}
	ast.Inspect(node.(ast.Node), func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			n.Doc = nil
		case *ast.TypeSpec:
			n.Doc, n.Comment = nil, nil
		case *ast.ValueSpec:
			n.Doc, n.Comment = nil, nil
		case *ast.Field:
			n.Doc, n.Comment = nil, nil
		}
		return true
	})
	var b bytes.Buffer
	printer.Fprint(&b, s.fset, node)
	lines := strings.Split(b.String(), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" })
	for i, l := range lines {
		indent := l[:len(l)-len(strings.TrimLeft(l, "\t"))]
		lines[i] = indent + strings.Join(strings.Fields(l), " ")
	}
	return strings.Join(lines, "\n")
}

// listing returns what s exports.
func (s source) listing() string {
	var decls []string
	values := func(vs []*doc.Value) {
		for _, v := range vs {
			decls = append(decls, s.print(v.Decl))
		}
	}
	funcs := func(fs []*doc.Func) {
		for _, f := range fs {
			decls = append(decls, s.print(f.Decl))
		}
	}
	values(s.Consts)
	values(s.Vars)
	funcs(s.Funcs)
	for _, t := range s.Types {
		decls = append(decls, s.print(t.Decl))
		values(t.Consts)
		values(t.Vars)
		funcs(t.Funcs)
		funcs(t.Methods)
	}
	return strings.Join(decls, "\n\n") + "\n"
}

// TestAPI makes a change of what is exported a decision: who wants it writes the listing
// anew, with
//
//	go test ./internal/api -update
//
// and says in CHANGELOG.md what has changed.
func TestAPI(t *testing.T) {
	for name, dir := range packages {
		t.Run(name, func(t *testing.T) {
			got := load(t, name, dir).listing()
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("the exported API has changed (go test ./internal/api -update accepts it; CHANGELOG.md says so):\n%s", diff)
			}
		})
	}
}
