// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/textproto"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/goframer/framer"
)

// A recordFormat is a way to write messages that are counted.
type recordFormat struct {
	name  string
	write func(out, message []byte) []byte
	// read returns the next message, from Next of a Framer or a Conn.
	read func(next func(framer.Terminator) ([]byte, error)) ([]byte, error)
}

func recordFormats() []recordFormat {
	lines := framer.Delimiter("\r\n")
	prefix := framer.LengthPrefix(framer.Prefix{Size: 4})
	return []recordFormat{
		{
			name: "prefix",
			write: func(out, message []byte) []byte {
				return append(binary.BigEndian.AppendUint32(out, uint32(len(message))), message...)
			},
			read: func(next func(framer.Terminator) ([]byte, error)) ([]byte, error) { return next(prefix) },
		},
		{
			name: "line and length",
			write: func(out, message []byte) []byte {
				return append(fmt.Appendf(out, "%d\r\n", len(message)), message...)
			},
			read: func(next func(framer.Terminator) ([]byte, error)) ([]byte, error) {
				line, err := next(lines)
				if err != nil {
					return line, err
				}
				var n int64
				if _, err := fmt.Sscan(string(line), &n); err != nil {
					return nil, err
				}
				return next(framer.Length(n))
			},
		},
	}
}

var errHiccup = errors.New("hiccup")

// A hiccupReader cuts data at random, and fails in between.
type hiccupReader struct {
	data   []byte
	random *rand.Rand
	most   int // at once
}

func (r *hiccupReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data[:min(r.random.IntN(r.most)+1, len(r.data))])
	switch r.random.IntN(10) {
	case 0:
		return 0, errHiccup
	case 1:
		r.data = r.data[n:]
		return n, errHiccup
	case 2:
		return 0, nil
	}
	r.data = r.data[n:]
	return n, nil
}

// pattern returns n bytes in which nothing that is missing or out of its place
// goes unnoticed.
func pattern(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(data)
	return data
}

// randomMessages returns messages of which many are larger than a buffer.
func randomMessages(random *rand.Rand, count int) (messages [][]byte) {
	for range count {
		message := make([]byte, random.IntN([]int{2, 100, 5000, 20000, 140000}[random.IntN(5)]))
		for i := range message {
			message[i] = byte(random.Uint32())
		}
		messages = append(messages, message)
	}
	return messages
}

// Counted messages are the same however the input is cut, whatever the size of the
// buffer, and also if the reader fails in between.
func TestNextOfCountedMessages(t *testing.T) {
	for _, format := range recordFormats() {
		for _, size := range []int{1, 7, 1000, 4096, 0} {
			t.Run(fmt.Sprintf("%s/%d", format.name, size), func(t *testing.T) {
				random := rand.New(rand.NewPCG(uint64(size), 0))
				messages := randomMessages(random, 40)
				var data []byte
				for _, message := range messages {
					data = format.write(data, message)
				}
				for _, most := range []int{1, 3000, 70000} {
					if most == 1 && len(data) > 100000 {
						data, messages = shortened(format, messages)
					}
					f := framer.NewFramer(&hiccupReader{data, random, most}, &framer.Config{ReadBufferSize: size})
					next := func(term framer.Terminator) ([]byte, error) {
						for {
							message, err := f.Next(term)
							if err != errHiccup {
								return message, err
							}
						}
					}
					checkRecords(t, format, messages, next)
				}
			})
		}
	}
}

// shortened returns the messages, and their bytes, of less than 10000 bytes.
func shortened(format recordFormat, messages [][]byte) (data []byte, short [][]byte) {
	for _, message := range messages {
		if len(message) < 10000 {
			data, short = format.write(data, message), append(short, message)
		}
	}
	return data, short
}

// checkRecords reads the messages, and then the end.
func checkRecords(t *testing.T, format recordFormat, messages [][]byte, next func(framer.Terminator) ([]byte, error)) {
	t.Helper()
	for i, want := range messages {
		got, err := format.read(next)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("message %d: %d bytes and %v, want %d", i, len(got), err, len(want))
		}
		if len(got) != cap(got) {
			t.Fatalf("message %d: %d bytes were lent with it", i, cap(got)-len(got))
		}
	}
	if got, err := format.read(next); err != io.EOF || len(got) > 0 {
		t.Fatalf("at the end: %d bytes and %v, want EOF", len(got), err)
	}
}

// An input that ends, or a message that is too long, is reported, with what there
// is of the message.
func TestNextOfCutMessages(t *testing.T) {
	message := pattern(20000)
	for _, format := range recordFormats() {
		whole := format.write(nil, message)
		header := len(whole) - len(message)
		for _, cut := range []int{header + 1, header + 4095, header + 4096, header + 4097, len(whole) - 1} {
			f := framer.NewFramer(&hiccupReader{whole[:cut], rand.New(rand.NewPCG(1, 1)), 5000}, nil)
			next := func(term framer.Terminator) (message []byte, err error) {
				for {
					if message, err = f.Next(term); err != errHiccup {
						return message, err
					}
				}
			}
			got, err := format.read(next)
			if err != io.ErrUnexpectedEOF || !bytes.Equal(got, message[:cut-header]) {
				t.Errorf("%s, cut after %d: %d bytes and %v, want %d and ErrUnexpectedEOF", format.name, cut, len(got), err, cut-header)
			}
		}
	}
}

// After an error in the middle of a message, another terminator begins another one, with
// what was not taken yet.
func TestNextUnderAnotherTerminator(t *testing.T) {
	r := newChunkReader("abcdefgh", "ij", "k\nl;")
	broken := errors.New("not now")
	r.before = func() {}
	reads := 0
	f := framer.NewFramer(readerFunc(func(p []byte) (int, error) {
		if reads++; reads == 3 {
			return 0, broken
		}
		return r.Read(p)
	}), &framer.Config{ReadBufferSize: 8})
	if msg, err := f.Next(framer.Delimiter("\n")); err != broken {
		t.Fatalf("%q, %v", msg, err)
	}
	if msg, err := f.Next(framer.Delimiter(";")); err != nil || !strings.HasSuffix(string(msg), "k\nl") || strings.HasPrefix(string(msg), "a") {
		t.Errorf("%q, %v", msg, err)
	}
}

// After an error in the middle of a message, the terminator that SetTerminator sets rules
// over the rest of it, also if that has been read, because a delimiter seemed to begin.
func TestNextAfterSetTerminator(t *testing.T) {
	for _, rest := range []framer.Terminator{
		framer.Delimiter(";"), framer.AnyDelimiter(";", "."), framer.Length(1), framer.FixedLength(1),
	} {
		r := newChunkReader("abc;", "d;")
		broken := errors.New("not now")
		reads := 0
		f := framer.NewFramer(readerFunc(func(p []byte) (int, error) {
			if reads++; reads == 2 {
				return 0, broken
			}
			return r.Read(p)
		}), nil)
		if msg, err := f.Next(framer.Delimiter("c;\n")); string(msg) != "ab" || err != broken {
			t.Fatalf("%q, %v", msg, err)
		}
		if err := f.SetTerminator(rest); err != nil {
			t.Fatal(err)
		}
		if msg, err := f.Next(rest); string(msg) != "abc" || err != nil {
			t.Errorf("%v: %q, %v", rest, msg, err)
		}
	}
}

// Next refuses a terminator that makes no sense, also if there is input enough for a
// message, and a message above the limit of its terminator.
func TestNextRefuses(t *testing.T) {
	f := framer.NewFramer(newChunkReader("first\nthe second of the messages\n"), &framer.Config{MaxMessageSize: 40})
	line := framer.Delimiter("\n")
	if msg, err := f.Next(line); string(msg) != "first" || err != nil {
		t.Fatalf("%q, %v", msg, err)
	}
	for _, senseless := range []framer.Terminator{
		framer.Delimiter(""), framer.AnyDelimiter(), framer.AnyDelimiter("e", ""), framer.Length(-1), framer.FixedLength(0),
		framer.FixedLength(-1), framer.LengthPrefix(framer.Prefix{}), framer.LengthPrefix(framer.Prefix{Size: 5}),
		framer.LengthPrefix(framer.Prefix{Size: 1, Offset: 1 << 16}), framer.Split(nil),
	} {
		if msg, err := f.Next(senseless); err == nil || len(msg) > 0 {
			t.Errorf("%v: %q, %v", senseless, msg, err)
		}
	}
	if msg, err := f.Next(framer.Length(4).Limit(4)); string(msg) != "the " || err != nil {
		t.Errorf("%q, %v", msg, err)
	}
	var long *framer.MessageTooLongError
	if msg, err := f.Next(line.Limit(10)); !errors.As(err, &long) || len(msg) > 0 {
		t.Errorf("%q, %v", msg, err)
	}
	if msg, err := f.Next(line); err != io.EOF || len(msg) > 0 {
		t.Errorf("after a message that is too long: %q, %v", msg, err)
	}
}

// A FixedLength above the limit is an error for every message, and not one for ever: each of
// them is thrown away.
func TestFixedLengthAboveLimit(t *testing.T) {
	record := framer.FixedLength(5)
	f := framer.NewFramer(newChunkReader("aaaaab", "bbbbccc", "cc", "rest"), &framer.Config{MaxMessageSize: 4})
	for range 2 {
		var long *framer.MessageTooLongError
		if msg, err := f.Next(record); !errors.As(err, &long) || len(msg) > 0 {
			t.Errorf("%q, %v", msg, err)
		}
	}
	if r, err := f.NextReader(record.Limit(4)); err == nil {
		t.Errorf("NextReader: %v", r)
	}
	if msg, err := f.Next(framer.None()); string(msg) != "rest" || err != nil {
		t.Errorf("after three records: %q, %v", msg, err)
	}

	f = framer.NewFramer(newChunkReader("aaaaabbbbbcc"), &framer.Config{MaxMessageSize: 4})
	errs := 0
	for _, err := range f.All(record) {
		if errs++; errs > 4 {
			t.Fatalf("All does not end: %v", err)
		}
	}
}

// A message under another set of delimiters, which is too long, is nothing that Matched
// takes for the last one.
func TestMatchedAfterTooLong(t *testing.T) {
	f := framer.NewFramer(newChunkReader("first\nthe second which is too long;"), nil)
	lines := framer.AnyDelimiter("\r\n", "\n")
	if msg, err := f.Next(lines); string(msg) != "first" || err != nil || f.Matched() != "\n" {
		t.Fatalf("%q, %v, %q", msg, err, f.Matched())
	}
	other := framer.AnyDelimiter(strings.Repeat(".", 500)+";", strings.Repeat(":", 400)+";", ";")
	if msg, err := f.Next(other.Limit(10)); len(msg) > 0 || err == nil {
		t.Fatalf("%q, %v", msg, err)
	}
	if got := f.Matched(); got != "" && got != "\n" {
		t.Errorf("Matched is %q", got)
	}
}

// A counted message that was too long for Run is so for Next: there is no message of the
// length that Run has come to.
func TestNextAfterTooLongForRun(t *testing.T) {
	f := framer.NewFramer(newChunkReader("aaaaaaaaaaaabbbbbbbbbb", "bb"), &framer.Config{MaxMessageSize: 8})
	record := framer.FixedLength(12)
	if _, err := f.NextReader(record); err != nil {
		t.Fatal(err)
	}
	var long *framer.MessageTooLongError
	if err := f.Run(new(transcript)); !errors.As(err, &long) {
		t.Fatal(err)
	}
	if msg, err := f.Next(record); !errors.As(err, &long) || len(msg) > 0 {
		t.Errorf("%q, %v", msg, err)
	}
}

// A split function is asked once about the same input, in every style.
func TestSplitIsAskedOnce(t *testing.T) {
	chunks := []string{"a", "b\nc", "d", "e\nf\n", "\n", "gh\ni"}
	styles := map[string]func(f *framer.Framer, split framer.Terminator) error{
		"Run": func(f *framer.Framer, split framer.Terminator) error {
			f.SetTerminator(split)
			return f.Run(new(transcript))
		},
		"Run with HandleReadComplete": func(f *framer.Framer, split framer.Terminator) error {
			f.SetTerminator(split)
			return f.Run(completeTranscript{new(transcript)})
		},
		"Next": func(f *framer.Framer, split framer.Terminator) error {
			for {
				if _, err := f.Next(split); err != nil {
					return err
				}
			}
		},
		"NextReader": func(f *framer.Framer, split framer.Terminator) error {
			for {
				r, err := f.NextReader(split)
				if err == nil {
					_, err = io.Copy(io.Discard, r)
				}
				if err != nil {
					return err
				}
			}
		},
	}
	for name, read := range styles {
		var asked []string
		split := framer.Split(func(data []byte, atEOF bool) (int, []byte, error) {
			if !atEOF {
				asked = append(asked, string(data))
			}
			return bufio.ScanLines(data, atEOF)
		})
		if err := read(framer.NewFramer(newChunkReader(chunks...), nil), split); err != nil && err != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
		want := []string{"a", "ab\nc", "c", "cd", "cde\nf\n", "f\n", "\n", "gh\ni", "i"}
		if !slices.Equal(asked, want) {
			t.Errorf("%s asked about %q, want %q", name, asked, want)
		}
	}
}

// A completeTranscript is a Handler that wants to know when a read is complete.
type completeTranscript struct{ *transcript }

func (completeTranscript) HandleReadComplete() error { return nil }

// Run goes on with the message of a Next that has failed, whatever that has taken of it.
func TestRunAfterNext(t *testing.T) {
	for _, size := range []int{2, 4096} {
		r := newChunkReader("abc", "def\nnext\n")
		broken := errors.New("not now")
		failed := false
		f := framer.NewFramer(readerFunc(func(p []byte) (int, error) {
			if len(r.chunks) == 1 && !failed {
				failed = true
				return 0, broken
			}
			return r.Read(p)
		}), &framer.Config{ReadBufferSize: size})
		line := framer.Delimiter("\n")
		if msg, err := f.Next(line); err != broken {
			t.Fatalf("%q, %v", msg, err)
		}
		enough := errors.New("enough")
		h := new(hookedTranscript)
		h.found = func() error { return enough }
		if err := f.Run(h); h.String() != "abcdef|" || err != enough {
			t.Errorf("buffer of %d: Run gave %q, %v", size, h, err)
		}
		if msg, err := f.Next(line); string(msg) != "next" || err != nil {
			t.Errorf("buffer of %d: %q, %v", size, msg, err)
		}
		if err := f.Run(h); h.String() != "abcdef|" || err != nil {
			t.Errorf("buffer of %d: Run after all that gave %q, %v", size, h, err)
		}
	}
}

// A message that is too long is thrown away, and the next one is not.
func TestNextAfterTooLongMessages(t *testing.T) {
	prefix := recordFormats()[0]
	for _, size := range []int{100, 0} {
		random := rand.New(rand.NewPCG(3, 3))
		const limit = 10000
		messages := randomMessages(random, 60)
		var data []byte
		for _, message := range messages {
			data = prefix.write(data, message)
		}
		f := framer.NewFramer(&hiccupReader{data, random, 9000}, &framer.Config{ReadBufferSize: size, MaxMessageSize: limit})
		for i, want := range messages {
			got, err := prefix.read(f.Next)
			for err == errHiccup {
				got, err = prefix.read(f.Next)
			}
			var long *framer.MessageTooLongError
			switch tooLong := errors.As(err, &long); {
			case tooLong != (len(want) > limit):
				t.Fatalf("message %d of %d bytes: %v", i, len(want), err)
			case tooLong && long.Seen != int64(len(want)):
				t.Errorf("message %d: %d bytes seen, want %d", i, long.Seen, len(want))
			case !tooLong && (err != nil || !bytes.Equal(got, want)):
				t.Fatalf("message %d: %d bytes and %v, want %d", i, len(got), err, len(want))
			}
		}
	}
}

// TestNextOfCountedMessages in a Session, on every transport.
func TestSessionOfCountedMessages(t *testing.T) {
	for _, format := range recordFormats() {
		t.Run(format.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				random := rand.New(rand.NewPCG(5, 5))
				messages := randomMessages(random, 40)
				var data []byte
				for _, message := range messages {
					data = format.write(data, message)
				}
				c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
					checkRecords(t, format, messages, c.Next)
					return nil
				}), framer.Config{})
				for len(data) > 0 {
					n := min(random.IntN(30000)+1, len(data))
					if _, err := peer.Write(data[:n]); err != nil {
						t.Fatal(err)
					}
					data = data[n:]
				}
				peer.Close()
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// DiscardBuffers in the middle of a counted message: it still lacks what it
// lacked, wherever the input is cut.
func TestDiscardInCountedMessage(t *testing.T) {
	const size, discarded = 30000, 9000
	for _, bufferSize := range []int{1, 1000, 4096, 0, 50000} {
		for _, pieces := range [][]int{{discarded}, {1, discarded - 1}, {100, 4900, discarded - 5000}, {4096, 4096, discarded - 8192}} {
			t.Run(fmt.Sprintf("%d/%v", bufferSize, pieces), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := net.Pipe()
					defer peer.Close()
					var got []string
					c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
						for {
							message, err := c.Next(framer.FixedLength(size))
							if err != nil {
								return err
							}
							got = append(got, string(message))
						}
					}), framer.Config{ReadBufferSize: bufferSize})
					data := string(pattern(3 * size))
					writeString(t, peer, data[:size])
					at := size
					for _, n := range pieces {
						writeString(t, peer, data[at:at+n])
						synctest.Wait()
						at += n
					}
					c.DiscardBuffers()
					synctest.Wait()
					writeString(t, peer, data[at:])
					peer.Close()
					if err := c.Wait(); err != nil {
						t.Error(err)
					}
					want := []string{data[:size], data[at : 2*size], data[2*size:]}
					if !slices.Equal(got, want) {
						t.Errorf("%d messages, not those that were sent", len(got))
					}
				})
			})
		}
	}
}

// Memory is taken for what has come of a message, not for what its header has
// announced.
func TestNextTakesMemoryAsItComes(t *testing.T) {
	var header [4]byte
	binary.BigEndian.PutUint32(header[:], 1<<30)
	data := append(header[:], pattern(100000)...)
	f := framer.NewFramer(bytes.NewReader(data), &framer.Config{MaxMessageSize: -1})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := f.Next(framer.LengthPrefix(framer.Prefix{Size: 4}))
	runtime.ReadMemStats(&after)
	if err != io.ErrUnexpectedEOF {
		t.Errorf("Next: %v, want ErrUnexpectedEOF", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("for a message of which 100,000 bytes have come, Next took %d bytes", took)
	}
}

// A long message is no credit for the next one: a header and a byte get the memory
// of a header and a byte.
func TestClaimAfterLongMessage(t *testing.T) {
	const size = 1 << 20
	claim := binary.BigEndian.AppendUint32(nil, size)
	input := io.MultiReader(
		strings.NewReader(string(claim)+strings.Repeat("x", size)),
		strings.NewReader(string(claim)+"x"),
	)
	f := framer.NewFramer(bufio.NewReader(input), nil)
	prefix := framer.LengthPrefix(framer.Prefix{Size: 4})
	if msg, err := f.Next(prefix); err != nil || len(msg) != size {
		t.Fatalf("%d bytes, %v", len(msg), err)
	}
	runtime.GC() // empties the pools
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	msg, err := f.Next(prefix)
	runtime.ReadMemStats(&after)
	if len(msg) != 1 || err != io.ErrUnexpectedEOF {
		t.Fatalf("%d bytes, %v", len(msg), err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 128<<10 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// readMessage reads a message to its end, in pieces of at most size bytes.
func readMessage(r io.Reader, size int) (string, error) {
	var message []byte
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		message = append(message, p[:n]...)
		switch {
		case err == io.EOF:
			return string(message), nil
		case err != nil:
			return string(message), err
		case n == 0:
			return string(message), io.ErrNoProgress
		}
	}
}

// runNextReader is runNext for NextReader.
func runNextReader(terminator framer.Terminator, chunks []string, cfg framer.Config, size int) outcome {
	f := framer.NewFramer(newChunkReader(chunks...), &cfg)
	var o outcome
	for {
		r, err := f.NextReader(terminator)
		var message string
		if err == nil {
			message, err = readMessage(r, size)
		}
		if terminator == framer.None() && err == nil { // the end of the input
			o.Tail = message
			return o
		}
		if !o.add([]byte(message), err, f.Matched()) {
			return o.withoutEOF()
		}
	}
}

// A reader gives the messages that there are, however the input is cut and whatever
// the sizes. MaxMessageSize counts only for Split.
func TestNextReader(t *testing.T) {
	for _, test := range terminatorTests() {
		t.Run(test.rule.terminator.String(), func(t *testing.T) {
			t.Parallel()
			sizes := []int{1, 3, 16}
			runs := 0
			for input := range inputs(test.alphabet, min(test.length, 5)) {
				for i, r := range []rule{test.rule, test.rule.limited(2), test.rule.limited(-1)} {
					if i > 0 && len(input) > 4 {
						break
					}
					limit := int64(-1)
					if strings.HasPrefix(r.terminator.String(), "Split") {
						limit = 3
					}
					want := program{r}.outcome(input, limit)
					for chunks := range cuts(input) {
						size := sizes[runs%len(sizes)]
						runs++
						cfg := framer.Config{ReadBufferSize: 4 - size%4, MaxMessageSize: 3}
						if got := runNextReader(r.terminator, chunks, cfg, size); !got.equal(want) {
							t.Fatalf("%v, %+v, %q in pieces of %d:\n got %+q\nwant %+q", r.terminator, cfg, chunks, size, got, want)
						}
					}
				}
			}
		})
	}
}

// What a reader has left unread is skipped, by whatever comes next.
func TestNextReaderLeavesNothing(t *testing.T) {
	split := framer.Split(bufio.ScanLines)
	for _, test := range []struct {
		terminator framer.Terminator
		input      string
	}{
		{framer.Delimiter("\n"), "0123456789\n"},
		{framer.Delimiter("abab"), "012ab6789aabab"},
		{framer.AnyDelimiter("\r\n", "\r"), "0123456789\r\n"},
		{framer.FixedLength(10), "0123456789"},
		{framer.Length(10), "0123456789"},
		{framer.LengthPrefix(framer.Prefix{Size: 1}), "\x0a0123456789"},
		{framer.LengthPrefix(framer.Prefix{Size: 1, Keep: true}), "\x0a0123456789"},
		{split, "0123456789\r\n"},
		{framer.DotBlock(), "..2345\r\n..0\r\n.\r\n"},
		{framer.Delimiter("\n").Limit(5), "0123456789\n"},
		{framer.LengthPrefix(framer.Prefix{Size: 1}).Limit(20), "\x0a0123456789"},
	} {
		for _, bufferSize := range []int{1, 4, 0} {
			for read := range 13 {
				for _, chunks := range [][]string{{test.input + "next;last;"}, bytewise(test.input + "next;last;")} {
					begin := func() (*framer.Framer, io.Reader) {
						f := framer.NewFramer(newChunkReader(chunks...), &framer.Config{ReadBufferSize: bufferSize, MaxMessageSize: 10})
						r, err := f.NextReader(test.terminator)
						if err != nil {
							t.Fatal(err)
						}
						for got := 0; got < read; {
							n, err := r.Read(make([]byte, read-got))
							if got += n; err == io.EOF || isTooLong(err) {
								break
							} else if err != nil || n == 0 {
								t.Fatal(n, err)
							}
						}
						return f, r
					}
					check := func(what, got string, err error, r io.Reader) {
						t.Helper()
						if got != "next" || err != nil {
							t.Fatalf("%v, buffer of %d, %d bytes read, then %s: %q, %v", test.terminator, bufferSize, read, what, got, err)
						}
						if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil || err != io.EOF && !strings.Contains(err.Error(), "after the next call") {
							t.Fatalf("%v: a Read after that: %d, %v", test.terminator, n, err)
						}
					}
					end := framer.Delimiter(";")
					f, r := begin()
					msg, err := f.Next(end)
					check("Next", string(msg), err, r)

					f, r = begin()
					next, err := f.NextReader(end)
					if err != nil {
						t.Fatal(err)
					}
					got, err := readMessage(next, 3)
					check("NextReader", got, err, r)

					f, r = begin()
					for msg, err := range f.All(end) {
						check("All", string(msg), err, r)
						break
					}
				}
			}
		}
	}
}

// Run goes on behind the message, under the terminator of NextReader, and under
// MaxMessageSize again.
func TestRunAfterNextReader(t *testing.T) {
	for read := range 13 {
		f := framer.NewFramer(strings.NewReader("0123456789\nabc\n01234567890\ndef\n"), &framer.Config{MaxMessageSize: 5})
		r, err := f.NextReader(framer.Delimiter("\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Terminator(); got != framer.Delimiter("\n") {
			t.Errorf("Terminator returns %v", got)
		}
		io.ReadFull(r, make([]byte, read))
		h := new(hookedTranscript)
		if err := f.Run(h); err != nil || h.String() != "abc|01234*def|" {
			t.Errorf("%d bytes read, then Run: %q, %v", read, h.String(), err)
		}
		if _, err := r.Read(make([]byte, 1)); err == nil {
			t.Error("Read goes on after Run")
		}
	}
}

// Under None no message ends, and nothing is skipped.
func TestNextReaderUnderNone(t *testing.T) {
	f := framer.NewFramer(strings.NewReader("0123456789\nabc\n"), &framer.Config{MaxMessageSize: 5})
	r, err := f.NextReader(framer.None())
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 11)
	if _, err := io.ReadFull(r, p); err != nil || string(p) != "0123456789\n" {
		t.Errorf("%q, %v", p, err)
	}
	if msg, err := f.Next(framer.Delimiter("\n")); string(msg) != "abc" || err != nil {
		t.Errorf("Next: %q, %v", msg, err)
	}
	if _, err := f.NextReader(framer.None()); err != io.EOF {
		t.Errorf("NextReader at the end: %v", err)
	}
}

// Readers of messages of all sizes, some of them larger than any buffer, from a reader
// that fails in between.
func TestNextReaderAfterErrors(t *testing.T) {
	room := make([]byte, 100000)
	for _, format := range recordFormats() {
		for _, size := range []int{1, 7, 1000, 4096, 0} {
			for _, most := range []int{1, 3000, 70000} {
				random := rand.New(rand.NewPCG(uint64(size), uint64(most)))
				messages := randomMessages(random, 40)
				var data []byte
				for _, message := range messages {
					data = format.write(data, message)
				}
				if most == 1 || size == 1 {
					data, messages = shortened(format, messages)
				}
				f := framer.NewFramer(&hiccupReader{data, random, most}, &framer.Config{ReadBufferSize: size, MaxMessageSize: 100})
				next := func(term framer.Terminator) (message []byte, err error) {
					var r io.Reader
					for {
						if r, err = f.NextReader(term); err == nil {
							break
						} else if err != errHiccup {
							return nil, err
						}
					}
					for {
						p := room[:1+random.IntN([]int{3, 5000, 100000}[random.IntN(3)])]
						n, err := r.Read(p)
						message = append(message, p[:n]...)
						switch {
						case err == io.EOF:
							return slices.Clip(message), nil
						case err != nil && err != errHiccup:
							return message, err
						}
					}
				}
				checkRecords(t, format, messages, next)
			}
		}
	}
}

// A Limit of its own ends the reader, after the bytes that it allows, or before the
// first one if the header tells.
func TestNextReaderTooLong(t *testing.T) {
	line := framer.Delimiter("\n").Limit(5)
	prefix := framer.LengthPrefix(framer.Prefix{Size: 1})
	f := framer.NewFramer(strings.NewReader("01234567\nabc\n\x06abcdef\x02gh01234567rest\n"), nil)
	r, err := f.NextReader(line)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		data, err := io.ReadAll(r)
		var long *framer.MessageTooLongError
		if !errors.As(err, &long) || long.Limit != 5 || !strings.HasPrefix("01234", string(data)) {
			t.Errorf("%q, %v", data, err)
		}
	}
	if msg, err := f.Next(line); string(msg) != "abc" || err != nil {
		t.Errorf("Next: %q, %v", msg, err)
	}
	for _, term := range []framer.Terminator{prefix.Limit(5), framer.Length(8).Limit(7)} {
		if term.String() == framer.Length(8).Limit(7).String() {
			if msg, err := f.Next(prefix); string(msg) != "gh" || err != nil {
				t.Errorf("Next: %q, %v", msg, err)
			}
		}
		if _, err = f.NextReader(term); !isTooLong(err) {
			t.Errorf("NextReader(%v): %v", term, err)
		}
	}
	if r, err = f.NextReader(framer.Delimiter("\n")); err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); string(data) != "rest" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := f.NextReader(framer.Delimiter("")); err == nil || err == io.EOF {
		t.Errorf("NextReader with an empty delimiter: %v", err)
	}
	for range 2 {
		if _, err := f.NextReader(line); err != io.EOF {
			t.Errorf("NextReader at the end: %v", err)
		}
	}
}

// After a Next that has failed in the middle, the reader has the rest.
func TestNextReaderGoesOn(t *testing.T) {
	for _, term := range []framer.Terminator{framer.LengthPrefix(framer.Prefix{Size: 1}), framer.LengthPrefix(framer.Prefix{Size: 1}).Limit(100)} {
		pieces := []string{"\x0aabc", "", "defghij\x02kl"}
		f := framer.NewFramer(readerFunc(func(p []byte) (n int, err error) {
			if len(pieces) == 0 {
				return 0, io.EOF
			}
			if n = copy(p, pieces[0]); n == 0 {
				err = errHiccup
			}
			pieces = pieces[1:]
			return n, err
		}), nil)
		if msg, err := f.Next(term); string(msg) != "abc" || err != errHiccup {
			t.Fatalf("%q, %v", msg, err)
		}
		r, err := f.NextReader(term)
		if err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(r); string(rest) != "defghij" || err != nil {
			t.Errorf("the rest: %q, %v", rest, err)
		}
		if msg, err := f.Next(term); string(msg) != "kl" || err != nil {
			t.Errorf("Next: %q, %v", msg, err)
		}
	}
}

// A message of any size takes no more memory than a small one.
func TestNextReaderTakesNoMemory(t *testing.T) {
	const size = 256 << 20
	zeros := func() io.Reader {
		return readerFunc(func(p []byte) (int, error) { clear(p); return len(p), nil })
	}
	header := binary.BigEndian.AppendUint32(nil, size)
	for _, test := range []struct {
		terminator framer.Terminator
		input      io.Reader
	}{
		{framer.Delimiter("\r\n"), io.MultiReader(io.LimitReader(zeros(), size), strings.NewReader("\r\nrest"))},
		{framer.LengthPrefix(framer.Prefix{Size: 4}), io.MultiReader(bytes.NewReader(header), io.LimitReader(zeros(), size), strings.NewReader("rest"))},
		{framer.Length(size), io.MultiReader(io.LimitReader(zeros(), size), strings.NewReader("rest"))},
	} {
		f := framer.NewFramer(test.input, nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := f.NextReader(test.terminator)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		runtime.ReadMemStats(&after)
		if n != size || err != nil {
			t.Errorf("%v: %d bytes, %v", test.terminator, n, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%v: %d bytes were allocated", test.terminator, took)
		}
		if msg, err := f.Next(framer.Length(4)); string(msg) != "rest" || err != nil {
			t.Errorf("%v: after it came %q, %v", test.terminator, msg, err)
		}
	}
}

// Those who read messages of their own read them from the reader.
func TestNextReaderForOthers(t *testing.T) {
	f := framer.NewFramer(iotest.OneByteReader(strings.NewReader("{\"n\": 1} {\"n\": 2}\x00Subject: x\r\nTo: y\r\n\r\nbody\x00end\x00")), nil)
	zero := framer.Delimiter("\x00")
	r, err := f.NextReader(zero)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(r)
	for want := 1; want <= 2; want++ {
		var v struct{ N int }
		if err := d.Decode(&v); v.N != want || err != nil {
			t.Errorf("%+v, %v; want %d", v, err, want)
		}
	}
	if r, err = f.NextReader(zero); err != nil {
		t.Fatal(err)
	}
	tr := textproto.NewReader(bufio.NewReader(r))
	if h, err := tr.ReadMIMEHeader(); err != nil || h.Get("Subject") != "x" || h.Get("To") != "y" {
		t.Errorf("%v, %v", h, err)
	}
	if body, err := io.ReadAll(tr.R); string(body) != "body" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	if msg, err := f.Next(zero); string(msg) != "end" || err != nil {
		t.Errorf("%q, %v", msg, err)
	}
}

// Messages are the same by Next and by NextReader, which may be left unread, under
// terminators that change, from a reader that fails in between.
func TestNextAndNextReaderMixed(t *testing.T) {
	for seed := range uint64(4000) {
		random := rand.New(rand.NewPCG(seed, 7))
		rest := strings.Join(randomChunks(random, "ab\r\n.\x01\x02\x03", 1+random.IntN(60)), "")
		limit := []int64{-1, 4}[random.IntN(2)]
		f := framer.NewFramer(&hiccupReader{[]byte(rest), random, 1 + random.IntN(10)}, &framer.Config{ReadBufferSize: 1 + random.IntN(8), MaxMessageSize: limit})
		var steps []string
		for done := false; !done; {
			decisions := make([]byte, 20)
			for i := range decisions {
				decisions[i] = byte(random.Uint32())
			}
			r := (&source{decisions}).rule(4)
			if r.terminator == framer.None() {
				continue
			}
			c := r.cut(rest)
			byReader := random.IntN(2) == 0
			most := int64(-1)
			if !byReader || strings.HasPrefix(r.terminator.String(), "Split") {
				most = limit
			}
			want, wantErr := c.message, c.err
			long := most >= 0 && c.size > most
			all := true
			var got string
			var err error
			steps = append(steps, fmt.Sprintf("%v by a reader: %t", r.terminator, byReader))
			if byReader {
				got, all, err = readSome(f, r.terminator, random)
			} else {
				var msg []byte
				for {
					if msg, err = f.Next(r.terminator); err != errHiccup {
						break
					}
				}
				got = string(msg)
			}
			if errors.Is(err, framer.ErrBadPrefix) {
				err = framer.ErrBadPrefix
			}
			switch {
			case long:
				if !isTooLong(err) {
					t.Fatalf("seed %d, %q: %q, %v, want an error", seed, steps, got, err)
				}
			case err != wantErr && (all || err != nil), got != want && all, !strings.HasPrefix(want, got):
				t.Fatalf("seed %d, %q: %q, %v, want %q, %v; all: %t", seed, steps, got, err, want, wantErr, all)
			}
			done = c.err != nil
			rest = c.after
		}
	}
}

// readSome reads some of the next message, or all of it.
func readSome(f *framer.Framer, term framer.Terminator, random *rand.Rand) (got string, all bool, err error) {
	var r io.Reader
	for {
		if r, err = f.NextReader(term); err == nil {
			break
		} else if err != errHiccup {
			return "", true, err
		}
	}
	for most := random.IntN(20); len(got) < most; {
		p := make([]byte, 1+random.IntN(5))
		n, err := r.Read(p)
		got += string(p[:n])
		switch {
		case err == io.EOF:
			return got, true, nil
		case err != nil && err != errHiccup:
			return got, true, err
		}
	}
	return got, false, nil
}

// A message has begun when its header is complete, and NextReader does not wait for more.
func TestNextReaderOfHeader(t *testing.T) {
	for _, size := range []int{1, 0} {
		pieces := []string{"\x00", "\x00\x00", "\x02", "", "ab"}
		f := framer.NewFramer(readerFunc(func(p []byte) (n int, err error) {
			if len(pieces) == 0 {
				return 0, io.EOF
			}
			if n = copy(p, pieces[0]); n == 0 {
				err = errHiccup
			}
			if pieces[0] = pieces[0][n:]; pieces[0] == "" {
				pieces = pieces[1:]
			}
			return n, err
		}), &framer.Config{ReadBufferSize: size})
		r, err := f.NextReader(framer.LengthPrefix(framer.Prefix{Size: 4}))
		if err != nil || len(pieces) != 2 {
			t.Fatalf("%v, and %d pieces are left", err, len(pieces))
		}
		if n, err := r.Read(make([]byte, 5)); n != 0 || err != errHiccup {
			t.Errorf("Read: %d, %v", n, err)
		}
		if body, err := io.ReadAll(r); string(body) != "ab" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
	}
}

// A greedyReader fills every argument, and notes the longest one. It fails when its input
// is used up.
type greedyReader struct {
	input   string
	longest int
	t       *testing.T
}

func (r *greedyReader) Read(p []byte) (int, error) {
	r.longest = max(r.longest, len(p))
	if r.input == "" {
		r.t.Error("Next reads though it knows the result")
	}
	n := copy(p, r.input)
	r.input = r.input[n:]
	return n, nil
}

// A message that the end of a full buffer cuts off is too long as soon as what is in the
// buffer is too long: Next must not wait for more.
func TestNextDoesNotReadBeyondLimit(t *testing.T) {
	for _, term := range []framer.Terminator{framer.Delimiter("\n"), framer.AnyDelimiter("\n", "\r\n")} {
		f := framer.NewFramer(&greedyReader{input: "a\nb\nxxxx", t: t}, &framer.Config{ReadBufferSize: 8, MaxMessageSize: 3})
		for _, want := range []string{"a", "b"} {
			if msg, err := f.Next(term); string(msg) != want || err != nil {
				t.Fatalf("%v: %q, %v", term, msg, err)
			}
		}
		if msg, err := f.Next(term); !isTooLong(err) {
			t.Errorf("%v: %q, %v; want a MessageTooLongError", term, msg, err)
		}
	}
}

// A whole message at the end of a full buffer is returned without another read.
func TestNextDoesNotReadBehindMessage(t *testing.T) {
	for _, term := range []framer.Terminator{framer.Delimiter("\n"), framer.AnyDelimiter("\n", "\r\n"), framer.AnyDelimiter("\n", "\t"), framer.FixedLength(3)} {
		f := framer.NewFramer(&greedyReader{input: "aa\nbb\ncc\n", t: t}, &framer.Config{ReadBufferSize: 9})
		for range 3 {
			if msg, err := f.Next(term); len(msg) < 2 || err != nil {
				t.Fatalf("%v: %q, %v", term, msg, err)
			}
		}
	}
}

// A message that does not fit into the buffer must not make the buffer grow.
func TestNextKeepsBufferSize(t *testing.T) {
	const size = 64
	for _, length := range []int{size / 3, size/2 - 1, size / 2, size - 1, size, size + 1, 3 * size} {
		r := &greedyReader{input: strings.Repeat(strings.Repeat("x", length)+"\n", 100), t: t}
		f := framer.NewFramer(r, &framer.Config{ReadBufferSize: size})
		for i := range 100 {
			if msg, err := f.Next(framer.Delimiter("\n")); len(msg) != length || err != nil {
				t.Fatalf("message %d of %d bytes: %d bytes, %v", i, length, len(msg), err)
			}
		}
		if r.longest > size {
			t.Errorf("messages of %d bytes: a read into %d bytes", length, r.longest)
		}
	}
}

// After a message of a Length that NextReader has read, None is in force, where
// MaxMessageSize limits a Collector.
func TestLimitAfterNextReader(t *testing.T) {
	f := framer.NewFramer(strings.NewReader("12345678"), &framer.Config{MaxMessageSize: 3})
	r, err := f.NextReader(framer.Length(4))
	if err != nil {
		t.Fatal(err)
	}
	if msg, err := io.ReadAll(r); string(msg) != "1234" || err != nil {
		t.Fatalf("%q, %v", msg, err)
	}
	var long *framer.MessageTooLongError
	if err := f.Run(new(noneHandler)); !errors.As(err, &long) || long.Limit != 3 {
		t.Errorf("Run: %v; want a limit of 3", err)
	}
}

type noneHandler struct{ framer.Collector }

func (h *noneHandler) FoundTerminator() error { return nil }

// An error of the read that goes on behind a message in a full buffer is not lost, and
// neither are the bytes before it.
func TestNextErrorBehindFullBuffer(t *testing.T) {
	for _, test := range []struct {
		term        framer.Terminator
		input, rest string // the input of a full buffer, and what follows
		part, whole string // of the last message
	}{
		{framer.Delimiter("\n"), "aa\nbb\nxx", "yy\n", "xx", "xxyy"},
		{framer.Delimiter("\r\n"), "a\r\nb\r\nx\r", "\n", "x", "x"},
		{framer.AnyDelimiter("\n", "\r\n"), "aa\nbb\nxx", "yy\r\n", "xx", "xxyy"},
		{framer.FixedLength(3), "aaabbbxx", "y", "xx", "xxy"},
		{framer.LengthPrefix(framer.Prefix{Size: 1}), "\x02aa\x01b\x04xx", "yy", "xx", "xxyy"},
	} {
		for _, failure := range []error{os.ErrDeadlineExceeded, io.EOF} {
			r := &stutteringReader{pieces: []string{test.input, "", test.rest}, err: failure}
			f := framer.NewFramer(r, &framer.Config{ReadBufferSize: len(test.input)})
			for range 2 {
				if msg, err := f.Next(test.term); err != nil {
					t.Fatalf("%v: %q, %v", test.term, msg, err)
				}
			}
			wantErr, part := failure, test.part
			if failure == io.EOF {
				wantErr = io.ErrUnexpectedEOF
				if test.term == framer.Delimiter("\r\n") {
					part = "x\r"
				}
			}
			if msg, err := f.Next(test.term); string(msg) != part || err != wantErr {
				t.Errorf("%v: %q, %v; want %q, %v", test.term, msg, err, part, wantErr)
			}
			if failure == io.EOF {
				continue
			}
			if msg, err := f.Next(test.term); string(msg) != test.whole || err != nil {
				t.Errorf("%v: %q, %v after the error; want %q", test.term, msg, err, test.whole)
			}
		}
	}
}

// A stutteringReader returns one piece in each read, and err for an empty one.
type stutteringReader struct {
	pieces []string
	err    error
}

func (r *stutteringReader) Read(p []byte) (int, error) {
	piece := r.pieces[0]
	r.pieces = r.pieces[1:]
	if piece == "" {
		return 0, r.err
	}
	return copy(p, piece), nil
}
