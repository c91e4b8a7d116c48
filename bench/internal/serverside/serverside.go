// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package serverside is what the server programs share: their flags and their
// talk with the program that has started them.
//
// A server program prints "listening HOST:PORT" when it listens. On its standard
// input it takes commands, a line each: "gc" collects the garbage, gives free
// memory back to the system, and is answered by "done". At the end of the input
// the program ends.
//
// With -tls, of the variants that have it, it speaks TLS, with a certificate that
// it makes at its start and signs itself.
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

	// Start listens on the address and serves until the program ends. It returns
	// the address that it listens on.
	Start func(address string) (net.Addr, error)

	// StartTLS is Start over TLS, or nil.
	StartTLS func(address string, config *tls.Config) (net.Addr, error)
}

// Main is the main function of a server program. The first variant is the
// default.
func Main(variants ...Variant) {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, variants))
}

// run returns the exit status.
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

// start starts v, over TLS or not.
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

// styles lists the variants for a message to the user.
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

// obey carries out the commands until their end.
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
