// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/cli"
)

// clientTimeout is how long a server may take to accept a connection, and how long it may
// then do nothing, unless the flags say otherwise.
const clientTimeout = 10 * time.Second

// talk sends the text to the server at address, and checks the echo. t may be nil.
func (p *program) talk(ctx context.Context, address string, text []byte, t *turns) error {
	logger := p.logger("EchoClient: ")
	if host, port, err := net.SplitHostPort(address); err == nil {
		logger.Printf("connecting to ('%s', %s)", host, port)
	}
	d := net.Dialer{Timeout: cmp.Or(p.timeout, clientTimeout)}
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return cli.DialError("dial", address, err)
	}
	if err := p.converse(ctx, nc, text, t); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "echo: %s has returned the text, %d bytes\n", address, len(text))
	return err
}

// converse sends the text on nc, checks the echo, and closes nc. t may be nil.
func (p *program) converse(ctx context.Context, nc net.Conn, text []byte, t *turns) error {
	cfg := p.config(slog.LevelError, clientTimeout) // Serve returns all other errors
	cfg.LingerTimeout = -1                          // at its end, the client has its answer, or has given up
	client := &echoClient{log: p.logger("EchoClient: "), turns: t, text: text}
	c := framer.NewConn(nc, func(c *framer.Conn) framer.Handler {
		client.Conn = c
		client.producer = &echoProducer{
			SimpleProducer: framer.NewSimpleProducer(text, cfg.WriteBufferSize),
			conn:           c,
			log:            p.logger("EchoProducer: "),
			turns:          t,
		}
		return client
	}, &cfg)
	return client.result(c.Serve(ctx))
}

// An echoClient is the client's side of a conversation.
type echoClient struct {
	*framer.Conn
	framer.Collector
	log      *log.Logger
	turns    *turns
	text     []byte
	producer *echoProducer
	complete bool // as many bytes as were sent have come back
	matched  bool // and they are the same bytes
}

func (c *echoClient) HandleConnect() error {
	c.log.Print("handle_connect()")
	if _, err := fmt.Fprintf(c, "ECHO %d\n", len(c.text)); err != nil {
		return err
	}
	if err := c.PushWithProducer(c.producer); err != nil {
		return err
	}
	return c.SetTerminator(framer.Length(int64(len(c.text))))
}

func (c *echoClient) CollectIncomingData(data []byte) error {
	if err := c.turns.awaitSaid(c.Context()); err != nil {
		return err
	}
	c.log.Printf("collect_incoming_data() -> (%d)\n\"\"\"%s\"\"\"", len(data), printable(data))
	if c.complete {
		return fmt.Errorf("the server has sent more than the text: %s", cli.Quote(string(data), quoted))
	}
	return c.Collector.CollectIncomingData(data)
}

func (c *echoClient) FoundTerminator() error {
	if err := c.turns.awaitSaid(c.Context()); err != nil {
		return err
	}
	c.log.Print("found_terminator()")
	c.complete = true
	if !bytes.Equal(c.Bytes(), c.text) {
		c.log.Print("ERROR IN TRANSMISSION")
		c.log.Printf("EXPECTED %q", c.text)
		c.log.Printf("RECEIVED %q", c.Bytes())
		return difference(c.text, c.Bytes())
	}
	c.log.Print("RECEIVED COPY OF MESSAGE")
	c.matched = true
	return nil
}

// result returns what went wrong, or nil, after the connection has ended for reason.
func (c *echoClient) result(reason error) error {
	answer := c.Bytes()
	late := errors.Is(reason, os.ErrDeadlineExceeded)
	if late {
		reason = cli.Reword(reason, fmt.Sprintf("nothing has moved for %v; see -timeout", c.Config().IdleTimeout))
	}
	if reason != nil && !late {
		reason = cli.Reword(reason, cli.Reason(reason))
	}
	switch {
	case c.matched && reason == nil:
		return nil
	case c.matched && late:
		return fmt.Errorf("the text has come back whole, but the server does not close the connection: %w", reason)
	case c.matched:
		return fmt.Errorf("the text has come back whole, but then: %w", reason)
	case bytes.HasPrefix(answer, refusal) && !bytes.HasPrefix(c.text, refusal):
		return fmt.Errorf("the server answers %s", cli.Quote(string(bytes.TrimSpace(answer)), maxAnswer))
	case c.complete:
		return reason
	case reason == nil, errors.Is(reason, io.ErrUnexpectedEOF):
		return fmt.Errorf("the server has closed the connection after %d of %d bytes", len(answer), len(c.text))
	}
	return fmt.Errorf("after %d of %d bytes: %w", len(answer), len(c.text), reason)
}

// refusal is the beginning of an answer that refuses the text.
var refusal = []byte("error: ")

// An error quotes at most quoted bytes of a text, and at most maxAnswer bytes of a
// server's refusal, which repeats a command.
const (
	quoted    = 32
	maxAnswer = 2 * maxCommand
)

// difference returns an error that describes how copied differs from a text of the same
// size.
func difference(text, copied []byte) error {
	i := 0
	for text[i] == copied[i] {
		i++
	}
	sent, received := cli.Quote(string(text[i:]), quoted), cli.Quote(string(copied[i:]), quoted)
	return fmt.Errorf("the copy differs from byte %d on: sent %s, received %s", i, sent, received)
}

// An echoProducer logs what it produces.
type echoProducer struct {
	*framer.SimpleProducer
	conn  *framer.Conn
	log   *log.Logger
	turns *turns
	sent  int // number of bytes so far
}

func (p *echoProducer) More() ([]byte, error) {
	if err := p.turns.awaitHeard(p.conn.Context(), p.sent); err != nil {
		return nil, err
	}
	piece, err := p.SimpleProducer.More()
	p.log.Printf("more() -> (%d bytes)\n\"\"\"%s\"\"\"", len(piece), printable(piece))
	p.sent += len(piece)
	if len(piece) == 0 {
		p.turns.say()
	}
	return piece, err
}
