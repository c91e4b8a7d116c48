// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A closeOnceFile counts how often it is closed. It has the deadlines of the file.
type closeOnceFile struct {
	*os.File
	closed *atomic.Int32
}

func (f closeOnceFile) Close() error {
	f.closed.Add(1)
	return f.File.Close()
}

// A closeOnceConn does the same for a connection.
type closeOnceConn struct {
	net.Conn
	closed *atomic.Int32
}

func (c closeOnceConn) Close() error {
	c.closed.Add(1)
	return c.Conn.Close()
}

// A connection ends even if its producer has nothing to say. It ends at once if it was
// closed at once. The reader is closed once, and OnDone's function is called once.
func TestSilentReader(t *testing.T) {
	t.Parallel()
	errStop := errors.New("stop")
	ends := []struct {
		name string
		end  func(t *testing.T, s *framer.Server, c *framer.Conn, peer net.Conn, cancel context.CancelCauseFunc)
		want error
		goes bool // the connection goes on after end
	}{
		{name: "Close", want: net.ErrClosed, end: func(_ *testing.T, _ *framer.Server, c *framer.Conn, _ net.Conn, _ context.CancelCauseFunc) {
			c.Close()
		}},
		{name: "CloseWhenDone", want: os.ErrDeadlineExceeded, end: func(_ *testing.T, _ *framer.Server, c *framer.Conn, _ net.Conn, _ context.CancelCauseFunc) {
			c.CloseWhenDone()
		}},
		{name: "peer gone", want: os.ErrDeadlineExceeded, end: func(_ *testing.T, _ *framer.Server, _ *framer.Conn, peer net.Conn, _ context.CancelCauseFunc) {
			peer.Close()
		}},
		{name: "context", want: errStop, end: func(_ *testing.T, _ *framer.Server, _ *framer.Conn, _ net.Conn, cancel context.CancelCauseFunc) {
			cancel(errStop)
		}},
		{name: "Shutdown out of time", want: framer.ErrServerClosed, end: func(_ *testing.T, s *framer.Server, _ *framer.Conn, _ net.Conn, _ context.CancelCauseFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			s.Shutdown(ctx)
		}},
		{name: "DiscardBuffers", goes: true, end: func(t *testing.T, _ *framer.Server, c *framer.Conn, peer net.Conn, _ context.CancelCauseFunc) {
			c.DiscardBuffers()
			if err := errors.Join(c.Push([]byte("after")), c.PushWithProducer(framer.NewBytesProducer([]byte(" all"))), c.CloseWhenDone()); err != nil {
				t.Error(err)
			}
			if got := readAll(t, peer); got != "after all" {
				t.Errorf("the peer got %q", got)
			}
			peer.Close()
		}},
	}
	readers := map[string]func(t *testing.T, closed *atomic.Int32) io.Reader{
		"os.Pipe": func(t *testing.T, closed *atomic.Int32) io.Reader {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { w.Close() })
			writeString(t, w, "begin")
			return closeOnceFile{r, closed}
		},
		"net.Pipe": func(t *testing.T, closed *atomic.Int32) io.Reader {
			r, w := net.Pipe()
			t.Cleanup(func() { w.Close() })
			go io.WriteString(w, "begin")
			return closeOnceConn{r, closed}
		},
	}
	wraps := map[string]func(p framer.Producer) framer.Producer{
		"alone": func(p framer.Producer) framer.Producer { return p },
		"Concat": func(p framer.Producer) framer.Producer {
			return framer.Concat(p, framer.NewBytesProducer([]byte("never")))
		},
	}
	for _, end := range ends {
		for from, reader := range readers {
			for in, wrap := range wraps {
				t.Run(end.name+"/"+from+"/"+in, func(t *testing.T) {
					nc, peer := tcpPair(t)
					defer peer.Close()
					peer.SetDeadline(time.Now().Add(time.Minute))
					var closed, told atomic.Int32
					p := framer.OnDone(wrap(framer.NewReaderProducer(reader(t, &closed))), func(n int64, err error) {
						told.Add(1)
						if err == nil {
							t.Errorf("OnDone was told that all %d bytes were sent", n)
						}
					})
					conns := make(chan *framer.Conn)
					s := framer.Server{
						Config: framer.Config{Logger: discardLogger()},
						NewHandler: framer.Session(func(c *framer.Conn) error {
							c.PushWithProducer(p)
							readString(t, peer, "begin")
							if end.want == os.ErrDeadlineExceeded {
								cfg := c.Config()
								cfg.WriteTimeout = 20 * time.Millisecond
								c.SetConfig(cfg)
							}
							conns <- c
							c.Next(framer.None())
							return nil
						}),
					}
					ctx, cancel := context.WithCancelCause(context.Background())
					defer cancel(nil)
					served := call(func() error { return s.ServeConn(ctx, nc) })
					end.end(t, &s, <-conns, peer, cancel)
					if err := <-served; !errors.Is(err, end.want) || end.goes != (err == nil) {
						t.Errorf("ServeConn: %v, want %v", err, end.want)
					}
					if closed.Load() != 1 || told.Load() != 1 {
						t.Errorf("the reader was closed %d times and OnDone told %d times, want once", closed.Load(), told.Load())
					}
				})
			}
		}
	}
}

// DiscardBuffers does not end a connection that sends files, whenever it is called. What
// is pushed after it is sent.
func TestDiscardFiles(t *testing.T) {
	t.Parallel()
	nc, peer := tcpPair(t)
	defer peer.Close()
	name := writeFile(t, make([]byte, 64<<10)).Name()
	var s script
	c := s.serve(t, nc, framer.Config{})
	got := call(func() error {
		data, err := io.ReadAll(peer)
		if err == nil && !strings.HasSuffix(string(data), "the end") {
			err = fmt.Errorf("%d bytes without their end", len(data))
		}
		return err
	})
	for range 500 {
		for range 3 {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.PushWithProducer(framer.NewReaderProducer(f)); err != nil {
				t.Fatal(err)
			}
		}
		c.DiscardBuffers()
	}
	if err := errors.Join(c.Push([]byte("the end")), c.CloseWhenDone()); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
	peer.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// The same holds while the peer takes nothing of a file.
func TestDiscardStuckFile(t *testing.T) {
	t.Parallel()
	nc, peer := tcpPair(t)
	defer peer.Close()
	var s script
	c := s.serve(t, nc, framer.Config{})
	if err := c.PushWithProducer(framer.NewReaderProducer(writeFile(t, make([]byte, 16<<20)))); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for c.Stats().BytesWritten == 0 { // wait for the first transfer to be cut
		<-tick.C
		nc.SetWriteDeadline(time.Unix(1, 0))
	}
	<-tick.C // now the next transfer waits
	c.DiscardBuffers()
	nc.SetWriteDeadline(time.Unix(1, 0))
	if err := errors.Join(c.Push([]byte("the end")), c.CloseWhenDone()); err != nil {
		t.Error(err)
	}
	if got := readAll(t, peer); !strings.HasSuffix(got, "the end") {
		t.Errorf("the peer got %d bytes without their end", len(got))
	}
	peer.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// Flush returns nil when all output has been handed to the system. This also holds after
// CloseWhenDone, for many callers at once, and after the connection has ended.
func TestFlushBehindClose(t *testing.T) {
	t.Parallel()
	const size = 32 << 20
	nc, peer := tcpPair(t)
	var s script
	c := s.serve(t, nc, framer.Config{MaxQueuedBytes: -1})
	if err := errors.Join(c.Push(make([]byte, size)), c.CloseWhenDone()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Flush(ctx); err != context.Canceled {
		t.Errorf("Flush with a context that has ended: %v", err)
	}
	var group sync.WaitGroup
	for range 17 { // 16 have room in the queue, so one waits
		group.Go(func() {
			if err := c.Flush(t.Context()); err != nil {
				t.Errorf("Flush: %v", err)
			}
		})
	}
	for c.Stats().QueuedBytes == size { // wait until the output is being sent
		io.CopyN(io.Discard, peer, 1)
	}
	io.Copy(io.Discard, peer)
	peer.Close()
	group.Wait()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Errorf("Flush after the end: %v, and all was sent", err)
	}
}

// If Flush was called before an end in order, it returns nil, even if it had no place in
// the queue until then.
func TestFlushRacesWithEnd(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := framertest.Pipe()
			var s script
			c := s.serve(t, nc, framer.Config{})
			begin := make(chan struct{})
			c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
				<-begin
				return nil, nil
			}))
			c.CloseWhenDone()
			var flushes [40]<-chan error
			for i := range flushes {
				flushes[i] = call(func() error { return c.Flush(context.Background()) })
			}
			synctest.Wait()
			peer.Close()
			close(begin)
			for _, flush := range flushes {
				if err := <-flush; err != nil {
					t.Errorf("Flush: %v", err)
				}
			}
			c.Wait()
		})
	}
}
