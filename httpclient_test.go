// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// receiveLines returns a newHandler function. Its handlers send the lines that come to
// the channel.
func receiveLines(lines chan<- string) func(*framer.Conn) framer.Handler {
	return framer.Messages(framer.Delimiter("\n"), func(_ *framer.Conn, msg []byte) error {
		lines <- string(msg)
		return nil
	})
}

// next returns the next line.
func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line := <-lines:
		return line
	case <-time.After(watchdog):
		t.Fatal("no line comes")
	}
	return ""
}

// quiet is a Config for clients.
func quiet() *framer.Config { return &framer.Config{Logger: discardLogger()} }

// DialHTTP works with a Server of this package, also with one that speaks first.
func TestDialHTTP(t *testing.T) {
	s := newLines()
	newHandler := s.NewHandler
	s.NewHandler = func(c *framer.Conn) framer.Handler {
		c.Push([]byte("welcome\n")) // sent together with the answer 101
		return newHandler(c)
	}
	mux := http.NewServeMux()
	mux.Handle("/lines", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "s3cret" || r.URL.RawQuery != "x=y" {
			t.Errorf("the request has user %q, password %q, query %q", user, password, r.URL.RawQuery)
		}
		s.ServeHTTP(w, r)
	}))
	l := serveLines(t, s, mux)

	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), userKey{}, "Ann"))
	lines := make(chan string, 10)
	c, err := framer.DialHTTP(ctx, "http://ann:s3cret@"+l.Addr().String()+"/lines?x=y#z", "Lines/1", receiveLines(lines), quiet())
	if err != nil {
		t.Fatal(err)
	}
	cancel() // ctx was for the connecting only
	defer c.Wait()
	defer c.Close()
	if line := next(t, lines); line != "welcome" {
		t.Errorf("the first line is %q", line)
	}
	c.Push([]byte("one\ntwo\n"))
	for _, want := range []string{"one", "two"} {
		if line := next(t, lines); line != want {
			t.Errorf("the line is %q, want %q", line, want)
		}
	}
	if got := c.Context().Value(userKey{}); got != "Ann" {
		t.Errorf("the context has %v", got)
	}
	c.CloseWhenDone()
	if err := c.Wait(); err != nil {
		t.Errorf("Wait returned %v", err)
	}
}

// fakeServer answers one request with text. It returns its URL.
func fakeServer(t *testing.T, text string) string {
	l := listen(t, "tcp", "127.0.0.1:0")
	served := make(chan struct{})
	go func() {
		defer close(served)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		peer := newPeer(t, nc)
		r, err := http.ReadRequest(peer.in)
		if err != nil {
			t.Error(err)
			return
		}
		if r.Method != "GET" || r.Header.Get("Upgrade") != "lines/1" || r.Header.Get("Connection") != "Upgrade" || r.URL.Path != "/lines" {
			t.Errorf("the request is %v", r)
		}
		io.WriteString(nc, text)
		nc.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, peer)
	}()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	return "http://" + l.Addr().String() + "/lines"
}

const agree = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines/1\r\n\r\n"

// These answers are accepted, and the bytes after them are the input.
func TestDialHTTPAnswers(t *testing.T) {
	for name, text := range map[string]string{
		"plain":         agree,
		"lists":         "HTTP/1.1 101 x\r\nConnection: keep-alive, UPGRADE\r\nUpgrade: LINES/1\r\n\r\n",
		"informational": "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + agree,
		"a length":      "HTTP/1.1 101 x\r\nContent-Length: 7\r\nConnection: Upgrade\r\nUpgrade: lines/1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			big := strings.Repeat("x", 100_000)
			lines := make(chan string, 10)
			c, err := framer.DialHTTP(t.Context(), fakeServer(t, text+"one\n"+big+"\ntwo\n"), "lines/1", receiveLines(lines), quiet())
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"one", big, "two"} {
				if line := next(t, lines); line != want {
					t.Errorf("the line is %.20q, want %.20q", line, want)
				}
			}
			if err := c.Wait(); err != nil {
				t.Errorf("Wait returned %v", err)
			}
		})
	}
}

// These answers are refused. DialHTTP returns no Conn, and keeps only a limited part of
// the answer.
func TestDialHTTPRefused(t *testing.T) {
	for name, test := range map[string]struct {
		text   string
		want   string // part of the error's text
		status int    // that of the UpgradeError, or 0 if the error is not one
	}{
		"not found":        {text: "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\noh no", want: `404 Not Found: "oh no"`, status: 404},
		"no body":          {text: "HTTP/1.1 204 No Content\r\n\r\n", want: "204 No Content", status: 204},
		"redirection":      {text: "HTTP/1.1 301 x\r\nLocation: http://framer.test/\r\nContent-Length: 0\r\n\r\n", want: "301 Moved Permanently", status: 301},
		"long body":        {text: "HTTP/1.1 503 x\r\n\r\n" + strings.Repeat("x", 100_000), want: strings.Repeat("x", 1024) + `"`, status: 503},
		"cut body":         {text: "HTTP/1.1 500 x\r\nContent-Length: 9\r\n\r\noh no", want: `"oh no"`, status: 500},
		"control bytes":    {text: "HTTP/1.1 500 \x1b[0m\r\nContent-Length: 4\r\n\r\n\x1b[0m", want: `500 Internal Server Error: "\x1b[0m"`, status: 500},
		"other protocol":   {text: strings.Replace(agree, "lines/1", "lines/2", 1), want: `the server switches to ["lines/2"]`},
		"two protocols":    {text: strings.Replace(agree, "lines/1", "TLS/1.0, lines/1", 1), want: `the server switches to ["TLS/1.0" "lines/1"]`},
		"one too many":     {text: strings.Replace(agree, "lines/1", "lines/1, x", 1), want: `the server switches to ["lines/1" "x"]`},
		"no Upgrade":       {text: strings.Replace(agree, "Upgrade: lines/1\r\n", "", 1), want: "the server switches to []"},
		"no Connection":    {text: strings.Replace(agree, "Connection: Upgrade\r\n", "", 1), want: "without Connection: Upgrade"},
		"no HTTP":          {text: "220 mail.framer.test ESMTP\r\n", want: "malformed HTTP"},
		"nothing":          {text: "", want: io.ErrUnexpectedEOF.Error()},
		"cut":              {text: agree[:len(agree)-2], want: io.ErrUnexpectedEOF.Error()},
		"endless fields":   {text: "HTTP/1.1 101 x\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 100), want: "more than 65536 bytes"},
		"endless line":     {text: "HTTP/1.1 101 " + strings.Repeat("y", 100_000), want: "more than 65536 bytes"},
		"endless interims": {text: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 6) + agree, want: "more than 5 informational answers"},
	} {
		t.Run(name, func(t *testing.T) {
			newHandler := func(*framer.Conn) framer.Handler {
				t.Error("there is a handler")
				return nil
			}
			c, err := framer.DialHTTP(t.Context(), fakeServer(t, test.text), "lines/1", newHandler, quiet())
			if c != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("DialHTTP returned %v and %v, want %q in it", c, err, test.want)
			}
			var refused *framer.UpgradeError
			if errors.As(err, &refused) != (test.status != 0) || refused != nil && refused.StatusCode != test.status {
				t.Errorf("the error is %#v, want the status %d", err, test.status)
			}
			if refused != nil && len(refused.Body) > 1<<10 {
				t.Errorf("the error has %d bytes of the body", len(refused.Body))
			}
			if !strings.HasPrefix(err.Error(), "framer: ") || strings.Count(err.Error(), "framer: ") != 1 {
				t.Errorf("the error is %q", err)
			}
		})
	}
}

// A client learns the status with which a Server has refused it.
func TestDialHTTPRefusedByServer(t *testing.T) {
	s := newLines()
	l := serveLines(t, s, s)
	_, err := framer.DialHTTP(t.Context(), "http://"+l.Addr().String(), "lines/2", s.NewHandler, quiet())
	var refused *framer.UpgradeError
	if !errors.As(err, &refused) || refused.StatusCode != 426 || refused.Header.Get("Upgrade") != "lines/1" {
		t.Errorf("DialHTTP returned %v", err)
	}
}

// Arguments that make no sense are refused. The error does not show the password.
func TestDialHTTPArguments(t *testing.T) {
	for _, test := range []struct{ url, protocol string }{
		{"ftp://u:s3cret@127.0.0.1", "lines/1"},
		{"127.0.0.1:80", "lines/1"},
		{"http://", "lines/1"},
		{"http://u:s3cret@127.0.0.1:x/", "lines/1"},
		{"http://u:s3cret@%zz/", "lines/1"},
		{"http://u:s3cret@127.0.0.1:1/\x00", "lines/1"},
		{"http://u:s3cret@127.0.0.1:1/", ""},
		{"http://u:s3cret@127.0.0.1:1/", "lines/1\r\nX: y"},
		{"http://u:s3cret@127.0.0.1:1/", "lines/1/2"},
		{"http://u:s3cret@127.0.0.1:1/", "a, b"},
	} {
		c, err := framer.DialHTTP(t.Context(), test.url, test.protocol, nil, nil)
		if c != nil || err == nil || strings.Contains(err.Error(), "s3cret") || !strings.HasPrefix(err.Error(), "framer: ") {
			t.Errorf("%q, %q: %v, %v", test.url, test.protocol, c, err)
		}
	}
	nc, peer := tcpPair(t)
	defer peer.Close()
	r, err := http.NewRequest("GET", "http://framer.test", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := framer.UpgradeHTTP(nc, r, "lines/1", newLines().NewHandler, quiet()); err == nil {
		t.Error("a request with a body is accepted")
	}
	if got := readAll(t, peer); got != "" {
		t.Errorf("the peer reads %q", got)
	}
}

// If a server does not answer, or answers too slowly, UpgradeHTTP waits until ctx ends or
// HandshakeTimeout is over.
func TestUpgradeHTTPTimeout(t *testing.T) {
	for name, test := range map[string]struct {
		answer  string
		timeout time.Duration
		context time.Duration
		want    time.Duration
		status  int
	}{
		"default":        {want: 10 * time.Second},
		"set":            {timeout: time.Second, want: time.Second},
		"off":            {timeout: -1, context: time.Hour, want: time.Hour},
		"context":        {context: 3 * time.Second, want: 3 * time.Second},
		"in the answer":  {answer: agree[:20], want: 10 * time.Second},
		"in the refusal": {answer: "HTTP/1.1 500 x\r\n\r\noh", want: 10 * time.Second, status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := framertest.Pipe()
				defer peer.Close()
				ctx, cancel := context.Background(), context.CancelFunc(func() {})
				if test.context > 0 {
					ctx, cancel = context.WithTimeout(ctx, test.context)
				}
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, "GET", "http://framer.test/", nil)
				if err != nil {
					t.Fatal(err)
				}
				writeString(t, peer, test.answer)
				start := time.Now()
				_, err = framer.UpgradeHTTP(nc, r, "lines/1", nil, &framer.Config{HandshakeTimeout: test.timeout})
				if got := time.Since(start); got != test.want {
					t.Errorf("UpgradeHTTP returned after %v, want %v", got, test.want)
				}
				var refused *framer.UpgradeError
				switch {
				case test.status == 0 && test.context > 0 && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("the error is %v", err)
				case test.status == 0 && test.context == 0 && (!isHandshakeTimeout(err) || !strings.Contains(err.Error(), "HandshakeTimeout")):
					t.Errorf("the error is %v", err)
				case test.status != 0 && (!errors.As(err, &refused) || string(refused.Body) != "oh"):
					t.Errorf("the error is %v", err)
				}
			})
		})
	}
}

// Cancelling the context ends the wait.
func TestDialHTTPCancelled(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	defer l.Close()
	for _, scheme := range []string{"http", "https"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("changed my mind")
		go func() {
			nc, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			nc.Read(make([]byte, 1))
			cancel(why)
			io.Copy(io.Discard, nc)
			nc.Close()
		}()
		_, err := framer.DialHTTP(ctx, scheme+"://"+l.Addr().String(), "lines/1", nil, quiet())
		if !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// A request that was not made by http.NewRequest lacks fields that it would have set.
func TestUpgradeHTTPBareRequest(t *testing.T) {
	nc, peer := framertest.Pipe()
	defer peer.Close()
	writeString(t, peer, agree)
	r := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: "framer.test", Path: "/"}}
	c, err := framer.UpgradeHTTP(nc, r, "lines/1", newEcho, quiet())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Wait()
}

// UpgradeHTTP works on a connection that the program has made: a Unix socket, or TLS with
// other roots.
func TestUpgradeHTTP(t *testing.T) {
	server, client := tlsConfigs(t)
	for name, test := range map[string]struct {
		network, address string
		wrap             func(net.Conn) net.Conn
		listen           func(net.Listener) net.Listener
	}{
		"unix": {"unix", filepath.Join(t.TempDir(), "socket"), func(nc net.Conn) net.Conn { return nc }, func(l net.Listener) net.Listener { return l }},
		"tls": {"tcp", "127.0.0.1:0", func(nc net.Conn) net.Conn { return tls.Client(nc, client) },
			func(l net.Listener) net.Listener { return tls.NewListener(l, server) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLines()
			endWithTest(t, s)
			l := listen(t, test.network, test.address)
			startHTTP(t, test.listen(l), &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Authorization"); got != "Bearer xyz" {
					t.Errorf("the authorization is %q", got)
				}
				s.ServeHTTP(w, r)
			})})
			r, err := http.NewRequestWithContext(t.Context(), "GET", "http://framer.test/lines", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer xyz")
			lines := make(chan string, 1)
			c, err := framer.UpgradeHTTP(test.wrap(dial(t, l)), r, "lines/1", receiveLines(lines), quiet())
			if err != nil {
				t.Fatal(err)
			}
			if r.Header.Get("Upgrade") != "" {
				t.Error("the request was changed")
			}
			c.Push([]byte("one\n"))
			if line := next(t, lines); line != "one" {
				t.Errorf("the line is %q", line)
			}
			c.CloseWhenDone()
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// With https, the server must have a certificate that the system trusts. HTTP/2 is not
// offered.
func TestDialHTTPS(t *testing.T) {
	const variable = "FRAMER_TEST_URL"
	if url := os.Getenv(variable); url != "" { // this process was started by the code below
		lines := make(chan string, 1)
		c, err := framer.DialHTTP(t.Context(), url, "lines/1", receiveLines(lines), quiet())
		if err != nil {
			t.Fatal(err)
		}
		c.Push([]byte("one\n"))
		fmt.Println("answered:", next(t, lines))
		c.CloseWhenDone()
		c.Wait()
		os.Exit(0) // TestMain's check is for the parent process
	}

	s := newLines()
	endWithTest(t, s)
	hs := httptest.NewUnstartedServer(s)
	hs.EnableHTTP2 = true
	hs.Config.ErrorLog = discardLog()
	hs.StartTLS()
	defer hs.Close()
	_, err := framer.DialHTTP(t.Context(), hs.URL, "lines/1", s.NewHandler, quiet())
	if unknown := (*tls.CertificateVerificationError)(nil); !errors.As(err, &unknown) {
		t.Errorf("a server that nobody knows: %v", err)
	}

	if runtime.GOOS != "linux" {
		t.Skip("SSL_CERT_FILE is for Linux")
	}
	certFile, _ := writeCertificate(t, hs.TLS)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), executable, "-test.run=^TestDialHTTPS$", "-test.v")
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+certFile, variable+"="+hs.URL)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "answered: one\n") {
		t.Errorf("with the certificate known: %v\n%s", err, out)
	}
}

func isHandshakeTimeout(err error) bool {
	timeout, ok := errors.AsType[*framer.TimeoutError](err)
	return ok && timeout.Reason == framer.EndHandshakeTimeout
}
