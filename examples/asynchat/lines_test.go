// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package asynchat_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"sync"

	"github.com/goframer/framer"
)

// A lineHandler sends every line back.
type lineHandler struct {
	*framer.Conn
	framer.Collector // has CollectIncomingData
}

func newLineHandler(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &lineHandler{Conn: c}
}

func (h *lineHandler) FoundTerminator() error {
	return h.Push(append(h.Take(), "\r\n"...))
}

func (h *lineHandler) HandleClose(reason error) {
	fmt.Println("conn_closed, reason:", reason)
}

// verifyRequest refuses clients on other machines.
func verifyRequest(nc net.Conn) error {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return errors.New("not from this machine")
	}
	return nil
}

// A server that sends every line back, and one client.
func Example_lines() {
	server := framer.Server{NewHandler: newLineHandler, VerifyConn: verifyRequest}
	l, err := net.Listen("tcp", "127.0.0.1:0") // port 0: any free port
	if err != nil {
		log.Fatal(err)
	}
	var loop sync.WaitGroup
	loop.Go(func() { server.Serve(l) })

	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(nc, "Hello,\r\n\r\nworld.\r\n")
	lines := bufio.NewScanner(nc)
	for range 3 {
		lines.Scan()
		fmt.Printf("%q\n", lines.Text())
	}
	nc.Close()

	server.Shutdown(context.Background())
	loop.Wait()
	// Output:
	// "Hello,"
	// ""
	// "world."
	// conn_closed, reason: <nil>
}
