// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// filesIn returns the contents of the files in dir and its subdirectories, by name.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func begun(t *testing.T, s store, parts ...string) draft {
	t.Helper()
	d, err := s.begin(&envelope{from: "a@x", to: []string{"b@y", "c@z"}, peer: "127.0.0.1", hello: "client", protocol: "ESMTP", by: "mx"})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if _, err := io.WriteString(d, part); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// parts are the parts of a mail, cut at the critical places.
var parts = []string{"Subject: x\r", "\n\r\n", "h", "i\r\n.\r\n"}

// dirStores are the stores that use files, with the content that they keep for parts.
var dirStores = map[string]struct {
	make         func(dir string) (*dirStore, error)
	place, draft string // patterns of file names
	content      string
}{
	"dir": {
		func(dir string) (*dirStore, error) { return newDirStore(dir) },
		`^\d{8}T\d{6}\.\d{6}Z-\d+-\d+\.eml$`, `^\.\d.*\.eml$`,
		"Return-Path: <a@x>\r\nDelivered-To: b@y\r\nDelivered-To: c@z\r\n" +
			"Received: from client ([127.0.0.1])\r\n\tby mx with ESMTP id ID;\r\n\tMon, 01 Jan 0001 00:00:00 +0000\r\n" +
			"Subject: x\r\n\r\nhi\r\n.\r\n",
	},
	"maildir": {
		func(dir string) (*dirStore, error) { return newMaildir(dir, "[IPv6:::1]") },
		`^new/\d+\.M\d+P\d+Q\d+\.\[IPv6\\072\\072\\0721\]$`, `^tmp/\d+\.M`,
		"Return-Path: <a@x>\nDelivered-To: b@y\nDelivered-To: c@z\n" +
			"Received: from client ([127.0.0.1])\n\tby mx with ESMTP id ID;\n\tMon, 01 Jan 0001 00:00:00 +0000\n" +
			"Subject: x\n\nhi\n.\n",
	},
}

// only returns the only file in dir. It fails the test if there is not exactly one file,
// or if its name does not match pattern.
func only(t *testing.T, dir, pattern string) (name, content string) {
	t.Helper()
	files := filesIn(t, dir)
	for name, content := range files {
		if len(files) == 1 && regexp.MustCompile(pattern).MatchString(name) {
			return name, content
		}
	}
	t.Fatalf("got files %q, want one like %s", files, pattern)
	return "", ""
}

func none(t *testing.T, dir string) {
	t.Helper()
	if files := filesIn(t, dir); len(files) > 0 {
		t.Errorf("got files %q, want none", files)
	}
}

func TestDirStore(t *testing.T) {
	for name, test := range dirStores {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && name == "maildir" {
				t.Skip("no backslashes in names on Windows")
			}
			dir := filepath.Join(t.TempDir(), "a", "b")
			s, err := test.make(dir)
			if err != nil {
				t.Fatal(err)
			}
			none(t, dir)

			// A draft is not at its final place, and is removed when it is discarded.
			d := begun(t, s, parts[:3]...)
			only(t, dir, test.draft)
			d.discard()
			none(t, dir)

			d = begun(t, s, parts...)
			if err := d.commit(); err != nil {
				t.Fatal(err)
			}
			place, content := only(t, dir, test.place)
			if filepath.Base(place) != d.id() {
				t.Errorf("got name %q and ID %q", place, d.id())
			}
			if got := strings.Replace(content, d.id(), "ID", 1); got != test.content {
				t.Errorf("got content %q, want %q", got, test.content)
			}
		})
	}
}

// A mail is on the disk before it is moved to its place. The move is on the disk before
// the client is told. If either fails, nothing remains.
func TestSync(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("directories can't be synced on Windows")
	}
	for name, test := range dirStores {
		for failing := range 3 { // 0: none fails
			t.Run(fmt.Sprintf("%s, sync %d fails", name, failing), func(t *testing.T) {
				dir := t.TempDir()
				s, err := test.make(dir)
				if err != nil {
					t.Fatal(err)
				}
				var synced []string
				full := errors.New("full")
				s.sync = func(f *os.File) error {
					_, content := only(t, dir, map[bool]string{true: test.draft, false: test.place}[len(synced) == 0])
					if !strings.HasSuffix(strings.ReplaceAll(content, "\r", ""), "\nhi\n.\n") {
						t.Errorf("at sync %d the file has %q", len(synced)+1, content)
					}
					synced = append(synced, f.Name())
					if len(synced) == failing {
						return full
					}
					return f.Sync()
				}
				d := begun(t, s, parts...)
				err = d.commit()
				if failing == 0 {
					if want := []string{filepath.Join(s.drafts, s.prefix+d.id()), s.mails}; err != nil || !slices.Equal(synced, want) {
						t.Errorf("got %v and synced %q, want %q", err, synced, want)
					}
					only(t, dir, test.place)
					return
				}
				if !errors.Is(err, full) || len(synced) != failing {
					t.Errorf("got %v after %d syncs", err, len(synced))
				}
				none(t, dir)
			})
		}
	}
}

func TestDirStoreFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range dirStores {
		if _, err := test.make(file); err == nil {
			t.Errorf("%s: a file is taken for a directory", name)
		}
		dir := t.TempDir()
		s, err := test.make(dir)
		if err != nil {
			t.Fatal(err)
		}
		d := begun(t, s, parts...)
		if err := os.RemoveAll(dir); err != nil {
			t.Skip(err) // on Windows, an open file can't be removed
		}
		if err := d.commit(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: commit without a directory returned %v", name, err)
		}
		if _, err := s.begin(new(envelope)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: begin without a directory returned %v", name, err)
		}
	}
}

// Each mail has its own name, even if many arrive at the same time.
func TestNames(t *testing.T) {
	for name, test := range dirStores {
		dir := t.TempDir()
		s, err := test.make(dir)
		if err != nil {
			t.Fatal(err)
		}
		const mails = 100
		var all sync.WaitGroup
		for range mails {
			all.Go(func() {
				if err := begun(t, s, "x\r\n").commit(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := len(filesIn(t, dir)); got != mails {
			t.Errorf("%s: got %d files of %d mails", name, got, mails)
		}
	}
}
