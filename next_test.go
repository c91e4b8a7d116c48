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
	"runtime"
	"slices"
	"strings"
	"testing"
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
