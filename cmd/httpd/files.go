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

// A site is a directory, as an http.FileSystem. Nothing outside of the directory can be
// reached, not even by a symbolic link.
//
// (An http.FS of the os.Root is not used for three reasons. It hides the os.File, so
// files could not be sent by sendfile. It refuses all absolute links. And it waits for
// the writer of a named pipe.)
type site struct {
	root *os.Root
	real string // the absolute path of root, without symbolic links
}

func openSite(dir string) (*site, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", dir) // it may be a pipe, and os.OpenRoot would wait for its writer
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

// A file is a file of a site. sendFile closes it, so who copies it to a response may find
// it closed.
type file struct {
	*os.File
	info fs.FileInfo
}

// Stat implements http.File.
func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }

// Open implements http.FileSystem. It finds only files and directories.
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

// open opens a file. It does not wait for the writer of a named pipe. If the name is an
// absolute link to a file of the site, open follows the link, which an os.Root does not.
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

// reason returns an error that http.FileServer understands, for a file that can't be
// opened. A path that leads out of the root does not exist for it, nor does a name that
// no file can have.
func reason(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fs.ErrPermission
	case lacking(err):
		return err
	}
	return fs.ErrNotExist
}

// lacking reports whether err says that the system has too few resources.
func lacking(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}
