// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// answer accepts one client, reads what it sends and gives this answer.
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
		want   string // on stderr; none for success
	}{
		{"the text", lorem, ""},
		{"nothing", "", "the server has closed the connection after 0 of 701 bytes"},
		{"a part", lorem[:100], "the server has closed the connection after 100 of 701 bytes"},
		{"an error", "error: no\n", `the server answers "error: no"`},
		{"the wrong beginning", "l" + lorem[1:], `differs from byte 0 on: sent "Lorem ipsum dolor sit amet, cons", received "lorem ipsum dolor sit amet, cons"`},
		{"the wrong end", lorem[:700] + "?", `differs from byte 700 on: sent "\n", received "?"`},
		{"too much", lorem + "more", `the server has sent more than the text: "more"`},
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
			wantLine(t, stderr, test.want)
		})
	}
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

// A server that refuses leaves no client waiting for its turn.
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
