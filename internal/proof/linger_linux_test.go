// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// TestLingerWhilePeerReads has a peer that reads its output for much longer than
// LingerTimeout, and sends all the time. If the connection were closed before the peer
// has received everything, it would be reset, and the rest would be lost.
func TestLingerWhilePeerReads(t *testing.T) {
	t.Parallel() // it mostly waits
	const size = 2 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := framer.Server{
		Config: framer.Config{LingerTimeout: 500 * time.Millisecond, MaxQueuedBytes: -1},
		NewHandler: framer.Session(func(c *framer.Conn) error {
			if _, err := c.Next(framer.Delimiter("\n")); err != nil {
				return err
			}
			return c.Push(make([]byte, size))
		}),
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	defer func() {
		s.Close()
		<-served
	}()

	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.(*net.TCPConn).SetReadBuffer(128 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(nc, "go")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	buf := make([]byte, 16<<10)
	var got int
	for err == nil {
		<-tick.C
		var n int
		n, err = nc.Read(buf)
		got += n
		fmt.Fprintln(nc, "rubbish")
	}
	if err != io.EOF || got != size {
		t.Errorf("the peer got %d of %d bytes and %v, want all and EOF", got, size, err)
	}
}

// However much the peer sends, the wait for its end has a limit. What was sent before has
// arrived.
func TestLingerInVain(t *testing.T) {
	t.Parallel() // it mostly waits
	peers := map[string]func(peer net.Conn){
		"silent": func(net.Conn) {},
		"endless": func(peer net.Conn) {
			flood := make([]byte, 64<<10)
			for {
				if _, err := peer.Write(flood); err != nil {
					return
				}
			}
		},
		"trickling": func(peer net.Conn) {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				<-tick.C
				if _, err := peer.Write([]byte("x")); err != nil {
					return
				}
			}
		},
	}
	for name, play := range peers {
		for _, timeout := range []time.Duration{100 * time.Millisecond, -1} {
			handler := framer.Session(func(c *framer.Conn) error { return c.Push([]byte("goodbye")) })
			trials(t, nil, handler, framer.Config{LingerTimeout: timeout}, func(x *trial) {
				got := make([]byte, 7)
				_, err := io.ReadFull(x.peer, got)
				played := call(func() error { play(x.peer); return nil })
				served := x.c.Wait()
				socketOf(x.peer).Close()
				<-played
				if served != nil || timeout > 0 && (err != nil || string(got) != "goodbye") {
					t.Errorf("%s, %s, %v: the peer got %q and %v, Serve returned %v", name, x.name, timeout, got, err, served)
				}
			})
		}
	}
}

// In one case the peer goes when it has acknowledged all output, and in the other while
// output is on its way. The second is an error if the system tells what was acknowledged.
func TestLingerPeerGoes(t *testing.T) {
	t.Parallel()
	for _, resets := range []bool{false, true} {
		handler := framer.Session(func(c *framer.Conn) error {
			return c.Push(make([]byte, 100<<10)) // more than the peer's system takes, and less than ours takes
		})
		trials(t, func(x *trial) bool {
			return !resets || x.name != "wrapped" // a wrapped connection has been closed at that time
		}, handler, framer.Config{}, func(x *trial) {
			readString(t, x.peer, "\x00")
			err := x.c.Flush(t.Context())
			if err != nil && x.name != "wrapped" {
				t.Error(err)
			}
			if resets {
				if l, ok := socketOf(x.peer).(*net.TCPConn); ok {
					l.SetLinger(0)
				}
				socketOf(x.peer).Close()
			} else {
				_, err = io.Copy(io.Discard, x.peer)
				x.peer.Close()
			}
			served := x.c.Wait()
			if err != nil || resets != (served != nil) || resets && !errors.Is(served, syscall.ECONNRESET) && !errors.Is(served, syscall.EPIPE) {
				t.Errorf("%s, reset %v: the peer saw %v, Serve returned %v", x.name, resets, err, served)
			}
		})
	}
}

// If a connection can't end its output, and has no method NetConn, then what has come is
// read before it is closed. The peer receives all output.
func TestLingerBlind(t *testing.T) {
	nc, peer := tcpPair(t)
	defer peer.Close()
	writeString(t, peer, "line\n")
	if _, err := peer.Write(make([]byte, 200<<10)); err != nil {
		t.Fatal(err)
	}
	handler := framer.Session(func(c *framer.Conn) error {
		_, err := c.Next(framer.Delimiter("\n"))
		return errors.Join(err, c.Push(bytes.Repeat([]byte("x"), 100<<10)))
	})
	c := serve(t, struct{ net.Conn }{nc}, handler, framer.Config{})
	if got := readAll(t, peer); len(got) != 100<<10 {
		t.Errorf("the peer got %d bytes", len(got))
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
