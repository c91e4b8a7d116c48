// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/goframer/framer/internal/cli"
)

// A printer prints each mail when all of it has come, one mail after the other, as
// Python's DebuggingServer did. Until then the mail is in a temporary file.
type printer struct {
	count atomic.Int64
	mu    sync.Mutex // guards w
	w     io.Writer
}

// newPrinter returns a printer. It fails if no temporary file can be made.
func newPrinter(w io.Writer) (*printer, error) {
	p := &printer{w: w}
	probe, err := p.begin(new(envelope))
	if err != nil {
		return nil, err
	}
	probe.discard()
	p.count.Store(0)
	return p, nil
}

func (p *printer) begin(e *envelope) (draft, error) {
	f, err := os.CreateTemp("", "smtpd-")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name()) // now, where the system allows it; otherwise discard does it
	return &printDraft{
		printer: p,
		name:    fmt.Sprintf("mail %d", p.count.Add(1)),
		about: []string{
			"X-Peer: " + e.peer + "\n",
			"X-MailFrom: " + e.from + "\n",
			"X-RcptTo: " + strings.Join(e.to, ", ") + "\n",
		},
		file: f,
		buf:  bufio.NewWriter(f),
	}, nil
}

// A printDraft is a draft of a printer.
type printDraft struct {
	printer *printer
	name    string
	about   []string // lines at the end of the header
	file    *os.File
	buf     *bufio.Writer
}

func (m *printDraft) id() string { return m.name }

func (m *printDraft) Write(text []byte) (int, error) { return m.buf.Write(text) }

func (m *printDraft) discard() {
	m.file.Close()
	os.Remove(m.file.Name())
}

func (m *printDraft) commit() error {
	defer m.discard()
	if err := m.buf.Flush(); err != nil {
		return err
	}
	if _, err := m.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	m.printer.mu.Lock()
	defer m.printer.mu.Unlock()
	w := bufio.NewWriter(m.printer.w)
	w.WriteString("---------- MESSAGE FOLLOWS ----------\n")
	if err := m.print(w, bufio.NewReader(m.file)); err != nil {
		return errors.Join(err, w.Flush())
	}
	w.WriteString("------------ END MESSAGE ------------\n")
	return w.Flush()
}

// print prints the mail. It adds the lines of about at the end of the header.
func (m *printDraft) print(w *bufio.Writer, text *bufio.Reader) error {
	header := true
	for {
		start, err := text.Peek(len("\r\n"))
		if header && (string(start) == "\r\n" || len(start) == 0) {
			header = false
			for _, line := range m.about {
				printLine(w, bufio.NewReader(strings.NewReader(line)))
			}
		}
		if len(start) == 0 {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if err := printLine(w, text); err != nil {
			return err
		}
	}
}

// printLine prints one line. It escapes whatever a terminal would obey instead of showing,
// but no tabs, and no spaces such as the no-break space, which mails are full of.
func printLine(w *bufio.Writer, text *bufio.Reader) error {
	for {
		start, err := text.Peek(utf8.UTFMax) // less at the end
		if len(start) == 0 {
			return err
		}
		r, size := utf8.DecodeRune(start)
		switch {
		case r == '\n':
			text.Discard(size)
			return w.WriteByte('\n')
		case r == '\r': // before the LF
		case r == '\t' || unicode.Is(unicode.Zs, r):
			w.WriteRune(r)
		default:
			w.Write(cli.AppendEscaped(w.AvailableBuffer(), start[:size], ""))
		}
		text.Discard(size)
	}
}
