// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// The benchmarks measure framing alone, with input from memory. They compare it with
// loops that are written by hand for the same input. An iteration is one message. To
// compare:
//
//	go test -run '^$' -bench . -count 10 | tee out && benchstat -col /impl out

// feedSize is about how many bytes of input are prepared. It is more than any buffer
// here, so that reads end at a different place each time. It is small enough for the
// cache of a processor.
const feedSize = 128 << 10

// A feed is an endless input that repeats the same messages. Read always fills its
// argument.
type feed struct {
	block []byte
	pos   int
}

func newFeed(messages string) *feed {
	return &feed{block: bytes.Repeat([]byte(messages), max(1, feedSize/len(messages)))}
}

func (r *feed) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		copied := copy(p[n:], r.block[r.pos:])
		n += copied
		if r.pos += copied; r.pos == len(r.block) {
			r.pos = 0
		}
	}
	return len(p), nil
}

// A loop reads n messages from the input. It returns how many bytes they have, without
// delimiters and headers.
type loop func(in *feed, n int) (seen int64, err error)

// A contender is a way to divide the input into messages.
type contender struct {
	name string
	loop loop
}

// benchmarkFraming runs the contenders on an input that repeats messages. The string
// messages has count messages with delimiters or headers. Each message has size bytes
// without these.
func benchmarkFraming(b *testing.B, messages string, count, size int, contenders ...contender) {
	for _, c := range contenders {
		b.Run(fmt.Sprintf("impl=%s/size=%d", c.name, size), func(b *testing.B) {
			in := newFeed(messages)
			b.SetBytes(int64(len(messages) / count))
			b.ReportAllocs()
			b.ResetTimer()
			seen, err := c.loop(in, b.N)
			if err != nil {
				b.Fatal(err)
			}
			if want := int64(b.N) * int64(size); seen != want {
				b.Fatalf("%d messages have %d bytes, want %d", b.N, seen, want)
			}
		})
	}
}

// benchmarkSizes runs f for small and large messages. The sizes are powers of 4, because
// these are 1 more than a multiple of 3: see BenchmarkOverlappingDelimiter.
func benchmarkSizes(b *testing.B, f func(b *testing.B, size int)) {
	for _, size := range []int{16, 64, 1024, 64 << 10} {
		f(b, size)
	}
}

// peerBuffer is the size of the buffers of package bufio. A Framer has by default the
// sizes that Config says.
const peerBuffer = 64 << 10

// framerLoops returns the contenders of package framer for the terminator t.
func framerLoops(t framer.Terminator) []contender {
	return []contender{
		{"framer", runLoop(t, nil)},
		{"framer-64KiB", runLoop(t, &framer.Config{ReadBufferSize: peerBuffer})},
		{"framer-next", nextLoop(t)},
		{"framer-messages", messagesLoop(t)},
		{"framer-replies", repliesLoop(t)},
	}
}

// A tally is a Handler that counts bytes until a number of messages have come.
type tally struct {
	left int
	seen int64
}

func (h *tally) CollectIncomingData(data []byte) error {
	h.seen += int64(len(data))
	return nil
}

func (h *tally) FoundTerminator() error {
	if h.left--; h.left == 0 {
		return errEnough
	}
	return nil
}

func runLoop(t framer.Terminator, cfg *framer.Config) loop {
	return func(in *feed, n int) (int64, error) {
		f := framer.NewFramer(in, cfg)
		if err := f.SetTerminator(t); err != nil {
			return 0, err
		}
		h := &tally{left: n}
		if err := f.Run(h); err != errEnough {
			return 0, fmt.Errorf("Run returned %v", err)
		}
		return h.seen, nil
	}
}

func nextLoop(t framer.Terminator) loop {
	return func(in *feed, n int) (seen int64, err error) {
		f := framer.NewFramer(in, nil)
		for range n {
			message, err := f.Next(t)
			if err != nil {
				return seen, err
			}
			seen += int64(len(message))
		}
		return seen, nil
	}
}

// A feedConn is a connection whose peer sends all the time.
type feedConn struct {
	*framertest.Conn
	in *feed
}

func (c feedConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// messagesLoop runs a whole Conn, except for the network.
func messagesLoop(t framer.Terminator) loop {
	return func(in *feed, n int) (seen int64, err error) {
		nc, _ := framertest.Pipe()
		left := n
		err = framer.NewConn(feedConn{nc, in}, framer.Messages(t, func(c *framer.Conn, msg []byte) error {
			seen += int64(len(msg))
			if left--; left == 0 {
				return c.Close()
			}
			return nil
		}), nil).Serve(context.Background())
		if !errors.Is(err, net.ErrClosed) {
			return seen, fmt.Errorf("Serve returned %v", err)
		}
		return seen, nil
	}
}

// repliesLoop does the same with Replies that are empty.
func repliesLoop(t framer.Terminator) loop {
	return func(in *feed, n int) (seen int64, err error) {
		nc, _ := framertest.Pipe()
		left := n
		err = framer.NewConn(feedConn{nc, in}, framer.Replies(t, func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
			seen += int64(len(msg))
			if left--; left == 0 {
				return nil, c.Close()
			}
			return reply, nil
		}), nil).Serve(context.Background())
		if !errors.Is(err, net.ErrClosed) {
			return seen, fmt.Errorf("Serve returned %v", err)
		}
		return seen, nil
	}
}

var errDelimiter = errors.New("a message without its delimiter")

// readSliceLoop is the best loop that can be written by hand for a delimiter of one or
// two bytes.
func readSliceLoop(delim string) loop {
	last := delim[len(delim)-1]
	return func(in *feed, n int) (seen int64, err error) {
		r := bufio.NewReaderSize(in, peerBuffer)
		for range n {
			line, err := r.ReadSlice(last)
			for err == bufio.ErrBufferFull {
				seen += int64(len(line))
				line, err = r.ReadSlice(last)
			}
			if err != nil {
				return seen, err
			}
			end := len(line) - len(delim)
			if end < 0 || line[end] != delim[0] {
				return seen, errDelimiter
			}
			seen += int64(end)
		}
		return seen, nil
	}
}

// readSliceAny is the same for lines that end in "\r\n" or "\n".
func readSliceAny(in *feed, n int) (seen int64, err error) {
	r := bufio.NewReaderSize(in, peerBuffer)
	for range n {
		line, err := r.ReadSlice('\n')
		for err == bufio.ErrBufferFull {
			seen += int64(len(line))
			line, err = r.ReadSlice('\n')
		}
		if err != nil {
			return seen, err
		}
		end := len(line) - 1
		if end > 0 && line[end-1] == '\r' {
			end--
		}
		seen += int64(end)
	}
	return seen, nil
}

func scannerLoop(split bufio.SplitFunc) loop {
	return func(in *feed, n int) (seen int64, err error) {
		s := bufio.NewScanner(in)
		s.Buffer(make([]byte, peerBuffer), 2*peerBuffer) // the longest messages do not fit into peerBuffer
		s.Split(split)
		for range n {
			if !s.Scan() {
				return seen, s.Err()
			}
			seen += int64(len(s.Bytes()))
		}
		return seen, nil
	}
}

// splitAfter returns the split function for a delimiter of several bytes.
func splitAfter(delim string) bufio.SplitFunc {
	pattern := []byte(delim)
	return func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.Index(data, pattern); i >= 0 {
			return i + len(pattern), data[:i], nil
		}
		return 0, nil, nil
	}
}

// textprotoLoop reads lines with net/textproto, which always copies them.
func textprotoLoop(in *feed, n int) (seen int64, err error) {
	r := textproto.NewReader(bufio.NewReaderSize(in, peerBuffer))
	for range n {
		line, err := r.ReadLineBytes()
		if err != nil {
			return seen, err
		}
		seen += int64(len(line))
	}
	return seen, nil
}

// indexLoop has all of the input in one slice. It reads nothing, and no message is cut.
func indexLoop(delim string) loop {
	pattern := []byte(delim)
	return func(in *feed, n int) (seen int64, err error) {
		var data []byte
		for range n {
			if len(data) == 0 {
				data = in.block
			}
			i := bytes.Index(data, pattern)
			if i < 0 {
				return seen, errDelimiter
			}
			seen += int64(i)
			data = data[i+len(pattern):]
		}
		return seen, nil
	}
}

func BenchmarkLines(b *testing.B) {
	crlf := framer.Delimiter("\r\n")
	contenders := append(framerLoops(crlf),
		contender{"readslice", readSliceLoop("\r\n")},
		contender{"scanner", scannerLoop(bufio.ScanLines)},
		contender{"textproto", textprotoLoop},
		contender{"index", indexLoop("\r\n")},
	)
	benchmarkSizes(b, func(b *testing.B, size int) {
		benchmarkFraming(b, strings.Repeat("x", size)+"\r\n", 1, size, contenders...)
	})
}

func BenchmarkOneByteDelimiter(b *testing.B) {
	contenders := append(framerLoops(framer.Delimiter("\n")),
		contender{"readslice", readSliceLoop("\n")},
		contender{"scanner", scannerLoop(bufio.ScanLines)},
		contender{"index", indexLoop("\n")},
	)
	benchmarkSizes(b, func(b *testing.B, size int) {
		benchmarkFraming(b, strings.Repeat("x", size)+"\n", 1, size, contenders...)
	})
}

// BenchmarkMultiByteDelimiter has texts as in SMTP. Each line end is like the beginning
// of the delimiter, and like its end.
func BenchmarkMultiByteDelimiter(b *testing.B) {
	const delim = "\r\n.\r\n"
	contenders := append(framerLoops(framer.Delimiter(delim)),
		contender{"scanner", scannerLoop(splitAfter(delim))},
		contender{"index", indexLoop(delim)},
	)
	line := strings.Repeat("x", 30) + "\r\n"
	benchmarkSizes(b, func(b *testing.B, size int) {
		text := strings.Repeat(line, size/len(line)+1)[:size]
		benchmarkFraming(b, text+delim, 1, size, contenders...)
	})
}

// BenchmarkOverlappingDelimiter has a delimiter that overlaps itself, in messages full of
// its beginnings. Each message ends in an a. Otherwise the delimiter would be found two
// bytes earlier.
func BenchmarkOverlappingDelimiter(b *testing.B) {
	const delim = "abab"
	contenders := append(framerLoops(framer.Delimiter(delim)),
		contender{"scanner", scannerLoop(splitAfter(delim))},
		contender{"index", indexLoop(delim)},
	)
	benchmarkSizes(b, func(b *testing.B, size int) {
		text := strings.Repeat("aba", size/3+1)[:size]
		benchmarkFraming(b, text+delim, 1, size, contenders...)
	})
}

func BenchmarkAnyDelimiter(b *testing.B) {
	contenders := append(framerLoops(framer.AnyDelimiter("\r\n", "\n")),
		contender{"readslice", readSliceAny},
		contender{"scanner", scannerLoop(bufio.ScanLines)},
	)
	benchmarkSizes(b, func(b *testing.B, size int) {
		text := strings.Repeat("x", size)
		benchmarkFraming(b, text+"\r\n"+text+"\n", 2, size, contenders...)
	})
}

// readFullLoop is the loop with io.ReadFull for messages with a length. readLength reads
// the length.
func readFullLoop(readLength func(*bufio.Reader) (uint64, error)) loop {
	return func(in *feed, n int) (seen int64, err error) {
		r := bufio.NewReaderSize(in, peerBuffer)
		var message []byte
		for range n {
			length, err := readLength(r)
			if err != nil {
				return seen, err
			}
			if uint64(cap(message)) < length {
				message = make([]byte, length)
			}
			if _, err := io.ReadFull(r, message[:length]); err != nil {
				return seen, err
			}
			seen += int64(length)
		}
		return seen, nil
	}
}

func BenchmarkLengthPrefixUint32(b *testing.B) {
	t := framer.LengthPrefix(framer.Prefix{Size: 4})
	benchmarkSizes(b, func(b *testing.B, size int) {
		message := binary.BigEndian.AppendUint32(nil, uint32(size))
		message = append(message, make([]byte, size)...)
		var header [4]byte
		contenders := append(framerLoops(t),
			contender{"readfull", readFullLoop(func(r *bufio.Reader) (uint64, error) {
				_, err := io.ReadFull(r, header[:])
				return uint64(binary.BigEndian.Uint32(header[:])), err
			})},
			contender{"peek", peekLoop(size, len(header), decodeUint32)},
		)
		benchmarkFraming(b, string(message), 1, size, contenders...)
	})
}

// decodeUint32 is a function of its own, because in the one above the compiler would not
// inline Uint32.
func decodeUint32(header []byte) (uint64, int) {
	return uint64(binary.BigEndian.Uint32(header)), 4
}

func BenchmarkLengthPrefixUvarint(b *testing.B) {
	t := framer.LengthPrefix(framer.Prefix{Size: framer.Uvarint})
	benchmarkSizes(b, func(b *testing.B, size int) {
		message := binary.AppendUvarint(nil, uint64(size))
		message = append(message, make([]byte, size)...)
		contenders := append(framerLoops(t),
			contender{"readfull", readFullLoop(func(r *bufio.Reader) (uint64, error) {
				return binary.ReadUvarint(r)
			})},
			contender{"peek", peekLoop(size, binary.MaxVarintLen64, binary.Uvarint)},
		)
		benchmarkFraming(b, string(message), 1, size, contenders...)
	})
}

// peekLoop is the best loop that can be written by hand for messages with a length:
// nothing is copied. readLength decodes a header that Peek has returned. It also returns
// the size of the header. size is that of the messages; the buffer has that of the others
// if they fit.
func peekLoop(size, headerSize int, readLength func(header []byte) (length uint64, size int)) loop {
	buffer := peerBuffer
	if size+headerSize > peerBuffer {
		buffer *= 2
	}
	return func(in *feed, n int) (seen int64, err error) {
		r := bufio.NewReaderSize(in, buffer)
		for range n {
			length, size := uint64(0), 0
			if headerSize > 0 {
				header, err := r.Peek(headerSize)
				if err != nil {
					return seen, err
				}
				length, size = readLength(header)
			} else {
				length, size = readLength(nil)
			}
			message, err := r.Peek(size + int(length))
			if err != nil {
				return seen, err
			}
			seen += int64(len(message) - size)
			r.Discard(len(message))
		}
		return seen, nil
	}
}

func BenchmarkFixedLength(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, size int) {
		t := framer.FixedLength(int64(size))
		contenders := append(framerLoops(t),
			contender{"peek", peekLoop(size, 0, func([]byte) (uint64, int) { return uint64(size), 0 })},
		)
		benchmarkFraming(b, strings.Repeat("x", size), 1, size, contenders...)
	})
}

func BenchmarkSplit(b *testing.B) {
	contenders := append(framerLoops(framer.Split(bufio.ScanLines)),
		contender{"scanner", scannerLoop(bufio.ScanLines)},
	)
	benchmarkSizes(b, func(b *testing.B, size int) {
		benchmarkFraming(b, strings.Repeat("x", size)+"\r\n", 1, size, contenders...)
	})
}

// addDigits appends the digits of data to the decimal number n.
func addDigits(n int64, data []byte) int64 {
	for _, c := range data {
		if '0' <= c && c <= '9' {
			n = 10*n + int64(c-'0')
		}
	}
	return n
}

// A setHandler counts the bytes of the values of "SET n\r\n" commands. A value has n
// bytes.
type setHandler struct {
	tally
	f      *framer.Framer
	line   framer.Terminator
	length int64
	inBody bool
}

func (h *setHandler) CollectIncomingData(data []byte) error {
	if h.inBody {
		return h.tally.CollectIncomingData(data)
	}
	h.length = addDigits(h.length, data)
	return nil
}

func (h *setHandler) FoundTerminator() error {
	h.inBody = !h.inBody
	if h.inBody {
		return h.f.SetTerminator(framer.Length(h.length))
	}
	h.length = 0
	if err := h.f.SetTerminator(h.line); err != nil {
		return err
	}
	return h.tally.FoundTerminator()
}

func setRunLoop(cfg *framer.Config) loop {
	return func(in *feed, n int) (int64, error) {
		f := framer.NewFramer(in, cfg)
		h := &setHandler{tally: tally{left: n}, f: f, line: framer.Delimiter("\r\n")}
		if err := f.SetTerminator(h.line); err != nil {
			return 0, err
		}
		if err := f.Run(h); err != errEnough {
			return 0, fmt.Errorf("Run returned %v", err)
		}
		return h.seen, nil
	}
}

func setNextLoop(in *feed, n int) (seen int64, err error) {
	f := framer.NewFramer(in, nil)
	crlf := framer.Delimiter("\r\n")
	for range n {
		line, err := f.Next(crlf)
		if err != nil {
			return seen, err
		}
		body, err := f.Next(framer.Length(addDigits(0, line)))
		if err != nil {
			return seen, err
		}
		seen += int64(len(body))
	}
	return seen, nil
}

// setMessagesLoop is setNextLoop for Messages, on a Conn.
func setMessagesLoop(in *feed, n int) (seen int64, err error) {
	nc, _ := framertest.Pipe()
	crlf := framer.Delimiter("\r\n")
	left, inBody := n, false
	err = framer.NewConn(feedConn{nc, in}, framer.Messages(crlf, func(c *framer.Conn, msg []byte) error {
		inBody = !inBody
		if inBody {
			return c.SetTerminator(framer.Length(addDigits(0, msg)))
		}
		seen += int64(len(msg))
		if left--; left == 0 {
			return c.Close()
		}
		return c.SetTerminator(crlf)
	}), nil).Serve(context.Background())
	if !errors.Is(err, net.ErrClosed) {
		return seen, fmt.Errorf("Serve returned %v", err)
	}
	return seen, nil
}

// setSessionLoop is setNextLoop in a Session.
func setSessionLoop(in *feed, n int) (seen int64, err error) {
	nc, _ := framertest.Pipe()
	crlf := framer.Delimiter("\r\n")
	err = framer.NewConn(feedConn{nc, in}, framer.Session(func(c *framer.Conn) error {
		for range n {
			line, err := c.Next(crlf)
			if err != nil {
				return err
			}
			body, err := c.Next(framer.Length(addDigits(0, line)))
			if err != nil {
				return err
			}
			seen += int64(len(body))
		}
		return c.Close()
	}), nil).Serve(context.Background())
	if !errors.Is(err, net.ErrClosed) {
		return seen, fmt.Errorf("Serve returned %v", err)
	}
	return seen, nil
}

func setDiscardLoop(in *feed, n int) (seen int64, err error) {
	r := bufio.NewReaderSize(in, peerBuffer)
	for range n {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return seen, err
		}
		if end := len(line) - 2; end < 0 || line[end] != '\r' {
			return seen, errDelimiter
		}
		discarded, err := r.Discard(int(addDigits(0, line)))
		if err != nil {
			return seen, err
		}
		seen += int64(discarded)
	}
	return seen, nil
}

// BenchmarkMixed has a line and a message with a length in turn. An iteration is one of
// each.
func BenchmarkMixed(b *testing.B) {
	contenders := []contender{
		{"framer", setRunLoop(nil)},
		{"framer-64KiB", setRunLoop(&framer.Config{ReadBufferSize: peerBuffer})},
		{"framer-next", setNextLoop},
		{"framer-messages", setMessagesLoop},
		{"framer-session", setSessionLoop},
		{"readslice", setDiscardLoop},
	}
	benchmarkSizes(b, func(b *testing.B, size int) {
		message := fmt.Sprintf("SET %d\r\n", size) + strings.Repeat("x", size)
		benchmarkFraming(b, message, 1, size, contenders...)
	})
}
