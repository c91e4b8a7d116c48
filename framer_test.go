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
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/goframer/framer"
)

// A chunkReader gives out its chunks, one a Read if there is room, and then
// io.EOF.
type chunkReader struct {
	chunks []string
	before func() // called at the beginning of every Read, if not nil
}

func newChunkReader(chunks ...string) *chunkReader {
	empty := func(chunk string) bool { return chunk == "" }
	return &chunkReader{chunks: slices.DeleteFunc(slices.Clone(chunks), empty)}
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if r.before != nil {
		r.before()
	}
	if len(r.chunks) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.chunks[0])
	r.chunks[0] = r.chunks[0][n:]
	if r.chunks[0] == "" {
		r.chunks = r.chunks[1:]
	}
	return n, nil
}

// endWithData returns a reader of chunks that says io.EOF together with the last
// one.
func endWithData(chunks []string) io.Reader {
	return iotest.DataErrReader(newChunkReader(chunks...))
}

// bytewise cuts s into single bytes.
func bytewise(s string) []string {
	chunks := make([]string, len(s))
	for i := range chunks {
		chunks[i] = s[i : i+1]
	}
	return chunks
}

// diffStrings is cmp.Diff, with nil and empty slices alike, and fast where there
// is no difference.
func diffStrings(want, got []string) string {
	if slices.Equal(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// A transcript is a Handler that writes its calls down in one line: pieces as they
// are, and a | for FoundTerminator.
type transcript struct{ strings.Builder }

func (h *transcript) CollectIncomingData(data []byte) error { h.Write(data); return nil }
func (h *transcript) FoundTerminator() error                { return h.WriteByte('|') }

// A hooked transcript can do something in its methods, after it has noted the
// call.
type hookedTranscript struct {
	transcript
	collect  func(data string) error
	found    func() error
	oversize func(*framer.MessageTooLongError) error
}

func (h *hookedTranscript) CollectIncomingData(data []byte) error {
	h.Write(data)
	if h.collect == nil {
		return nil
	}
	return h.collect(string(data))
}

func (h *hookedTranscript) FoundTerminator() error {
	h.WriteByte('|')
	if h.found == nil {
		return nil
	}
	return h.found()
}

func (h *hookedTranscript) HandleOversize(e *framer.MessageTooLongError) error {
	h.WriteByte('*')
	if h.oversize == nil {
		return nil
	}
	return h.oversize(e)
}

// A completingTranscript has a HandleReadComplete.
type completingTranscript struct {
	hookedTranscript
	complete func() error
}

func (h *completingTranscript) HandleReadComplete() error { return h.complete() }

func TestStylesAgree(t *testing.T) {
	rules := []rule{
		delimiterRule("\n"),
		delimiterRule("abab"),
		anyDelimiterRule("a", "ab", "\n"),
		fixedLengthRule(3),
		scanLinesRule(),
		prefixRule(framer.Prefix{Size: 1, Adjustment: -'a', Keep: true}),
		dotBlockRule(),
	}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		chunks := randomChunks(random, "aabbb\n.\r", random.IntN(100))
		r := rules[random.IntN(len(rules))]
		cfg := framer.Config{ReadBufferSize: 1 + random.IntN(10), MaxMessageSize: 3 + random.Int64N(30)}
		handled := program{r}.run(newChunkReader(chunks...), cfg)
		if got := runNext(r.terminator, chunks, cfg); !got.equal(handled) {
			t.Errorf("%v, %+v, %q:\nHandler %+q\nNext    %+q", r.terminator, cfg, chunks, handled, got)
		}
		if got := runAll(r.terminator, chunks, cfg); !got.equal(handled) {
			t.Errorf("%v, %+v, %q:\nHandler %+q\nAll     %+q", r.terminator, cfg, chunks, handled, got)
		}
	}
}

func randomChunks(random *rand.Rand, alphabet string, size int) []string {
	var chunks []string
	for size > 0 {
		chunk := make([]byte, 1+random.IntN(size))
		for i := range chunk {
			chunk[i] = alphabet[random.IntN(len(alphabet))]
		}
		chunks = append(chunks, string(chunk))
		size -= len(chunk)
	}
	return chunks
}

func runNext(terminator framer.Terminator, chunks []string, cfg framer.Config) outcome {
	f := framer.NewFramer(newChunkReader(chunks...), &cfg)
	var o outcome
	for {
		message, err := f.Next(terminator)
		if !o.add(message, err, f.Matched()) {
			return o.withoutEOF()
		}
	}
}

func runAll(terminator framer.Terminator, chunks []string, cfg framer.Config) outcome {
	f := framer.NewFramer(newChunkReader(chunks...), &cfg)
	var o outcome
	for message, err := range f.All(terminator) {
		if o.Err != nil {
			return outcome{Err: errors.New("All went on after an error")}
		}
		o.add(message, err, f.Matched())
	}
	return o
}

// add adds what Next has returned, and reports whether to go on.
func (o *outcome) add(message []byte, err error, delim string) bool {
	switch {
	case err == nil:
		o.Delims = append(o.Delims, delim)
		o.Messages = append(o.Messages, string(message))
	case isTooLong(err):
		o.Messages = append(o.Messages, tooLong)
	case errors.Is(err, framer.ErrBadPrefix):
		o.Err = framer.ErrBadPrefix
	default:
		o.Tail, o.Err = string(message), err
	}
	return o.Err == nil
}

func isTooLong(err error) bool {
	var long *framer.MessageTooLongError
	return errors.As(err, &long)
}

// Matched tells which delimiter it was, whatever terminator is set meanwhile.
func TestMatched(t *testing.T) {
	lines := framer.AnyDelimiter("\r\n", "\n", "\r", "end")
	for _, size := range []int{1, 3, 0} {
		f := framer.NewFramer(strings.NewReader("a\r\nb\nc\rdend12,34;5;6;7\nabcnotes"), &framer.Config{ReadBufferSize: size})
		if got := f.Matched(); got != "" {
			t.Errorf("before the first message: %q", got)
		}
		for i, step := range []struct {
			terminator framer.Terminator
			want       string
		}{
			{lines, "\r\n"}, {lines, "\n"}, {lines, "\r"}, {lines, "end"},
			{framer.Length(2), ""}, {framer.Delimiter(","), ","}, {framer.Delimiter(";"), ";"}, {framer.Delimiter(";"), ";"},
			{framer.AnyDelimiter(",", ";"), ";"}, {lines, "\n"}, {framer.FixedLength(3), ""}, {framer.Delimiter("t"), "t"},
		} {
			msg, err := f.Next(step.terminator)
			got := f.Matched()
			// Whatever follows, the last message has ended as it did.
			if err := errors.Join(f.SetTerminator(framer.Delimiter("x")), f.SetTerminator(framer.AnyDelimiter("x", "y")), f.SetTerminator(framer.Length(2))); err != nil {
				t.Fatal(err)
			}
			if again := f.Matched(); got != step.want || again != got || err != nil {
				t.Fatalf("buffer of %d, message %d, %q: matched %q, later %q, want %q; %v", size, i, msg, got, again, step.want, err)
			}
		}
		for _, want := range []error{io.ErrUnexpectedEOF, io.ErrUnexpectedEOF} {
			if _, err := f.Next(framer.Delimiter("x")); err != want || f.Matched() != "" {
				t.Errorf("at the end: matched %q, %v", f.Matched(), err)
			}
		}
	}
}

// What Matched returns is the string that the Terminator has.
func TestMatchedAllocatesNothing(t *testing.T) {
	f := framer.NewFramer(&roundReader{data: "a\r\nb\n"}, nil)
	lines := []framer.Terminator{framer.AnyDelimiter("\r\n", "\n"), framer.Delimiter("\n"), framer.Delimiter("b\n")}
	next := 0
	if n := testing.AllocsPerRun(100, func() {
		if _, err := f.Next(lines[next]); err != nil || !strings.HasSuffix(f.Matched(), "\n") {
			t.Fatalf("matched %q, %v", f.Matched(), err)
		}
		next = (next + 1) % len(lines)
	}); n > 0 && !underRace {
		t.Errorf("%v allocations", n)
	}
}

func TestStylesMixed(t *testing.T) {
	f := framer.NewFramer(newChunkReader("one\ntw", "o\n3;abc;the ", "rest\nand\nmore\n"), nil)
	for _, step := range []struct {
		terminator framer.Terminator
		want       string
	}{
		{framer.Delimiter("\n"), "one"},
		{framer.Delimiter("\n"), "two"},
		{framer.Delimiter(";"), "3"},
		{framer.Length(3), "abc"},
		{framer.Length(0), ""},
		{framer.Length(1), ";"},
		{framer.Delimiter("\n"), "the rest"},
	} {
		message, err := f.Next(step.terminator)
		if string(message) != step.want || err != nil {
			t.Fatalf("Next(%v) = %q, %v; want %q", step.terminator, message, err, step.want)
		}
	}
	for message, err := range f.All(framer.Delimiter("\n")) {
		if string(message) != "and" || err != nil {
			t.Fatalf("All yields %q, %v", message, err)
		}
		break
	}
	var h transcript
	if err := f.Run(&h); err != nil || h.String() != "more|" {
		t.Errorf("Run: %s, %v", h.String(), err)
	}
	if message, err := f.Next(framer.Length(1)); err != io.EOF || len(message) > 0 {
		t.Errorf("Next at the end: %q, %v", message, err)
	}
}

func TestNextKeepsWhatCame(t *testing.T) {
	// A message that is larger than the buffer, and one after it.
	long := strings.Repeat("0123456789", 20_000)
	input := long + "\nshort\n" + long[:100]
	for _, size := range []int{1, 7, 4096, 1 << 20} {
		f := framer.NewFramer(strings.NewReader(input), &framer.Config{ReadBufferSize: size})
		for _, want := range []string{long, "short"} {
			if message, err := f.Next(framer.Delimiter("\n")); string(message) != want || err != nil {
				t.Errorf("buffer of %d: a message of %d bytes, %v; want %d bytes", size, len(message), err, len(want))
			}
		}
		message, err := f.Next(framer.Delimiter("\n"))
		if string(message) != long[:100] || err != io.ErrUnexpectedEOF {
			t.Errorf("buffer of %d: %q, %v at the end", size, message, err)
		}
	}
}

func TestTerminatorInCollect(t *testing.T) {
	const piece = "ab" // the piece in which the terminator changes
	tests := []struct {
		name      string
		first     framer.Terminator
		input     string
		then      framer.Terminator
		want      string
		wantErr   error
		remaining framer.Terminator // after then was set
	}{
		{"delimiter becomes data", framer.Delimiter("\n"), "ab\ncd", framer.Length(2), "ab\nc|d", nil, framer.Length(2)},
		{"delimiter under None", framer.Delimiter("\n"), "ab\ncd\n", framer.None(), "ab\ncd\n", nil, framer.None()},
		{"delimiter under another", framer.Delimiter("\r\n"), "ab\r\ncd\r\n", framer.Delimiter("\n"), "ab\r|cd\r|", nil, framer.Delimiter("\n")},
		{"the same delimiter", framer.Delimiter("\n"), "ab\ncd\n", framer.Delimiter("\n"), "ab|cd|", nil, framer.Delimiter("\n")},
		{"any delimiter", framer.AnyDelimiter("\n", "\r\n"), "ab\r\ncd\n", framer.Delimiter("\n"), "ab\r|cd|", nil, framer.Delimiter("\n")},
		{"from None", framer.None(), "ab", framer.Delimiter("\n"), "ab", io.ErrUnexpectedEOF, framer.Delimiter("\n")},
		{"length met", framer.Length(2), "abcd\n", framer.Delimiter("\n"), "ab|cd|", nil, framer.Delimiter("\n")},
		{"length met, another", framer.Length(2), "abcde", framer.Length(1), "ab|c|de", nil, framer.Length(1)},
		{"fixed length met", framer.FixedLength(2), "abcd\n", framer.Delimiter("\n"), "ab|cd|", nil, framer.Delimiter("\n")},
		{"length prefix met", framer.LengthPrefix(framer.Prefix{Size: 1}), "\x02abcd\n", framer.Delimiter("\n"), "ab|cd|", nil, framer.Delimiter("\n")},
		{"token", framer.Split(scanCommas), "ab,cd\n", framer.Delimiter("\n"), "ab|cd|", nil, framer.Delimiter("\n")},
		{"end in the message", framer.Delimiter("\n"), "ab\n", framer.Delimiter("\r"), "ab\n", io.ErrUnexpectedEOF, framer.Delimiter("\r")},
		{"end at once", framer.Delimiter("\n"), "ab", framer.Delimiter("\r"), "ab", io.ErrUnexpectedEOF, framer.Delimiter("\r")},
		{"end after a length", framer.Length(2), "ab", framer.Delimiter("\r"), "ab|", nil, framer.Delimiter("\r")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := framer.NewFramer(strings.NewReader(test.input), nil)
			h := new(hookedTranscript)
			h.collect = func(data string) error {
				if data != piece {
					return nil
				}
				err := f.SetTerminator(test.then)
				if got := f.Terminator(); got != test.remaining {
					t.Errorf("Terminator() is %v; want %v", got, test.remaining)
				}
				return err
			}
			if err := f.SetTerminator(test.first); err != nil {
				t.Fatal(err)
			}
			err := f.Run(h)
			if h.String() != test.want || err != test.wantErr {
				t.Errorf("%q, %v; want %q, %v", h.String(), err, test.want, test.wantErr)
			}
		})
	}
}

// scanCommas finds tokens before commas.
func scanCommas(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, ','); i >= 0 {
		return i + 1, data[:i], nil
	}
	return 0, nil, nil
}

func TestTerminatorInFirstPiece(t *testing.T) {
	// However the input is cut, the terminator changes after its first byte.
	for chunks := range cuts("abc\nd\n") {
		f := framer.NewFramer(newChunkReader(chunks...), &framer.Config{ReadBufferSize: 1})
		h := new(hookedTranscript)
		changed := false
		h.collect = func(string) error {
			if changed {
				return nil
			}
			changed = true
			return f.SetTerminator(framer.Length(4))
		}
		h.found = func() error { return f.SetTerminator(framer.Delimiter("\n")) }
		if err := f.SetTerminator(framer.Delimiter("\n")); err != nil {
			t.Fatal(err)
		}
		if err := f.Run(h); h.String() != "abc\nd||" || err != nil {
			t.Errorf("%q: %q, %v", chunks, h.String(), err)
		}
	}
}

func TestTerminatorTellsRemainder(t *testing.T) {
	f := framer.NewFramer(newChunkReader("ab", "cdef", "gh"), &framer.Config{ReadBufferSize: 3})
	var got []string
	h := new(hookedTranscript)
	h.collect = func(data string) error {
		got = append(got, data+" "+f.Terminator().String())
		return nil
	}
	if err := f.SetTerminator(framer.Length(7)); err != nil {
		t.Fatal(err)
	}
	if err := f.Run(h); err != nil {
		t.Error(err)
	}
	want := []string{"ab Length(5)", "cde Length(2)", "f Length(1)", "g None()", "h None()"}
	if diff := diffStrings(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTerminatorTellsRemainderOfBuffer(t *testing.T) {
	// A long delimiter makes the buffer grow beyond the size of a piece.
	f := framer.NewFramer(strings.NewReader("<delimiter>abcdef"), &framer.Config{ReadBufferSize: 1})
	if message, err := f.Next(framer.Delimiter("<delimiter>")); len(message) > 0 || err != nil {
		t.Fatalf("%q, %v", message, err)
	}
	var got []string
	h := new(hookedTranscript)
	h.collect = func(data string) error {
		got = append(got, data+" "+f.Terminator().String())
		return nil
	}
	if err := errors.Join(f.SetTerminator(framer.Length(4)), f.Run(h)); err != nil {
		t.Error(err)
	}
	want := []string{"a Length(3)", "b Length(2)", "c Length(1)", "d None()", "e None()", "f None()"}
	if diff := diffStrings(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNoRecursion(t *testing.T) {
	const rounds = 20_000
	tests := []struct {
		name    string
		program []framer.Terminator // round and round
		input   string              // for a round
	}{
		{"Length(0)", []framer.Terminator{framer.Length(0)}, ""},
		{"Length(0) and Length(1)", []framer.Terminator{framer.Length(0), framer.Length(1)}, "x"},
		{"Delimiter and Length", []framer.Terminator{framer.Delimiter("\n"), framer.Length(1)}, "\nx"},
		{"Delimiters", []framer.Terminator{framer.Delimiter("a"), framer.Delimiter("b")}, "ab"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			input := strings.Repeat(test.input, rounds)
			f := framer.NewFramer(strings.NewReader(input), &framer.Config{ReadBufferSize: len(input)})
			done := errors.New("done")
			found, depth := 0, 0
			h := &counter{found: func() error {
				var callers [200]uintptr
				if n := runtime.Callers(0, callers[:]); found == 0 {
					depth = n
				} else if n != depth {
					return fmt.Errorf("%d calls deep after %d messages, %d at first", n, found, depth)
				}
				found++
				if found == rounds*len(test.program) {
					return done
				}
				return f.SetTerminator(test.program[found%len(test.program)])
			}}
			if err := f.SetTerminator(test.program[0]); err != nil {
				t.Fatal(err)
			}
			if err := f.Run(h); err != done {
				t.Errorf("error %v after %d messages", err, found)
			}
		})
	}
}

// A counter is a Handler that forgets what it is given.
type counter struct {
	bytes, pieces int
	found         func() error
}

func (h *counter) CollectIncomingData(data []byte) error {
	h.bytes += len(data)
	h.pieces++
	return nil
}

func (h *counter) FoundTerminator() error { return h.found() }

func TestDefaultLimit(t *testing.T) {
	const limit = 1 << 20
	for _, size := range []int{limit, limit + 1} {
		input := strings.Repeat("x", size) + "\r\n"
		for name, r := range map[string]io.Reader{
			"whole":                strings.NewReader(input),
			"halves":               iotest.HalfReader(strings.NewReader(input)),
			"cut in the delimiter": newChunkReader(input[:len(input)-1], input[len(input)-1:]),
		} {
			f := framer.NewFramer(r, nil)
			message, err := f.Next(framer.Delimiter("\r\n"))
			if size <= limit {
				if len(message) != size || err != nil {
					t.Errorf("%s: %d bytes: error %v", name, size, err)
				}
				continue
			}
			var long *framer.MessageTooLongError
			if !errors.As(err, &long) || long.Limit != limit || long.Seen <= limit || string(long.Head) != input[:32] {
				t.Errorf("%s: %d bytes: error %v", name, size, err)
			}
		}
	}
}

func TestNoLimit(t *testing.T) {
	const size = 3 << 20
	input := strings.Repeat("x", size) + "\n"
	f := framer.NewFramer(strings.NewReader(input), &framer.Config{MaxMessageSize: -1})
	if message, err := f.Next(framer.Delimiter("\n")); len(message) != size || err != nil {
		t.Errorf("%d bytes, %v", len(message), err)
	}
	// None has no limit.
	f = framer.NewFramer(strings.NewReader(input), &framer.Config{MaxMessageSize: 1})
	h := new(counter)
	if err := f.Run(h); h.bytes != len(input) || err != nil {
		t.Errorf("%d bytes under None, %v", h.bytes, err)
	}
}

func TestMessageTooLongError(t *testing.T) {
	line := framer.Delimiter("\n")
	tests := []struct {
		name       string
		terminator framer.Terminator
		limit      int64
		input      string
		head       string
		text       string
	}{
		{"text", line, 5, "hello, world\n", "hello, world", `it begins "hello, world"`},
		{"long text", line, 33, strings.Repeat("0123456789", 10), strings.Repeat("0123456789", 10)[:32], "limit 33 (Config.MaxMessageSize)"},
		{"HTTP", line, 4, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "GET / HTTP/1.1\r", "like HTTP"},
		{"HTTP for a length", framer.LengthPrefix(framer.Prefix{Size: 4}), 0,
			"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "GET ", `1195725856 bytes, limit 1048576`},
		{"other HTTP", line, 10, "OPTIONS * HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r", "like HTTP"},
		{"HTTP/2", line, 10, "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r", "like HTTP"},
		{"TLS", line, 10, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03more", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03more", "like a TLS handshake"},
		{"TLS for a length", framer.LengthPrefix(framer.Prefix{Size: 4}), 0, "\x16\x03\x01\x02\x00\x01", "\x16\x03\x01\x02", "like a TLS handshake"},
		{"after another message", line, 5, "abcd\nefghijkl\n", "efghijkl", `it begins "efgh`},
	}
	for _, test := range tests {
		for _, chunks := range [][]string{{test.input}, bytewise(test.input)} {
			f := framer.NewFramer(newChunkReader(chunks...), &framer.Config{MaxMessageSize: test.limit})
			if err := f.SetTerminator(test.terminator); err != nil {
				t.Fatal(err)
			}
			err := f.Run(new(transcript))
			var long *framer.MessageTooLongError
			if !errors.As(err, &long) {
				t.Errorf("%s: error %v", test.name, err)
				continue
			}
			head := string(long.Head)
			if !strings.HasPrefix(head, test.head[:min(len(test.head), int(long.Limit)+1)]) || len(chunks) == 1 && !strings.HasPrefix(head, test.head) {
				t.Errorf("%s: head %q; want %q", test.name, head, test.head)
			}
			if len(chunks) == 1 && !strings.Contains(err.Error(), test.text) {
				t.Errorf("%s: %q does not say %q", test.name, err, test.text)
			}
			if !strings.HasPrefix(err.Error(), "framer: message too long: ") {
				t.Errorf("%s: error %q", test.name, err)
			}
		}
	}
}

func TestHandleOversize(t *testing.T) {
	const limit = 3
	f := framer.NewFramer(strings.NewReader("ab,abcdef,cd,abcdefgh;x,y;"), &framer.Config{MaxMessageSize: limit, ReadBufferSize: 4})
	if err := f.SetTerminator(framer.Delimiter(",")); err != nil {
		t.Fatal(err)
	}
	refuse := errors.New("refused")
	calls := 0
	h := new(hookedTranscript)
	h.oversize = func(e *framer.MessageTooLongError) error {
		calls++
		switch calls {
		case 1:
			return nil // skip
		case 2:
			return f.SetTerminator(framer.Delimiter(";")) // the message goes on
		case 3:
			return nil
		}
		return refuse
	}
	err := f.Run(h)
	// After the second call the rest "defgh" is too long once more.
	if want := "ab|abc*cd|abc*def*x,y|"; h.String() != want || err != nil || calls != 3 {
		t.Errorf("%q, %v after %d calls; want %q", h.String(), err, calls, want)
	}

	f = framer.NewFramer(strings.NewReader("abcd,"), &framer.Config{MaxMessageSize: limit})
	h.oversize = func(*framer.MessageTooLongError) error { return refuse }
	if err := errors.Join(f.SetTerminator(framer.Delimiter(",")), f.Run(h)); !errors.Is(err, refuse) {
		t.Errorf("error %v; want that of the handler", err)
	}
}

func TestNextAfterTooLong(t *testing.T) {
	const limit = 3
	prefix := func(p framer.Prefix) framer.Terminator { return framer.LengthPrefix(p) }
	tests := []struct {
		terminator framer.Terminator
		input      string
	}{
		{framer.Delimiter("\r\n"), "abcdefgh\r\nok\r\nabcd\r\nyes\r\n"},
		{framer.AnyDelimiter("\r\n", "\n"), "abcdefgh\nok\r\nabcd\nyes\n"},
		{prefix(framer.Prefix{Size: 1}), "\x08abcdefgh\x02ok\x04abcd\x03yes"},
		{prefix(framer.Prefix{Size: 2, LittleEndian: true}), "\x08\x00abcdefgh\x02\x00ok\x04\x00abcd\x03\x00yes"},
		{framer.Split(scanCommas), "abcdefgh,ok,abcd,yes,"},
	}
	want := []string{tooLong, "ok", tooLong, "yes"}
	for _, test := range tests {
		for chunks := range cuts(test.input) {
			for _, size := range []int{2, 100} {
				got := runNext(test.terminator, chunks, framer.Config{MaxMessageSize: limit, ReadBufferSize: size})
				if !got.equal(outcome{Messages: want}) {
					t.Fatalf("%v, %q: %+q", test.terminator, chunks, got)
				}
			}
		}
	}
}

// A longMessage is a message that is too long, under its terminator.
type longMessage struct {
	terminator framer.Terminator
	input      string
}

// What Next gives after a message that is too long is what another terminator
// gives of the input behind that message, wherever the input is cut.
func TestNextOfAnotherAfterTooLong(t *testing.T) {
	const limit, rest = 3, "\x02ab\ncd,e\n"
	lines := framer.Split(bufio.ScanLines)
	tooLong := []longMessage{
		{framer.Delimiter("\r\n"), "a\nb\x01cd\r\n"},
		{framer.AnyDelimiter("\r\n", ";"), "a\nb\x01c;"},
		{framer.LengthPrefix(framer.Prefix{Size: 1}), "\x05a\nb\x01,"},
		{framer.LengthPrefix(framer.Prefix{Size: 1, Keep: true}), "\x05a\nb\x01,"},
		{framer.LengthPrefix(framer.Prefix{Size: framer.Uvarint, Offset: 1}), "!\x05a\nb\x01,"},
		{lines, "\x01abc,d\n"},
		{framer.Length(5), "a\nb\x01,"},
	}
	others := []framer.Terminator{
		framer.None(), framer.Delimiter("\n"), framer.Delimiter("e\n"), framer.AnyDelimiter("\n", ","),
		framer.Length(2), framer.Length(5), framer.FixedLength(2), framer.LengthPrefix(framer.Prefix{Size: 1}), lines,
		framer.Split(scanCommas),
	}
	for _, first := range tooLong {
		others := append(others, first.terminator)
		for _, other := range others {
			cfg := framer.Config{MaxMessageSize: limit, ReadBufferSize: 100}
			want, wantErr := framer.NewFramer(strings.NewReader(rest), &cfg).Next(other)
			for chunks := range cuts(first.input + rest) {
				for _, size := range []int{1, 4, 100} {
					for _, failing := range []bool{false, true} {
						cfg.ReadBufferSize = size
						var in io.Reader = newChunkReader(chunks...)
						if failing {
							in = &errorReader{r: in, err: errHiccup}
						}
						f := framer.NewFramer(in, &cfg)
						next := func(term framer.Terminator) (msg []byte, err error) {
							for {
								if msg, err = f.Next(term); err != errHiccup {
									return msg, err
								}
							}
						}
						if _, err := next(first.terminator); !isTooLong(err) {
							t.Fatalf("%v, %q: %v, want a MessageTooLongError", first.terminator, chunks, err)
						}
						if msg, err := f.Next(framer.Delimiter("")); err == nil || isTooLong(err) {
							t.Fatalf("%v: Next of no terminator: %q, %v", first.terminator, msg, err)
						}
						got, err := next(other)
						same := string(got) == string(want)
						if other == framer.None() {
							same = len(got) > 0 && strings.HasPrefix(rest, string(got))
						}
						if isTooLong(err) != isTooLong(wantErr) || !isTooLong(err) && (err != wantErr || !same) {
							t.Fatalf("%v, then %v, %q, buffer of %d: %q, %v; want %q, %v",
								first.terminator, other, chunks, size, got, err, want, wantErr)
						}
					}
				}
			}
		}
	}
}

// The same in a Session, which may have to wait in the middle of what is skipped.
func TestSessionAfterTooLong(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
			for {
				line, err := c.Next(framer.Delimiter("\r\n"))
				if err != nil {
					return err
				}
				n, err := strconv.ParseInt(string(line), 10, 64)
				if err != nil {
					return err
				}
				block, err := c.Next(framer.Length(n))
				if isTooLong(err) {
					block = []byte("too long")
				} else if err != nil {
					return err
				}
				if err := c.Push(block); err != nil {
					return err
				}
			}
		}), framer.Config{MaxMessageSize: 10})
		writeString(t, peer, "2\r\nab")
		readString(t, peer, "ab")
		writeString(t, peer, "100000\r\n3\r\n")
		readString(t, peer, "too long")
		for range 10 {
			writeString(t, peer, strings.Repeat("1\r\n", 3333)) // which is not to be taken for lines
		}
		writeString(t, peer, "1234567"+"4\r\nab")
		writeString(t, peer, "cd")
		readString(t, peer, "abcd")
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// A token that was refused is not given out under the terminator that
// HandleOversize sets, nor is any of it that a new function has not seen.
func TestRefusedTokenIsGone(t *testing.T) {
	for _, other := range []framer.Terminator{
		framer.None(), framer.Delimiter("\n"), framer.Length(2), framer.Split(bufio.ScanLines),
	} {
		f := framer.NewFramer(strings.NewReader("abcdef\ngh\n"), &framer.Config{MaxMessageSize: 5})
		h := new(hookedTranscript)
		h.oversize = func(*framer.MessageTooLongError) error { return f.SetTerminator(other) }
		if err := errors.Join(f.SetTerminator(framer.Split(bufio.ScanLines)), f.Run(h)); err != nil {
			t.Error(err)
		}
		if got := h.String(); !strings.HasPrefix(got, "*gh") {
			t.Errorf("under %v: %q", other, got)
		}
	}
}

func TestEndOfInput(t *testing.T) {
	tests := []struct {
		terminator framer.Terminator
		input      string
		want       string
		wantErr    error
	}{
		{framer.None(), "", "", nil},
		{framer.None(), "a", "a", nil},
		{framer.Delimiter("\r\n"), "", "", nil},
		{framer.Delimiter("\r\n"), "a\r\n", "a|", nil},
		{framer.Delimiter("\r\n"), "\r", "\r", io.ErrUnexpectedEOF},
		{framer.Delimiter("\r\n"), "a\r\n\r", "a|\r", io.ErrUnexpectedEOF},
		{framer.Delimiter("abcabd"), "abcab", "abcab", io.ErrUnexpectedEOF},
		{framer.AnyDelimiter("\r\n", "\r\n\r\n"), "a\r\n", "a|", nil},
		{framer.AnyDelimiter("\r\n", "\r\n\r\n"), "a\r\n\r", "a|\r", io.ErrUnexpectedEOF},
		{framer.Length(2), "", "", nil},
		{framer.Length(2), "a", "a", io.ErrUnexpectedEOF},
		{framer.Length(2), "ab", "ab|", nil},
		{framer.Length(2), "abc", "ab|c", nil},
		{framer.FixedLength(2), "ab", "ab|", nil},
		{framer.FixedLength(2), "abc", "ab|c", io.ErrUnexpectedEOF},
		{framer.LengthPrefix(framer.Prefix{Size: 2}), "\x00", "", io.ErrUnexpectedEOF},
		{framer.LengthPrefix(framer.Prefix{Size: 2}), "\x00\x01", "", io.ErrUnexpectedEOF},
		{framer.LengthPrefix(framer.Prefix{Size: 2, Keep: true}), "\x00", "\x00", io.ErrUnexpectedEOF},
		{framer.LengthPrefix(framer.Prefix{Size: 1}), "\x00", "|", nil},
		{framer.LengthPrefix(framer.Prefix{Size: 1}), "\x00\x01", "|", io.ErrUnexpectedEOF},
		{framer.Split(scanCommas), "a,", "a|", nil},
		{framer.Split(scanCommas), "a,b", "a|b", io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		for chunks := range cuts(test.input) {
			for _, size := range []int{1, 100} {
				f := framer.NewFramer(newChunkReader(chunks...), &framer.Config{ReadBufferSize: size})
				if err := f.SetTerminator(test.terminator); err != nil {
					t.Fatal(err)
				}
				var h transcript
				if err := f.Run(&h); h.String() != test.want || err != test.wantErr {
					t.Errorf("%v, %q: %q, %v; want %q, %v", test.terminator, chunks, h.String(), err, test.want, test.wantErr)
				}
				for _, terminator := range []framer.Terminator{framer.Length(1), framer.Delimiter("x")} {
					if data, err := f.Next(terminator); len(data) > 0 || err != io.EOF {
						t.Errorf("%v, %q: Next after the end: %q, %v", test.terminator, chunks, data, err)
					}
				}
			}
		}
	}
}

// A readerFunc is an io.Reader.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestHostileReaders(t *testing.T) {
	broken := errors.New("broken")
	const input = "one\ntwo\nthree"
	impossible := errors.New("an impossible count")
	tests := []struct {
		name    string
		reader  io.Reader
		want    string
		wantErr error
	}{
		{"one byte", iotest.OneByteReader(strings.NewReader(input)), "one|two|three", io.ErrUnexpectedEOF},
		{"half", iotest.HalfReader(strings.NewReader(input)), "one|two|three", io.ErrUnexpectedEOF},
		{"data with the end", iotest.DataErrReader(strings.NewReader(input)), "one|two|three", io.ErrUnexpectedEOF},
		{"timeout", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(input))), "o", iotest.ErrTimeout},
		{"error", iotest.ErrReader(broken), "", broken},
		{"error later", io.MultiReader(strings.NewReader(input), iotest.ErrReader(broken)), "one|two|three", broken},
		{"data with an error", readerFunc(func(p []byte) (int, error) { return copy(p, "a\nb"), broken }), "a|b", broken},
		{"nothing", readerFunc(func([]byte) (int, error) { return 0, nil }), "", io.ErrNoProgress},
		{"too much", readerFunc(func(p []byte) (int, error) { return len(p) + 1, nil }), "", impossible},
		{"less than nothing", readerFunc(func([]byte) (int, error) { return -1, nil }), "", impossible},
		{"less than nothing, and an error", readerFunc(func([]byte) (int, error) { return -1, broken }), "", impossible},
	}
	for _, test := range tests {
		f := framer.NewFramer(test.reader, nil)
		if err := f.SetTerminator(framer.Delimiter("\n")); err != nil {
			t.Fatal(err)
		}
		var h transcript
		err := f.Run(&h)
		if h.String() != test.want {
			t.Errorf("%s: %q; want %q", test.name, h.String(), test.want)
		}
		if test.wantErr == impossible {
			if err == nil || !strings.Contains(err.Error(), "impossible") {
				t.Errorf("%s: error %v", test.name, err)
			}
			continue
		}
		if err != test.wantErr {
			t.Errorf("%s: error %v; want %v", test.name, err, test.wantErr)
		}
	}
}

func TestReaderStutters(t *testing.T) {
	// Empty reads are no end, as long as something comes now and then.
	chunks := bytewise("one\ntwo\n")
	reads := 0
	f := framer.NewFramer(readerFunc(func(p []byte) (int, error) {
		reads++
		switch {
		case reads%50 != 0:
			return 0, nil
		case len(chunks) == 0:
			return 0, io.EOF
		}
		n := copy(p, chunks[0])
		chunks = chunks[1:]
		return n, nil
	}), nil)
	var h transcript
	if err := errors.Join(f.SetTerminator(framer.Delimiter("\n")), f.Run(&h)); err != nil || h.String() != "one|two|" {
		t.Errorf("%q, %v", h.String(), err)
	}
}

func TestHandlerErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, terminator := range []framer.Terminator{framer.Delimiter("b"), framer.AnyDelimiter("b"), framer.FixedLength(1)} {
		for _, inFound := range []bool{false, true} {
			f := framer.NewFramer(strings.NewReader("abab"), nil)
			h := new(hookedTranscript)
			want := "a"
			if inFound {
				want = "a|"
				h.found = func() error { return broken }
			} else {
				h.collect = func(string) error { return broken }
			}
			if err := f.SetTerminator(terminator); err != nil {
				t.Fatal(err)
			}
			if err := f.Run(h); err != broken || h.String() != want {
				t.Errorf("%v: %q, %v; want %q", terminator, h.String(), err, want)
			}
		}
	}
}

func TestBufferSizes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	rules := []rule{
		noneRule(),
		delimiterRule("\r\n"),
		delimiterRule(strings.Repeat("ab", 50)),
		anyDelimiterRule(strings.Repeat("ab", 50), "\r\n", strings.Repeat("ab", 30)),
		fixedLengthRule(77),
		prefixRule(framer.Prefix{Size: 1, Offset: 30}),
		scanLinesRule(),
	}
	// Texts in which every one of them is found, and almost.
	input := ""
	for range 100 {
		input += strings.Repeat("ab", random.IntN(60)) + []string{"\r\n", "\n", "b", "\r", "xyz"}[random.IntN(5)]
	}
	for _, r := range rules {
		want := program{r}.outcome(input, 300)
		for _, size := range []int{1, 2, 3, 5, 8, 13, 64, 100, 101, 4096} {
			for _, chunks := range [][]string{{input}, bytewise(input)} {
				// The handler of the program checks the pieces.
				got := program{r}.run(newChunkReader(chunks...), framer.Config{ReadBufferSize: size, MaxMessageSize: 300})
				if !got.equal(want) {
					t.Errorf("%v, buffer of %d: %s", r.terminator, size, cmp.Diff(want.Messages, got.Messages))
				}
			}
		}
	}
}

func TestPiecesFillTheBuffer(t *testing.T) {
	// The tutorial's 64-byte buffer: 64-byte pieces, whatever is read at once.
	f := framer.NewFramer(strings.NewReader(strings.Repeat("x", 1000)+"\n"), &framer.Config{ReadBufferSize: 64})
	h := &counter{found: func() error { return nil }}
	if err := errors.Join(f.SetTerminator(framer.Delimiter("\n")), f.Run(h)); err != nil {
		t.Fatal(err)
	}
	if want := (1000 + 63) / 64; h.pieces != want {
		t.Errorf("%d pieces; want %d", h.pieces, want)
	}
}

// linearCases are inputs that cost quadratic time where a search starts again
// after every read, or moves what it has read after every message.
func linearCases() []linearCase {
	const size = 1 << 20
	as := func(n int) string { return strings.Repeat("a", n) }
	half := as(size / 2)
	var many []string
	for i := range 10000 {
		many = append(many, as(i%100)+fmt.Sprint(i))
	}
	return []linearCase{
		{"bare newlines", framer.Delimiter("\n"), strings.Repeat("\n", size), size},
		{"bare newlines of a set", framer.AnyDelimiter("\r\n", "\n"), strings.Repeat("\n", size), size},
		{"almost one of a set", framer.AnyDelimiter(as(1<<16)+"b", "xyz"), as(size), 0},
		{"almost a longer one of a set", framer.AnyDelimiter("a", as(1<<16)+"b"), as(size), size},
		{"almost a longer one of two letters", framer.AnyDelimiter("ab", strings.Repeat("ab", 1<<15)+"c"), strings.Repeat("ab", size/2), size / 2},
		{"a longer one of a set that breaks off", framer.AnyDelimiter("a", as(1<<16)+"b"), strings.Repeat(as(1<<16-1)+"c", size>>16), size - size>>16},
		{"almost all of a set", framer.AnyDelimiter(many...), as(size), 0},
		{"the end of a set", framer.AnyDelimiter("a\n", as(1000)+"b\n"), strings.Repeat("\n", size), 0},
		{"never a set of three", framer.AnyDelimiter("xy", "yx", "z"), strings.Repeat("xx", size/2), 0},
		{"bytes", framer.FixedLength(1), as(size), size},
		{"empty messages", framer.LengthPrefix(framer.Prefix{Size: 1}), strings.Repeat("\x00", size), size},
		{"almost the delimiter", framer.Delimiter(as(1000) + "b"), as(size), 0},
		{"almost the delimiter again and again", framer.Delimiter(as(1000) + "b"), strings.Repeat(as(1000)+"c", size/1001), 0},
		{"half of the input is the delimiter", framer.Delimiter(half + "b"), as(size-1) + "b", 1},
		{"a huge delimiter", framer.Delimiter(half), as(size), 2},
		{"empty blocks", framer.DotBlock(), strings.Repeat(".\r\n", size/3), size / 3},
		{"lines of dots", framer.DotBlock(), strings.Repeat("..\r\n", size/4), 0},
		{"dots", framer.DotBlock(), strings.Repeat(".", size), 0},
		{"empty lines", framer.DotBlock(), strings.Repeat("\r\n", size/2), 0},
		{"almost a lone dot", framer.DotBlock(), strings.Repeat(".\r\r\n", size/4), 0},
		{"no delimiter", framer.Delimiter("\r\n"), as(size), 0},
		{"always the beginning of the delimiter", framer.Delimiter("\r\n"), strings.Repeat("\r", size), 0},
	}
}

type linearCase struct {
	name       string
	terminator framer.Terminator
	input      string
	messages   int
}

// run reads the input in chunks of at most chunkSize bytes into a buffer of
// bufferSize.
func (c linearCase) run(chunkSize, bufferSize int) error {
	r := strings.NewReader(c.input)
	f := framer.NewFramer(readerFunc(func(p []byte) (int, error) {
		return r.Read(p[:min(len(p), chunkSize)])
	}), &framer.Config{ReadBufferSize: bufferSize, MaxMessageSize: -1})
	if err := f.SetTerminator(c.terminator); err != nil {
		return err
	}
	messages := 0
	h := &counter{found: func() error { messages++; return nil }}
	err := f.Run(h)
	if err == io.ErrUnexpectedEOF {
		err = nil
	}
	if messages != c.messages {
		err = errors.Join(err, fmt.Errorf("%d messages; want %d", messages, c.messages))
	}
	return err
}

func TestLinear(t *testing.T) {
	// There is no clock here: quadratic work on a megabyte does not end within
	// the time limit of a test.
	for _, c := range linearCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 4096, len(c.input)} {
				if err := c.run(size, max(size, 16)); err != nil {
					t.Errorf("chunks of %d: %v", size, err)
				}
			}
		})
	}
}

func BenchmarkLinear(b *testing.B) {
	for _, c := range linearCases() {
		for _, size := range []int{1, 4096} {
			b.Run(fmt.Sprintf("%s/chunk=%d", c.name, size), func(b *testing.B) {
				b.SetBytes(int64(len(c.input)))
				for b.Loop() {
					if err := c.run(size, max(size, 16)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A roundReader gives out the same data again and again.
type roundReader struct {
	data string
	next int
}

func (r *roundReader) Read(p []byte) (int, error) {
	n := copy(p, r.data[r.next:])
	r.next = (r.next + n) % len(r.data)
	return n, nil
}

// allocCases are messages that a busy connection has all day.
func allocCases() []linearCase {
	header := string(binary.BigEndian.AppendUint16(nil, 100))
	return []linearCase{
		{name: "Delimiter", terminator: framer.Delimiter("\r\n"), input: strings.Repeat("x", 64) + "\r\n"},
		{name: "Delimiter/size=1024", terminator: framer.Delimiter("\r\n"), input: strings.Repeat("x", 1024) + "\r\n"},
		{name: "Delimiter/size=10000", terminator: framer.Delimiter("\r\n"), input: strings.Repeat("x", 10000) + "\r\n"},
		{name: "AnyDelimiter", terminator: framer.AnyDelimiter("\r\n", "\n"), input: strings.Repeat("x", 64) + "\n"},
		{name: "FixedLength", terminator: framer.FixedLength(100), input: strings.Repeat("x", 100)},
		{name: "LengthPrefix", terminator: framer.LengthPrefix(framer.Prefix{Size: 2}), input: header + strings.Repeat("x", 100)},
	}
}

var errEnough = errors.New("enough messages")

// A batchHandler ends Run after a number of messages.
type batchHandler struct {
	framer.Collector
	left int
}

func (h *batchHandler) FoundTerminator() error {
	h.Reset()
	h.left--
	if h.left == 0 {
		return errEnough
	}
	return nil
}

func TestNoAllocations(t *testing.T) {
	const messages = 100
	for _, c := range allocCases() {
		newFramer := func() *framer.Framer {
			f := framer.NewFramer(&roundReader{data: c.input}, nil)
			if err := f.SetTerminator(c.terminator); err != nil {
				t.Fatal(err)
			}
			return f
		}
		check := func(style string, f func() error) {
			t.Helper()
			var err error
			most := 0.0
			if underRace { // a sync.Pool drops some of what it is given, then
				most = 2 * messages
			}
			n := testing.AllocsPerRun(10, func() { err = f() })
			if n > most || err != nil {
				t.Errorf("%s, %s: %v allocations for %d messages, error %v", c.name, style, n, messages, err)
			}
		}
		f := newFramer()
		h := new(batchHandler)
		check("Run", func() error {
			h.left = messages
			if err := f.Run(h); err != errEnough {
				return err
			}
			return nil
		})
		f = newFramer()
		check("Next", func() error {
			for range messages {
				if _, err := f.Next(c.terminator); err != nil {
					return err
				}
			}
			return nil
		})
		f = newFramer()
		n := 0
		check("All", func() error {
			n = 0
			for _, err := range f.All(c.terminator) {
				if n++; n == messages || err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func TestMemoryIsWhatArrived(t *testing.T) {
	// A header that claims a terabyte, and one megabyte that comes.
	const claim, comes, generous = 1 << 40, 1 << 20, 16 << 20
	input := string(binary.BigEndian.AppendUint64(nil, claim)) + strings.Repeat("x", comes)
	prefix := framer.LengthPrefix(framer.Prefix{Size: 8})
	tests := []struct {
		name  string
		input string
		bound uint64
		run   func(f *framer.Framer) error
	}{
		{"Run", input, 1 << 17, func(f *framer.Framer) error {
			return errors.Join(f.SetTerminator(prefix), f.Run(new(counter)))
		}},
		{"Next", input, generous, func(f *framer.Framer) error { _, err := f.Next(prefix); return err }},
		{"Next, nothing comes", input[:8], 1 << 16, func(f *framer.Framer) error { _, err := f.Next(prefix); return err }},
		{"Length", input, generous, func(f *framer.Framer) error { _, err := f.Next(framer.Length(claim)); return err }},
		{"FixedLength", input[:10], 1 << 16, func(f *framer.Framer) error { _, err := f.Next(framer.FixedLength(claim)); return err }},
	}
	for _, test := range tests {
		f := framer.NewFramer(strings.NewReader(test.input), &framer.Config{MaxMessageSize: -1})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := test.run(f)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: error %v", test.name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > test.bound {
			t.Errorf("%s: %d bytes were allocated", test.name, n)
		}
	}
}

func TestCollector(t *testing.T) {
	var c framer.Collector
	if c.Len() != 0 || len(c.Bytes()) != 0 || len(c.Take()) != 0 {
		t.Error("the zero value is not empty")
	}
	piece := []byte("abc")
	add := func() {
		copy(piece, "abc")
		if err := c.CollectIncomingData(piece); err != nil {
			t.Fatal(err)
		}
		copy(piece, "???") // which was lent
	}
	add()
	add()
	if c.Len() != 6 || string(c.Bytes()) != "abcabc" {
		t.Errorf("collected %q, length %d", c.Bytes(), c.Len())
	}
	taken := c.Take()
	add()
	if string(taken) != "abcabc" || string(c.Bytes()) != "abc" {
		t.Errorf("taken %q, then collected %q", taken, c.Bytes())
	}
	c.Reset()
	if c.Len() != 0 {
		t.Errorf("%d bytes after Reset", c.Len())
	}
	if n := testing.AllocsPerRun(10, func() { add(); c.Reset() }); n != 0 {
		t.Errorf("%v allocations after Reset", n)
	}
}

// After Grow there is room, and what was collected is still there.
func TestCollectorGrow(t *testing.T) {
	letters := pattern(1 << 20)
	for _, have := range []int{0, 1, 100, 70_000, 300_000} {
		for _, step := range []int{10, 5000, 100_000} {
			for _, n := range []int{0, 1, 5000, 200_000} {
				collect := func(c *framer.Collector, at, end int) {
					for at < end {
						next := min(at+step, end)
						c.CollectIncomingData(letters[at:next])
						at = next
					}
				}
				var c framer.Collector
				if have == 100 { // after another message
					collect(&c, 0, 200)
					c.Reset()
				}
				collect(&c, 0, have)
				c.Grow(n)
				at := have
				var room []byte
				if allocs := testing.AllocsPerRun(1, func() { // calls it twice
					end := at + (have+n-at+1)/2
					if at > have {
						end = have + n
					}
					collect(&c, at, end)
					room = c.Bytes()
					at = end
				}); allocs > 0 {
					t.Errorf("%d bytes, grown by %d: %v allocations", have, n, allocs)
				}
				if !bytes.Equal(room, letters[:have+n]) || cap(room) > max(200, have+n)*5/4+4096 {
					t.Errorf("%d bytes, grown by %d: %d, with room for %d", have, n, len(room), cap(room))
				}
				collect(&c, at, at+step)
				if got := c.Take(); !bytes.Equal(got, letters[:at+step]) {
					t.Errorf("%d bytes, grown by %d: %d were taken", have, n, len(got))
				}
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Grow(-1) does not panic")
		}
	}()
	new(framer.Collector).Grow(-1)
}

// Growing again and again is linear.
func TestCollectorGrowsLinearly(t *testing.T) {
	const size = 1 << 20
	var c framer.Collector
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range size {
		c.Grow(1)
		c.CollectIncomingData([]byte{byte(i)})
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; c.Len() != size || took > 10*size {
		t.Errorf("%d bytes took %d", c.Len(), took)
	}
}

// A source takes decisions from the bytes of a fuzzer.
type source struct{ data []byte }

func (s *source) next(n int) int {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return int(b) % n
}

// text returns a string of 1 to n letters of a small alphabet.
func (s *source) text(n int) string {
	text := make([]byte, 1+s.next(n))
	for i := range text {
		text[i] = "ab\r\n"[s.next(4)]
	}
	return string(text)
}

func (s *source) prefix() framer.Prefix {
	flags := s.next(4)
	return framer.Prefix{
		Size:         []int{1, 2, 3, 4, 8, framer.Uvarint}[s.next(6)],
		LittleEndian: flags&1 != 0,
		Keep:         flags&2 != 0,
		Offset:       s.next(4),
		Adjustment:   int64(s.next(256)) - 128,
	}
}

// rule returns a rule that is valid under the limit, if there is one.
func (s *source) rule(limit int64) rule {
	longest := 40
	if limit >= 0 {
		longest = int(limit)
	}
	switch s.next(8) {
	case 0:
		return lengthRule(int64(s.next(longest + 1)))
	case 1:
		return fixedLengthRule(1 + int64(s.next(longest)))
	case 2:
		return prefixRule(s.prefix())
	case 3:
		return anyDelimiterRule(s.text(3), s.text(5), s.text(2))
	case 4:
		return scanLinesRule()
	case 5:
		return noneRule()
	case 7:
		return dotBlockRule()
	}
	return delimiterRule(s.text(8))
}

// compareWithNaive runs p over input, cut at random by the seed, and compares the
// outcome with that of the naive rules.
func compareWithNaive(t *testing.T, p program, input string, seed uint64, limit int64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	cfg := framer.Config{ReadBufferSize: 1 + random.IntN(20), MaxMessageSize: limit}
	longest := 1 + random.IntN(10)
	var chunks []string
	for rest := input; rest != ""; {
		n := min(1+random.IntN(longest), len(rest))
		chunks = append(chunks, rest[:n])
		rest = rest[n:]
	}
	want := p.outcome(input, limit)
	var r io.Reader = newChunkReader(chunks...)
	if random.IntN(2) == 0 {
		r = endWithData(chunks)
	}
	if got := p.run(r, cfg); !got.equal(want) {
		var terminators []string
		for _, r := range p {
			terminators = append(terminators, r.terminator.String())
		}
		t.Errorf("%v, %+v, %q:\n got %+q\nwant %+q", terminators, cfg, chunks, got, want)
	}
}

// fuzzLimit makes a MaxMessageSize of a number: none, or a small one.
func fuzzLimit(n uint8) int64 {
	if n == 0 {
		return -1
	}
	return int64(n)
}

// FuzzSplit runs programs of up to six terminators.
func FuzzSplit(f *testing.F) {
	f.Add([]byte{6, 1, 2, 3}, "ab\r\na\r\r\nb", uint64(1), uint8(0))
	f.Add([]byte{6, 0, 3, 0, 3, 1, 5}, "aab\nabab\n\nabb", uint64(2), uint8(3))
	f.Add([]byte{2, 0, 0, 0, 128, 2, 3, 5, 1, 120}, "\x02ab\x03abc\x00\x00\x05abcde", uint64(3), uint8(4))
	f.Add([]byte{3, 0, 0, 1, 2, 3, 1, 0, 1}, "aba\r\nabb\nab", uint64(4), uint8(2))
	f.Add([]byte{4, 0, 1, 4}, "ab ab\r\nb b   a\n\n  bbbbbb", uint64(5), uint8(5))
	f.Add([]byte{1, 2, 0, 0, 5}, "abababab", uint64(6), uint8(9))
	f.Fuzz(func(t *testing.T, decisions []byte, input string, seed uint64, n uint8) {
		limit := fuzzLimit(n)
		s := &source{decisions}
		p := program{s.rule(limit)}
		for len(s.data) > 0 && len(p) < 6 {
			p = append(p, s.rule(limit))
		}
		compareWithNaive(t, p, input, seed, limit)
	})
}

// FuzzDotBlock compares the outcome of any input with that of the naive rule, however it
// is cut, and reads what was written for its lines.
func FuzzDotBlock(f *testing.F) {
	f.Add("a\r\n..b\r\n.\r\n.\r\nc", uint64(1), uint8(0))
	f.Add("a\n.\nb\r\n.\nc\n.\r\n.\r\n", uint64(2), uint8(5))
	f.Add(".\r\r\n..\r\n.\r", uint64(3), uint8(1))
	f.Add("\r\n\r\n.\r\n.", uint64(4), uint8(3))
	f.Fuzz(func(t *testing.T, input string, seed uint64, n uint8) {
		r := dotBlockRule()
		compareWithNaive(t, program{r}, input, seed, fuzzLimit(n))
		written := dotBlock(strings.Split(input, "\r\n"))
		compareWithNaive(t, program{r}, written, seed, fuzzLimit(n))
		for _, chunks := range [][]string{{written}, bytewise(written)} {
			want := outcome{Messages: []string{input + "\r\n"}, Delims: []string{".\r\n"}}
			if got := runNext(r.terminator, chunks, framer.Config{MaxMessageSize: -1}); !got.equal(want) {
				t.Errorf("%q, written as %q: %+q", input, chunks, got)
			}
			if got := runNextReader(r.terminator, chunks, framer.Config{}, 1+int(seed%20)); !got.equal(want) {
				t.Errorf("%q, written as %q, by NextReader: %+q", input, chunks, got)
			}
		}
	})
}

func FuzzLengthPrefix(f *testing.F) {
	f.Add([]byte{0, 0, 0, 128}, "\x02ab\x03abc\x00", uint64(1), uint8(0))
	f.Add([]byte{1, 1, 1, 128}, "?\x02\x00ab?\x03\x00abc", uint64(2), uint8(3))
	f.Add([]byte{2, 5, 2, 130}, "??\x00ab??\x80\x01", uint64(3), uint8(0))
	f.Add([]byte{3, 4, 0, 120}, "\x0a\x00\x00\x00\x00\x00\x00\x00ab", uint64(4), uint8(50))
	f.Add([]byte{0, 4, 0, 255}, "\xff\xff\xff\xff\xff\xff\xff\xffab", uint64(5), uint8(0))
	f.Add([]byte{0, 5, 0, 0}, strings.Repeat("\xd6", 10), uint64(1), uint8(0)) // ten bytes that say there are more
	f.Fuzz(func(t *testing.T, decisions []byte, input string, seed uint64, n uint8) {
		s := &source{decisions}
		compareWithNaive(t, program{prefixRule(s.prefix())}, input, seed, fuzzLimit(n))
	})
}

// An errorReader reads from r, but has an error first, now and then.
type errorReader struct {
	r      io.Reader
	err    error
	failed bool
}

func (r *errorReader) Read(p []byte) (int, error) {
	if r.failed = !r.failed; r.failed {
		return 0, r.err
	}
	return r.r.Read(p)
}

// TestNextGoesOnAfterError has a reader, such as a serial line with a deadline,
// that fails before every byte. Nothing of a message may be lost.
func TestNextGoesOnAfterError(t *testing.T) {
	for _, term := range []framer.Terminator{
		framer.Delimiter("\r\n"),
		framer.AnyDelimiter("\r\n", "\n"),
		framer.Length(6),
		framer.FixedLength(6),
		framer.LengthPrefix(framer.Prefix{Size: 1, Adjustment: 5 - 'h', Keep: true}),
	} {
		r := &errorReader{r: iotest.OneByteReader(strings.NewReader("hello \r\nhello \r\n")), err: os.ErrDeadlineExceeded}
		f := framer.NewFramer(r, nil)
		for {
			msg, err := f.Next(term)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue
			}
			if err != nil || string(msg) != "hello " {
				t.Errorf("%v: Next = %q, %v, want the whole message", term, msg, err)
			}
			break
		}
	}
}

// TestAppendToLent has borrowers who append to what they are lent. The bytes of
// the next message are behind it.
func TestAppendToLent(t *testing.T) {
	const input = "one\ntwo\nthree\n"
	want := []string{"one", "two", "three"}
	for _, term := range []framer.Terminator{
		framer.Delimiter("\n"), framer.AnyDelimiter("\n", "\r\n"), framer.Split(bufio.ScanLines),
	} {
		var next, run []string
		for msg, err := range framer.NewFramer(strings.NewReader(input), nil).All(term) {
			if err != nil {
				t.Fatal(err)
			}
			next = append(next, string(msg))
			_ = append(msg, "rubbish"...)
		}
		f := framer.NewFramer(strings.NewReader(input), nil)
		if err := f.SetTerminator(term); err != nil {
			t.Fatal(err)
		}
		if err := f.Run(appender{&run}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(next, want) || !slices.Equal(run, want) {
			t.Errorf("%v: All gave %q and Run %q, want %q", term, next, run, want)
		}
	}
}

// An appender appends to what it is lent.
type appender struct{ messages *[]string }

func (a appender) CollectIncomingData(data []byte) error {
	*a.messages = append(*a.messages, string(data))
	_ = append(data, "rubbish"...)
	return nil
}

func (a appender) FoundTerminator() error { return nil }

// A lineCollector notes its lines, and forgets nothing by itself.
type lineCollector struct {
	framer.Collector
	lines    []string
	oversize func() error
}

func (h *lineCollector) FoundTerminator() error {
	h.lines = append(h.lines, string(h.Take()))
	return nil
}

func (h *lineCollector) HandleOversize(*framer.MessageTooLongError) error { return h.oversize() }

// Nothing of a message that was thrown away becomes part of the next one, under
// whatever terminator. A message that goes on under another one is whole.
func TestThrownAwayMessageLeavesNothing(t *testing.T) {
	for _, test := range []struct {
		terminator framer.Terminator
		input      string
	}{
		{framer.Delimiter("\n"), "ab\nvery, very long\nfine\n"},
		{framer.AnyDelimiter("\r\n", "\n"), "ab\nvery, very long\r\nfine\n"},
		{framer.LengthPrefix(framer.Prefix{Size: 1}), "\x02ab\x0fvery, very long\x04fine"},
		{framer.LengthPrefix(framer.Prefix{Size: 1, Keep: true, Adjustment: -1}), "\x03ab\x10very, very long\x05fine"},
		{framer.Split(bufio.ScanLines), "ab\nvery, very long\nfine\n"},
	} {
		for chunks := range cuts(test.input) {
			for _, size := range []int{1, 3, 100} {
				f := framer.NewFramer(newChunkReader(chunks...), &framer.Config{MaxMessageSize: 6, ReadBufferSize: size})
				h := &lineCollector{oversize: func() error { return nil }}
				if err := errors.Join(f.SetTerminator(test.terminator), f.Run(h)); err != nil {
					t.Fatal(err)
				}
				want := []string{"ab", "fine"}
				if test.input[0] == '\x03' {
					want = []string{"\x03ab", "\x05fine"}
				}
				if !slices.Equal(h.lines, want) {
					t.Fatalf("%v, %q: %q, want %q", test.terminator, chunks, h.lines, want)
				}
			}
		}
	}
	for chunks := range cuts("very, very;x;") {
		f := framer.NewFramer(newChunkReader(chunks...), &framer.Config{MaxMessageSize: 6, ReadBufferSize: 3})
		h := new(lineCollector)
		h.oversize = func() error { return f.SetTerminator(framer.Delimiter(";")) }
		if err := errors.Join(f.SetTerminator(framer.Delimiter("\n")), f.Run(h)); err != nil {
			t.Fatal(err)
		}
		if want := []string{"very, very", "x"}; !slices.Equal(h.lines, want) {
			t.Fatalf("%q: %q, want %q", chunks, h.lines, want)
		}
	}
}

// What an error quotes is of the message that it is about, also if more has come:
// the next one may be a password.
func TestErrorsQuoteNothingElse(t *testing.T) {
	const limit, secret = 3, "\x08passwordpassword\npassword"
	uvarint := framer.Prefix{Size: framer.Uvarint}
	for _, test := range []struct {
		terminator framer.Terminator
		message    string
		head       string // what is quoted at most
	}{
		{framer.Delimiter("\n"), "abcdefgh\n", "abcdefgh"},
		{framer.AnyDelimiter("\r\n", "\n"), "abcdefgh\r\n", "abcdefgh"},
		{framer.Split(bufio.ScanLines), "abcdefgh\n", "abcdefgh"},
		{framer.LengthPrefix(framer.Prefix{Size: 1}), "\x04abcd", "\x04abcd"},
		{framer.LengthPrefix(framer.Prefix{Size: 2, Offset: 3, Keep: true}), "xyz\x00\x04abcd", "xyz\x00\x04abcd"},
		{framer.LengthPrefix(framer.Prefix{Size: 2, Offset: 30, Adjustment: 4}), strings.Repeat("x", 30) + "\x00\x00abcd", strings.Repeat("x", 30) + "\x00\x00"},
		{framer.LengthPrefix(uvarint), "\x04abcd", "\x04abcd"},
		{framer.LengthPrefix(framer.Prefix{Size: 1, Adjustment: -5}), "\x04", "\x04"},
		{framer.LengthPrefix(framer.Prefix{Size: 1, Offset: 100, Adjustment: -5}), strings.Repeat("x", 100) + "\x04", strings.Repeat("x", 32)},
		{framer.LengthPrefix(uvarint), strings.Repeat("\x80", 10), strings.Repeat("\x80", 10)},
		{framer.LengthPrefix(uvarint), strings.Repeat("\x80", 9) + "\x02", strings.Repeat("\x80", 9) + "\x02"},
		{framer.LengthPrefix(framer.Prefix{Size: framer.Uvarint, Offset: 2}), "xy" + strings.Repeat("\x80", 10), "xy" + strings.Repeat("\x80", 10)},
	} {
		for _, size := range []int{1, 5, 100} {
			for chunks := range cuts(test.message + secret) {
				f := framer.NewFramer(newChunkReader(chunks...), &framer.Config{MaxMessageSize: limit, ReadBufferSize: size})
				_, err := f.Next(test.terminator)
				var long *framer.MessageTooLongError
				switch {
				case errors.As(err, &long):
					if !strings.HasPrefix(test.head, string(long.Head)) || len(long.Head) == 0 {
						t.Fatalf("%v, %q: quoted %q, want at most %q", test.terminator, chunks, long.Head, test.head)
					}
				case errors.Is(err, framer.ErrBadPrefix):
					if !strings.HasSuffix(err.Error(), fmt.Sprintf(" %q", test.head)) {
						t.Fatalf("%v, %q: %v, want it to quote %q", test.terminator, chunks, err, test.head)
					}
				default:
					t.Fatalf("%v, %q: error %v", test.terminator, chunks, err)
				}
			}
		}
	}
}

// refuse has SetTerminator refuse what makes no sense.
func refuse(f *framer.Framer, mended bool) {
	f.SetTerminator(framer.Length(1 << 40))
	if mended {
		f.SetTerminator(framer.Delimiter("\n"))
	}
}

// A terminator that was refused ends Run, with its error, after the callback that
// has ignored it, unless that has set another.
func TestRefusedTerminatorIsNotSilent(t *testing.T) {
	const limit = 5
	for _, terminator := range []framer.Terminator{
		framer.Delimiter("\n"), framer.AnyDelimiter("\n"), framer.Split(bufio.ScanLines),
		framer.LengthPrefix(framer.Prefix{Size: 1, Adjustment: 3 - 'a', Keep: true}),
		framer.FixedLength(4), framer.Length(4), framer.None(),
	} {
		for _, mended := range []bool{false, true} {
			for _, test := range []struct {
				callback string
				want     string
			}{
				{"before", ""}, {"collect", "abc"}, {"found", "abc|"}, {"oversize", "abc|*"}, {"complete", "abc|."},
			} {
				input := "abc\n"
				if test.callback == "oversize" {
					input += "abcdefgh\n"
				}
				if terminator.String() == "None()" && test.callback != "before" && test.callback != "collect" {
					continue
				}
				f := framer.NewFramer(strings.NewReader(input), &framer.Config{MaxMessageSize: limit})
				if err := f.SetTerminator(terminator); err != nil {
					t.Fatal(err)
				}
				if test.callback == "before" {
					refuse(f, mended)
				}
				h := new(completingTranscript)
				do := func(callback string) error {
					if callback == test.callback {
						refuse(f, mended)
					}
					return nil
				}
				h.collect = func(string) error { return do("collect") }
				h.found = func() error { return do("found") }
				h.oversize = func(*framer.MessageTooLongError) error { return do("oversize") }
				h.complete = func() error { return do("complete") }
				err := f.Run(h)
				var long *framer.MessageTooLongError
				refused := errors.As(err, &long) && long.Limit == limit && long.Seen == 1<<40 && long.Head == nil
				switch {
				case mended && refused:
					t.Errorf("%v, %s: error %v, although there was another terminator", terminator, test.callback, err)
				case mended:
				case test.callback == "oversize" && !strings.Contains(h.String(), "*"): // nothing was too long
				case !refused || !strings.Contains(err.Error(), "1099511627776 bytes, limit 5 (Config.MaxMessageSize)") || strings.Contains(err.Error(), "begins"):
					t.Errorf("%v, %s: error %v", terminator, test.callback, err)
				case strings.Count(h.String(), "|") != strings.Count(test.want, "|") && test.callback != "oversize":
					t.Errorf("%v, %s: %q", terminator, test.callback, h.String())
				}
			}
		}
	}
	// Next says it itself, and counts for a terminator that was set.
	f := framer.NewFramer(strings.NewReader("ab\n"), nil)
	refuse(f, false)
	if piece, err := f.Next(framer.Length(0)); err != nil {
		t.Errorf("Next after a refusal: %q, %v", piece, err)
	}
	if _, err := f.Next(framer.Delimiter("")); err == nil {
		t.Error("Next of an empty delimiter returned no error")
	}
	var h transcript
	if err := f.Run(&h); err != nil || h.String() != "ab\n" {
		t.Errorf("Run after Next: %q, %v", h.String(), err)
	}
}

// A Collector is bounded also under None.
// A Collector is told how long a counted message is when half of it has come: less than
// half of it is moved, and it lies in one piece at the end.
func TestCollectorOfCounted(t *testing.T) {
	const size, rounds = 1 << 20, 10
	header := string(binary.BigEndian.AppendUint32(nil, size))
	for _, test := range []struct {
		terminator framer.Terminator
		message    string
	}{
		{framer.FixedLength(size), strings.Repeat("x", size)},
		{framer.LengthPrefix(framer.Prefix{Size: 4}), header + strings.Repeat("x", size)},
	} {
		f := framer.NewFramer(&roundReader{data: test.message}, nil)
		h := new(takingHandler)
		h.left = rounds
		if err := f.SetTerminator(test.terminator); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := f.Run(h); err != errEnough {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if took := (after.TotalAlloc - before.TotalAlloc) / rounds; h.taken != rounds*size || took > size*7/4 {
			t.Errorf("%v: %d bytes taken, %d allocated for each %d", test.terminator, h.taken, took, size)
		}
	}
}

// A takingHandler takes so many messages.
type takingHandler struct {
	framer.Collector
	left, taken int
}

func (h *takingHandler) FoundTerminator() error {
	h.taken += len(h.Take())
	if h.left--; h.left == 0 {
		return errEnough
	}
	return nil
}

func TestCollectorUnderNone(t *testing.T) {
	const limit = 1000
	newFramer := func(max int64) *framer.Framer {
		return framer.NewFramer(strings.NewReader(strings.Repeat("0123456789", 1000)), &framer.Config{MaxMessageSize: max, ReadBufferSize: 100})
	}
	h := &lineCollector{oversize: func() error { return nil }}
	var long *framer.MessageTooLongError
	if err := newFramer(limit).Run(new(batchHandler)); !errors.As(err, &long) || long.Seen != limit+100 || string(long.Head) != "01234567890123456789012345678901" {
		t.Errorf("Run: %v, want a MessageTooLongError", err)
	}
	if err := newFramer(limit).Run(h); err != io.ErrUnexpectedEOF || h.Len() != 0 {
		t.Errorf("Run, with the rest skipped: %v, and %d bytes left", err, h.Len())
	}
	f := newFramer(limit)
	h.oversize = func() error { return f.SetTerminator(framer.Delimiter("90")) }
	if err := f.Run(h); err != io.ErrUnexpectedEOF || len(h.lines) != 889 || len(h.lines[0]) != limit+109 {
		t.Errorf("Run, with another terminator: %v and %d messages", err, len(h.lines))
	}
	h = new(lineCollector)
	if err := newFramer(-1).Run(h); err != nil || h.Len() != 10000 {
		t.Errorf("Run without a limit: %v, %d bytes", err, h.Len())
	}
	c := &counter{}
	if err := newFramer(limit).Run(c); err != nil || c.bytes != 10000 {
		t.Errorf("Run without a Collector: %v, %d bytes", err, c.bytes)
	}
}

// To discard input where there is none changes nothing in a text that is given as it
// comes.
func TestDiscardInDotBlock(t *testing.T) {
	for _, chunks := range [][]string{{"foo", ".\r\nbar\r\n.\r\n"}, {"a\r", "\n.\r\n"}} {
		t.Run(chunks[0], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := net.Pipe()
				var s script
				s.onFound = func() error { return s.Push(append(s.Take(), '|')) }
				c := framer.NewConn(nc, func(c *framer.Conn) framer.Handler {
					h := s.newHandler(c)
					c.SetTerminator(framer.DotBlock())
					return h
				}, nil)
				served := call(func() error { return c.Serve(t.Context()) })
				writeString(t, peer, chunks[0])
				synctest.Wait()
				c.DiscardBuffers()
				go io.WriteString(peer, chunks[1])
				whole := strings.Join(chunks, "")
				readString(t, peer, strings.TrimSuffix(whole, ".\r\n")+"|")
				peer.Close()
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
