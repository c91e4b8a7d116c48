// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/goframer/framer/framertest"
)

// answer accepts one client, reads the text, and sends answer.
func answer(l net.Listener, answer string) error {
	nc, err := l.Accept()
	if err != nil {
		return err
	}
	defer nc.Close()
	request := make([]byte, len("ECHO 701\n")+len(lorem))
	if _, err := io.ReadFull(nc, request); err != nil {
		return err
	}
	if want := "ECHO 701\n" + lorem; string(request) != want {
		return fmt.Errorf("request %q, want %q", request, want)
	}
	_, err = io.WriteString(nc, answer)
	return err
}

func TestClient(t *testing.T) {
	tests := []struct {
		name   string
		answer string
		want   string // part of the standard error; "" for success
	}{
		{"the text", lorem, ""},
		{"nothing", "", "the server has closed the connection after 0 of 701 bytes"},
		{"a part", lorem[:100], "the server has closed the connection after 100 of 701 bytes"},
		{"an error", "error: no\n", `the server answers "error: no"`},
		{"an error as long as the text", "error: " + lorem, `the server answers "error: Lorem ipsum dolor`},
		{"the wrong beginning", "l" + lorem[1:], `differs from byte 0 on: sent "Lorem ipsum dolor sit amet, cons"..., received "lorem ipsum dolor sit amet, cons"...`},
		{"the wrong end", lorem[:700] + "?", `differs from byte 700 on: sent "\n", received "?"`},
		{"too much", lorem + "more", `the text has come back whole, but then: the server has sent more than the text: "more"`},
		{"far too much", lorem + strings.Repeat("x", 1<<20), `the text: "` + strings.Repeat("x", 32) + `"...`},
		{"a long error", "error: " + strings.Repeat("\x1b", 500), `the server answers "error: ` + strings.Repeat(`\x1b`, 249) + `"...`},
		{"a terminal's escapes", "error: \x1b[2J\u202e", `the server answers "error: \x1b[2J\u202e"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := listen(t)
			var g errgroup.Group
			g.Go(func() error { return answer(l, test.answer) })
			status, stdout, stderr := echo(t, "-dial", l.Addr().String())
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
			if test.want == "" {
				if status != 0 || stderr != "" {
					t.Errorf("exit status %d and %q, want 0 and no error", status, stderr)
				}
				wantLine(t, stdout, l.Addr().String()+" has returned the text, 701 bytes")
				return
			}
			if status != 1 || stdout != "" {
				t.Errorf("exit status %d and output %q, want 1 and none", status, stdout)
			}
			if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, test.want) || len(stderr) > 2000 {
				t.Errorf("stderr %q, want one line with %q", stderr, test.want)
			}
		})
	}
}

// A text that begins like a refusal is echoed like any other text.
func TestClientSendsError(t *testing.T) {
	c := echoClient{text: []byte("error: no\n")}
	c.Collector.CollectIncomingData([]byte("error: n"))
	const want = "the server has closed the connection after 8 of 10 bytes"
	if err := c.result(io.ErrUnexpectedEOF); err == nil || err.Error() != want {
		t.Errorf("the client says %v, want %q", err, want)
	}
}

// The client waits for a server that stops answering as long as the flags say, and no
// longer. It reports how far they have got.
func TestClientWaits(t *testing.T) {
	tests := []struct {
		name    string
		answer  string
		timeout time.Duration // 0 means the default
		want    string
	}{
		{"for an answer", "", 0, "after 0 of 701 bytes: "},
		{"for the rest", lorem[:100], 0, "after 100 of 701 bytes: "},
		{"for the end", lorem, 0, "the text has come back whole, but the server does not close the connection: "},
		{"for an hour", lorem, time.Hour, "the text has come back whole, but the server does not close the connection: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				defer peer.Close()
				if _, err := io.WriteString(peer, test.answer); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				p := &program{options{dial: "server", timeout: test.timeout}, io.Discard, io.Discard}
				err := p.converse(t.Context(), nc, []byte(lorem), nil)
				if err == nil || !strings.HasPrefix(err.Error(), test.want) || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the client says %v, want %q and a timeout", err, test.want)
				}
				if d, want := time.Since(begin), cmp.Or(test.timeout, clientTimeout); d != want {
					t.Errorf("the client has waited for %v, want %v", d, want)
				}
			})
		})
	}
}

// A reader of the transcript may take any time, and loses nothing.
func TestTranscriptReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := writerFunc(func(p []byte) (int, error) {
			time.Sleep(time.Hour)
			return len(p), nil
		})
		p := &program{options{verbose: true}, io.Discard, slow}
		turns := newTurns()
		nc, peer := framertest.Pipe()
		var g errgroup.Group
		g.Go(func() error { return p.newServer(turns).ServeConn(t.Context(), peer) })
		g.Go(func() error { return p.converse(t.Context(), nc, bytes.Repeat([]byte("text\n"), maxText/50), turns) })
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// If the connection breaks after the whole text has come back, the client still succeeds.
func TestClientReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		go framertest.Play(t, peer,
			framertest.Expect("ECHO 701\n"+lorem), framertest.Send(lorem), framertest.Pause(time.Second), framertest.Reset())
		p := &program{options{dial: "server"}, io.Discard, io.Discard}
		err := p.converse(t.Context(), nc, []byte(lorem), nil)
		const want = "the text has come back whole, but then: "
		if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client says %v, want %q and a reset", err, want)
		}
	})
}

func TestClientLogsDifference(t *testing.T) {
	l := listen(t)
	var g errgroup.Group
	g.Go(func() error { return answer(l, strings.ToUpper(lorem)) })
	_, _, stderr := echo(t, "-v", "-dial", l.Addr().String())
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	want := fmt.Sprintf("EchoClient: ERROR IN TRANSMISSION\nEchoClient: EXPECTED %q\nEchoClient: RECEIVED %q\n", lorem, strings.ToUpper(lorem))
	if !strings.Contains(stderr, want) {
		t.Errorf("stderr %q, want %q", stderr, want)
	}
}

// If the server refuses the text, the client does not wait for its turn.
func TestRefusedInTurn(t *testing.T) {
	var stdout, stderr logBuffer
	p := &program{options{verbose: true}, &stdout, &stderr}
	turns := newTurns()
	s := p.newServer(turns)
	s.Config.MaxMessageSize = 100
	l := listen(t)
	var g errgroup.Group
	g.Go(func() error { return serve(t.Context(), s, l, true) })
	err := p.talk(t.Context(), l.Addr().String(), []byte(lorem), turns)
	const want = "framer: message too long: 701 bytes, limit 100 (Config.MaxMessageSize)"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the client says %v, want %q", err, want)
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}
