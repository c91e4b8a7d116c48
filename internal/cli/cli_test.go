// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package cli

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testFlags has one flag of each kind.
type testFlags struct {
	text, address string
	wait, pause   time.Duration
	n             int
	size          int64
	on            bool
}

func (o *testFlags) parse(args ...string) (stderr string, err error) {
	var out strings.Builder
	flags := NewFlags("prog go", "\nProg does something:\n\n\tprog go -n 3\n", &out)
	flags.StringVar(&o.text, "text", "abc", "the `words`")
	flags.AddressVar(&o.address, "addr", "localhost:80", "the `address`")
	flags.DurationVar(&o.wait, "wait", time.Minute, 0, "`duration` to wait")
	flags.DurationVar(&o.pause, "pause", 0, 1, "`duration` between")
	flags.IntVar(&o.n, "n", 2, 1, "`number` of them")
	flags.Int64Var(&o.size, "size", 1<<40, 0, "of one, in `bytes`")
	flags.BoolVar(&o.on, "on", false, "switch it on")
	err = flags.Parse(args, func() error {
		if o.on && o.text == "off" {
			return errors.New("-on and -text off exclude each other")
		}
		return nil
	})
	return out.String(), err
}

func TestOneLine(t *testing.T) {
	var o testFlags
	stderr, err := o.parse("-no\npe")
	if err == nil || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, `-no\npe`) {
		t.Errorf("got %q and %v", stderr, err)
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args string // separated by spaces
		want string // the error; "" for none
	}{
		{"", ""},
		{"-text x -addr :http -wait 0 -pause 1ns -n 1 -size 0 -on", ""},
		{"-addr [::1]:0 -wait 2562047h -n 2147483647 -size 9223372036854775807", ""},
		{"-nope", "flag provided but not defined: -nope"},
		{"more", `unexpected argument "more"`},
		{"-n", "flag needs an argument: -n"},
		{"-on -text off", "-on and -text off exclude each other"},
		{"-on=maybe", `invalid boolean value "maybe" for -on: want true or false`},
		{"-text=", `invalid value "" for flag -text: it is empty; is a variable not set?`},
		{"-addr=", `invalid value "" for flag -addr: it is empty; is a variable not set?`},
		{"-addr localhost", `invalid value "localhost" for flag -addr: the port is missing; want a host and a port, such as localhost:8000`},
		{"-addr localhost:", `invalid value "localhost:" for flag -addr: the port is missing; want a host and a port, such as localhost:8000`},
		{"-addr ::1", `invalid value "::1" for flag -addr: want an IPv6 address in brackets, and a port behind it, such as [::1]:8000`},
		{"-addr http://x:80", `invalid value "http://x:80" for flag -addr: want a host and a port, such as localhost:8000, not a URL`},
		{"-addr :65536", `invalid value ":65536" for flag -addr: "65536" is no port, which is a number from 0 to 65535`},
		{"-wait -1s", `invalid value "-1s" for flag -wait: want at least 0s`},
		{"-pause 0", `invalid value "0" for flag -pause: want more than 0`},
		{"-wait 5", `invalid value "5" for flag -wait: want a number with a unit, such as 30s or 5m, of at most 2562047h`},
		{"-wait 9999999h", `invalid value "9999999h" for flag -wait: want a number with a unit, such as 30s or 5m, of at most 2562047h`},
		{"-n 0", `invalid value "0" for flag -n: want at least 1`},
		{"-n -99999999999999999999", `invalid value "-99999999999999999999" for flag -n: want at least 1`},
		{"-size 99999999999999999999", `invalid value "99999999999999999999" for flag -size: want at most 9223372036854775807`},
		{"-n 3k", `invalid value "3k" for flag -n: want a whole number, without a unit`},
	} {
		stderr, err := new(testFlags).parse(strings.Fields(test.args)...)
		want := ""
		if test.want != "" {
			want = "prog: " + test.want + " (prog go -h lists the flags)\n"
		}
		if stderr != want || (err != nil) != (want != "") {
			t.Errorf("%s: got %q and %v, want %q", test.args, stderr, err, want)
		}
	}
}

func TestUsage(t *testing.T) {
	stderr, err := new(testFlags).parse("-h")
	if !errors.Is(err, flag.ErrHelp) || !strings.HasPrefix(stderr, "Prog does something:\n\n\tprog go -n 3\n\nFlags:\n") {
		t.Errorf("got %v and %s", err, stderr)
	}
	for _, want := range []string{"-text words", "(default abc)", "(default 1m0s)", "-n number", "(default 2)", "(default 1099511627776)"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in the usage text:\n%s", want, stderr)
		}
	}
	if n := strings.Count(stderr, "default"); n != 5 {
		t.Errorf("%d defaults, want 5: none for what is zero:\n%s", n, stderr)
	}
}

func TestNetwork(t *testing.T) {
	l, err := Listen(t.Context(), "addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	used := l.Addr().String()
	_, err = Listen(t.Context(), "addr", used)
	if want := "can't listen on " + used + " (-addr): the port is in use, perhaps by another copy of this program"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	l.Close()
	_, err = net.Dial("tcp", used)
	got := DialError("dial", used, err)
	if want := "can't connect to " + used + " (-dial): connection refused; nobody listens there"; got.Error() != want || !errors.Is(got, err) {
		t.Errorf("got %v, want %s", got, want)
	}
	for want, err := range map[string]error{
		`the host "x" is not known`:               &net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", Err: "no such host", IsNotFound: true}},
		`the host "x" can't be looked up: broken`: &net.DNSError{Name: "x", Err: "broken"},
		"no answer in time":                       &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded},
		"something else":                          errors.New("something else"),
	} {
		if got := Reason(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLoadCertificate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	none := file + ".none"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, files := range map[string][2]string{
		"-cert: open " + none + ": ":                                       {none, file},
		"-key: open " + none + ": ":                                        {file, none},
		"-cert " + file + " and -key " + file + ": failed to find any PEM": {file, file},
	} {
		if _, err := LoadCertificate(files[0], files[1]); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", files, err, want)
		}
	}
}

func TestCutOff(t *testing.T) {
	if got, want := CutOff(context.DeadlineExceeded, 2*time.Second).Error(), "connections were cut off that had not ended 2s after the signal"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := CutOff(context.Canceled, time.Second).Error(), "connections were cut off by a second signal"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
