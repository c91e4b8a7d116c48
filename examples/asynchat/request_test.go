// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package asynchat_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"

	"github.com/goframer/framer"
)

// A requestHandler reads one request of HTTP/1.0 and answers it.
type requestHandler struct {
	*framer.Conn
	framer.Collector
	sessions map[string]int // for all connections; see newRequestHandler
	mu       *sync.Mutex    // guards sessions

	readingHeaders bool
	op, uri        string
	headers        textproto.MIMEHeader
}

// newRequestHandler returns a function for Server.NewHandler. Its arguments are what the
// connections share.
func newRequestHandler(sessions map[string]int, mu *sync.Mutex) func(*framer.Conn) framer.Handler {
	return func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter("\r\n\r\n").Limit(8 << 10))
		return &requestHandler{Conn: c, sessions: sessions, mu: mu, readingHeaders: true}
	}
}

func (h *requestHandler) FoundTerminator() error {
	if !h.readingHeaders {
		return h.handleRequest(h.Bytes())
	}
	h.readingHeaders = false
	if err := h.parseHeaders(h.Take()); err != nil {
		return err
	}
	if h.op != "POST" {
		return h.handleRequest(nil)
	}
	length, err := strconv.ParseInt(h.headers.Get("Content-Length"), 10, 64)
	if err != nil {
		return h.refuse("411 Length Required", err)
	}
	if err := h.SetTerminator(framer.Length(length)); err != nil { // negative, or too long
		return h.refuse("413 Content Too Large", err)
	}
	return nil
}

func (h *requestHandler) parseHeaders(data []byte) (err error) {
	r := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(data), strings.NewReader("\r\n\r\n"))))
	line, err := r.ReadLine()
	if err != nil {
		return err
	}
	words := strings.Fields(line)
	if len(words) != 3 {
		return h.refuse("400 Bad Request", errors.New("no request line"))
	}
	h.op, h.uri = words[0], words[1]
	if h.headers, err = r.ReadMIMEHeader(); err != nil {
		return h.refuse("400 Bad Request", err)
	}
	return nil
}

// refuse sends an answer, and returns reason, which ends the connection.
func (h *requestHandler) refuse(status string, reason error) error {
	fmt.Fprintf(h, "HTTP/1.0 %s\r\n\r\n", status)
	return reason
}

func (h *requestHandler) handleRequest(data []byte) error {
	h.mu.Lock()
	h.sessions[h.uri]++
	count := h.sessions[h.uri]
	h.mu.Unlock()
	fmt.Fprintf(h, "HTTP/1.0 200 OK\r\n\r\n%s %s, %d bytes, request %d\n", h.op, h.uri, len(data), count)
	return h.CloseWhenDone() // what the client sends after its request is thrown away
}

// The handler of asynchat's documentation, and some requests.
func Example_request() {
	server := framer.Server{NewHandler: newRequestHandler(make(map[string]int), new(sync.Mutex))}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	var loop sync.WaitGroup
	loop.Go(func() { server.Serve(l) })

	for _, request := range []string{
		"GET /form HTTP/1.0\r\n\r\n",
		"POST /form HTTP/1.0\r\nContent-Length: 9\r\n\r\nname=Eric\r\n", // browsers sometimes over-send
		"POST /form HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
	} {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		io.WriteString(nc, request)
		answer, _ := io.ReadAll(nc)
		_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
		fmt.Print(body)
		nc.Close()
	}
	server.Shutdown(context.Background())
	loop.Wait()
	// Output:
	// GET /form, 0 bytes, request 1
	// POST /form, 9 bytes, request 2
	// POST /form, 0 bytes, request 3
}
