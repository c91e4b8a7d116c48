// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goframer/framer/internal/cli"
)

// options are the values of the flags.
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

// parseFlags reads the command line. If there is an error, parseFlags has printed it.
func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	flags := cli.NewFlags("chat", about, stderr)
	flags.AddressVar(&o.addr, "addr", "127.0.0.1:7007", "`address` to listen on; :7007 is all interfaces, port 0 any free one")
	flags.AddressVar(&o.tlsAddr, "tls-addr", "", "`address` to listen on for TLS")
	flags.StringVar(&o.cert, "cert", "", "`file` with the certificate chain; /starttls is offered then")
	flags.StringVar(&o.key, "key", "", "`file` with the key of the certificate")
	flags.StringVar(&o.nats, "nats", "", "`URLs` of the servers of a NATS cluster, with commas between them, in the order to try; by default NATS is part of this process")
	flags.StringVar(&o.creds, "creds", "", "`file` with the credentials for NATS")
	flags.StringVar(&o.node, "node", defaultNode(), "`name` of this node, which no other should have")
	flags.StringVar(&o.data, "data", "", "`directory` for the history, of this process alone; by default a temporary one")
	flags.IntVar(&o.maxConns, "max-conns", 1000, 0, "greatest `number` of connections at once, further ones are refused; 0 is no limit")
	flags.IntVar(&o.queue, "queue", 64<<10, 1, "`bytes` that wait for a client that is slow; above, messages are dropped")
	flags.IntVar(&o.maxDropped, "max-dropped", 1000, 1, "`messages` that are dropped in a row before the client is disconnected")
	flags.IntVar(&o.rate, "rate", 10, 0, "`lines` a second that a client may send, on average; 0 is no limit")
	flags.DurationVar(&o.beat, "beat", time.Second, 1, "`interval` at which nodes say that they are there; the same on all nodes")
	flags.DurationVar(&o.idleTimeout, "idle-timeout", 0, 0, "`duration` for a client that says nothing; 0 is no limit")
	flags.DurationVar(&o.writeTimeout, "write-timeout", time.Minute, 1, "`duration` for a client that takes nothing of what waits for it")
	flags.DurationVar(&o.shutdownTimeout, "shutdown-timeout", 10*time.Second, 0, "`duration` for clients to leave when a signal ends the server")
	flags.BoolVar(&o.verbose, "v", false, "log why connections end")
	return o, flags.Parse(args, o.check)
}

// about is the beginning of the usage text.
const about = `
Chat is a server of chat rooms over lines of text; telnet and nc are the clients. NATS
connects the nodes, where there are several:

	chat -addr :7007
	chat -nats nats://127.0.0.1:4222 -node east
`

// check checks flags that depend on each other, and flags that are names or URLs.
func (o *options) check() error {
	switch {
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
	}
	return checkNATS(o.nats)
}

// checkNATS returns an error if servers are not URLs of NATS servers. The error does not
// quote them, because they may contain a password.
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

// defaultNode returns the name of this machine, if a node may have it.
func defaultNode() string {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	if isName(host, maxNode) {
		return host
	}
	return "node"
}
