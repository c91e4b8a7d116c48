// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux && !386 && !s390x

package proof_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/goframer/framer"
)

// segmentsSent returns how many segments with data nc has sent. If all writes were small,
// that is the number of writes.
func segmentsSent(t *testing.T, nc net.Conn) int {
	t.Helper()
	const dataSegsOut = 156 // offset of tcpi_data_segs_out in struct tcp_info, see linux/tcp.h
	var info [dataSegsOut + 4]byte
	size := uint32(len(info))
	control(t, nc, func(fd int) error {
		_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	return int(*(*uint32)(unsafe.Pointer(&info[dataSegsOut])))
}

// TestAnswersLeaveSocketTogether is TestAnswersLeaveTogether for TCP, where writes bypass
// net.Conn. It counts segments.
func TestAnswersLeaveSocketTogether(t *testing.T) {
	f := func(c *framer.Conn, line []byte) error { return c.Push(append(line, '\n')) }
	for style, newHandler := range lineStyles(f) {
		t.Run(style, func(t *testing.T) {
			nc, peer := tcpPair(t)
			defer peer.Close()
			peer.SetDeadline(time.Now().Add(watchdog))
			c := serve(t, nc, newHandler, framer.Config{})
			for range 20 { // pushes that come singly must not change what happens later
				writeString(t, peer, "single\n")
				readString(t, peer, "single\n")
			}
			before := segmentsSent(t, nc)
			pipelineEchoes(t, peer)
			if sent := segmentsSent(t, nc) - before; sent > pipelined*pipelines/4 {
				t.Errorf("%d answers left in %d segments", pipelined*pipelines, sent)
			}
			peer.Close()
			c.Wait()
		})
	}
}

// singlePushes makes the peer send lines one by one. After that, the Conn expects single
// pushes and writes each at once.
func singlePushes(t *testing.T, peer net.Conn) {
	t.Helper()
	for range 10 {
		writeString(t, peer, "single\n")
		readString(t, peer, "single\n")
	}
}

// onSingles runs test on a Conn that expects single pushes. last is called for the line
// "last".
func onSingles(t *testing.T, cfg framer.Config, last func(c *framer.Conn) error, test func(t *testing.T, c *framer.Conn, peer *net.TCPConn)) {
	t.Helper()
	styles := lineStyles(func(c *framer.Conn, line []byte) error {
		if string(line) == "last" {
			return last(c)
		}
		return c.Push(append(line, '\n'))
	})
	for style, newHandler := range styles {
		t.Run(style, func(t *testing.T) {
			nc, peer := tcpPair(t)
			t.Cleanup(func() { peer.Close() })
			peer.SetDeadline(time.Now().Add(watchdog))
			c := serve(t, nc, newHandler, cfg)
			singlePushes(t, peer)
			test(t, c, peer.(*net.TCPConn))
		})
	}
}

// If pushes come one by one, Push itself writes. It does not always write: if the writer
// is running, Push leaves it to the writer.
func TestSinglePushIsWrittenAtOnce(t *testing.T) {
	const turns = 500
	var atOnce atomic.Int32
	last := func(c *framer.Conn) error {
		err := c.Push([]byte("answer\n"))
		if c.Stats().QueuedBytes == 0 {
			atOnce.Add(1)
		}
		return err
	}
	onSingles(t, framer.Config{}, last, func(t *testing.T, c *framer.Conn, peer *net.TCPConn) {
		atOnce.Store(0)
		for range turns {
			writeString(t, peer, "last\n")
			readString(t, peer, "answer\n")
		}
		peer.Close()
		c.Wait()
		if n := atOnce.Load(); n < turns/10 {
			t.Errorf("of %d pushes only %d were written when Push returned", turns, n)
		}
	})
}

// If the system takes only the beginning of a push, the rest is sent when the peer reads,
// and before all later pushes.
func TestSinglePushToSlowPeer(t *testing.T) {
	for _, size := range []int{0, -1, 1000} {
		t.Run(fmt.Sprintf("WriteBufferSize=%d", size), func(t *testing.T) {
			large := pattern(8 << 20)
			pushed := make(chan struct{}, 1)
			last := func(c *framer.Conn) error {
				mine := bytes.Clone(large)
				err := c.Push(mine)
				clear(mine) // Push must have copied what it has not written
				err = errors.Join(err,
					c.Push([]byte("second\n")),
					c.PushWithProducer(framer.NewBytesProducer([]byte("third\n"))),
					c.Push([]byte("fourth\n")))
				pushed <- struct{}{}
				return err
			}
			cfg := framer.Config{WriteBufferSize: size, MaxQueuedBytes: -1}
			onSingles(t, cfg, last, func(t *testing.T, c *framer.Conn, peer *net.TCPConn) {
				writeString(t, peer, "last\n")
				<-pushed
				if c.Stats().QueuedBytes == 0 {
					t.Error("everything was written; this tests nothing")
				}
				go io.WriteString(peer, "after\n")
				readString(t, peer, string(large)+"second\nthird\nfourth\nafter\n")
				singlePushes(t, peer)
				peer.Close()
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Everything that Push has accepted before CloseWhenDone is sent, even if the system has
// taken only the beginning so far.
func TestSinglePushThenCloseWhenDone(t *testing.T) {
	for _, size := range []int{10, 8 << 20} {
		data := pattern(size)
		last := func(c *framer.Conn) error { return errors.Join(c.Push(data), c.CloseWhenDone()) }
		onSingles(t, framer.Config{}, last, func(t *testing.T, c *framer.Conn, peer *net.TCPConn) {
			writeString(t, peer, "last\n")
			if got := readAll(t, peer); got != string(data) {
				t.Errorf("got %d bytes, want %d", len(got), len(data))
			}
			peer.Close()
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// DiscardBuffers does not tear a push that has begun. If the writer was running, the push
// may not have begun, and is discarded.
func TestSinglePushThenDiscard(t *testing.T) {
	data := pattern(8 << 20)
	discarded := make(chan struct{}, 1)
	last := func(c *framer.Conn) error {
		err := errors.Join(c.Push(data), c.Push([]byte("dropped")))
		c.DiscardBuffers()
		discarded <- struct{}{}
		return errors.Join(err, c.Push([]byte("end")), c.CloseWhenDone())
	}
	onSingles(t, framer.Config{MaxQueuedBytes: -1}, last, func(t *testing.T, c *framer.Conn, peer *net.TCPConn) {
		writeString(t, peer, "last\n")
		<-discarded
		// If the acknowledgements of the peer's system were late, the Conn did not expect
		// single pushes. Then the writer may have sent both pushes, or none.
		switch got := readAll(t, peer); got {
		case string(data) + "end", string(data) + "droppedend", "end":
		default:
			t.Errorf("got %d bytes, want %d, or only the end", len(got), len(data)+len("end"))
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// Close cuts off what the peer has not received. The peer sees a reset.
func TestSinglePushThenClose(t *testing.T) {
	data := pattern(8 << 20)
	last := func(c *framer.Conn) error { return errors.Join(c.Push(data), c.Close()) }
	onSingles(t, framer.Config{}, last, func(t *testing.T, c *framer.Conn, peer *net.TCPConn) {
		writeString(t, peer, "last\n")
		got, err := io.ReadAll(peer)
		if !bytes.HasPrefix(data, got) || len(got) > 0 && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer got %d bytes and %v, want a reset", len(got), err)
		}
		if err := c.Wait(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Wait: %v, want net.ErrClosed", err)
		}
		if n := c.Stats().QueuedBytes; n != 0 {
			t.Errorf("%d bytes are queued after the end", n)
		}
	})
}

// If a write in Push fails, the connection ends, although nothing else notices the reset.
func TestSinglePushFails(t *testing.T) {
	gone := make(chan struct{})
	var pushErr error
	last := func(c *framer.Conn) error {
		<-gone
		pushErr = c.Push([]byte("in vain"))
		return pushErr
	}
	onSingles(t, framer.Config{}, last, func(t *testing.T, c *framer.Conn, peer *net.TCPConn) {
		writeString(t, peer, "last\n")
		peer.SetLinger(0)
		peer.Close()
		gone <- struct{}{}
		awaitEnd(t, c)
		if err := c.Wait(); !isReset(err) {
			t.Errorf("Wait: %v, want a reset", err)
		}
		if pushErr != nil {
			t.Errorf("Push: %v, want nil: it only queues", pushErr)
		}
		if err := c.Push([]byte("too late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Push after the end: %v, want net.ErrClosed", err)
		}
		if n := c.Stats().QueuedBytes; n != 0 {
			t.Errorf("%d bytes are queued after the end", n)
		}
	})
}

// A push is written at once while another goroutine calls a method of the connection.
func TestSinglePushRaces(t *testing.T) {
	sizes := []int{10, 100_000, 1 << 20}
	tests := []struct {
		name  string
		other func(c *framer.Conn) error
		ends  bool // other ends the connection, and may cut off what was accepted
	}{
		{"CloseWhenDone", (*framer.Conn).CloseWhenDone, false},
		{"Close", (*framer.Conn).Close, true},
		{"Push", func(c *framer.Conn) error { return c.Push([]byte("other\n")) }, false},
		{"Flush", func(c *framer.Conn) error { return c.Flush(context.Background()) }, false},
		{"PushWithProducer", func(c *framer.Conn) error {
			return c.PushWithProducer(framer.NewBytesProducer([]byte("other\n")))
		}, false},
		{"DiscardBuffers", func(c *framer.Conn) error { c.DiscardBuffers(); return nil }, false},
	}
	whole := pattern(slices.Max(sizes))
	for _, test := range tests {
		for i := range 3 * len(sizes) {
			data := whole[:sizes[i%len(sizes)]]
			t.Run(fmt.Sprintf("%s/%d", test.name, len(data)), func(t *testing.T) {
				var pushErr error
				last := func(c *framer.Conn) error {
					other := call(func() error { return test.other(c) })
					pushErr = c.Push(data)
					<-other
					return c.CloseWhenDone()
				}
				onSingles(t, framer.Config{}, last, func(t *testing.T, c *framer.Conn, peer *net.TCPConn) {
					writeString(t, peer, "last\n")
					got, err := io.ReadAll(peer)
					peer.Close()
					c.Wait()
					if n := c.Stats().QueuedBytes; n != 0 {
						t.Errorf("%d bytes are queued after the end", n)
					}
					if test.ends {
						if !bytes.HasPrefix(data, got) || err == nil && len(got) > 0 && len(got) < len(data) {
							t.Errorf("the peer got %d of %d bytes and %v", len(got), len(data), err)
						}
						return
					}
					want := ""
					if pushErr == nil {
						want = string(data)
					}
					rest := strings.Replace(string(got), "other\n", "", 1)
					dropped := test.name == "DiscardBuffers" && rest == ""
					if err != nil || rest != want && !dropped {
						t.Errorf("the peer got %d of %d bytes and %v; Push: %v", len(got), len(data), err, pushErr)
					}
				})
			})
		}
	}
}
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// awaitEnd fails the test if c does not end.
func awaitEnd(t *testing.T, c *framer.Conn) {
	t.Helper()
	select {
	case <-c.Context().Done():
	case <-time.After(watchdog):
		t.Fatalf("%v does not end", c)
	}
}
