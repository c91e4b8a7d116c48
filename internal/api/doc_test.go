// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package api

import (
	"fmt"
	"go/ast"
	"go/doc"
	"path/filepath"
	"regexp"
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

// see is the last paragraph of a type's documentation: what examples it has, and where.
var see = regexp.MustCompile(`(?:^|\n\n)See (Example\w*(?:(?:,\s|\sand\s)Example\w*)*)\sin\s(\w+_test\.go)\.\n$`)

// TestTypesNameExamples finds types whose documentation does not end in the names of
// examples and of their file. The go command shows no examples: who reads in a terminal
// has only these names.
func TestTypesNameExamples(t *testing.T) {
	for name, dir := range packages {
		s := load(t, name, dir)
		files := make(map[string]string) // by example
		for _, e := range s.examples() {
			files["Example"+e.Name] = filepath.Base(s.fset.Position(e.Code.Pos()).Filename)
		}
		for _, typ := range s.Types {
			m := see.FindStringSubmatch(typ.Doc)
			if m == nil {
				t.Errorf("%s: the documentation of %s does not end in %q", name, typ.Name, "See Example... in ..._test.go.")
				continue
			}
			for _, example := range regexp.MustCompile(`Example\w*`).FindAllString(m[1], -1) {
				if files[example] != m[2] {
					t.Errorf("%s: the documentation of %s names %s, which is not in %s", name, typ.Name, example, m[2])
				}
			}
		}
	}
}

// TestNoBrackets finds brackets for links where they are not made into links: the comments
// of fields, and of the methods of interfaces, are shown as they are.
func TestNoBrackets(t *testing.T) {
	link := regexp.MustCompile(`\[\*?[A-Za-z][\w./]*\]`)
	for name, dir := range packages {
		for _, typ := range load(t, name, dir).Types {
			ast.Inspect(typ.Decl, func(n ast.Node) bool {
				f, ok := n.(*ast.Field)
				if !ok {
					return true
				}
				if m := link.FindString(f.Doc.Text() + f.Comment.Text()); m != "" {
					t.Errorf("%s: %s: a comment within the declaration shows %s with its brackets", name, typ.Name, m)
				}
				return true
			})
		}
	}
}
