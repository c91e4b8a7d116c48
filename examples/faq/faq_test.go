// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package faq_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/goframer/framer"
)

// quiet is a Config that logs nothing.
var quiet = framer.Config{Logger: slog.New(slog.DiscardHandler)}

// listen returns a listener on a free port.
func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return l
}

// dial returns a connection to l.
func dial(l net.Listener) net.Conn {
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	return nc
}

// minute returns a context that ends after a minute, with which an example that hangs
// fails.
func minute() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// TCP carries bytes, not messages. Three messages that are written at once are read at
// once; this Read returns all of them and half of a fourth.
func Example_stickyPackets() {
	l := listen()
	defer l.Close()
	client := dial(l)
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	fmt.Fprint(client, "one\r\ntwo\r\nthree\r\nfo")
	buffer := make([]byte, 1024)
	n, err := server.Read(buffer)
	fmt.Printf("Read returns %q %v\n", buffer[:n], err)

	fmt.Fprint(client, "one\r\ntwo\r\nthree\r\nfo")
	go fmt.Fprint(client, "ur\r\n")
	messages := framer.NewFramer(server, nil)
	for range 4 {
		message, err := messages.Next(framer.Delimiter("\r\n"))
		fmt.Printf("Next returns %q %v\n", message, err)
	}
	// Output:
	// Read returns "one\r\ntwo\r\nthree\r\nfo" <nil>
	// Next returns "one" <nil>
	// Next returns "two" <nil>
	// Next returns "three" <nil>
	// Next returns "four" <nil>
}

// A line of a million bytes ends a bufio.Scanner, and the lines after it are lost. A Framer
// says what the limit is and how the line begins, and goes on with the next line.
func Example_tokenTooLong() {
	input := strings.Repeat("x", 1_000_000) + "\nnext\n"

	lines := bufio.NewScanner(strings.NewReader(input))
	fmt.Println(lines.Scan(), lines.Err())

	messages := framer.NewFramer(strings.NewReader(input), &framer.Config{MaxMessageSize: 100_000})
	_, err := messages.Next(framer.Delimiter("\n"))
	if tooLong, ok := errors.AsType[*framer.MessageTooLongError](err); ok {
		fmt.Printf("limit %d, it begins %q\n", tooLong.Limit, tooLong.Head)
	}
	message, err := messages.Next(framer.Delimiter("\n"))
	fmt.Printf("%q %v\n", message, err)
	// Output:
	// false bufio.Scanner: token too long
	// limit 100000, it begins "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	// "next" <nil>
}

// Shutdown of an http.Server does not wait for connections that were hijacked, nor does
// it close them. Those of a framer.Server inside it are known to that: each says
// goodbye, and Shutdown waits until it was sent.
func Example_hijackedConnections() {
	lines := &framer.Server{
		Protocol: "lines/1",
		NewHandler: framer.Session(func(c *framer.Conn) error {
			_, err := c.Next(framer.Delimiter("\r\n"))
			if errors.Is(err, framer.ErrServerClosed) {
				return c.Push([]byte("421 closing\r\n"))
			}
			return err
		}),
		Config: quiet,
	}
	hs := &http.Server{Handler: lines}
	l := listen()
	go hs.Serve(l)

	client := dial(l)
	defer client.Close()
	fmt.Fprint(client, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: lines/1\r\n\r\n")
	r := bufio.NewReader(client)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status)

	fmt.Println("http.Server.Shutdown:", hs.Shutdown(minute()), "and", lines.Stats().Conns, "connection")
	done := make(chan error)
	go func() { done <- lines.Shutdown(minute()) }()
	goodbye, err := io.ReadAll(r)
	fmt.Printf("the client reads %q %v\n", goodbye, err)
	client.Close()
	fmt.Println("framer.Server.Shutdown:", <-done, "and", lines.Stats().Conns, "connections")
	// Output:
	// 101 Switching Protocols
	// http.Server.Shutdown: <nil> and 1 connection
	// the client reads "421 closing\r\n" <nil>
	// framer.Server.Shutdown: <nil> and 0 connections
}

// A program that closes a connection while another goroutine reads from it gets this
// error, and has to tell it from others. With a Conn the end that one has asked for is
// no error of Serve; and what comes too late, such as a push, matches net.ErrClosed.
func Example_closedConnection() {
	l := listen()
	defer l.Close()

	dial := func() (client, server net.Conn) {
		client = dial(l)
		server, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		return client, server
	}

	client, server := dial()
	defer client.Close()
	time.AfterFunc(0, func() { server.Close() })
	_, err := server.Read(make([]byte, 1))
	_, reason, _ := strings.Cut(err.Error(), ": ") // without the addresses
	fmt.Println("Read:", reason, errors.Is(err, net.ErrClosed))

	client, server = dial()
	c := framer.NewConn(server, framer.Messages(framer.Delimiter("\n"), func(*framer.Conn, []byte) error {
		return nil
	}), &quiet)
	time.AfterFunc(0, func() {
		c.CloseWhenDone()
		client.Close()
	})
	fmt.Println("Serve:", c.Serve(context.Background()))
	err = c.Push([]byte("too late\n"))
	fmt.Println("Push:", err, errors.Is(err, net.ErrClosed))
	// Output:
	// Read: use of closed network connection true
	// Serve: <nil>
	// Push: framer: connection is closed: use of closed network connection true
}

// A server that closes a connection with a request that it has not read makes the system
// send a reset, and throw away what of the last answer is still on its way. Here the
// client gets a part of it. CloseWhenDone ends the output, and reads what comes until the
// client ends its side, too.
func Example_connectionReset() {
	answer := make([]byte, 256<<10)
	l := listen()
	defer l.Close()

	// ask sends two requests. When closed is closed, it reads the answer.
	ask := func(closed <-chan struct{}) string {
		client := dial(l).(*net.TCPConn)
		defer client.Close()
		client.SetReadBuffer(16 << 10)
		fmt.Fprint(client, "first\nsecond\n")
		<-closed
		n, err := io.Copy(io.Discard, client)
		return fmt.Sprintf("all %t, error %t", n == int64(len(answer)), err != nil)
	}

	closed := make(chan struct{})
	go func() {
		defer close(closed)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(time.Minute))
		nc.(*net.TCPConn).SetWriteBuffer(2 * len(answer))
		nc.Read(make([]byte, len("first\n")))
		nc.Write(answer)
	}()
	fmt.Println("Close:", ask(closed))

	server := framer.Server{
		NewHandler: framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, request []byte) error {
			if err := c.Push(answer); err != nil {
				return err
			}
			return c.CloseWhenDone()
		}),
		Config: quiet,
	}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	fmt.Println("CloseWhenDone:", ask(closed))
	server.Close()
	<-served
	// Output:
	// Close: all false, error true
	// CloseWhenDone: all true, error false
}
