// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// printer takes the place of a *testing.T in the examples: it prints failures.
type printer struct{ testing.TB }

func (printer) Helper() {}

func (printer) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// Each end of a Pipe is buffered. It can end its output and still read.
func ExamplePipe() {
	a, b := framertest.Pipe()
	defer a.Close()
	defer b.Close()

	fmt.Fprint(a, "no one has to read yet")
	a.CloseWrite()
	data, err := io.ReadAll(b)
	fmt.Printf("%q, %v\n", data, err)

	fmt.Fprint(b, "thank you")
	b.CloseWrite()
	data, err = io.ReadAll(a)
	fmt.Printf("%q, %v\n", data, err)
	// Output:
	// "no one has to read yet", <nil>
	// "thank you", <nil>
}

// Closing a connection that has unread input destroys what was sent on it. On TCP such a
// program fails now and then. On a Pipe it fails every time.
func ExampleConn_Close() {
	client, server := framertest.Pipe()
	defer client.Close()

	fmt.Fprint(client, "a request that nobody reads to the end")
	fmt.Fprint(server, "421 too busy")
	server.Close()
	data, err := io.ReadAll(client)
	fmt.Printf("%q, reset: %t\n", data, errors.Is(err, syscall.ECONNRESET))
	// Output:
	// "", reset: true
}

// HoldReads and HoldWrites simulate a network that delivers nothing. Here the network
// delivers only when the client has sent everything.
func ExampleConn_HoldReads() {
	client, server := framertest.Pipe()
	defer client.Close()
	defer server.Close()

	server.HoldReads(true)
	for _, text := range []string{"one ", "two ", "three"} {
		fmt.Fprint(client, text)
	}
	server.HoldReads(false)

	buf := make([]byte, 100)
	n, _ := server.Read(buf)
	fmt.Println(string(buf[:n]))
	// Output:
	// one two three
}

// A Server accepts from a Listener as it does from a listener of package net. Most tests
// do this in a bubble of testing/synctest, where timeouts take no time.
func ExampleListen() {
	server := framer.Server{NewHandler: framer.Messages(framer.Delimiter("\n"),
		func(c *framer.Conn, line []byte) error { return c.Push(append(line, '\n')) })}
	l := framertest.Listen()
	var served sync.WaitGroup
	served.Go(func() { fmt.Println(server.Serve(l)) })

	client, err := l.Dial()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(client, "hello\n")
	client.CloseWrite()
	io.Copy(printWriter{}, client)
	client.Close()

	server.Shutdown(context.Background())
	served.Wait()
	// Output:
	// got "hello\n"
	// framer: Server closed
}

type printWriter struct{}

func (printWriter) Write(p []byte) (int, error) {
	fmt.Printf("got %q\n", p)
	return len(p), nil
}

// The function looks for the delimiter in each piece that it reads, which is wrong. Recut
// finds that out, and the message says where the input was cut. In a test, t is the
// *testing.T.
func ExampleRecut() {
	var t printer
	framertest.Recut(t, []byte("one\r\ntwo\r\n"), func(r io.Reader) string {
		var lines int
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			if err != nil {
				return fmt.Sprint(lines, " lines")
			}
			lines += bytes.Count(buf[:n], []byte("\r\n"))
		}
	})
	// Output:
	// the cut makes a difference: "one\r" | "\ntwo\r\n"
	// --- whole
	// 2 lines
	// --- cut
	// 1 lines
}

// upper is a Handler that answers in upper case.
type upper struct {
	*framer.Conn
	framer.Collector
}

func newUpper(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &upper{Conn: c}
}

func (h *upper) FoundTerminator() error {
	return h.Push(append(bytes.ToUpper(h.Take()), "\r\n"...))
}

// The test of a Handler is one line. It fails if a cut changes a message, the unfinished
// rest, the output, or the reason of the end. In a test, t is the *testing.T.
func ExampleTranscript() {
	var t printer
	framertest.Recut(t, []byte("one\r\ntwo\r\nthr"), framertest.Transcript(newUpper, nil))

	// Recut compares transcripts. This is one.
	transcript := framertest.Transcript(newUpper, nil)
	fmt.Print(transcript(bytes.NewReader([]byte("one\r\ntwo\r\nthr"))))
	// Output:
	// message "one"
	// message "two"
	// rest "thr"
	// sent "ONE\r\nTWO\r\n"
	// end unexpected EOF
}

// An example of a Handler is one line, too. The text also shows how the connection ended.
func ExampleTalk() {
	fmt.Print(framertest.Talk("one\r\ntwo\r\nthr", newUpper, nil))

	fmt.Println("With a limit:")
	fmt.Print(framertest.Talk("one\r\nthree\r\n", newUpper, &framer.Config{MaxMessageSize: 4}))
	// Output:
	// "ONE\r\n"
	// "TWO\r\n"
	// ended: unexpected EOF
	// With a limit:
	// "ONE\r\n"
	// ended: framer: message too long: 5 bytes, limit 4 (Config.MaxMessageSize); it begins "three"
}

// A forgetful handler keeps slices that were lent to it.
type forgetful struct {
	*framer.Conn
	words [][]byte
}

func newForgetful(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter(" "))
	return &forgetful{Conn: c}
}

func (h *forgetful) CollectIncomingData(data []byte) error {
	h.words = append(h.words, data) // this should append a copy
	return nil
}

func (h *forgetful) FoundTerminator() error { return h.Push(bytes.Join(h.words, []byte("_"))) }

// A handler that keeps a slice for too long may pass all tests. With many connections it
// may then send the input of another one. With Poison it always fails.
func ExamplePoison() {
	for _, newHandler := range []func(*framer.Conn) framer.Handler{newForgetful, framertest.Poison(newForgetful)} {
		client, server := framertest.Pipe()
		var served sync.WaitGroup
		served.Go(func() { framer.NewConn(server, newHandler, nil).Serve(context.Background()) })
		fmt.Fprint(client, "hello ")
		client.CloseWrite()
		reply, err := io.ReadAll(client)
		fmt.Printf("%q, %v\n", reply, err)
		client.Close()
		served.Wait()
	}
	// Output:
	// "hello", <nil>
	// "\xf5\xf5\xf5\xf5\xf5", <nil>
}

// A script for the peer of a server that answers in upper case. The same script then
// fails with a server that does not. In a test, t is the *testing.T.
func ExamplePlay() {
	var t printer
	for _, newHandler := range []func(*framer.Conn) framer.Handler{
		newUpper,
		framer.Messages(framer.Delimiter("\r\n"), func(c *framer.Conn, line []byte) error {
			return c.Push(append(line, "\r\n"...))
		}),
	} {
		client, server := framertest.Pipe()
		var served sync.WaitGroup
		served.Go(func() { framer.NewConn(server, newHandler, nil).Serve(context.Background()) })
		ok := framertest.Play(t, client,
			framertest.SendBytewise("hello\r\n"),
			framertest.Expect("HELLO\r\n"),
			framertest.Send("unfinished"),
			framertest.HalfClose(),
			framertest.ExpectEnd(),
		)
		fmt.Println(ok)
		client.Close()
		served.Wait()
	}
	// Output:
	// true
	// step 2, Expect("HELLO\r\n"): got "hello\r\n"
	// false
}

// Most replies are known only in part. A failure shows the whole line that has come. In a
// test, t is the *testing.T.
func ExampleExpectMatch() {
	var t printer
	client, server := framertest.Pipe()
	defer client.Close()
	fmt.Fprint(server, "220 mail.example ESMTP\r\n250-SIZE 1000\r\n250 HELP\r\n452 disk full\r\n")
	server.CloseWrite()

	framertest.Play(t, client,
		framertest.ExpectMatch(`^220 .* ESMTP$`),
		framertest.ExpectUntil(`^250 `), // the last line of a reply
		framertest.ExpectMatch(`^[23]\d\d `),
	)
	// Output:
	// step 3, ExpectMatch("^[23]\\d\\d "): got "452 disk full\r\n"
}

// Messages with a length in front of them are no lines. A check can also keep a part of the
// message for later steps. In a test, t is the *testing.T.
func ExampleExpectMessage() {
	var t printer
	client, server := framertest.Pipe()
	defer client.Close()
	fmt.Fprint(server, "\x00\x06OK 17\n\x00\x05ERROR")
	server.CloseWrite()

	counted := framer.LengthPrefix(framer.Prefix{Size: 2})
	var number int
	ok := func(msg string) error {
		_, err := fmt.Sscanf(msg, "OK %d\n", &number)
		return err
	}
	framertest.Play(t, client, framertest.ExpectMessage(counted, ok))
	fmt.Println(number)
	framertest.Play(t, client, framertest.ExpectMessage(counted, ok))
	// Output:
	// 17
	// step 1, ExpectMessage(LengthPrefix({Size:2 LittleEndian:false Offset:0 Adjustment:0 Keep:false})): got "ERROR": input does not match format
}

// A server that closes the connection without having read all input resets it. What the
// server has sent before may not arrive.
func ExampleExpectReset() {
	var t printer
	client, server := framertest.Pipe()
	defer client.Close()

	framertest.Play(t, client, framertest.Send("a\nb\n"))
	framertest.Play(t, server, framertest.ExpectLine("a"), framertest.Send("bye\n"), framertest.Close())
	framertest.Play(t, client, framertest.ExpectReset())

	// A server that has read all input does not reset the connection.
	client, server = framertest.Pipe()
	defer client.Close()
	framertest.Play(t, client, framertest.Send("a\n"))
	framertest.Play(t, server, framertest.ExpectLine("a"), framertest.Send("bye\n"), framertest.Close())
	framertest.Play(t, client, framertest.ExpectReset())
	// Output:
	// step 1, ExpectReset(): got "bye\n", then: EOF
}
