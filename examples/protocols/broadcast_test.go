// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

var errTooSlow = errors.New("too slow for the broadcast")

// broadcast sends payload to all connections of s, and does not block. It keeps payload,
// which the caller must not change any more.
func broadcast(s *framer.Server, payload []byte) {
	for c := range s.Conns() {
		err := c.TryPushWithProducer(framer.NewBytesProducer(payload))
		if errors.Is(err, framer.ErrQueueFull) {
			c.CloseWithError(errTooSlow) // or leave this message out, and count it
		}
		// Any other error says that the connection is closing anyway.
	}
}

func Example_broadcast() {
	s := framer.Server{
		NewHandler: framer.Session(func(c *framer.Conn) error {
			fmt.Fprint(c, "welcome\n")
			_, err := c.Next(framer.Delimiter("\n"))
			return err
		}),
	}
	s.Config.MaxQueuedBytes = 30 // a real server has room for some seconds of broadcasts
	s.Config.Logger = slog.New(slog.DiscardHandler)

	join := func() (in *bufio.Reader, nc *framertest.Conn, served chan error) {
		client, nc := framertest.Pipe()
		served = make(chan error, 1)
		go func() { served <- s.ServeConn(context.Background(), nc) }()
		in = bufio.NewReader(client)
		if _, err := in.ReadString('\n'); err != nil {
			fmt.Println(err)
		}
		return in, nc, served
	}
	quick, _, quickServed := join()
	_, stuck, slowServed := join()
	stuck.HoldWrites(true) // the slow one does not read, and its buffers are full

	for range 3 {
		broadcast(&s, []byte("hello, all\r\n"))
		line, err := quick.ReadString('\n')
		fmt.Printf("%q %v\n", line, err)
	}
	fmt.Println("slow:", <-slowServed)
	s.Close()
	fmt.Println("quick:", <-quickServed)
	// Output:
	// "hello, all\r\n" <nil>
	// "hello, all\r\n" <nil>
	// "hello, all\r\n" <nil>
	// slow: too slow for the broadcast
	// quick: framer: Server closed
}
