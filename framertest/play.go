// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// A Step is something that a peer does; see [Play]. A program may define its own.
//
// See ExamplePlay, ExampleExpectMatch, ExampleExpectMessage and ExampleExpectReset in
// example_test.go.
type Step struct {
	Name string // for the failure of a test
	Do   func(nc net.Conn) error
}

// Play is a peer that does one step after the other on nc, and reports whether all
// succeeded. If one does not, t fails with the number of the step and what was seen, and
// the other steps are not done. Play does not close nc, unless a step does, and sets no
// deadline but that of [Within]. It may be called from any goroutine.
func Play(t testing.TB, nc net.Conn, steps ...Step) bool {
	t.Helper()
	for i, step := range steps {
		if err := step.Do(nc); err != nil {
			t.Errorf("step %d, %s: %v", i+1, step.Name, err)
			return false
		}
	}
	return true
}

// Send writes text.
func Send(text string) Step {
	return Step{"Send(" + quote(text) + ")", func(nc net.Conn) error {
		_, err := io.WriteString(nc, text)
		return err
	}}
}

// SendBytewise writes text in as many writes as it has bytes.
func SendBytewise(text string) Step {
	return Step{"SendBytewise(" + quote(text) + ")", func(nc net.Conn) error {
		for i := range len(text) {
			if _, err := io.WriteString(nc, text[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Expect reads as many bytes as text has, and fails at the first one that is different.
// For text in lines, [ExpectLine] shows more when it fails.
func Expect(text string) Step {
	return Step{"Expect(" + quote(text) + ")", func(nc net.Conn) error {
		got := make([]byte, len(text))
		for n := 0; n < len(text); {
			k, err := nc.Read(got[n:])
			n += k
			if !strings.HasPrefix(text, string(got[:n])) {
				return received(got[:n]).wrong()
			}
			if err != nil && n < len(text) {
				return received(got[:n]).then(err)
			}
		}
		return nil
	}}
}

// ExpectLine reads a line, up to a line feed, and nothing behind it. The line must
// be text, or, if text has no line feed, text followed by CRLF or LF.
func ExpectLine(text string) Step {
	return Step{"ExpectLine(" + quote(text) + ")", func(nc net.Conn) error {
		line, err := readLine(nc)
		got := received(line)
		switch {
		case err != nil:
			return got.then(err)
		case line != text && trimEnd(line) != text:
			return got.wrong()
		}
		return nil
	}}
}

// ExpectMatch reads a line, as ExpectLine does. Without its CRLF or LF it must match
// pattern, a regular expression of package [regexp], which any part of a line can
// do: "^250 " takes what begins so, and "" takes any line.
func ExpectMatch(pattern string) Step {
	return matchStep("ExpectMatch", pattern, false)
}

// ExpectUntil reads lines up to the first that matches pattern, as for ExpectMatch:
// a reply of several lines, or one with others before it.
func ExpectUntil(pattern string) Step {
	return matchStep("ExpectUntil", pattern, true)
}

// matchStep returns a step that reads a line that matches the pattern. If skip is true,
// it skips the lines before that one.
func matchStep(name, pattern string, skip bool) Step {
	return Step{fmt.Sprintf("%s(%q)", name, pattern), func(nc net.Conn) error {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return err
		}
		var got received
		for {
			line, err := readLine(nc)
			got.add(line)
			switch {
			case err != nil:
				return got.then(err)
			case re.MatchString(trimEnd(line)):
				return nil
			case !skip:
				return got.wrong()
			}
		}
	}}
}

// maxLine is the greatest length of a line in readLine, in bytes.
const maxLine = 1 << 20

// readLine reads a line, including its end. If there is an error, it returns what it has
// read of the line. It reads byte by byte, because the input after the line is for other
// steps.
func readLine(nc net.Conn) (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < maxLine; {
		if _, err := io.ReadFull(nc, b); err != nil {
			return string(line), err
		}
		line = append(line, b[0])
		if b[0] == '\n' {
			return string(line), nil
		}
	}
	return string(line), fmt.Errorf("no line end in %d bytes", maxLine)
}

// trimEnd returns line without its CRLF or LF.
func trimEnd(line string) string {
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
}

// ExpectMessage reads a message that ends as t says, and nothing behind it: for messages
// that are not lines. check gets the message as [framer.Framer.Next] returns it, mostly
// without its delimiter or header. An error of check is the failure of the step. If check
// is nil, any message will do. A message may have 1 MiB, or the Limit of t.
//
// A message whose end is known only by the byte behind it is a failure, because that byte
// is for another step: "\r" of AnyDelimiter("\r", "\r\n"), for example.
func ExpectMessage(t framer.Terminator, check func(msg string) error) Step {
	return Step{fmt.Sprintf("ExpectMessage(%v)", t), func(nc net.Conn) error {
		msg, err := readMessage(nc, t)
		if err != nil || check == nil {
			return err
		}
		if err := check(msg); err != nil {
			return fmt.Errorf("%w: %w", received(msg).wrong(), err)
		}
		return nil
	}}
}

// readMessage reads a message. An error shows all that was read.
func readMessage(nc net.Conn, t framer.Terminator) (string, error) {
	r := &byteReader{nc: nc}
	f := framer.NewFramer(r, nil)
	data, err := f.Next(t)
	if err != nil {
		return "", r.got.then(err)
	}
	msg := string(data)
	r.ended = true
	if rest, _ := f.Next(framer.None()); len(rest) > 0 {
		return "", fmt.Errorf("%w, and needed %q to know the end of the message", r.got.wrong(), rest)
	}
	return msg, nil
}

// A byteReader reads byte by byte, because the input after a message is for other steps.
type byteReader struct {
	nc    net.Conn
	got   received
	ended bool // the message is complete: nothing more is read
}

func (r *byteReader) Read(p []byte) (int, error) {
	if r.ended {
		return 0, io.EOF
	}
	n, err := r.nc.Read(p[:1])
	r.got.add(string(p[:n]))
	return n, err
}

// received is what a step has read. A failure shows it.
type received string

// shownEnd is how many bytes a failure shows of the beginning and of the end of what was
// read.
const shownEnd = 300

// add adds text. It drops what will not be shown, because the input may be endless.
func (r *received) add(text string) {
	*r += received(text)
	if n := len(*r); n > 3*shownEnd {
		*r = (*r)[:shownEnd] + (*r)[n-2*shownEnd:]
	}
}

// wrong returns an error that shows what was read.
func (r received) wrong() error { return fmt.Errorf("got %s", quoteEnds(string(r), shownEnd)) }

// then returns an error that shows what was read before err.
func (r received) then(err error) error { return fmt.Errorf("%w, then: %w", r.wrong(), err) }

// ExpectEnd waits for the end of the other side's output. It fails if a byte comes before
// that.
func ExpectEnd() Step {
	return Step{"ExpectEnd()", func(nc net.Conn) error {
		got := make([]byte, 512)
		n, err := io.ReadAtLeast(nc, got, 1)
		switch {
		case n > 0:
			return received(got[:n]).wrong()
		case err != io.EOF:
			return err
		}
		return nil
	}}
}

// ExpectReset wants the other side to reset the connection, as [Reset] does, and a
// program that closes it with unread input. What comes before is read and passed
// over: how much of it arrives is left to chance.
func ExpectReset() Step {
	return Step{"ExpectReset()", func(nc net.Conn) error {
		var got received
		for buf := make([]byte, 512); ; {
			n, err := nc.Read(buf)
			got.add(string(buf[:n]))
			switch {
			case isReset(err):
				return nil
			case err != nil:
				return got.then(err)
			}
		}
	}}
}

// isReset reports whether err means that the connection was reset.
func isReset(err error) bool {
	const wsaECONNABORTED, wsaECONNRESET = 10053, 10054
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	return errno == syscall.ECONNRESET ||
		runtime.GOOS == "windows" && (errno == wsaECONNABORTED || errno == wsaECONNRESET)
}

// Pause waits for d without reading or writing.
func Pause(d time.Duration) Step {
	return Step{fmt.Sprintf("Pause(%v)", d), func(net.Conn) error {
		<-time.After(d)
		return nil
	}}
}

// Within sets the time that all following steps may take together.
func Within(d time.Duration) Step {
	return Step{fmt.Sprintf("Within(%v)", d), func(nc net.Conn) error {
		return nc.SetDeadline(time.Now().Add(d))
	}}
}

// HalfClose ends the output of the peer, which can still read.
func HalfClose() Step {
	return Step{"HalfClose()", func(nc net.Conn) error {
		half, ok := nc.(interface{ CloseWrite() error })
		if !ok {
			return fmt.Errorf("%T has no CloseWrite", nc)
		}
		return half.CloseWrite()
	}}
}

// Reset ends the connection as the system of a crashed program does. nc must be a
// [Conn], a [net.TCPConn], or TLS on one of them.
func Reset() Step {
	return Step{"Reset()", func(nc net.Conn) error {
		if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
			nc = t.NetConn()
		}
		l, ok := nc.(interface{ SetLinger(sec int) error })
		if !ok {
			return fmt.Errorf("%T can't be reset", nc)
		}
		return errors.Join(l.SetLinger(0), nc.Close())
	}}
}

// Close closes the connection.
func Close() Step {
	return Step{"Close()", func(nc net.Conn) error { return nc.Close() }}
}
