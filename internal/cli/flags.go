// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package cli has what all programs of this repository share: the error messages about
// wrong flags, and about why a program can't start or end; the signals; and how to print
// what a peer sends.
//
// An error is one line. It names the flag, the address or the file, and says what to do
// if that is not obvious. The exit status is [Misused] for a wrong command line and
// [Failed] for other errors.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

// Exit statuses.
const (
	Failed  = 1
	Misused = 2
)

// Flags are the flags of a program.
type Flags struct {
	*flag.FlagSet

	// Arguments says that arguments may follow the flags.
	Arguments bool

	about  string
	stderr io.Writer
}

// NewFlags returns the flags of a program, or of a command of a program, such as "restart
// load". The usage text goes to stderr. It begins with about, which says what the program
// does and gives examples.
func NewFlags(name, about string, stderr io.Writer) *Flags {
	f := &Flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), about: about, stderr: stderr}
	f.FlagSet.Usage = func() {} // Parse prints the usage text, and only if it is asked for
	f.SetOutput(io.Discard)
	return f
}

// Parse reads the command line. Then it calls check, if that is not nil, to check flags
// that depend on each other. If Parse returns an error, it has printed it, or the usage
// text for [flag.ErrHelp].
func (f *Flags) Parse(args []string, check func() error) error {
	err := f.FlagSet.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		f.usage()
		return err
	}
	if err == nil && f.NArg() > 0 && !f.Arguments {
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if err == nil && check != nil {
		err = check()
	}
	if err != nil {
		program, _, _ := strings.Cut(f.Name(), " ")
		fmt.Fprintf(f.stderr, "%s: %s (%s -h lists the flags)\n", program, oneLine.Replace(explain(err)), f.Name())
	}
	return err
}

// oneLine keeps a line end in an argument from ending the line of an error.
var oneLine = strings.NewReplacer("\n", `\n`, "\r", `\r`)

// explain returns the text of an error. It replaces the text for a wrong boolean value,
// for which package flag says only that it can't be parsed.
func explain(err error) string {
	text := err.Error()
	if strings.HasPrefix(text, "invalid boolean value ") {
		text = strings.TrimSuffix(text, "parse error") + "want true or false"
	}
	return text
}

func (f *Flags) usage() {
	fmt.Fprintf(f.stderr, "%s\n\nFlags:\n", strings.TrimSpace(f.about))
	f.SetOutput(f.stderr)
	f.PrintDefaults()
	f.SetOutput(io.Discard)
}

// StringVar defines a flag whose value must not be empty.
func (f *Flags) StringVar(p *string, name, value, usage string) {
	*p = value
	f.Var(text{p, func(string) error { return nil }}, name, usage)
}

// AddressVar defines a flag for the address of a TCP server: a host and a port. An empty
// host means any host.
func (f *Flags) AddressVar(p *string, name, value, usage string) {
	*p = value
	f.Var(text{p, checkAddress}, name, usage)
}

// DurationVar defines a flag for a duration of at least least.
func (f *Flags) DurationVar(p *time.Duration, name string, value, least time.Duration, usage string) {
	*p = value
	f.Var(duration{p, least}, name, usage)
}

// IntVar defines a flag for a number of at least least.
func (f *Flags) IntVar(p *int, name string, value, least int, usage string) {
	*p = value
	f.Var(integer[int]{p, least, math.MaxInt}, name, usage)
}

// Int64Var is IntVar for larger numbers.
func (f *Flags) Int64Var(p *int64, name string, value, least int64, usage string) {
	*p = value
	f.Var(integer[int64]{p, least, math.MaxInt64}, name, usage)
}

// A text is a flag.Value.
type text struct {
	p     *string
	check func(string) error
}

func (t text) String() string {
	if t.p == nil { // package flag calls String on a zero value
		return ""
	}
	return *t.p
}

func (t text) Set(s string) error {
	if s == "" {
		return errors.New("it is empty; is a variable not set?")
	}
	*t.p = s
	return t.check(s)
}

// A duration is a flag.Value.
type duration struct {
	p     *time.Duration
	least time.Duration
}

func (d duration) String() string {
	if d.p == nil {
		return "0s"
	}
	return d.p.String()
}

func (d duration) Set(s string) error {
	v, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return errors.New("want a number with a unit, such as 30s or 5m, of at most 2562047h")
	case v < d.least && d.least == 1:
		return errors.New("want more than 0")
	case v < d.least:
		return fmt.Errorf("want at least %v", d.least)
	}
	*d.p = v
	return nil
}

// An integer is a flag.Value.
type integer[T int | int64] struct {
	p           *T
	least, most T
}

func (n integer[T]) String() string {
	if n.p == nil {
		return "0"
	}
	return strconv.FormatInt(int64(*n.p), 10)
}

func (n integer[T]) Set(s string) error {
	v, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return errors.New("want a whole number, without a unit")
	case v < int64(n.least): // also true for a number out of range, for which v is the nearest number in range
		return fmt.Errorf("want at least %d", n.least)
	case err != nil || v > int64(n.most):
		return fmt.Errorf("want at most %d", n.most)
	}
	*n.p = T(v)
	return nil
}

// checkAddress returns an error if address is not the address of a TCP server. It refuses
// an empty port, which package net takes for port 0, and so for any port.
func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	switch {
	case strings.Contains(address, "://"):
		return errors.New("want a host and a port, such as localhost:8000, not a URL")
	case err != nil && strings.Count(address, ":") > 1:
		return errors.New("want an IPv6 address in brackets, and a port behind it, such as [::1]:8000")
	case err != nil || port == "":
		return errors.New("the port is missing; want a host and a port, such as localhost:8000")
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q is no port, which is a number from 0 to 65535", port)
	}
	return nil
}
