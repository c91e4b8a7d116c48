// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package lines

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"runtime/debug"
)

// A Server is one that listens.
type Server struct {
	Addr     net.Addr
	Shutdown func() error // as gracefully as the library does it
}

// Main is the main function of a server program. It has start listen on a port of
// the loopback interface and serve on a goroutine of its own.
func Main(start func(address string) (Server, error)) {
	log.SetFlags(0)
	s, err := start("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", s.Addr)
	if err := obey(os.Stdin, os.Stdout, s.Shutdown); err != nil {
		log.Fatal(err)
	}
}

// Serve serves on a goroutine of its own. What serve returns is of no interest:
// cmd/compare sees it when a server fails.
func Serve(address string, serve func(net.Listener) error, shutdown func() error) (Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return Server{}, err
	}
	go serve(l)
	return Server{l.Addr(), shutdown}, nil
}

// ServeConns is Serve with a function for each connection. The library has no
// server; to shut down is to accept no more.
func ServeConns(address string, serve func(net.Conn)) (Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return Server{}, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the listener was closed
			}
			go serve(c)
		}
	}()
	return Server{l.Addr(), l.Close}, nil
}

// obey carries out the commands until their end.
func obey(stdin io.Reader, stdout io.Writer, shutdown func() error) error {
	s := bufio.NewScanner(stdin)
	for s.Scan() {
		switch s.Text() {
		case "gc":
			runtime.GC()
			debug.FreeOSMemory()
			fmt.Fprintln(stdout, "done")
		case "goroutines":
			fmt.Fprintln(stdout, runtime.NumGoroutine())
		case "shutdown":
			err := shutdown()
			fmt.Fprintln(stdout, "done")
			return err
		default:
			return fmt.Errorf("unknown command %q", s.Text())
		}
	}
	return s.Err()
}
