// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command soak runs package framer under load and faults for a while. It keeps a ledger
// of what must arrive. It uses only the loopback interface.
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
//		log servers and connections, and count each fault separately
//
// Clients send numbered messages with a checksum to servers, under several framings. The
// servers reply to each message. Every other client uses a bare [net.Conn]. Servers are
// shut down gracefully all the time, and replaced by new ones. Their clients then connect
// again, and go on with the first message that was not acknowledged. A third of the
// connections has a fault; see the constants in fault.go. The same seed gives the same
// plans, but not the same course of events.
//
// The last line has the figures below. A message is processed when the handler of the
// server has been given it. It is acknowledged when its whole reply has come.
//
//   - acknowledged: messages for which the client has received a reply;
//   - lost: messages that were acknowledged but not processed; messages that
//     were not processed although a later one of their connection was; replies
//     that did not come although a later one of their connection did; replies and
//     farewells that a handler of a server pushed without an error, on a
//     connection without a harsh fault, and that the client did not receive;
//     messages that were not processed although the client ended its side after
//     them, and the server was not shut down and had no fault;
//   - duplicated: messages or replies that came a second time on their connection;
//   - reordered: messages or replies that came after a later one;
//   - torn: messages or replies that came with a wrong checksum, or on another
//     connection, or that nobody has sent;
//   - faults: how many were injected;
//   - servers replaced: how many were shut down while clients were sending;
//   - goroutines and descriptors left: how many more there are at the end than
//     at the start; descriptors are unknown without /proc/self/fd;
//   - peak memory: what the Go runtime has mapped, which never shrinks.
//
// A message that was not acknowledged is not lost if its connection was ended by a
// shutdown or by a harsh fault. A fault is harsh if it ends the connection at once. These
// are harsh: a reset, a close without reading, a cancelled context, an error of a
// producer, and an error or a panic in a handler of the client, which does not read any
// more then. After an error or a panic in a handler of the server, everything that it had
// pushed must arrive. Connections on which DiscardBuffers is called are not in the
// ledger.
//
// An interrupt ends the soak early. The exit status is 0 if all figures are 0 that must
// be 0. It is 1 if not, or if connections had to be cut off, and 2 for wrong usage.
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

// options are the values of the flags.
type options struct {
	duration time.Duration
	conns    int
	seed     uint64
	verbose  bool
}

// run does what main does, without using the process. It returns the exit status.
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
		return opts, err // the flag package has printed the error
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
