// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/goframer/framer"
)

// A completeTranscript also records a . for HandleReadComplete.
type completeTranscript struct {
	transcript
	complete func() error
}

func (h *completeTranscript) HandleReadComplete() error {
	h.WriteByte('.')
	if h.complete == nil {
		return nil
	}
	return h.complete()
}

// If anything was called after a read, HandleReadComplete is called once before the next
// read, after all other calls. The same holds at the end of the input. HandleReadComplete
// changes nothing else.
func TestReadComplete(t *testing.T) {
	terminators := []framer.Terminator{
		framer.None(),
		framer.Delimiter("a"),
		framer.Delimiter("ab"),
		framer.AnyDelimiter("a", "ab"),
		framer.FixedLength(2),
	}
	// A < is a read.
	want := regexp.MustCompile(`^(<([ab|]+\.)?)+$`)
	for _, terminator := range terminators {
		for input := range inputs("ab", 6) {
			for chunks := range cuts(input) {
				for _, in := range []io.Reader{newChunkReader(chunks...), endWithData(chunks)} {
					h := new(completeTranscript)
					err := runFramer(readNoter{in, h}, terminator, h)
					got := h.String()
					if !want.MatchString(got) {
						t.Fatalf("%v, %q: %q", terminator, chunks, got)
					}
					plain := new(transcript)
					wantErr := runFramer(newChunkReader(chunks...), terminator, plain)
					if got = strings.NewReplacer("<", "", ".", "").Replace(got); got != plain.String() || err != wantErr {
						t.Fatalf("%v, %q: %q and %v, without HandleReadComplete %q and %v",
							terminator, chunks, got, err, plain.String(), wantErr)
					}
				}
			}
		}
	}
}

// A readNoter records each Read as a <.
type readNoter struct {
	io.Reader
	h *completeTranscript
}

func (r readNoter) Read(p []byte) (int, error) {
	r.h.WriteByte('<')
	return r.Reader.Read(p)
}

func runFramer(in io.Reader, terminator framer.Terminator, h framer.Handler) error {
	f := framer.NewFramer(in, nil)
	if err := f.SetTerminator(terminator); err != nil {
		return err
	}
	return f.Run(h)
}

// A terminator that HandleReadComplete sets is also in force for the input that was held
// back.
func TestReadCompleteSetsTerminator(t *testing.T) {
	h := new(completeTranscript)
	f := framer.NewFramer(readNoter{newChunkReader("xa", "y"), h}, nil)
	h.complete = func() error {
		h.complete = nil
		return f.SetTerminator(framer.Delimiter("a"))
	}
	if err := f.SetTerminator(framer.Delimiter("ab")); err != nil {
		t.Fatal(err)
	}
	if err := f.Run(h); err != io.ErrUnexpectedEOF {
		t.Errorf("Run: %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if got, want := h.String(), "<x.|.<y.<"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An error of HandleReadComplete ends Run.
func TestReadCompleteFails(t *testing.T) {
	failure := errors.New("failure")
	h := &completeTranscript{complete: func() error { return failure }}
	err := runFramer(newChunkReader("a|", "b"), framer.Delimiter("|"), h)
	if got, want := h.String(), "a|."; err != failure || got != want {
		t.Errorf("%q and %v, want %q and %v", got, err, want, failure)
	}
}

// A collectingEcho sends all lines of a read back in one push.
type collectingEcho struct {
	*framer.Conn
	framer.Collector
	t *testing.T
}

func (e *collectingEcho) FoundTerminator() error {
	if err := e.CollectIncomingData([]byte("\r\n")); err != nil {
		return err
	}
	if strings.HasSuffix(string(e.Bytes()), "quit\r\n") {
		return errors.Join(e.Push(e.Take()), e.CloseWhenDone())
	}
	return nil
}

func (e *collectingEcho) HandleReadComplete() error {
	answers := e.Bytes()
	err := e.Push(answers)
	for i := range answers { // Push must have copied or written them
		answers[i] = '-'
	}
	e.Reset()
	if pushErr := e.Push(nil); errors.Is(pushErr, net.ErrClosed) {
		e.t.Error("HandleReadComplete was called after CloseWhenDone")
	}
	return err
}

// Everything that is pushed in HandleReadComplete arrives, however the peer ends.
func TestReadCompleteOnConn(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		c := serve(t, nc, func(c *framer.Conn) framer.Handler {
			if err := c.SetTerminator(framer.Delimiter("\r\n")); err != nil {
				t.Error(err)
			}
			return &collectingEcho{Conn: c, t: t}
		}, framer.Config{})
		for range 10 { // one by one, so that a push is written at once
			writeString(t, peer, "line\r\n")
			readString(t, peer, "line\r\n")
		}
		pipelineEchoes(t, peer)
		large := string(pattern(1<<20)) + "\r\n" // more than the system takes
		lines := strings.Repeat("line\r\n", 1000) + large + "last"
		half, canHalfClose := peer.(interface{ CloseWrite() error })
		if !canHalfClose {
			lines += "\r\nquit\r\n"
		}
		written := call(func() error {
			if _, err := io.WriteString(peer, lines); err != nil || !canHalfClose {
				return err
			}
			return half.CloseWrite()
		})
		if got := readAll(t, peer); got != lines {
			t.Errorf("%d bytes came back, want %d", len(got), len(lines))
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
		peer.Close()
		c.Wait()
	})
}

// An answeringHandler collects its answers and pushes them in HandleReadComplete.
type answeringHandler struct {
	framer.Collector
	answers, pushed string
	complete        error
}

func (h *answeringHandler) FoundTerminator() error {
	h.answers += string(h.Take()) + "|"
	return nil
}

func (h *answeringHandler) HandleReadComplete() error {
	h.pushed += h.answers
	h.answers = ""
	return h.complete
}

// A decliningHandler also answers a message that is too long.
type decliningHandler struct {
	answeringHandler
	err error
}

func (h *decliningHandler) HandleOversize(e *framer.MessageTooLongError) error {
	h.answers += "*"
	if h.err != nil {
		return h.err
	}
	return e
}

// If the input ends with an error that is not the handler's own, the collected answers
// are sent before the end. The error stays the reason.
func TestReadCompleteBeforeFramingErrors(t *testing.T) {
	broken, other := errors.New("broken"), errors.New("other")
	badSplit := framer.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if len(data) > 0 && data[0] == '!' {
			return 0, nil, broken
		}
		return bufio.ScanLines(data, atEOF)
	})
	isErr := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	prefix := framer.LengthPrefix(framer.Prefix{Size: 1})
	for _, test := range []struct {
		name       string
		terminator framer.Terminator
		input      string
		readErr    error
		is         func(error) bool
	}{
		{"claim", prefix, "\x03one\x03two\xff", nil, isTooLong},
		{"claim with more", prefix, "\x03one\x03two\xffmore", nil, isTooLong},
		{"line", framer.Delimiter("\n"), "one\ntwo\nmuch too long\n", nil, isTooLong},
		{"line of a set", framer.AnyDelimiter("\n", "\r\n"), "one\ntwo\r\nmuch too long", nil, isTooLong},
		{"token", framer.Split(bufio.ScanLines), "one\ntwo\nmuch too long\n", nil, isTooLong},
		{"bad prefix", framer.LengthPrefix(framer.Prefix{Size: 1, Adjustment: -1}), "\x04one\x04two\x00", nil, isErr(framer.ErrBadPrefix)},
		{"split", badSplit, "one\ntwo\n!", nil, isErr(broken)},
		{"unfinished", framer.Delimiter("\n"), "one\ntwo\nthr", nil, isErr(io.ErrUnexpectedEOF)},
		{"unfinished header", framer.LengthPrefix(framer.Prefix{Size: 2}), "\x00\x03one\x00\x03two\x00", nil, isErr(io.ErrUnexpectedEOF)},
		{"reader", framer.Delimiter("\n"), "one\ntwo\n", broken, isErr(broken)},
	} {
		for chunks := range cuts(test.input) {
			for _, together := range []bool{false, true} {
				newReader := func() io.Reader {
					var in io.Reader = newChunkReader(chunks...)
					if test.readErr != nil {
						in = io.MultiReader(in, iotest.ErrReader(test.readErr))
					}
					if together {
						in = iotest.DataErrReader(in)
					}
					return in
				}
				run := func(h framer.Handler) error {
					f := framer.NewFramer(newReader(), &framer.Config{MaxMessageSize: 4})
					if err := f.SetTerminator(test.terminator); err != nil {
						t.Fatal(err)
					}
					return f.Run(h)
				}
				h := new(answeringHandler)
				if err := run(h); !test.is(err) || h.pushed != "one|two|" {
					t.Fatalf("%s, %q: pushed %q, error %v", test.name, chunks, h.pushed, err)
				}
				if len(chunks) == 1 && test.readErr == nil && test.name != "unfinished" && test.name != "unfinished header" {
					h = &answeringHandler{complete: other}
					if err := run(h); !test.is(err) {
						t.Errorf("%s: error %v, not that of the framing", test.name, err)
					}
				}
				if test.name == "line" {
					d := new(decliningHandler)
					if err := run(d); !isTooLong(err) || d.pushed != "one|two|*" {
						t.Errorf("%s, declined: pushed %q, error %v", test.name, d.pushed, err)
					}
					d = &decliningHandler{err: other}
					if err := run(d); err != other || strings.Contains(d.pushed, "*") {
						t.Errorf("%s, error of HandleOversize: pushed %q, error %v", test.name, d.pushed, err)
					}
				}
			}
		}
	}
}

// On a Conn, the answers that HandleReadComplete pushes arrive, however the connection
// ends.
func TestReadCompleteBeforeEnds(t *testing.T) {
	const input = "one\r\ntwo\r\n"
	for _, end := range []string{"framing", "peer", "timeout", "Shutdown"} {
		t.Run(end, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				cfg := framer.Config{MaxMessageSize: 8, Logger: slog.New(slog.DiscardHandler)}
				if end == "timeout" {
					cfg.MessageTimeout = time.Millisecond
				}
				s := framer.Server{Config: cfg, NewHandler: func(c *framer.Conn) framer.Handler {
					c.SetTerminator(framer.Delimiter("\r\n"))
					return &collectingEcho{Conn: c, t: t}
				}}
				served := call(func() error { return s.ServeConn(t.Context(), nc) })
				ending := map[string]string{"framing": "much too long", "timeout": "thr"}[end]
				written := call(func() error {
					_, err := io.WriteString(peer, input+ending)
					if _, ok := peer.(interface{ CloseWrite() error }); ok && err == nil && end == "peer" {
						endInput(t, peer)
					}
					return err
				})
				shutdown := make(<-chan error)
				if end == "Shutdown" || end == "peer" && !canHalfClose(peer) {
					readString(t, peer, input)
				}
				if end == "Shutdown" {
					shutdown = call(func() error { return s.Shutdown(t.Context()) })
				}
				if end == "peer" && !canHalfClose(peer) {
					peer.Close()
				} else if got := readAll(t, peer); end != "Shutdown" && !strings.HasPrefix(got, input) {
					t.Errorf("the peer got %q, want %q", got, input)
				}
				<-written
				peer.Close()
				err := <-served
				if end == "Shutdown" {
					<-shutdown
				}
				if orderly := end == "peer" || end == "Shutdown"; orderly != (err == nil) {
					t.Errorf("ServeConn: %v", err)
				}
			})
		})
	}
}
