// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/doc"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
)

// TestExamples finds examples that the documentation would show without a button to run
// them, or with one that leads to an error. pkgsite has a button for those that are whole
// programs, with output that is checked. It runs what go/doc makes of the file of the
// example: what other files declare is not there.
func TestExamples(t *testing.T) {
	all := maps.Clone(packages)
	all["asynchat"] = "../../examples/asynchat"
	all["protocols"] = "../../examples/protocols"
	var programs []program
	for name, dir := range all {
		s := load(t, name, dir)
		examples := s.examples()
		if len(examples) == 0 {
			t.Errorf("%s: no examples", name)
		}
		for _, e := range examples {
			switch {
			case e.Play == nil:
				t.Errorf("%s: example %s is no whole program", name, e.Name)
			case e.Output == "" && !e.EmptyOutput:
				t.Errorf("%s: example %s has no output", name, e.Name)
			case name != "framerprom": // a module of its own, with imports that are not here
				programs = append(programs, s.program(t, name+": example "+e.Name, e.Play))
			}
		}
	}
	check(t, programs)
}

// examples returns all examples of s.
func (s source) examples() []*doc.Example {
	all := s.Examples
	for _, f := range s.Funcs {
		all = append(all, f.Examples...)
	}
	for _, typ := range s.Types {
		all = append(all, typ.Examples...)
		for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
			all = append(all, f.Examples...)
		}
	}
	return all
}

// A program is what the playground gets.
type program struct {
	name string
	fset *token.FileSet
	file *ast.File
}

// program prints and parses file, which go/doc has put together.
func (s source) program(t *testing.T, name string, file *ast.File) program {
	t.Helper()
	var text bytes.Buffer
	if err := format.Node(&text, s.fset, file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	p := program{name: name, fset: token.NewFileSet()}
	var err error
	if p.file, err = parser.ParseFile(p.fset, "prog.go", text.Bytes(), parser.SkipObjectResolution); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// check finds programs that would not compile.
func check(t *testing.T, programs []program) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	files := exports(t, programs)
	imports := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, errors.New("not found")
		}
		return os.Open(files[path])
	})
	for _, p := range programs {
		config := types.Config{Importer: imports}
		pkg, err := config.Check("main", p.fset, []*ast.File{p.file}, nil)
		if err != nil {
			t.Errorf("%s does not compile alone: %v", p.name, err)
		} else if pkg.Scope().Lookup("main") == nil {
			t.Errorf("%s has no function main", p.name)
		}
	}
}

// exports returns the files with the export data of the packages that programs import, by
// the path of the package.
func exports(t *testing.T, programs []program) map[string]string {
	t.Helper()
	paths := make(map[string]bool)
	for _, p := range programs {
		for _, spec := range p.file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			paths[path] = true
		}
	}
	args := []string{"list", "-export", "-json=ImportPath,Export", "--"}
	cmd := exec.Command("go", append(args, slices.Sorted(maps.Keys(paths))...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.Bytes())
	}
	files := make(map[string]string)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		switch err := d.Decode(&p); err {
		case nil:
			files[p.ImportPath] = p.Export
		case io.EOF:
			return files
		default:
			t.Fatal(err)
		}
	}
}
