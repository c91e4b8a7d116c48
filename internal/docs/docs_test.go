// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package docs compares the documents with the code that they describe. It has only
// tests.
package docs

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the programs in docs/from-asynchat.md")

// documents are the documents that the tests check, relative to the root.
var documents = []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/from-asynchat.md",
	"docs/comparison.md", "docs/net-http.md", "docs/production.md", "docs/protocols.md"}

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n") // a checkout on Windows
}

// program matches a program in from-asynchat.md: its file and its text.
var program = regexp.MustCompile("(?m)^Go, \\[(\\w+\\.go)\\]\\(.*\\):\n\n```go\n((?s:.*?))```\n")

// TestPrograms compares the programs that from-asynchat.md shows with the files that are
// tested. After a change of a file,
//
//	go test ./internal/docs -update
//
// rewrites the document.
func TestPrograms(t *testing.T) {
	const name = "docs/from-asynchat.md"
	text := read(t, name)
	var shown []string
	updated := program.ReplaceAllStringFunc(text, func(match string) string {
		parts := program.FindStringSubmatch(match)
		file, got := parts[1], parts[2]
		shown = append(shown, file)
		_, want, ok := strings.Cut(read(t, "examples/asynchat/"+file), "\npackage asynchat_test\n\n")
		if !ok {
			t.Errorf("%s has no package clause", file)
		}
		if got != want && !*update {
			t.Errorf("%s: %s differs from the file (go test ./internal/docs -update)", name, file)
		}
		return strings.TrimSuffix(match, got+"```\n") + want + "```\n"
	})
	if n := strings.Count(text, "```go\n"); n != len(shown) {
		t.Errorf("%d of %d programs are not preceded by the name of their file", n-len(shown), n)
	}
	files, err := filepath.Glob(filepath.Join(root, "examples/asynchat/*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		base := filepath.Base(file)
		if !strings.HasPrefix(base, "differs") && !slices.Contains(shown, base) {
			t.Errorf("%s does not show %s", name, base)
		}
	}
	if *update && updated != text {
		if err := os.WriteFile(filepath.Join(root, name), []byte(updated), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// declared returns, for each name of package framer, the files that declare it. A name is
// that of a function, type, constant or variable, or "type.member".
func declared(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string][]string)
	fset := token.NewFileSet()
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		add := func(name string) { names[name] = append(names[name], filepath.Base(file)) }
		for _, decl := range f.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				add(receiver(decl) + decl.Name.Name)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					addSpec(spec, add)
				}
			}
		}
	}
	return names
}

// shortNames returns names, and also each member without its type.
func shortNames(names map[string][]string) map[string][]string {
	all := maps.Clone(names)
	for name, files := range names {
		if _, short, ok := strings.Cut(name, "."); ok {
			all[short] = files
		}
	}
	return all
}

// receiver returns the type of a method, followed by a period, or "".
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	return typ.(*ast.Ident).Name + "."
}

func addSpec(spec ast.Spec, add func(name string)) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			add(name.Name)
		}
	case *ast.TypeSpec:
		add(spec.Name.Name)
		var members *ast.FieldList
		switch typ := spec.Type.(type) {
		case *ast.StructType:
			members = typ.Fields
		case *ast.InterfaceType:
			members = typ.Methods
		default:
			return
		}
		for _, field := range members.List {
			for _, name := range field.Names {
				add(spec.Name.Name + "." + name.Name)
			}
		}
	}
}

var (
	quoted  = regexp.MustCompile("`([^`\n]+)`")
	located = regexp.MustCompile("`([A-Za-z][\\w.]*)` \\(`(\\w+\\.go)`\\)")
	outside = regexp.MustCompile(`^(bufio|bytes|context|http|io|net|os|runtime|sync|syscall|tls)\.[A-Z]`)
)

// TestArchitecture checks that package framer has everything that ARCHITECTURE.md quotes:
// files, functions, methods, types and fields. A name that is followed by a file must be
// declared in that file.
func TestArchitecture(t *testing.T) {
	names := declared(t)
	text := read(t, "ARCHITECTURE.md")
	for _, match := range quoted.FindAllStringSubmatch(text, -1) {
		name := match[1]
		switch {
		case strings.HasSuffix(name, ".go"):
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Error(err)
			}
		case !outside.MatchString(name) && names[name] == nil:
			t.Errorf("package framer has no %s", name)
		}
	}
	places := located.FindAllStringSubmatch(text, -1)
	if len(places) < 40 {
		t.Errorf("only %d names are followed by their file", len(places))
	}
	for _, match := range places {
		if name, file := match[1], match[2]; !slices.Contains(names[name], file) {
			t.Errorf("%s is not in %s, but in %q", name, file, names[name])
		}
	}
}

// member matches a name of the API in the right column of a table.
var member = regexp.MustCompile(`^(?:framer\.)?(\*?[A-Z]\w*(?:\.[A-Z]\w*)?)(?:\(.*\))?$`)

// TestRows checks the right columns of the tables of from-asynchat.md: package framer must
// have the names. Methods and fields may stand without their type. Tests and examples must
// be in examples/asynchat.
func TestRows(t *testing.T) {
	names := shortNames(declared(t))
	tests := testsOf(t, "examples/asynchat")
	found := 0
	for line := range strings.Lines(read(t, "docs/from-asynchat.md")) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) < 2 {
			continue
		}
		for _, match := range quoted.FindAllStringSubmatch(strings.Join(cells[1:], " | "), -1) {
			m := member.FindStringSubmatch(match[1])
			switch {
			case m == nil, outside.MatchString(match[1]):
			case strings.HasPrefix(m[1], "Test"), strings.HasPrefix(m[1], "Example"):
				found++
				if !slices.Contains(tests, m[1]) {
					t.Errorf("examples/asynchat has no %s", m[1])
				}
			default:
				found++
				if names[strings.TrimPrefix(m[1], "*")] == nil {
					t.Errorf("package framer has no %s: %s", m[1], line)
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d names were found", found)
	}
}

var test = regexp.MustCompile(`(?m)^func ((?:Test|Example|Fuzz)\w*)\(`)

// testsOf returns the tests, examples and fuzz targets of a directory.
func testsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range test.FindAllStringSubmatch(string(text), -1) {
			names = append(names, match[1])
		}
	}
	return names
}

var fuzz = regexp.MustCompile(`-fuzz '\^(\w+)\$' ([^\s` + "`" + `]+)`)

// TestFuzzTargets checks that the fuzz targets that CONTRIBUTING.md runs exist.
func TestFuzzTargets(t *testing.T) {
	matches := fuzz.FindAllStringSubmatch(read(t, "CONTRIBUTING.md"), -1)
	if len(matches) == 0 {
		t.Fatal("there are none")
	}
	for _, match := range matches {
		if !slices.Contains(testsOf(t, match[2]), match[1]) {
			t.Errorf("%s has no %s", match[2], match[1])
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)
	path    = regexp.MustCompile(`^[\w.]+(?:/[\w.]+)*$`)
	foreign = regexp.MustCompile(`^(testing/|golang\.org/|github\.com/|framertest\.|\[\]byte$)`)
)

// TestLinks checks that the files that the documents link to exist.
func TestLinks(t *testing.T) {
	for _, name := range documents {
		for _, match := range link.FindAllStringSubmatch(code.ReplaceAllString(read(t, name), ""), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), match[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

var (
	code     = regexp.MustCompile("(?ms)^```.*?^```$")
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	inside   = regexp.MustCompile(`\]\(#([^)]+)\)`)
	noAnchor = regexp.MustCompile(`[^\w -]`)
)

// TestAnchors checks that the headings that a document links to within itself exist.
func TestAnchors(t *testing.T) {
	found := 0
	for _, name := range documents {
		text := code.ReplaceAllString(read(t, name), "")
		var anchors []string
		for _, match := range heading.FindAllStringSubmatch(text, -1) {
			plain := noAnchor.ReplaceAllString(strings.ToLower(match[1]), "")
			anchors = append(anchors, strings.ReplaceAll(plain, " ", "-"))
		}
		for _, match := range inside.FindAllStringSubmatch(text, -1) {
			found++
			if !slices.Contains(anchors, match[1]) {
				t.Errorf("%s has no heading %s", name, match[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d links were found", found)
	}
}

// TestContributing checks that the names of package framer, the files and the directories
// that CONTRIBUTING.md quotes exist.
func TestContributing(t *testing.T) {
	names := shortNames(declared(t))
	for _, match := range quoted.FindAllStringSubmatch(read(t, "CONTRIBUTING.md"), -1) {
		if names[match[1]] != nil || !path.MatchString(match[1]) || foreign.MatchString(match[1]) {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, match[1])); err != nil {
			t.Error(err)
		}
	}
}
