// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A keeper keeps slices that were lent to it.
type keeper struct {
	*framer.Conn
	framer.Collector
	kept    []byte
	collect func(k *keeper, data []byte) error // if not nil, called in place of the Collector's method
	found   func(k *keeper) error
}

func (k *keeper) CollectIncomingData(data []byte) error {
	if k.collect != nil {
		return k.collect(k, data)
	}
	return k.Collector.CollectIncomingData(data)
}

func (k *keeper) FoundTerminator() error { return k.found(k) }

func keep(t framer.Terminator, collect func(k *keeper, data []byte) error, found func(k *keeper) error) func(*framer.Conn) framer.Handler {
	return func(c *framer.Conn) framer.Handler {
		c.SetTerminator(t)
		return &keeper{Conn: c, collect: collect, found: found}
	}
}

func keepPiece(k *keeper, data []byte) error {
	k.kept = data
	return nil
}

func pushKept(k *keeper) error { return k.Push(k.kept) }

// pushBefore pushes the message before this one. Its memory was given back by Reset.
func pushBefore(k *keeper) error {
	defer func() {
		k.kept = k.Bytes()
		k.Reset()
	}()
	return k.Push(k.kept)
}

// A readCompleteKeeper pushes what it has kept in HandleReadComplete.
type readCompleteKeeper struct{ keeper }

func (k *readCompleteKeeper) HandleReadComplete() error {
	defer func() { k.kept = nil }()
	return k.Push(k.kept)
}

// An oversizeKeeper pushes what it has kept of a message that is too long.
type oversizeKeeper struct{ keeper }

func (k *oversizeKeeper) HandleOversize(*framer.MessageTooLongError) error {
	return k.Push(k.kept)
}

// Transcript shows when a handler keeps what was lent to it, in every style of handler.
func TestTranscriptFindsKeepers(t *testing.T) {
	line := framer.Delimiter("\n")
	tests := map[string]func(*framer.Conn) framer.Handler{
		"piece":         keep(line, keepPiece, pushKept),
		"piece, Length": keep(framer.FixedLength(2), keepPiece, pushKept),
		"piece, Split":  keep(framer.Split(bufio.ScanLines), keepPiece, pushKept),
		"part of a piece": keep(line, func(k *keeper, data []byte) error {
			k.kept = data[len(data)-1:]
			return nil
		}, pushKept),
		"panic": keep(line, func(k *keeper, data []byte) error {
			defer func() {
				if k.kept = data; bytes.Contains(data, []byte("3")) {
					panic("3")
				}
			}()
			return k.Push(k.kept)
		}, pushKept),
		"Bytes": keep(line, nil, pushBefore),
		"Bytes, HandleReadComplete": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(line)
			return &readCompleteKeeper{keeper{Conn: c, found: func(k *keeper) error {
				k.kept = k.Bytes()
				k.Reset()
				return nil
			}}}
		},
		"HandleOversize": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(framer.Delimiter("not there"))
			return &oversizeKeeper{keeper{Conn: c, collect: keepPiece}}
		},
		"Messages": func(c *framer.Conn) framer.Handler {
			var kept [][]byte
			return framer.Messages(line, func(c *framer.Conn, msg []byte) error {
				if kept = append(kept, msg); string(msg) == "34" {
					return c.Push(slices.Concat(kept...))
				}
				return nil
			})(c)
		},
		"Session": framer.Session(func(c *framer.Conn) error {
			var kept []byte
			for {
				msg, err := c.Next(line)
				if err != nil {
					c.Push(kept)
					return err
				}
				kept = msg
			}
		}),
	}
	for name, newHandler := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := &framer.Config{MaxMessageSize: 6}
			var tb fakeTB
			framertest.Recut(&tb, []byte("12\n34\n56\n"), framertest.Transcript(newHandler, cfg))
			tb.wantFailures(t, "makes a difference")
			tb.wantFailures(t, "memory that was lent, and kept for too long")
			// The result is the same if the handler uses Poison itself.
			tb = fakeTB{}
			framertest.Recut(&tb, []byte("12\n34\n56\n"), framertest.Transcript(framertest.Poison(newHandler), cfg))
			tb.wantFailures(t, "makes a difference")
			// Two transcripts without Recut differ as well.
			transcript := framertest.Transcript(newHandler, cfg)
			once, again := transcript(strings.NewReader("12\n34\n56\n")), transcript(strings.NewReader("12\n34\n56\n"))
			if once == again {
				t.Errorf("the transcript is always\n%s", once)
			}
		})
	}
}

// Recut shows the same for functions that read the input themselves.
func TestRecutFindsKeepers(t *testing.T) {
	tests := map[string]func(r io.Reader) string{
		"Next": func(r io.Reader) string {
			f := framer.NewFramer(r, nil)
			first, _ := f.Next(framer.Delimiter("\n"))
			for {
				if _, err := f.Next(framer.Delimiter("\n")); err != nil {
					return fmt.Sprintf("%q, %v", first, err)
				}
			}
		},
		"All": func(r io.Reader) string {
			var all [][]byte
			for msg := range framer.NewFramer(r, nil).All(framer.Delimiter("\n")) {
				all = append(all, msg)
			}
			return string(bytes.Join(all, []byte("|")))
		},
		"bufio.Reader": func(r io.Reader) string {
			var all [][]byte
			for b := bufio.NewReader(r); ; {
				line, err := b.ReadSlice('\n')
				if err != nil {
					return string(bytes.Join(all, []byte("|")))
				}
				all = append(all, line)
			}
		},
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			var tb fakeTB
			framertest.Recut(&tb, []byte("12\n34\n56\n"), f)
			tb.wantFailures(t, "the same input makes a difference")
			tb.wantFailures(t, "memory that was lent, and kept for too long")
		})
	}
}

// There is no hint if the input itself has such bytes.
func TestRecutHint(t *testing.T) {
	var tb fakeTB
	framertest.Recut(&tb, []byte("\xff\n"), func(r io.Reader) string { return fmt.Sprintf("%q", reads(r)) })
	tb.wantFailures(t, "the cut makes a difference")
	if strings.Contains(tb.failures[0], "lent") {
		t.Error(tb.failures[0])
	}
}

// allowed does all that a handler may do with memory that was lent.
type allowed struct {
	echo
	found int
}

func (a *allowed) CollectIncomingData(data []byte) error {
	kept := bytes.Clone(data)
	more := append(data, "appended"...) // append moves the data to new memory
	for i := range data {
		data[i] ^= ' '
	}
	copy(data, kept)
	a.Write(more[len(data):])
	return a.echo.CollectIncomingData(data)
}

func (a *allowed) FoundTerminator() error {
	if a.found++; a.found%2 == 0 {
		defer a.Reset()
		_, err := a.Write(append(a.Bytes(), '.'))
		return err
	}
	return a.echo.FoundTerminator()
}

func TestPoisonIsHarmless(t *testing.T) {
	newHandler := func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.FixedLength(1))
		return &allowed{echo: echo{Conn: c}}
	}
	transcript := framertest.Transcript(newHandler, nil)
	framertest.Recut(t, []byte("abcdefghijk"), transcript)
	want := "message \"a\"\nmessage \"b\"\nrest \"\"\nsent \"appended<a>appendedb.\"\nend <nil>\n"
	if got := transcript(strings.NewReader("ab")); got != want {
		t.Errorf("the transcript is\n%s\nwant\n%s", got, want)
	}
}

// Poison works on any connection.
func TestPoison(t *testing.T) {
	peer, nc := tcpPair(t)
	defer peer.Close()
	c := framer.NewConn(nc, framertest.Poison(keep(framer.Delimiter("\n"), keepPiece, pushKept)), nil)
	served := make(chan error, 1)
	go func() { served <- c.Serve(t.Context()) }()
	framertest.Play(t, peer,
		framertest.Within(time.Minute),
		framertest.Send("abcdefg\n123\n"),
		framertest.Expect(strings.Repeat("\xf5", 10)),
		framertest.Close())
	peer.Close() // a step may have failed before Close
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// An optionalHandler has all optional methods and records their calls.
type optionalHandler struct {
	pieceEcho
	calls []string
}

func (h *optionalHandler) note(call string, err error) error {
	h.calls = append(h.calls, fmt.Sprint(call, " ", err))
	return errors.New("result")
}

func (h *optionalHandler) HandleConnect() error          { return h.note("connect", nil) }
func (h *optionalHandler) HandleReadComplete() error     { return h.note("read complete", nil) }
func (h *optionalHandler) HandleShutdown() error         { return h.note("shutdown", nil) }
func (h *optionalHandler) HandleTimeout(err error) error { return h.note("timeout", err) }
func (h *optionalHandler) HandleEnd(err error) error     { return h.note("end", err) }
func (h *optionalHandler) HandleClose(err error)         { h.note("close", err) }
func (h *optionalHandler) HandleOversize(e *framer.MessageTooLongError) error {
	return h.note("oversize", e)
}

// Transcript calls the optional methods of a handler. If the handler lacks a method, the
// wrapper does what package framer does without it.
func TestPoisonKeepsMethods(t *testing.T) {
	type all interface {
		framer.ConnectHandler
		framer.ReadCompleteHandler
		framer.OversizeHandler
		framer.ShutdownHandler
		framer.CloseHandler
		HandleTimeout(err error) error
		HandleEnd(err error) error
	}
	wrap := func(h framer.Handler) all {
		var conn *framer.Conn
		framertest.Transcript(func(c *framer.Conn) framer.Handler {
			conn = c
			c.CloseWhenDone() // so that no method is called
			return h
		}, nil)(strings.NewReader(""))
		return conn.Handler().(all)
	}
	long := &framer.MessageTooLongError{Limit: 1}
	call := func(h all) (results []error) {
		results = append(results, h.HandleConnect(), h.HandleReadComplete(), h.HandleOversize(long), h.HandleShutdown(), h.HandleTimeout(io.ErrNoProgress), h.HandleEnd(io.EOF))
		h.HandleClose(io.ErrClosedPipe)
		return results
	}

	h := new(optionalHandler)
	wrapped := wrap(h)
	h.calls = nil // Transcript has called some of them
	got := fmt.Sprint(call(wrapped), h.calls)
	if want := fmt.Sprint([]string{"result", "result", "result", "result", "result", "result"}, []string{
		"connect <nil>", "read complete <nil>", "oversize " + long.Error(), "shutdown <nil>",
		"timeout " + io.ErrNoProgress.Error(), "end EOF", "close " + io.ErrClosedPipe.Error(),
	}); got != want {
		t.Errorf("with all methods: %s\nwant %s", got, want)
	}
	got = fmt.Sprint(call(wrap(new(pieceEcho))))
	if want := fmt.Sprint([]error{nil, nil, long, nil, io.ErrNoProgress, nil}); got != want {
		t.Errorf("without them: %s\nwant %s", got, want)
	}
}

// Poison returns handlers that can't be wrapped as they are. A connection without a
// handler still has none.
func TestPoisonOfOthers(t *testing.T) {
	for name, test := range map[string]struct {
		newHandler func(*framer.Conn) framer.Handler
		want       string
	}{
		"Messages": {newEcho, "a\r\n"},
		"Session": {framer.Session(func(c *framer.Conn) error {
			line, err := c.Next(framer.Delimiter("\r\n"))
			c.Push(line)
			return err
		}), "a"},
		"nil":                  {func(*framer.Conn) framer.Handler { return nil }, ""},
		"a nil pointer inside": {func(c *framer.Conn) framer.Handler { return &nilInside{Conn: c} }, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			client, nc := framertest.Pipe()
			c := framer.NewConn(nc, framertest.Poison(test.newHandler), &framer.Config{Logger: slog.New(slog.DiscardHandler)})
			var served sync.WaitGroup
			defer served.Wait()
			served.Go(func() { c.Serve(t.Context()) })
			framertest.Play(t, client, framertest.Send("a\r\n"), framertest.HalfClose())
			if got, err := io.ReadAll(client); string(got) != test.want {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
			client.Close()
		})
	}
}

// nilInside embeds a Collector behind a nil pointer.
type nilInside struct {
	*framer.Conn
	*nothing
}

type nothing struct{ framer.Collector }

func (h *nilInside) CollectIncomingData([]byte) error { return h.Push([]byte("none")) }
func (h *nilInside) FoundTerminator() error           { return nil }

// Read of a Pipe overwrites all of its argument.
func TestPipeReadOverwrites(t *testing.T) {
	a, b := framertest.Pipe()
	for size := range 70 {
		p := bytes.Repeat([]byte("o"), size)
		write(t, a, "x")
		n, err := b.Read(p)
		if size == 0 {
			read(t, b, "x")
			continue
		}
		if want := "x" + strings.Repeat("\xf5", size-1); n != 1 || err != nil || string(p) != want {
			t.Errorf("%d bytes, %v, %q; want %q", n, err, p, want)
		}
	}
}
