// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// clientConfig returns a TLS configuration for clients that trust m.
func clientConfig(t *testing.T, m *mailServer) *tls.Config {
	t.Helper()
	cert, err := x509.ParseCertificate(m.tlsConfig.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

// The client of net/smtp can send mails in clear, and under both kinds of TLS.
func TestClient(t *testing.T) {
	text := strings.Repeat(".a line\r\n..\r\n\r\nanother one\r\n", 50_000)
	for _, test := range []struct {
		name, flag, protocol string
	}{
		{"clear", "-v", "UTF8SMTP"},
		{"STARTTLS", "-starttls", "UTF8SMTPSA"},
		{"TLS", "-tls", "UTF8SMTPSA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, store := newTestServer(t, "-auth", test.flag)
			_, addr := serveTest(t, m)
			nc := net.Conn(dial(t, addr))
			if m.tls {
				nc = tls.Client(nc, clientConfig(t, m))
			}
			c, err := smtp.NewClient(nc, "localhost")
			if err != nil {
				t.Fatal(err)
			}
			if m.startTLS {
				err = c.StartTLS(clientConfig(t, m))
				if ok, _ := c.Extension("STARTTLS"); ok {
					t.Error("STARTTLS is offered under TLS")
				}
			}
			if m.startTLS || m.tls {
				err = errors.Join(err, c.Auth(smtp.PlainAuth("", "me", "secret", "localhost")))
			}
			if err := errors.Join(err, send(c, text), send(c, "short\r\n"), c.Noop(), c.Quit()); err != nil {
				t.Fatal(err)
			}
			mails := store.kept(t)
			if len(mails) != 2 || mails[0].text != text || mails[1].text != "short\r\n" {
				t.Fatalf("got %d mails, want the two that were sent", len(mails))
			}
			if e := mails[1]; e.from != "a@x" || strings.Join(e.to, " ") != "b@y c@z" || e.protocol != test.protocol || e.peer != "127.0.0.1" {
				t.Errorf("got envelope %+v", e.envelope)
			}
		})
	}
}

func send(c *smtp.Client, text string) error {
	if err := errors.Join(c.Mail("a@x"), c.Rcpt("b@y"), c.Rcpt("c@z")); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return errors.Join(err, w.Close())
}

// The server forgets under TLS what was said in clear.
func TestStartTLSForgets(t *testing.T) {
	m, _ := newTestServer(t, "-starttls")
	_, addr := serveTest(t, m)
	nc := net.Conn(dial(t, addr))
	framertest.Play(t, nc, framertest.Send(hello+"MAIL FROM:<a@x>\r\nSTARTTLS\r\n"), framertest.ExpectUntil("^220 2"))
	nc = tls.Client(nc, clientConfig(t, m))
	framertest.Play(t, nc,
		framertest.Send("MAIL FROM:<a@x>\r\n"), framertest.ExpectMatch("^503 5.5.1 EHLO"),
		framertest.Send("STARTTLS\r\n"), framertest.ExpectMatch("^503 5.5.1 TLS is active"),
		framertest.Send(hello), framertest.ExpectUntil("^250 "),
		framertest.Send("RCPT TO:<a@x>\r\n"), framertest.ExpectMatch("^503 5.5.1 MAIL"),
		framertest.Send("QUIT\r\n"), framertest.ExpectMatch("^221 "), framertest.ExpectEnd(), framertest.Close())
}

// Bytes in clear after STARTTLS are never executed, neither in the same packet nor in
// place of a handshake.
func TestStartTLSInjection(t *testing.T) {
	for name, steps := range map[string][]framertest.Step{
		"same packet": {framertest.Send("STARTTLS\r\n" + begin + "x\r\n.\r\n"), framertest.ExpectMatch("^220 2")},
		"next packet": {framertest.Send("STARTTLS\r\n"), framertest.ExpectMatch("^220 2"), framertest.Send(begin + "x\r\n.\r\n")},
	} {
		t.Run(name, func(t *testing.T) {
			m, store := newTestServer(t, "-starttls")
			client, nc := framertest.Pipe()
			server := m.newServer()
			served := make(chan error, 1)
			go func() { served <- server.ServeConn(t.Context(), nc) }()
			framertest.Play(t, client, append([]framertest.Step{framertest.ExpectMatch("^220 ")}, steps...)...)
			rest, err := io.ReadAll(client)
			if bytes.ContainsAny(rest, "2345") && !bytes.HasPrefix(rest, []byte("\x15\x03")) { // a TLS alert is not a reply
				t.Errorf("received %q (%v) in reply to what was injected", rest, err)
			}
			client.Close()
			if err := <-served; err == nil {
				t.Error("the connection has ended in order")
			}
			if mails := store.kept(t); len(mails) > 0 {
				t.Errorf("got mails %v", mails)
			}
		})
	}
}

// A client that rejects the certificate leaves nothing behind, and other clients are
// served.
func TestWrongCertificate(t *testing.T) {
	m, _ := newTestServer(t, "-starttls")
	_, addr := serveTest(t, m)
	c, err := smtp.NewClient(dial(t, addr), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	var unknown x509.UnknownAuthorityError
	if err := c.StartTLS(&tls.Config{ServerName: "localhost"}); !errors.As(err, &unknown) {
		t.Errorf("got %v, want an UnknownAuthorityError", err)
	}
	framertest.Play(t, dial(t, addr), framertest.ExpectMatch("^220 "), framertest.Send("QUIT\r\n"), framertest.ExpectMatch("^221 "))
}

func TestTooManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newTestServer(t, "-max-conns", "1")
		l, server, served := startInBubble(t, m)
		first, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		framertest.Play(t, first, framertest.ExpectMatch("^220 "))
		second, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		framertest.Play(t, second, framertest.ExpectMatch("^421 4.7.0 mx too many connections"), framertest.ExpectEnd(), framertest.Close())
		framertest.Play(t, first, framertest.Send("QUIT\r\n"), framertest.ExpectMatch("^221 "), framertest.Close())
		server.Close()
		<-served
	})
}

func startInBubble(t *testing.T, m *mailServer) (*framertest.Listener, *framer.Server, chan error) {
	l, server, served := framertest.Listen(), m.newServer(), make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	return l, server, served
}

// The server tells a client of a timeout in every state. It keeps nothing of a mail that
// does not end.
func TestTimeouts(t *testing.T) {
	drip := func(text string, pause time.Duration, times int) (steps []framertest.Step) {
		for range times {
			steps = append(steps, framertest.Send(text), framertest.Pause(pause))
		}
		return steps
	}
	for name, test := range map[string]struct {
		steps []framertest.Step
		want  time.Duration // how long the connection lasts
	}{
		"silence":               {nil, 5 * time.Minute},
		"within a command":      {[]framertest.Step{framertest.Send("NOO")}, 5 * time.Minute},
		"a slow command":        {drip("x", time.Minute, 4), 5 * time.Minute},
		"a slow long line":      {append([]framertest.Step{framertest.Send(strings.Repeat("x", 13_000)), framertest.ExpectMatch("^500 ")}, drip("x", time.Minute, 4)...), 5 * time.Minute},
		"in AUTH":               {[]framertest.Step{framertest.Send(hello + "AUTH LOGIN\r\n"), framertest.ExpectUntil("^334 ")}, 5 * time.Minute},
		"before a mail":         {[]framertest.Step{framertest.Send(begin), framertest.ExpectUntil("^354 ")}, 5 * time.Minute},
		"within a mail":         {[]framertest.Step{framertest.Send(begin + "hi\r\n"), framertest.ExpectUntil("^354 ")}, 5 * time.Minute},
		"a slow mail":           {append([]framertest.Step{framertest.Send(begin), framertest.ExpectUntil("^354 ")}, drip("x\r\n", time.Minute, 9)...), 10 * time.Minute},
		"a slow mail, too long": {append([]framertest.Step{framertest.Send(begin), framertest.ExpectUntil("^354 ")}, drip("12345678\r\n", time.Minute, 9)...), 10 * time.Minute},
		"after a slow mail": {slices.Concat([]framertest.Step{framertest.Send(begin), framertest.ExpectUntil("^354 ")}, drip("x\r\n", time.Minute, 6),
			[]framertest.Step{framertest.Send(".\r\n"), framertest.ExpectMatch("^250 ")}, drip("x", time.Minute, 4)), 11 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, store := newTestServer(t, "-auth", "-max-size", "50")
				client, nc := framertest.Pipe()
				start := time.Now()
				served := make(chan error, 1)
				go func() { served <- m.newServer().ServeConn(t.Context(), nc) }()
				framertest.Play(t, client, framertest.ExpectMatch("^220 "))
				framertest.Play(t, client, test.steps...)
				framertest.Play(t, client, framertest.ExpectMatch("^421 4.4.2 mx timeout"), framertest.ExpectEnd(), framertest.Close())
				<-served
				if got := time.Since(start); got != test.want {
					t.Errorf("the connection has lasted %v, want %v", got, test.want)
				}
				mails := store.kept(t)
				if slow := name == "after a slow mail"; slow != (len(mails) == 1) {
					t.Errorf("got mails %v", mails)
				}
			})
		})
	}
}

// Without timeouts, the server waits.
func TestNoTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, store := newTestServer(t, "-timeout", "0", "-data-timeout", "0")
		client, nc := framertest.Pipe()
		served := make(chan error, 1)
		go func() { served <- m.newServer().ServeConn(t.Context(), nc) }()
		week := framertest.Pause(7 * 24 * time.Hour)
		framertest.Play(t, client, framertest.ExpectMatch("^220 "), week, framertest.Send(begin+"x"), framertest.ExpectUntil("^354 "), week,
			framertest.Send("\r\n.\r\nQUIT\r\n"), framertest.ExpectMatch("^250 "), framertest.ExpectMatch("^221 "), framertest.Close())
		if err := <-served; err != nil || len(store.kept(t)) != 1 {
			t.Errorf("got %v and mails %v", err, store.kept(t))
		}
	})
}

// At a shutdown, all clients are told. A mail whose DATA command was accepted is still
// received.
func TestShutdown(t *testing.T) {
	for name, test := range map[string]struct {
		before, after []framertest.Step
		mails         int
	}{
		"idle":          {},
		"after MAIL":    {before: []framertest.Step{framertest.Send(hello + "MAIL FROM:<>\r\n"), framertest.ExpectUntil("^250 2.1.0")}},
		"before a mail": {[]framertest.Step{framertest.Send(begin), framertest.ExpectUntil("^354 ")}, []framertest.Step{framertest.Send("x\r\n.\r\n"), framertest.ExpectMatch("^250 ")}, 1},
		"within a mail": {[]framertest.Step{framertest.Send(begin + "x\r\n"), framertest.ExpectUntil("^354 ")}, []framertest.Step{framertest.Send("x\r\n.\r\n"), framertest.ExpectMatch("^250 ")}, 1},
		"within a large mail": {[]framertest.Step{framertest.Send(begin + strings.Repeat("x", 60) + "\r\n"), framertest.ExpectUntil("^354 ")},
			[]framertest.Step{framertest.Send("x\r\n.\r\n"), framertest.ExpectMatch("^552 ")}, 0},
		"within a command": {[]framertest.Step{framertest.Send("NOO")}, []framertest.Step{framertest.Send("P\r\n"), framertest.ExpectMatch("^250 ")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, store := newTestServer(t, "-max-size", "50")
				l, server, served := startInBubble(t, m)
				client, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				framertest.Play(t, client, framertest.ExpectMatch("^220 "))
				framertest.Play(t, client, test.before...)
				synctest.Wait()
				done := make(chan error, 1)
				go func() { done <- server.Shutdown(t.Context()) }()
				time.Sleep(time.Second) // the server would also read what has come meanwhile
				framertest.Play(t, client, test.after...)
				framertest.Play(t, client, framertest.ExpectMatch("^421 4.3.2 mx is shutting down"), framertest.ExpectEnd(), framertest.Close())
				if err := <-done; err != nil {
					t.Errorf("Shutdown returned %v", err)
				}
				<-served
				if mails := store.kept(t); len(mails) != test.mails {
					t.Errorf("got mails %v, want %d", mails, test.mails)
				}
			})
		})
	}
}

// A client may send all its commands and mails at once, and read the replies later.
func TestPipelining(t *testing.T) {
	m, store := newTestServer(t)
	_, addr := serveTest(t, m)
	nc := dial(t, addr)
	const mails = 1000
	io.WriteString(nc, hello+strings.Repeat(begin[len(hello):]+"text\r\n.\r\n", mails)+"QUIT\r\n")
	output, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := codes(t, string(output)), "220 250"+strings.Repeat(" 250 250 354 250", mails)+" 221"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := len(store.kept(t)); got != mails {
		t.Errorf("got %d mails, want %d", got, mails)
	}
}

// Nothing is kept of a mail if its client closes or resets the connection.
func TestHangUp(t *testing.T) {
	for name, end := range map[string]framertest.Step{
		"close": framertest.Close(), "half-close": framertest.HalfClose(), "reset": framertest.Reset(),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, store := newTestServer(t)
				client, nc := framertest.Pipe()
				served := make(chan error, 1)
				go func() { served <- m.newServer().ServeConn(t.Context(), nc) }()
				framertest.Play(t, client, framertest.Send(begin+"x\r\n."), framertest.ExpectUntil("^354 "), end)
				if err := <-served; err == nil {
					t.Error("the connection has ended in order")
				}
				client.Close()
				if mails := store.kept(t); len(mails) > 0 {
					t.Errorf("got mails %v", mails)
				}
			})
		})
	}
}

// A mail needs the memory of a few buffers, whatever its size. This test must not run in
// parallel with others.
func TestConstantMemory(t *testing.T) {
	m, _ := newTestServer(t, "-max-size", "0")
	m.store = discarder{}
	line := strings.Repeat("x", 998) + "\r\n"
	text := io.LimitReader(repeater(line), int64(20_000*len(line)))
	in := io.MultiReader(strings.NewReader(begin), text, strings.NewReader(".\r\n"))
	cfg := m.newServer().Config
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := framer.NewConn(&memoryConn{in: in}, framer.Session(m.serveConn), &cfg).Serve(t.Context())
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; err != nil || got > 1<<20 {
		t.Errorf("a mail of 20 MB has taken %d bytes of memory: %v", got, err)
	}
}

type discarder struct{}

func (discarder) begin(*envelope) (draft, error) { return discarder{}, nil }
func (discarder) id() string                     { return "id" }
func (discarder) Write(text []byte) (int, error) { return len(text), nil }
func (discarder) commit() error                  { return nil }
func (discarder) discard()                       {}

// A repeater is a reader that repeats itself for ever.
type repeater string

func (r repeater) Read(p []byte) (int, error) {
	n := 0
	for n+len(r) <= len(p) {
		n += copy(p[n:], r)
	}
	if n == 0 {
		return 0, fmt.Errorf("%d bytes are too few", len(p))
	}
	return n, nil
}

// A memoryConn is a connection that reads from in, and drops everything that is written.
type memoryConn struct {
	net.Conn
	in io.Reader
}

func (c *memoryConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *memoryConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *memoryConn) Close() error                     { return nil }
func (c *memoryConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *memoryConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }
