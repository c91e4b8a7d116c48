// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest_test

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A borrower does something with memory that it is lent, while it is.
type borrower func(lent []byte)

// framerLoans are the loans of a Framer alone, by what ends them. Each function reads
// all messages, and ends the last loan.
var framerLoans = map[string]func(f *framer.Framer, t framer.Terminator, use borrower){
	"Next": func(f *framer.Framer, t framer.Terminator, use borrower) {
		for {
			msg, err := f.Next(t)
			use(msg)
			if err != nil {
				f.Next(t)
				return
			}
		}
	},
	"Next, refused": func(f *framer.Framer, t framer.Terminator, use borrower) {
		for {
			msg, err := f.Next(t)
			use(msg)
			f.Next(framer.Delimiter(""))
			if err != nil {
				return
			}
		}
	},
	"Next, then NextReader": func(f *framer.Framer, t framer.Terminator, use borrower) {
		for {
			msg, err := f.Next(t)
			use(msg)
			r, _ := f.NextReader(t)
			if err != nil {
				return
			}
			if r != nil {
				io.Copy(writer(use), r)
			}
		}
	},
	"Next, then Run": func(f *framer.Framer, t framer.Terminator, use borrower) {
		msg, err := f.Next(t)
		use(msg)
		if err != nil {
			f.Run(pieces{use})
			return
		}
		f.SetTerminator(t)
		f.Run(pieces{use})
	},
	"All": func(f *framer.Framer, t framer.Terminator, use borrower) {
		for msg := range f.All(t) {
			use(msg)
		}
		f.Next(t)
	},
	"WriteTo": func(f *framer.Framer, t framer.Terminator, use borrower) {
		for {
			r, err := f.NextReader(t)
			if err != nil {
				return
			}
			io.Copy(writer(use), r)
		}
	},
	"CollectIncomingData": func(f *framer.Framer, t framer.Terminator, use borrower) {
		f.SetTerminator(t)
		f.Run(pieces{use})
	},
	"Bytes": func(f *framer.Framer, t framer.Terminator, use borrower) {
		f.SetTerminator(t)
		f.Run(&collected{use: use})
	},
}

// connLoans are the loans of a connection. Each handler sends what it is lent.
var connLoans = map[string]func(t framer.Terminator, use borrower) func(*framer.Conn) framer.Handler{
	"CollectIncomingData": func(t framer.Terminator, use borrower) func(*framer.Conn) framer.Handler {
		return func(c *framer.Conn) framer.Handler {
			c.SetTerminator(t)
			return pieces{sending(c, use)}
		}
	},
	"Bytes": func(t framer.Terminator, use borrower) func(*framer.Conn) framer.Handler {
		return func(c *framer.Conn) framer.Handler {
			c.SetTerminator(t)
			return &collected{use: sending(c, use)}
		}
	},
	"Bytes, until HandleReadComplete": func(t framer.Terminator, use borrower) func(*framer.Conn) framer.Handler {
		return func(c *framer.Conn) framer.Handler {
			c.SetTerminator(t)
			return &collectedReads{collected{use: sending(c, use)}}
		}
	},
	"Messages": func(t framer.Terminator, use borrower) func(*framer.Conn) framer.Handler {
		return framer.Messages(t, func(c *framer.Conn, msg []byte) error {
			sending(c, use)(msg)
			return nil
		})
	},
	"Replies, msg": func(t framer.Terminator, use borrower) func(*framer.Conn) framer.Handler {
		return framer.Replies(t, func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
			use(msg)
			return append(reply, msg...), nil
		})
	},
	"Replies, reply": func(t framer.Terminator, use borrower) func(*framer.Conn) framer.Handler {
		return framer.Replies(t, func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
			reply = append(reply, msg...)
			use(reply)
			return reply, nil
		})
	},
	"Session": func(t framer.Terminator, use borrower) func(*framer.Conn) framer.Handler {
		return framer.Session(func(c *framer.Conn) error {
			for {
				msg, err := c.Next(t)
				sending(c, use)(msg)
				if err != nil {
					return err
				}
			}
		})
	},
	"Session, NextReader": func(t framer.Terminator, use borrower) func(*framer.Conn) framer.Handler {
		return framer.Session(func(c *framer.Conn) error {
			for {
				r, err := c.NextReader(t)
				if err != nil {
					return err
				}
				io.Copy(writer(sending(c, use)), r)
			}
		})
	},
}

// sending returns use, and pushes what is lent before.
func sending(c *framer.Conn, use borrower) borrower {
	return func(lent []byte) {
		c.Push(lent)
		use(lent)
	}
}

// A writer is an [io.Writer] that is lent what is written.
type writer borrower

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// pieces are lent by CollectIncomingData.
type pieces struct{ use borrower }

func (p pieces) CollectIncomingData(data []byte) error {
	p.use(data)
	return nil
}

func (p pieces) FoundTerminator() error { return nil }

// collected are messages of a Collector, which are lent until its Reset.
type collected struct {
	framer.Collector
	use borrower
}

func (c *collected) FoundTerminator() error {
	c.use(c.Bytes())
	c.Reset()
	return nil
}

// collectedReads are messages of a Collector that is Reset when all was read.
type collectedReads struct{ collected }

func (c *collectedReads) FoundTerminator() error { return nil }

func (c *collectedReads) HandleReadComplete() error { return c.collected.FoundTerminator() }

// loanInputs are inputs of whole messages of one or more bytes.
var loanInputs = map[string]struct {
	t        framer.Terminator
	input    string
	messages string // joined
	cfg      framer.Config
}{
	"Delimiter":    {t: framer.Delimiter("\r\n"), input: "ab\r\nc\r\ndef\r\n", messages: "abcdef"},
	"AnyDelimiter": {t: framer.AnyDelimiter("\r\n", "\n"), input: "ab\r\nc\ndef\n", messages: "abcdef"},
	"FixedLength":  {t: framer.FixedLength(3), input: "abcdef", messages: "abcdef"},
	"LengthPrefix": {t: framer.LengthPrefix(framer.Prefix{Size: 1}), input: "\x02ab\x01c\x03def", messages: "abcdef"},
	"DotBlock":     {t: framer.DotBlock(), input: "..a\r\n.\r\nb\r\n.\r\n", messages: ".a\r\nb\r\n"},
	"Split":        {t: framer.Split(bufio.ScanWords), input: "ab c def ", messages: "abcdef"},
	// These are read to where they belong.
	"small buffer": {t: framer.FixedLength(20), input: strings.Repeat("abcdefghij", 4), messages: strings.Repeat("abcdefghij", 4), cfg: framer.Config{ReadBufferSize: 4}},
}

// Whoever keeps what was lent has nothing but poison, wherever the input was cut, and
// whoever copies it in time is left alone.
func TestPoisonOfAllLoans(t *testing.T) {
	for name, in := range loanInputs {
		lenders := make(map[string]func(r io.Reader, use borrower))
		for loan, read := range framerLoans {
			lenders["Framer/"+loan] = func(r io.Reader, use borrower) { read(framer.NewFramer(r, &in.cfg), in.t, use) }
		}
		for loan, newHandler := range connLoans {
			lenders["Conn/"+loan] = func(r io.Reader, use borrower) {
				framertest.Transcript(newHandler(in.t, use), &in.cfg)(r)
			}
		}
		for _, loan := range slices.Sorted(maps.Keys(lenders)) {
			t.Run(name+"/"+loan, func(t *testing.T) {
				framertest.Recut(t, []byte(in.input), func(r io.Reader) string {
					var kept, copied [][]byte
					lenders[loan](r, func(lent []byte) {
						kept = append(kept, lent)
						copied = append(copied, bytes.Clone(lent))
					})
					wantPoison(t, kept)
					if got := string(bytes.Join(copied, nil)); got != in.messages && !t.Failed() {
						t.Errorf("the messages are %q, want %q", got, in.messages)
					}
					return ""
				})
			})
		}
	}
}

// wantPoison fails the test, once, if there is something else in what was kept.
func wantPoison(t *testing.T, kept [][]byte) {
	t.Helper()
	all := bytes.Join(kept, nil)
	if t.Failed() {
		return
	}
	if len(all) == 0 {
		t.Error("nothing was lent")
	}
	if slices.ContainsFunc(all, func(b byte) bool { return b < 0xf5 }) {
		t.Errorf("what was kept is %q", kept)
	}
}

// An unfinished message, and the last one of a Session, are lent as well.
func TestPoisonOfLastLoans(t *testing.T) {
	line := framer.Delimiter("\n")
	tests := map[string]func(r io.Reader, use borrower){
		"Next": func(r io.Reader, use borrower) {
			f := framer.NewFramer(r, nil)
			msg, err := f.Next(line)
			use(msg)
			if err != io.ErrUnexpectedEOF {
				t.Errorf("the error is %v", err)
			}
			f.Next(line)
		},
		"All": func(r io.Reader, use borrower) {
			f := framer.NewFramer(r, nil)
			for msg := range f.All(line) {
				use(msg)
			}
			f.Next(line)
		},
		"Session": func(r io.Reader, use borrower) {
			framertest.Transcript(framer.Session(func(c *framer.Conn) error {
				msg, _ := c.Next(line)
				use(msg)
				return nil
			}), nil)(r)
		},
		"Session, closed": func(r io.Reader, use borrower) {
			framertest.Transcript(framer.Session(func(c *framer.Conn) error {
				msg, _ := c.Next(framer.FixedLength(3))
				use(msg)
				c.CloseWhenDone()
				c.Next(framer.FixedLength(3))
				if !bytes.Equal(msg, bytes.Repeat(msg[:1], 3)) {
					t.Errorf("after CloseWhenDone and Next it is still %q", msg)
				}
				return nil
			}), nil)(r)
		},
		"Messages, panic": func(r io.Reader, use borrower) {
			framertest.Transcript(framer.Messages(framer.FixedLength(3), func(c *framer.Conn, msg []byte) error {
				use(msg)
				panic("on purpose")
			}), nil)(r)
		},
		"Replies, panic": func(r io.Reader, use borrower) {
			framertest.Transcript(framer.Replies(framer.FixedLength(3), func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
				use(msg)
				use(append(reply, msg...))
				panic("on purpose")
			}), nil)(r)
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			framertest.Recut(t, []byte("abc"), func(r io.Reader) string {
				var kept [][]byte
				test(r, func(lent []byte) { kept = append(kept, lent) })
				wantPoison(t, kept)
				return ""
			})
		})
	}
}

// A message that is the answer's own memory, and not the reply that was lent, stays as
// it is.
func TestPoisonSparesOthers(t *testing.T) {
	own := []byte("own")
	transcript := framertest.Transcript(framer.Replies(framer.FixedLength(1), func(*framer.Conn, []byte, []byte) ([]byte, error) {
		return own, nil
	}), nil)
	want := "rest \"\"\nsent \"ownown\"\nend <nil>\n"
	if got := transcript(strings.NewReader("ab")); got != want || string(own) != "own" {
		t.Errorf("the transcript is\n%s\nwant\n%s\nand the answer is %q", got, want, own)
	}

	// A token may be a constant of its split function.
	token := []byte("token")
	var got string
	framertest.Recut(t, []byte("ab"), func(r io.Reader) string {
		f := framer.NewFramer(r, nil)
		f.SetTerminator(framer.Split(func(data []byte, atEOF bool) (int, []byte, error) {
			return min(1, len(data)), token[:min(len(token), len(token)*len(data))], nil
		}))
		h := &collected{use: func(lent []byte) { got += string(lent) }}
		f.Run(h)
		return ""
	})
	if string(token) != "token" || !strings.HasPrefix(got, "tokentoken") {
		t.Errorf("the token is %q, and %q was found", token, got)
	}
}

// Poison is for all connections, whatever they wait for, and for the handlers of
// package framer that are wrapped after it.
func TestPoisonOfConnections(t *testing.T) {
	for _, loan := range slices.Sorted(maps.Keys(connLoans)) {
		t.Run(loan, func(t *testing.T) {
			var kept [][]byte
			newHandler := connLoans[loan](framer.Delimiter("\n"), func(lent []byte) { kept = append(kept, lent) })
			peer, nc := tcpPair(t)
			defer peer.Close()
			c := framer.NewConn(nc, framertest.Poison(newHandler), &framer.Config{Logger: slog.New(slog.DiscardHandler)})
			served := make(chan error, 1)
			go func() { served <- c.Serve(t.Context()) }()
			framertest.Play(t, peer,
				framertest.Send("ab\nc"), framertest.Expect("ab"), // now it waits for the rest
				framertest.Send("d\nef\n"), framertest.Expect("cdef"),
				framertest.Close())
			if err := <-served; err != nil {
				t.Errorf("Serve: %v", err)
			}
			wantPoison(t, kept)
		})
	}
}

// A handler is its own under Poison: others find it where they look for it.
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
