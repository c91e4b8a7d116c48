// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// A store keeps mails. It may be used by many sessions at once.
type store interface {
	// begin returns a draft. The caller must call commit or discard.
	begin(e *envelope) (draft, error)
}

// A draft is a mail that is being received. If it is not committed, nothing of it is
// kept.
type draft interface {
	io.Writer      // for the text; each line ends in CRLF
	id() string    // the name of the mail
	commit() error // keeps the mail; if it fails, nothing is kept
	discard()      // keeps nothing
}

// A dirStore keeps each mail in a file. The file is written in another directory, and
// moved to its place when the whole mail is on the disk.
type dirStore struct {
	drafts, mails string // directories
	prefix        string // the names of drafts begin with it
	name          func() string
	bareLF        bool                 // lines end in LF
	sync          func(*os.File) error // os.File.Sync
}

// newDirStore returns a store whose files have names that end in .eml. The name of a
// draft begins with a dot, which hides it.
func newDirStore(dir string) (*dirStore, error) {
	var count atomic.Int64
	d := &dirStore{
		drafts: dir,
		mails:  dir,
		prefix: ".",
		name: func() string {
			now := time.Now().UTC().Format("20060102T150405.000000Z")
			return fmt.Sprintf("%s-%d-%d.eml", now, os.Getpid(), count.Add(1))
		},
		sync: (*os.File).Sync,
	}
	return d, d.prepare(dir)
}

// newMaildir returns a store that is a Maildir (https://cr.yp.to/proto/maildir.html). The
// lines of its files end in LF.
func newMaildir(dir, hostname string) (*dirStore, error) {
	host := strings.NewReplacer("/", `\057`, ":", `\072`).Replace(hostname)
	var count atomic.Int64
	d := &dirStore{
		drafts: filepath.Join(dir, "tmp"),
		mails:  filepath.Join(dir, "new"),
		name: func() string {
			now := time.Now()
			return fmt.Sprintf("%d.M%dP%dQ%d.%s", now.Unix(), now.Nanosecond()/1000, os.Getpid(), count.Add(1), host)
		},
		bareLF: true,
		sync:   (*os.File).Sync,
	}
	return d, d.prepare(d.drafts, d.mails, filepath.Join(dir, "cur"))
}

// prepare makes the directories, and checks that a mail can be written.
func (d *dirStore) prepare(dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	probe, err := d.begin(new(envelope))
	if err != nil {
		return fmt.Errorf("no mail can be written: %w", err)
	}
	probe.discard()
	return nil
}

func (d *dirStore) begin(e *envelope) (draft, error) {
	name := d.name()
	f, err := os.OpenFile(filepath.Join(d.drafts, d.prefix+name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	m := &fileDraft{store: d, name: name, file: f, buf: bufio.NewWriter(f)}
	if _, err := io.WriteString(m, e.header(name)); err != nil {
		m.discard()
		return nil, err
	}
	return m, nil
}

// A fileDraft is a draft of a dirStore.
type fileDraft struct {
	store *dirStore
	name  string
	file  *os.File
	buf   *bufio.Writer
}

func (m *fileDraft) id() string { return m.name }

func (m *fileDraft) Write(text []byte) (int, error) {
	if !m.store.bareLF {
		return m.buf.Write(text)
	}
	for part := range bytes.SplitSeq(text, []byte("\r")) { // every CR is part of a CRLF
		if _, err := m.buf.Write(part); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}

// commit syncs the file to the disk, and then its directory, before the client is told
// that the mail is safe.
func (m *fileDraft) commit() error {
	err := m.buf.Flush()
	if err == nil {
		err = m.store.sync(m.file)
	}
	if closeErr := m.file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		m.remove()
		return err
	}
	place := filepath.Join(m.store.mails, m.name)
	if err := os.Rename(m.file.Name(), place); err != nil {
		m.remove()
		return err
	}
	if err := m.store.syncDir(); err != nil {
		os.Remove(place)
		return err
	}
	return nil
}

// syncDir syncs the directory of the mails to the disk.
func (d *dirStore) syncDir() error {
	if runtime.GOOS == "windows" { // Windows can't do it, and does not need it
		return nil
	}
	dir, err := os.Open(d.mails)
	if err != nil {
		return err
	}
	return errors.Join(d.sync(dir), dir.Close())
}

func (m *fileDraft) discard() {
	m.file.Close()
	m.remove()
}

func (m *fileDraft) remove() { os.Remove(m.file.Name()) }
