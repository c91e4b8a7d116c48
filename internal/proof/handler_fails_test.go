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

// An errorCase is an error that a handler returns or panics with.
type errorCase struct {
	name string
	err  error
}

// userErrors returns errors that look like an end in order but are none.
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

// hooks are the places where a handler can fail. The input of TestUserErrors causes a
// call of each of them but HandleShutdown.
var hooks = []string{
	"newHandler", "HandleConnect", "CollectIncomingData", "FoundTerminator", "HandleOversize", "HandleReadComplete",
	"HandleShutdown", "HandleClose", "Messages", "Session",
}

// newHooked returns a newHandler function. The handler calls f in the hook. An error of f
// in newHandler becomes a panic, and in HandleClose it is not used.
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

// runHooked serves a connection whose handler calls f in the hook. It returns the log and
// the reason of the end.
func runHooked(t *testing.T, hook string, f func(c *framer.Conn) error) (logs *logBook, reason error) {
	logs = new(logBook)
	nc, peer := memoryPair(t)
	if hook == "HandleShutdown" {
		nc, peer = tcpPair(t) // on TCP the server knows at once that no more input has come
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

// An error of a handler counts and is logged as an error, whatever it wraps.
func TestUserErrors(t *testing.T) {
	t.Parallel()
	for _, hook := range hooks {
		if hook == "newHandler" || hook == "HandleClose" {
			continue // these return no error
		}
		for _, test := range userErrors() {
			if hook == "Session" && errors.Is(test.err, framer.ErrServerClosed) {
				continue // this means that the Session was told of the shutdown
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

// If a terminator was refused and the handler ignores the error, the connection ends with
// it, unless the handler sets another terminator or closes the connection.
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
	// A call of Next with a valid terminator is enough, too.
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

// failures returns the ways in which a callback can fail. check is given the reason of
// the connection's end.
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

// If HandleClose fails, that is logged, and nothing hangs.
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

// A connection without a handler is closed. Calls that wait for it return the reason.
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
