// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package asynchat_test

import (
	"fmt"
	"io"
	"strings"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A chunkedProducer encodes the output of another producer in the chunked coding of
// HTTP/1.1 (RFC 9112, section 7.1).
type chunkedProducer struct {
	producer framer.Producer
	chunk    []byte
	done     bool
}

func (p *chunkedProducer) More() ([]byte, error) {
	if p.done {
		return nil, nil // exhausted
	}
	data, err := p.producer.More()
	if err != nil && err != io.EOF {
		return nil, err // ends the connection at once
	}
	p.chunk = p.chunk[:0]
	if len(data) > 0 {
		p.chunk = fmt.Appendf(p.chunk, "%x\r\n%s\r\n", len(data), data)
	}
	if len(data) == 0 || err == io.EOF {
		p.done = true
		p.chunk = append(p.chunk, "0\r\n\r\n"...)
	}
	return p.chunk, nil
}

// Close is called once, even if the connection ends before the producer is exhausted.
func (p *chunkedProducer) Close() error {
	if c, ok := p.producer.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// A page is made of producers: a header, and a body that is made while it is sent.
func Example_producer() {
	newHandler := framer.Messages(framer.Delimiter("\r\n\r\n"), func(c *framer.Conn, request []byte) error {
		if err := c.Push([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")); err != nil {
			return err
		}
		body := framer.Concat(
			framer.NewSimpleProducer([]byte("<html>"), 0),
			framer.NewReaderProducer(strings.NewReader("a file, for instance")), // closed by the connection
			framer.NewSimpleProducer([]byte("</html>"), 0),
		)
		if err := c.PushWithProducer(&chunkedProducer{producer: body}); err != nil {
			return err
		}
		return c.CloseWhenDone()
	})
	fmt.Print(framertest.Talk("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", newHandler, nil))
	// Output:
	// "HTTP/1.1 200 OK\r\n"
	// "Transfer-Encoding: chunked\r\n"
	// "\r\n"
	// "6\r\n"
	// "<html>\r\n"
	// "14\r\n"
	// "a file, for instance\r\n"
	// "7\r\n"
	// "</html>\r\n"
	// "0\r\n"
	// "\r\n"
}
