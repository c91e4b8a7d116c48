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

// lineEnd ends every request and every reply.
const lineEnd = "\r\n"

// ErrNotSent is in the error for a request of which nothing was sent. It does no harm
// to send that again.
var ErrNotSent = errors.New("request not sent")

// A Client sends requests to a server that gives one reply to each, in the order in
// which they came. All goroutines share one connection, on which no request waits for
// the reply to another. Methods may be called from any goroutine.
type Client struct {
	// Dial connects to the server. Like the other fields, it must not be changed
	// after the first call of Do.
	Dial func(ctx context.Context) (net.Conn, error)

	// Timeout is how long Dial may take, and how long the server may be silent while
	// it owes a reply; the connection ends after that time, or twice that at most.
	Timeout time.Duration

	// MaxInFlight is how many requests may be without a reply; others are not sent yet.
	MaxInFlight int

	life     context.Context // ends with Close
	end      context.CancelCauseFunc
	serving  sync.WaitGroup // of connections
	failures atomic.Int64   // of Dial

	turn chan struct{} // is full while somebody sends

	// Owned by who has the turn.
	link    *link  // the last connection, or nil
	failure error  // the last of Dial
	line    []byte // what is sent
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

// Do sends request and returns the reply, both without their line ends. It connects
// first if there is no connection, or no longer.
//
// When ctx ends, Do returns its cause; the reply is dropped when it comes, and other
// requests don't notice. When the connection ends, Do returns the reason. After an error
// that is ErrNotSent, the server has got nothing of the request; after any other it may
// have executed it, or may still do so. Do itself never sends a request again.
func (c *Client) Do(ctx context.Context, request string) (reply string, err error) {
	if strings.ContainsAny(request, lineEnd) { // the next request would get the second reply
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

// Close ends the connection and waits for its end. All calls of Do that wait, and those
// to come, fail with an error that is [net.ErrClosed]. Close is harmless twice.
func (c *Client) Close() error {
	c.end(net.ErrClosed)
	c.turn <- struct{}{} // after this turn, nobody connects any more
	<-c.turn
	c.serving.Wait()
	return nil
}

// send sends request when its turn has come, and returns where the result will be.
// If it returns an error, it has sent nothing.
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
		waiter := make(chan result, 1) // the result has room there if Do has given up
		select {
		case c.link.waiters <- waiter: // in one turn with Push, so that both have one order
			if c.link.Push(c.line) == nil {
				return waiter, nil
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		c.link = nil // it has ended, and took nothing of this request
	}
}

// connect sees to it that there is a connection. failures is how many of Dial there were
// when the caller began to wait for its turn: a later one counts for all who have waited,
// who do not dial one after the other.
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
	case ctx.Err() == nil: // otherwise it is no concern of others
		c.failure = err
		c.failures.Add(1)
	}
	return err
}

// A result is what becomes of a request.
type result struct {
	reply string
	err   error
}

// A link is a connection of a Client. It is the handler of the replies.
type link struct {
	*framer.Conn
	framer.Collector
	waiters chan chan<- result // for replies, in the order of the requests
	late    bool               // the first of them was there at the last timeout
}

func newLink(nc net.Conn, maxInFlight int, timeout time.Duration) *link {
	l := &link{waiters: make(chan chan<- result, maxInFlight)}
	l.Conn = framer.NewConn(nc, func(conn *framer.Conn) framer.Handler {
		conn.SetTerminator(framer.Delimiter(lineEnd))
		return l
	}, &framer.Config{
		MaxQueuedBytes:  -1, // maxInFlight is the limit, and Push never waits
		ReadIdleTimeout: timeout,
		Logger:          slog.New(slog.DiscardHandler), // Do returns what there is to say
	})
	return l
}

// serve serves the connection, and tells those who wait at its end why it has ended.
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

// deliver gives r to the first who waits.
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

// HandleOversize is called for a reply that is too long, in place of FoundTerminator.
func (l *link) HandleOversize(e *framer.MessageTooLongError) error {
	return l.deliver(result{err: e})
}

// HandleTimeout is called whenever the server has been silent for ReadIdleTimeout. What
// waits may have been sent a moment ago, but not if it was there the last time.
func (l *link) HandleTimeout(err error) error {
	if l.late {
		return l.CloseWithError(err)
	}
	l.late = len(l.waiters) > 0
	return nil
}

// HandleEnd is called when the server has ended its side: no reply can come.
func (l *link) HandleEnd(error) error { return l.CloseWithError(io.ErrUnexpectedEOF) }
