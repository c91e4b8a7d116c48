// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command raw is a server with loops that are written by hand on package net: the best
// loop that is known, and two common ones. Package serverside describes its flags and its
// commands.
package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/textproto"

	"github.com/goframer/framer/bench/internal/resp"
	"github.com/goframer/framer/bench/internal/serverside"
)

func main() {
	serverside.Main(
		serverside.Variant{
			Style: "best", Protocol: "echo",
			Start: start(bestEcho), StartTLS: startTLS(bestEcho),
		},
		serverside.Variant{Style: "best", Protocol: "set", Start: start(bestSet)},
		serverside.Variant{Style: "best", Protocol: "resp", Start: start(bestRESP(new(resp.Store)))},
		serverside.Variant{Style: "scanner", Protocol: "echo", Start: start(scannerEcho)},
		serverside.Variant{Style: "textproto", Protocol: "echo", Start: start(textprotoEcho)},
	)
}

// start returns a function that listens and calls serve for every connection. Each call
// has its own goroutine.
func start(serve func(net.Conn) error) func(string) (net.Addr, error) {
	return func(address string) (net.Addr, error) {
		return serverside.Listen(address, func(l net.Listener) error { return accept(l, serve) })
	}
}

// startTLS returns a function that does the same over TLS. The first read of a connection
// performs the handshake.
func startTLS(serve func(net.Conn) error) func(string, *tls.Config) (net.Addr, error) {
	return func(address string, config *tls.Config) (net.Addr, error) {
		return serverside.Listen(address, func(l net.Listener) error {
			return accept(tls.NewListener(l, config), serve)
		})
	}
}

// accept serves the connections of l until l fails.
func accept(l net.Listener, serve func(net.Conn) error) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := serve(c); err != nil && !errors.Is(err, io.EOF) {
				log.Print(err)
			}
		}()
	}
}

// bufferSize is the size of each of the two buffers of a connection, in bytes.
const bufferSize = 64 << 10

// newBuffers returns a reader and a writer for c. The writer is flushed before every read
// from c, and at no other time. bufio reads only when its buffer has no whole line left.
// Only then the peer may be waiting for its replies.
func newBuffers(c net.Conn) (*bufio.Reader, *bufio.Writer) {
	w := bufio.NewWriterSize(c, bufferSize)
	return bufio.NewReaderSize(flushBeforeRead{c, w}, bufferSize), w
}

type flushBeforeRead struct {
	r io.Reader
	w *bufio.Writer
}

func (f flushBeforeRead) Read(p []byte) (int, error) {
	if err := f.w.Flush(); err != nil {
		return 0, err
	}
	return f.r.Read(p)
}

// bestEcho sends every line back. It sends a line that is longer than the buffer in
// pieces.
func bestEcho(c net.Conn) error {
	r, w := newBuffers(c)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
}

// bestSet answers payloads. It drops them as they come.
func bestSet(c net.Conn) error {
	r, w := newBuffers(c)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := serverside.PayloadSize(line[:max(0, len(line)-len("\r\n"))])
		if err != nil {
			return err
		}
		if _, err := r.Discard(n); err != nil {
			return err
		}
		if _, err := w.WriteString(serverside.Stored); err != nil {
			return err
		}
	}
}

// scannerEcho is the loop of most tutorials, with a buffer for long lines.
func scannerEcho(c net.Conn) error {
	s := bufio.NewScanner(c)
	s.Buffer(nil, serverside.MaxMessage)
	var reply []byte
	for s.Scan() {
		reply = append(append(reply[:0], s.Bytes()...), "\r\n"...)
		if _, err := c.Write(reply); err != nil {
			return err
		}
	}
	return s.Err()
}

// textprotoEcho uses net/textproto, as servers of SMTP and similar protocols do.
func textprotoEcho(c net.Conn) error {
	tc := textproto.NewConn(c)
	for {
		line, err := tc.ReadLineBytes()
		if err != nil {
			return err
		}
		if err := tc.PrintfLine("%s", line); err != nil {
			return err
		}
	}
}
