// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command soak puts package framer under load and faults for a while, and keeps
// a ledger of what must arrive. It uses the loopback interface only.
//
// Usage:
//
//	soak [-conns n] [-for duration] [-seed n] [-v]
//
// The flags are:
//
//	-conns n
//		how many clients there are, each with one connection at a time (64)
//	-for duration
//		how long new messages are sent (10s)
//	-seed n
//		choose other sizes, faults and moments (1)
//	-v
//		log servers and connections, and count the faults one by one
//
// Clients send numbered messages with a checksum, under several framings, to
// servers, which reply to each. Every other client is made of a bare [net.Conn].
// All the time servers are shut down gracefully and replaced by others; then
// their clients reconnect and go on with the first message that was not
// acknowledged. A third of the connections has a fault, see the constants in
// fault.go. The same seed gives the same plans, but not the same course of events.
//
// The last line has these figures, where a handler has processed a message when
// it has been given it, and a message is acknowledged when its reply has come
// whole:
//
//   - acknowledged: messages that the client had a reply for;
//   - lost: messages that were acknowledged but not processed; messages that
//     were not processed though a later one of their connection was; replies
//     that did not come though a later one of their connection did; replies and
//     farewells that a handler of a server pushed without error, on a
//     connection without a harsh fault, and that the client did not receive;
//     messages that were not processed though the client ended its side after
//     them, and the server was not shut down and met with no fault;
//   - duplicated: messages or replies that came a second time on their connection;
//   - reordered: those that came after a later one;
//   - torn: those that came with a wrong checksum, or on another connection, or
//     that nobody has sent;
//   - faults: those injected;
//   - servers replaced: those shut down while clients were sending;
//   - goroutines and descriptors left: how many more there are at the end than
//     at the start; descriptors are unknown without /proc/self/fd;
//   - peak memory: what the Go runtime has mapped, which never shrinks.
//
// What is not lost: a message that was not acknowledged, on a connection that
// ended by a shutdown or that a harsh fault has hit. A fault is harsh if it is
// the end at once: a reset, a close without reading, a cancelled context, an
// error of a producer, and an error or a panic in a handler of the client, which
// hears no more. After an error or a panic in a handler of the server, what it
// had pushed must arrive. Connections on which DiscardBuffers is called are not in
// the ledger.
//
// An interrupt ends the soak early. The exit status is 0 if all figures that must
// be 0 are, 1 if not or if connections had to be cut off, and 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// maxConns is the greatest number of clients.
const maxConns = 4096

// options are what the flags say.
type options struct {
	duration time.Duration
	conns    int
	seed     uint64
	verbose  bool
}

// run is main without the process. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	s := newSoak(opts, stderr)
	res, err := s.measure(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return 1
	}
	if opts.verbose {
		s.ledger.printFaults(stderr)
	}
	fmt.Fprintln(stdout, res)
	if !res.ok() {
		return 1
	}
	return 0
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&opts.conns, "conns", 64, "number of clients")
	flags.DurationVar(&opts.duration, "for", 10*time.Second, "how long messages are sent")
	flags.Uint64Var(&opts.seed, "seed", 1, "seed of all choices")
	flags.BoolVar(&opts.verbose, "v", false, "log what happens")
	err := flags.Parse(args)
	switch {
	case err != nil:
		return opts, err // the flag package has said it
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case opts.conns < 1 || opts.conns > maxConns:
		err = fmt.Errorf("-conns must be from 1 to %d", maxConns)
	case opts.duration <= 0:
		err = errors.New("-for must be more than 0")
	}
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
	}
	return opts, err
}
