// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package serverside

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

// variants returns variants that do not listen.
func variants(err error) []Variant {
	start := func(address string) (net.Addr, error) {
		addr, _ := net.ResolveTCPAddr("tcp", address)
		return addr, err
	}
	startTLS := func(address string, config *tls.Config) (net.Addr, error) {
		return &net.UnixAddr{Name: fmt.Sprint(address, " with certificates: ", len(config.Certificates))}, err
	}
	return []Variant{
		{Style: "plain", Protocol: "echo", Start: start},
		{Style: "plain", Protocol: "set", Start: start},
		{Style: "fancy", Protocol: "echo", Start: start, StartTLS: startTLS},
	}
}

func TestRun(t *testing.T) {
	failure := errors.New("no such port")
	tests := []struct {
		args, stdin string
		err         error // the error of Start
		stdout      string
		stderr      string // a part of the standard error
		status      int
	}{
		{args: "", stdout: "listening 127.0.0.1:0\n"},
		{args: "-style fancy -protocol echo -addr 127.0.0.2:7", stdout: "listening 127.0.0.2:7\n"},
		{args: "-style fancy -tls -addr 127.0.0.2:7", stdout: "listening 127.0.0.2:7 with certificates: 1\n"},
		{args: "-protocol set", stdin: "gc\ngc\n", stdout: "listening 127.0.0.1:0\ndone\ndone\n"},
		{args: "", stdin: "cg\n", stdout: "listening 127.0.0.1:0\n", stderr: `unknown command "cg"`, status: 1},
		{args: "", err: failure, stderr: "no such port", status: 1},
		{args: "-style fancy -protocol set", stderr: `can't serve -style "fancy" -protocol "set"`, status: 2},
		{args: "-style plain -tls", stderr: `can't serve -style "plain" -protocol "echo" -tls=true`, status: 2},
		{args: "-style none", stderr: "styles are plain (echo), plain (set), fancy (echo), fancy (echo -tls)", status: 2},
		{args: "more", stderr: "more", status: 2},
		{args: "-none", stderr: "not defined", status: 2},
		{args: "-help", stderr: "style of programming", status: 0},
	}
	for _, test := range tests {
		var stdout, stderr strings.Builder
		status := run(strings.Fields(test.args), strings.NewReader(test.stdin), &stdout, &stderr, variants(test.err))
		if stdout.String() != test.stdout || status != test.status {
			t.Errorf("%s: stdout %q, status %d; want %q, %d", test.args, stdout.String(), status, test.stdout, test.status)
		}
		if !strings.Contains(stderr.String(), test.stderr) || (stderr.Len() > 0) != (test.stderr != "") {
			t.Errorf("%s: stderr %q, want %q in it", test.args, stderr.String(), test.stderr)
		}
	}
}

func TestPayloadSize(t *testing.T) {
	for line, want := range map[string]int{"SET 0": 0, "SET 1048577": 1<<20 + 1, "SET 67108864": MaxMessage} {
		if got, err := PayloadSize([]byte(line)); got != want || err != nil {
			t.Errorf("PayloadSize(%q) = %d, %v; want %d", line, got, err, want)
		}
	}
	for _, line := range []string{"", "SET", "SET ", "SET -1", "SET 67108865", "SET 1 ", "GET 1", "set 1"} {
		if got, err := PayloadSize([]byte(line)); err == nil {
			t.Errorf("PayloadSize(%q) = %d, want an error", line, got)
		}
	}
}

// TestPayloadSizeAllocates checks that parsing a command does not allocate, because that
// would count as a cost of the server.
func TestPayloadSizeAllocates(t *testing.T) {
	line := []byte("SET 1048577")
	if n := testing.AllocsPerRun(100, func() { PayloadSize(line) }); n > 0 {
		t.Errorf("PayloadSize allocates %v times", n)
	}
}
