// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command client sends requests from many goroutines over one connection. It prints how
// many were answered in a second. It is an example of how to write a client with package
// framer; client.go is the part to copy.
//
// Usage:
//
//	client [-addr address] [-request line] [-n requests] [-c goroutines]
//
// The server must answer every line with a line, as Redis answers PING. Without -addr,
// the program is its own server, which sends every line back.
//
// The exit status is 0 on success, 1 on failure and 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are the values of the flags.
type options struct {
	addr, request string
	n, c          int
}

// run is main without the process. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return cli.Misused
	}
	if err := o.measure(ctx, stdout); err != nil {
		fmt.Fprintln(stderr, "client:", err)
		return cli.Failed
	}
	return 0
}

// parse reads the command line. If there is an error, parse has printed it.
func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := cli.NewFlags("client", about, stderr)
	flags.AddressVar(&o.addr, "addr", "", "the `address` of a server, as host:port; if empty, the program is its own")
	flags.StringVar(&o.request, "request", "PING", "the `line` to send")
	flags.IntVar(&o.n, "n", 100_000, 1, "how many `requests` to send")
	flags.IntVar(&o.c, "c", 50, 1, "from how many `goroutines` at once")
	err = flags.Parse(args, func() error {
		if strings.ContainsAny(o.request, lineEnd) {
			return errors.New("-request must be one line")
		}
		return nil
	})
	return o, err
}

// about is the beginning of the usage text.
const about = `
Client sends requests from many goroutines over one connection, and prints how many
were answered in a second. The server must answer every line with a line, as Redis
does to PING:

	client
	client -addr localhost:6379 -request PING -n 1000000 -c 200
`

// measure sends the requests and prints how fast they were answered.
func (o options) measure(ctx context.Context, stdout io.Writer) error {
	if o.addr == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		o.addr = l.Addr().String()
		defer serve(l)()
	}
	client := NewClient(o.addr)
	defer client.Close()
	begin := time.Now()
	if err := o.sendAll(ctx, client); err != nil {
		return explain(ctx, o.addr, err)
	}
	took := time.Since(begin)
	_, err := fmt.Fprintf(stdout, "%d requests from %d goroutines in %v: %.0f requests/s\n",
		o.n, o.c, took.Round(time.Millisecond), float64(o.n)/took.Seconds())
	return err
}

// explain returns the error to print when err has ended all requests.
func explain(ctx context.Context, address string, err error) error {
	var dialing *net.OpError
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case errors.As(err, &dialing) && dialing.Op == "dial":
		return cli.DialError("addr", address, err)
	}
	return fmt.Errorf("%s: %w", address, err)
}

// sendAll sends the requests. It stops when one fails.
func (o options) sendAll(ctx context.Context, client *Client) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var sent atomic.Int64
	var workers sync.WaitGroup
	for range o.c {
		workers.Go(func() {
			for sent.Add(1) <= int64(o.n) {
				if _, err := client.Do(ctx, o.request); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// serve starts a server on l that sends every line back. stop ends it.
func serve(l net.Listener) (stop func()) {
	s := framer.Server{NewHandler: framer.Replies(framer.Delimiter(lineEnd),
		func(_ *framer.Conn, line, reply []byte) ([]byte, error) {
			return append(append(reply, line...), lineEnd...), nil
		})}
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(l) })
	return func() {
		s.Close()
		serving.Wait()
	}
}
