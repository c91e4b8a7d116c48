// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// clearOrTLS returns the answer of a server with STARTTLS to line. starts reports whether
// line is STARTTLS.
func clearOrTLS(c *framer.Conn, line []byte) (reply string, starts bool) {
	if string(line) == "STARTTLS" {
		return "go ahead\n", true
	}
	kind := "clear"
	if _, ok := c.NetConn().(*tls.Conn); ok {
		kind = "tls"
	}
	return fmt.Sprintf("%s:%s\n", kind, line), false
}

var lines = framer.Delimiter("\n")

// A tlsHandler is a Handler of a server with STARTTLS.
type tlsHandler struct {
	*framer.Conn
	framer.Collector
	start func(c *framer.Conn) error
}

func (h *tlsHandler) FoundTerminator() error {
	reply, starts := clearOrTLS(h.Conn, h.Bytes())
	h.Push([]byte(reply))
	if starts {
		return h.start(h.Conn) // StartTLS forgets what was collected, so there is no Reset
	}
	h.Reset()
	return nil
}

// startStyles returns a server with STARTTLS in every style of handler. start calls
// StartTLS.
func startStyles(start func(c *framer.Conn) error) map[string]func(*framer.Conn) framer.Handler {
	return map[string]func(*framer.Conn) framer.Handler{
		"Handler": func(c *framer.Conn) framer.Handler {
			c.SetTerminator(lines)
			return &tlsHandler{Conn: c, start: start}
		},
		"Messages": framer.Messages(lines, func(c *framer.Conn, line []byte) error {
			reply, starts := clearOrTLS(c, line)
			c.Push([]byte(reply))
			if starts {
				return start(c)
			}
			return nil
		}),
		"Replies": framer.Replies(lines, func(c *framer.Conn, line, out []byte) ([]byte, error) {
			reply, starts := clearOrTLS(c, line)
			var err error
			if starts {
				err = start(c)
			}
			return append(out, reply...), err
		}),
		"Session": framer.Session(func(c *framer.Conn) error {
			for {
				line, err := c.Next(lines)
				if err != nil {
					return err
				}
				reply, starts := clearOrTLS(c, line)
				c.Push([]byte(reply))
				if starts {
					if err := start(c); err != nil {
						return err
					}
				}
			}
		}),
	}
}

// plainTransports returns the transports without TLS.
func plainTransports() (plain []transport) {
	for _, tr := range transports() {
		if !strings.HasPrefix(tr.name, "tls") {
			plain = append(plain, tr)
		}
	}
	return plain
}

// onStartTLS runs test for every style on every transport. start is given to the server.
func onStartTLS(t *testing.T, start func(c *framer.Conn) error, test func(t *testing.T, c *framer.Conn, peer net.Conn)) {
	t.Helper()
	for style, newHandler := range startStyles(start) {
		for _, tr := range plainTransports() {
			t.Run(style+"/"+tr.name, func(t *testing.T) {
				nc, peer := tr.pair(t)
				t.Cleanup(func() { peer.Close() })
				peer.SetDeadline(time.Now().Add(watchdog))
				test(t, serve(t, nc, newHandler, framer.Config{}), peer)
			})
		}
	}
}

// A large reply is mostly written without a copy. It is sent in clear, as a small one is.
func TestStartTLSBehindLargeReply(t *testing.T) {
	server, client := tlsConfigs(t)
	large := bytes.Repeat([]byte("x"), 1<<20)
	for _, tr := range plainTransports() {
		t.Run(tr.name, func(t *testing.T) {
			nc, peer := tr.pair(t)
			t.Cleanup(func() { peer.Close() })
			peer.SetDeadline(time.Now().Add(watchdog))
			c := serve(t, nc, framer.Replies(lines, func(c *framer.Conn, line, _ []byte) ([]byte, error) {
				if string(line) == "STARTTLS" {
					return large, c.StartTLS(tls.Server, server)
				}
				return []byte("done\n"), nil
			}), framer.Config{})
			writeString(t, peer, "STARTTLS\n")
			readString(t, peer, string(large))
			secure := tls.Client(peer, client)
			writeString(t, secure, "work\n")
			readString(t, secure, "done\n")
			secure.Close()
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStartTLS(t *testing.T) {
	server, client := tlsConfigs(t)
	server.NextProtos, client.NextProtos = []string{"lines"}, []string{"lines"}
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, client.RootCAs
	client.Certificates = server.Certificates
	start := func(c *framer.Conn) error { return c.StartTLS(tls.Server, server) }
	onStartTLS(t, start, func(t *testing.T, c *framer.Conn, peer net.Conn) {
		writeString(t, peer, "one\ntwo\n")
		readString(t, peer, "clear:one\nclear:two\n")
		writeString(t, peer, "three\nSTARTTLS\n")
		readString(t, peer, "clear:three\ngo ahead\n")
		secure := tls.Client(peer, client)
		writeString(t, secure, "four\nfi")
		readString(t, secure, "tls:four\n")
		writeString(t, secure, "ve\n")
		readString(t, secure, "tls:five\n")
		state := c.NetConn().(*tls.Conn).ConnectionState()
		if state.NegotiatedProtocol != "lines" || len(state.PeerCertificates) != 1 {
			t.Errorf("negotiated %q with %d certificates", state.NegotiatedProtocol, len(state.PeerCertificates))
		}
		if state := c.String(); !strings.HasSuffix(state, "(active)") {
			t.Errorf("%s, want it active", state)
		}
		secure.CloseWrite()
		if rest := readAll(t, secure); rest != "" {
			t.Errorf("%q comes behind the answers", rest)
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("the reason is %v, want none", err)
		}
		if n := c.Stats().MessagesRead; n != 6 {
			t.Errorf("%d messages, want 6", n)
		}
	})
}

// Both sides use this package and upgrade in the middle of a dialogue.
func TestStartTLSClient(t *testing.T) {
	server, client := tlsConfigs(t)
	for style, newHandler := range startStyles(func(c *framer.Conn) error { return c.StartTLS(tls.Server, server) }) {
		t.Run(style, func(t *testing.T) {
			nc, peer := tcpPair(t)
			serve(t, nc, newHandler, framer.Config{})
			var got []string
			c := framer.NewConn(peer, framer.Session(func(c *framer.Conn) error {
				say := func(line string) error {
					fmt.Fprintf(c, "%s\n", line)
					reply, err := c.Next(lines)
					got = append(got, string(reply))
					return err
				}
				return errors.Join(say("one"), say("STARTTLS"), c.StartTLS(tls.Client, client), say("two"))
			}), nil)
			if err := c.Serve(t.Context()); err != nil {
				t.Error(err)
			}
			if want := "clear:one go ahead tls:two"; strings.Join(got, " ") != want {
				t.Errorf("got %q, want %s", got, want)
			}
		})
	}
}

// Bytes that come in clear after STARTTLS must not be taken for encrypted ones, whether
// they were read before StartTLS or not.
func TestStartTLSInjection(t *testing.T) {
	server, _ := tlsConfigs(t)
	start := func(c *framer.Conn) error { return c.StartTLS(tls.Server, server) }
	for _, injected := range []string{"evil\n", "e", "\x16\x03\x01", "STARTTLS\n"} {
		onStartTLS(t, start, func(t *testing.T, c *framer.Conn, peer net.Conn) {
			writeString(t, peer, "STARTTLS\n"+injected)
			readString(t, peer, "go ahead\n")
			rest, _ := io.ReadAll(peer)
			if len(rest) > 0 {
				t.Errorf("%q is sent in clear", rest)
			}
			peer.Close()
			if err := c.Wait(); err == nil || !strings.Contains(err.Error(), "StartTLS") && !strings.Contains(err.Error(), "handshake") {
				t.Errorf("the reason is %v", err)
			}
			if n := c.Stats().MessagesRead; n != 1 {
				t.Errorf("%d messages, want 1", n)
			}
		})
	}
	onStartTLS(t, start, func(t *testing.T, c *framer.Conn, peer net.Conn) {
		writeString(t, peer, "STARTTLS\n")
		readString(t, peer, "go ahead\n")
		writeString(t, peer, "evil\n")
		io.Copy(io.Discard, peer) // the server may send an alert
		peer.Close()
		if err := c.Wait(); err == nil || !strings.Contains(err.Error(), "handshake") {
			t.Errorf("the reason is %v", err)
		}
	})
}

// A tap records what is read from a net.Conn.
type tap struct {
	net.Conn
	seen bytes.Buffer
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.seen.Write(p[:n])
	return n, err
}

// allRecords reports whether data consists of TLS records.
func allRecords(data []byte) bool {
	for len(data) > 0 {
		if len(data) < 5 || data[0] < 20 || data[0] > 23 || data[1] != 3 {
			return false
		}
		n := 5 + int(data[3])<<8 + int(data[4])
		data = data[min(n, len(data)):]
	}
	return true
}

// Other goroutines push during the handshake. What they push is not lost, is not sent in
// clear, and keeps the order of each goroutine.
func TestStartTLSWhilePushing(t *testing.T) {
	const pushers, each = 4, 50
	server, client := tlsConfigs(t)
	var group sync.WaitGroup
	push := func(c *framer.Conn, i int) {
		for j := range each {
			line := fmt.Appendf(nil, "push %d %d\n", i, j)
			if j%2 == 0 {
				c.Push(line)
			} else {
				c.PushWithProducer(framer.NewSimpleProducer(line, 3))
			}
		}
	}
	start := func(c *framer.Conn) error {
		return c.StartTLS(func(nc net.Conn, cfg *tls.Config) *tls.Conn {
			for i := range pushers {
				group.Go(func() { push(c, i) })
			}
			return tls.Server(nc, cfg)
		}, server)
	}
	onStartTLS(t, start, func(t *testing.T, c *framer.Conn, peer net.Conn) {
		defer group.Wait()
		writeString(t, peer, "STARTTLS\n")
		readString(t, peer, "go ahead\n")
		wire := &tap{Conn: peer}
		secure := tls.Client(wire, client)
		go io.WriteString(secure, "last\n") // on a net.Pipe a write waits for a read, so it needs its own goroutine
		r := bufio.NewReader(secure)
		var next [pushers]int
		for n := 0; n < pushers*each+1; n++ {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("after %v: %v", next, err)
			}
			if line == "tls:last\n" {
				continue
			}
			var i, j int
			fmt.Sscanf(line, "push %d %d\n", &i, &j)
			if next[i] != j {
				t.Fatalf("%q comes where %d is next", line, next[i])
			}
			next[i]++
		}
		if !allRecords(wire.seen.Bytes()) {
			t.Error("something behind STARTTLS was sent in clear")
		}
	})
}

// Each of these makes StartTLS fail, with a known error and within a known time. Nothing
// that was pushed after StartTLS is sent.
func TestStartTLSFails(t *testing.T) {
	server, _ := tlsConfigs(t)
	stranger := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "framer.test"} // trusts no certificate
	var handlerError = errors.New("the handler's error")
	tests := []struct {
		name  string
		after func(c *framer.Conn) error          // called by the handler after StartTLS
		do    func(c *framer.Conn, peer net.Conn) // called when the peer has received "go ahead"
		want  func(err error) bool
	}{
		{"stall", nil, func(c *framer.Conn, peer net.Conn) { c.Wait() }, isTimeout},
		{"stall in the middle", nil, func(c *framer.Conn, peer net.Conn) {
			peer.Write([]byte("\x16\x03\x01\x01\x00"))
			c.Wait()
		}, isTimeout},
		{"hang up", nil, func(c *framer.Conn, peer net.Conn) { peer.Close() }, func(err error) bool { return errors.Is(err, io.EOF) }},
		{"bad certificate", nil, func(c *framer.Conn, peer net.Conn) {
			tls.Client(peer, stranger).Handshake()
		}, func(err error) bool { return strings.Contains(err.Error(), "bad certificate") }},
		{"Close", nil, func(c *framer.Conn, peer net.Conn) { c.Close() }, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		{"CloseWithError", nil, func(c *framer.Conn, peer net.Conn) { c.CloseWithError(handlerError) }, func(err error) bool { return err == handlerError }},
		{"error", func(c *framer.Conn) error { return handlerError }, nil, func(err error) bool { return err == handlerError }},
		{"CloseWhenDone", func(c *framer.Conn) error { return c.CloseWhenDone() }, nil, isTimeout},
		{"no connection", nil, nil, func(err error) bool { return strings.Contains(err.Error(), "no tls.Conn") }},
		{"full queue", func(c *framer.Conn) error { return c.Push(make([]byte, 100<<10)) }, nil, isTimeout},
	}
	for _, test := range tests {
		start := func(c *framer.Conn) error {
			wrap := tls.Server
			if test.name == "no connection" {
				wrap = func(net.Conn, *tls.Config) *tls.Conn { return nil }
			}
			err := c.StartTLS(wrap, server)
			c.TryPush([]byte("secret\n"))
			if err == nil && test.after != nil {
				err = test.after(c)
			}
			return err
		}
		for style, newHandler := range startStyles(start) {
			switch {
			case style == "Session" && test.after != nil:
				continue // in a Session the handshake is over when StartTLS returns
			case style == "Replies" && test.name == "full queue":
				continue // Replies sends "go ahead" later
			}
			t.Run(test.name+"/"+style, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := framertest.Pipe()
					defer peer.Close()
					c := serve(t, nc, newHandler, framer.Config{HandshakeTimeout: 3 * time.Second, MaxQueuedBytes: 64 << 10})
					began := time.Now()
					writeString(t, peer, "STARTTLS\n")
					readString(t, peer, "go ahead\n")
					if test.do != nil {
						test.do(c, peer)
					} else if rest, _ := io.ReadAll(peer); len(rest) > 0 {
						t.Errorf("%q is sent in clear", rest)
					}
					peer.Close()
					if err := c.Wait(); !test.want(err) {
						t.Errorf("the reason is %v", err)
					}
					if took := time.Since(began); took > 3*time.Second {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && strings.Contains(err.Error(), "HandshakeTimeout")
}

// A shutdown, a close or DiscardBuffers does not interrupt a handshake.
func TestStartTLSIsNotInterrupted(t *testing.T) {
	server, client := tlsConfigs(t)
	client.InsecureSkipVerify = true // the certificate is not tested here
	start := func(c *framer.Conn) error {
		err := c.StartTLS(tls.Server, server)
		if err == nil {
			err = c.Push([]byte("welcome\n"))
		}
		return err
	}
	for name, interrupt := range map[string]func(s *framer.Server, c *framer.Conn){
		"Shutdown":       func(s *framer.Server, c *framer.Conn) { go s.Shutdown(context.Background()) },
		"CloseWhenDone":  func(s *framer.Server, c *framer.Conn) { c.CloseWhenDone() },
		"DiscardBuffers": func(s *framer.Server, c *framer.Conn) { c.DiscardBuffers() },
		"SetConfig":      func(s *framer.Server, c *framer.Conn) { c.Flush(canceled()) },
	} {
		for style, newHandler := range startStyles(start) {
			t.Run(name+"/"+style, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := framertest.Pipe()
					defer peer.Close()
					conns := make(chan *framer.Conn, 1)
					s := &framer.Server{NewHandler: newHandler, Config: framer.Config{Logger: discardLogger()}, ConnState: func(c *framer.Conn, state framer.ConnState) {
						if state == framer.StateNew {
							conns <- c
						}
					}}
					done := make(chan error, 1)
					go func() { done <- s.ServeConn(t.Context(), nc) }()
					writeString(t, peer, "STARTTLS\n")
					readString(t, peer, "go ahead\n")
					synctest.Wait()
					interrupt(s, <-conns)
					synctest.Wait()
					secure := tls.Client(peer, client)
					want := "welcome\n"
					switch {
					case name == "DiscardBuffers" && style != "Session", name == "CloseWhenDone" && style == "Session":
						want = "" // "welcome" was dropped, or was pushed too late
					}
					readString(t, secure, want)
					if name != "Shutdown" && name != "CloseWhenDone" {
						writeString(t, secure, "line\n")
						readString(t, secure, "tls:line\n")
						secure.CloseWrite()
					}
					if rest := readAll(t, secure); rest != "" {
						t.Errorf("%q comes behind", rest)
					}
					secure.Close()
					if err := <-done; err != nil {
						t.Errorf("the reason is %v", err)
					}
				})
			})
		}
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestStartTLSRefused(t *testing.T) {
	server, _ := tlsConfigs(t)
	nc, peer := tcpPair(t)
	defer peer.Close()
	c := framer.NewConn(nc, framer.Session(func(c *framer.Conn) error { return nil }), nil)
	for _, err := range []error{c.StartTLS(nil, server), c.StartTLS(tls.Server, nil)} {
		if err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("StartTLS with half of what it needs: %v", err)
		}
	}
	c.CloseWrite()
	if err := c.StartTLS(tls.Server, server); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after CloseWrite: %v", err)
	}
	c.Close()
	if err := c.StartTLS(tls.Server, server); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// StartTLS works when newHandler or HandleConnect calls it, and when it is called before
// Serve.
func TestStartTLSAtOnce(t *testing.T) {
	server, client := tlsConfigs(t)
	begin := func(c *framer.Conn) error {
		c.Push([]byte("clear\n"))
		err := c.StartTLS(tls.Server, server)
		if again := c.StartTLS(tls.Server, server); again == nil {
			t.Error("StartTLS can be called twice")
		}
		c.Push([]byte("encrypted\n"))
		return err
	}
	for name, test := range map[string]func(nc net.Conn) *framer.Conn{
		"before Serve": func(nc net.Conn) *framer.Conn {
			c := framer.NewConn(nc, (&script{t: t}).newHandler, nil)
			begin(c)
			return c
		},
		"newHandler": func(nc net.Conn) *framer.Conn {
			return framer.NewConn(nc, func(c *framer.Conn) framer.Handler {
				begin(c)
				return (&script{t: t}).newHandler(c)
			}, nil)
		},
		"HandleConnect": func(nc net.Conn) *framer.Conn {
			s := &script{t: t}
			s.onConnect = func() error { return begin(s.Conn) }
			return framer.NewConn(nc, s.newHandler, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			nc, peer := tcpPair(t)
			defer peer.Close()
			peer.SetDeadline(time.Now().Add(watchdog))
			c := test(nc)
			go c.Serve(context.Background())
			readString(t, peer, "clear\n")
			secure := tls.Client(peer, client)
			readString(t, secure, "encrypted\n")
			secure.CloseWrite()
			readAll(t, secure)
			secure.Close()
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What was pushed after StartTLS reaches the peer, even if the handler then asks for the
// connection to be closed or handed over.
func TestStartTLSThenEnds(t *testing.T) {
	server, client := tlsConfigs(t)
	for name, end := range map[string]func(c *framer.Conn){
		"CloseWhenDone": func(c *framer.Conn) { c.CloseWhenDone() },
		"CloseWrite": func(c *framer.Conn) {
			if c.CloseWrite() != nil { // net.Pipe has no CloseWrite
				c.CloseWhenDone()
			}
		},
		"Hijack": func(c *framer.Conn) {
			c.Hijack(func(nc net.Conn) {
				fmt.Fprintf(nc, "hijacked %T\n", nc)
				nc.Close()
			})
		},
	} {
		start := func(c *framer.Conn) error {
			err := c.StartTLS(tls.Server, server)
			c.Push([]byte("welcome\n"))
			end(c)
			return err
		}
		want := "welcome\n"
		if name == "Hijack" {
			want += "hijacked *tls.Conn\n"
		}
		onStartTLS(t, start, func(t *testing.T, c *framer.Conn, peer net.Conn) {
			writeString(t, peer, "STARTTLS\n")
			readString(t, peer, "go ahead\n")
			secure := tls.Client(peer, client)
			if got := readAll(t, secure); got != want {
				t.Errorf("%s: read %q, want %q", name, got, want)
			}
			secure.Close()
			if err := c.Wait(); err != nil {
				t.Errorf("%s: the reason is %v", name, err)
			}
		})
	}
}

// Other goroutines push, or wait for room, while StartTLS fails. Nothing that they push
// is sent in clear.
func TestStartTLSFailsWhilePushing(t *testing.T) {
	server, _ := tlsConfigs(t)
	errMine := errors.New("mine")
	var group sync.WaitGroup
	pushAll := func(c *framer.Conn) {
		for c.Push([]byte("secret\n")) == nil {
		}
	}
	for name, fail := range map[string]func() error{
		"injection": func() error { return nil },
		"error":     func() error { return errMine },
		"panic":     func() error { panic(errMine) },
	} {
		start := func(c *framer.Conn) error {
			err := c.StartTLS(tls.Server, server)
			for range 3 {
				group.Go(func() { pushAll(c) })
			}
			if err == nil {
				err = fail()
			}
			return err
		}
		for style, newHandler := range startStyles(start) {
			if style == "Session" && name != "injection" {
				continue // in a Session the handshake is over when StartTLS returns
			}
			t.Run(name+"/"+style, func(t *testing.T) {
				for range 300 {
					nc, peer := memoryPair(t)
					c := framer.NewConn(nc, newHandler, &framer.Config{MaxQueuedBytes: 1000, Logger: discardLogger()})
					go c.Serve(context.Background())
					writeString(t, peer, "STARTTLS\n"+strings.Repeat("evil\n", 2))
					if got, _ := io.ReadAll(peer); strings.Contains(string(got), "secret") {
						t.Errorf("%d bytes are sent in clear", len(got))
					}
					peer.Close()
					if err := c.Wait(); err == nil {
						t.Error("the end is in order")
					}
					group.Wait()
				}
			})
		}
	}
}

// In one case, a producer that was pushed before StartTLS has nothing to say. In the
// other, a function goes on pushing after StartTLS has failed. Both end within a limited
// time.
func TestStartTLSIsBounded(t *testing.T) {
	server, _ := tlsConfigs(t)
	silent := framer.ProducerFunc(nil)
	for name, start := range map[string]func(c *framer.Conn) error{
		"silent producer": func(c *framer.Conn) error {
			c.PushWithProducer(silent)
			return c.StartTLS(tls.Server, server)
		},
		"more than the queue holds": func(c *framer.Conn) error {
			err := c.StartTLS(tls.Server, server)
			for range 10 {
				c.Push(make([]byte, 1000))
			}
			return err
		},
	} {
		for style, newHandler := range startStyles(start) {
			if style != "Session" && name != "silent producer" {
				continue
			}
			t.Run(name+"/"+style, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := framertest.Pipe()
					c := serve(t, nc, newHandler, framer.Config{WriteTimeout: time.Minute, HandshakeTimeout: -1, MaxQueuedBytes: 2000})
					silent = func() ([]byte, error) {
						<-c.Context().Done()
						return nil, nil
					}
					began := time.Now()
					writeString(t, peer, "STARTTLS\nevil\n"[:9+5*strings.Count(name, "more")])
					io.Copy(io.Discard, peer)
					peer.Close()
					if err := c.Wait(); err == nil {
						t.Error("the end is in order")
					}
					if took := time.Since(began); took > 75*time.Second {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}

// A readCompleter returns an error from HandleReadComplete after StartTLS was called.
type readCompleter struct {
	tlsHandler
	err error
}

func (h *readCompleter) HandleReadComplete() error { return h.err }

func TestStartTLSReadCompleteFails(t *testing.T) {
	server, client := tlsConfigs(t)
	errMine := errors.New("mine")
	nc, peer := tcpPair(t)
	defer peer.Close()
	c := serve(t, nc, func(c *framer.Conn) framer.Handler {
		c.SetTerminator(lines)
		h := &readCompleter{tlsHandler: tlsHandler{Conn: c}}
		h.start = func(c *framer.Conn) error {
			h.err = errMine
			return c.StartTLS(tls.Server, server)
		}
		return h
	}, framer.Config{})
	writeString(t, peer, "STARTTLS\n")
	readString(t, peer, "go ahead\n")
	if err := tls.Client(peer, client).Handshake(); err == nil {
		t.Error("the connection goes on")
	}
	peer.Close()
	if err := c.Wait(); err != errMine {
		t.Errorf("the reason is %v", err)
	}
}

// If the function of a Session ignores the error of StartTLS, the connection ends with
// that error all the same.
func TestStartTLSErrorIgnored(t *testing.T) {
	server, _ := tlsConfigs(t)
	for name, input := range map[string]string{
		"injection": "STARTTLS\nevil\n",
		"nonsense":  "STARTTLS\n",
	} {
		for _, returned := range []error{nil, net.ErrClosed} {
			t.Run(fmt.Sprint(name, returned), func(t *testing.T) {
				nc, peer := tcpPair(t)
				defer peer.Close()
				var failed error
				logs := new(logBook)
				c := serve(t, nc, framer.Session(func(c *framer.Conn) error {
					c.Next(lines)
					c.Push([]byte("go ahead\n"))
					failed = c.StartTLS(tls.Server, server)
					if _, err := c.Next(lines); !errors.Is(err, net.ErrClosed) {
						t.Errorf("Next returns %v", err)
					}
					if err := c.Push([]byte("secret\n")); !errors.Is(err, net.ErrClosed) {
						t.Errorf("Push returns %v", err)
					}
					if returned != nil {
						return c.Push(nil)
					}
					return nil
				}), framer.Config{Logger: slog.New(logs)})
				writeString(t, peer, input)
				readString(t, peer, "go ahead\n")
				if name == "nonsense" {
					writeString(t, peer, "nonsense that is long enough for a record\n")
				}
				io.Copy(io.Discard, peer)
				peer.Close()
				if err := c.Wait(); failed == nil || err != failed {
					t.Errorf("the reason is %v, want %v", err, failed)
				}
				logs.mu.Lock()
				defer logs.mu.Unlock()
				for _, r := range logs.records {
					if r.Level > slog.LevelInfo {
						t.Errorf("logged: %s %s", r.Message, attr(r, "error"))
					}
				}
			})
		}
	}
}
