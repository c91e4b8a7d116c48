// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A fakeTB is a testing.TB that records failures.
type fakeTB struct {
	testing.TB // nil, so that other methods panic
	failures   []string
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Errorf(format string, args ...any) {
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}

// wantFailures fails the test unless the number of failures is that of texts, and each
// failure contains its text.
func (f *fakeTB) wantFailures(t *testing.T, texts ...string) {
	t.Helper()
	if len(f.failures) != len(texts) {
		t.Fatalf("%d failures, want %d:\n%s", len(f.failures), len(texts), strings.Join(f.failures, "\n"))
	}
	for i, text := range texts {
		if !strings.Contains(f.failures[i], text) {
			t.Errorf("the failure is\n%s\nwant\n%s", f.failures[i], text)
		}
	}
}

// reads reads r to the end and returns the pieces.
func reads(r io.Reader) (pieces []string) {
	buf := make([]byte, 10_000)
	for {
		n, err := r.Read(buf)
		if err != nil {
			return pieces
		}
		pieces = append(pieces, string(buf[:n]))
	}
}

// cutsOf returns how Recut cuts input, as the sizes of the pieces. It leaves out the
// uncut input.
func cutsOf(t *testing.T, input []byte) (ways [][]int) {
	t.Helper()
	var tb fakeTB
	framertest.Recut(&tb, input, func(r io.Reader) string {
		var sizes []int
		pieces := reads(r)
		for _, piece := range pieces {
			sizes = append(sizes, len(piece))
		}
		if len(sizes) > 1 {
			ways = append(ways, sizes)
		}
		return strings.Join(pieces, "")
	})
	tb.wantFailures(t)
	return ways
}

// distinct returns how many different ways there are.
func distinct(ways [][]int) int {
	set := make(map[string]bool)
	for _, way := range ways {
		set[fmt.Sprint(way)] = true
	}
	return len(set)
}

// A short input is cut in every way, once. These are 2^(n-1)-1 ways, and few cuts come
// first. The uncut input is not counted.
func TestRecutIsExhaustive(t *testing.T) {
	for n := range 13 {
		ways := cutsOf(t, make([]byte, n))
		want := 0
		if n > 0 {
			want = 1<<(n-1) - 1
		}
		if len(ways) != want || distinct(ways) != want {
			t.Errorf("%d bytes: %d ways, %d of them distinct; want %d", n, len(ways), distinct(ways), want)
		}
		if !slices.IsSortedFunc(ways, func(a, b []int) int { return len(a) - len(b) }) {
			t.Errorf("%d bytes: a way with fewer cuts comes after one with more", n)
		}
	}
}

// A long input is cut once at every place, at all places, and at random places. The
// random places are the same each time. Some give few pieces and some give many.
func TestRecutOfLongInput(t *testing.T) {
	t.Parallel()
	for _, n := range []int{13, 100, 2048, 2049, 10_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			ways := cutsOf(t, make([]byte, n))
			if again := cutsOf(t, make([]byte, n)); !slices.EqualFunc(ways, again, slices.Equal) {
				t.Error("the ways are others in the second run")
			}
			singles := make(map[int]bool)
			var few, many int
			for _, way := range ways {
				switch pieces := len(way); {
				case pieces == 2:
					singles[way[0]] = true
				case pieces < 10:
					few++
				case pieces > n/4:
					many++
				}
			}
			first := 0
			if n <= 2048 {
				first = n - 1
				if len(singles) != n-1 {
					t.Errorf("a single cut at %d of %d places", len(singles), n-1)
				}
			}
			if got := len(ways[first]); got != n {
				t.Errorf("the first way of many pieces has %d, want %d", got, n)
			}
			if few == 0 || many == 0 {
				t.Errorf("%d ways have few pieces, %d have many", few, many)
			}
		})
	}
}

// If a function depends on cuts, Recut reports a smallest cut.
func TestRecutFindsSmallestCut(t *testing.T) {
	long := strings.Repeat("x", 3000)
	tests := []struct {
		name  string
		input string
		f     func(io.Reader) string
		want  string
	}{
		{
			name:  "a delimiter that is looked for in each piece",
			input: "ab\r\ncd\r\n",
			f: func(r io.Reader) string {
				var lines int
				for _, piece := range reads(r) {
					lines += strings.Count(piece, "\r\n")
				}
				return fmt.Sprintln(lines, "lines")
			},
			want: "the cut makes a difference: \"ab\\r\" | \"\\ncd\\r\\n\"\n--- whole\n2 lines\n\n--- cut\n1 lines\n",
		},
		{
			name:  "two cuts",
			input: "abcdefgh",
			f:     func(r io.Reader) string { return fmt.Sprint(slices.Contains(reads(r), "de")) },
			want:  `the cut makes a difference: "abc" | "de" | "fgh"`,
		},
		{
			name:  "many pieces",
			input: "abcdef",
			f:     func(r io.Reader) string { return fmt.Sprint(len(reads(r)) > 3) },
			want:  `the cut makes a difference: "a" | "b" | "c" | "def"`,
		},
		{
			name:  "a long input, cut once",
			input: strings.Repeat("x", 100) + "\r\n" + strings.Repeat("y", 100),
			f:     func(r io.Reader) string { return fmt.Sprint(strings.Contains(strings.Join(reads(r), "|"), "\r\n")) },
			want:  `"` + strings.Repeat("x", 30) + `"..."` + strings.Repeat("x", 29) + `\r" | "\n` + strings.Repeat("y", 29) + `"..."` + strings.Repeat("y", 30) + `"`,
		},
		{
			name:  "a long input, byte by byte",
			input: long + "ab" + long,
			f:     func(r io.Reader) string { return fmt.Sprint(slices.Contains(reads(r), "a")) },
			want:  `xx" | "a" | "bx`,
		},
		{
			name:  "a long input in many pieces",
			input: long,
			f:     func(r io.Reader) string { return fmt.Sprint(len(reads(r)) > 4) },
			want:  `x" | "x`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var tb fakeTB
			framertest.Recut(&tb, []byte(test.input), test.f)
			tb.wantFailures(t, test.want)
			first, _, _ := strings.Cut(tb.failures[0], "\n")
			if test.name == "a long input in many pieces" && strings.Count(first, " | ") != 4 {
				t.Errorf("the cut is not the smallest: %s", first)
			}
		})
	}
}

// No place can be left out of the cut that Recut reports. Some places can be left out
// only after another one: in this test, two places would remain if Recut tried each place
// only once.
func TestRecutShrinksToTheEnd(t *testing.T) {
	places := []int{2, 7, 8, 11}
	wrong := []string{"1111", "1011", "1100", "1010", "0101", "0011", "1000", "0100", "0010"}
	var tb fakeTB
	framertest.Recut(&tb, make([]byte, 3000), func(r io.Reader) string {
		cut := []byte("0000")
		at := 0
		for _, piece := range reads(r) {
			at += len(piece)
			if i := slices.Index(places, at); i >= 0 {
				cut[i] = '1'
			}
		}
		return fmt.Sprint(slices.Contains(wrong, string(cut)))
	})
	tb.wantFailures(t, "the cut makes a difference")
	first, _, _ := strings.Cut(tb.failures[0], "\n")
	if got := strings.Count(first, " | "); got != 1 {
		t.Errorf("%d cuts, want 1: %s", got, first)
	}
}

// A very long input is run neither too often nor too rarely.
func TestRecutOfVeryLongInput(t *testing.T) {
	t.Parallel()
	var runs int
	framertest.Recut(t, make([]byte, 1<<20), func(r io.Reader) string {
		runs++
		n, err := io.Copy(io.Discard, r)
		return fmt.Sprint(n, err)
	})
	if runs < 20 || runs > 30 {
		t.Errorf("%d runs, want 20 to 30", runs)
	}
}

// Recut tells a function that is not deterministic from one that depends on cuts.
func TestRecutWantsDeterminism(t *testing.T) {
	var calls int
	var tb fakeTB
	framertest.Recut(&tb, []byte("abc"), func(io.Reader) string {
		calls++
		return fmt.Sprint("call ", calls)
	})
	tb.wantFailures(t, "the same input makes a difference\n--- once\ncall 1\n--- again\ncall 2")
}

// inputs returns short and long inputs, with messages of several kinds.
func inputs() [][]byte {
	var long bytes.Buffer
	for i := 0; long.Len() < 200; i++ {
		fmt.Fprintf(&long, "line %d\r\n%s\n\r", i, strings.Repeat("ab", i%7))
	}
	return [][]byte{
		nil, []byte("\r"), []byte("a"), []byte("\r\n"), []byte("ab\r\n\r\nc\r"), []byte("a\r\r\nbcd\n"),
		long.Bytes(),
	}
}

// What package framer does with its input depends on no cut, for any kind of terminator
// and for messages that are too long.
func TestTranscriptOfTerminators(t *testing.T) {
	t.Parallel()
	terminators := []framer.Terminator{
		framer.None(),
		framer.Delimiter("\r\n"),
		framer.Delimiter("ab"),
		framer.AnyDelimiter("\r\n", "\n", "\r"),
		framer.Length(3),
		framer.FixedLength(5),
		framer.LengthPrefix(framer.Prefix{Size: 1}),
		framer.Split(bufio.ScanWords),
	}
	for _, terminator := range terminators {
		for _, limit := range []int64{4, 0} {
			for i, input := range inputs() {
				t.Run(fmt.Sprintf("%v/limit=%d/%d", terminator, limit, i), func(t *testing.T) {
					newHandler := func(c *framer.Conn) framer.Handler {
						c.SetTerminator(terminator)
						return &echo{Conn: c}
					}
					framertest.Recut(t, input, framertest.Transcript(newHandler, &framer.Config{MaxMessageSize: limit}))
				})
			}
		}
	}
}

// echo sends every message back in brackets.
type echo struct {
	*framer.Conn
	framer.Collector
}

func (e *echo) FoundTerminator() error {
	_, err := fmt.Fprintf(e, "<%s>", e.Take())
	return err
}

func newEchoHandler(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &echo{Conn: c}
}

// greeter has all the optional methods. It goes on after a message that is too long, and
// it ends the connection after "quit".
type greeter struct {
	echo
	closed func(error)
}

func (g *greeter) HandleConnect() error { return g.Push([]byte("welcome ")) }

func (g *greeter) HandleOversize(*framer.MessageTooLongError) error {
	g.Reset()
	return g.Push([]byte("too long "))
}

func (g *greeter) FoundTerminator() error {
	switch string(g.Bytes()) {
	case "quit":
		return g.CloseWhenDone()
	case "fail":
		return errors.New("as you wish")
	case "panic":
		panic("as you wish")
	}
	return g.echo.FoundTerminator()
}

func (g *greeter) HandleClose(err error) { g.closed(err) }

// pipelined answers all messages of a read at once.
type pipelined struct {
	*framer.Conn
	framer.Collector
	answers []byte
}

func (p *pipelined) FoundTerminator() error {
	p.answers = fmt.Appendf(p.answers, "<%s>", p.Take())
	return nil
}

func (p *pipelined) HandleReadComplete() error {
	defer func() { p.answers = nil }()
	return p.Push(p.answers)
}

func newPipelined(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &pipelined{Conn: c}
}

// A transcript shows what the handler was given, what it sent, and how the connection
// ended.
func TestTranscript(t *testing.T) {
	var closed int
	newGreeter := func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter("\r\n"))
		return &greeter{echo{Conn: c}, func(error) { closed++ }}
	}
	tests := []struct {
		name       string
		newHandler func(*framer.Conn) framer.Handler
		input      string
		want       string
	}{
		{"empty", newEchoHandler, "", "rest \"\"\nsent \"\"\nend <nil>\n"},
		{"messages", newEchoHandler, "a\r\n\r\nb\r\n", "message \"a\"\nmessage \"\"\nmessage \"b\"\nrest \"\"\nsent \"<a><><b>\"\nend <nil>\n"},
		{"unfinished", newEchoHandler, "a\r\nb\r", "message \"a\"\nrest \"b\\r\"\nsent \"<a>\"\nend unexpected EOF\n"},
		{"too long", newEchoHandler, "a\r\nabcdefghi\r\n", "message \"a\"\ntoo long \"abcdefgh\"\nrest \"\"\nsent \"<a>\"\nend message too long, limit 8\n"},
		{"optional methods", newGreeter, "abcdefghi\r\na\r\nquit\r\nmore", "too long \"abcdefgh\"\nmessage \"a\"\nmessage \"quit\"\nrest \"\"\nsent \"welcome too long <a>\"\nend <nil>\n"},
		{"HandleReadComplete", newPipelined, "a\r\nb\r\nc", "message \"a\"\nmessage \"b\"\nrest \"c\"\nsent \"<a><b>\"\nend unexpected EOF\n"},
		{"error", newGreeter, "fail\r\na\r\n", "message \"fail\"\nrest \"\"\nsent \"welcome \"\nend as you wish\n"},
		{"panic", newGreeter, "panic\r\na\r\n", "message \"panic\"\nrest \"\"\nsent \"welcome \"\nend framer: panic: as you wish\n"},
		{"Messages", newEcho, "a\r\nb", "rest \"\"\nsent \"a\\r\\n\"\nend unexpected EOF\n"},
		{"Session", framer.Session(func(c *framer.Conn) error {
			line, err := c.Next(framer.Delimiter("\r\n"))
			fmt.Fprintf(c, "%s, %v", line, err)
			return io.ErrNoProgress
		}), "a\r\nb", "rest \"\"\nsent \"a, <nil>\"\nend multiple Read calls return no data or error\n"},
		{"no handler", func(*framer.Conn) framer.Handler { return nil }, "a", "rest \"\"\nsent \"\"\nend framer: a connection without a Handler\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			closed = 0
			transcript := framertest.Transcript(test.newHandler, &framer.Config{MaxMessageSize: 8})
			if got := transcript(strings.NewReader(test.input)); got != test.want {
				t.Errorf("the transcript is\n%s\nwant\n%s", got, test.want)
			}
			if strings.Contains(test.want, "welcome") && closed != 1 {
				t.Errorf("HandleClose was called %d times", closed)
			}
			framertest.Recut(t, []byte(test.input), transcript)
		})
	}
}

// tolerant goes on after a message that is too long.
type tolerant struct{ echo }

func (*tolerant) HandleOversize(*framer.MessageTooLongError) error { return nil }

// A tolerantPointer embeds a pointer to a Collector, two levels down.
type tolerantPointer struct{ *tolerantBase }

type tolerantBase struct {
	*framer.Conn
	*framer.Collector
}

func (p *tolerantPointer) FoundTerminator() error {
	_, err := fmt.Fprintf(p, "<%s>", p.Take())
	return err
}

func (*tolerantPointer) HandleOversize(*framer.MessageTooLongError) error { return nil }

// In a transcript an embedded Collector works as in a connection: it is emptied when a
// message is thrown away, and it is bounded under None.
func TestTranscriptOfCollectors(t *testing.T) {
	t.Parallel()
	handlers := map[string]func(*framer.Conn) framer.Handler{
		"field":   func(c *framer.Conn) framer.Handler { return &tolerant{echo{Conn: c}} },
		"pointer": func(c *framer.Conn) framer.Handler { return &tolerantPointer{&tolerantBase{c, new(framer.Collector)}} },
		"value": func(c *framer.Conn) framer.Handler {
			return tolerantValue{tolerantPointer{&tolerantBase{c, new(framer.Collector)}}}
		},
	}
	tests := []struct {
		t     framer.Terminator
		input string
		want  string
	}{
		{framer.Delimiter("\n"), "a\nabcdefghi\nb\n", "message \"a\"\ntoo long \"abcdefgh\"\nmessage \"b\"\nrest \"\"\nsent \"<a><b>\"\nend <nil>\n"},
		{framer.None(), "abcdefgh", "rest \"abcdefgh\"\nsent \"\"\nend <nil>\n"},
		{framer.None(), "abcdefghijkl", "too long \"abcdefgh\"\nrest \"\"\nsent \"\"\nend unexpected EOF\n"},
	}
	for name, newHandler := range handlers {
		for i, test := range tests {
			t.Run(fmt.Sprint(name, "/", i), func(t *testing.T) {
				transcript := framertest.Transcript(func(c *framer.Conn) framer.Handler {
					c.SetTerminator(test.t)
					return newHandler(c)
				}, &framer.Config{MaxMessageSize: 8})
				if got := transcript(strings.NewReader(test.input)); got != test.want {
					t.Errorf("the transcript is\n%s\nwant\n%s", got, test.want)
				}
				framertest.Recut(t, []byte(test.input), transcript)
			})
		}
	}
}

// A tolerantValue is a Handler that is not a pointer.
type tolerantValue struct{ tolerantPointer }

func (v tolerantValue) FoundTerminator() error { return v.tolerantPointer.FoundTerminator() }

func (tolerantValue) HandleOversize(*framer.MessageTooLongError) error { return nil }

// If a handler is wrong at a cut, its transcripts differ: in the messages, or only in the
// output.
func TestTranscriptFindsBugs(t *testing.T) {
	tests := []struct {
		name       string
		newHandler func(*framer.Conn) framer.Handler
		want       string
	}{
		{
			// It takes every piece for a line.
			"Handler", func(c *framer.Conn) framer.Handler { return &pieceEcho{c} },
			"--- whole\nrest \"ab\\r\\n\"\nsent \"ab.\"",
		},
		{
			// Its terminator depends on the size of the piece.
			"terminator", func(c *framer.Conn) framer.Handler {
				c.SetTerminator(framer.Delimiter("\r\n"))
				return &fickle{echo{Conn: c}}
			},
			"\"a\" | \"b\\r\\n\"\n--- whole\nmessage \"ab\"\n",
		},
		{
			"Session", framer.Session(func(c *framer.Conn) error {
				for {
					piece, err := c.Next(framer.None())
					if err != nil {
						return err
					}
					fmt.Fprintf(c, "%d ", bytes.Count(piece, []byte("\r\n")))
				}
			}),
			"\"a\" | \"b\\r\\n\"\n--- whole\nrest \"\"\nsent \"1 \"",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var tb fakeTB
			framertest.Recut(&tb, []byte("ab\r\n"), framertest.Transcript(test.newHandler, nil))
			tb.wantFailures(t, test.want)
		})
	}
}

// A refuser accepts only lines of digits. It checks what one of its methods is given, and
// refuses other input.
type refuser struct {
	*framer.Conn
	framer.Collector
	in     string // the method that checks
	refuse func(c *framer.Conn) error
	lines  []string
}

// look refuses data if method is the one that checks, and data has anything but digits.
func (r *refuser) look(method, data string) error {
	if r.in == method && strings.ContainsFunc(data, func(c rune) bool { return c < '0' || '9' < c }) {
		return r.refuse(r.Conn)
	}
	return nil
}

func (r *refuser) CollectIncomingData(data []byte) error {
	if err := r.look("CollectIncomingData", string(data)); err != nil {
		return err
	}
	return r.Collector.CollectIncomingData(data)
}

func (r *refuser) FoundTerminator() error {
	line := string(r.Take())
	r.lines = append(r.lines, line)
	return r.look("FoundTerminator", line)
}

func (r *refuser) HandleReadComplete() error {
	return r.look("HandleReadComplete", strings.Join(r.lines, ""))
}

func (r *refuser) HandleOversize(*framer.MessageTooLongError) error {
	r.Reset()
	return r.look("HandleOversize", "too long")
}

// A handler that always refuses its input at the same byte does not depend on cuts,
// although the cut decides how much it was given before. This holds for every method that
// can refuse, and every way to refuse.
func TestTranscriptOfRefusals(t *testing.T) {
	t.Parallel()
	ways := []struct {
		name   string
		refuse func(c *framer.Conn) error
		end    string
	}{
		{"error", func(*framer.Conn) error { return errors.New("not a digit") }, "not a digit"},
		{"unexpected EOF", func(*framer.Conn) error { return io.ErrUnexpectedEOF }, "unexpected EOF"},
		{"panic", func(*framer.Conn) error { panic("not a digit") }, "framer: panic: not a digit"},
		{"CloseWhenDone", func(c *framer.Conn) error { return c.CloseWhenDone() }, "<nil>"},
		{"Close", func(c *framer.Conn) error { return c.Close() }, "framer: connection is closed: use of closed network connection"},
		{"all", func(c *framer.Conn) error { c.CloseWhenDone(); return errors.New("not a digit") }, "not a digit"},
	}
	tests := []struct {
		method, input, seen string
	}{
		{"CollectIncomingData", "1\n34x5\n6\n", "message \"1\"\n"},
		{"CollectIncomingData", "1\n34x56", "message \"1\"\n"},
		{"CollectIncomingData", "x\n", ""},
		{"CollectIncomingData", "1\n34567x\nx", "message \"1\"\ntoo long \"34567\"\n"},
		{"CollectIncomingData", strings.Repeat("1\n", 9) + "234x5" + strings.Repeat("6\n", 9), strings.Repeat("message \"1\"\n", 9)},
		{"FoundTerminator", "1\n34x5\n6\n7", "message \"1\"\nmessage \"34x5\"\n"},
		{"HandleReadComplete", "1\n2x\n3\n45", ""},
		{"HandleOversize", "1\n345678\n9", "message \"1\"\ntoo long \"34567\"\n"},
	}
	for _, way := range ways {
		for i, test := range tests {
			t.Run(fmt.Sprintf("%s/%s/%d", way.name, test.method, i), func(t *testing.T) {
				transcript := framertest.Transcript(func(c *framer.Conn) framer.Handler {
					c.SetTerminator(framer.Delimiter("\n"))
					return &refuser{Conn: c, in: test.method, refuse: way.refuse}
				}, &framer.Config{MaxMessageSize: 5})
				want := test.seen + "rest \"\"\nsent \"\"\nend " + way.end + "\n"
				if got := transcript(strings.NewReader(test.input)); got != want {
					t.Errorf("the transcript is\n%s\nwant\n%s", got, want)
				}
				framertest.Recut(t, []byte(test.input), transcript)
			})
		}
	}
}

// refusing returns handlers of lines that call collect for each piece.
func refusing(collect func(r *refuser, data []byte) error) func(*framer.Conn) framer.Handler {
	return func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter("\n"))
		return &pieceRefuser{refuser{Conn: c}, collect}
	}
}

type pieceRefuser struct {
	refuser
	collect func(r *refuser, data []byte) error
}

func (p *pieceRefuser) CollectIncomingData(data []byte) error {
	if err := p.collect(&p.refuser, data); err != nil {
		return err
	}
	return p.refuser.CollectIncomingData(data)
}

// There are other ways to refuse that depend on no cut.
func TestTranscriptOfOtherRefusals(t *testing.T) {
	t.Parallel()
	refusal := errors.New("not a digit")
	tests := map[string]func(*framer.Conn) framer.Handler{
		"Messages": framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, line []byte) error {
			if bytes.ContainsRune(line, 'x') {
				return refusal
			}
			return c.Push(line)
		}),
		"Messages, panic": framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, line []byte) error {
			if bytes.ContainsRune(line, 'x') {
				panic(refusal)
			}
			return c.Push(line)
		}),
		"Session": framer.Session(func(c *framer.Conn) error {
			for {
				piece, err := c.Next(framer.None())
				if err != nil {
					return err
				}
				before, _, refused := bytes.Cut(piece, []byte("x"))
				c.Push(before)
				if refused {
					return refusal
				}
			}
		}),
		"newHandler": func(*framer.Conn) framer.Handler { panic(refusal) },
		"the output of accepted bytes": refusing(func(r *refuser, data []byte) error {
			before, _, refused := bytes.Cut(data, []byte("x"))
			r.Push(before)
			if refused {
				return refusal
			}
			return nil
		}),
		"a terminator that is refused": refusing(func(r *refuser, data []byte) error {
			if bytes.ContainsRune(data, 'x') {
				r.SetTerminator(framer.Length(-1))
			}
			return nil
		}),
	}
	for name, newHandler := range tests {
		t.Run(name, func(t *testing.T) {
			for _, input := range []string{"12\n34x5\n6\n", "12\n34x56", "x", "1\n2\n345\n6x7\n8\n9\n0"} {
				framertest.Recut(t, []byte(input), framertest.Transcript(newHandler, nil))
			}
		})
	}
}

// If a handler refuses at one cut what it accepts at another, Recut reports it.
func TestTranscriptFindsWrongRefusals(t *testing.T) {
	refusal := errors.New("not a digit")
	tests := []struct {
		name    string
		collect func(r *refuser, data []byte) error
		want    string
	}{
		{
			"looks only at the first byte", func(_ *refuser, data []byte) error {
				if data[0] == 'x' {
					return refusal
				}
				return nil
			},
			"\"1\\n2\" | \"x3\\n4\"\n--- whole\nmessage \"1\"\nmessage \"2x3\"\nrest \"4\"\nsent \"\"\nend unexpected EOF\n\n--- cut\nmessage \"1\"\nrest \"\"\nsent \"\"\nend not a digit\n",
		},
		{
			"closes only at the first byte", func(r *refuser, data []byte) error {
				if data[0] == 'x' {
					return r.CloseWhenDone()
				}
				return nil
			},
			"--- cut\nmessage \"1\"\nrest \"\"\nsent \"\"\nend <nil>\n",
		},
		{
			"takes a short piece for the whole", func(_ *refuser, data []byte) error {
				if len(data) < 2 && data[0] == '2' {
					return refusal
				}
				return nil
			},
			"\"1\\n2\" | \"x3\\n4\"\n--- whole\n",
		},
		{
			"forgets what is before", func(r *refuser, data []byte) error {
				if bytes.ContainsRune(data, 'x') {
					return refusal
				}
				return r.Push(data)
			},
			"sent \"1\"\nend not a digit\n\n--- cut\nmessage \"1\"\nrest \"\"\nsent \"12\"\nend not a digit\n",
		},
		{
			"has another reason", func(_ *refuser, data []byte) error {
				if i := bytes.IndexByte(data, 'x'); i >= 0 {
					return fmt.Errorf("not a digit at %d", i)
				}
				return nil
			},
			"end not a digit at 1\n\n--- cut\nmessage \"1\"\nrest \"\"\nsent \"\"\nend not a digit at 0\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var tb fakeTB
			framertest.Recut(&tb, []byte("1\n2x3\n4"), framertest.Transcript(refusing(test.collect), nil))
			tb.wantFailures(t, test.want)
		})
	}
}

// pieceEcho looks for line ends in each piece, which is wrong.
type pieceEcho struct{ *framer.Conn }

func (e *pieceEcho) CollectIncomingData(data []byte) error {
	if line, ok := bytes.CutSuffix(data, []byte("\r\n")); ok {
		return e.Push(append(line, '.'))
	}
	return nil
}

func (e *pieceEcho) FoundTerminator() error { return nil }

// fickle changes its terminator after a piece of one byte.
type fickle struct{ echo }

func (f *fickle) CollectIncomingData(data []byte) error {
	if len(data) == 1 {
		f.SetTerminator(framer.Delimiter("\n"))
	}
	return f.echo.CollectIncomingData(data)
}

// Transcript does not log the errors of its many runs, unless cfg has a Logger.
func TestTranscriptLogs(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		var logged syncBuffer
		logger := slog.New(slog.NewTextHandler(&logged, nil))
		cfg := new(framer.Config)
		if wanted {
			cfg.Logger = logger
		}
		before := slog.Default()
		slog.SetDefault(logger)
		framertest.Transcript(framer.Session(func(*framer.Conn) error { return errors.New("bad") }), cfg)(strings.NewReader(""))
		slog.SetDefault(before)
		if got := logged.Len() > 0; got != wanted {
			t.Errorf("logged: %t, want %t", got, wanted)
		}
		if !wanted && cfg.Logger != nil {
			t.Error("the caller's Config was changed")
		}
	}
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Len()
}

// In a message that begins with its length, reads may also cut the length.
func TestRecutLengthPrefix(t *testing.T) {
	var input []byte
	for _, s := range []string{"ab", "", "c"} {
		input = binary.BigEndian.AppendUint16(input, uint16(len(s)))
		input = append(input, s...)
	}
	var last string
	transcript := framertest.Transcript(func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.LengthPrefix(framer.Prefix{Size: 2}))
		return &echo{Conn: c}
	}, nil)
	framertest.Recut(t, input, func(r io.Reader) string {
		last = transcript(r)
		return last
	})
	if want := "sent \"<ab><><c>\"\n"; !strings.Contains(last, want) {
		t.Errorf("the transcript is\n%s\nwant\n%s", last, want)
	}
}

// BenchmarkRecut measures the cost of one call of Recut.
func BenchmarkRecut(b *testing.B) {
	for _, size := range []int{12, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			input := bytes.Repeat([]byte("0123456789abcd\r\n"), 1+size/16)[:size]
			for b.Loop() {
				framertest.Recut(b, input, framertest.Transcript(newEchoHandler, nil))
			}
		})
	}
}
