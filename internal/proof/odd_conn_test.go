// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// A moodyConn has a Read that sometimes returns a temporary error.
type moodyConn struct {
	net.Conn
	reads int
}

func (c *moodyConn) Read(p []byte) (int, error) {
	if c.reads++; c.reads%3 != 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Read(p)
}

// asynchat: blockingioerror
func TestTemporaryReadErrors(t *testing.T) {
	t.Parallel()
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
	c := s.serve(t, &moodyConn{Conn: nc}, framer.Config{})
	for range 10 {
		writeString(t, peer, "hello\n")
		readString(t, peer, "hello\n")
	}
	peer.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// A brokenClockConn is a connection whose deadlines have always passed.
type brokenClockConn struct{ net.Conn }

func (brokenClockConn) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// A connection whose deadlines do not work is given up. It is not read again and again.
func TestSenselessDeadlines(t *testing.T) {
	t.Parallel()
	nc, peer := net.Pipe()
	defer peer.Close()
	var s script
	c := s.serve(t, brokenClockConn{nc}, framer.Config{})
	if err := c.Wait(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("Wait: %v, want io.ErrNoProgress", err)
	}
}

// A lateConn is a connection on a busy machine: the next Reads begin 30 milliseconds after
// they were called.
type lateConn struct {
	net.Conn
	late atomic.Int32 // how many Reads
}

func (c *lateConn) Read(p []byte) (int, error) {
	if c.late.Add(-1) >= 0 {
		time.Sleep(30 * time.Millisecond)
	}
	return c.Conn.Read(p)
}

// LocalAddr makes it a connection whose output may be destroyed by unread input.
func (*lateConn) LocalAddr() net.Addr { return new(net.TCPAddr) }

// A Read that begins after its deadline does not look for input. So its timeout does not
// mean that nothing has come: what has come when a shutdown begins is answered, and no
// output is destroyed by unread input when the connection is closed. A machine that is
// always busy does not keep a connection for ever.
func TestLateReads(t *testing.T) {
	t.Parallel()
	for _, reads := range []int32{0, 1, 5, math.MaxInt32} {
		t.Run(fmt.Sprint("shutdown/", reads), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end, peer := framertest.Pipe()
				nc := &lateConn{Conn: end}
				s := framer.Server{NewHandler: framer.Session(func(c *framer.Conn) error {
					for {
						switch line, err := c.Next(framer.Delimiter("\n")); {
						case err == nil:
							c.Push(append(line, '\n'))
						case !errors.Is(err, os.ErrDeadlineExceeded):
							return err
						}
					}
				}), Config: framer.Config{IdleTimeout: time.Minute}}
				served := call(func() error { return s.ServeConn(t.Context(), nc) })
				nc.late.Store(7)
				time.Sleep(10 * time.Minute) // timeouts that are noticed late make no difference
				nc.late.Store(reads)
				began := time.Now()
				shutdown := call(func() error { return s.Shutdown(t.Context()) })
				synctest.Wait()
				writeString(t, peer, "hello\n")
				got, err := io.ReadAll(peer)
				if reads < 10 && (string(got) != "hello\n" || err != nil) {
					t.Errorf("the peer got %q and %v", got, err)
				}
				peer.Close()
				if err := errors.Join(<-served, <-shutdown); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("the shutdown took %v", took)
				}
			})
		})
		t.Run(fmt.Sprint("close/", reads), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end, peer := framertest.Pipe()
				nc := &lateConn{Conn: end} // the peer can't see the end of the output
				writeString(t, peer, "one\ntwo\n")
				var s script
				s.onFound = func() error {
					writeString(t, peer, "three\n")
					nc.late.Store(reads)
					return errors.Join(s.Push([]byte("bye")), s.CloseWhenDone())
				}
				c := s.serve(t, nc, framer.Config{ReadBufferSize: 4})
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
				if took := time.Since(c.Stats().Began); took > 5*time.Second {
					t.Errorf("the close took %v", took)
				}
				if reads > 10 {
					return
				}
				if got := readAll(t, peer); got != "bye" {
					t.Errorf("the peer got %q", got)
				}
			})
		})
	}
}

// If a message is thrown away or discarded, no part of it becomes part of another
// message, or counts for the limit of another one.
func TestThrownAwayMessages(t *testing.T) {
	t.Parallel()
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var s script
		var got []string
		s.onOversize = func(e *framer.MessageTooLongError) error {
			got = append(got, fmt.Sprintf("%d of %d: %s", e.Seen, e.Limit, e.Head))
			return nil
		}
		s.onFound = func() error {
			line := string(s.Take())
			if line == "discard" {
				s.DiscardBuffers()
			}
			got = append(got, line)
			return s.Push([]byte(line + "\n"))
		}
		c := s.serve(t, nc, framer.Config{MaxMessageSize: 8})
		for range 3 {
			writeString(t, peer, "123456789 and more")
			writeString(t, peer, " of it\n12345678\n")
			readString(t, peer, "12345678\n")
		}
		writeString(t, peer, "discard\n12345678\nxyz")
		readString(t, peer, "discard\n")
		peer.Close()
		c.Wait()
		if s.Len() > 8 {
			t.Errorf("the Collector has %q", s.Bytes())
		}
		for i, text := range got {
			long := strings.Contains(text, " of 8: 123456789")
			if i%2 == 0 && i < 6 && !long || i%2 == 1 && text != "12345678" || i == 6 && text != "discard" {
				t.Errorf("messages %q", got)
				break
			}
		}
	})
}

// A connection can be served with every value of every field of Config, also with a value
// that makes no sense as a limit.
func TestExtremeConfigs(t *testing.T) {
	t.Parallel()
	exchangeWith := func(name string, nc, peer net.Conn, cfg *framer.Config) {
		c := framer.NewConn(nc, lineStyles(func(c *framer.Conn, line []byte) error { return c.Push(append(line, '\n')) })["Handler"], cfg)
		served := call(func() error { return c.Serve(t.Context()) })
		peer.SetDeadline(time.Now().Add(time.Minute))
		exchange(t, peer)
		writeString(t, peer, "line\nli")
		writeString(t, peer, "ne\n")
		readString(t, peer, "line\nline\n")
		peer.Close()
		if err := <-served; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	pairs := transports()
	nc, peer := pairs[0].pair(t)
	exchangeWith("nil", nc, peer, nil)
	fields := reflect.TypeFor[framer.Config]()
	for i := range fields.NumField() {
		field := fields.Field(i)
		values := []int64{-1, math.MinInt, math.MinInt64, math.MaxInt, math.MaxInt64, math.MaxInt - 1, math.MaxInt64 - 1}
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			var cfg framer.Config
			v := reflect.ValueOf(&cfg).Elem().Field(i)
			if !v.CanInt() || v.OverflowInt(value) {
				continue
			}
			v.SetInt(value)
			for _, tr := range pairs {
				if tr.name == "tls-client" || tr.name == "tcp6" || tr.name == "unix" {
					continue
				}
				nc, peer := tr.pair(t)
				exchangeWith(fmt.Sprintf("%s: %d on %s", field.Name, value, tr.name), nc, peer, &cfg)
			}
		}
	}
}

// A namelessConn has no addresses.
type namelessConn struct {
	net.Conn
	typed bool // return nil pointers as addresses, and not nil interfaces
}

func (c namelessConn) LocalAddr() net.Addr {
	if c.typed {
		return (*net.TCPAddr)(nil)
	}
	return nil
}

func (c namelessConn) RemoteAddr() net.Addr { return c.LocalAddr() }

func TestConnWithoutAddresses(t *testing.T) {
	t.Parallel()
	for _, typed := range []bool{false, true} {
		onTransports(t, func(t *testing.T, nc, peer net.Conn) {
			if _, ok := nc.(*tls.Conn); ok {
				return // a tls.Conn has the addresses of the connection below it
			}
			var log bytes.Buffer
			var s script
			s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c := s.serve(t, namelessConn{nc, typed}, framer.Config{Logger: logger})
			exchange(t, peer)
			if got := c.String(); got != "<nil>-><nil> (active)" {
				t.Errorf("it is %s", got)
			}
			endInput(t, peer)
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log.String(), "remote=<nil>") {
				t.Errorf("the log is %q", log.String())
			}
		})
	}
}

// A miscounter is a connection whose Read or Write returns a wrong count.
type miscounter struct {
	net.Conn
	read, write int // added to the counts
}

func (c miscounter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n + c.read, err
}

func (c miscounter) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n + c.write, err
}

// If a net.Conn returns an impossible count, the connection ends with an error that says
// so.
func TestImpossibleCounts(t *testing.T) {
	t.Parallel()
	for _, wrong := range []int{-1 << 20, 1, 1 << 20, math.MaxInt32} {
		for _, method := range []string{"Read", "Write"} {
			t.Run(fmt.Sprintf("%s/%d", method, wrong), func(t *testing.T) {
				nc, peer := memoryPair(t)
				defer peer.Close()
				bad := miscounter{Conn: nc, write: wrong}
				if method == "Read" {
					bad = miscounter{Conn: nc, read: wrong}
				}
				var s script
				// The read fills the buffer, and the write has to be cut.
				s.onFound = func() error { return s.Push(make([]byte, 100)) }
				c := s.serve(t, bad, framer.Config{ReadBufferSize: 5, WriteBufferSize: 10})
				writeString(t, peer, "line\n")
				err := c.Wait()
				if err == nil || !strings.Contains(err.Error(), method+" returned an impossible count") {
					t.Errorf("ended with %v", err)
				}
			})
		}
	}
}
