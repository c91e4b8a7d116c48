// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest_test

import (
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

	"github.com/goframer/framer/framertest"
)

// Every step does what it says, and a script that goes well fails nothing.
func TestPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := framertest.Pipe()
		b.CutReads(2) // Expect puts pieces together
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

// SendBytewise makes a write of every byte.
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

// A step that goes wrong fails the test with its number and what was seen, and
// ends the script.
func TestPlayFails(t *testing.T) {
	long := strings.Repeat("x", 100)
	tests := []struct {
		name  string
		peer  []framertest.Step // done before
		steps []framertest.Step // the last fails
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
			`step 1, Expect("` + long[:30] + `"..."` + long[1:30] + `y"): got "` + long[:30] + `"..."` + long[:30] + `"`,
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

// Some connections can't be half-closed or reset.
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

// Reset is seen as such by the other side, in memory, on TCP, and below TLS.
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
			if !framertest.Play(t, peer, framertest.Reset()) {
				return
			}
			_, err := nc.Read(make([]byte, 1))
			var opError *net.OpError
			if err == io.EOF || !errors.As(err, &opError) || opError.Timeout() {
				t.Errorf("Read: %v, want a reset", err)
			}
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
