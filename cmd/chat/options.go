// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	addr, tlsAddr   string
	cert, key       string
	nats            string
	node, creds     string
	data            string
	maxConns        int
	queue           int
	maxDropped      int
	rate            int
	beat            time.Duration
	idleTimeout     time.Duration
	writeTimeout    time.Duration
	shutdownTimeout time.Duration
	verbose         bool
}

// parseFlags reads the command line. Errors have been printed when it returns.
func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:7007", "`address` to listen on; :7007 is all interfaces, port 0 any free one")
	flags.StringVar(&o.tlsAddr, "tls-addr", "", "`address` to listen on for TLS")
	flags.StringVar(&o.cert, "cert", "", "`file` with the certificate chain; /starttls is offered then")
	flags.StringVar(&o.key, "key", "", "`file` with the key of the certificate")
	flags.StringVar(&o.nats, "nats", "", "`URLs` of the servers of a NATS cluster, with commas between them, in the order to try; by default NATS is part of this process")
	flags.StringVar(&o.creds, "creds", "", "`file` with the credentials for NATS")
	flags.StringVar(&o.node, "node", defaultNode(), "`name` of this node, which no other should have")
	flags.StringVar(&o.data, "data", "", "`directory` for the history, of this process alone; by default a temporary one")
	flags.IntVar(&o.maxConns, "max-conns", 1000, "connections at once; 0 is no limit")
	flags.IntVar(&o.queue, "queue", 64<<10, "`bytes` that wait for a client that is slow; above, messages are dropped")
	flags.IntVar(&o.maxDropped, "max-dropped", 1000, "`messages` that are dropped in a row before the client is disconnected")
	flags.IntVar(&o.rate, "rate", 10, "`lines` a second that a client may send, on average; 0 is no limit")
	flags.DurationVar(&o.beat, "beat", time.Second, "`interval` at which nodes say that they are there; the same on all nodes")
	flags.DurationVar(&o.idleTimeout, "idle-timeout", 0, "for a client that says nothing; 0 is no limit")
	flags.DurationVar(&o.writeTimeout, "write-timeout", time.Minute, "for a client that takes nothing of what waits for it")
	flags.DurationVar(&o.shutdownTimeout, "shutdown-timeout", 10*time.Second, "for clients to leave when a signal ends the server")
	flags.BoolVar(&o.verbose, "v", false, "log why connections end")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	err := o.check(flags)
	if err != nil {
		fmt.Fprintln(stderr, "chat:", err)
		flags.Usage()
	}
	return o, err
}

func (o *options) check(flags *flag.FlagSet) error {
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	flags.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" { // from an empty variable in a script, perhaps
			err = fmt.Errorf("-%s is empty", f.Name)
		}
	})
	switch {
	case err != nil:
		return err
	case (o.cert == "") != (o.key == ""):
		return errors.New("-cert and -key go together")
	case o.tlsAddr != "" && o.cert == "":
		return errors.New("-tls-addr needs -cert and -key")
	case o.data != "" && o.nats != "":
		return errors.New("-data and -nats exclude each other: the history is with JetStream")
	case o.creds != "" && o.nats == "":
		return errors.New("-creds needs -nats")
	case !isName(o.node, maxNode):
		return fmt.Errorf("-node %q is not a name, of a letter, and up to %d letters, digits, '-' and '_'", o.node, maxNode-1)
	case o.queue <= 0 || o.maxDropped <= 0:
		return errors.New("-queue and -max-dropped must be positive")
	case o.maxConns < 0 || o.rate < 0:
		return errors.New("-max-conns and -rate must not be negative")
	case o.beat <= 0 || o.writeTimeout <= 0:
		return errors.New("-beat and -write-timeout must be positive")
	case min(o.idleTimeout, o.shutdownTimeout) < 0:
		return errors.New("a timeout must not be negative")
	}
	if err := checkAddress("addr", o.addr); err != nil {
		return err
	}
	if o.tlsAddr != "" {
		if err := checkAddress("tls-addr", o.tlsAddr); err != nil {
			return err
		}
	}
	return checkNATS(o.nats)
}

// checkAddress returns an error if address is not one to listen on.
func checkAddress(name, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil && port == "" {
		err = errors.New("missing port")
	}
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("-%s %s: %w", name, address, err)
	}
	return nil
}

// checkNATS returns an error if servers are not URLs of NATS. It quotes none, which may
// have a password.
func checkNATS(servers string) error {
	if servers == "" {
		return nil
	}
	for i, server := range strings.Split(servers, ",") {
		u, err := url.Parse(server)
		if err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return fmt.Errorf("-nats: number %d is not a URL such as nats://host:4222", i+1)
		}
	}
	return nil
}

// defaultNode returns the name of this machine, if it can be that of a node.
func defaultNode() string {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	if isName(host, maxNode) {
		return host
	}
	return "node"
}
