// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/goframer/framer"
)

// An errorCase is an error that a handler returns, or panics with.
type errorCase struct {
	name string
	err  error
}

// userErrors are errors that look like an end that is in order, and are none.
func userErrors() (list []errorCase) {
	for _, err := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, framer.ErrServerClosed, context.Canceled, os.ErrDeadlineExceeded, syscall.ECONNRESET,
		&framer.PanicError{Value: "of another connection"}, &framer.MessageTooLongError{Limit: 1, Seen: 2},
	} {
		list = append(list, errorCase{err.Error(), err}, errorCase{"wrapped " + err.Error(), fmt.Errorf("backend: %w", err)})
	}
	return list
}

// A hookedHandler calls f in one of its methods.
type hookedHandler struct {
	script
	hook string
	f    func(c *framer.Conn) error
}

func (h *hookedHandler) HandleReadComplete() error {
	if h.hook == "HandleReadComplete" {
		return h.f(h.Conn)
	}
	return nil
}

// hooks are the places where a handler can fail. All but HandleShutdown are called
// for the input in TestUserErrors.
var hooks = []string{
	"newHandler", "HandleConnect", "CollectIncomingData", "FoundTerminator", "HandleOversize", "HandleReadComplete",
	"HandleShutdown", "HandleClose", "Messages", "Session",
}

// newHooked makes a handler that calls f in the hook. An error of newHandler is a
// panic, and what HandleClose returns is not used.
func newHooked(t *testing.T, hook string, f func(c *framer.Conn) error) func(*framer.Conn) framer.Handler {
	switch hook {
	case "Messages":
		return framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, _ []byte) error { return f(c) })
	case "Session":
		return framer.Session(f)
	}
	h := &hookedHandler{hook: hook, f: f}
	h.t = t
	call := func() error { return f(h.Conn) }
	switch hook {
	case "HandleConnect":
		h.onConnect = call
	case "CollectIncomingData":
		h.onCollect = func([]byte) error { return call() }
	case "FoundTerminator":
		h.onFound = call
	case "HandleOversize":
		h.onOversize = func(*framer.MessageTooLongError) error { return call() }
	case "HandleShutdown":
		h.onShutdown = call
	case "HandleClose":
		h.onClose = func(error) { call() }
	}
	return func(c *framer.Conn) framer.Handler {
		h.newHandler(c)
		if hook == "newHandler" {
			if err := f(c); err != nil {
				panic(err)
			}
		}
		return h
	}
}

// runHooked serves a connection whose handler calls f in the hook, and returns why it
// has ended, and the log.
func runHooked(t *testing.T, hook string, f func(c *framer.Conn) error) (logs *logBook, reason error) {
	logs = new(logBook)
	nc, peer := memoryPair(t)
	if hook == "HandleShutdown" {
		nc, peer = tcpPair(t) // leaves at once
	}
	defer peer.Close()
	input := "line\n"
	if hook == "HandleOversize" {
		input = "a long line\n"
	}
	writeString(t, peer, input)
	var s framer.Server
	s.Config = framer.Config{Logger: slog.New(logs), MaxMessageSize: 8, LingerTimeout: -1}
	s.NewHandler = newHooked(t, hook, f)
	served := call(func() error { return s.ServeConn(t.Context(), nc) })
	if hook == "HandleShutdown" {
		for s.Stats().MessagesRead == 0 {
			runtime.Gosched()
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	endInput(t, peer)
	return logs, <-served
}

// An error of a handler is an error, whatever it wraps, and logged as such.
func TestUserErrors(t *testing.T) {
	t.Parallel()
	for _, hook := range hooks {
		if hook == "newHandler" || hook == "HandleClose" {
			continue // have no error
		}
		for _, test := range userErrors() {
			if hook == "Session" && errors.Is(test.err, framer.ErrServerClosed) {
				continue // says that it was told
			}
			logs, err := runHooked(t, hook, func(*framer.Conn) error { return test.err })
			if err != test.err {
				t.Errorf("%s, %s: ended with %v", hook, test.name, err)
			}
			records := logs.above()
			if len(records) != 1 || records[0].Level != slog.LevelWarn || attr(records[0], "error") != test.err.Error() {
				t.Errorf("%s, %s: logged %v, want the error at Warn", hook, test.name, records)
			}
		}
	}
}

// A terminator that was refused, and the error ignored, ends the connection, unless
// another one is set, or the handler has closed.
func TestRefusedTerminators(t *testing.T) {
	t.Parallel()
	for _, hook := range hooks {
		if hook == "HandleClose" {
			continue
		}
		for _, mend := range []string{"", "SetTerminator", "CloseWhenDone"} {
			var refusal error
			calls := 0
			logs, err := runHooked(t, hook, func(c *framer.Conn) error {
				if calls++; calls > 1 {
					return nil
				}
				refusal = c.SetTerminator(framer.Delimiter(""))
				switch mend {
				case "SetTerminator":
					if err := c.SetTerminator(framer.Delimiter("\n")); err != nil {
						t.Error(err)
					}
				case "CloseWhenDone":
					c.CloseWhenDone()
				}
				return nil
			})
			records := logs.above()
			switch {
			case mend != "" && (err != nil || len(records) != 0):
				t.Errorf("%s, then %s: ended with %v, logged %v", hook, mend, err, records)
			case mend == "" && (err != refusal || len(records) != 1 || records[0].Level != slog.LevelWarn):
				t.Errorf("%s: ended with %v, logged %v, want %v", hook, err, records, refusal)
			}
		}
	}
	// Next mends it.
	_, err := runHooked(t, "Session", func(c *framer.Conn) error {
		c.SetTerminator(framer.Delimiter(""))
		line, err := c.Next(framer.Delimiter("\n"))
		if err != nil || string(line) != "line" {
			t.Errorf("Next: %q, %v", line, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// failures are the ways in which a callback can fail. check is given the reason
// why the connection ended.
func failures() []failure {
	errBad := errors.New("bad")
	return []failure{
		{"error", func() error { return errBad }, func(t *testing.T, err error, _ *logBook) {
			if err != errBad {
				t.Errorf("ended with %v, want %v", err, errBad)
			}
		}},
		{"panic", func() error { panic(errBad) }, checkPanic},
		{"goexit", func() error { runtime.Goexit(); return nil }, func(t *testing.T, err error, _ *logBook) {
			if err == nil {
				t.Error("ended without an error")
			}
		}},
	}
}

type failure struct {
	name  string
	fail  func() error
	check func(t *testing.T, err error, logs *logBook)
}

// asyncore: compact_traceback, handle_error
func checkPanic(t *testing.T, err error, logs *logBook) {
	t.Helper()
	var p *framer.PanicError
	if !errors.As(err, &p) {
		t.Fatalf("ended with %v, want a PanicError", err)
	}
	if e, ok := p.Value.(error); !ok || e.Error() != "bad" || !errors.Is(err, e) {
		t.Errorf("the value of the panic is %v, want the error %q", p.Value, "bad")
	}
	if !bytes.Contains(p.Stack, []byte("proof_test.failures")) {
		t.Errorf("the stack does not show where the panic was:\n%s", p.Stack)
	}
	var records []slog.Record
	for _, where := range []string{"the handler", "newHandler", "a producer"} {
		records = append(records, logs.find("framer: panic in "+where)...)
	}
	if len(records) != 1 || records[0].Level != slog.LevelError || attr(records[0], "stack") != string(p.Stack) {
		t.Errorf("logged %v, want the panic at level Error with its stack", records)
	}
}

// What HandleClose does wrong is logged, and nothing hangs.
func TestHandleCloseFails(t *testing.T) {
	t.Parallel()
	for _, failure := range failures()[1:] {
		t.Run(failure.name, func(t *testing.T) {
			nc, peer := net.Pipe()
			var s script
			var logs logBook
			s.onClose = func(error) { failure.fail() }
			c := s.serve(t, nc, framer.Config{Logger: slog.New(&logs)})
			peer.Close()
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
			records := logs.find("framer: panic in HandleClose")
			if failure.name == "panic" && (len(records) != 1 || !strings.Contains(attr(records[0], "stack"), "proof_test.failures")) {
				t.Errorf("logged %v, want the panic and its stack", records)
			}
		})
	}
}

// A connection without a handler is closed, and whoever waits for it is told.
func TestNewHandlerFails(t *testing.T) {
	t.Parallel()
	ways := append(failures()[1:], failure{"nil", func() error { return nil }, func(t *testing.T, err error, _ *logBook) {
		if err == nil {
			t.Error("ended without an error")
		}
	}})
	for _, failure := range ways {
		t.Run(failure.name, func(t *testing.T) {
			nc, peer := tcpPair(t)
			defer peer.Close()
			var logs logBook
			c := serve(t, nc, func(*framer.Conn) framer.Handler {
				failure.fail()
				return nil
			}, framer.Config{Logger: slog.New(&logs)})
			if got := readAll(t, peer); got != "" {
				t.Errorf("the peer got %q", got)
			}
			failure.check(t, c.Wait(), &logs)
		})
	}
}
