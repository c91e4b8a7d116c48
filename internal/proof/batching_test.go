// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/goframer/framer"
)

// A handler pushes several answers while it handles what came in one read. The answers
// are sent together. But nothing waits for further answers: if the writer is quick, a
// single push may be sent alone. So the test checks the average.
func TestAnswersLeaveTogether(t *testing.T) {
	for _, tr := range transports() {
		if strings.HasPrefix(tr.name, "tls") {
			continue // TLS writes records, so the writes do not tell
		}
		t.Run(tr.name, func(t *testing.T) {
			nc, peer := tr.pair(t)
			defer peer.Close()
			counting := &countingConn{Conn: nc}
			c := serve(t, counting, newEchoLine, framer.Config{})
			pipelineEchoes(t, peer)
			if writes := len(counting.writes()); writes > pipelined*pipelines/4 {
				t.Errorf("%d answers took %d writes", pipelined*pipelines, writes)
			}
			peer.Close()
			c.Wait()
		})
	}
}

const pipelines, pipelined = 50, 100

// pipelineEchoes sends many lines at once to an echo, several times.
func pipelineEchoes(t *testing.T, peer net.Conn) {
	t.Helper()
	var lines strings.Builder
	for i := range pipelined {
		fmt.Fprintf(&lines, "line %d\r\n", i)
	}
	for range pipelines {
		sent := call(func() error {
			_, err := io.WriteString(peer, lines.String())
			return err
		})
		readString(t, peer, lines.String())
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
}

// The limit of the queue is exact: TryPush fails if the limit would be exceeded, and only
// then. A single push may exceed it if nothing else is queued.
func TestQueueLimitIsExact(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testQueueLimitIsExact(t, seed) })
		})
	}
}

func testQueueLimitIsExact(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	limit := []int{1, 10, 4095, 4096, 4097, 10000}[random.IntN(6)]
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	c := s.serve(t, nc, framer.Config{
		MaxQueuedBytes:  limit,
		WriteBufferSize: 1, // every byte that the peer reads makes room for one byte
	})
	var queued []byte
	for range 100 {
		synctest.Wait()
		if got := c.Stats().QueuedBytes; got != int64(len(queued)) {
			t.Fatalf("%d bytes are queued, want %d", got, len(queued))
		}
		room := max(limit-len(queued), 0)
		data := make([]byte, []int{0, 1, max(room-1, 0), room, room + 1, random.IntN(limit + 1), 2 * limit}[random.IntN(7)])
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		fits := len(data) == 0 || len(queued) == 0 || len(data) <= room
		var err error
		switch what := random.IntN(4); {
		case what == 0:
			n := random.IntN(len(queued) + 1)
			readString(t, peer, string(queued[:n]))
			queued = queued[n:]
			continue
		case what == 1 && fits:
			err = c.Push(data)
		default:
			err = c.TryPush(data)
		}
		if want := map[bool]error{false: framer.ErrQueueFull}[fits]; err != want {
			t.Fatalf("a push of %d bytes with %d of %d queued: %v, want %v", len(data), len(queued), limit, err, want)
		}
		if err == nil {
			queued = append(queued, data...)
		}
	}
}

// After the end of the output, no push is added to those that still wait, although there
// is room.
func TestNoPushAfterEnd(t *testing.T) {
	for name, end := range map[string]func(*framer.Conn) error{
		"CloseWhenDone": (*framer.Conn).CloseWhenDone,
		"Close":         (*framer.Conn).Close,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, _ := blockedConn(t, framer.Config{})
				err := errors.Join(c.Push([]byte("a")), c.Push([]byte("b")), end(c))
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Push([]byte("c")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Push: %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

// Pushes that wait for room are served in the order in which they came.
func TestWaitingPushersAreServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := blockedConn(t, framer.Config{MaxQueuedBytes: 10})
		if err := c.Push([]byte("123456789")); err != nil {
			t.Fatal(err)
		}
		var results []<-chan error
		want := "-123456789"
		for i := range 20 {
			text := fmt.Sprintf("(%d)", i)
			switch i % 4 {
			case 0, 1:
				results = append(results, call(func() error { return c.Push([]byte(text)) }))
			case 2:
				text += strings.Repeat("x", 20) // more than the queue holds
				results = append(results, call(func() error { return c.Push([]byte(text)) }))
			case 3:
				results = append(results, call(func() error {
					return errors.Join(c.Push([]byte(text)), c.Flush(t.Context()))
				}))
			}
			want += text
			synctest.Wait()
			if err := c.TryPush([]byte("12345678901")); err != framer.ErrQueueFull {
				t.Errorf("TryPush: %v, want ErrQueueFull", err)
			}
		}
		readString(t, peer, want)
		for i, result := range results {
			if err := <-result; err != nil {
				t.Errorf("push %d: %v", i, err)
			}
		}
	})
}

// A large push that waits gets its turn, however many small ones come all the time.
func TestLargePushIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := blockedConn(t, framer.Config{MaxQueuedBytes: 100})
		if err := c.Push(make([]byte, 50)); err != nil {
			t.Fatal(err)
		}
		large := call(func() error { return c.Push(make([]byte, 100)) })
		waits(t, "a large Push", large)
		var small sync.WaitGroup
		stop := make(chan struct{})
		for range 8 {
			small.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						if err := c.Push([]byte("x")); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		buf := make([]byte, 10)
		for range 1000 {
			if _, err := peer.Read(buf); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(large) > 0 {
				break
			}
		}
		if len(large) == 0 {
			t.Error("a large push still waits after a thousand reads")
		}
		close(stop)
		go io.Copy(io.Discard, peer)
		small.Wait()
	})
}

// Many goroutines push in all ways. The limit holds. What each goroutine has pushed
// arrives in order, and no goroutine waits for ever.
func TestManyPushers(t *testing.T) {
	const goroutines, lines, limit = 64, 20, 1000
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		c := s.serve(t, nc, framer.Config{MaxQueuedBytes: limit})
		longest := int64(len(line(goroutines-1, lines-1)))
		var pushers sync.WaitGroup
		for g := range goroutines {
			pushers.Go(func() {
				for i := range lines {
					if err := pushLine(c, g, i); err != nil {
						t.Error(err)
					}
					if queued := c.Stats().QueuedBytes; queued > max(limit, longest) {
						t.Errorf("%d bytes are queued, limit %d", queued, limit)
					}
					if i == lines/2 && g%8 == 0 {
						if err := c.Flush(context.Background()); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		closed := call(func() error {
			pushers.Wait()
			return c.CloseWhenDone()
		})
		var next [goroutines]int
		if err := scanLines(peer, next[:]); err != nil {
			t.Error(err)
			c.Close()
		}
		<-closed
		peer.Close()
		if want := slices.Repeat([]int{lines}, goroutines); !slices.Equal(next[:], want) {
			t.Errorf("lines that have arrived (-want +got):\n%s", cmp.Diff(want, next[:]))
		}
	})
}

// line returns line i of goroutine g. The longest lines are longer than the queue.
func line(g, i int) string {
	return fmt.Sprintf("%d %d %s\n", g, i, strings.Repeat("x", 7*i*(i%5)))
}

// pushLine pushes a line in one of several ways.
func pushLine(c *framer.Conn, g, i int) error {
	text := line(g, i)
	switch rand.IntN(4) {
	case 0:
		return c.PushWithProducer(framer.NewSimpleProducer([]byte(text), 10))
	case 1:
		_, err := fmt.Fprint(c, text)
		return err
	case 2:
		err := c.TryPush([]byte(text))
		if err == framer.ErrQueueFull {
			err = c.Push([]byte(text))
		}
		return err
	}
	return c.Push([]byte(text))
}

// blockedConn returns a connection whose writer waits in a write of one byte. The peer
// reads only what the test reads.
func blockedConn(t *testing.T, cfg framer.Config) (c *framer.Conn, s *script, peer net.Conn) {
	t.Helper()
	nc, peer := net.Pipe()
	t.Cleanup(func() { peer.Close() })
	s = new(script)
	c = s.serve(t, nc, cfg)
	if err := c.Push([]byte("-")); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return c, s, peer
}

// scanLines counts the lines of each goroutine. They must come in order.
func scanLines(r io.Reader, next []int) error {
	for in := bufio.NewReader(r); ; {
		text, err := in.ReadString('\n')
		if err == io.EOF && text == "" {
			return nil
		}
		if err != nil {
			return err
		}
		var g, i int
		if _, err := fmt.Sscanf(text, "%d %d", &g, &i); err != nil {
			return fmt.Errorf("%.40q: %w", text, err)
		}
		if i != next[g] || text != line(g, i) {
			return fmt.Errorf("goroutine %d: line %d is %.40q", g, next[g], text)
		}
		next[g]++
	}
}
