// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package asynchat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/goframer/framer"
)

// An echoHandler waits for "ECHO length\n" and that many bytes. It sends the bytes back
// and closes the connection.
type echoHandler struct {
	*framer.Conn
	framer.Collector
	processData func() error // what to do when a message is complete
}

func newEchoHandler(c *framer.Conn) framer.Handler {
	h := &echoHandler{Conn: c}
	h.processData = h.processCommand
	c.SetTerminator(framer.Delimiter("\n"))
	return h
}

func (h *echoHandler) FoundTerminator() error { return h.processData() }

func (h *echoHandler) processCommand() error {
	verb, arg, _ := strings.Cut(string(h.Take()), " ")
	n, err := strconv.ParseInt(arg, 10, 64)
	if verb != "ECHO" || err != nil {
		return errors.New("the command is not ECHO length") // ends the connection
	}
	h.processData = h.processMessage
	return h.SetTerminator(framer.Length(n)) // an error if n is above MaxMessageSize
}

func (h *echoHandler) processMessage() error {
	if err := h.Push(h.Bytes()); err != nil {
		return err
	}
	return h.CloseWhenDone()
}

// An echoClient sends a message and compares it with what comes back.
type echoClient struct {
	*framer.Conn
	framer.Collector
	message  []byte
	producer *echoProducer
	copied   bool
}

func (c *echoClient) HandleConnect() error {
	fmt.Fprintf(c, "ECHO %d\n", len(c.message))
	if err := c.PushWithProducer(c.producer); err != nil {
		return err
	}
	return c.SetTerminator(framer.Length(int64(len(c.message))))
}

func (c *echoClient) FoundTerminator() error {
	c.copied = bytes.Equal(c.Bytes(), c.message)
	return nil // the server closes the connection
}

// An echoProducer counts the pieces that it gives out.
type echoProducer struct {
	*framer.SimpleProducer
	pieces int
}

func (p *echoProducer) More() ([]byte, error) {
	response, err := p.SimpleProducer.More()
	if len(response) > 0 {
		p.pieces++
	}
	return response, err
}

// A server for one client, and the client.
func Example_echo() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := framer.Server{NewHandler: func(c *framer.Conn) framer.Handler {
		l.Close() // one client only; the connection goes on
		return newEchoHandler(c)
	}}
	var loop sync.WaitGroup
	loop.Go(func() { server.Serve(l) }) // returns when the connection has ended

	message := bytes.Repeat([]byte("Lorem ipsum. "), 54)
	client := &echoClient{
		message:  message,
		producer: &echoProducer{SimpleProducer: framer.NewSimpleProducer(message, 64)},
	}
	c, err := framer.Dial(context.Background(), "tcp", l.Addr().String(), func(c *framer.Conn) framer.Handler {
		client.Conn = c
		return client
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	reason := c.Wait()
	loop.Wait()
	fmt.Println(len(message), "bytes in", client.producer.pieces, "pieces")
	fmt.Println("received copy of message:", client.copied)
	fmt.Println("reason of the end:", reason)
	// Output:
	// 702 bytes in 11 pieces
	// received copy of message: true
	// reason of the end: <nil>
}
