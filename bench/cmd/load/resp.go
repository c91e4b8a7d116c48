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

// An exchange is requests and what must come back.
type exchange struct {
	requests, replies []byte
}

// mostKeys is how many keys have names of three characters.
const mostKeys = 100

// newRESPScript returns a script of SET or GET, with as many keys as fit into
// sharedSize. Each key has one value, of any bytes, which is seen in the store: before
// all GETs each key is set, and after all SETs those of the first window are got.
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

// joined returns n exchanges of the list as one, from its beginning again and again.
func joined(list []exchange, n int) *exchange {
	var all exchange
	for i := range n {
		all.requests = append(all.requests, list[i%len(list)].requests...)
		all.replies = append(all.replies, list[i%len(list)].replies...)
	}
	return &all
}

// do makes the exchange on a connection of its own; nil makes none. The requests or
// the replies must fit into the buffers of the sockets: all is sent before it reads.
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
