// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// A site is a directory, as an http.FileSystem. Nothing outside of it can be reached,
// also not by a symbolic link.
//
// (http.FS of the os.Root would do, but it hides the files, which could not go out by
// sendfile then; it refuses all links that are absolute; and it waits for the writer of
// a named pipe.)
type site struct {
	root *os.Root
	real string // the absolute path of root, without symbolic links
}

func openSite(dir string) (*site, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", dir) // and may be a pipe, which would be waited for
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	real, err := filepath.Abs(dir)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return &site{root: root, real: real}, nil
}

// A file is a file of a site. Whoever copies it to a response may find it closed.
type file struct {
	*os.File
	info fs.FileInfo
}

// Stat is of http.File.
func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }

// Open is http.FileSystem. What is neither a file nor a directory is not there.
func (s *site) Open(name string) (http.File, error) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		name = "."
	}
	f, err := s.open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: reason(err)}
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &file{f, info}, nil
}

// open opens a file, without waiting for the writer if it is a named pipe. A Root
// follows no absolute link, also if it leads to where it came from.
func (s *site) open(name string) (*os.File, error) {
	const flags = os.O_RDONLY | syscall.O_NONBLOCK
	f, err := s.root.OpenFile(name, flags, 0)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || lacking(err) {
		return f, err
	}
	target, linkErr := filepath.EvalSymlinks(filepath.Join(s.real, filepath.FromSlash(name)))
	if linkErr != nil {
		return nil, err
	}
	inside, linkErr := filepath.Rel(s.real, target)
	if linkErr != nil {
		return nil, err
	}
	return s.root.OpenFile(inside, flags, 0)
}

// reason returns the error for a file that can't be opened, as http.FileServer
// understands it. What leads out of the root is not there, as are names that can be none.
func reason(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fs.ErrPermission
	case lacking(err):
		return err
	}
	return fs.ErrNotExist
}

// lacking reports whether err is for what the system has not enough of.
func lacking(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}
