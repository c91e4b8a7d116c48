// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package serverside has what the server programs share: their flags, and the commands of
// the program that has started them.
//
// A server program prints "listening HOST:PORT" when it listens. It reads commands from
// its standard input, one on each line. The command "gc" makes it collect its garbage and
// return free memory to the system. It then prints "done". The program ends at the end of
// its input.
//
// With -tls, a variant that supports it uses TLS. The certificate is made at the start
// and is self-signed.
package serverside

import (
	"bufio"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// A Variant is one way to serve: a style of programming and a protocol.
type Variant struct {
	Style    string
	Protocol string // "echo", "set" or "resp"

	// Start listens on the address and serves until the program ends. It returns the
	// address on which it listens.
	Start func(address string) (net.Addr, error)

	// StartTLS does the same over TLS. It may be nil.
	StartTLS func(address string, config *tls.Config) (net.Addr, error)
}

// Main is the main function of a server program. The first variant is the default.
func Main(variants ...Variant) {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, variants))
}

// run runs the program and returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, variants []Variant) int {
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	fs.SetOutput(stderr)
	style := fs.String("style", variants[0].Style, "style of programming: "+styles(variants))
	protocol := fs.String("protocol", variants[0].Protocol, "echo, set or resp")
	address := fs.String("addr", "127.0.0.1:0", "address to listen on")
	overTLS := fs.Bool("tls", false, "speak TLS, with a certificate made at the start")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	i := slices.IndexFunc(variants, func(v Variant) bool {
		return v.Style == *style && v.Protocol == *protocol && (v.StartTLS != nil || !*overTLS)
	})
	if i < 0 || fs.NArg() > 0 {
		fmt.Fprintf(stderr, "server: can't serve -style %q -protocol %q -tls=%t %q; styles are %s\n",
			*style, *protocol, *overTLS, fs.Args(), styles(variants))
		return 2
	}
	addr, err := variants[i].start(*address, *overTLS)
	if err != nil {
		fmt.Fprintln(stderr, "server:", err)
		return 1
	}
	fmt.Fprintln(stdout, "listening", addr)
	if err := obey(stdin, stdout); err != nil {
		fmt.Fprintln(stderr, "server:", err)
		return 1
	}
	return 0
}

// start starts v, over TLS if overTLS is true.
func (v Variant) start(address string, overTLS bool) (net.Addr, error) {
	if !overTLS {
		return v.Start(address)
	}
	certificate, err := newCertificate()
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return v.StartTLS(address, &tls.Config{Certificates: []tls.Certificate{certificate}})
}

// styles returns a list of the variants for a message to the user.
func styles(variants []Variant) string {
	var names []string
	for _, v := range variants {
		names = append(names, v.Style+" ("+v.Protocol+")")
		if v.StartTLS != nil {
			names = append(names, v.Style+" ("+v.Protocol+" -tls)")
		}
	}
	return strings.Join(names, ", ")
}

// obey executes the commands until the end of stdin.
func obey(stdin io.Reader, stdout io.Writer) error {
	s := bufio.NewScanner(stdin)
	for s.Scan() {
		if s.Text() != "gc" {
			return fmt.Errorf("unknown command %q", s.Text())
		}
		runtime.GC()
		debug.FreeOSMemory()
		fmt.Fprintln(stdout, "done")
	}
	return s.Err()
}
