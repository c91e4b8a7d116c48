// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A Step is something that a peer does; see [Play]. Besides those of this package
// there can be others.
type Step struct {
	Name string // for the failure of a test
	Do   func(nc net.Conn) error
}

// Play is a peer that does one step after the other on nc, and reports whether
// all went well. If one did not, t fails with its number and what was seen, and
// the rest is left. Play does not close nc, unless a step does, and sets no
// deadline but that of [Within].
//
// It may be called from any goroutine.
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

// Expect reads as many bytes as text has, which must be text. It fails at the
// first byte that is another.
func Expect(text string) Step {
	return Step{"Expect(" + quote(text) + ")", func(nc net.Conn) error {
		got := make([]byte, len(text))
		for n := 0; n < len(text); {
			k, err := nc.Read(got[n:])
			n += k
			if !strings.HasPrefix(text, string(got[:n])) {
				return fmt.Errorf("got %s", quote(string(got[:n])))
			}
			if err != nil && n < len(text) {
				return fmt.Errorf("got %s, then: %w", quote(string(got[:n])), err)
			}
		}
		return nil
	}}
}

// ExpectEnd wants the end of the other side's output, with no byte before it.
func ExpectEnd() Step {
	return Step{"ExpectEnd()", func(nc net.Conn) error {
		got := make([]byte, 512)
		n, err := io.ReadAtLeast(nc, got, 1)
		switch {
		case n > 0:
			return fmt.Errorf("got %s", quote(string(got[:n])))
		case err != io.EOF:
			return err
		}
		return nil
	}}
}

// Pause waits, without reading or writing.
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
