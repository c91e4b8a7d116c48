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
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A borrower keeps the slices that it is lent, and copies of them.
type borrower struct {
	t            *testing.T
	kept, copied [][]byte
}

// use keeps lent. It must be called during the loan.
func (b *borrower) use(lent []byte) {
	b.kept = append(b.kept, lent)
	b.copied = append(b.copied, bytes.Clone(lent))
}

// over must be called when all loans are over. It fails the test, once, if the kept
// slices have anything but poison.
func (b *borrower) over() {
	b.t.Helper()
	notPoison := func(p []byte) bool {
		return slices.ContainsFunc(p, func(b byte) bool { return b < 0xf5 })
	}
	if slices.ContainsFunc(b.kept, notPoison) && !b.t.Failed() {
		b.t.Errorf("what was kept is %q", b.kept)
	}
}

// borrowed returns all that was lent, from the copies.
func (b *borrower) borrowed() string { return string(bytes.Join(b.copied, nil)) }

// Write borrows p. WriteTo calls it, and lends what it writes.
func (b *borrower) Write(p []byte) (int, error) {
	b.over()
	b.use(p)
	return len(p), nil
}

// framerLoans are the ways in which a Framer without a connection lends. Each function
// reads all messages and ends the last loan.
var framerLoans = map[string]func(f *framer.Framer, t framer.Terminator, b *borrower){
	"Next": func(f *framer.Framer, t framer.Terminator, b *borrower) {
		for {
			msg, err := f.Next(t)
			b.over()
			b.use(msg)
			if err != nil {
				f.Next(t)
				return
			}
		}
	},
	"Next, refused": func(f *framer.Framer, t framer.Terminator, b *borrower) {
		for {
			msg, err := f.Next(t)
			b.use(msg)
			f.Next(framer.Delimiter(""))
			b.over()
			if err != nil {
				return
			}
		}
	},
	"Next, then NextReader": func(f *framer.Framer, t framer.Terminator, b *borrower) {
		for {
			msg, err := f.Next(t)
			b.use(msg)
			r, readErr := f.NextReader(t)
			b.over()
			if err != nil || readErr != nil {
				return
			}
			io.Copy(b, r)
		}
	},
	"Next, then Run": func(f *framer.Framer, t framer.Terminator, b *borrower) {
		msg, _ := f.Next(t)
		b.use(msg)
		f.SetTerminator(t)
		f.Run(pieces{b})
	},
	"All": func(f *framer.Framer, t framer.Terminator, b *borrower) {
		for msg := range f.All(t) {
			b.over()
			b.use(msg)
		}
	},
	"WriteTo": func(f *framer.Framer, t framer.Terminator, b *borrower) {
		for {
			r, err := f.NextReader(t)
			if err != nil {
				return
			}
			io.Copy(b, r)
			b.over()
		}
	},
	"CollectIncomingData": func(f *framer.Framer, t framer.Terminator, b *borrower) {
		f.SetTerminator(t)
		f.Run(pieces{b})
	},
	"Bytes": func(f *framer.Framer, t framer.Terminator, b *borrower) {
		f.SetTerminator(t)
		f.Run(&collected{b: b})
	},
	"Bytes, in CollectIncomingData": func(f *framer.Framer, t framer.Terminator, b *borrower) {
		f.SetTerminator(t)
		f.Run(&collectedPieces{collected{b: b}})
	},
}

// connLoans are the ways in which a connection lends. Each handler sends what it is lent.
var connLoans = map[string]func(t framer.Terminator, b *borrower) func(*framer.Conn) framer.Handler{
	"CollectIncomingData": func(t framer.Terminator, b *borrower) func(*framer.Conn) framer.Handler {
		return func(c *framer.Conn) framer.Handler {
			c.SetTerminator(t)
			return pieceSender{c, pieces{b}}
		}
	},
	"Bytes": func(t framer.Terminator, b *borrower) func(*framer.Conn) framer.Handler {
		return func(c *framer.Conn) framer.Handler {
			c.SetTerminator(t)
			return &collected{b: b, w: c}
		}
	},
	"Bytes, until HandleReadComplete": func(t framer.Terminator, b *borrower) func(*framer.Conn) framer.Handler {
		return func(c *framer.Conn) framer.Handler {
			c.SetTerminator(t)
			return &collectedReads{collected{b: b, w: c}}
		}
	},
	"Messages": func(t framer.Terminator, b *borrower) func(*framer.Conn) framer.Handler {
		return framer.Messages(t, func(c *framer.Conn, msg []byte) error {
			b.over()
			b.use(msg)
			return c.Push(msg)
		})
	},
	"Replies, msg": func(t framer.Terminator, b *borrower) func(*framer.Conn) framer.Handler {
		return framer.Replies(t, func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
			b.over()
			b.use(msg)
			return append(reply, msg...), nil
		})
	},
	"Replies, reply": func(t framer.Terminator, b *borrower) func(*framer.Conn) framer.Handler {
		return framer.Replies(t, func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
			b.over()
			reply = append(reply, msg...)
			b.use(reply)
			return reply, nil
		})
	},
	"Session": func(t framer.Terminator, b *borrower) func(*framer.Conn) framer.Handler {
		return framer.Session(func(c *framer.Conn) error {
			for {
				msg, err := c.Next(t)
				b.over()
				if err != nil {
					return err
				}
				b.use(msg)
				c.Push(msg)
			}
		})
	},
	"Session, NextReader": func(t framer.Terminator, b *borrower) func(*framer.Conn) framer.Handler {
		return framer.Session(func(c *framer.Conn) error {
			for {
				r, err := c.NextReader(t)
				if err != nil {
					return err
				}
				io.Copy(io.MultiWriter(c, b), r)
				b.over()
			}
		})
	},
}

// pieces borrows the data of CollectIncomingData.
type pieces struct{ b *borrower }

func (p pieces) CollectIncomingData(data []byte) error {
	p.b.over()
	p.b.use(data)
	return nil
}

func (p pieces) FoundTerminator() error {
	p.b.over()
	return nil
}

// A panicker borrows one piece and panics.
type panicker struct{ pieces }

func (p panicker) CollectIncomingData(data []byte) error {
	p.pieces.CollectIncomingData(data)
	panic("on purpose")
}

// A pieceSender borrows the pieces and sends them.
type pieceSender struct {
	*framer.Conn
	pieces
}

func (s pieceSender) CollectIncomingData(data []byte) error {
	s.Push(data)
	return s.pieces.CollectIncomingData(data)
}

// collected borrows the messages of a Collector, which are lent until Reset.
type collected struct {
	framer.Collector
	b *borrower
	w io.Writer // where the messages are sent, or nil
}

func (c *collected) FoundTerminator() error {
	c.b.over()
	c.b.use(c.Bytes())
	if c.w != nil {
		c.w.Write(c.Bytes())
	}
	c.Reset()
	return nil
}

// collectedPieces borrows what its Collector has in CollectIncomingData, until that
// returns.
type collectedPieces struct{ collected }

func (c *collectedPieces) CollectIncomingData(data []byte) error {
	c.Collector.CollectIncomingData(data)
	return c.collected.FoundTerminator()
}

func (c *collectedPieces) FoundTerminator() error {
	c.b.over()
	return nil
}

// collectedReads borrows what its Collector has in HandleReadComplete.
type collectedReads struct{ collected }

func (c *collectedReads) FoundTerminator() error { return nil }

func (c *collectedReads) HandleReadComplete() error { return c.collected.FoundTerminator() }

// loanInputs are short inputs of whole messages. All of them but the last are short
// enough to be cut in every way.
var loanInputs = map[string]struct {
	t        framer.Terminator
	input    string
	messages string // all messages joined
	cfg      framer.Config
}{
	"Delimiter":    {t: framer.Delimiter("\r\n"), input: "ab\r\nc\r\n", messages: "abc"},
	"AnyDelimiter": {t: framer.AnyDelimiter("\r\n", "\n"), input: "ab\r\nc\n", messages: "abc"},
	"FixedLength":  {t: framer.FixedLength(3), input: "abcdef", messages: "abcdef"},
	"LengthPrefix": {t: framer.LengthPrefix(framer.Prefix{Size: 1}), input: "\x02ab\x01c", messages: "abc"},
	"DotBlock":     {t: framer.DotBlock(), input: "..\r\n.\r\n", messages: ".\r\n"},
	"Split":        {t: framer.Split(bufio.ScanWords), input: "ab cd ", messages: "abcd"},
	// These messages are larger than the read buffer, so they are read directly into
	// their own memory.
	"small buffer": {t: framer.FixedLength(10), input: "abcdefghijklmnopqrst", messages: "abcdefghijklmnopqrst", cfg: framer.Config{ReadBufferSize: 4}},
}

// A handler that keeps what it was lent finds only poison there, wherever the input was
// cut. A handler that copies it in time has all of it.
func TestPoisonOfAllLoans(t *testing.T) {
	for name, in := range loanInputs {
		lenders := make(map[string]func(r io.Reader, b *borrower))
		for loan, read := range framerLoans {
			lenders["Framer/"+loan] = func(r io.Reader, b *borrower) { read(framer.NewFramer(r, &in.cfg), in.t, b) }
		}
		for loan, newHandler := range connLoans {
			lenders["Conn/"+loan] = func(r io.Reader, b *borrower) {
				framertest.Transcript(newHandler(in.t, b), &in.cfg)(r)
			}
		}
		for _, loan := range slices.Sorted(maps.Keys(lenders)) {
			t.Run(name+"/"+loan, func(t *testing.T) {
				framertest.Recut(t, []byte(in.input), func(r io.Reader) string {
					b := borrower{t: t}
					lenders[loan](r, &b)
					b.over()
					if got := b.borrowed(); got != in.messages && !t.Failed() {
						t.Errorf("the messages are %q, want %q", got, in.messages)
					}
					return ""
				})
			})
		}
	}
}

// An unfinished message, and the last message, are lent as well.
func TestPoisonOfLastLoans(t *testing.T) {
	line, three := framer.Delimiter("\n"), framer.FixedLength(3)
	tests := map[string]func(b *borrower) func(*framer.Conn) framer.Handler{
		"unfinished": func(b *borrower) func(*framer.Conn) framer.Handler {
			return framer.Session(func(c *framer.Conn) error {
				msg, err := c.Next(line)
				b.use(msg)
				if err != io.ErrUnexpectedEOF {
					t.Errorf("the error is %v", err)
				}
				c.Next(line)
				b.over()
				return nil
			})
		},
		"Session": func(b *borrower) func(*framer.Conn) framer.Handler {
			return framer.Session(func(c *framer.Conn) error {
				msg, err := c.Next(three)
				b.use(msg)
				return err
			})
		},
		"Session, Next after CloseWhenDone": func(b *borrower) func(*framer.Conn) framer.Handler {
			return framer.Session(func(c *framer.Conn) error {
				msg, _ := c.Next(three)
				b.use(msg)
				c.CloseWhenDone()
				c.Next(three)
				b.over()
				return nil
			})
		},
		"Session, NextReader after CloseWhenDone": func(b *borrower) func(*framer.Conn) framer.Handler {
			return framer.Session(func(c *framer.Conn) error {
				msg, _ := c.Next(three)
				b.use(msg)
				c.CloseWhenDone()
				c.NextReader(three)
				b.over()
				return nil
			})
		},
		"Messages, error": func(b *borrower) func(*framer.Conn) framer.Handler {
			return framer.Messages(three, func(c *framer.Conn, msg []byte) error {
				b.use(msg)
				return io.ErrNoProgress
			})
		},
		"Replies, panic": func(b *borrower) func(*framer.Conn) framer.Handler {
			return framer.Replies(three, func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
				b.use(msg)
				b.use(append(reply, msg...))
				panic("on purpose")
			})
		},
		"CollectIncomingData, panic": func(b *borrower) func(*framer.Conn) framer.Handler {
			return func(c *framer.Conn) framer.Handler {
				return panicker{pieces{b}}
			}
		},
	}
	for name, newHandler := range tests {
		t.Run(name, func(t *testing.T) {
			framertest.Recut(t, []byte("abc"), func(r io.Reader) string {
				b := borrower{t: t}
				framertest.Transcript(newHandler(&b), nil)(r)
				b.over()
				if b.borrowed() == "" {
					t.Error("nothing was lent")
				}
				return ""
			})
		})
	}
}

// An oversized borrows what has come of a message that is too long.
type oversized struct {
	collected
	reset func()
}

func (o *oversized) HandleOversize(*framer.MessageTooLongError) error {
	o.b.use(o.Bytes())
	if o.reset != nil {
		o.reset()
	}
	return nil
}

// What has come of a message that is too long is lent until HandleOversize returns, or
// calls Reset.
func TestPoisonOfOversizeLoans(t *testing.T) {
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprint(reset), func(t *testing.T) {
			framertest.Recut(t, []byte("abc\nd\n"), func(r io.Reader) string {
				b := borrower{t: t}
				f := framer.NewFramer(r, &framer.Config{MaxMessageSize: 2})
				f.SetTerminator(framer.Delimiter("\n"))
				h := &oversized{collected: collected{b: &b}}
				if reset {
					h.reset = func() {
						h.Reset()
						f.SetTerminator(framer.Delimiter("\n"))
					}
				}
				f.Run(h)
				b.over()
				return b.borrowed()
			})
		})
	}
	framertest.Recut(t, []byte("abc\n"), func(r io.Reader) string {
		f := framer.NewFramer(r, &framer.Config{MaxMessageSize: 2})
		f.SetTerminator(framer.Delimiter("\n"))
		var long *framer.MessageTooLongError
		err := f.Run(pieces{&borrower{t: t}})
		if !errors.As(err, &long) {
			t.Errorf("without a HandleOversize, Run returned %v", err)
		}
		return ""
	})
}

// What has come of a message before a timeout is lent until the next call of Next.
func TestPoisonAfterTimeout(t *testing.T) {
	b := borrower{t: t}
	peer, nc := tcpPair(t)
	defer peer.Close()
	line := framer.Delimiter("\n")
	c := framer.NewConn(nc, framertest.Poison(framer.Session(func(c *framer.Conn) error {
		for len(b.borrowed()) < 2 {
			msg, err := c.Next(line)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the error is %v", err)
				return err
			}
			b.over()
			b.copied = nil
			b.use(msg)
		}
		c.SetConfig(framer.Config{})
		c.Push([]byte("go on"))
		msg, err := c.Next(line)
		b.over()
		c.Push(msg)
		return err
	})), &framer.Config{ReadIdleTimeout: 5 * time.Millisecond})
	served := make(chan error, 1)
	go func() { served <- c.Serve(t.Context()) }()
	framertest.Play(t, peer,
		framertest.Within(time.Minute),
		framertest.Send("ab"), framertest.Expect("go on"),
		framertest.Send("c\n"), framertest.Expect("abc"),
		framertest.Close())
	peer.Close() // a step may have failed before Close
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// Memory that was not lent is not overwritten.
func TestPoisonSparesOthers(t *testing.T) {
	// An answer need not be in the reply that was lent.
	own := []byte("own")
	transcript := framertest.Transcript(framer.Replies(framer.FixedLength(1), func(*framer.Conn, []byte, []byte) ([]byte, error) {
		return own, nil
	}), nil)
	want := "rest \"\"\nsent \"ownown\"\nend <nil>\n"
	if got := transcript(strings.NewReader("ab")); got != want || string(own) != "own" {
		t.Errorf("the transcript is\n%s\nwant\n%s\nand the answer is %q", got, want, own)
	}

	// A split function may return a constant as its token.
	token := []byte("token")
	var got string
	framertest.Recut(t, []byte("ab"), func(r io.Reader) string {
		f := framer.NewFramer(r, nil)
		f.SetTerminator(framer.Split(func(data []byte, atEOF bool) (int, []byte, error) {
			return min(1, len(data)), token[:min(len(token), len(token)*len(data))], nil
		}))
		b := borrower{t: t}
		f.Run(&collected{b: &b})
		b.over()
		got = b.borrowed()
		return ""
	})
	if string(token) != "token" || !strings.HasPrefix(got, "tokentoken") {
		t.Errorf("the token is %q, and %q was found", token, got)
	}
}

// Poison works for connections of any kind. Here one waits in the middle of a message.
func TestPoisonOfConnections(t *testing.T) {
	for _, loan := range slices.Sorted(maps.Keys(connLoans)) {
		t.Run(loan, func(t *testing.T) {
			b := borrower{t: t}
			newHandler := connLoans[loan](framer.Delimiter("\n"), &b)
			peer, nc := tcpPair(t)
			defer peer.Close()
			c := framer.NewConn(nc, framertest.Poison(newHandler), &framer.Config{Logger: slog.New(slog.DiscardHandler)})
			served := make(chan error, 1)
			go func() { served <- c.Serve(t.Context()) }()
			framertest.Play(t, peer,
				framertest.Within(time.Minute),
				framertest.Send("ab\nc"), framertest.Expect("ab"), // the connection waits for the rest now
				framertest.Send("d\nef\n"), framertest.Expect("cdef"),
				framertest.Close())
			peer.Close() // a step may have failed before Close
			if err := <-served; err != nil {
				t.Errorf("Serve: %v", err)
			}
			b.over()
		})
	}
}

type noCollector struct {
	pieces
	*nothing
}

// A handler whose embedded Collector would be behind a nil pointer has no Collector.
func TestPoisonOfNoCollector(t *testing.T) {
	framertest.Recut(t, []byte("a\nb\n"), func(r io.Reader) string {
		f := framer.NewFramer(r, nil)
		f.SetTerminator(framer.Delimiter("\n"))
		if err := f.Run(noCollector{pieces: pieces{&borrower{t: t}}}); err != nil {
			t.Errorf("Run: %v", err)
		}
		return ""
	})
}

// Poison does not wrap the handler, so that OnTooLong, for example, finds the handler
// itself.
func TestPoisonReturnsTheHandler(t *testing.T) {
	h := &keeper{}
	newHandler := framertest.Poison(func(*framer.Conn) framer.Handler { return h })
	if got := newHandler(nil); got != framer.Handler(h) {
		t.Errorf("it is %v", got)
	}
	var long int
	newHandler = framer.OnTooLong(framertest.Poison(framer.Messages(framer.Delimiter("\n").Limit(2), func(*framer.Conn, []byte) error {
		return nil
	})), func(*framer.Conn, *framer.MessageTooLongError) error {
		long++
		return nil
	})
	framertest.Transcript(newHandler, nil)(strings.NewReader("abc\ndef\n"))
	if long != 2 {
		t.Errorf("%d messages were too long", long)
	}
}
