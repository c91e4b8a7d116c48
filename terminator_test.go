// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/goframer/framer"
)

// A rule is a terminator and a naive description of it, which sees the whole
// input: cut takes the first message off a rest of the input.
type rule struct {
	terminator framer.Terminator
	cut        func(rest string) cutting
	once       bool  // None follows, as after a Length
	limit      int64 // as in Terminator.Limit
}

// limited returns r with a limit of its own.
func (r rule) limited(n int64) rule {
	r.terminator, r.limit = r.terminator.Limit(n), n
	return r
}

// limitOr returns the limit of r, where MaxMessageSize is limit. Negative is none.
func (r rule) limitOr(limit int64) int64 {
	if r.limit != 0 && r.terminator != framer.None() {
		return r.limit
	}
	return limit
}

// A cutting is what a rule makes of the rest of an input.
type cutting struct {
	message string // as far as it has come
	after   string // the input after the message
	delim   string // that ended the message, as Matched tells
	size    int64  // of the message, as far as it is known
	err     error  // nil, or why the message is not complete
}

// complete cuts a message of n bytes, with drop bytes after it.
func complete(rest string, n, drop int) cutting {
	return cutting{message: rest[:n], delim: rest[n : n+drop], after: rest[n+drop:], size: int64(n)}
}

// unfinished is for a rest without an end.
func unfinished(rest string) cutting {
	if rest == "" {
		return cutting{err: io.EOF}
	}
	return cutting{message: rest, size: int64(len(rest)), err: io.ErrUnexpectedEOF}
}

func noneRule() rule {
	return rule{terminator: framer.None(), cut: func(rest string) cutting {
		return cutting{message: rest, err: io.EOF}
	}}
}

func delimiterRule(delim string) rule {
	return rule{terminator: framer.Delimiter(delim), cut: func(rest string) cutting {
		message, _, found := strings.Cut(rest, delim)
		if !found {
			return unfinished(rest)
		}
		return complete(rest, len(message), len(delim))
	}}
}

func anyDelimiterRule(delims ...string) rule {
	return rule{terminator: framer.AnyDelimiter(delims...), cut: func(rest string) cutting {
		for i := range rest {
			longest := 0
			for _, delim := range delims {
				if strings.HasPrefix(rest[i:], delim) {
					longest = max(longest, len(delim))
				}
			}
			if longest > 0 {
				return complete(rest, i, longest)
			}
		}
		return unfinished(rest)
	}}
}

func cutLength(n int64) func(rest string) cutting {
	return func(rest string) cutting {
		if int64(len(rest)) < n {
			return unfinished(rest)
		}
		return complete(rest, int(n), 0)
	}
}

func lengthRule(n int64) rule {
	return rule{terminator: framer.Length(n), cut: cutLength(n), once: true}
}

func fixedLengthRule(n int64) rule {
	return rule{terminator: framer.FixedLength(n), cut: cutLength(n)}
}

func scanLinesRule() rule {
	return rule{terminator: framer.Split(bufio.ScanLines), cut: func(rest string) cutting {
		if rest == "" {
			return unfinished(rest)
		}
		line, after, _ := strings.Cut(rest, "\n")
		line = strings.TrimSuffix(line, "\r")
		return cutting{message: line, after: after, size: int64(len(line))}
	}}
}

func scanWordsRule() rule {
	return rule{terminator: framer.Split(bufio.ScanWords), cut: func(rest string) cutting {
		const space = " \r\n"
		rest = strings.TrimLeft(rest, space)
		i := strings.IndexAny(rest, space)
		switch {
		case rest == "":
			return unfinished(rest)
		case i < 0:
			return complete(rest, len(rest), 0)
		}
		return cutting{message: rest[:i], after: rest[i+1:], size: int64(i)}
	}}
}

func dotBlockRule() rule {
	return rule{terminator: framer.DotBlock(), cut: func(rest string) cutting {
		if rest == "" {
			return unfinished(rest)
		}
		var message strings.Builder
		for {
			line, after, found := strings.Cut(rest, "\r\n")
			switch {
			case !found:
				message.WriteString(strings.TrimPrefix(line, "."))
				return cutting{message: message.String(), size: int64(message.Len()), err: io.ErrUnexpectedEOF}
			case line == ".":
				return cutting{message: message.String(), delim: ".\r\n", after: after, size: int64(message.Len())}
			}
			message.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
			rest = after
		}
	}}
}

func prefixRule(p framer.Prefix) rule {
	return rule{terminator: framer.LengthPrefix(p), cut: func(rest string) cutting {
		header, length, err := naiveHeader(p, rest)
		switch {
		case err == io.ErrUnexpectedEOF && p.Keep:
			return unfinished(rest)
		case err != nil:
			return cutting{err: err}
		}
		size, ok := naiveSum(length, p.Adjustment)
		if !ok {
			return cutting{err: framer.ErrBadPrefix}
		}
		body := rest[header:]
		if p.Keep {
			body = rest
			size, _ = naiveSum(uint64(size), int64(header))
		}
		if int64(len(body)) < size {
			return cutting{message: body, size: size, err: io.ErrUnexpectedEOF}
		}
		return complete(body, int(size), 0)
	}}
}

// naiveHeader returns the size of the header that rest begins with, and the
// length in it.
func naiveHeader(p framer.Prefix, rest string) (size int, length uint64, err error) {
	if rest == "" {
		return 0, 0, io.EOF
	}
	if len(rest) <= p.Offset {
		return 0, 0, io.ErrUnexpectedEOF
	}
	field := []byte(rest[p.Offset:])
	if p.Size == framer.Uvarint {
		r := bytes.NewReader(field)
		length, err := binary.ReadUvarint(r)
		switch {
		case err == io.ErrUnexpectedEOF:
			return 0, 0, err
		case err != nil:
			return 0, 0, framer.ErrBadPrefix
		}
		return len(rest) - r.Len(), length, nil
	}
	if len(field) < p.Size {
		return 0, 0, io.ErrUnexpectedEOF
	}
	full := make([]byte, 8)
	if p.LittleEndian {
		copy(full, field[:p.Size])
		length = binary.LittleEndian.Uint64(full)
	} else {
		copy(full[8-p.Size:], field[:p.Size])
		length = binary.BigEndian.Uint64(full)
	}
	return p.Offset + p.Size, length, nil
}

// naiveSum returns length+n, capped at the greatest int64.
func naiveSum(length uint64, n int64) (sum int64, ok bool) {
	exact := new(big.Int).SetUint64(length)
	exact.Add(exact, big.NewInt(n))
	if exact.Sign() < 0 {
		return 0, false
	}
	if !exact.IsInt64() {
		return math.MaxInt64, true
	}
	return exact.Int64(), true
}

// An outcome is what comes of an input.
type outcome struct {
	Messages []string // tooLong in place of those that are
	Tail     string   // of the unfinished message
	Err      error
	Delims   []string // that ended the messages, but for those that are too long
}

const tooLong = "(too long)"

func (o outcome) equal(p outcome) bool {
	return diffStrings(o.Messages, p.Messages) == "" && o.Tail == p.Tail && o.Err == p.Err &&
		(o.Delims == nil || p.Delims == nil || slices.Equal(o.Delims, p.Delims))
}

// A program is the rules of a conversation: each message is under the next one.
// The last one stays.
type program []rule

func (p program) rule(k int) rule {
	switch {
	case k < len(p):
		return p[k]
	case p[len(p)-1].once:
		return noneRule()
	}
	return p[len(p)-1]
}

// outcome is what the naive rules make of input. A message that is too long is
// passed over and does not count in the program.
func (p program) outcome(input string, limit int64) outcome {
	var o outcome
	for k := 0; ; {
		r := p.rule(k)
		c := r.cut(input)
		most := r.limitOr(limit)
		long := most >= 0 && c.size > most && r.terminator != framer.None()
		if long {
			o.Messages = append(o.Messages, tooLong)
		}
		if c.err != nil {
			o.Err = c.err
			if !long {
				o.Tail = c.message
			}
			return o.withoutEOF()
		}
		if !long {
			o.Messages = append(o.Messages, c.message)
			o.Delims = append(o.Delims, c.delim)
			k++
		}
		input = c.after
	}
}

func (o outcome) withoutEOF() outcome {
	if o.Err == io.EOF {
		o.Err = nil
	}
	return o
}

// run is what a Framer makes of r.
func (p program) run(r io.Reader, cfg framer.Config) outcome {
	f := framer.NewFramer(r, &cfg)
	h := &programHandler{f: f, program: p, cfg: cfg}
	if err := f.SetTerminator(p[0].terminator); err != nil {
		return outcome{Err: err}
	}
	err := f.Run(h)
	if errors.Is(err, framer.ErrBadPrefix) {
		err = framer.ErrBadPrefix
	}
	return outcome{h.messages, string(h.current), err, h.delims}
}

type programHandler struct {
	f        *framer.Framer
	program  program
	cfg      framer.Config
	found    int
	messages []string
	delims   []string
	current  []byte
}

func (h *programHandler) CollectIncomingData(data []byte) error {
	switch {
	case len(data) == 0:
		return errors.New("an empty piece")
	case len(data) > h.cfg.ReadBufferSize && !strings.HasPrefix(h.f.Terminator().String(), "Split(func)"):
		return fmt.Errorf("a piece of %d bytes", len(data))
	}
	h.current = append(h.current, data...)
	for i := range data {
		data[i] = '!' // which is allowed
	}
	return nil
}

func (h *programHandler) FoundTerminator() error {
	h.messages = append(h.messages, string(h.current))
	h.current = h.current[:0]
	h.found++
	delim := h.f.Matched()
	if h.found < len(h.program) {
		if err := h.f.SetTerminator(h.program[h.found].terminator); err != nil {
			return err
		}
	}
	if again := h.f.Matched(); again != delim {
		return fmt.Errorf("Matched is %q, and then %q", delim, again)
	}
	h.delims = append(h.delims, delim)
	return nil
}

func (h *programHandler) HandleOversize(e *framer.MessageTooLongError) error {
	limit := h.program.rule(h.found).limitOr(h.cfg.MaxMessageSize)
	switch {
	case e.Limit != limit, e.Seen <= e.Limit:
		return fmt.Errorf("limit %d, but %+v", limit, e)
	case strings.Contains(e.Error(), "Config.MaxMessageSize") != (h.program.rule(h.found).limit == 0):
		return fmt.Errorf("which limit is it? %w", e)
	case int64(len(h.current)) > e.Limit:
		return fmt.Errorf("%d bytes were given before %w", len(h.current), e)
	case !bytes.HasPrefix(e.Head, h.current[:min(len(h.current), len(e.Head))]):
		return fmt.Errorf("the message began %q: %w", h.current, e)
	}
	h.messages = append(h.messages, tooLong)
	h.current = h.current[:0]
	return nil
}

// cuts yields the ways to cut input into chunks: all of them if it is short,
// otherwise those into two chunks, and into chunks of equal size.
func cuts(input string) iter.Seq[[]string] {
	if len(input) <= 10 {
		return allCuts(input)
	}
	return func(yield func([]string) bool) {
		for i := 1; i <= len(input); i++ {
			if !yield([]string{input[:i], input[i:]}) {
				return
			}
			var chunks []string
			for chunk := range slices.Chunk([]byte(input), i) {
				chunks = append(chunks, string(chunk))
			}
			if !yield(chunks) {
				return
			}
		}
	}
}

func allCuts(input string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for set := range 1 << max(0, len(input)-1) {
			var chunks []string
			start := 0
			for i := range len(input) {
				if i == len(input)-1 || set&(1<<i) != 0 {
					chunks = append(chunks, input[start:i+1])
					start = i + 1
				}
			}
			if !yield(chunks) {
				return
			}
		}
	}
}

// inputs yields all strings of up to n characters of alphabet.
func inputs(alphabet string, n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		level := []string{""}
		for range n + 1 {
			var longer []string
			for _, s := range level {
				if !yield(s) {
					return
				}
				for i := range len(alphabet) {
					longer = append(longer, s+alphabet[i:i+1])
				}
			}
			level = longer
		}
	}
}

// checkEveryCut compares p with the naive rules, however the input is cut, for
// several limits and sizes of the buffer, and with io.EOF in the last read.
func checkEveryCut(t *testing.T, p program, input string, limits ...int64) {
	t.Helper()
	for _, limit := range limits {
		want := p.outcome(input, limit)
		for chunks := range cuts(input) {
			for _, size := range []int{1, 2, 16} {
				if len(chunks) > 1 && size < longest(chunks) {
					continue // as if it were cut there
				}
				cfg := framer.Config{ReadBufferSize: size, MaxMessageSize: limit}
				got := p.run(newChunkReader(chunks...), cfg)
				if !got.equal(want) {
					t.Fatalf("%v, limit %d, buffer of %d, %q:\n got %+q\nwant %+q",
						p[0].terminator, limit, size, chunks, got, want)
				}
			}
			if len(chunks) > 2 {
				continue // the last read is as good as any other
			}
			cfg := framer.Config{ReadBufferSize: 4, MaxMessageSize: limit}
			if got := p.run(endWithData(chunks), cfg); !got.equal(want) {
				t.Fatalf("%v, limit %d, io.EOF with the data, %q:\n got %+q\nwant %+q",
					p[0].terminator, limit, chunks, got, want)
			}
		}
	}
}

// longest returns the length of the longest of chunks.
func longest(chunks []string) (n int) {
	for _, chunk := range chunks {
		n = max(n, len(chunk))
	}
	return n
}

// A terminatorTest has the inputs that are telling for a rule.
type terminatorTest struct {
	rule     rule
	alphabet string
	length   int // of the longest input
}

func terminatorTests() []terminatorTest {
	return []terminatorTest{
		{noneRule(), "ab", 4},
		{delimiterRule("\n"), "x\n", 6},
		{delimiterRule("\r\n"), "x\r\n", 5},
		{delimiterRule("aa"), "ab", 6},
		{delimiterRule("aab"), "ab", 6},
		{delimiterRule("aabaaa"), "ab", 7},
		{anyDelimiterRule("\n"), "x\n", 5},
		{anyDelimiterRule("\n", "\r\n", "\r"), "x\r\n", 5},
		{anyDelimiterRule("a", "ab", "abb"), "ab", 6},
		{anyDelimiterRule("ba", "aab", "aabb"), "ab", 6},
		{anyDelimiterRule("bb", "abaa"), "ab", 6},
		{scanLinesRule(), "x\r\n", 5},
		{dotBlockRule(), ".\r\n", 6},
		{dotBlockRule(), "x.\r\n", 5},
		{scanWordsRule(), "x ", 6},
		{prefixRule(framer.Prefix{Size: 1}), "\x00\x01\x02", 5},
		{prefixRule(framer.Prefix{Size: 1, Keep: true}), "\x00\x01\x02", 5},
		{prefixRule(framer.Prefix{Size: 1, Adjustment: -1}), "\x00\x01\x03", 5},
		{prefixRule(framer.Prefix{Size: 1, Adjustment: -1, Keep: true}), "\x00\x01\x03", 5},
		{prefixRule(framer.Prefix{Size: 1, Adjustment: 2}), "\x00\x01", 6},
		{prefixRule(framer.Prefix{Size: 1, Offset: 2}), "\x00\x02", 6},
		{prefixRule(framer.Prefix{Size: 1, Offset: 1, Keep: true}), "\x00\x02", 6},
		{prefixRule(framer.Prefix{Size: 2}), "\x00\x01", 6},
		{prefixRule(framer.Prefix{Size: 2, LittleEndian: true}), "\x00\x01", 6},
		{prefixRule(framer.Prefix{Size: framer.Uvarint}), "\x00\x02\x80", 5},
		{prefixRule(framer.Prefix{Size: framer.Uvarint, Keep: true}), "\x00\x02\x81", 5},
	}
}

func TestTerminators(t *testing.T) {
	for _, test := range terminatorTests() {
		t.Run(test.rule.terminator.String(), func(t *testing.T) {
			t.Parallel()
			limits := []int64{-1, 3}
			complete := 0
			for input := range inputs(test.alphabet, test.length) {
				if len(input) == test.length { // most of the work: for each, one of the limits
					half := bits.OnesCount(uint(complete)) % 2
					checkEveryCut(t, program{test.rule}, input, limits[half])
					complete++
				} else {
					checkEveryCut(t, program{test.rule}, input, limits...)
				}
				if len(input) < 5 {
					checkEveryCut(t, program{test.rule}, input, 1)
				}
				if len(input) < 4 {
					checkEveryCut(t, program{test.rule.limited(2)}, input, -1, 1, 3)
				} else if len(input) == 4 {
					checkEveryCut(t, program{test.rule.limited(2)}, input, 1)
				}
			}
		})
	}
}

func TestDelimitersAtRandom(t *testing.T) {
	// The inputs are full of beginnings of the delimiter, so that the search has to
	// fall back from one to another.
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		delim := ""
		for range 1 + random.IntN(12) {
			delim += "aaab"[random.IntN(4):][:1]
		}
		input := ""
		for range 8 {
			input += delim[:random.IntN(len(delim)+1)] + "ab"[random.IntN(2):][:1]
		}
		p := program{delimiterRule(delim)}
		want := p.outcome(input, -1)
		for _, size := range []int{1, 5, 100} {
			if got := p.run(strings.NewReader(input), framer.Config{ReadBufferSize: size}); !got.equal(want) {
				t.Fatalf("%q in %q, buffer of %d:\n got %q\nwant %q", delim, input, size, got, want)
			}
		}
	}
}

func TestLengths(t *testing.T) {
	const input = "abcdefghi"
	for n := range int64(len(input)) + 3 {
		checkEveryCut(t, program{lengthRule(n)}, input, -1, max(n, 1))
		if n > 0 {
			checkEveryCut(t, program{fixedLengthRule(n)}, input, -1, n)
		}
	}
	checkEveryCut(t, program{lengthRule(2), lengthRule(0), delimiterRule("g"), lengthRule(1)}, input, -1, 5)
	checkEveryCut(t, program{lengthRule(0), lengthRule(0), lengthRule(0)}, input, -1, 1)
	checkEveryCut(t, program{lengthRule(0)}, "", -1, 1)
}

func TestDataIsGivenEarly(t *testing.T) {
	// want is what is known after every chunk, and at the end.
	tests := []struct {
		terminator framer.Terminator
		chunks     []string
		want       []string
	}{
		{framer.None(), []string{"a", "b"}, []string{"a", "ab", "ab"}},
		{framer.Delimiter("\r\n"), []string{"a\r", "\r", "\nb"}, []string{"a", "a\r", "a\r|b", "a\r|b"}},
		{framer.Delimiter("\r\n"), []string{"a\r"}, []string{"a", "a\r"}},
		{framer.Delimiter("aab"), []string{"aaa", "a", "b"}, []string{"a", "aa", "aa|", "aa|"}},
		{framer.AnyDelimiter("\r", "\r\n"), []string{"a\r", "\nb", "\r", "c"}, []string{"a", "a|b", "a|b", "a|b|c", "a|b|c"}},
		{framer.AnyDelimiter("\r", "\r\n"), []string{"a\r"}, []string{"a", "a|"}},
		{framer.AnyDelimiter("a", "abd", "bc"), []string{"a", "b", "c", "x"}, []string{"", "", "||", "||x", "||x"}},
		{framer.AnyDelimiter("a", "aaab"), []string{"a", "a", "a", "a", "b", "x"}, []string{"", "", "", "|", "||", "||x", "||x"}},
		{framer.AnyDelimiter("ab", "abcd"), []string{"xab", "c", "x"}, []string{"x", "x", "x|cx", "x|cx"}},
		{framer.AnyDelimiter("abcd", "bx"), []string{"ab", "x"}, []string{"", "a|", "a|"}},
		{framer.Length(0), []string{"a"}, []string{"|a", "|a"}},
		{framer.Length(2), []string{"a", "bc"}, []string{"a", "ab|c", "ab|c"}},
		{framer.FixedLength(2), []string{"a", "bc", "d"}, []string{"a", "ab|c", "ab|cd|", "ab|cd|"}},
		{framer.LengthPrefix(framer.Prefix{Size: 2}), []string{"\x00", "\x02a", "b\x00"}, []string{"", "a", "ab|", "ab|"}},
		{framer.LengthPrefix(framer.Prefix{Size: 2, Keep: true}), []string{"\x00", "\x01", "b\x00"},
			[]string{"", "\x00\x01", "\x00\x01b|", "\x00\x01b|\x00"}},
		{framer.Split(bufio.ScanLines), []string{"a", "b\nc"}, []string{"", "ab|", "ab|c|"}},
		{framer.DotBlock(), []string{"a\r", "\n", ".", "\r", "\n", ".", "b", "\r\n", ".\r", "x"},
			[]string{"a\r", "a\r\n", "a\r\n", "a\r\n", "a\r\n|", "a\r\n|", "a\r\n|b", "a\r\n|b\r\n", "a\r\n|b\r\n", "a\r\n|b\r\n\rx", "a\r\n|b\r\n\rx"}},
	}
	for _, test := range tests {
		r := newChunkReader(test.chunks...)
		f := framer.NewFramer(r, nil)
		if err := f.SetTerminator(test.terminator); err != nil {
			t.Fatal(err)
		}
		var h transcript
		var got []string
		first := true
		r.before = func() {
			if !first {
				got = append(got, h.String())
			}
			first = false
		}
		f.Run(&h)
		got = append(got, h.String())
		if diff := diffStrings(test.want, got); diff != "" {
			t.Errorf("%v, %q (-want +got):\n%s", test.terminator, test.chunks, diff)
		}
	}
}

// appendHeader is the header of a message of n bytes.
func appendHeader(p framer.Prefix, n uint64) string {
	header := bytes.Repeat([]byte{'?'}, p.Offset)
	if p.Size == framer.Uvarint {
		return string(binary.AppendUvarint(header, n))
	}
	field := binary.BigEndian.AppendUint64(nil, n)[8-p.Size:]
	if p.LittleEndian {
		slices.Reverse(field)
	}
	return string(append(header, field...))
}

func TestLengthPrefixFormats(t *testing.T) {
	for _, size := range []int{1, 2, 3, 4, 8, framer.Uvarint} {
		for _, offset := range []int{0, 3} {
			for _, adjustment := range []int64{0, 2, -3} {
				for _, little := range []bool{false, true} {
					for _, keep := range []bool{false, true} {
						checkPrefix(t, framer.Prefix{Size: size, LittleEndian: little, Offset: offset, Adjustment: adjustment, Keep: keep})
					}
				}
			}
		}
	}
}

// checkPrefix tries three messages, and what happens if the last one is cut off.
func checkPrefix(t *testing.T, p framer.Prefix) {
	t.Helper()
	input := ""
	var want []string
	for _, message := range []string{"abc", "de", "fghi"} {
		header := appendHeader(p, uint64(int64(len(message))-p.Adjustment))
		input += header + message
		if p.Keep {
			message = header + message
		}
		want = append(want, message)
	}
	rules := program{prefixRule(p)}
	if got := rules.outcome(input, -1); !got.equal(outcome{Messages: want}) {
		t.Fatalf("%+v, %q: the test itself expects %+v", p, input, got)
	}
	checkEveryCut(t, rules, input, -1)
	for n := range len(input) {
		for _, chunks := range [][]string{{input[:n]}, bytewise(input[:n])} {
			for _, limit := range []int64{-1, 2, 3, 4, 8} {
				want := rules.outcome(input[:n], limit)
				got := rules.run(newChunkReader(chunks...), framer.Config{ReadBufferSize: 5, MaxMessageSize: limit})
				if !got.equal(want) {
					t.Fatalf("%+v, limit %d, %q:\n got %+q\nwant %+q", p, limit, chunks, got, want)
				}
			}
		}
	}
}

func TestLengthPrefixWideFields(t *testing.T) {
	// Every byte of the field counts, at its place.
	for _, size := range []int{2, 3, 4, 8} {
		for i := range size {
			for _, little := range []bool{false, true} {
				p := framer.Prefix{Size: size, LittleEndian: little}
				length := uint64(3) << (8 * i)
				f := framer.NewFramer(strings.NewReader(appendHeader(p, length)+"abc"), &framer.Config{MaxMessageSize: 2})
				_, err := f.Next(framer.LengthPrefix(p))
				var long *framer.MessageTooLongError
				if !errors.As(err, &long) || uint64(long.Seen) != length {
					t.Errorf("%+v: length %d: error %v", p, length, err)
				}
			}
		}
	}
}

func TestLengthPrefixHostile(t *testing.T) {
	const u8, u32, u64 = 1, 4, 8
	maxUvarint := strings.Repeat("\xff", 9) + "\x01"
	tests := []struct {
		name    string
		prefix  framer.Prefix
		limit   int64
		input   string
		seen    int64 // of a MessageTooLongError
		wantErr error // otherwise
	}{
		{"2^31", framer.Prefix{Size: u32}, 0, "\x80\x00\x00\x00abc", 1 << 31, nil},
		{"2^32-1", framer.Prefix{Size: u32}, 0, "\xff\xff\xff\xffabc", 1<<32 - 1, nil},
		{"2^31 without a limit", framer.Prefix{Size: u32}, -1, "\x80\x00\x00\x00abc", 0, io.ErrUnexpectedEOF},
		{"2^63-1", framer.Prefix{Size: u64}, 0, "\x7f\xff\xff\xff\xff\xff\xff\xffabc", math.MaxInt64, nil},
		{"2^63", framer.Prefix{Size: u64}, 0, "\x80\x00\x00\x00\x00\x00\x00\x00abc", math.MaxInt64, nil},
		{"2^64-1", framer.Prefix{Size: u64}, 0, "\xff\xff\xff\xff\xff\xff\xff\xffabc", math.MaxInt64, nil},
		{"2^64-1 without a limit", framer.Prefix{Size: u64}, -1, "\xff\xff\xff\xff\xff\xff\xff\xffabc", 0, io.ErrUnexpectedEOF},
		{"2^64-1 with more", framer.Prefix{Size: u64, Adjustment: 5}, 0, "\xff\xff\xff\xff\xff\xff\xff\xffabc", math.MaxInt64, nil},
		{"2^64-1 with the most", framer.Prefix{Size: u64, Adjustment: math.MaxInt32}, 0, "\xff\xff\xff\xff\xff\xff\xff\xffabc", math.MaxInt64, nil},
		{"2^31 less the most", framer.Prefix{Size: u64, Adjustment: math.MinInt32, Keep: true}, 20, "\x00\x00\x00\x00\x80\x00\x00\x0dabc", 21, nil},
		{"2^31-1 less the most", framer.Prefix{Size: u64, Adjustment: math.MinInt32}, 0, "\x00\x00\x00\x00\x7f\xff\xff\xffabc", 0, framer.ErrBadPrefix},
		{"2^63-1 and the header", framer.Prefix{Size: u64, Keep: true}, 0, "\x7f\xff\xff\xff\xff\xff\xff\xffabc", math.MaxInt64, nil},
		{"negative", framer.Prefix{Size: u8, Adjustment: -4}, 0, "\x03abc", 0, framer.ErrBadPrefix},
		{"negative and the header", framer.Prefix{Size: u8, Adjustment: -4, Keep: true}, 0, "\x03abc", 0, framer.ErrBadPrefix},
		{"uvarint 2^64-1", framer.Prefix{Size: framer.Uvarint}, 0, maxUvarint + "abc", math.MaxInt64, nil},
		{"uvarint 2^64", framer.Prefix{Size: framer.Uvarint}, 0, strings.Repeat("\x80", 9) + "\x02abc", 0, framer.ErrBadPrefix},
		{"uvarint of 10 bytes that goes on", framer.Prefix{Size: framer.Uvarint}, 0, strings.Repeat("\x80", 10), 0, framer.ErrBadPrefix},
		{"uvarint of 11 bytes", framer.Prefix{Size: framer.Uvarint}, 0, strings.Repeat("\x80", 10) + "\x01abc", 0, framer.ErrBadPrefix},
		{"uvarint without end", framer.Prefix{Size: framer.Uvarint}, 0, strings.Repeat("\x80", 1000), 0, framer.ErrBadPrefix},
		{"one above the limit", framer.Prefix{Size: u8}, 10, "\x0bxxxxxxxxxxx", 11, nil},
		{"one above the limit, with header", framer.Prefix{Size: u8, Keep: true}, 10, "\x0axxxxxxxxxx", 11, nil},
	}
	for _, test := range tests {
		for _, chunks := range [][]string{{test.input}, bytewise(test.input)} {
			r := newChunkReader(chunks...)
			f := framer.NewFramer(r, &framer.Config{MaxMessageSize: test.limit})
			_, err := f.Next(framer.LengthPrefix(test.prefix))
			var long *framer.MessageTooLongError
			switch {
			case test.wantErr != nil:
				if !errors.Is(err, test.wantErr) {
					t.Errorf("%s: error %v; want %v", test.name, err, test.wantErr)
				}
			case !errors.As(err, &long):
				t.Errorf("%s: error %v; want a MessageTooLongError", test.name, err)
			case long.Seen != test.seen:
				t.Errorf("%s: seen %d; want %d", test.name, long.Seen, test.seen)
			case !strings.HasPrefix(test.input, string(long.Head)):
				t.Errorf("%s: head %q", test.name, long.Head)
			}
			if test.wantErr == nil && len(chunks) > 1 && len(r.chunks) < len("abc") {
				t.Errorf("%s: the message was read before it was refused", test.name)
			}
		}
	}
}

func TestSplitIsScanner(t *testing.T) {
	tests := []struct {
		name     string
		split    bufio.SplitFunc
		alphabet string
		length   int
	}{
		{"ScanLines", bufio.ScanLines, "x\r\n", 5},
		{"ScanWords", bufio.ScanWords, "x \n", 5},
		{"ScanRunes", bufio.ScanRunes, "x\xc3\xa9", 5},
		{"ScanBytes", bufio.ScanBytes, "xy", 5},
		{"fields until !", scanFields, "x,!", 5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			terminator := framer.Split(test.split)
			for input := range inputs(test.alphabet, test.length) {
				var want []string
				s := bufio.NewScanner(strings.NewReader(input))
				s.Split(test.split)
				for s.Scan() {
					want = append(want, s.Text())
				}
				for chunks := range cuts(input) {
					p := program{{terminator: terminator}}
					got := p.run(newChunkReader(chunks...), framer.Config{ReadBufferSize: 2})
					if diff := diffStrings(want, got.Messages); diff != "" || got.Err != s.Err() {
						t.Fatalf("%q, error %v (-want +got):\n%s", chunks, got.Err, diff)
					}
				}
			}
		})
	}
}

// scanFields finds fields that end in a comma, or at the end. A field that is a !
// is the end of the input; it counts itself if there is a comma after it.
func scanFields(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexByte(data, ',')
	switch {
	case i == 1 && data[0] == '!':
		return i + 1, data[:i], bufio.ErrFinalToken
	case i >= 0:
		return i + 1, data[:i], nil
	case !atEOF:
		return 0, nil, nil
	case string(data) == "!":
		return 0, nil, bufio.ErrFinalToken
	}
	return 0, data, bufio.ErrFinalToken
}

func TestSplitSkipping(t *testing.T) {
	// Were it not a loop, so many steps would need gigabytes of stack.
	const size = 8 << 20
	steps := 0
	skip := func(data []byte, atEOF bool) (int, []byte, error) {
		if len(data) == 0 {
			return 0, nil, nil
		}
		steps++
		if data[0] == 'x' {
			return 1, data[:1], nil
		}
		return 1, nil, nil
	}
	input := strings.Repeat(" ", size) + "x"
	f := framer.NewFramer(strings.NewReader(input), &framer.Config{ReadBufferSize: size})
	message, err := f.Next(framer.Split(skip))
	if string(message) != "x" || err != nil || steps != size+1 {
		t.Errorf("message %q, error %v after %d steps", message, err, steps)
	}
	if message, err = f.Next(framer.None()); err != io.EOF {
		t.Errorf("message %q, error %v at the end", message, err)
	}
}

func TestSplitMisbehaves(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name  string
		split bufio.SplitFunc
		want  error
	}{
		{"no token", func([]byte, bool) (int, []byte, error) { return 0, nil, nil }, io.ErrUnexpectedEOF},
		{"empty tokens", func([]byte, bool) (int, []byte, error) { return 0, []byte{}, nil }, nil}, // there may be more input
		{"tokens without advance", func(data []byte, atEOF bool) (int, []byte, error) { return 0, []byte("token"), nil }, nil},
		{"empty tokens at the end", func(_ []byte, atEOF bool) (int, []byte, error) {
			if atEOF {
				return 0, []byte{}, nil
			}
			return 0, nil, nil
		}, io.ErrNoProgress},
		{"tokens after the end", func(data []byte, atEOF bool) (int, []byte, error) {
			if atEOF {
				return len(data), []byte("token"), nil
			}
			return 0, nil, nil
		}, io.ErrNoProgress},
		{"negative", func([]byte, bool) (int, []byte, error) { return -1, nil, nil }, bufio.ErrNegativeAdvance},
		{"a token, and negative", func(data []byte, _ bool) (int, []byte, error) { return -1, data, nil }, bufio.ErrNegativeAdvance},
		{"a token, and too far", func(data []byte, _ bool) (int, []byte, error) { return len(data) + 1, data, nil }, bufio.ErrAdvanceTooFar},
		{"too far", func(data []byte, _ bool) (int, []byte, error) { return len(data) + 1, nil, nil }, bufio.ErrAdvanceTooFar},
		{"error", func([]byte, bool) (int, []byte, error) { return 0, nil, broken }, broken},
	}
	for _, test := range tests {
		f := framer.NewFramer(strings.NewReader("abc"), nil)
		if err := f.SetTerminator(framer.Split(test.split)); err != nil {
			t.Fatal(err)
		}
		var err error
		for range 1000 {
			if _, err = f.Next(f.Terminator()); err != nil {
				break
			}
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: error %v; want %v", test.name, err, test.want)
		}
	}
}

func TestSplitWithoutToken(t *testing.T) {
	// A function that wants more than comes: what has come is not lost.
	never := framer.Split(func([]byte, bool) (int, []byte, error) { return 0, nil, nil })
	p := program{{terminator: never, cut: unfinished}}
	for _, input := range []string{"", "a", "abcdefg"} {
		for chunks := range cuts(input) {
			want := p.outcome(input, -1)
			for _, size := range []int{1, 3, 10} {
				got := p.run(newChunkReader(chunks...), framer.Config{ReadBufferSize: size})
				if !got.equal(want) {
					t.Fatalf("%q: got %+q; want %+q", chunks, got, want)
				}
			}
		}
	}
	// Above the limit and the buffer it is refused.
	const limit, size = 10, 3
	input := strings.Repeat("x", 100)
	r := newChunkReader(bytewise(input)...)
	f := framer.NewFramer(r, &framer.Config{MaxMessageSize: limit, ReadBufferSize: size})
	_, err := f.Next(never)
	var long *framer.MessageTooLongError
	if !errors.As(err, &long) {
		t.Fatalf("error %v; want a MessageTooLongError", err)
	}
	if got := len(input) - len(r.chunks); got != limit+size+1 {
		t.Errorf("%d bytes were read; want %d", got, limit+size+1)
	}
}

func TestTerminatorComparable(t *testing.T) {
	lines := framer.Split(bufio.ScanLines)
	distinct := []framer.Terminator{
		framer.None(),
		framer.Delimiter("a"),
		framer.Delimiter("b"),
		framer.AnyDelimiter("a"),
		framer.AnyDelimiter("a", "b"),
		framer.AnyDelimiter("ab"),
		framer.Length(0),
		framer.Length(1),
		framer.FixedLength(1),
		framer.LengthPrefix(framer.Prefix{Size: 1}),
		framer.LengthPrefix(framer.Prefix{Size: 2}),
		framer.LengthPrefix(framer.Prefix{Size: 2, LittleEndian: true}),
		framer.LengthPrefix(framer.Prefix{Size: 2, Keep: true}),
		framer.LengthPrefix(framer.Prefix{Size: 2, Offset: 1}),
		framer.LengthPrefix(framer.Prefix{Size: 2, Adjustment: 1}),
		lines,
		framer.Split(bufio.ScanLines),
		framer.DotBlock(),
		framer.DotBlock().Limit(1),
		framer.Delimiter("a").Limit(1),
		framer.Delimiter("a").Limit(2),
		framer.Delimiter("a").Limit(-1),
		framer.Length(1).Limit(1),
		lines.Limit(1),
	}
	for i, a := range distinct {
		for j, b := range distinct {
			if (a == b) != (i == j) {
				t.Errorf("%v == %v: %t", a, b, a == b)
			}
		}
	}
	again := []framer.Terminator{
		{},
		framer.Delimiter(string([]byte{'a'})),
		framer.AnyDelimiter([]string{"a", "b"}...),
		framer.Length(1),
		framer.LengthPrefix(framer.Prefix{Size: 2, Offset: 1}),
		lines,
		framer.DotBlock(),
		framer.None().Limit(1),
		framer.Delimiter("a").Limit(1).Limit(0),
		framer.Delimiter("a").Limit(1).Limit(2),
		framer.Delimiter("a").Limit(math.MinInt64),
		framer.Length(1).Limit(1),
		lines.Limit(1),
	}
	for _, a := range again {
		if !slices.Contains(distinct, a) {
			t.Errorf("another %v is not equal", a)
		}
	}
}

func TestTerminatorString(t *testing.T) {
	tests := []struct {
		terminator framer.Terminator
		want       string
	}{
		{framer.Terminator{}, "None()"},
		{framer.Delimiter("\r\n"), `Delimiter("\r\n")`},
		{framer.AnyDelimiter("\n", "\r\n"), `AnyDelimiter("\r\n", "\n")`},
		{framer.Length(5), "Length(5)"},
		{framer.FixedLength(6), "FixedLength(6)"},
		{
			framer.LengthPrefix(framer.Prefix{Size: 4, Offset: 2, Adjustment: -6, Keep: true}),
			"LengthPrefix({Size:4 LittleEndian:false Offset:2 Adjustment:-6 Keep:true})",
		},
		{framer.Split(bufio.ScanLines), "Split(func)"},
		{framer.DotBlock(), "DotBlock()"},
		{framer.Delimiter("\r\n").Limit(512), `Delimiter("\r\n").Limit(512)`},
		{framer.Split(bufio.ScanLines).Limit(-5), "Split(func).Limit(-1)"},
		{framer.None().Limit(5), "None()"},
	}
	for _, test := range tests {
		if got := test.terminator.String(); got != test.want {
			t.Errorf("String() is %s; want %s", got, test.want)
		}
	}
}

func TestSenselessTerminators(t *testing.T) {
	const limit = 100
	refused := []framer.Terminator{
		framer.Delimiter(""),
		framer.AnyDelimiter(),
		framer.AnyDelimiter("a", ""),
		framer.Length(-1),
		framer.Length(limit + 1),
		framer.Length(math.MaxInt64),
		framer.Length(math.MinInt64),
		framer.FixedLength(0),
		framer.FixedLength(-1),
		framer.FixedLength(limit + 1),
		framer.LengthPrefix(framer.Prefix{}),
		framer.LengthPrefix(framer.Prefix{Size: 5}),
		framer.LengthPrefix(framer.Prefix{Size: 256 + 4}),
		framer.LengthPrefix(framer.Prefix{Size: -2}),
		framer.LengthPrefix(framer.Prefix{Size: 1, Offset: -1}),
		framer.LengthPrefix(framer.Prefix{Size: 1, Offset: 1 << 16}),
		framer.LengthPrefix(framer.Prefix{Size: 8, Adjustment: 1 << 31}),
		framer.Split(nil),
		framer.Delimiter("").Limit(5),
		framer.Length(11).Limit(10),
		framer.Length(-1).Limit(-1),
		framer.FixedLength(limit + 2).Limit(limit + 1),
	}
	for _, bad := range refused {
		f := framer.NewFramer(strings.NewReader("ab,cd"), &framer.Config{MaxMessageSize: limit})
		good := framer.Delimiter(",")
		if err := f.SetTerminator(good); err != nil {
			t.Fatal(err)
		}
		err := f.SetTerminator(bad)
		if err == nil || !strings.HasPrefix(err.Error(), "framer: ") {
			t.Errorf("%v: error %v", bad, err)
		}
		if got := f.Terminator(); got != good {
			t.Errorf("after %v the terminator is %v; want %v", bad, got, good)
		}
		other := framer.NewFramer(strings.NewReader("ab,cd"), &framer.Config{MaxMessageSize: limit})
		if message, err := other.Next(bad); err == nil || message != nil {
			t.Errorf("Next(%v) returned %q, %v", bad, message, err)
		}
		var h transcript
		if got := f.Run(&h); got != err || h.String() != "" {
			t.Errorf("after %v: Run: %s, %v, want %v", bad, h.String(), got, err)
		}
		if err := errors.Join(f.SetTerminator(good), f.Run(&h)); h.String() != "ab|cd" || err.Error() != io.ErrUnexpectedEOF.Error() {
			t.Errorf("after %v: %s, %v", bad, h.String(), err)
		}
	}
}

func TestLimitOfLength(t *testing.T) {
	tests := []struct {
		limit int64
		n     int64
		ok    bool
	}{
		{0, 1 << 20, true},
		{0, 1<<20 + 1, false},
		{5, 5, true},
		{5, 6, false},
		{-1, math.MaxInt64, true},
	}
	for _, test := range tests {
		f := framer.NewFramer(strings.NewReader(""), &framer.Config{MaxMessageSize: test.limit})
		for _, terminator := range []framer.Terminator{framer.Length(test.n), framer.FixedLength(test.n)} {
			if err := f.SetTerminator(terminator); (err == nil) != test.ok {
				t.Errorf("%v under limit %d: error %v", terminator, test.limit, err)
			}
		}
	}
}

// What ends a text for some implementations, and not for others, does not end it here.
func TestDotBlockIsStrict(t *testing.T) {
	for _, text := range []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\r.\r", "\r\n.\r\r\n", "\r\n\x00.\r\n",
		"\r\n. \r\n", "\r\n.\x00\r\n", "\r\r\n.\n", "\n\r.\r\n", "\r\n..\r\n", "\r\n.\n.\r\n", "\r\n.\r.\r\n",
	} {
		input := "a" + text + "MAIL FROM:<admin@example.com>\r\n.\r\nQUIT\r\n"
		want := strings.TrimSuffix(strings.ReplaceAll(input, "\r\n.", "\r\n"), "\r\nQUIT\r\n")
		for chunks := range cuts(input) {
			f := framer.NewFramer(newChunkReader(chunks...), nil)
			if msg, err := f.Next(framer.DotBlock()); string(msg) != want || err != nil {
				t.Fatalf("%q: %q, %v, want %q", chunks, msg, err, want)
			}
			if line, err := f.Next(framer.Delimiter("\r\n")); string(line) != "QUIT" || err != nil {
				t.Fatalf("%q, and then %q, %v", chunks, line, err)
			}
		}
	}
}

// dotBlock writes lines as a sender of them does.
func dotBlock(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		if strings.HasPrefix(line, ".") {
			b.WriteByte('.')
		}
		b.WriteString(line + "\r\n")
	}
	return b.String() + ".\r\n"
}

// A limit that a terminator has of its own is in place of MaxMessageSize.
func TestLimitOfItsOwn(t *testing.T) {
	const limit = 10
	line := framer.Delimiter("\n")
	prefix := framer.LengthPrefix(framer.Prefix{Size: 1})
	split := framer.Split(bufio.ScanLines)
	x := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		terminator framer.Terminator
		input      string
		limit      int64 // of which the error speaks, or 0
		origin     string
	}{
		{line, x(11) + "\n", limit, "(Config.MaxMessageSize)"},
		{line.Limit(5), x(5) + "\n", 0, ""},
		{line.Limit(5), x(6) + "\n", 5, "(Terminator.Limit)"},
		{line.Limit(limit), x(11) + "\n", limit, "(Terminator.Limit)"},
		{line.Limit(5000), x(5000) + "\n", 0, ""},
		{line.Limit(5000), x(5001) + "\n", 5000, "(Terminator.Limit)"},
		{line.Limit(-1), x(9000) + "\n", 0, ""},
		{line.Limit(5).Limit(0), x(11) + "\n", limit, "(Config.MaxMessageSize)"},
		{framer.AnyDelimiter("\n", "\r\n").Limit(5), x(6) + "\n", 5, "(Terminator.Limit)"},
		{framer.AnyDelimiter("\n", "\r\n").Limit(20), x(20) + "\n", 0, ""},
		{prefix.Limit(5), "\x05" + x(5), 0, ""},
		{prefix.Limit(5), "\x06" + x(6), 5, "(Terminator.Limit)"},
		{prefix.Limit(200), "\xc8" + x(200), 0, ""},
		{prefix.Limit(200), "\xc9" + x(201), 200, "(Terminator.Limit)"},
		{prefix.Limit(-1), "\xc9" + x(201), 0, ""},
		{framer.Length(11), x(11), limit, "(Config.MaxMessageSize)"},
		{framer.Length(11).Limit(11), x(11), 0, ""},
		{framer.Length(11).Limit(-1), x(11), 0, ""},
		{framer.Length(8).Limit(7), x(8), 7, "(Terminator.Limit)"},
		{framer.FixedLength(11).Limit(20), x(11), 0, ""},
		{split.Limit(5), x(6) + "\n", 5, "(Terminator.Limit)"},
		{split.Limit(8000), x(8000) + "\n", 0, ""},
		{split.Limit(8000), x(90000) + "\n", 8000, "(Terminator.Limit)"},
	}
	for _, test := range tests {
		next := func(f *framer.Framer) error {
			_, err := f.Next(test.terminator)
			return err
		}
		run := func(f *framer.Framer) error {
			if err := f.SetTerminator(test.terminator); err != nil {
				return err
			}
			return f.Run(new(transcript))
		}
		for name, read := range map[string]func(*framer.Framer) error{"Next": next, "Run": run} {
			f := framer.NewFramer(strings.NewReader(test.input), &framer.Config{MaxMessageSize: limit})
			err := read(f)
			var long *framer.MessageTooLongError
			switch {
			case test.limit == 0:
				if err != nil {
					t.Errorf("%s, %v, %d bytes: %v", name, test.terminator, len(test.input), err)
				}
			case !errors.As(err, &long) || long.Limit != test.limit || !strings.Contains(err.Error(), test.origin):
				t.Errorf("%s, %v, %d bytes: error %v, want limit %d %s", name, test.terminator, len(test.input), err, test.limit, test.origin)
			}
		}
	}
}

// The limit of one terminator is not that of the next, nor of a Collector under None.
func TestLimitDoesNotStay(t *testing.T) {
	line := framer.Delimiter("\n")
	input := "12345\n" + strings.Repeat("x", 50) + "123456\n12345678901\nok\n"
	f := framer.NewFramer(strings.NewReader(input), &framer.Config{MaxMessageSize: 10})
	for _, step := range []struct {
		terminator framer.Terminator
		want       string
		limit      int64
	}{
		{line.Limit(5), "12345", 0},
		{framer.Length(50).Limit(50), strings.Repeat("x", 50), 0},
		{line.Limit(5), "", 5},
		{line, "", 10},
		{line.Limit(5), "ok", 0},
	} {
		msg, err := f.Next(step.terminator)
		var long *framer.MessageTooLongError
		if errors.As(err, &long) != (step.limit > 0) || long != nil && long.Limit != step.limit || string(msg) != step.want {
			t.Errorf("%v: %q, %v", step.terminator, msg, err)
		}
	}
	for _, length := range []framer.Terminator{framer.Length(20).Limit(20), framer.Length(2).Limit(5)} {
		f = framer.NewFramer(strings.NewReader(strings.Repeat("x", 100)), &framer.Config{MaxMessageSize: 10, ReadBufferSize: 4})
		h := &lineCollector{}
		h.oversize = func() error { return errEnough }
		err := errors.Join(f.SetTerminator(length), f.SetTerminator(framer.None()), f.Run(h))
		if !errors.Is(err, errEnough) || h.Len() < 10 || h.Len() > 14 {
			t.Errorf("None after %v: %d bytes, %v", length, h.Len(), err)
		}
	}
}

func TestSetTerminatorAllocatesNothing(t *testing.T) {
	f := framer.NewFramer(strings.NewReader(""), nil)
	kept := []framer.Terminator{
		framer.AnyDelimiter("\n", "\r\n"),
		framer.Split(bufio.ScanLines),
		framer.Delimiter(strings.Repeat("long", 100)),
	}
	length := int64(5)
	set := func() {
		err := errors.Join(
			f.SetTerminator(framer.None()),
			f.SetTerminator(framer.Delimiter("\r\n")),
			f.SetTerminator(framer.Length(length)),
			f.SetTerminator(framer.FixedLength(length)),
			f.SetTerminator(framer.DotBlock()),
			f.SetTerminator(framer.FixedLength(length).Limit(length)),
			f.SetTerminator(framer.LengthPrefix(framer.Prefix{Size: 4, Offset: int(length), Adjustment: -length})),
		)
		for _, terminator := range kept {
			err = errors.Join(err, f.SetTerminator(terminator))
		}
		if err != nil || f.Terminator() != kept[2] {
			t.Fatal(err)
		}
	}
	set()
	if n := testing.AllocsPerRun(100, set); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A split function may give any number of tokens of one place, as in package bufio.
func TestSplitTokensOfOnePlace(t *testing.T) {
	const input = "a9x,b0x,"
	for _, times := range []int{1, 100, 101, 1000} {
		newSplit := func() bufio.SplitFunc {
			left := times
			return func(data []byte, atEOF bool) (int, []byte, error) {
				advance, token, err := scanCommas(data, atEOF)
				if token == nil {
					return advance, token, err
				}
				if left--; left > 0 {
					return 0, token, nil
				}
				left = times
				return advance, token, err
			}
		}
		var want []string
		s := bufio.NewScanner(iotest.OneByteReader(strings.NewReader(input)))
		s.Split(newSplit())
		for s.Scan() {
			want = append(want, s.Text())
		}
		var got []string
		f := framer.NewFramer(iotest.OneByteReader(strings.NewReader(input)), nil)
		for msg, err := range f.All(framer.Split(newSplit())) {
			if err != nil {
				t.Fatalf("%d times: %v", times, err)
			}
			got = append(got, string(msg))
		}
		if diff := diffStrings(want, got); diff != "" || len(got) != 2*times || s.Err() != nil {
			t.Errorf("%d times: %d tokens, want %d and %v", times, len(got), len(want), s.Err())
		}
	}
}

// There is no size that a user may set, and none that a header may claim, which
// makes a sum or a product go wrong.
func TestGreatestSizes(t *testing.T) {
	var terminators []framer.Terminator
	for _, size := range []int{1, 2, 3, 4, 8, framer.Uvarint} {
		for _, adjustment := range []int64{math.MinInt32, math.MinInt32 + 1, -1, 0, 1, math.MaxInt32 - 1, math.MaxInt32} {
			for flags := range 4 {
				terminators = append(terminators, framer.LengthPrefix(framer.Prefix{
					Size: size, Adjustment: adjustment, LittleEndian: flags&1 != 0, Keep: flags&2 != 0,
				}))
			}
		}
	}
	for _, n := range []int64{1, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32 + 1, math.MaxInt64} {
		terminators = append(terminators, framer.Length(n), framer.FixedLength(n))
	}
	terminators = append(terminators, framer.None(), framer.Delimiter("xyz"), framer.AnyDelimiter("x", "xyz"), framer.Split(scanCommas), framer.DotBlock())
	inputs := []string{
		strings.Repeat("\xff", 20), strings.Repeat("\x00", 20), "\x7f" + strings.Repeat("\xff", 20), "\x80" + strings.Repeat("\x00", 20),
		strings.Repeat("\xff", 7) + "\x7f" + strings.Repeat("\xff", 20), strings.Repeat("\xff", 9) + "\x01xxxxxxxxxxxx",
	}
	for _, limit := range []int64{1, 5, math.MaxInt32, math.MaxInt64 - 1, math.MaxInt64, -1} {
		for _, terminator := range terminators {
			for _, input := range inputs {
				for _, chunks := range [][]string{{input}, bytewise(input)} {
					f := framer.NewFramer(newChunkReader(chunks...), &framer.Config{MaxMessageSize: limit, ReadBufferSize: 2})
					if err := f.SetTerminator(terminator); err != nil && !isTooLong(err) {
						t.Fatal(err)
					}
					check := func(err error) {
						if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF && !isTooLong(err) && !errors.Is(err, framer.ErrBadPrefix) {
							t.Fatalf("limit %d, %v, %q: %v", limit, terminator, chunks, err)
						}
					}
					h := new(hookedTranscript)
					check(f.Run(h))
					if len(h.String()) > 3*len(input) {
						t.Fatalf("limit %d, %v, %q: %q", limit, terminator, chunks, h.String())
					}
					f = framer.NewFramer(newChunkReader(chunks...), &framer.Config{MaxMessageSize: limit, ReadBufferSize: 2})
					for range 3 {
						_, err := f.Next(terminator)
						check(err)
					}
				}
			}
		}
	}
	for _, size := range []int{16 << 20, 16<<20 + 1, math.MaxInt32, math.MaxInt} {
		f := framer.NewFramer(strings.NewReader("one\ntwo,"), &framer.Config{MaxMessageSize: math.MaxInt64, ReadBufferSize: size})
		for _, terminator := range []framer.Terminator{framer.Delimiter("\n"), framer.Split(scanCommas)} {
			if msg, err := f.Next(terminator); len(msg) != 3 || err != nil {
				t.Errorf("ReadBufferSize %d: %q, %v", size, msg, err)
			}
		}
	}
}

// LengthPrefix reads what AppendLength has written, and what it refuses can't be written.
func TestAppendLength(t *testing.T) {
	lengths := []int64{0, 1, 2, 127, 128, 255, 256, 1<<16 - 1, 1 << 16, 1<<24 - 1, 1 << 24, 1<<32 - 1, 1 << 32, math.MaxInt64 - 1, math.MaxInt64, -1, math.MinInt64}
	adjustments := []int64{0, 1, -1, 4, -4, 300, -300, math.MaxInt32, math.MinInt32}
	for _, size := range []int{1, 2, 3, 4, 8, framer.Uvarint} {
		for _, adjustment := range adjustments {
			for _, n := range lengths {
				for flags := range 8 {
					p := framer.Prefix{Size: size, Adjustment: adjustment, LittleEndian: flags&1 != 0, Keep: flags&2 != 0, Offset: flags >> 2 * 3}
					checkAppendLength(t, p, n)
				}
			}
		}
	}
	for _, p := range []framer.Prefix{{}, {Size: 5}, {Size: 256 + 1}, {Size: -2}, {Size: 1, Offset: -1}, {Size: 1, Offset: 1 << 16}, {Size: 8, Adjustment: 1 << 31}, {Size: 8, Adjustment: -1<<31 - 1}} {
		if got, err := p.AppendLength([]byte("abc"), 1); string(got) != "abc" || err == nil {
			t.Errorf("%+v: %q, %v", p, got, err)
		}
	}
}

func checkAppendLength(t *testing.T, p framer.Prefix, n int64) {
	t.Helper()
	value := new(big.Int).Sub(big.NewInt(n), big.NewInt(p.Adjustment))
	bits := 8 * p.Size
	if p.Size == framer.Uvarint {
		bits = 64
	}
	fits := n >= 0 && value.Sign() >= 0 && value.BitLen() <= bits
	dst := append(make([]byte, 0, 100), "abc"[:p.Offset]...)
	got, err := p.AppendLength(dst, n)
	if (err == nil) != fits || !bytes.HasPrefix(got, dst) || err != nil && len(got) != len(dst) {
		t.Fatalf("%+v, %d: %q, %v", p, n, got, err)
	}
	if err != nil {
		return
	}
	header, length, err := naiveHeader(p, string(got))
	if sum, ok := naiveSum(length, p.Adjustment); err != nil || header != len(got) || !ok || sum != n {
		t.Fatalf("%+v, %d: %q is a header of %d bytes with %d, %v", p, n, got, header, length, err)
	}
	if n > 1000 {
		return
	}
	message := strings.Repeat("x", int(n))
	want := message
	if p.Keep {
		want = string(got) + message
	}
	f := framer.NewFramer(strings.NewReader(string(got)+message), nil)
	if msg, err := f.Next(framer.LengthPrefix(p)); string(msg) != want || err != nil {
		t.Fatalf("%+v, %d: LengthPrefix reads %q, %v", p, n, msg, err)
	}
}
