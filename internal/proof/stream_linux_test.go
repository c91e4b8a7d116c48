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
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// An endTest has clients that are gone, or have ended their side, before the server reads
// what they have sent. Each line begins with the number of its client.
type endTest struct {
	*testing.T
	addr  string
	lines []atomic.Int32 // how many lines the server has got from each client
	conns sync.WaitGroup // done when every connection has ended
}

// serve serves count clients with a handler of the style, which calls f for every line.
func (et *endTest) serve(count int, style string, f func(c *framer.Conn, line []byte) error) {
	et.lines = make([]atomic.Int32, count)
	l := listen(et.T, "tcp", "127.0.0.1:0")
	et.addr = l.Addr().String()
	s := &framer.Server{
		Config: framer.Config{Logger: slog.New(slog.DiscardHandler)},
		NewHandler: lineStyles(func(c *framer.Conn, line []byte) error {
			number, _, _ := strings.Cut(string(line), " ")
			i, err := strconv.Atoi(number)
			if err != nil {
				return err
			}
			et.lines[i].Add(1)
			return f(c, line)
		})[style],
		ConnState: func(_ *framer.Conn, state framer.ConnState) {
			if state == framer.StateClosed {
				et.conns.Done()
			}
		},
	}
	startServer(et.T, s, l)
}

// run calls play for every client, a few at a time. It waits until their connections have
// ended.
func (et *endTest) run(play func(i int, nc *net.TCPConn) error) {
	var next atomic.Int32
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for !et.Failed() {
				i := int(next.Add(1)) - 1
				if i >= len(et.lines) {
					return
				}
				et.client(i, play)
			}
		})
	}
	clients.Wait()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		et.conns.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(watchdog):
		et.Error("some connections don't end")
	}
}

func (et *endTest) client(i int, play func(i int, nc *net.TCPConn) error) {
	nc, err := net.Dial("tcp", et.addr)
	if err != nil {
		et.Error(err)
		return
	}
	defer nc.Close()
	et.conns.Add(1)
	nc.SetDeadline(time.Now().Add(watchdog))
	if err := play(i, nc.(*net.TCPConn)); err != nil {
		et.Errorf("client %d: %v", i, err)
	}
}

// cork makes the system keep back what is written to nc, so that the end is sent in the
// same segment.
func cork(nc *net.TCPConn) error {
	raw, err := nc.SyscallConn()
	if err != nil {
		return err
	}
	var optErr error
	err = raw.Control(func(fd uintptr) {
		optErr = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, 1)
	})
	return errors.Join(err, optErr)
}

// scaled returns n, or a twentieth of it with the race detector.
func scaled(n int) int {
	if underRace {
		return n / 20
	}
	return n
}

// The end of the input may come together with data, directly after it, or later. The end
// is seen, whatever the handler does with the data. All data is delivered.
func TestEndTogetherWithData(t *testing.T) {
	t.Parallel()
	answers := map[string]func(c *framer.Conn, line []byte) error{
		"silent":    func(*framer.Conn, []byte) error { return nil },
		"answering": func(c *framer.Conn, line []byte) error { return c.Push(append(line, '\n')) },
	}
	for style := range lineStyles(nil) {
		for name, answer := range answers {
			t.Run(style+"/"+name, func(t *testing.T) {
				et := endTest{T: t}
				et.serve(scaled(2400)/6, style, answer)
				et.run(func(i int, nc *net.TCPConn) error { return sendAndEnd(i, nc, name == "answering") })
				for i := range et.lines {
					if got := int(et.lines[i].Load()); got != i%3+1 {
						t.Errorf("client %d has sent %d lines, the server saw %d", i, i%3+1, got)
					}
				}
			})
		}
	}
}

// sendAndEnd sends up to three lines, in one or more segments. The end is in the last
// segment or comes after it. If answered is true, it wants every line back. Otherwise it
// wants no answer, or closes the connection without reading.
func sendAndEnd(i int, nc *net.TCPConn, answered bool) error {
	want := ""
	for k := range i%3 + 1 {
		line := fmt.Sprintln(i, k)
		if k == 0 && i/3%2 == 0 {
			if err := cork(nc); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(nc, line); err != nil {
			return err
		}
		want += line
	}
	if !answered {
		want = ""
		if i/6%2 == 0 {
			return nc.Close()
		}
	}
	if err := nc.CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(nc)
	if err == nil && string(got) != want {
		err = fmt.Errorf("got %q, want %q", got, want)
	}
	return err
}

// resetAnswers returns what a handler may do with data after which a reset comes.
func resetAnswers() map[string]func(c *framer.Conn) {
	push := func(c *framer.Conn) { c.Push([]byte("answer\n")) }
	return map[string]func(c *framer.Conn){
		"silent":  func(*framer.Conn) {},
		"one":     push,
		"many":    func(c *framer.Conn) { push(c); push(c); push(c) },
		"discard": func(c *framer.Conn) { push(c); c.DiscardBuffers() },
		"some":    func(c *framer.Conn) { push(c); push(c); c.DiscardBuffers(); push(c) },
		"behind a producer": func(c *framer.Conn) {
			c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
				<-c.Context().Done()
				return nil, nil
			}))
			push(c)
		},
	}
}

// A reset directly after the data ends the connection, whatever the handler does with the
// data. What has not been read by then may be lost.
func TestResetBehindData(t *testing.T) {
	t.Parallel()
	for style := range lineStyles(nil) {
		for name, answer := range resetAnswers() {
			t.Run(style+"/"+name, func(t *testing.T) {
				et := endTest{T: t}
				et.serve(scaled(600)/6, style, func(c *framer.Conn, _ []byte) error {
					answer(c)
					return nil
				})
				et.run(func(i int, nc *net.TCPConn) error {
					for k := range i%3 + 1 {
						if _, err := fmt.Fprintln(nc, i, k); err != nil && !isReset(err) {
							return err
						}
					}
					nc.SetLinger(0)
					return nil // then close
				})
			})
		}
	}
}

// If data and a reset come while the handler is busy, the system reports them as one
// event. There will be no other event for the reset.
func TestResetDuringTurn(t *testing.T) {
	t.Parallel()
	for style := range lineStyles(nil) {
		for name, answer := range resetAnswers() {
			t.Run(style+"/"+name, func(t *testing.T) {
				for i := range scaled(200) / 4 {
					g := newGate()
					newHandler := lineStyles(func(c *framer.Conn, line []byte) error {
						if i%2 == 0 || string(line) != "wait" {
							answer(c)
						}
						if string(line) == "wait" {
							g.pass(c)
						}
						return nil
					})[style]
					nc, peer := tcpPair(t)
					c := serve(t, nc, newHandler, framer.Config{})
					writeString(t, peer, "wait\n")
					g.await(t, c)
					writeString(t, peer, "last\n")
					peer.(*net.TCPConn).SetLinger(0)
					peer.Close()
					select {
					case <-g.left:
					case <-c.Context().Done():
					}
					awaitEnd(t, c)
				}
			})
		}
	}
}

// Urgent bytes are not part of the stream. Wherever they are, they cause no loss and no
// delay.
func TestUrgentBytes(t *testing.T) {
	t.Parallel()
	f := func(c *framer.Conn, line []byte) error {
		if strings.HasPrefix(string(line), "silent") {
			return nil
		}
		return c.Push(append(line, '\n'))
	}
	for style, newHandler := range lineStyles(f) {
		t.Run(style, func(t *testing.T) {
			nc, peer := tcpPair(t)
			defer peer.Close()
			peer.SetDeadline(time.Now().Add(watchdog))
			c := serve(t, nc, newHandler, framer.Config{})
			urgent := func(s string) {
				control(t, peer, func(fd int) error { return syscall.Sendto(fd, []byte(s), syscall.MSG_OOB, nil) })
			}
			for range 20 { // each urgent byte is followed by an answer, because two at once behave differently
				writeString(t, peer, "silent\n")
				urgent("!")
				writeString(t, peer, "before\n")
				readString(t, peer, "before\n")
				urgent("with!")
				writeString(t, peer, "in\n")
				readString(t, peer, "within\n")
				urgent("behind\n!")
				readString(t, peer, "behind\n")
				writeString(t, peer, "next\n")
				readString(t, peer, "next\n")
			}
			urgent("last\n!")
			endInput(t, peer)
			if got := readAll(t, peer); got != "last\n" {
				t.Errorf("the last answer is %q", got)
			}
			peer.Close()
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The time that a handler takes does not count for the timeouts of the peer.
func TestTimeoutsSpareBusyHandler(t *testing.T) {
	t.Parallel()
	const limit = 20 * time.Millisecond
	limits := map[string]framer.Config{
		"IdleTimeout":    {IdleTimeout: limit},
		"MessageTimeout": {MessageTimeout: limit},
	}
	for name, cfg := range limits {
		f := func(c *framer.Conn, line []byte) error {
			ctx, cancel := context.WithTimeout(c.Context(), 5*limit)
			defer cancel()
			<-ctx.Done()
			return c.Push(append(line, '\n'))
		}
		for style, newHandler := range lineStyles(f) {
			t.Run(name+"/"+style, func(t *testing.T) {
				t.Parallel() // it mostly waits
				nc, peer := tcpPair(t)
				defer peer.Close()
				peer.SetDeadline(time.Now().Add(watchdog))
				writeString(t, peer, "line\nanother o") // before Serve, so that the second message has begun in time
				c := serve(t, nc, newHandler, cfg)
				if got := readAll(t, peer); got != "line\n" {
					t.Errorf("the peer got %q", got)
				}
				peer.Close()
				if err := c.Wait(); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), name) {
					t.Errorf("Wait: %v, want the limit of %s", err, name)
				}
			})
		}
	}
}

// Memory for large messages is given back while there is nothing to read or write.
func TestSilentConnectionsGiveMemoryBack(t *testing.T) {
	const conns, size, limit = 200, 64 << 10, 6 << 10
	answer := make([]byte, size)
	records := framer.LengthPrefix(framer.Prefix{Size: 4})
	newHandlers := map[string]func(*framer.Conn) framer.Handler{
		"Handler": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(records)
			return pushingHandler{c, answer}
		},
		"Messages": framer.Messages(records, func(c *framer.Conn, _ []byte) error { return c.Push(answer) }),
		"Session": framer.Session(func(c *framer.Conn) error {
			for {
				if _, err := c.Next(records); err != nil {
					return err
				}
				if err := c.Push(answer); err != nil {
					return err
				}
			}
		}),
	}
	message, received := append([]byte{0, 1, 0, 0}, answer...), make([]byte, size)
	for style, newHandler := range newHandlers {
		t.Run(style, func(t *testing.T) {
			l := listen(t, "tcp", "127.0.0.1:0")
			startServer(t, &framer.Server{NewHandler: newHandler}, l)
			before := liveHeap()
			var peers []net.Conn
			for range conns {
				peers = append(peers, dial(t, l))
			}
			// Each message is sent in two parts, so that no connection can use the memory
			// of another one for its input. With the race detector this also holds for
			// the output, because a sync.Pool then drops memory.
			for _, step := range []func(peer net.Conn) error{
				func(peer net.Conn) error { return writePart(peer, message[:size/2]) },
				func(peer net.Conn) error { return writePart(peer, message[size/2:]) },
				func(peer net.Conn) error { return readPart(peer, received) },
			} {
				for _, peer := range peers {
					if err := step(peer); err != nil {
						t.Fatal(err)
					}
				}
			}
			var each int64
			for end := time.Now().Add(watchdog); time.Now().Before(end); {
				runtime.GC() // the loop runs it again, as a pool needs
				if each = (liveHeap() - before) / conns; each <= limit {
					break
				}
			}
			if each > limit {
				t.Errorf("each of %d silent connections takes %d bytes of the heap, want at most %d", conns, each, limit)
			}
			runtime.KeepAlive(message)
		})
	}
}

func writePart(w io.Writer, p []byte) error {
	_, err := w.Write(p)
	return err
}

func readPart(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	return err
}

// Pieces grow under load if ReadBufferSize is zero. Otherwise they are never larger than
// it.
func TestPiecesGrowUnderLoad(t *testing.T) {
	for _, test := range []struct{ size, least, most int }{
		{0, 4097, 65536},
		{1000, 1000, 1000},
		{5000, 5000, 5000},
		{100000, 4097, 100000},
	} {
		t.Run(strconv.Itoa(test.size), func(t *testing.T) {
			nc, peer := tcpPair(t)
			var s script
			largest := 0
			s.onCollect = func(data []byte) error {
				largest = max(largest, len(data))
				if cap(data) != len(data) {
					t.Errorf("%d bytes were lent with a piece", cap(data)-len(data))
				}
				return nil
			}
			c := s.serve(t, nc, framer.Config{ReadBufferSize: test.size, MaxMessageSize: -1})
			if _, err := peer.Write(make([]byte, 8<<20)); err != nil {
				t.Fatal(err)
			}
			peer.Close()
			c.Wait()
			if largest < test.least || largest > test.most {
				t.Errorf("the largest piece has %d bytes, want %d to %d", largest, test.least, test.most)
			}
		})
	}
}

// A unixpacket connection is a stream of bytes in both directions, whatever the packets
// are, up to a limit. A packet above the limit is an error.
func TestPackets(t *testing.T) {
	t.Parallel()
	pair := func(t *testing.T, wrapped bool) (nc, peer net.Conn) {
		nc, peer = socketPair(t, "unixpacket", filepath.Join(t.TempDir(), "socket"))
		t.Cleanup(func() { peer.Close() })
		peer.SetDeadline(time.Now().Add(watchdog))
		if wrapped {
			nc = struct{ net.Conn }{nc}
		}
		return nc, peer
	}
	for _, wrapped := range []bool{false, true} {
		for _, size := range []int{1, 4096, 65535, 65536, 100_000} {
			t.Run(fmt.Sprintf("size=%d/wrapped=%v", size, wrapped), func(t *testing.T) {
				nc, peer := pair(t, wrapped)
				var got int
				c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
					msg, err := c.Next(framer.Delimiter("\n"))
					got = len(msg)
					return err
				}), framer.Config{})
				if _, err := peer.Write(append(bytes.Repeat([]byte("x"), size-1), '\n')); err != nil {
					t.Fatal(err)
				}
				peer.Close()
				err := c.Wait()
				if size > 65535 {
					if err == nil || !strings.Contains(err.Error(), "65535 bytes, which is the limit for unixpacket") {
						t.Errorf("ended with %v, want the limit", err)
					}
				} else if err != nil || got != size-1 {
					t.Errorf("got %d bytes and %v, want %d", got, err, size-1)
				}
			})
		}
		t.Run(fmt.Sprintf("push/wrapped=%v", wrapped), func(t *testing.T) {
			nc, peer := pair(t, wrapped)
			const size = 3 << 20
			c := serve(t, nc, framer.Session(func(c *framer.Conn) error { return c.Push(make([]byte, size)) }), framer.Config{})
			buf := make([]byte, 4096)
			got := 0
			for {
				n, err := peer.Read(buf)
				got += n
				if err != nil {
					break
				}
			}
			peer.Close()
			if err := c.Wait(); err != nil || got != size {
				t.Errorf("the peer got %d bytes, want %d; ended with %v", got, size, err)
			}
		})
	}
}

// Datagrams are not a stream of bytes. Serving them returns an error that says so, before
// a handler is made.
func TestDatagramsAreRefused(t *testing.T) {
	t.Parallel()
	never := func(*framer.Conn) framer.Handler {
		t.Error("a handler was made")
		return nil
	}
	name := filepath.Join(t.TempDir(), "socket")
	unixgram, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer unixgram.Close()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for network, address := range map[string]string{"unixgram": name, "udp": udp.LocalAddr().String()} {
		check := func(what string, err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the network %q keeps datagrams", network)) {
				t.Errorf("%s of %s: %v", what, network, err)
			}
		}
		dial := func() net.Conn {
			nc, err := net.Dial(network, address)
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
		cfg := framer.Config{Logger: discardLogger()}
		check("Serve", framer.NewConn(dial(), never, &cfg).Serve(t.Context()))
		s := framer.Server{NewHandler: never, Config: cfg}
		check("ServeConn", s.ServeConn(t.Context(), dial()))
		_, err := framer.Dial(t.Context(), network, address, never, &cfg)
		check("Dial", err)
	}
}

// If a peer has taken everything and does not end its side, the connection waits for it
// once. On TCP it waits no longer than on a Unix socket, where nothing has to be
// acknowledged.
func TestLingerOnce(t *testing.T) {
	t.Parallel()
	first := func(unit time.Duration) string {
		ended := make(chan string, 2)
		linger := func(network string, nc, peer net.Conn, timeout time.Duration) {
			c := serve(t, nc, framer.Session(func(c *framer.Conn) error { return c.Push([]byte("bye")) }), framer.Config{LingerTimeout: timeout})
			go func() {
				io.Copy(io.Discard, peer)
				c.Wait()
				ended <- network
			}()
		}
		nc, peer := tcpPair(t)
		defer peer.Close()
		linger("tcp", nc, peer, 3*unit)
		nc, peer = socketPair(t, "unix", t.TempDir()+"/s")
		defer peer.Close()
		linger("unix", nc, peer, 5*unit)
		first := <-ended
		<-ended
		return first
	}
	// A busy machine may let the Unix socket end first, but not if that waits much longer.
	for unit := 100 * time.Millisecond; first(unit) != "tcp"; unit *= 4 {
		if unit > time.Second {
			t.Fatal("the Unix socket has ended first")
		}
	}
}
