// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer/framertest"
)

// A scriptedConn is a connection whose peer sends its input in pieces, and then ends its
// side.
type scriptedConn struct {
	net.Conn // for the other methods
	input    io.Reader
	cut      int // greatest size of a read, in bytes; 0 means no limit
	output   bytes.Buffer
}

func (c *scriptedConn) Read(p []byte) (int, error) {
	if c.cut > 0 {
		p = p[:min(c.cut, len(p))]
	}
	return c.input.Read(p)
}

func (c *scriptedConn) Write(p []byte) (int, error) { return c.output.Write(p) }

// conversation returns the answer of a server to an input, and how the connection ends.
func conversation(t *testing.T, opts options, input string, cut int) (answer string, reason error) {
	return converse(t, opts, input, cut, io.Discard)
}

// converse is conversation with a log.
func converse(t *testing.T, opts options, input string, cut int, log io.Writer) (answer string, reason error) {
	rest, peer := net.Pipe()
	defer peer.Close()
	c := &scriptedConn{Conn: rest, input: strings.NewReader(input), cut: cut}
	p := &program{opts, io.Discard, log}
	reason = p.newServer(nil).ServeConn(t.Context(), c)
	return c.output.String(), reason
}

func TestServer(t *testing.T) {
	long := strings.Repeat("x", maxCommand+1)
	const unclear = "a command is ECHO and a number of bytes"
	tests := []struct {
		input  string
		answer string
		reason string // part of the error, or of the log if the client is refused; "" for an orderly end
	}{
		{"ECHO 5\nhello", "hello", ""},
		{"ECHO 5\r\nhello", "hello", ""},
		{"ECHO 5\nhello, world", "hello", ""},
		{"ECHO 2\n\n\n", "\n\n", ""},
		{"ECHO 0\n", "", ""},
		{"ECHO 0\nhello", "", ""},
		{"", "", ""},

		{"ECHO 5\nhell", "", "unexpected EOF"},
		{"ECHO 5", "", "unexpected EOF"},
		{long[:maxCommand], "", "unexpected EOF"},

		{"\n", `error: "": ` + unclear + "\n", unclear},
		{"ECHO\n", `error: "ECHO": ` + unclear + "\n", unclear},
		{"ECHO 1 2\n", `error: "ECHO 1 2": ` + unclear + "\n", unclear},
		{"echo 1\n", `error: "echo 1": ` + unclear + "\n", unclear},
		{"GET / HTTP/1.1\r\n\r\n", `error: "GET / HTTP/1.1\r": ` + unclear + "\n", unclear},
		{"ECHO x\n", `error: "ECHO x": the number of bytes: invalid syntax` + "\n", "invalid syntax"},
		{"ECHO 99999999999999999999\n", `error: "ECHO 99999999999999999999": the number of bytes: value out of range` + "\n", "value out of range"},
		{"ECHO -1\n", `error: "ECHO -1": the number of bytes: 0 to 1048576 are possible` + "\n", "0 to 1048576"},
		{"ECHO 1048577\n", `error: "ECHO 1048577": the number of bytes: 0 to 1048576 are possible` + "\n", "0 to 1048576"},
		{long, "error: the command is longer than 128 bytes\n", "longer than 128 bytes"},
		{long + "\n", "error: the command is longer than 128 bytes\n", "longer than 128 bytes"},
	}
	for _, test := range tests {
		for _, cut := range []int{0, 1, 3} {
			var log bytes.Buffer
			answer, err := converse(t, options{serve: "address"}, test.input, cut, &log)
			if answer != test.answer {
				t.Errorf("%.40q in reads of %d: answer %q, want %q", test.input, cut, answer, test.answer)
			}
			if strings.HasPrefix(test.answer, "error: ") { // a refusal is not an error of the server
				said := log.String()
				if err != nil || strings.Contains(said, "level=WARN") || !strings.Contains(said, `level=INFO msg="echo: client refused"`) || !strings.Contains(said, test.reason) {
					t.Errorf("%.40q in reads of %d: ended by %v, with the log %q, want %q there", test.input, cut, err, said, test.reason)
				}
				continue
			}
			if (err == nil) != (test.reason == "") || err != nil && !strings.Contains(err.Error(), test.reason) {
				t.Errorf("%.40q in reads of %d: ended by %v, want %q", test.input, cut, err, test.reason)
			}
		}
	}
}

// The server waits for an idle client as long as the flags say.
func TestServerWaits(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := framertest.Pipe()
			defer peer.Close()
			send(t, peer, "ECHO 5\nhell")
			begin := time.Now()
			p := &program{options{serve: "address", timeout: timeout}, io.Discard, io.Discard}
			s := p.newServer(nil)
			s.Config.LingerTimeout = -1
			if err := s.ServeConn(t.Context(), nc); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection ends for %v, want a timeout", err)
			}
			if d, want := time.Since(begin), cmp.Or(timeout, serverTimeout); d != want {
				t.Errorf("it ends after %v, want %v", d, want)
			}
		})
	}
}

func TestLineServer(t *testing.T) {
	line := strings.Repeat("x", maxText)
	tests := []struct {
		input  string
		answer string
		reason string
	}{
		{"a\r\nb\r\n", "a\r\nb\r\n", ""},
		{"\r\n", "\r\n", ""},
		{"a\nb\r\n\r\r\n", "a\nb\r\n\r\r\n", ""},
		{"", "", ""},
		{"a\r\nb", "a\r\n", "unexpected EOF"},
		{line + "\r\n", line + "\r\n", ""},
		{"a\r\n" + line + "x", "a\r\nerror: the line is longer than 1048576 bytes\r\n", "message too long"},
	}
	for _, test := range tests {
		for _, cut := range []int{0, 1000} {
			answer, err := conversation(t, options{lines: true}, test.input, cut)
			if answer != test.answer {
				t.Errorf("%.40q in reads of %d: answer %.80q, want %.80q", test.input, cut, answer, test.answer)
			}
			if (err == nil) != (test.reason == "") || err != nil && !strings.Contains(err.Error(), test.reason) {
				t.Errorf("%.40q in reads of %d: ended by %v, want %q", test.input, cut, err, test.reason)
			}
		}
	}
}

// A writerFunc is a function that is an io.Writer.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// The client gets its turn only when the server has processed the text.
func TestServerKeepsTurn(t *testing.T) {
	for _, text := range []string{"", "text"} {
		turns := newTurns()
		checked := false
		log := writerFunc(func(p []byte) (int, error) {
			if bytes.Contains(p, []byte("_process_message()")) {
				checked = true
				select {
				case n := <-turns.heard:
					if n >= len(text) {
						t.Errorf("text %q: the client's turn comes too early", text)
					}
				default:
				}
			}
			return len(p), nil
		})
		rest, peer := net.Pipe()
		defer peer.Close()
		c := &scriptedConn{Conn: rest, input: strings.NewReader(fmt.Sprintf("ECHO %d\n%s", len(text), text))}
		p := &program{options{verbose: true}, io.Discard, log}
		if err := p.newServer(turns).ServeConn(t.Context(), c); err != nil {
			t.Error(err)
		}
		if err := turns.awaitHeard(t.Context(), len(text)); err != nil || !checked {
			t.Errorf("text %q: the client's turn does not come: %v", text, err)
		}
	}
}

// Whatever a client sends, and however it is cut, the answer is the one that the command
// asks for.
func FuzzEchoInput(f *testing.F) {
	for _, input := range []string{
		"ECHO 5\nhello", "ECHO 5\r\nhell", "ECHO 0\n", "ECHO -1\n", "ECHO x\n", "ECHO\n", "ECHO 1 2\n",
		"ECHO 99999999999999999999\n", "ECHO 1048577\n", "a\r\n\r\nb\r\r\n\n", strings.Repeat("x", maxCommand+1),
	} {
		f.Add(input, uint8(0), false)
		f.Add(input, uint8(1), true)
	}
	f.Fuzz(func(t *testing.T, input string, cut uint8, lines bool) {
		got, _ := conversation(t, options{lines: lines}, input, int(cut))
		if lines {
			if want := input[:strings.LastIndex("\r\n"+input, "\r\n")]; got != want {
				t.Errorf("answer %q, want %q", got, want)
			}
			return
		}
		want, err := wantEcho(input)
		if err == nil && got != want {
			t.Errorf("answer %q, want %q", got, want)
		}
		if err != nil && (!strings.HasPrefix(got, "error: ") || strings.Index(got, "\n") != len(got)-1) {
			t.Errorf("answer %q, want one line with an error, as %v", got, err)
		}
	})
}

// wantEcho returns the echo that an input asks for, or the reason to refuse it.
func wantEcho(input string) (string, error) {
	command, text, ok := strings.Cut(input, "\n")
	if len(command) > maxCommand {
		return "", fmt.Errorf("long command")
	}
	if !ok {
		return "", nil
	}
	size, err := parseCommand(command)
	switch {
	case err != nil:
		return "", err
	case size < 0 || size > maxText:
		return "", fmt.Errorf("size %d", size)
	case int64(len(text)) < size:
		return "", nil
	}
	return text[:size], nil
}
