// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goframer/framer"
)

// lineEnd is the end of every request and every reply.
const lineEnd = "\r\n"

// ErrNotSent is in the error of Do if nothing of the request was sent. The request can
// then be sent again without harm.
var ErrNotSent = errors.New("request not sent")

// A Client sends requests to a server that sends one reply to each request, in the order
// of the requests. All goroutines share one connection. A request is sent without waiting
// for the replies to earlier ones. Methods may be called from any goroutine.
type Client struct {
	// Dial connects to the server. Dial, like the other fields, must not be changed after
	// the first call of Do.
	Dial func(ctx context.Context) (net.Conn, error)

	// Timeout is how long Dial may take, and how long the server may send nothing while
	// it owes a reply. After at least Timeout, and at most twice Timeout, the connection
	// ends.
	Timeout time.Duration

	// MaxInFlight is the greatest number of requests without a reply. Further requests
	// wait before they are sent.
	MaxInFlight int

	life     context.Context // ends with Close
	end      context.CancelCauseFunc
	serving  sync.WaitGroup // waits for the connections
	failures atomic.Int64   // how often Dial has failed

	turn chan struct{} // full while somebody has the turn to send

	// Only the goroutine that has the turn may use these.
	link    *link  // the last connection, or nil
	failure error  // the last error of Dial
	line    []byte // the line to send
}

// NewClient returns a Client of the server at a TCP address. It does not connect yet.
func NewClient(address string) *Client {
	c := &Client{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
		Timeout:     10 * time.Second,
		MaxInFlight: 256,
		turn:        make(chan struct{}, 1),
	}
	c.life, c.end = context.WithCancelCause(context.Background())
	return c
}

// Do sends request and returns the reply, both without line ends. If there is no
// connection, Do first connects.
//
// If ctx ends, Do returns its cause. The reply is dropped when it comes, and other
// requests are not affected. If the connection ends, Do returns the reason. If errors.Is
// finds ErrNotSent in the error, the server has got nothing of the request. After any
// other error, the server may have executed the request, or may still do so. Do never
// sends a request twice.
func (c *Client) Do(ctx context.Context, request string) (reply string, err error) {
	if strings.ContainsAny(request, lineEnd) { // it would be two requests, and the next caller would get the second reply
		return "", fmt.Errorf("%w: line end in %q", ErrNotSent, request)
	}
	result, err := c.send(ctx, request)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	select {
	case r := <-result:
		return r.reply, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// Close ends the connection and waits until it has ended. All calls of Do, those in
// progress and later ones, fail with an error that is [net.ErrClosed]. Close may be
// called more than once.
func (c *Client) Close() error {
	c.end(net.ErrClosed)
	c.turn <- struct{}{} // after this turn nobody can connect
	<-c.turn
	c.serving.Wait()
	return nil
}

// send waits for its turn and sends request. It returns a channel that receives the
// result. If it returns an error, it has sent nothing.
func (c *Client) send(ctx context.Context, request string) (<-chan result, error) {
	failures := c.failures.Load()
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c.line = append(append(c.line[:0], request...), lineEnd...)
	for {
		if err := c.connect(ctx, failures); err != nil {
			return nil, err
		}
		waiter := make(chan result, 1) // buffered, because Do may have given up when the result comes
		select {
		case c.link.waiters <- waiter: // in the same turn as Push, so that the waiters have the order of the requests
			if c.link.Push(c.line) == nil {
				return waiter, nil
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		c.link = nil // the connection has ended, and has taken nothing of this request
	}
}

// connect connects if there is no connection. failures is the value of c.failures when
// the caller began to wait for its turn. If Dial has failed since then, connect returns
// that error, so that those who have waited do not dial one after the other.
func (c *Client) connect(ctx context.Context, failures int64) error {
	switch {
	case c.life.Err() != nil:
		return context.Cause(c.life)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.link != nil && c.link.Context().Err() == nil:
		return nil
	case c.failures.Load() != failures:
		return c.failure
	}
	dialing, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	nc, err := c.Dial(dialing)
	switch {
	case err == nil:
		l := newLink(nc, c.MaxInFlight, c.Timeout)
		c.serving.Go(func() { l.serve(c.life) })
		c.link = l
	case c.life.Err() != nil:
		return context.Cause(c.life)
	case ctx.Err() == nil: // if ctx has ended, the error does not count for others
		c.failure = err
		c.failures.Add(1)
	}
	return err
}

// A result is the result of a request.
type result struct {
	reply string
	err   error
}

// A link is one connection of a Client, and the handler of its replies.
type link struct {
	*framer.Conn
	framer.Collector
	waiters chan chan<- result // who waits for replies, in the order of the requests
	late    bool               // the first of them was waiting at the last timeout already
}

func newLink(nc net.Conn, maxInFlight int, timeout time.Duration) *link {
	l := &link{waiters: make(chan chan<- result, maxInFlight)}
	l.Conn = framer.NewConn(nc, func(conn *framer.Conn) framer.Handler {
		conn.SetTerminator(framer.Delimiter(lineEnd))
		return l
	}, &framer.Config{
		MaxQueuedBytes:  -1, // MaxInFlight is the limit, and Push never waits
		ReadIdleTimeout: timeout,
		Logger:          slog.New(slog.DiscardHandler), // Do returns all errors
	})
	return l
}

// serve serves the connection. At its end, it gives the reason to all who wait for a
// reply.
func (l *link) serve(ctx context.Context) {
	err := fmt.Errorf("connection ended: %w", l.Serve(ctx))
	for {
		select {
		case waiter := <-l.waiters:
			waiter <- result{err: err}
		default:
			return
		}
	}
}

// deliver gives r to the first who waits for a reply.
func (l *link) deliver(r result) error {
	l.late = false
	select {
	case waiter := <-l.waiters:
		waiter <- r
		return nil
	default:
		return l.CloseWithError(errors.New("reply without a request"))
	}
}

// FoundTerminator is called for every reply.
func (l *link) FoundTerminator() error {
	reply := string(l.Bytes())
	l.Reset()
	return l.deliver(result{reply: reply})
}

// HandleOversize is called in place of FoundTerminator for a reply that is too long.
func (l *link) HandleOversize(e *framer.MessageTooLongError) error {
	return l.deliver(result{err: e})
}

// HandleTimeout is called whenever the server has sent nothing for ReadIdleTimeout. A
// request may have been sent only a moment ago. But if it was the first without a reply
// at the last timeout already, the server is too slow.
func (l *link) HandleTimeout(err error) error {
	if l.late {
		return l.CloseWithError(err)
	}
	l.late = len(l.waiters) > 0
	return nil
}

// HandleEnd is called when the server has ended its side, so that no reply can come any
// more.
func (l *link) HandleEnd(error) error { return l.CloseWithError(io.ErrUnexpectedEOF) }
