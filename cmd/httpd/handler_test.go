// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
)

// small is what the file small.txt of a test site has.
const small = "hello, world\n"

// testOptions are small limits, and no timeouts.
func testOptions() *options {
	return &options{maxHeader: 4 << 10, maxBody: 64 << 10}
}

// newSite makes a directory to serve, beside a file that must not be served.
func newSite(t testing.TB) (*os.Root, string) {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "site")
	files := map[string]string{
		"secret.txt":                "secret",
		"site/small.txt":            small,
		"site/noext":                "<html>sniffed",
		"site/sub/a <b>&c.txt":      "odd",
		"site/withindex/index.html": "<p>index",
	}
	for name, content := range files {
		name = filepath.Join(top, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

// startServer serves a test site on a loopback socket until the test ends.
func startServer(t *testing.T, o *options) (server *framer.Server, addr, dir string) {
	t.Helper()
	root, dir := newSite(t)
	server = newServer(o, root, io.Discard)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; err != framer.ErrServerClosed {
			t.Errorf("Serve returned %v, want ErrServerClosed", err)
		}
	})
	return server, l.Addr().String(), dir
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute)) // so that a fault does not hang the test
	return nc.(*net.TCPConn)
}

// An answer is what a test looks at in a response.
type answer struct {
	*http.Response
	body string
}

// readAnswers reads responses up to the end of r. methods are those of the
// requests; the rest are like GET.
func readAnswers(r io.Reader, methods ...string) ([]answer, error) {
	var answers []answer
	buf := bufio.NewReader(r)
	for {
		if _, err := buf.Peek(1); err == io.EOF {
			return answers, nil
		}
		req := &http.Request{Method: http.MethodGet}
		if len(methods) > 0 {
			req.Method = methods[0]
		}
		res, err := http.ReadResponse(buf, req)
		if err != nil {
			return answers, err
		}
		if res.StatusCode != http.StatusContinue && len(methods) > 0 {
			methods = methods[1:]
		}
		body, err := io.ReadAll(res.Body)
		answers = append(answers, answer{res, string(body)})
		if err != nil {
			return answers, err
		}
	}
}

func statuses(answers []answer) []int {
	var all []int
	for _, a := range answers {
		all = append(all, a.StatusCode)
	}
	return all
}

const (
	get = "GET /small.txt HTTP/1.1\r\nHost: x\r\n"
	put = "POST /echo HTTP/1.1\r\nHost: x\r\n"

	// probe follows every request of the table. It is answered if, and only if,
	// the server is certain of where it begins.
	probe = "GET /noext HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"
)

// requestTests are raw requests. The last of the statuses is that of the probe if
// the connection is to stay open.
var requestTests = []struct {
	name, raw string
	want      []int
}{
	{"get", get + "\r\n", []int{200, 200}},
	{"empty line before", "\r\n" + get + "\r\n", []int{200, 200}},
	{"two empty lines before", "\r\n\r\n" + get + "\r\n", []int{400}},
	{"get with body", get + "Content-Length: 3\r\n\r\nGET", []int{200, 200}},
	{"pipelined", get + "\r\n" + put + "Content-Length: 2\r\n\r\nab" + get + "\r\n", []int{200, 200, 200, 200}},
	{"empty body", put + "Content-Length: 0\r\n\r\n", []int{200, 200}},
	{"greatest body", put + "Content-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536), []int{200, 200}},
	{"absolute form", "GET http://x/small.txt HTTP/1.1\r\nHost: x\r\n\r\n", []int{200, 200}},
	{"options", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", []int{204, 200}},
	{"not found", "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", []int{404, 200}},
	{"body on 404", "GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", []int{404, 200}},
	{"connection close", get + "Connection: close\r\n\r\n", []int{200}},
	{"1.0", "GET /small.txt HTTP/1.0\r\n\r\n", []int{200}},
	{"1.0 keep-alive", "GET /small.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", []int{200, 200}},
	{"stream", "GET /stream?lines=3 HTTP/1.1\r\nHost: x\r\n\r\n", []int{200, 200}},
	{"1.0 stream", "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", []int{200}},
	{"stream of nonsense", "GET /stream?lines=many HTTP/1.1\r\nHost: x\r\n\r\n", []int{400, 200}},

	{"expect", put + "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\nab", []int{100, 200, 200}},
	{"expect on 1.0", "POST /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab", []int{200}},
	{"expect without body", get + "Expect: 100-continue\r\n\r\n", []int{200, 200}},
	{"expect too much", put + "Content-Length: 65537\r\nExpect: 100-continue\r\n\r\n", []int{413}},
	{"expect wonders", put + "Content-Length: 2\r\nExpect: wonders\r\n\r\nab", []int{417}},

	{"no length", put + "\r\nab", []int{411}},
	{"too long body", put + "Content-Length: 65537\r\n\r\n", []int{413}},
	{"huge length", put + "Content-Length: 99999999999999999999\r\n\r\n", []int{413}},
	{"negative length", put + "Content-Length: -2\r\n\r\nab", []int{400}},
	{"signed length", put + "Content-Length: +2\r\n\r\nab", []int{400}},
	{"no number", put + "Content-Length: two\r\n\r\nab", []int{400}},
	{"hexadecimal length", put + "Content-Length: 0x2\r\n\r\nab", []int{400}},
	{"no digits", put + "Content-Length:\r\n\r\nab", []int{400}},
	{"list of lengths", put + "Content-Length: 2, 2\r\n\r\nab", []int{400}},
	{"length twice", put + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", []int{400}},
	{"conflicting lengths", put + "Content-Length: 2\r\ncontent-length: 50\r\n\r\nab", []int{400}},
	{"chunked", put + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", []int{501}},
	{"chunked and length", put + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400}},
	{"1.0 chunked and length", "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nab", []int{400}},
	{"odd encoding", put + "Transfer-Encoding: xchunked\r\n\r\n", []int{501}},
	{"space before colon", put + "Content-Length : 2\r\n\r\nab", []int{400}},
	{"folded encoding", put + "Content-Length: 2\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\nab", []int{400}},
	{"bare LF hides a length", put + "X: y\nContent-Length: 2\r\n\r\nab", []int{400}},
	{"bare LF ends the header", get + "\n\r\n", []int{400}},
	{"bare CR", get + "X: a\rb\r\n\r\n", []int{400}},
	{"bare CR at the end", get + "X: a\r\r\n\r\n", []int{400}},
	{"NUL", get + "X: a\x00b\r\n\r\n", []int{400}},

	{"bare LF", "GET / HTTP/1.1\nHost: x\n\n", []int{400}},
	{"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", []int{400}},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{505}},
	{"HTTP/0.9", "GET /\r\n\r\n", []int{400}},
	{"garbage", "garbage\r\n\r\n", []int{400}},
	{"lower case version", "GET / http/1.1\r\nHost: x\r\n\r\n", []int{400}},
	{"no host", "GET / HTTP/1.1\r\n\r\n", []int{400}},
	{"two hosts", get + "Host: y\r\n\r\n", []int{400}},
	{"bad host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", []int{400}},
	{"bad method", "G=T / HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
	{"delete", "DELETE /small.txt HTTP/1.1\r\nHost: x\r\n\r\n", []int{405}},
	{"put", "PUT /small.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", []int{405}},
	{"get echo", "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", []int{405}},
	{"long header", get + "X: " + strings.Repeat("x", 4<<10) + "\r\n\r\n", []int{431}},
	{"endless header", get + strings.Repeat("X: y\r\n", 1<<10), []int{431}},
}

func TestRequests(t *testing.T) {
	t.Parallel()
	_, addr, _ := startServer(t, testOptions())
	for _, test := range requestTests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			nc := dial(t, addr)
			io.WriteString(nc, test.raw+probe)
			answers, err := readAnswers(nc)
			if err != nil {
				t.Fatal(err)
			}
			if got := statuses(answers); !slices.Equal(got, test.want) {
				t.Errorf("got statuses %v, want %v", got, test.want)
			}
			for i, a := range answers {
				last := i == len(answers)-1
				if a.Close != last {
					t.Errorf("answer %d of %d has Close %v", i+1, len(answers), a.Close)
				}
				if a.StatusCode != 100 && a.Header.Get("Date") == "" {
					t.Errorf("answer %d has no Date", i+1)
				}
				if a.StatusCode == 405 && a.Header.Get("Allow") == "" {
					t.Errorf("answer %d has no Allow", i+1)
				}
			}
		})
	}
}

// A header is not limited by the limit of bodies, and the other way round.
func TestHeaderLimit(t *testing.T) {
	t.Parallel()
	header := func(size int) string { return get + "X: " + strings.Repeat("x", size-len(get)-len("X: ")) }
	for _, maxBody := range []int64{0, 500, 100_000} {
		_, addr, _ := startServer(t, &options{maxHeader: 1000, maxBody: maxBody})
		for size, want := range map[int][]int{1000: {200, 200}, 1001: {431}} {
			nc := dial(t, addr)
			io.WriteString(nc, header(size)+endOfHeader+probe)
			answers, err := readAnswers(nc)
			if got := statuses(answers); err != nil || !slices.Equal(got, want) {
				t.Errorf("maxBody %d, header of %d bytes: got %v, %v, want %v", maxBody, size, got, err, want)
			}
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	_, addr, _ := startServer(t, testOptions())
	nc := dial(t, addr)
	head := "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n"
	fmt.Fprintf(nc, strings.Repeat(head, 4)+probe, "/small.txt", "/sub/", "/nothing", "/stream")
	answers, err := readAnswers(nc, "HEAD", "HEAD", "HEAD", "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := statuses(answers), []int{200, 200, 404, 200, 200}; !slices.Equal(got, want) {
		t.Fatalf("got statuses %v, want %v", got, want)
	}
	if got, want := answers[0].ContentLength, int64(len(small)); got != want {
		t.Errorf("got Content-Length %d, want %d", got, want)
	}
	if got := answers[3].TransferEncoding; !slices.Equal(got, []string{"chunked"}) {
		t.Errorf("got Transfer-Encoding %v for the stream, want chunked", got)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	_, addr, dir := startServer(t, testOptions())
	err := errors.Join(
		os.Symlink("../secret.txt", filepath.Join(dir, "out")),
		os.Symlink("..", filepath.Join(dir, "up")),
		os.Symlink("/", filepath.Join(dir, "top")),
		os.Symlink("small.txt", filepath.Join(dir, "in")),
		os.Symlink("loop", filepath.Join(dir, "loop")),
		os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]int{
		"/small.txt":                    200,
		"/small.txt?query":              200,
		"/%73mall.txt":                  200,
		"/in":                           200,
		"/empty":                        200,
		"/":                             200,
		"/sub/":                         200,
		"/sub/a%20%3Cb%3E&c.txt":        200,
		"/withindex/":                   200,
		"/sub":                          301,
		"/../secret.txt":                404,
		"/sub/../../secret.txt":         404,
		"/%2e%2e/secret.txt":            404,
		"/..%2fsecret.txt":              404,
		"/..%5csecret.txt":              404,
		"/sub%2f..%2f..%2fsecret.txt":   404,
		"//small.txt":                   404,
		"//../secret.txt":               404,
		"/./small.txt":                  404,
		"/small.txt/":                   404,
		"/small.txt%00":                 404,
		"/%00":                          404,
		"/out":                          404,
		"/sub%2fa%20%3Cb%3E&c.txt":      404,
		"/up/secret.txt":                404,
		"/up/":                          404,
		"/top/etc/passwd":               404,
		"/loop":                         404,
		"/" + strings.Repeat("x", 1000): 404,
		"small.txt":                     400,
		"/%zz":                          400,
	}
	for path, want := range tests {
		nc := dial(t, addr)
		fmt.Fprintf(nc, "GET %s HTTP/1.0\r\n\r\n", path)
		answers, err := readAnswers(nc)
		if err != nil || !slices.Equal(statuses(answers), []int{want}) {
			t.Errorf("%s: got %v, %v, want %d", path, statuses(answers), err, want)
			continue
		}
		if answers[0].body == "secret" {
			t.Errorf("%s leads out of the directory", path)
		}
	}
}

func TestErrorStatus(t *testing.T) {
	for err, want := range map[error]int{
		fs.ErrPermission: 403,
		fs.ErrNotExist:   404,
		syscall.ENOTDIR:  404,
		syscall.EMFILE:   503,
	} {
		if got := errorStatus(&fs.PathError{Op: "open", Path: "x", Err: err}); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
	}
}

// net/http's client sees what it expects of a server.
func TestClient(t *testing.T) {
	t.Parallel()
	_, addr, dir := startServer(t, testOptions())
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	do := func(method, path, body string, header ...string) answer {
		t.Helper()
		req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		content, err := io.ReadAll(res.Body)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
		}
		return answer{res, string(content)}
	}
	check := func(a answer, status int, contentType, body string) {
		t.Helper()
		if got := a.Header.Get("Content-Type"); a.StatusCode != status || got != contentType || a.body != body {
			t.Errorf("got %d, %q, %q, want %d, %q, %q", a.StatusCode, got, a.body, status, contentType, body)
		}
	}
	file := do("GET", "/small.txt", "")
	check(file, 200, "text/plain; charset=utf-8", small)
	check(do("GET", "/noext", ""), 200, "text/html; charset=utf-8", "<html>sniffed")
	check(do("GET", "/small.txt", "", "Range", "bytes=0-1"), 200, "text/plain; charset=utf-8", small)
	check(do("POST", "/echo", "abc"), 200, "application/octet-stream", "abc")
	check(do("GET", "/withindex", ""), 200, "text/html; charset=utf-8", "<p>index") // after a redirect

	modified := file.Header.Get("Last-Modified")
	check(do("GET", "/small.txt", "", "If-Modified-Since", modified), 304, "", "")
	check(do("GET", "/small.txt", "", "If-Modified-Since", modified, "If-None-Match", `"x"`), 200, "text/plain; charset=utf-8", small)
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "small.txt"), future, future); err != nil {
		t.Fatal(err)
	}
	check(do("GET", "/small.txt", "", "If-Modified-Since", modified), 200, "text/plain; charset=utf-8", small)

	stream := do("GET", "/stream?lines=2000", "")
	var want bytes.Buffer
	for i := range 2000 {
		fmt.Fprintf(&want, "line %d\n", i+1)
	}
	check(stream, 200, "text/plain; charset=utf-8", want.String())
	if got := stream.TransferEncoding; !slices.Equal(got, []string{"chunked"}) {
		t.Errorf("got Transfer-Encoding %v for the stream, want chunked", got)
	}

	listing := do("GET", "/sub/", "").body
	if link := `<a href="a%20%3Cb%3E&amp;c.txt">a &lt;b&gt;&amp;c.txt</a>`; !strings.Contains(listing, link) {
		t.Errorf("got listing %q, want %q in it", listing, link)
	}
	if got := do("OPTIONS", "/echo", "").Header.Get("Allow"); got != "OPTIONS, POST" {
		t.Errorf("got Allow %q", got)
	}
}

// A client that sends rubbish behind its request gets all of the file before it
// is told.
func TestRubbish(t *testing.T) {
	t.Parallel()
	_, addr, dir := startServer(t, testOptions())
	content := make([]byte, 32<<20) // more than the kernel buffers
	rand.Read(content)
	if err := os.WriteFile(filepath.Join(dir, "big"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, addr)
	io.WriteString(nc, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"+strings.Repeat("\x00rubbish", 10_000))
	answers, err := readAnswers(nc)
	if err != nil || !slices.Equal(statuses(answers), []int{200, 400}) {
		t.Fatalf("got %v, %v, want 200 and 400", statuses(answers), err)
	}
	if answers[0].body != string(content) {
		t.Errorf("got %d bytes that are not the %d of the file", len(answers[0].body), len(content))
	}
}

// The answer to the next request must not be taken for the rest of a file that
// has become shorter.
func TestTruncatedFile(t *testing.T) {
	t.Parallel()
	_, addr, dir := startServer(t, testOptions())
	name := filepath.Join(dir, "big")
	const size = 256 << 20 // sparse, and more than the kernel buffers
	if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, size)); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, addr)
	io.WriteString(nc, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"+probe)
	buf := bufio.NewReader(nc)
	res, err := http.ReadResponse(buf, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err == nil {
		t.Errorf("got %d bytes of %d, and no error", len(body), size)
	}
	if after := bytes.TrimLeft(body, "\x00"); len(after) > 0 {
		t.Errorf("got %q in place of the rest of the file", after)
	}
}

// Each answer that has begun when the server shuts down is complete.
func TestShutdownUnderTraffic(t *testing.T) {
	t.Parallel()
	server, addr, dir := startServer(t, testOptions())
	const size = 300_000
	if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var stopping atomic.Bool
	var traffic, clients sync.WaitGroup
	for range 10 {
		traffic.Add(1)
		clients.Go(func() {
			for i := 0; ; i++ {
				res, err := client.Get("http://" + addr + "/big")
				if err != nil {
					if !stopping.Load() {
						t.Error(err)
					}
					if i <= 3 {
						traffic.Done()
					}
					return
				}
				n, err := io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err != nil || n != size {
					t.Errorf("got %d bytes of %d: %v", n, size, err)
				}
				if i == 3 {
					traffic.Done()
				}
			}
		})
	}
	traffic.Wait()
	stopping.Store(true)
	if err := server.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	clients.Wait()
}

func TestShutdownInRequest(t *testing.T) {
	t.Parallel()
	server, addr, _ := startServer(t, testOptions())
	nc := dial(t, addr)
	io.WriteString(nc, put+"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	buf := bufio.NewReader(nc)
	if res, err := http.ReadResponse(buf, nil); err != nil || res.StatusCode != 100 {
		t.Fatalf("got %v, %v, want 100 Continue", res, err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(t.Context()) }()
	answers, err := readAnswers(buf)
	if err != nil || !slices.Equal(statuses(answers), []int{503}) || !answers[0].Close {
		t.Errorf("got %v, %v, want 503", statuses(answers), err)
	}
	nc.Close()
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// A client can't keep a connection by doing nothing, or next to nothing.
func TestTimeouts(t *testing.T) {
	root, _ := newSite(t)
	o := testOptions()
	o.requestTimeout = 10 * time.Second
	o.idleTimeout = 30 * time.Second
	tests := []struct {
		name, begin, drip string
		want              time.Duration // the end of the connection
		statuses          []int
	}{
		{"silent", "", "", 30 * time.Second, nil},
		{"header without end", "GET / HTTP/1.1\r\n", "", 10 * time.Second, nil},
		{"slow header", "GET / HTTP/1.1\r\n", "X: y\r\n", 10 * time.Second, nil},
		{"body that never comes", put + "Content-Length: 100\r\n\r\n", "", 30 * time.Second, nil},
		{"slow body", put + "Content-Length: 100\r\n\r\n", "x", 11 * time.Second, nil},
		{"after an answer", get + "\r\n", "", 30 * time.Second, []int{200}},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			client, nc := net.Pipe()
			start := time.Now()
			var clientEnd sync.WaitGroup
			clientEnd.Go(func() {
				_, err := io.WriteString(client, test.begin)
				for err == nil && test.drip != "" {
					time.Sleep(time.Second)
					_, err = io.WriteString(client, test.drip)
				}
			})
			clientEnd.Go(func() {
				answers, err := readAnswers(client)
				if err != nil || !slices.Equal(statuses(answers), test.statuses) {
					t.Errorf("%s: got %v, %v, want %v", test.name, statuses(answers), err, test.statuses)
				}
			})
			err := newServer(o, root, io.Discard).ServeConn(t.Context(), nc)
			if got := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || got != test.want {
				t.Errorf("%s: ended after %v with %v, want %v and a timeout", test.name, got, err, test.want)
			}
			clientEnd.Wait()
		})
	}
}

// A memoryConn is a connection whose input is there from the beginning.
type memoryConn struct {
	net.Conn // nil
	in       io.Reader
	out      bytes.Buffer
}

func (c *memoryConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *memoryConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *memoryConn) Close() error                     { return nil }
func (c *memoryConn) RemoteAddr() net.Addr             { return new(net.TCPAddr) }
func (c *memoryConn) LocalAddr() net.Addr              { return new(net.TCPAddr) }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }

// A recorder is a slog.Handler that keeps the methods of the access log.
type recorder struct {
	slog.Handler
	methods []string
	panics  []string
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "method":
			r.methods = append(r.methods, a.Value.String())
		case "stack":
			r.panics = append(r.panics, a.Value.String())
		}
		return true
	})
	return nil
}
