// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// ask is a request to upgrade to the protocol of newLines.
const ask = "GET /lines HTTP/1.1\r\nHost: framer.test\r\nConnection: Upgrade\r\nUpgrade: lines/1\r\n\r\n"

// newLines returns a Server for net/http that sends every line back.
func newLines() *framer.Server {
	return &framer.Server{
		Protocol: "lines/1",
		Config:   framer.Config{Logger: discardLogger()},
		NewHandler: framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
			return c.Push(append(msg, '\n'))
		}),
	}
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// startHTTP runs hs on l and closes hs at the end of the test.
func startHTTP(t *testing.T, l net.Listener, hs *http.Server) {
	t.Helper()
	if hs.ErrorLog == nil {
		hs.ErrorLog = discardLog()
	}
	served := make(chan error)
	go func() { served <- hs.Serve(l) }()
	t.Cleanup(func() {
		hs.Close()
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("net/http: Serve returned %v", err)
		}
	})
}

// endWithTest closes s at the end of the test and waits for it. It must be called before
// the http.Server is started, because the http.Server must end first.
func endWithTest(t *testing.T, s *framer.Server) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), watchdog)
		defer cancel()
		s.Close()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// serveLines runs an HTTP server whose handler is h, which is s or uses s. It returns the
// listener.
func serveLines(t *testing.T, s *framer.Server, h http.Handler) net.Listener {
	t.Helper()
	endWithTest(t, s)
	l := listen(t, "tcp", "127.0.0.1:0")
	startHTTP(t, l, &http.Server{Handler: h})
	return l
}

// A peerConn is the client's end of an HTTP connection.
type peerConn struct {
	net.Conn
	in *bufio.Reader
}

func (c peerConn) Read(p []byte) (int, error) { return c.in.Read(p) }

func newPeer(t *testing.T, nc net.Conn) peerConn {
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(watchdog)) // a failing test must not hang
	return peerConn{nc, bufio.NewReader(nc)}
}

// readResponse reads a response. After an answer 101, it leaves the rest of the input
// unread.
func (c peerConn) readResponse(t *testing.T) (r *http.Response, body string) {
	t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode == http.StatusSwitchingProtocols {
		return r, ""
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(text)
}

// readSwitch reads a response, which must be 101.
func (c peerConn) readSwitch(t *testing.T) *http.Response {
	t.Helper()
	r, body := c.readResponse(t)
	if r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Upgrade") != "lines/1" || r.Header.Get("Connection") != "Upgrade" {
		t.Fatalf("the server answers %s, %v, %q", r.Status, r.Header, body)
	}
	return r
}

// wires returns the kinds of connection on which an upgrade is tried.
func wires(t *testing.T) map[string]func(l net.Listener) (server net.Listener, dial func() (net.Conn, error)) {
	overTLS := func(version uint16) func(l net.Listener) (net.Listener, func() (net.Conn, error)) {
		return func(l net.Listener) (net.Listener, func() (net.Conn, error)) {
			server, client := tlsConfigs(t)
			client.MaxVersion = version
			return tls.NewListener(l, server), func() (net.Conn, error) { return tls.Dial("tcp", l.Addr().String(), client) }
		}
	}
	return map[string]func(l net.Listener) (net.Listener, func() (net.Conn, error)){
		"tcp": func(l net.Listener) (net.Listener, func() (net.Conn, error)) {
			return l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }
		},
		"tls1.2": overTLS(tls.VersionTLS12),
		"tls1.3": overTLS(tls.VersionTLS13),
	}
}

type (
	userKey     struct{}
	greetingKey struct{}
)

// The input that net/http has buffered comes first. The server sees the end of the peer's
// side, and nothing before it is lost. The context has the values of the request's
// context and does not end with it. The states are those of any connection.
func TestServeHTTP(t *testing.T) {
	for name, wire := range wires(t) {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var states []framer.ConnState
			s := newLines()
			s.ConnState = func(_ *framer.Conn, state framer.ConnState) {
				mu.Lock()
				defer mu.Unlock()
				states = append(states, state)
			}
			s.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
				return context.WithValue(ctx, greetingKey{}, "hello "+ctx.Value(userKey{}).(string))
			}
			newHandler := s.NewHandler
			s.NewHandler = func(c *framer.Conn) framer.Handler {
				fmt.Fprintf(c, "%v\n", c.Context().Value(greetingKey{}))
				return newHandler(c)
			}
			authenticate := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Middleware", "was here")
				w.Header().Set("Content-Type", "text/plain")
				s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, "Ann")))
			})
			endWithTest(t, s)
			l, dial := wire(listen(t, "tcp", "127.0.0.1:0"))
			startHTTP(t, l, &http.Server{Handler: authenticate})

			nc, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			peer := newPeer(t, nc)
			writeString(t, peer, ask+"one\ntwo\nthr")
			r := peer.readSwitch(t)
			if r.Header.Get("X-Middleware") != "was here" || r.Header.Get("Content-Type") != "" {
				t.Errorf("the answer has %v", r.Header)
			}
			readString(t, peer, "hello Ann\none\ntwo\n")
			writeString(t, peer, "ee\nfour\n")
			if err := nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if rest := readAll(t, peer); rest != "three\nfour\n" {
				t.Errorf("then the peer reads %q", rest)
			}
			nc.Close()
			waitForConns(t, s)
			mu.Lock()
			defer mu.Unlock()
			want := []framer.ConnState{framer.StateNew, framer.StateActive, framer.StateClosing, framer.StateClosed}
			if !slices.Equal(states, want) {
				t.Errorf("the states were %v, want %v", states, want)
			}
			if got := s.Stats(); got.Accepted != 1 || got.Conns != 0 || got.MessagesRead != 4 {
				t.Errorf("the figures are %+v", got)
			}
		})
	}
}

// waitForConns waits until the connections of s have ended. Then it shuts s down.
func waitForConns(t *testing.T, s *framer.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), watchdog)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
}

// All of a request and of the messages after it arrives, wherever the bytes are cut.
func TestServeHTTPCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLines()
		endWithTest(t, s)
		l := framertest.Listen()
		startHTTP(t, l, &http.Server{Handler: s})
		const input = ask + "one\ntwo\n"
		for cut := 1; cut < len(input); cut++ {
			nc, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			peer := newPeer(t, nc)
			writeString(t, peer, input[:cut])
			synctest.Wait() // net/http has read that now
			writeString(t, peer, input[cut:])
			nc.CloseWrite()
			peer.readSwitch(t)
			if got := readAll(t, peer); got != "one\ntwo\n" {
				t.Errorf("cut at %d: the peer reads %q", cut, got)
			}
			nc.Close()
		}
	})
}

// The client may have sent more than net/http buffers.
func TestServeHTTPManyMessagesBehind(t *testing.T) {
	s := newLines()
	l := serveLines(t, s, s)
	for _, size := range []int{4095 - len(ask), 4096 - len(ask), 4097 - len(ask), 4096, 20_000} {
		peer := newPeer(t, dial(t, l))
		messages := strings.Repeat("x", size-1) + "\n"
		writeString(t, peer, ask+messages)
		peer.Conn.(*net.TCPConn).CloseWrite()
		peer.readSwitch(t)
		if got := readAll(t, peer); got != messages {
			t.Errorf("of %d bytes, %d came back", len(messages), len(got))
		}
	}
}

// Other HTTP requests may come before the upgrade, in the same packet.
func TestServeHTTPAfterRequests(t *testing.T) {
	s := newLines()
	mux := http.NewServeMux()
	mux.Handle("/lines", s)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	l := serveLines(t, s, mux)
	peer := newPeer(t, dial(t, l))
	const before = "GET /one HTTP/1.1\r\nHost: framer.test\r\n\r\nPOST /two HTTP/1.1\r\nHost: framer.test\r\nContent-Length: 5\r\n\r\nxxxxx"
	writeString(t, peer, before+ask+"line\n")
	for _, want := range []string{"/one", "/two"} {
		if _, body := peer.readResponse(t); body != want {
			t.Errorf("the server answers %q, want %q", body, want)
		}
	}
	peer.readSwitch(t)
	readString(t, peer, "line\n")
	exchange(t, peer)
}

// The answer is sent while NewHandler still runs, and does not wait for what NewHandler
// waits for.
func TestServeHTTPSlowNewHandler(t *testing.T) {
	for name, wire := range wires(t) {
		t.Run(name, func(t *testing.T) {
			s := newLines()
			newHandler, answered := s.NewHandler, make(chan struct{})
			s.NewHandler = func(c *framer.Conn) framer.Handler {
				<-answered
				return newHandler(c)
			}
			endWithTest(t, s)
			l, dial := wire(listen(t, "tcp", "127.0.0.1:0"))
			startHTTP(t, l, &http.Server{Handler: s})
			nc, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			peer := newPeer(t, nc)
			goOn := sync.OnceFunc(func() { close(answered) })
			defer goOn()
			writeString(t, peer, ask)
			peer.readSwitch(t)
			goOn()
			exchange(t, peer)
		})
	}
}

// The client ends its side, or closes the connection, while a middleware still runs. For
// net/http the request is over then. A client that still reads must get its answer.
func TestServeHTTPSlowMiddleware(t *testing.T) {
	for name, wire := range wires(t) {
		for _, gone := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/gone=%v", name, gone), func(t *testing.T) {
				s := newLines()
				upgraded := make(chan struct{})
				endWithTest(t, s)
				l, dial := wire(listen(t, "tcp", "127.0.0.1:0"))
				startHTTP(t, l, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					<-r.Context().Done()
					s.ServeHTTP(w, r)
					close(upgraded)
				})})
				nc, err := dial()
				if err != nil {
					t.Fatal(err)
				}
				peer := newPeer(t, nc)
				writeString(t, peer, ask+"line\n")
				if gone {
					nc.Close()
					<-upgraded
					waitForConns(t, s)
					return
				}
				nc.(interface{ CloseWrite() error }).CloseWrite()
				peer.readSwitch(t)
				if got := readAll(t, peer); got != "line\n" {
					t.Errorf("the peer reads %q", got)
				}
			})
		}
	}
}

// The elements of header fields are compared as RFC 9110 says.
func TestServeHTTPFields(t *testing.T) {
	s := newLines()
	l := serveLines(t, s, s)
	for _, test := range []struct {
		fields string
		status int
	}{
		{"Connection: upgrade\r\nUpgrade: LINES/1\r\n", 101},
		{"Connection: keep-alive, Upgrade\r\nUpgrade: foo/2, lines/1\r\n", 101},
		{"Connection: keep-alive\r\nConnection: UPGRADE\r\nUpgrade: foo\r\nUpgrade: lines/1\r\n", 101},
		{"Connection: ,\tupgrade ,\r\nUpgrade: ,lines/1\t,\r\n", 101},
		{"Connection: Upgrade\r\nUpgrade: lines/1\r\nContent-Length: 0\r\n", 101},
		{"Connection: Upgrade\r\nUpgrade: lines\r\n", 426},
		{"Connection: Upgrade\r\nUpgrade: lines/2\r\n", 426},
		{"Connection: Upgrade\r\nUpgrade: lines/1x\r\n", 426},
		{"Connection: Upgrade\r\nUpgrade: lines/1;q=1\r\n", 426},
		{"Connection: Upgrade\r\nUpgrade: websocket\r\n", 426},
		{"Connection: Upgrade\r\n", 426},
		{"Connection: upgraded\r\nUpgrade: lines/1\r\n", 426},
		{"Upgrade: lines/1\r\n", 426},
		{"", 426},
	} {
		t.Run(test.fields, func(t *testing.T) {
			peer := newPeer(t, dial(t, l))
			writeString(t, peer, "GET / HTTP/1.1\r\nHost: framer.test\r\n"+test.fields+"\r\n")
			if r, body := peer.readResponse(t); r.StatusCode != test.status {
				t.Errorf("the server answers %s: %s", r.Status, body)
			}
		})
	}
}

// noHijack is a ResponseWriter that can't be hijacked.
type noHijack struct{ http.ResponseWriter }

// wrappedWriter is a ResponseWriter that can be hijacked through Unwrap, which
// http.ResponseController calls.
type wrappedWriter struct{ http.ResponseWriter }

func (w wrappedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// hijacker is a ResponseWriter that calls before in Hijack. It returns an error if before
// does.
type hijacker struct {
	http.ResponseWriter
	before func() error
	buffer bool // whether Hijack returns the buffer
}

func (w hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.before(); err != nil {
		return nil, nil, err
	}
	nc, buffer, err := w.ResponseWriter.(http.Hijacker).Hijack()
	if !w.buffer {
		buffer = nil
	}
	return nc, buffer, err
}

// Every refusal has a reason in its body. The connection is closed if the bytes after the
// request may not be requests.
func TestServeHTTPRefuses(t *testing.T) {
	with := func(wrap func(http.ResponseWriter) http.ResponseWriter) func(s *framer.Server) http.Handler {
		return func(s *framer.Server) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(wrap(w), r) })
		}
	}
	for name, test := range map[string]struct {
		request string // if empty, it is ask
		server  func(s *framer.Server)
		handler func(s *framer.Server) http.Handler
		status  int
		body    string
		header  http.Header // fields that the response must have
		raw     string      // text that the response must contain
		goesOn  bool
		logs    int
	}{
		"plain": {
			request: "GET / HTTP/1.1\r\nHost: framer.test\r\n\r\n",
			status:  426, body: "upgrade to lines/1 required\n", goesOn: true,
			header: http.Header{"Upgrade": {"lines/1"}, "Connection": {"Upgrade"}},
		},
		"other protocol": {
			request: strings.Replace(ask, "lines/1", "lines/2", 1),
			status:  426, body: "upgrade to lines/1 required\n",
			header: http.Header{"Upgrade": {"lines/1"}}, raw: "\r\nConnection: close\r\nConnection: Upgrade\r\n",
		},
		"HTTP/1.0": {
			request: strings.Replace(ask, "HTTP/1.1", "HTTP/1.0", 1),
			status:  426, body: "upgrade to lines/1 required\n",
			header: http.Header{"Upgrade": {"lines/1"}},
		},
		"POST": {
			request: strings.Replace(ask, "GET", "POST", 1),
			status:  405, body: "an upgrade to lines/1 is a GET\n", header: http.Header{"Allow": {"GET"}},
		},
		"body": {
			request: strings.Replace(ask, "\r\n\r\n", "\r\nContent-Length: 5\r\n\r\none\n\n", 1),
			status:  400, body: "an upgrade to lines/1 has no body\n",
		},
		"chunks": {
			request: strings.Replace(ask, "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1),
			status:  400, body: "an upgrade to lines/1 has no body\n",
		},
		"no Protocol": {
			server: func(s *framer.Server) { s.Protocol = "" },
			status: 500, body: "internal server error\n", logs: 1,
		},
		"bad Protocol": {
			server: func(s *framer.Server) { s.Protocol = "x\r\ny" },
			status: 500, body: "internal server error\n", logs: 1,
		},
		"no NewHandler": {
			server: func(s *framer.Server) { s.NewHandler = nil },
			status: 500, body: "internal server error\n", logs: 1,
		},
		"no Hijack": {
			handler: with(func(w http.ResponseWriter) http.ResponseWriter { return noHijack{w} }),
			status:  500, body: "internal server error\n", logs: 1,
		},
		"TimeoutHandler": {
			handler: func(s *framer.Server) http.Handler { return http.TimeoutHandler(s, watchdog, "too late") },
			status:  500, body: "internal server error\n", logs: 1,
		},
		"Hijack fails": {
			handler: with(func(w http.ResponseWriter) http.ResponseWriter {
				return hijacker{ResponseWriter: w, before: func() error { return errors.New("not today") }}
			}),
			status: 500, body: "internal server error\n", logs: 1,
		},
		"VerifyConn": {
			server: func(s *framer.Server) { s.VerifyConn = func(net.Conn) error { return errors.New("not you") } },
			status: 403,
		},
		"VerifyConn panics": {
			server: func(s *framer.Server) { s.VerifyConn = func(net.Conn) error { panic("oh") } },
			status: 403,
		},
		"shut down": {
			server: func(s *framer.Server) { s.Shutdown(context.Background()) },
			status: 503, body: "shutting down\n",
		},
		"closed": {
			server: func(s *framer.Server) { s.Close() },
			status: 503, body: "shutting down\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var book logBook
			s := newLines()
			s.Config.Logger = slog.New(&book)
			s.MaxConns = 1 // a refused request must not keep the place
			if test.server != nil {
				test.server(s)
			}
			var h http.Handler = s
			if test.handler != nil {
				h = test.handler(s)
			}
			var others atomic.Int32
			l := serveLines(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/other" {
					others.Add(1)
					return
				}
				h.ServeHTTP(w, r)
			}))
			request := test.request
			if request == "" {
				request = ask
			}
			for range 2 {
				var raw strings.Builder
				peer := newPeer(t, dial(t, l))
				peer.in.Reset(io.TeeReader(peer.Conn, &raw))
				writeString(t, peer, request+"GET /other HTTP/1.1\r\nHost: framer.test\r\n\r\n")
				r, body := peer.readResponse(t)
				if r.StatusCode != test.status || body != test.body {
					t.Errorf("the server answers %s: %q", r.Status, body)
				}
				if !strings.Contains(raw.String(), test.raw) {
					t.Errorf("the answer is %q, want %q in it", raw.String(), test.raw)
				}
				for field, want := range test.header {
					if got := r.Header[field]; !slices.Equal(got, want) {
						t.Errorf("%s is %q, want %q", field, got, want)
					}
				}
				if test.goesOn {
					if r, _ := peer.readResponse(t); r.StatusCode != 200 || others.Swap(0) != 1 {
						t.Errorf("then the server answers %s", r.Status)
					}
				} else if rest := readAll(t, peer); rest != "" || others.Load() != 0 {
					t.Errorf("the server goes on with %q", rest)
				}
			}
			if logs := book.find("framer: ServeHTTP failed"); len(logs) != 2*test.logs {
				t.Errorf("logged: %v", logs)
			}
		})
	}
}

// A ResponseWriter that wraps another can be upgraded if it has Hijack or Unwrap.
func TestServeHTTPWrapped(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"Unwrap": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrappedWriter{wrappedWriter{w}}, r) })
		},
		"Hijack": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(hijacker{w, func() error { return nil }, true}, r)
			})
		},
		"no buffer": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(hijacker{w, func() error { return nil }, false}, r)
			})
		},
		"MaxBytesHandler": func(h http.Handler) http.Handler { return http.MaxBytesHandler(h, 1) },
		"ServeMux": func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("GET /lines", h)
			return mux
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLines()
			l := serveLines(t, s, wrap(s))
			peer := newPeer(t, dial(t, l))
			writeString(t, peer, ask)
			peer.readSwitch(t)
			exchange(t, peer)
		})
	}
}

// At MaxConns a request is refused at once.
func TestServeHTTPMaxConns(t *testing.T) {
	s := newLines()
	s.MaxConns = 1
	s.Refuse = func(net.Conn) { t.Error("Refuse was called") }
	l := serveLines(t, s, s)
	first := newPeer(t, dial(t, l))
	writeString(t, first, ask)
	first.readSwitch(t)
	for range 3 {
		peer := newPeer(t, dial(t, l))
		writeString(t, peer, ask)
		if r, body := peer.readResponse(t); r.StatusCode != 503 || body != "too many connections\n" {
			t.Fatalf("the server answers %s: %q", r.Status, body)
		}
	}
	if got := s.Stats(); got.Accepted != 4 || got.Refused != 3 || got.Conns != 1 {
		t.Errorf("the figures are %+v", got)
	}
	exchange(t, first)

	// An upgrade that was refused or has failed has released its place.
	first.Conn.(*net.TCPConn).CloseWrite()
	readAll(t, first)
	first.Close()
	for { // the place is free a little after the connection has ended
		peer := newPeer(t, dial(t, l))
		writeString(t, peer, ask)
		if r, _ := peer.readResponse(t); r.StatusCode == 101 {
			exchange(t, peer)
			return
		}
		runtime.Gosched()
	}
}

// HTTP/2 has no upgrade.
func TestServeHTTPOverHTTP2(t *testing.T) {
	s := newLines()
	hs := &http.Server{Handler: s}
	address, config := serveBoth(t, s, hs)
	status, proto := get(t, address, config, true)
	if status != 505 || proto != 2 {
		t.Errorf("over HTTP/%d the server answers %d", proto, status)
	}
}

// The timeouts of net/http do not apply after the upgrade.
func TestServeHTTPDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLines()
		endWithTest(t, s)
		l := framertest.Listen()
		startHTTP(t, l, &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rc := http.NewResponseController(w)
				rc.SetReadDeadline(time.Now().Add(time.Second))
				rc.SetWriteDeadline(time.Now().Add(time.Second))
				s.ServeHTTP(w, r)
			}),
			ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second, IdleTimeout: 2 * time.Second,
		})
		nc, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		peer := newPeer(t, nc)
		nc.SetDeadline(time.Time{})
		writeString(t, peer, ask)
		peer.readSwitch(t)
		for range 3 {
			time.Sleep(time.Minute)
			exchange(t, peer)
		}
	})
}

// A client that never reads the answer is dropped, like any peer.
func TestServeHTTPUnreadAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLines()
		s.Config.WriteTimeout = 10 * time.Second
		s.VerifyConn = func(nc net.Conn) error {
			nc.(*framertest.Conn).HoldWrites(true)
			return nil
		}
		endWithTest(t, s)
		l := framertest.Listen()
		startHTTP(t, l, &http.Server{Handler: s})
		nc, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		writeString(t, nc, ask)
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		if n := s.Stats().Conns; n != 1 {
			t.Errorf("there are %d connections before WriteTimeout", n)
		}
		time.Sleep(10 * time.Second / 4)
		synctest.Wait()
		if n := s.Stats().Conns; n != 0 {
			t.Errorf("there are %d connections after WriteTimeout", n)
		}
	})
}

// Shutdown is called after a request was checked and before it is upgraded.
func TestServeHTTPShutdownMeanwhile(t *testing.T) {
	s := newLines()
	var w0 hijacker
	w0.before = func() error { return s.Shutdown(context.Background()) }
	l := serveLines(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(hijacker{w, w0.before, true}, r)
	}))
	peer := newPeer(t, dial(t, l))
	writeString(t, peer, ask+"line\n")
	if r, _ := peer.readResponse(t); r.StatusCode != 503 {
		t.Errorf("the server answers %s", r.Status)
	}
	if rest := readAll(t, peer); rest != "" {
		t.Errorf("then it says %q", rest)
	}
	peer.Close()
	waitForConns(t, s)
	if got := s.Stats(); got != (framer.ServerStats{}) {
		t.Errorf("the figures are %+v", got)
	}
}

// serveBoth runs hs with TLS, so that it serves HTTP and the protocol of s. It returns
// the address and a configuration for clients.
func serveBoth(t *testing.T, s *framer.Server, hs *http.Server) (address string, client *tls.Config) {
	t.Helper()
	server, client := tlsConfigs(t)
	if hs.TLSConfig == nil {
		hs.TLSConfig = server
	} else {
		hs.TLSConfig.Certificates = server.Certificates
	}
	if err := s.ConfigureHTTP(hs); err != nil {
		t.Fatal(err)
	}
	if hs.ErrorLog == nil {
		hs.ErrorLog = discardLog()
	}
	endWithTest(t, s)
	l := listen(t, "tcp", "127.0.0.1:0")
	served := make(chan error)
	go func() { served <- hs.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		hs.Close()
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("net/http: ServeTLS returned %v", err)
		}
	})
	return l.Addr().String(), client
}

// get sends a request for "/". It uses HTTP/2 if http2 is true and the server accepts it.
func get(t *testing.T, address string, config *tls.Config, http2 bool) (status, proto int) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: http2}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: watchdog}
	r, err := client.Get("https://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode, r.ProtoMajor
}

// dialALPN connects and offers the protocols.
func dialALPN(t *testing.T, address string, config *tls.Config, protocols ...string) (*tls.Conn, error) {
	config = config.Clone()
	config.NextProtos = protocols
	nc, err := tls.Dial("tcp", address, config)
	if err == nil {
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(watchdog))
	}
	return nc, err
}

// One port serves HTTP/1.1, HTTP/2 and the protocol of a Server.
func TestConfigureHTTP(t *testing.T) {
	type nameKey struct{}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			var mu sync.Mutex
			var states []framer.ConnState
			s := newLines()
			s.ConnState = func(_ *framer.Conn, state framer.ConnState) {
				mu.Lock()
				defer mu.Unlock()
				states = append(states, state)
			}
			newHandler := s.NewHandler
			s.NewHandler = func(c *framer.Conn) framer.Handler {
				fmt.Fprintf(c, "%v\n", c.Context().Value(nameKey{}))
				return newHandler(c)
			}
			s.VerifyConn = func(nc net.Conn) error {
				if !nc.(*tls.Conn).ConnectionState().HandshakeComplete {
					t.Error("the handshake is not complete")
				}
				return nil
			}
			given := new(tls.Config)
			hs := &http.Server{
				Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}),
				TLSConfig: given,
				ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
					return context.WithValue(ctx, nameKey{}, "framer")
				},
			}
			address, config := serveBoth(t, s, hs)
			if len(given.NextProtos) != 0 || hs.TLSConfig == given {
				t.Error("the TLSConfig of the user was changed")
			}
			config.MaxVersion = version
			nc, err := dialALPN(t, address, config, "h2", "lines/1", "http/1.1")
			if err != nil {
				t.Fatal(err)
			}
			if got := nc.ConnectionState().NegotiatedProtocol; got != "lines/1" {
				t.Errorf("the protocol is %q", got)
			}
			readString(t, nc, "framer\n")
			writeString(t, nc, "one\ntwo\n")
			nc.CloseWrite()
			if got := readAll(t, nc); got != "one\ntwo\n" {
				t.Errorf("the peer reads %q", got)
			}
			for http2, want := range map[bool]int{false: 1, true: 2} {
				if status, proto := get(t, address, config, http2); status != 200 || proto != want {
					t.Errorf("HTTP/%d answers %d", proto, status)
				}
			}
			if nc, err := dialALPN(t, address, config); err != nil || nc.ConnectionState().NegotiatedProtocol != "" {
				t.Errorf("without ALPN: %v", err)
			}
			if _, err := dialALPN(t, address, config, "other"); err == nil {
				t.Error("another protocol is accepted")
			}
			waitForConns(t, s)
			mu.Lock()
			defer mu.Unlock()
			want := []framer.ConnState{framer.StateNew, framer.StateActive, framer.StateClosing, framer.StateClosed}
			if !slices.Equal(states, want) {
				t.Errorf("the states were %v, want %v", states, want)
			}
		})
	}
}

// ConfigureHTTP leaves HTTP/2 on if it was on, and off if it was off.
func TestConfigureHTTPKeepsProtocols(t *testing.T) {
	set := func(set ...func(*http.Protocols, bool)) *http.Protocols {
		p := new(http.Protocols)
		for _, set := range set {
			set(p, true)
		}
		return p
	}
	http1, http2 := (*http.Protocols).SetHTTP1, (*http.Protocols).SetHTTP2
	for name, hs := range map[string]*http.Server{
		"zero":                 {},
		"TLSConfig":            {TLSConfig: &tls.Config{NextProtos: []string{"http/1.1"}}},
		"empty TLSNextProto":   {TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}},
		"other TLSNextProto":   {TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){"x": nil}},
		"both Protocols":       {Protocols: set(http1, http2), TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}},
		"Protocols of HTTP/1":  {Protocols: set(http1)},
		"Protocols of HTTP/2":  {Protocols: set(http2)},
		"HTTP/2 in NextProtos": {TLSConfig: &tls.Config{NextProtos: []string{"h2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			// First, what net/http does with hs by itself.
			server, client := tlsConfigs(t)
			var offered bool // whether TLSConfig offers HTTP/2, for programs that make the listener
			negotiate := func(configured bool) (protos []string) {
				own := &http.Server{TLSNextProto: maps.Clone(hs.TLSNextProto), Protocols: hs.Protocols, TLSConfig: hs.TLSConfig.Clone()}
				if own.TLSConfig == nil {
					own.TLSConfig = new(tls.Config)
				}
				own.TLSConfig.Certificates = server.Certificates
				own.ErrorLog = discardLog()
				s := newLines()
				if configured {
					if hs.TLSConfig == nil {
						own.TLSConfig = nil
					}
					given := own.TLSNextProto
					if err := s.ConfigureHTTP(own); err != nil {
						t.Fatal(err)
					}
					if given["lines/1"] != nil {
						t.Error("the map of the user was changed")
					}
					offered = slices.Contains(own.TLSConfig.NextProtos, "h2")
					own.TLSConfig.Certificates = server.Certificates
				}
				l := listen(t, "tcp", "127.0.0.1:0")
				served := make(chan struct{})
				go func() {
					defer close(served)
					own.ServeTLS(l, "", "")
				}()
				defer func() {
					own.Close()
					<-served
				}()
				for _, offer := range []string{"h2", "http/1.1"} {
					nc, err := dialALPN(t, l.Addr().String(), client, offer)
					got := "-"
					if err == nil {
						got = nc.ConnectionState().NegotiatedProtocol
						if got == "h2" { // HTTP/2 was negotiated; see if it is served, too
							if _, err := nc.Read(make([]byte, 1)); err != nil {
								got = "dead"
							}
						}
						nc.Close()
					}
					protos = append(protos, got)
				}
				if nc, err := dialALPN(t, l.Addr().String(), client, "lines/1"); configured {
					if err != nil {
						t.Fatal(err)
					}
					exchange(t, nc)
					nc.Close()
					waitForConns(t, s)
				}
				return protos
			}
			before, after := negotiate(false), negotiate(true)
			if !slices.Equal(before, after) {
				t.Errorf("the answers to offers of h2 and http/1.1 are %q, were %q", after, before)
			}
			if offered && before[0] == "-" && name != "HTTP/2 in NextProtos" {
				t.Error("HTTP/2 is in NextProtos, and was off")
			}
		})
	}
}

// A program may be started without HTTP/2.
func TestConfigureHTTPWithoutHTTP2(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), executable, "-test.run=^TestConfigureHTTPKeepsProtocols$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=http2server=0")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestConfigureHTTPKeepsProtocols/zero") {
		t.Errorf("%v\n%s", err, out)
	}
}

// When the base context of net/http ends, the connections by ALPN end.
func TestTLSNextProtoContext(t *testing.T) {
	s := newLines()
	base, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	s.NewHandler = func(c *framer.Conn) framer.Handler {
		c.Push([]byte("hello\n"))
		return &script{Conn: c, t: t, onClose: func(err error) { ended <- err }}
	}
	address, config := serveBoth(t, s, &http.Server{BaseContext: func(net.Listener) context.Context { return base }})
	nc, err := dialALPN(t, address, config, "lines/1")
	if err != nil {
		t.Fatal(err)
	}
	readString(t, nc, "hello\n")
	why := errors.New("power failure")
	cancel(why)
	if err := <-ended; err != why {
		t.Errorf("the connection has ended with %v", err)
	}
	nc.Close()
}

// The user makes the TLS listener from TLSConfig, as httptest does.
func TestConfigureHTTPOwnListener(t *testing.T) {
	s := newLines()
	hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})}
	if err := s.ConfigureHTTP(hs); err != nil {
		t.Fatal(err)
	}
	server, client := tlsConfigs(t)
	hs.TLSConfig.Certificates = server.Certificates
	endWithTest(t, s)
	l := listen(t, "tcp", "127.0.0.1:0")
	startHTTP(t, tls.NewListener(l, hs.TLSConfig), hs)
	for http2, want := range map[bool]int{false: 1, true: 2} {
		if status, proto := get(t, l.Addr().String(), client, http2); status != 200 || proto != want {
			t.Errorf("HTTP/%d answers %d", proto, status)
		}
	}
	nc, err := dialALPN(t, l.Addr().String(), client, "lines/1")
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, nc)
}

func TestConfigureHTTPRefuses(t *testing.T) {
	for _, protocol := range []string{"", "h2", "http/1.1", strings.Repeat("x", 256)} {
		s := newLines()
		s.Protocol = protocol
		if err := s.ConfigureHTTP(new(http.Server)); err == nil {
			t.Errorf("the protocol %q is accepted", protocol)
		}
	}
	s := newLines()
	s.NewHandler = nil
	if err := s.ConfigureHTTP(new(http.Server)); err == nil {
		t.Error("a Server without NewHandler is accepted")
	}
	hs := new(http.Server)
	if err := newLines().ConfigureHTTP(hs); err != nil {
		t.Fatal(err)
	}
	if err := newLines().ConfigureHTTP(hs); err == nil {
		t.Error("a protocol is accepted twice")
	}
	other := newLines()
	other.Protocol = "lines/2"
	if err := other.ConfigureHTTP(hs); err != nil {
		t.Errorf("a second protocol: %v", err)
	}
	if want := []string{"lines/2", "lines/1", "h2", "http/1.1"}; !slices.Equal(hs.TLSConfig.NextProtos, want) {
		t.Errorf("offered are %q, want %q", hs.TLSConfig.NextProtos, want)
	}
}

// At MaxConns TLSNextProto does not wait.
func TestTLSNextProtoMaxConns(t *testing.T) {
	for _, polite := range []bool{false, true} {
		t.Run(fmt.Sprintf("Refuse=%v", polite), func(t *testing.T) {
			const refused = 70 // more than the number of calls of Refuse that may run at once
			s := newLines()
			s.MaxConns = 1
			want := ""
			if polite {
				want = "too many\n"
				s.Refuse = func(nc net.Conn) { io.WriteString(nc, want) }
			}
			address, config := serveBoth(t, s, new(http.Server))
			first, err := dialALPN(t, address, config, "lines/1")
			if err != nil {
				t.Fatal(err)
			}
			exchange(t, first)
			for range refused {
				nc, err := dialALPN(t, address, config, "lines/1")
				if err != nil {
					t.Fatal(err)
				}
				if got := readAll(t, nc); got != want {
					t.Errorf("the peer reads %q", got)
				}
				nc.Close()
			}
			exchange(t, first)
			if got := s.Stats(); got.Refused != refused || got.Accepted != 1+refused {
				t.Errorf("the figures are %+v", got)
			}
		})
	}
}

// The Shutdown of net/http begins the Shutdown of the Server. It returns when the
// connections by ALPN have ended. It does not wait for the upgraded ones, of which it
// does not know.
func TestConfigureHTTPShutdown(t *testing.T) {
	s := newLines()
	hold := make(chan struct{})
	s.NewHandler = func(c *framer.Conn) framer.Handler {
		return &farewellLine{Conn: c, hold: hold}
	}
	hs := &http.Server{Handler: s}
	address, config := serveBoth(t, s, hs)
	agreed, err := dialALPN(t, address, config, "lines/1")
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, agreed)
	nc, err := dialALPN(t, address, config, "http/1.1")
	if err != nil {
		t.Fatal(err)
	}
	upgraded := newPeer(t, nc)
	writeString(t, upgraded, ask)
	upgraded.readSwitch(t)
	exchange(t, upgraded)

	ctx, cancel := context.WithTimeout(context.Background(), watchdog)
	defer cancel()
	shut := make(chan error)
	go func() { shut <- hs.Shutdown(ctx) }()
	readString(t, agreed, "bye\n") // both peers get the line before any connection ends
	readString(t, upgraded, "bye\n")
	select {
	case err := <-shut:
		t.Errorf("net/http's Shutdown has returned %v before the connection by ALPN has ended", err)
	default:
	}
	agreed.Close()
	if err := <-shut; err != nil {
		t.Errorf("net/http's Shutdown: %v", err)
	}
	if n := s.Stats().Conns; n != 1 {
		t.Errorf("%d connections are left, want the one that was upgraded", n)
	}
	upgraded.Close()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// A farewellLine is an echo that says goodbye in a shutdown and stays until its peer has
// gone.
type farewellLine struct {
	*framer.Conn
	framer.Collector
	hold chan struct{}
}

func (h *farewellLine) HandleConnect() error { return h.SetTerminator(framer.Delimiter("\n")) }

func (h *farewellLine) FoundTerminator() error { return h.Push(append(h.Take(), '\n')) }

func (h *farewellLine) HandleShutdown() error {
	h.Push([]byte("bye\n"))
	return framer.ErrStayOpen
}

// If both servers are shut down in the documented way, the context limits both.
func TestConfigureHTTPShutdownOutOfTime(t *testing.T) {
	s := newLines()
	s.NewHandler = func(c *framer.Conn) framer.Handler { return &farewellLine{Conn: c} }
	hs := &http.Server{Handler: s}
	address, config := serveBoth(t, s, hs)
	agreed, err := dialALPN(t, address, config, "lines/1")
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, agreed)
	ctx, cancel := context.WithCancel(context.Background())
	shut := make(chan error)
	go func() {
		err := hs.Shutdown(ctx)
		shut <- errors.Join(err, s.Shutdown(ctx))
	}()
	readString(t, agreed, "bye\n")
	cancel()
	if err := <-shut; !errors.Is(err, context.Canceled) {
		t.Errorf("the Shutdowns return %v", err)
	}
	if _, err := agreed.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
}

// Close of net/http ends the connections by ALPN and no others.
func TestConfigureHTTPClose(t *testing.T) {
	s := newLines()
	hs := &http.Server{Handler: s}
	address, config := serveBoth(t, s, hs)
	agreed, err := dialALPN(t, address, config, "lines/1")
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, agreed)
	nc, err := dialALPN(t, address, config)
	if err != nil {
		t.Fatal(err)
	}
	upgraded := newPeer(t, nc)
	writeString(t, upgraded, ask)
	upgraded.readSwitch(t)
	hs.Close()
	io.Copy(io.Discard, agreed)
	exchange(t, upgraded)
	s.Close()
	io.Copy(io.Discard, upgraded)
}

// Whenever the servers are shut down, every client gets either a correct answer or none.
// No connection is left.
func TestHTTPShutdownAtAnyMoment(t *testing.T) {
	const clients = 8
	for round := range 60 {
		s := newLines()
		hs := &http.Server{Handler: s, ErrorLog: discardLog()}
		server, config := tlsConfigs(t)
		hs.TLSConfig = server
		if err := s.ConfigureHTTP(hs); err != nil {
			t.Fatal(err)
		}
		l := listen(t, "tcp", "127.0.0.1:0")
		served := make(chan error)
		go func() { served <- hs.ServeTLS(l, "", "") }()

		var all sync.WaitGroup
		answered := make(chan struct{}, 2*clients)
		for i := range 2 * clients {
			all.Go(func() {
				defer func() { answered <- struct{}{} }()
				visit(t, l.Addr().String(), config, i%2 == 0)
			})
		}
		for range round % clients {
			<-answered
		}
		ctx, cancel := context.WithTimeout(context.Background(), watchdog)
		shutdowns := []func(context.Context) error{hs.Shutdown, s.Shutdown}
		if round%3 == 0 {
			slices.Reverse(shutdowns)
		}
		for _, shutdown := range shutdowns {
			if err := shutdown(ctx); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}
		cancel()
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("ServeTLS returned %v", err)
		}
		all.Wait()
		if n := s.Stats().Conns; n != 0 {
			t.Errorf("%d connections are left", n)
		}
	}
}

// visit sends a line and ends its side. It fails the test unless it gets the answer, or a
// refusal of the connection, or a network error.
func visit(t *testing.T, address string, config *tls.Config, byALPN bool) {
	config = config.Clone()
	if byALPN {
		config.NextProtos = []string{"lines/1"}
	}
	nc, err := tls.Dial("tcp", address, config)
	if err != nil {
		return
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(watchdog))
	peer := peerConn{nc, bufio.NewReader(nc)}
	if !byALPN {
		io.WriteString(nc, ask+"line\n")
		nc.CloseWrite()
		r, err := http.ReadResponse(peer.in, nil)
		if err != nil {
			return
		}
		if r.StatusCode == 503 {
			return
		}
		if r.StatusCode != 101 {
			t.Errorf("the server answers %s", r.Status)
			return
		}
	} else {
		io.WriteString(nc, "line\n")
		nc.CloseWrite()
	}
	got, err := io.ReadAll(peer)
	switch {
	case string(got) == "line\n" && err == nil:
	case byALPN && len(got) == 0: // the server has closed it before it was served
	case err == nil || !errors.As(err, new(net.Error)):
		t.Errorf("ALPN %v: the peer reads %q, %v", byALPN, got, err)
	}
}

// maxContexts is how many bytes the contexts of net/http may take; they hold the values
// of the request. It is a little more than they need. A request with its buffers takes
// more than ten times as much.
const maxContexts = 900

// An upgraded connection takes as much memory as an accepted one, and the contexts of its
// request. Nothing else of the request is kept.
func TestServeHTTPMemory(t *testing.T) {
	if underRace || testing.Short() {
		t.Skip("not with the race detector")
	}
	direct, upgraded := 0, 0
	const rounds = 2
	for round := range 1 + rounds {
		if round == 1 { // round 0 does not count: in it, the runtime allocates what it keeps for goroutines
			direct, upgraded = 0, 0
		}
		direct += memoryPerConn(t, "", func(l net.Listener) func() {
			s := newLines()
			served := make(chan error)
			go func() { served <- s.Serve(l) }()
			return func() {
				s.Close()
				<-served
			}
		})
		upgraded += memoryPerConn(t, ask, func(l net.Listener) func() {
			s := newLines()
			hs := &http.Server{Handler: s, ErrorLog: discardLog()}
			served := make(chan error)
			go func() { served <- hs.Serve(l) }()
			return func() {
				hs.Close()
				<-served
				s.Close()
				s.Shutdown(context.Background())
			}
		})
	}
	t.Logf("bytes of a connection that was accepted: %d, upgraded: %d", direct/rounds, upgraded/rounds)
	if upgraded/rounds > direct/rounds+maxContexts {
		t.Errorf("an upgraded connection takes %d bytes, one that was accepted %d", upgraded/rounds, direct/rounds)
	}
}

// memoryPerConn returns how much memory the server uses for one connection that has
// answered a line and is silent now.
func memoryPerConn(t *testing.T, request string, serve func(net.Listener) (end func())) int {
	const conns = 2000
	l := listen(t, "tcp", "127.0.0.1:0")
	gate := &gateListener{Listener: l, open: make(chan struct{})}
	end := serve(gate)
	defer end()
	var peers []net.Conn
	defer func() {
		for _, peer := range peers {
			peer.Close()
		}
	}()
	for range conns {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			if errors.Is(err, syscall.EMFILE) {
				t.Skip(err)
			}
			t.Fatal(err)
		}
		peers = append(peers, nc)
	}
	before, goroutines := memoryInUse(), runtime.NumGoroutine()
	close(gate.open)
	for _, peer := range peers {
		writeString(t, peer, request+"line\n")
		in := make([]byte, 1<<10)
		for n := 0; !strings.HasSuffix(string(in[:n]), "line\n"); {
			m, err := peer.Read(in[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
	}
	for runtime.NumGoroutine() > goroutines+conns { // wait until goroutines of net/http, and writers, have ended
		runtime.Gosched()
	}
	after := memoryInUse()
	return int(after-before) / conns
}

// memoryInUse returns how many bytes objects and stacks take.
func memoryInUse() int64 {
	for range 3 { // the second run empties the pools, and stacks shrink
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// A gateListener accepts nothing until open is closed.
type gateListener struct {
	net.Listener
	open chan struct{}
}

func (l *gateListener) Accept() (net.Conn, error) {
	<-l.open
	return l.Listener.Accept()
}
