// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
	"github.com/google/go-cmp/cmp"
)

// TestSession speaks the protocol of a tutorial: a line with a length, then as many
// bytes, which are sent back.
func TestSession(t *testing.T) {
	newHandler := framer.Session(func(c *framer.Conn) error {
		for {
			line, err := c.Next(framer.Delimiter("\r\n"))
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(strings.TrimPrefix(string(line), "ECHO "))
			if err != nil {
				return err
			}
			body, err := c.Next(framer.Length(int64(n)))
			if err != nil {
				return err
			}
			fmt.Fprintf(c, "%d %s\r\n", n, body)
		}
	})
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		c := serve(t, nc, newHandler, framer.Config{})
		for _, body := range []string{"hello", "", strings.Repeat("x", 10000)} {
			go fmt.Fprintf(peer, "ECHO %d\r\n%s", len(body), body)
			readString(t, peer, fmt.Sprintf("%d %s\r\n", len(body), body))
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if got := c.Stats().MessagesRead; got != 6 {
			t.Errorf("%d messages read, want 6", got)
		}
	})
}

// A Session that says io.ErrUnexpectedEOF in place of io.EOF, because the request has
// further messages, reports what the peer has done. It is no error of the program.
func TestSessionCutRequest(t *testing.T) {
	var logs logBook
	nc, peer := tcpPair(t)
	defer peer.Close()
	c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
		for {
			if _, err := c.Next(framer.Delimiter("\n")); err == io.EOF {
				return fmt.Errorf("no body: %w", io.ErrUnexpectedEOF)
			}
		}
	}), framer.Config{Logger: slog.New(&logs)})
	writeString(t, peer, "header\n")
	endInput(t, peer)
	if err := c.Wait(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Wait: %v", err)
	}
	if end := c.Stats().End; end != framer.EndTruncated {
		t.Errorf("the connection ended for %v, want %v", end, framer.EndTruncated)
	}
	if r := logs.find("framer: connection ended"); len(r) != 1 || r[0].Level != slog.LevelDebug {
		t.Errorf("logged: %v", r)
	}
}

func TestSessionEnds(t *testing.T) {
	errBad := errors.New("bad")
	delimiter := framer.Delimiter("\n")
	tests := []struct {
		name    string
		input   string
		session func(c *framer.Conn) error
		want    error
	}{
		{"at the end of a message", "1\n2\n", readSession, nil},
		{"in a message", "1\n2", readSession, io.ErrUnexpectedEOF},
		{"return", "1\n2\n", func(*framer.Conn) error { return nil }, nil},
		{"error", "1\n2\n", func(*framer.Conn) error { return errBad }, errBad},
		{"server closed", "1\n2\n", func(*framer.Conn) error { return fmt.Errorf("bye: %w", framer.ErrServerClosed) }, nil},
		{"close when done", "1\n2\n", func(c *framer.Conn) error {
			c.CloseWhenDone()
			_, err := c.Next(delimiter)
			if !errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("Next after CloseWhenDone: %v", err)
			}
			return err
		}, nil},
		{"close", "1\n2\n", func(c *framer.Conn) error {
			if _, err := c.Next(delimiter); err != nil {
				return err
			}
			c.Close()
			_, err := c.Next(delimiter)
			return err
		}, net.ErrClosed},
		{"bad terminator", "1\n2\n", func(c *framer.Conn) error {
			if _, err := c.Next(framer.Delimiter("")); err == nil {
				return errors.New("Next with an empty delimiter returned no error")
			}
			return nil
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			nc, peer := tcpPair(t)
			defer peer.Close()
			c := serve(t, nc, framer.Session(test.session), framer.Config{})
			writeString(t, peer, test.input)
			endInput(t, peer)
			if err := c.Wait(); !errors.Is(err, test.want) {
				t.Errorf("Wait: %v, want %v", err, test.want)
			}
		})
	}
}

func readSession(c *framer.Conn) error {
	for {
		if _, err := c.Next(framer.Delimiter("\n")); err != nil {
			return err
		}
	}
}

// What a Session has pushed arrives, however it fails.
func TestSessionFails(t *testing.T) {
	for _, failure := range failures() {
		t.Run(failure.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				var logs logBook
				c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
					if err := c.Push([]byte("last words")); err != nil {
						t.Error(err)
					}
					return failure.fail()
				}), framer.Config{Logger: slog.New(&logs)})
				if got := readAll(t, peer); got != "last words" {
					t.Errorf("the peer got %q", got)
				}
				peer.Close()
				failure.check(t, c.Wait(), &logs)
			})
		})
	}
}

// Close and CloseWhenDone from another goroutine end a Next that waits.
func TestNextIsInterrupted(t *testing.T) {
	for name, want := range map[string]error{"Close": net.ErrClosed, "CloseWhenDone": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := net.Pipe()
				defer peer.Close()
				var nextErr error
				c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
					_, nextErr = c.Next(framer.Delimiter("\n"))
					return nextErr
				}), framer.Config{})
				synctest.Wait()
				if want == nil {
					c.CloseWhenDone()
				} else {
					c.Close()
				}
				if err := c.Wait(); !errors.Is(err, want) {
					t.Errorf("Wait: %v, want %v", err, want)
				}
				if !errors.Is(nextErr, net.ErrClosed) {
					t.Errorf("Next: %v, want net.ErrClosed", nextErr)
				}
			})
		})
	}
}

// Next would wait inside the wait that has called the function.
func TestNextInMessages(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		c := serve(t, nc, framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
			if _, err := c.Next(framer.Delimiter("\n")); err == nil {
				t.Errorf("Next after %q returned no error", msg)
			}
			return c.Push(append(msg, '\n'))
		}), framer.Config{})
		exchange(t, peer)
		exchange(t, peer)
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestNextOutsideOfSession(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	s.onFound = func() error {
		_, err := s.Next(framer.Delimiter("\n"))
		if err == nil {
			t.Error("Next returned no error")
		}
		return s.CloseWhenDone()
	}
	c := s.serve(t, nc, framer.Config{})
	writeString(t, peer, "a\nb\n")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

func TestMessages(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var got []string
		c := serve(t, nc, framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
			got = append(got, string(msg))
			switch string(msg) {
			case "four":
				return c.SetTerminator(framer.FixedLength(4))
			case "done":
				return c.CloseWhenDone()
			}
			return nil
		}), framer.Config{})
		writeString(t, peer, "one\n\nfour")
		writeString(t, peer, "\nabcd1\n2\ndonemore")
		readAll(t, peer)
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"one", "", "four", "abcd", "1\n2\n", "done"}, got); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

func TestMessagesFails(t *testing.T) {
	errBad := errors.New("bad")
	fail := func(*framer.Conn, []byte) error { return errBad }
	tests := []struct {
		name  string
		term  framer.Terminator
		check func(error) bool
	}{
		{"error", framer.Delimiter("\n"), func(err error) bool { return err == errBad }},
		{"bad terminator", framer.Delimiter(""), func(err error) bool { return err != nil && err != errBad }},
		{"too long", framer.Delimiter("!"), func(err error) bool {
			var tooLong *framer.MessageTooLongError
			return errors.As(err, &tooLong)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			nc, peer := tcpPair(t)
			defer peer.Close()
			c := serve(t, nc, framer.Messages(test.term, fail), framer.Config{MaxMessageSize: 10})
			if test.name != "bad terminator" { // which ends it at once
				writeString(t, peer, "hello\nworld\n...")
				endInput(t, peer)
			}
			if err := c.Wait(); !test.check(err) {
				t.Errorf("Wait: %v", err)
			}
		})
	}
}

// A flakyConn fails to read, after its first read: so many times, or for ever if that
// is negative.
type flakyConn struct {
	net.Conn
	failures int
	began    bool
}

var errFlaky = errors.New("bad luck")

func (c *flakyConn) Read(p []byte) (int, error) {
	if !c.began {
		c.began = true
		return c.Conn.Read(p)
	}
	if c.failures != 0 {
		c.failures--
		return 0, errFlaky
	}
	return c.Conn.Read(p)
}

// An openConn lets look through it.
type openConn struct{ *flakyConn }

func (c openConn) NetConn() net.Conn { return c.flakyConn.Conn }

// What a Session pushes after an error of a read arrives, and if it does not, that is
// not an orderly end.
func TestSessionAfterReadError(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	for _, test := range []struct {
		failures int
		open     bool
		rubbish  string
	}{
		{1, false, "rubbish\n"}, {3, false, "rubbish\n"},
		{-1, true, ""}, {-1, true, "rubbish\n"}, {-1, false, ""}, {-1, false, "rubbish\n"},
	} {
		failures, open, rubbish := test.failures, test.open, test.rubbish
		t.Run(fmt.Sprintf("%d/%v/%d", failures, open, len(rubbish)), func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				handshaken := call(func() error { handshake(t, nc); return nil })
				handshake(t, peer) // or it would be the handshake that fails
				<-handshaken
				flaky := &flakyConn{Conn: nc, failures: failures}
				if nc = flaky; open {
					nc = openConn{flaky}
				}
				failed, more := make(chan struct{}), make(chan struct{})
				c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
					if _, err := c.Next(framer.Delimiter("\n")); err != nil {
						return err
					}
					_, err := c.Next(framer.Delimiter("\n"))
					if err != errFlaky {
						t.Errorf("Next: %v, want %v", err, errFlaky)
					}
					close(failed)
					<-more
					return c.PushWithProducer(framer.NewBytesProducer(make([]byte, size)))
				}), framer.Config{LingerTimeout: 200 * time.Millisecond})
				writeString(t, peer, "go\n")
				go func() {
					<-failed
					if canHalfClose(peer) { // net.Pipe has no buffer
						io.WriteString(peer, rubbish)
					}
					close(more)
				}()
				got, err := io.Copy(io.Discard, peer)
				peer.Close()
				ended := c.Wait()
				if got != size && ended == nil {
					t.Errorf("the peer got %d bytes and %v, want %d; the end was in order", got, err, size)
				}
				// What can't be read may destroy what was sent, where the
				// end can't be told.
				if got != size && (failures > 0 || rubbish == "") {
					t.Errorf("the peer got %d bytes and %v, want %d; Wait: %v", got, err, size, ended)
				}
				if failures > 0 && ended != nil {
					t.Errorf("Wait: %v", ended)
				}
			})
		})
	}
}

// upper answers a line in capitals; some lines ask for more.
func upper(c *framer.Conn, line, reply []byte) ([]byte, error) {
	if len(reply) > 0 {
		return nil, fmt.Errorf("reply is %q", reply)
	}
	switch string(line) {
	case "silent":
		return nil, nil
	case "own": // not in place
		return []byte("OWN\n"), nil
	case "large":
		return append(reply, strings.Repeat("L", 100<<10)+"\n"...), nil
	case "quit":
		c.CloseWhenDone()
		return append(reply, "BYE\n"...), nil
	case "half":
		return append(reply, "HALF\n"...), c.CloseWrite()
	case "fail":
		return append(reply, "FAIL\n"...), errors.New("failed")
	case "close":
		c.Close()
		return append(reply, "never\n"...), nil
	}
	return append(bytes.ToUpper(append(reply, line...)), '\n'), nil
}

// The answers arrive in order and whole, however the input is cut, and all that were
// returned before an end of our own making.
func TestReplies(t *testing.T) {
	long := strings.Repeat("x", 40)
	tests := []struct {
		name, input, want string
		ended             string // the reason
	}{
		{"some", "one\ntwo\n\nthree\n", "ONE\nTWO\n\nTHREE\n", ""},
		{"none", "silent\nsilent\n", "", ""},
		{"own memory", "one\nown\ntwo\n", "ONE\nOWN\nTWO\n", ""},
		{"large", "one\nlarge\nlarge\ntwo\n", "ONE\n" + strings.Repeat(strings.Repeat("L", 100<<10)+"\n", 2) + "TWO\n", ""},
		{"CloseWhenDone", "one\nquit\nnever\n", "ONE\nBYE\n", ""},
		{"error", "one\nfail\nnever\n", "ONE\nFAIL\n", "failed"},
		{"too long", "one\n" + long + "\nnever\n", "ONE\n", "framer: message too long: 40 bytes, limit 32"},
		{"unfinished", "one\ntwo", "ONE\n", "unexpected EOF"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				if _, ok := peer.(interface{ CloseWrite() error }); !ok {
					return
				}
				c := serve(t, nc, framer.Replies(framer.Delimiter("\n"), upper), framer.Config{MaxMessageSize: 32})
				go func() {
					io.WriteString(peer, test.input)
					peer.(interface{ CloseWrite() error }).CloseWrite()
				}()
				if got := readAll(t, peer); got != test.want {
					t.Errorf("the peer got %.100q, want %.100q", got, test.want)
				}
				peer.Close()
				if err := c.Wait(); !strings.HasPrefix(fmt.Sprint(err), reasonText(test.ended)) {
					t.Errorf("ended with %v, want %q", err, test.ended)
				}
			})
		})
	}
}

// reasonText is how the reason of an end begins, if it is not in order.
func reasonText(text string) string {
	if text == "" {
		return "<nil>"
	}
	return text
}

func TestRepliesUnderEveryCut(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"one\nsilent\ntwo\nquit\nnever\n", "a\nown\nfail\nno\n", "a\nb\nc"} {
		framertest.Recut(t, []byte(input), framertest.Transcript(framer.Replies(framer.Delimiter("\n"), upper), nil))
	}
}

// What one read has given is answered by one write, and before more is read.
func TestRepliesLeaveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		counted := &writeCounter{Conn: nc}
		c := serve(t, counted, framer.Replies(framer.Delimiter("\n"), upper), framer.Config{})
		for i := range 10 {
			writeString(t, peer, strings.Repeat("line\n", 100))
			readString(t, peer, strings.Repeat("LINE\n", 100))
			synctest.Wait()
			if counted.writes != i+1 {
				t.Fatalf("%d writes for %d reads", counted.writes, i+1)
			}
		}
		peer.Close()
		c.Wait()
	})
}

type writeCounter struct {
	net.Conn
	writes int
}

func (c *writeCounter) Write(p []byte) (int, error) {
	c.writes++
	return c.Conn.Write(p)
}

// After CloseWhenDone by another goroutine nothing is accepted from outside, and what
// f returns is sent.
func TestRepliesClosedFromOutside(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		entered, closed := make(chan struct{}), make(chan struct{})
		c := serve(t, nc, framer.Replies(framer.Delimiter("\n"), func(c *framer.Conn, line, reply []byte) ([]byte, error) {
			close(entered)
			<-closed
			return append(reply, "answer\n"...), nil
		}), framer.Config{})
		writeString(t, peer, "line\nnever\n")
		<-entered
		c.CloseWhenDone()
		if err := c.Push([]byte("too late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Push after CloseWhenDone: %v", err)
		}
		close(closed)
		if got := readAll(t, peer); got != "answer\n" {
			t.Errorf("the peer got %q", got)
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// OnTooLong answers a message that is too long, in order, and the next one follows.
func TestOnTooLong(t *testing.T) {
	lines := framer.Delimiter("\n")
	tooLong := func(c *framer.Conn, e *framer.MessageTooLongError) error {
		if strings.HasPrefix(string(e.Head), "stop") {
			return e
		}
		return c.Push([]byte("too long\n"))
	}
	styles := map[string]func(*framer.Conn) framer.Handler{
		"Messages": framer.Messages(lines, func(c *framer.Conn, line []byte) error { return c.Push(append(line, '\n')) }),
		"Replies": framer.Replies(lines, func(_ *framer.Conn, line, reply []byte) ([]byte, error) {
			return append(append(reply, line...), '\n'), nil
		}),
	}
	for style, newHandler := range styles {
		t.Run(style, func(t *testing.T) {
			newHandler := framer.OnTooLong(newHandler, tooLong)
			cfg := &framer.Config{MaxMessageSize: 4}
			input := "one\nvery, very long\ntwo\nfour.\n\nstop it\nnever\n"
			framertest.Recut(t, []byte(input), framertest.Transcript(newHandler, cfg))
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				c := serve(t, nc, newHandler, *cfg)
				go io.WriteString(peer, input)
				if got, want := readAll(t, peer), "one\ntoo long\ntwo\ntoo long\n\n"; got != want {
					t.Errorf("the peer got %q, want %q", got, want)
				}
				peer.Close()
				var long *framer.MessageTooLongError
				if err := c.Wait(); !errors.As(err, &long) {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

// A Session reads messages as streams, on every transport and in constant memory.
func TestNextReaderInSession(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		if _, ok := peer.(interface{ CloseWrite() error }); !ok {
			return
		}
		c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
			for {
				line, err := c.Next(framer.AnyDelimiter("\r\n", "\n"))
				if err != nil {
					return err
				}
				name := string(line)
				matched := c.Matched()
				r, err := c.NextReader(framer.LengthPrefix(framer.Prefix{Size: 4}))
				if err != nil {
					return err
				}
				sum := crc32.NewIEEE()
				if name == "part" {
					r = io.LimitReader(r, 10) // the rest is skipped
				}
				n, err := io.Copy(sum, r)
				if err != nil {
					return err
				}
				fmt.Fprintf(c, "%s %q %d %08x\n", name, matched, n, sum.Sum32())
			}
		}), framer.Config{MaxMessageSize: 100})
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		send := func(line string, body []byte) string {
			return line + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + string(body)
		}
		go func() {
			io.WriteString(peer, send("all\r\n", body)+send("part\n", body)+send("none\r\n", nil))
			peer.(interface{ CloseWrite() error }).CloseWrite()
		}()
		want := fmt.Sprintf("all %q %d %08x\npart %q 10 %08x\nnone %q 0 00000000\n", "\r\n", size, crc32.ChecksumIEEE(body), "\n", crc32.ChecksumIEEE(body[:10]), "\r\n")
		if got := readAll(t, peer); got != want {
			t.Errorf("the peer got %q, want %q", got, want)
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// Whether an answer is sent after CloseWrite does not depend on what was read together:
// the one of the call that closes is the last, and a further one is an error.
func TestRepliesAfterCloseWrite(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, input, want, ended string }{
		{"no more answers", "one\nhalf\nsilent\nsilent\n", "ONE\nHALF\n", ""},
		{"an answer", "one\nhalf\nsilent\ntwo\nthree\n", "ONE\nHALF\n", "framer: an answer of Replies after CloseWrite"},
		{"CloseWhenDone", "one\nhalf\nquit\n", "ONE\nHALF\n", "framer: an answer of Replies after CloseWrite"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			newHandler := framer.Replies(framer.Delimiter("\n"), upper)
			for _, cut := range []int{0, 4, 9, 12, 17} {
				onTransports(t, func(t *testing.T, nc, peer net.Conn) {
					if !canHalfClose(nc) {
						return
					}
					c := serve(t, nc, newHandler, framer.Config{})
					sent := call(func() error {
						cut := min(cut, len(test.input))
						io.WriteString(peer, test.input[:cut])
						io.WriteString(peer, test.input[cut:])
						return peer.(interface{ CloseWrite() error }).CloseWrite()
					})
					if got := readAll(t, peer); got != test.want {
						t.Errorf("the peer got %q, want %q", got, test.want)
					}
					<-sent // or fails, because the connection has ended
					peer.Close()
					if err := c.Wait(); !strings.HasPrefix(fmt.Sprint(err), reasonText(test.ended)) {
						t.Errorf("ended with %v, want %q", err, test.ended)
					}
				})
			}
		})
	}
}

// What was answered before a panic, or the end of the goroutine, is sent.
func TestRepliesBeforePanic(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("bad") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, nc, peer net.Conn) {
				c := serve(t, nc, framer.Replies(framer.Delimiter("\n"), func(_ *framer.Conn, line, reply []byte) ([]byte, error) {
					if string(line) == "fail" {
						fail()
					}
					return append(append(reply, line...), '\n'), nil
				}), framer.Config{Logger: slog.New(slog.DiscardHandler)})
				writeString(t, peer, "one\ntwo\nfail\nnever\n")
				if got := readAll(t, peer); got != "one\ntwo\n" {
					t.Errorf("the peer got %q", got)
				}
				peer.Close()
				if c.Wait() == nil {
					t.Error("ended in order")
				}
			})
		})
	}
}

// After the function of OnTooLong, a terminator takes effect at once again.
func TestSetTerminatorAfterTooLong(t *testing.T) {
	newHandler := framer.OnTooLong(framer.Messages(framer.Delimiter("\n").Limit(4), func(c *framer.Conn, msg []byte) error {
		if string(msg) == "fix" {
			if err := c.SetTerminator(framer.FixedLength(3)); err != nil {
				return err
			}
		}
		return c.Push(append(msg, '|'))
	}), func(*framer.Conn, *framer.MessageTooLongError) error { return nil })
	input := "abcdefgh\nfix\nabcdef"
	framertest.Recut(t, []byte(input), framertest.Transcript(newHandler, nil))
	nc, peer := tcpPair(t)
	c := serve(t, nc, newHandler, framer.Config{})
	writeString(t, peer, input)
	peer.(*net.TCPConn).CloseWrite()
	if got := readAll(t, peer); got != "fix|abc|def|" {
		t.Errorf("the peer got %q", got)
	}
	peer.Close()
	c.Wait()
}

// A terminator that the function of OnTooLong sets rules behind the long message: nothing
// of that becomes a message.
func TestOnTooLongSetsTerminator(t *testing.T) {
	newHandler := framer.OnTooLong(framer.Messages(framer.Delimiter("\n").Limit(4), func(c *framer.Conn, line []byte) error {
		return c.Push(append(line, '|'))
	}), func(c *framer.Conn, e *framer.MessageTooLongError) error {
		return c.SetTerminator(framer.Delimiter(";").Limit(50))
	})
	input := "abcdefgh;QUIT\nnext;more;"
	framertest.Recut(t, []byte(input), framertest.Transcript(newHandler, nil))
	nc, peer := tcpPair(t)
	c := serve(t, nc, newHandler, framer.Config{})
	writeString(t, peer, input)
	peer.(*net.TCPConn).CloseWrite()
	if got := readAll(t, peer); got != "next|more|" {
		t.Errorf("the peer got %q", got)
	}
	peer.Close()
	c.Wait()
}
