// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// Every step does what its documentation says. A script that succeeds fails no test.
func TestPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := framertest.Pipe()
		b.CutReads(2) // Expect joins the pieces
		var peers sync.WaitGroup
		defer peers.Wait()
		start := time.Now()
		peers.Go(func() {
			ok := framertest.Play(t, b,
				framertest.Expect("hello\n"),
				framertest.Send("hi\n"),
				framertest.Expect("bytewise"),
				framertest.ExpectEnd(),
				framertest.Expect(""),
				framertest.Pause(time.Minute),
				framertest.Send("bye\n"),
				framertest.Close(),
			)
			if !ok {
				t.Error("Play reports a failure")
			}
		})
		ok := framertest.Play(t, a,
			framertest.Within(time.Hour),
			framertest.Send("hello\n"),
			framertest.Send(""),
			framertest.Expect("hi\n"),
			framertest.SendBytewise("bytewise"),
			framertest.HalfClose(),
			framertest.Expect("bye\n"),
			framertest.ExpectEnd(),
		)
		if !ok {
			t.Error("Play reports a failure")
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("the script took %v, want a minute", got)
		}
		if _, err := b.Read(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A step that reads a line leaves the input after it to the next step.
func TestPlayLines(t *testing.T) {
	for _, text := range []string{
		"220 ready\r\n250-SIZE 9\r\n250-DSN\r\n250 HELP\r\n\r\n\nline \r\nline\nlast",
		"220 ready\n250 HELP\n\n\r\nline \n" + "line\nlast",
	} {
		a, b := framertest.Pipe()
		framertest.Play(t, b, framertest.Send(text), framertest.HalfClose())
		framertest.Play(t, a,
			framertest.ExpectMatch(`^220 \w+$`),
			framertest.ExpectUntil(`^250 `),
			framertest.ExpectLine(""),
			framertest.ExpectMatch("^$"),
			framertest.ExpectMatch(""),
			framertest.ExpectLine("line\n"),
			framertest.Expect("last"),
			framertest.ExpectEnd(),
		)
		a.Close()
	}
}

// A step that reads a message leaves the input after it to the next step. The check gets
// the message as Next returns it.
func TestPlayMessages(t *testing.T) {
	is := func(want string) func(string) error {
		return func(msg string) error {
			if msg != want {
				return errors.New("want " + want)
			}
			return nil
		}
	}
	a, b := framertest.Pipe()
	framertest.Play(t, b, framertest.Send("\x02abone\x1c\rtwo\r\n..x\r\n.\r\n\xff\x01three last"), framertest.HalfClose())
	framertest.Play(t, a,
		framertest.ExpectMessage(framer.LengthPrefix(framer.Prefix{Size: 1}), is("ab")),
		framertest.ExpectMessage(framer.Delimiter("\x1c\r"), is("one")),
		framertest.ExpectMessage(framer.AnyDelimiter("\r\n", "\n"), is("two")),
		framertest.ExpectMessage(framer.DotBlock(), is(".x\r\n")),
		framertest.ExpectMessage(framer.Length(0), is("")),
		framertest.ExpectMessage(framer.Length(2), is("\xff\x01")),
		framertest.ExpectMessage(framer.Split(bufio.ScanWords), nil),
		framertest.Expect("last"),
		framertest.ExpectEnd(),
	)
	a.Close()
}

// A line may be long, but not endless.
func TestPlayEndlessLine(t *testing.T) {
	var tb fakeTB
	framertest.Play(&tb, &endlessConn{}, framertest.ExpectLine("a"))
	tb.wantFailures(t, `", then: no line end in 1048576 bytes`)
	if n := len(tb.failures[0]); n > 1000 {
		t.Errorf("the failure has %d bytes", n)
	}
}

type endlessConn struct{ net.Conn }

func (endlessConn) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// SendBytewise writes every byte by itself.
func TestSendBytewise(t *testing.T) {
	var conn writeCounter
	framertest.Play(t, &conn, framertest.SendBytewise("abc"))
	if got := strings.Join(conn.writes, "|"); got != "a|b|c" {
		t.Errorf("the writes are %s", got)
	}
}

type writeCounter struct {
	net.Conn
	writes []string
}

func (c *writeCounter) Write(p []byte) (int, error) {
	c.writes = append(c.writes, string(p))
	return len(p), nil
}

// A step that fails makes the test fail, with the number of the step and what was read.
// The steps after it are not run.
func TestPlayFails(t *testing.T) {
	long, veryLong := strings.Repeat("x", 100), strings.Repeat("x", 1000)
	refuse := func(string) error { return errors.New("refused") }
	tests := []struct {
		name  string
		peer  []framertest.Step // run before the steps
		steps []framertest.Step // the last of them fails
		want  string
	}{
		{
			"other text", []framertest.Step{framertest.Send("ab")},
			[]framertest.Step{framertest.Expect("a"), framertest.Expect("c")},
			`step 2, Expect("c"): got "b"`,
		},
		{
			"shorter text, and a peer that waits", []framertest.Step{framertest.Send("500\r\n")},
			[]framertest.Step{framertest.Expect("500 no\r\n")},
			`step 1, Expect("500 no\r\n"): got "500\r\n"`,
		},
		{
			"end", []framertest.Step{framertest.Send("a"), framertest.HalfClose()},
			[]framertest.Step{framertest.Expect("ab")},
			`step 1, Expect("ab"): got "a", then: EOF`,
		},
		{
			"long text", []framertest.Step{framertest.Send(long)},
			[]framertest.Step{framertest.Expect(long[1:] + "y")},
			`step 1, Expect("` + long[:30] + `"..."` + long[1:30] + `y"): got "` + long + `"`,
		},
		{
			"very long text", []framertest.Step{framertest.Send("a" + veryLong)},
			[]framertest.Step{framertest.Expect("b" + veryLong)},
			`step 1, Expect("b` + long[:29] + `"..."` + long[:30] + `"): got "a` + veryLong[:299] + `"..."` + veryLong[:300] + `"`,
		},
		{
			"another line", []framertest.Step{framertest.Send("550 no such user\r\nmore")},
			[]framertest.Step{framertest.ExpectLine("250 ok")},
			`step 1, ExpectLine("250 ok"): got "550 no such user\r\n"`,
		},
		{
			"another line end", []framertest.Step{framertest.Send("250 ok\n")},
			[]framertest.Step{framertest.ExpectLine("250 ok\r\n")},
			`step 1, ExpectLine("250 ok\r\n"): got "250 ok\n"`,
		},
		{
			"one line end is not two", []framertest.Step{framertest.Send("250 ok\r\r\n")},
			[]framertest.Step{framertest.ExpectLine("250 ok")},
			`step 1, ExpectLine("250 ok"): got "250 ok\r\r\n"`,
		},
		{
			"a line without an end", []framertest.Step{framertest.Send("250 ok"), framertest.HalfClose()},
			[]framertest.Step{framertest.ExpectLine("250 ok")},
			`step 1, ExpectLine("250 ok"): got "250 ok", then: EOF`,
		},
		{
			"no line", nil,
			[]framertest.Step{framertest.Within(time.Second), framertest.ExpectLine("250 ok")},
			`step 2, ExpectLine("250 ok"): got "", then: read pipe a->b: i/o timeout`,
		},
		{
			"no match", []framertest.Step{framertest.Send("550 no\r\n250 ok\r\n")},
			[]framertest.Step{framertest.ExpectMatch("^250 ")},
			`step 1, ExpectMatch("^250 "): got "550 no\r\n"`,
		},
		{
			"the end instead of a match", []framertest.Step{framertest.Close()},
			[]framertest.Step{framertest.ExpectMatch("")},
			`step 1, ExpectMatch(""): got "", then: EOF`,
		},
		{
			"a pattern that makes no sense", []framertest.Step{framertest.Send("a\n")},
			[]framertest.Step{framertest.ExpectMatch("(")},
			"step 1, ExpectMatch(\"(\"): error parsing regexp: missing closing ): `(`",
		},
		{
			"no match until the end", []framertest.Step{framertest.Send("250-a\r\n250-b\r\n250"), framertest.HalfClose()},
			[]framertest.Step{framertest.ExpectUntil("^250 ")},
			`step 1, ExpectUntil("^250 "): got "250-a\r\n250-b\r\n250", then: EOF`,
		},
		{
			"no match in very many lines", []framertest.Step{framertest.Send(veryLong + strings.Repeat("\n", 5000)), framertest.HalfClose()},
			[]framertest.Step{framertest.ExpectUntil("y")},
			`step 1, ExpectUntil("y"): got "` + veryLong[:300] + `"..."` + strings.Repeat(`\n`, 300) + `", then: EOF`,
		},
		{
			"another message", []framertest.Step{framertest.Send("\x00\x02nomore")},
			[]framertest.Step{framertest.ExpectMessage(framer.LengthPrefix(framer.Prefix{Size: 2}), refuse)},
			`step 1, ExpectMessage(LengthPrefix({Size:2 LittleEndian:false Offset:0 Adjustment:0 Keep:false})): got "no": refused`,
		},
		{
			"half a message", []framertest.Step{framertest.Send("\x03no"), framertest.HalfClose()},
			[]framertest.Step{framertest.ExpectMessage(framer.LengthPrefix(framer.Prefix{Size: 1, Keep: true}), refuse)},
			`step 1, ExpectMessage(LengthPrefix({Size:1 LittleEndian:false Offset:0 Adjustment:0 Keep:true})): got "\x03no", then: unexpected EOF`,
		},
		{
			"the end instead of a message", []framertest.Step{framertest.HalfClose()},
			[]framertest.Step{framertest.ExpectMessage(framer.Delimiter(";"), nil)},
			`step 1, ExpectMessage(Delimiter(";")): got "", then: EOF`,
		},
		{
			"a message that does not end", []framertest.Step{framertest.Send("abc")},
			[]framertest.Step{framertest.Within(time.Second), framertest.ExpectMessage(framer.Delimiter(";"), nil)},
			`step 2, ExpectMessage(Delimiter(";")): got "abc", then: read pipe a->b: i/o timeout`,
		},
		{
			"a message above the limit", []framertest.Step{framertest.Send("abc;")},
			[]framertest.Step{framertest.ExpectMessage(framer.Delimiter(";").Limit(2), nil)},
			`step 1, ExpectMessage(Delimiter(";").Limit(2)): got "abc", then: framer: message too long: 3 bytes, limit 2 (Terminator.Limit); it begins "abc"`,
		},
		{
			"a message whose end is known too late", []framertest.Step{framertest.Send("a\rb")},
			[]framertest.Step{framertest.ExpectMessage(framer.AnyDelimiter("\r", "\r\n"), nil)},
			`step 1, ExpectMessage(AnyDelimiter("\r\n", "\r")): got "a\rb", and needed "b" to know the end of the message`,
		},
		{
			"a terminator that makes no sense", nil,
			[]framertest.Step{framertest.ExpectMessage(framer.Delimiter(""), nil)},
			`step 1, ExpectMessage(Delimiter("")): got "", then: framer: empty delimiter`,
		},
		{
			"no answer", nil,
			[]framertest.Step{framertest.Within(time.Second), framertest.Expect("a")},
			`step 2, Expect("a"): got "", then: read pipe a->b: i/o timeout`,
		},
		{
			"no end", nil,
			[]framertest.Step{framertest.Within(time.Second), framertest.ExpectEnd()},
			`step 2, ExpectEnd(): read pipe a->b: i/o timeout`,
		},
		{
			"bytes before the end", []framertest.Step{framertest.Send("more")},
			[]framertest.Step{framertest.ExpectEnd()},
			`step 1, ExpectEnd(): got "more"`,
		},
		{
			"reset instead of the end", []framertest.Step{framertest.Send("more"), framertest.Reset()},
			[]framertest.Step{framertest.ExpectEnd()},
			`step 1, ExpectEnd(): read pipe a->b: ` + syscall.ECONNRESET.Error(),
		},
		{
			"the end instead of a reset", []framertest.Step{framertest.Send("bye"), framertest.Close()},
			[]framertest.Step{framertest.ExpectReset()},
			`step 1, ExpectReset(): got "bye", then: EOF`,
		},
		{
			"no reset", nil,
			[]framertest.Step{framertest.Within(time.Second), framertest.ExpectReset()},
			`step 2, ExpectReset(): got "", then: read pipe a->b: i/o timeout`,
		},
		{
			"a close of one's own is no reset", nil,
			[]framertest.Step{framertest.Close(), framertest.ExpectReset()},
			`step 2, ExpectReset(): got "", then: read pipe a->b: use of closed network connection`,
		},
		{
			"send to a closed peer", []framertest.Step{framertest.Close()},
			[]framertest.Step{framertest.Send("a")},
			`step 1, Send("a"): write pipe a->b: ` + syscall.ECONNRESET.Error(),
		},
		{
			"send bytewise to a closed peer", []framertest.Step{framertest.Close()},
			[]framertest.Step{framertest.SendBytewise("a")},
			`step 1, SendBytewise("a"): write pipe a->b: ` + syscall.ECONNRESET.Error(),
		},
		{
			"half-close after close", nil,
			[]framertest.Step{framertest.Close(), framertest.HalfClose()},
			`step 2, HalfClose(): close pipe a->b: use of closed network connection`,
		},
		{
			"deadline after close", nil,
			[]framertest.Step{framertest.Close(), framertest.Within(time.Second)},
			`step 2, Within(1s): set pipe a->b: use of closed network connection`,
		},
		{
			"a step of one's own", nil,
			[]framertest.Step{{Name: "jump", Do: func(net.Conn) error { return io.ErrNoProgress }}},
			`step 1, jump: multiple Read calls return no data or error`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := framertest.Pipe()
				framertest.Play(t, b, test.peer...)
				var tb fakeTB
				unreached := framertest.Step{Name: "unreached", Do: func(net.Conn) error {
					t.Error("the script goes on after a failure")
					return nil
				}}
				if framertest.Play(&tb, a, append(test.steps, unreached)...) {
					t.Error("Play reports success")
				}
				if len(tb.failures) != 1 || tb.failures[0] != test.want {
					t.Errorf("the failure is\n%s\nwant\n%s", strings.Join(tb.failures, "\n"), test.want)
				}
			})
		})
	}
}

// Some connections can't be half-closed, or can't be reset.
func TestPlayWithoutSupport(t *testing.T) {
	a, _ := net.Pipe()
	defer a.Close()
	var tb fakeTB
	framertest.Play(&tb, a, framertest.HalfClose())
	framertest.Play(&tb, a, framertest.Reset())
	tb.wantFailures(t,
		"step 1, HalfClose(): *net.pipe has no CloseWrite",
		"step 1, Reset(): *net.pipe can't be reset")
}

// After Reset the other side sees a reset: in memory, on TCP, and below TLS.
func TestPlayReset(t *testing.T) {
	tests := map[string]func(t *testing.T) (peer, nc net.Conn){
		"pipe": func(*testing.T) (peer, nc net.Conn) { return framertest.Pipe() },
		"TCP":  tcpPair,
		"TLS": func(t *testing.T) (peer, nc net.Conn) {
			peer, nc = tcpPair(t)
			return tls.Client(peer, &tls.Config{ServerName: "framer.test"}), nc
		},
	}
	for name, pair := range tests {
		t.Run(name, func(t *testing.T) {
			peer, nc := pair(t)
			defer nc.Close()
			if name != "TLS" { // in this test the TLS handshake was not performed
				framertest.Play(t, peer, framertest.Send("lost, or not"))
			}
			framertest.Play(t, peer, framertest.Reset())
			framertest.Play(t, nc, framertest.ExpectReset())
		})
	}
}

func tcpPair(t *testing.T) (peer, nc net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return peer, nc
}
