// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

func TestSoak(t *testing.T) {
	var log bytes.Buffer
	s := newSoak(options{duration: time.Second, conns: 32, seed: 1}, &log)
	s.lifetime = 300 * time.Millisecond
	res, err := s.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !res.ok() {
		t.Errorf("%v\n%s", res, &log)
	}
	if s.ledger.acknowledged.Load() == 0 || s.ledger.faults() == 0 || s.ledger.replaced.Load() == 0 {
		t.Errorf("nothing was put to the test: %v", res)
	}
}

// TestRunInterrupted checks that a soak whose context ends, as by an interrupt, ends
// early and prints its last line.
func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr strings.Builder
	if status := run(ctx, []string{"-for", "1h", "-v"}, &stdout, &stderr); status != 0 {
		t.Errorf("exit status %d: %s", status, &stderr)
	}
	if line, ok := strings.CutSuffix(stdout.String(), "\n"); !ok || strings.Contains(line, "\n") ||
		!strings.HasPrefix(line, "soak: 0s: acknowledged ") {
		t.Errorf("output %q, want one line", &stdout)
	}
}

func TestRunWrongUsage(t *testing.T) {
	for _, args := range []string{"-conns 0", "-conns 100000", "-for 0s", "-for x", "-seed -1", "-x", "x"} {
		var stdout, stderr strings.Builder
		if status := run(t.Context(), strings.Fields(args), &stdout, &stderr); status != 2 {
			t.Errorf("soak %s: exit status %d, want 2", args, status)
		}
		if stdout.Len() > 0 || stderr.Len() == 0 {
			t.Errorf("soak %s: output %q, errors %q", args, &stdout, &stderr)
		}
	}
}

// damages are the figures of a ledger that must be 0.
type damages struct{ Lost, Duplicated, Reordered, Torn int64 }

func (l *ledger) damages() damages {
	return damages{l.lost.Load(), l.duplicated.Load(), l.reordered.Load(), l.torn.Load()}
}

// newTestSoak returns a soak that is not running.
func newTestSoak(t *testing.T) *soak {
	s := newSoak(options{seed: 1}, io.Discard)
	s.life = t.Context()
	s.ledger.log = slog.New(slog.DiscardHandler)
	file, err := s.writeText()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(file) })
	s.file = file
	return s
}

// TestBadServer runs clients with servers that lose and damage data. It checks that the
// ledger counts that.
func TestBadServer(t *testing.T) {
	tests := map[string]struct {
		misbehave func(replies [][]byte) [][]byte // changes the replies; there is one for each message
		skip      uint64                          // the number of a message that is not processed
		want      damages
	}{
		"good": {
			misbehave: func(replies [][]byte) [][]byte { return replies },
		},
		"loses the last reply": {
			misbehave: func(replies [][]byte) [][]byte { return replies[:len(replies)-1] },
			want:      damages{Lost: 1},
		},
		"loses a reply": {
			misbehave: func(replies [][]byte) [][]byte { return append(replies[:3:3], replies[4:]...) },
			want:      damages{Lost: 1},
		},
		"sends a reply twice": {
			misbehave: func(replies [][]byte) [][]byte { return slices.Insert(replies, 5, replies[3]) },
			want:      damages{Duplicated: 1},
		},
		"sends a reply late": {
			misbehave: func(replies [][]byte) [][]byte {
				replies[3], replies[4] = replies[4], replies[3]
				return replies
			},
			want: damages{Reordered: 1},
		},
		"changes a byte": {
			misbehave: func(replies [][]byte) [][]byte {
				last := replies[len(replies)-1]
				last[len(last)/2] ^= 1
				return replies
			},
			want: damages{Lost: 1, Torn: 1},
		},
		"acknowledges without processing": {
			misbehave: func(replies [][]byte) [][]byte { return replies },
			skip:      messages - 1,
			want:      damages{Lost: 1},
		},
		"skips a message": {
			misbehave: func(replies [][]byte) [][]byte { return replies },
			skip:      3,
			want:      damages{Lost: 1},
		},
	}
	for name, test := range tests {
		for _, raw := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/raw=%t", name, raw), func(t *testing.T) {
				s := newTestSoak(t)
				b := &badServer{soak: s, framing: framings()[0], misbehave: test.misbehave, skip: test.skip}
				b.talk(t, raw)
				if diff := cmp.Diff(test.want, s.ledger.damages()); diff != "" {
					t.Errorf("damages (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// messages is how many messages are sent to a badServer.
const messages = 10

// A badServer serves one connection, without package framer.
type badServer struct {
	*soak
	framing   *framing
	misbehave func(replies [][]byte) [][]byte
	skip      uint64 // the number of a message that is not processed, or 0
}

// talk runs a client with b.
func (b *badServer) talk(t *testing.T, raw bool) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sv := &service{soak: b.soak, framing: b.framing}
	c := &client{soak: b.soak, service: sv, raw: raw, rnd: rand.New(rand.NewPCG(1, 1))}
	page := b.ledger.newConnection(b.framing.name, 0, false)

	var g errgroup.Group
	g.Go(func() error { return b.serve(l, page) })
	p := plan{messages: messages, window: messages, maxPayload: 100, maxAnswer: 100}
	if err := c.converse(t.Context(), &server{service: sv, address: l.Addr().String()}, page, p); err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	page.settle()
}

func (b *badServer) serve(l net.Listener, page *connection) error {
	nc, err := l.Accept()
	if err != nil {
		return err
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	var replies [][]byte
	for range messages {
		data, err := b.framing.read(r)
		if err != nil {
			return err
		}
		m, err := parse(data)
		if err != nil {
			return err
		}
		if b.skip == 0 || m.number != b.skip {
			page.process(m.number)
		}
		page.replied()
		answer := record{kind: reply, conn: m.conn, number: m.number, size: m.answer}
		replies = append(replies, answer.bytes(b.framing, b.text))
	}
	if _, err := nc.Write(bytes.Join(b.misbehave(replies), nil)); err != nil {
		return err
	}
	if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// TestBadClient runs a server of the soak with a client that sends wrong messages, as if
// they had been damaged on their way.
func TestBadClient(t *testing.T) {
	const count = 6
	tests := map[string]struct {
		numbers []uint64
		tear    bool // damage the last message
		foreign bool // send messages that belong to another connection
		want    damages
	}{
		"good":        {numbers: []uint64{0, 1, 2, 3, 4, 5}},
		"lost":        {numbers: []uint64{0, 1, 3, 5}, want: damages{Lost: 2}},
		"twice":       {numbers: []uint64{0, 1, 2, 1, 3, 4, 5}, want: damages{Duplicated: 1}},
		"late":        {numbers: []uint64{0, 2, 1, 3, 4, 5}, want: damages{Reordered: 1}},
		"torn":        {numbers: []uint64{0, 1, 2, 3, 4, 5}, tear: true, want: damages{Torn: 1}},
		"not sent":    {numbers: []uint64{0, 1, 2, 3, 4, 5, 6}, want: damages{Torn: 1}},
		"of no one":   {numbers: []uint64{0}, foreign: true, want: damages{Torn: 1}},
		"late, twice": {numbers: []uint64{0, 2, 1, 1, 3, 4, 5}, want: damages{Duplicated: 1, Reordered: 1}},
	}
	for name, test := range tests {
		for _, f := range framings() {
			t.Run(name+"/"+f.name, func(t *testing.T) {
				s := newTestSoak(t)
				sv := &service{soak: s, framing: f, rnd: rand.New(rand.NewPCG(1, 1))}
				first, err := sv.start()
				if err != nil {
					t.Fatal(err)
				}
				sv.replace(first)
				_, page := sv.visit(0, false)
				for range count {
					page.send()
				}
				var data []byte
				for _, n := range test.numbers {
					r := record{kind: message, conn: page.id, number: n, size: 100}
					if test.foreign {
						r.conn++
					}
					data = append(data, r.bytes(f, s.text)...)
				}
				if test.tear {
					data[len(data)-50] ^= 1
				}
				page.hit(resetMidMessage) // not a fault of this client: it makes the ledger ignore missing replies, which nobody records
				sendAndReceive(t, first.address, data)
				first.visitors.Done()
				if err := sv.replace(nil).retire(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, s.ledger.damages()); diff != "" {
					t.Errorf("damages (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// sendAndReceive sends data to the address and reads until the end of the answer.
func sendAndReceive(t *testing.T, address string, data []byte) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, nc); err != nil {
		t.Fatal(err)
	}
}
