// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"html"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// handler returns the handler of a site: http.FileServer, but for lists, which have
// sizes and dates.
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

// listed returns the directory that has the path, or nil if there is none, or an
// index.html in it.
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

// list answers with the entries of a directory. There is no Last-Modified: a size can
// change without the time of the directory.
func list(w http.ResponseWriter, r *http.Request, dir *os.File) {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		http.Error(w, "Error reading directory", http.StatusInternalServerError)
		return
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	b := bufio.NewWriterSize(w, 32<<10)
	title := html.EscapeString(r.URL.Path)
	b.WriteString("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>" + title + "</title>\n<pre>\n")
	if strings.Trim(r.URL.Path, "/") != "" {
		b.WriteString("<a href=\"../\">../</a>\n")
	}
	var line []byte
	for _, entry := range entries {
		line = appendEntry(line[:0], entry, len(entries) <= maxInfos)
		b.Write(line)
	}
	b.WriteString("</pre>\n")
	b.Flush()
}

// maxInfos is how many entries a list may have to tell their sizes and dates, each of
// which is a system call.
const maxInfos = 2000

// nameWidth is how wide the names of a list are, in characters, if not wider.
const nameWidth = 50

// appendEntry appends a line about entry.
func appendEntry(line []byte, entry fs.DirEntry, withInfo bool) []byte {
	name := entry.Name()
	if entry.IsDir() {
		name += "/"
	}
	link, text := name, name
	if !isPlain(name) {
		link, text = html.EscapeString((&url.URL{Path: name}).String()), html.EscapeString(name)
	}
	line = append(append(line, `<a href="`...), link...)
	line = append(append(line, `">`...), text...)
	line = append(line, "</a>"...)
	if withInfo {
		line = appendInfo(line, name, entry)
	}
	return append(line, '\n')
}

// appendInfo appends the date and the size of entry, unless it is gone.
func appendInfo(line []byte, name string, entry fs.DirEntry) []byte {
	if info, err := entry.Info(); err == nil {
		for n := len(name); n < nameWidth; n++ {
			line = append(line, ' ')
		}
		line = info.ModTime().UTC().AppendFormat(append(line, ' '), time.DateTime)
		if info.Mode().IsRegular() {
			line = strconv.AppendInt(append(line, "  "...), info.Size(), 10)
		}
	}
	return line
}

// isPlain reports whether name stands for itself in a URL, and in HTML.
func isPlain(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && strings.IndexByte("-._~/", c) < 0 {
			return false
		}
	}
	return true
}
