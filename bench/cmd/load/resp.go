// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/goframer/framer/bench/internal/resp"
)

// An exchange is a list of requests and the replies that must come back.
type exchange struct {
	requests, replies []byte
}

// mostKeys is the greatest number of keys. Their names have three characters.
const mostKeys = 100

// newRESPScript returns a script of SET or GET commands, with as many keys as fit into
// sharedSize. Each key has one value of random bytes. A script of GETs first sets each
// key. A script of SETs finally gets the keys of the first window, to see that the store
// has them.
func newRESPScript(protocol string, depth, size int) script {
	keys := max(4, min(mostKeys, sharedSize/(size+64)))
	sets, gets := respExchanges(keys, size)
	s := script{depth: depth, starts: keys}
	cycle := sets
	if protocol == "resp-get" {
		cycle = gets
		s.before = joined(sets, keys)
	} else {
		s.after = joined(gets, min(keys, depth))
	}
	whole := joined(cycle, keys+depth)
	s.requests, s.replies = whole.requests, whole.replies
	s.requestSize, s.replySize = len(cycle[0].requests), len(cycle[0].replies)
	return s
}

// respExchanges returns a SET and a GET for each key.
func respExchanges(keys, size int) (sets, gets []exchange) {
	random := newRandom()
	for i := range keys {
		key := fmt.Appendf(nil, "k%02d", i)
		value := make([]byte, size)
		random.Read(value)
		sets = append(sets, exchange{resp.AppendCommand(nil, []byte("SET"), key, value), []byte(resp.OK)})
		gets = append(gets, exchange{resp.AppendCommand(nil, []byte("GET"), key), resp.AppendBulk(nil, value)})
	}
	return sets, gets
}

// joined returns the first n exchanges of the list as one. It begins the list again when
// it has come to the end.
func joined(list []exchange, n int) *exchange {
	var all exchange
	for i := range n {
		all.requests = append(all.requests, list[i%len(list)].requests...)
		all.replies = append(all.replies, list[i%len(list)].replies...)
	}
	return &all
}

// do performs the exchange on a new connection. If e is nil, it does nothing. It sends
// everything before it reads, so the requests or the replies must fit into the buffers of
// the sockets.
func (e *exchange) do(addr netip.AddrPort) error {
	if e == nil {
		return nil
	}
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.Write(e.requests); err != nil {
		return err
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(c, int64(len(e.replies)+1)))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, e.replies) {
		return difference(got, e.replies)
	}
	return nil
}
