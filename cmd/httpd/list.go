// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// handler returns the handler of a site. It is http.FileServer, except that its lists of
// directories show sizes and dates.
func (s *site) handler(withDemo bool) http.Handler {
	files := http.FileServer(s)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if dir := s.listed(r.URL.Path); dir != nil {
			defer dir.Close()
			list(w, r, dir)
			return
		}
		files.ServeHTTP(w, r)
	})
	if withDemo {
		return demo(h)
	}
	return h
}

// listed returns the directory at path. It returns nil if there is none, or if it has an
// index.html.
func (s *site) listed(path string) *os.File {
	if path != "" && !strings.HasSuffix(path, "/") {
		return nil
	}
	opened, err := s.Open(path)
	if err != nil {
		return nil
	}
	dir := opened.(*file)
	if dir.info.IsDir() {
		index, err := s.Open(path + "/index.html")
		if err != nil {
			return dir.File
		}
		index.Close()
	}
	dir.Close()
	return nil
}

// maxInfos is the greatest number of entries in a list that shows sizes and dates. It is
// limited because each entry takes a system call.
const maxInfos = 2000

// An entry is a line of a list.
type entry struct {
	name string
	info fs.FileInfo // nil if nothing is known
}

// entriesOf returns the entries of a directory, sorted.
func entriesOf(dir *os.File) ([]entry, error) {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(names))
	if len(names) > maxInfos {
		for _, name := range names {
			entries = append(entries, entry{name: name})
		}
	} else {
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		found, err := dir.ReadDir(-1)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			info, _ := e.Info() // fails if the file was removed meanwhile
			entries = append(entries, entry{e.Name(), info})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return entries, nil
}

// list answers with the entries of a directory. It sets no Last-Modified, because the
// size of a file can change without a change of the directory's time.
func list(w http.ResponseWriter, r *http.Request, dir *os.File) {
	entries, err := entriesOf(dir)
	if err != nil {
		http.Error(w, "Error reading directory", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	b := bufio.NewWriterSize(w, 32<<10)
	title := html.EscapeString(r.URL.Path)
	b.WriteString("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>" + title + "</title>\n<pre>\n")
	if strings.Trim(r.URL.Path, "/") != "" {
		b.WriteString("<a href=\"../\">../</a>\n")
	}
	var line []byte
	for _, e := range entries {
		line = e.append(line[:0])
		b.Write(line)
	}
	b.WriteString("</pre>\n")
	b.Flush()
}

// nameWidth is the usual width of the names in a list, in characters. Longer names are
// wider.
const nameWidth = 50

// append appends the line of the entry to line.
func (e entry) append(line []byte) []byte {
	name := e.name
	if e.info != nil && e.info.IsDir() {
		name += "/"
	}
	link, text := name, name
	if !isPlain(name) {
		link, text = html.EscapeString((&url.URL{Path: name}).String()), html.EscapeString(name)
	}
	line = append(append(line, `<a href="`...), link...)
	line = append(append(line, `">`...), text...)
	line = append(line, "</a>"...)
	if e.info != nil {
		for n := len(name); n < nameWidth; n++ {
			line = append(line, ' ')
		}
		line = e.info.ModTime().UTC().AppendFormat(append(line, ' '), time.DateTime)
		if e.info.Mode().IsRegular() {
			line = strconv.AppendInt(append(line, "  "...), e.info.Size(), 10)
		}
	}
	return append(line, '\n')
}

// isPlain reports whether name needs no escapes in a URL or in HTML.
func isPlain(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && strings.IndexByte("-._~/", c) < 0 {
			return false
		}
	}
	return true
}
