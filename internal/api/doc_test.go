// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package api

import (
	"fmt"
	"go/ast"
	"go/doc"
	"strings"
	"testing"
)

// TestDocumentation finds exported names without documentation.
func TestDocumentation(t *testing.T) {
	for name, dir := range packages {
		s := load(t, name, dir)
		missing := func(format string, args ...any) {
			t.Errorf("%s: no documentation: %s", name, fmt.Sprintf(format, args...))
		}
		if s.Doc == "" {
			missing("package")
		}
		values := func(vs []*doc.Value) {
			for _, v := range vs {
				if v.Doc == "" && !s.commented(v.Decl) {
					missing("%s", strings.Join(v.Names, ", "))
				}
			}
		}
		funcs := func(fs []*doc.Func) {
			for _, f := range fs {
				if f.Doc == "" && !isWellKnown(f.Name) {
					missing("%s.%s", f.Recv, f.Name)
				}
			}
		}
		values(s.Consts)
		values(s.Vars)
		funcs(s.Funcs)
		for _, typ := range s.Types {
			if typ.Doc == "" {
				missing("%s", typ.Name)
			}
			for _, field := range s.undocumented(typ) {
				missing("%s.%s", typ.Name, field)
			}
			values(typ.Consts)
			values(typ.Vars)
			funcs(typ.Funcs)
			funcs(typ.Methods)
		}
	}
}

// isWellKnown reports whether everybody knows what a method of that name does.
func isWellKnown(name string) bool {
	switch name {
	case "Error", "Unwrap", "String", "Timeout", "Temporary":
		return true
	}
	return false
}

// commented reports whether each of the values has a comment. Where lines follow one
// another, a comment on the first is enough.
func (s source) commented(decl *ast.GenDecl) bool {
	last := -1 // the line of the last value
	for _, spec := range decl.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if ok && v.Doc.Text() == "" && v.Comment.Text() == "" && s.fset.Position(v.Pos()).Line != last+1 {
			return false
		}
		last = s.fset.Position(spec.End()).Line
	}
	return true
}

// undocumented returns the exported fields and methods of a struct or an interface that
// have no comment. Where lines follow one another, a comment on the first is enough.
func (s source) undocumented(typ *doc.Type) (names []string) {
	for _, spec := range typ.Decl.Specs {
		var list *ast.FieldList
		switch t := spec.(*ast.TypeSpec).Type.(type) {
		case *ast.StructType:
			list = t.Fields
		case *ast.InterfaceType:
			list = t.Methods
		default:
			continue
		}
		last := -1 // the line of the last field, if that is documented
		for _, f := range list.List {
			line := s.fset.Position(f.Pos()).Line
			if f.Doc.Text() != "" || f.Comment.Text() != "" || line == last+1 {
				last = s.fset.Position(f.End()).Line
				continue
			}
			for _, n := range f.Names {
				if n.IsExported() {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// TestExamples finds examples that the documentation would show without a button to run
// them: pkgsite has one for those that are whole programs, with output that is checked.
func TestExamples(t *testing.T) {
	for name, dir := range packages {
		s := load(t, name, dir)
		examples := s.Examples
		for _, f := range s.Funcs {
			examples = append(examples, f.Examples...)
		}
		for _, typ := range s.Types {
			examples = append(examples, typ.Examples...)
			for _, f := range append(typ.Funcs, typ.Methods...) {
				examples = append(examples, f.Examples...)
			}
		}
		if len(examples) == 0 {
			t.Errorf("%s: no examples", name)
		}
		for _, e := range examples {
			switch {
			case e.Play == nil:
				t.Errorf("%s: example %s %s is no whole program", name, e.Name, e.Suffix)
			case e.Output == "" && !e.EmptyOutput:
				t.Errorf("%s: example %s %s has no output", name, e.Name, e.Suffix)
			}
		}
	}
}
