// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command load loads a server of this module, checks every byte that comes back, and
// prints what it has measured as JSON (a report.Load).
//
// It opens a number of connections. On each it sends a window of requests in one write,
// waits for all replies, and sends the next window. After the measurement, it ends its
// side of the connections. The server must then do the same, and must not send a further
// byte. If the server is a store, the program finally asks it, on another connection, for
// values that it has set. If a reply is wrong, a connection ends early, or the server is
// silent for too long, the program ends with status 1.
//
// With -hold it sends only one window of requests on each connection. Then it prints
// "held" and keeps the connections until the end of its standard input. With -hold and
// -tls it does so over TLS, and accepts any certificate. Before it ends, it sends another
// window on each connection.
//
// Without -tls it works on one thread, with epoll, and does not allocate. So it takes as
// little as possible from a server on the same machine.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goframer/framer/bench/internal/proc"
	"github.com/goframer/framer/bench/internal/report"
)

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2) // parse has printed the error
	}
	if err := o.run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// The options are the values of the flags.
type options struct {
	addr             netip.AddrPort
	protocol         string
	conns            int
	depth            int
	size             int
	warmup, duration time.Duration
	windows          int
	serverPID        int
	hold             bool
	tls              bool
}

// protocols are the names of the protocols: to send lines back, to accept payloads, and
// to execute the commands SET and GET of Redis.
var protocols = []string{"echo", "set", "resp-set", "resp-get"}

// parse reads the flags. It prints errors on stderr.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("load", flag.ContinueOnError)
	fs.SetOutput(stderr)
	addr := fs.String("addr", "", "IPv4 `address:port` of the server")
	fs.StringVar(&o.protocol, "protocol", "echo", strings.Join(protocols, ", "))
	fs.IntVar(&o.conns, "conns", 1, "number of connections")
	fs.IntVar(&o.depth, "depth", 1, "requests in a window")
	fs.IntVar(&o.size, "size", 64, "bytes of a line without its CRLF, or of a payload")
	fs.DurationVar(&o.warmup, "warmup", 100*time.Millisecond, "time before the measurement")
	fs.DurationVar(&o.duration, "duration", time.Second, "time of the measurement, longer if there is no reply in it")
	fs.IntVar(&o.windows, "windows", 0, "if positive, so many windows for each connection, after one to warm up, instead of -warmup and -duration")
	fs.IntVar(&o.serverPID, "server-pid", 0, "process whose CPU time to measure")
	fs.BoolVar(&o.hold, "hold", false, "make one window each, then hold the connections")
	fs.BoolVar(&o.tls, "tls", false, "hold the connections over TLS")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	err := o.check(*addr, fs.Args())
	if err != nil {
		fmt.Fprintln(stderr, "load:", err)
	}
	return o, err
}

// check completes o. It returns an error if o makes no sense.
func (o *options) check(addr string, args []string) error {
	var err error
	if o.addr, err = netip.ParseAddrPort(addr); err != nil {
		return fmt.Errorf("bad -addr: %w", err)
	}
	switch {
	case !o.addr.Addr().Is4():
		return fmt.Errorf("bad -addr: %v is not IPv4", o.addr)
	case !slices.Contains(protocols, o.protocol):
		return fmt.Errorf("bad -protocol: %q", o.protocol)
	case o.conns < 1 || o.depth < 1 || o.size < 0:
		return errors.New("-conns and -depth must be positive, -size must not be negative")
	case o.warmup < 0 || o.duration <= 0 || o.windows < 0:
		return errors.New("-duration must be positive, -warmup and -windows must not be negative")
	case o.tls && !o.hold:
		return errors.New("-tls is for -hold only")
	case len(args) > 0:
		return fmt.Errorf("unexpected arguments: %q", args)
	}
	return nil
}

// run does what o says and prints the result.
func (o *options) run(stdin io.Reader, stdout io.Writer) error {
	s := newScript(o.protocol, o.depth, o.size, o.conns)
	if o.tls {
		return holdTLS(o.addr, o.conns, s, stdin, stdout)
	}
	if err := s.before.do(o.addr); err != nil {
		return fmt.Errorf("before the load: %w", err)
	}
	l, err := newLoop(o.addr, o.conns, s)
	if err != nil {
		return err
	}
	if o.hold {
		return holdConns(l, stdin, stdout)
	}
	result, err := o.measure(l)
	if err != nil {
		return err
	}
	if err := l.drain(); err != nil {
		return err
	}
	if err := l.end(); err != nil {
		return err
	}
	if err := s.after.do(o.addr); err != nil {
		return fmt.Errorf("after the load: %w", err)
	}
	return json.NewEncoder(stdout).Encode(result)
}

// holdConns keeps the connections until the end of stdin.
func holdConns(l *loop, stdin io.Reader, stdout io.Writer) error {
	if err := l.begin(); err != nil {
		return err
	}
	if err := l.drain(); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "held")
	if _, err := io.Copy(io.Discard, stdin); err != nil {
		return err
	}
	return l.end()
}

// measure runs the warm-up and then the measurement.
func (o *options) measure(l *loop) (*report.Load, error) {
	warmUp, run := o.warmUp, o.timed
	if o.windows > 0 {
		warmUp = func(l *loop) error { return counted(l, 1) }
		run = func(l *loop) error { return counted(l, o.windows) }
	}
	if err := warmUp(l); err != nil {
		return nil, err
	}
	l.latencies = histogram{}
	before, err := takeSnapshot(l, o.serverPID)
	if err != nil {
		return nil, err
	}
	if err := run(l); err != nil {
		return nil, err
	}
	after, err := takeSnapshot(l, o.serverPID)
	if err != nil {
		return nil, err
	}
	return &report.Load{
		Protocol:  o.protocol,
		Conns:     o.conns,
		Depth:     o.depth,
		Size:      o.size,
		Messages:  l.latencies.count,
		Seconds:   (after.elapsed - before.elapsed).Seconds(),
		P50:       l.latencies.percentile(50),
		P99:       l.latencies.percentile(99),
		P999:      l.latencies.percentile(99.9),
		Max:       l.latencies.max,
		LoadCPU:   (after.loadCPU - before.loadCPU).Seconds(),
		ServerCPU: (after.serverCPU - before.serverCPU).Seconds(),
	}, nil
}

// warmUp begins the first windows and runs for the time of the warm-up.
func (o *options) warmUp(l *loop) error {
	if err := l.begin(); err != nil {
		return err
	}
	return l.run(o.warmup)
}

// timed runs for the time of the measurement. If no reply has come by then, as may happen
// on a busy machine, it waits for one.
func (o *options) timed(l *loop) error {
	if err := l.run(o.duration); err != nil {
		return err
	}
	for l.latencies.count == 0 {
		if err := l.step(l.silence); err != nil {
			return err
		}
	}
	return nil
}

// counted runs n windows on each connection. It is used for large messages: few of them
// fit into a measurement, so it would matter where the time ends.
func counted(l *loop, n int) error {
	l.left = n * len(l.clients)
	if err := l.begin(); err != nil {
		return err
	}
	return l.finish()
}

// A snapshot has the clocks at the beginning or the end of the measurement.
type snapshot struct {
	elapsed   time.Duration
	loadCPU   time.Duration
	serverCPU time.Duration
}

// takeSnapshot reads the clocks. It reads that of the server unless its PID is 0.
func takeSnapshot(l *loop, serverPID int) (s snapshot, err error) {
	s.elapsed = time.Since(l.epoch)
	if s.loadCPU, err = proc.CPUOf(os.Getpid()); err != nil {
		return s, err
	}
	if serverPID != 0 {
		s.serverCPU, err = proc.CPUOf(serverPID)
	}
	return s, err
}
