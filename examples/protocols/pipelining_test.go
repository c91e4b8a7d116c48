// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"strings"
	"sync"

	"github.com/goframer/framer"
)

var errServerEnded = errors.New("the server has ended the connection")

// A pipeline sends requests without waiting for the replies to earlier ones. Replies
// come in the order of the requests.
type pipeline struct {
	*framer.Conn
	framer.Collector
	turn    sync.Mutex       // held while a request is sent: waiting has the order of the requests
	waiting chan chan string // one channel for each request without a reply
}

func newPipeline(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &pipeline{Conn: c, waiting: make(chan chan string, 64)}
}

// FoundTerminator gives a reply to the caller that has waited longest.
func (p *pipeline) FoundTerminator() error {
	select {
	case reply := <-p.waiting:
		reply <- string(p.Take()) // does not block: the channel has room
		return nil
	default:
		return errors.New("a reply without a request")
	}
}

// HandleEnd gives a reason to the callers that still wait. Without it they would get
// net.ErrClosed.
func (p *pipeline) HandleEnd(error) error { return p.CloseWithError(errServerEnded) }

// Do sends a request and returns its reply. It may be called from any goroutine.
func (p *pipeline) Do(ctx context.Context, request string) (string, error) {
	if strings.ContainsAny(request, "\r\n") { // it would be two requests
		return "", errors.New("a line end in a request")
	}
	reply := make(chan string, 1) // has room, even if nobody waits any more
	if err := p.send(request, reply); err != nil {
		return "", err
	}
	select {
	case text := <-reply:
		return text, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-p.Context().Done():
	}
	select {
	case text := <-reply: // it came just before the end
		return text, nil
	default:
		return "", context.Cause(p.Context())
	}
}

func (p *pipeline) send(request string, reply chan string) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	select {
	case p.waiting <- reply: // before Push, because the reply may come quickly
		return p.Push([]byte(request + "\r\n"))
	case <-p.Context().Done():
		return context.Cause(p.Context())
	}
}

func Example_pipelining() {
	server := framer.Server{NewHandler: framer.Replies(framer.Delimiter("\r\n"),
		func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
			if string(msg) == "QUIT" {
				return nil, c.CloseWhenDone()
			}
			return fmt.Appendf(reply, "%s\r\n", strings.ToUpper(string(msg))), nil
		})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { server.Serve(l) })

	cfg := &framer.Config{Logger: slog.New(slog.DiscardHandler)}
	c, err := framer.Dial(context.Background(), "tcp", l.Addr().String(), newPipeline, cfg)
	if err != nil {
		log.Fatal(err)
	}
	p := c.Handler().(*pipeline)
	var asking sync.WaitGroup
	for i := range 1000 {
		asking.Go(func() {
			reply, err := p.Do(context.Background(), fmt.Sprint("request ", i))
			if want := fmt.Sprint("REQUEST ", i); reply != want || err != nil {
				fmt.Println(reply, err, "want", want)
			}
		})
	}
	asking.Wait()

	_, err = p.Do(context.Background(), "QUIT")
	fmt.Println("QUIT:", err)
	fmt.Println("ended:", c.Wait())
	server.Close()
	running.Wait()
	// Output:
	// QUIT: the server has ended the connection
	// ended: the server has ended the connection
}
