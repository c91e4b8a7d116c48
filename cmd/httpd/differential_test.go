// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"mime"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// kinds are handlers for the different things that a handler can do, by path.
var kinds = map[string]http.HandlerFunc{
	"nothing":  func(http.ResponseWriter, *http.Request) {},
	"short":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "short") },
	"html":     func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>sniffed") },
	"2048":     func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2048)) },
	"2049":     func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2049)) },
	"pieces":   func(w http.ResponseWriter, _ *http.Request) { writePieces(w, 100, 100) },
	"long":     func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("0123456789"), 50_000)) },
	"longtext": func(w http.ResponseWriter, _ *http.Request) { writePieces(w, 1000, 333) },
	"flush": func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		io.WriteString(w, "<html>too late")
	},
	"flushed": func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<html>")
		http.NewResponseController(w).Flush()
		io.WriteString(w, "more")
	},
	"status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
	"odd":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(799) },
	"error":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) },
	"found":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere?a=b", http.StatusFound) },
	"created": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); io.WriteString(w, "made") },
	"twice": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(500)
	},
	"204": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x")
		w.WriteHeader(204)
		report(w, io.WriteString)
	},
	"304": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x")
		w.Header().Set("Content-Length", "17")
		w.Header().Set("Etag", `"x"`)
		w.WriteHeader(304)
		report(w, io.WriteString)
	},
	"length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
	},
	"longlength": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		w.Header().Set("Content-Type", "text/x")
		writePieces(w, 1000, 100)
	},
	"toolittle": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "hello")
	},
	"toomuch": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
		if _, err := io.WriteString(w, "!"); err != http.ErrContentLength {
			panic(err)
		}
	},
	"early": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>")
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(103)
		w.WriteHeader(102)
		io.WriteString(w, "hello")
	},
	"identity": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Transfer-Encoding", "identity")
		io.WriteString(w, "hello")
	},
	"chunked": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Transfer-Encoding", "chunked")
		io.WriteString(w, "hello")
	},
	"chunkedlength": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Transfer-Encoding", "chunked")
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
	},
	"trailer": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "a, B")
		w.Header().Add("Trailer", "Content-Length")
		io.WriteString(w, "hello")
		w.Header().Set("A", "1")
		w.Header().Set("B", "2")
		w.Header().Set("C", "3")
	},
	"latetrailer": func(w http.ResponseWriter, _ *http.Request) {
		writePieces(w, 100, 100)
		w.Header().Set(http.TrailerPrefix+"A", "1")
	},
	"prefixed": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(http.TrailerPrefix+"A", "1")
		io.WriteString(w, "hello")
	},
	"close": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "hello")
	},
	"keepalive": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "keep-alive")
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
	},
	"connection": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Connection"] = []string{"x", "y"}
	},
	"unclean": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X"] = []string{"a\r\nb: c", " d ", ""}
		w.Header()["Bad name"] = []string{"x"}
		w.Header()["Connection"] = []string{"a\r\nb: c"}
	},
	"changed": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", "a")
		w.WriteHeader(200)
		w.Header().Set("X", "b")
		w.Header().Set("Y", "c")
	},
	"untyped": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "<html>")
	},
	"encoded": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "<html>")
	},
	"undated": func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil },
	"dated":   func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Date", "today") },
	"copy":    func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, strings.NewReader("<html>copied")) },
	"limited": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		io.Copy(w, io.LimitReader(strings.NewReader("copied"), 3))
	},
	"copylong": func(w http.ResponseWriter, _ *http.Request) {
		io.Copy(w, io.LimitReader(zeros{}, 200_000))
	},
	"ask": func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %s %d %v %v\n", r.Method, r.RequestURI, r.Host, r.Proto, r.ContentLength, r.TransferEncoding, r.Close)
		fmt.Fprintf(w, "%v %t %t %v\n", r.URL, r.TLS == nil, r.RemoteAddr != "", r.Context().Value(http.LocalAddrContextKey) != nil)
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
		}
	},
	"read": func(w http.ResponseWriter, r *http.Request) {
		declared := fmt.Sprint(r.Trailer)
		data, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %.20q %v %s %v", len(data), data, err != nil, declared, r.Trailer)
	},
	"readpart": func(w http.ResponseWriter, r *http.Request) {
		n, err := io.ReadFull(r.Body, make([]byte, 2))
		fmt.Fprint(w, n, err)
	},
	"readclosed": func(w http.ResponseWriter, r *http.Request) {
		r.Body.Close()
		_, err := r.Body.Read(make([]byte, 2))
		fmt.Fprint(w, err)
	},
	"readlate": func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 5000))
		_, err := io.ReadAll(r.Body)
		fmt.Fprint(w, err)
	},
}

// zeros is a reader that returns zeros for ever.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func writePieces(w io.Writer, n, size int) {
	for range n {
		w.Write(bytes.Repeat([]byte("x"), size))
	}
}

// report calls write, which must fail with http.ErrBodyNotAllowed, and panics if it does
// not.
func report(w http.ResponseWriter, write func(io.Writer, string) (int, error)) {
	if _, err := write(w, "body"); err != http.ErrBodyNotAllowed {
		panic(err)
	}
}

// A both is our server and one of net/http, with the same handler.
type both struct{ ours, theirs string }

func startBoth(t *testing.T) (both, string) {
	t.Helper()
	s, dir := newSite(t)
	content := bytes.Repeat([]byte("0123456789"), 30_000)
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "big.bin"), content, 0o644),
		os.WriteFile(filepath.Join(dir, "bigsniffed"), content, 0o644),
		os.WriteFile(filepath.Join(dir, "empty.txt"), nil, 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(s)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, ok := strings.CutPrefix(r.URL.Path, "/kind/")
		if kind := kinds[kind]; ok && kind != nil {
			kind(w, r)
			return
		}
		files.ServeHTTP(w, r)
	})
	_, ours := startHandler(t, &options{maxHeader: 64 << 10}, h)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- hs.Serve(l) }()
	t.Cleanup(func() {
		hs.Close()
		<-served
	})
	return both{ours, l.Addr().String()}, dir
}

const cutOffLine = "cut off\n"

// exchange sends raw and returns the answers as a client sees them.
func exchange(t *testing.T, addr, raw string, methods ...string) string {
	t.Helper()
	nc := dial(t, addr)
	if _, err := io.WriteString(nc, raw); err != nil {
		t.Logf("sending: %v", err) // maybe it was refused early
	}
	answers, err := readAnswers(nc, methods...)
	var b strings.Builder
	for _, a := range answers {
		fmt.Fprintf(&b, "%s %s, length %d, encoding %v, close %v\n", a.Proto, a.Status, a.ContentLength, a.TransferEncoding, a.Close)
		if date := a.Header.Get("Date"); date != "" {
			if _, err := http.ParseTime(date); err == nil {
				a.Header.Set("Date", "some")
			}
		}
		if _, params, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err == nil && params["boundary"] != "" {
			a.Header.Set("Content-Type", "parts")
			a.body = strings.ReplaceAll(a.body, params["boundary"], "boundary") // it is random
		}
		a.Header.Write(&b)
		fmt.Fprintf(&b, "body %d %.100q, trailer %v\n\n", len(a.body), a.body, a.Trailer)
	}
	if err != nil {
		b.WriteString(cutOffLine)
	}
	return b.String()
}

// compare sends raw to both servers, and compares the answers.
func (s both) compare(t *testing.T, raw string, methods ...string) {
	t.Helper()
	theirs, ours := exchange(t, s.theirs, raw, methods...), exchange(t, s.ours, raw, methods...)
	if !strings.HasSuffix(ours, cutOffLine) {
		// net/http closes the connection with unread input, which resets it. Our server
		// waits until the client has read the answer.
		theirs = strings.TrimSuffix(theirs, cutOffLine)
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("%.100q (-net/http +ours):\n%s", raw, diff)
	}
}

// Whatever a handler does, the client sees the same as with net/http.
func TestHandlersAsNetHTTP(t *testing.T) {
	t.Parallel()
	s, _ := startBoth(t)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			path := " /kind/" + kind
			s.compare(t, "GET"+path+" HTTP/1.1\r\nHost: x\r\n\r\n"+probe)
			s.compare(t, "GET"+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"+probe)
			s.compare(t, "GET"+path+" HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: x\r\n\r\n"+probe)
			s.compare(t, "HEAD"+path+" HTTP/1.1\r\nHost: x\r\n\r\n"+probe, "HEAD")
			s.compare(t, "GET"+path+" HTTP/1.0\r\n\r\n"+probe)
			if kind != "chunkedlength" { // here net/http answers keep-alive, and closes
				s.compare(t, "GET"+path+" HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"+probe)
				s.compare(t, "POST"+path+" HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"+probe)
			}
			s.compare(t, "HEAD"+path+" HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"+probe, "HEAD")
			s.compare(t, "POST"+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"+probe)
			s.compare(t, "POST"+path+" HTTP/1.1\r\nHost: x\r\nTrailer: X, y\r\n"+inChunks+"5;a=b\r\nhello\r\n3\r\n...\r\n0\r\nX: z\r\nU: v\r\n\r\n"+probe)
			if kind != "readlate" { // as in Go 1.27, a handler can't read a body that the client need not send
				s.compare(t, "PUT"+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"+probe)
			}
			s.compare(t, "PUT"+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: something\r\n\r\nhello"+probe)
			s.compare(t, "PUT"+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"+strings.Repeat("x", 20000)+probe)
		})
	}
}

// Files are served as http.FileServer serves them.
func TestFilesAsNetHTTP(t *testing.T) {
	t.Parallel()
	s, dir := startBoth(t)
	info, err := os.Stat(filepath.Join(dir, "big.bin"))
	if err != nil {
		t.Fatal(err)
	}
	modified := info.ModTime().UTC().Format(http.TimeFormat)
	before := info.ModTime().Add(-time.Hour).UTC().Format(http.TimeFormat)
	fields := []string{
		"",
		"Range: bytes=0-0", "Range: bytes=5-", "Range: bytes=-5", "Range: bytes=100-200000", "Range: bytes=299999-",
		"Range: bytes=0-9,20-29,-1", "Range: bytes=0-1000000", "Range: bytes=300000-", "Range: bytes=5-4",
		"Range: lines=1-2", "Range: bytes=x", "Range: bytes=0-0,0-0,0-0,0-0",
		"Range: bytes=0-4\r\nIf-Range: " + modified, "Range: bytes=0-4\r\nIf-Range: " + before, "Range: bytes=0-4\r\nIf-Range: \"x\"",
		"If-Modified-Since: " + modified, "If-Modified-Since: " + before, "If-Modified-Since: x",
		"If-Unmodified-Since: " + modified, "If-Unmodified-Since: " + before,
		"If-None-Match: *", "If-None-Match: \"x\"", "If-None-Match: W/\"x\", \"y\"\r\nIf-Modified-Since: " + modified,
		"If-Match: *", "If-Match: \"x\"", "If-Match: \"x\", *",
		"Accept-Encoding: gzip",
	}
	paths := []string{"/sub/", "/big.bin", "/bigsniffed", "/small.txt", "/noext", "/empty.txt", "/withindex/"}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			for _, field := range fields {
				if field != "" {
					field += "\r\n"
				}
				s.compare(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\n"+field+"\r\n"+probe)
				s.compare(t, "HEAD "+path+" HTTP/1.1\r\nHost: x\r\n"+field+"\r\n"+probe, "HEAD")
			}
		})
	}
	for _, path := range []string{
		"/", "/sub", "/sub?a=b", "/withindex?a=b", "/withindex/index.html", "/withindex/index.html?a=b", "/small.txt/", "/small.txt?a=b",
		"//small.txt", "/./small.txt", "/sub/../small.txt", "/../small.txt", "//", "/.", "/..", "/nothing", "/%2e%2e/secret.txt",
		"/sub%2f", "/%73mall.txt", "*", "http://x/small.txt", "http://y:1/sub?q", "/sub/a%20%3Cb%3E&c.txt", "/%zz", "small.txt", "?",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "DELETE", "X-Y"} {
			s.compare(t, method+" "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"+probe, method)
		}
	}
}

// differences are requests that our server answers differently from net/http, with the
// reasons.
var differences = []struct {
	why, raw string
	want     []int
}{
	{"RFC 9112, 2.2: an empty line before a request is passed over", "\r\n" + get + "\r\n", []int{200, 200}},
	{"a bare LF is a line end only for some", "GET /small.txt HTTP/1.1\nHost: x\n\n", []int{400}},
	{"a folded line is a field only for some", get + "X: y\r\n z\r\n\r\n", []int{400}},
	{"one length must be one", put + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", []int{400}},
	{"a length and an encoding may be two lengths", put + "Content-Length: 5\r\n" + inChunks + "0\r\n\r\n", []int{400}},
	{"HTTP/1.0 knows no encodings", "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\n" + inChunks, []int{400}},
	{"a chunk size is digits", put + inChunks + "1 \r\na\r\n0\r\n\r\n", []int{404}},
	{"a length does not come late", put + inChunks + "0\r\nContent-Length: 5\r\n\r\n", []int{404}},
	{"RFC 9113, 3.3: there is no HTTP/2 here", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{505}},
	{"this is no proxy", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", []int{405}},
}

// Our server differs from net/http only where the table says so.
func TestDifferences(t *testing.T) {
	t.Parallel()
	s, _ := startBoth(t)
	for _, test := range differences {
		t.Run(test.why, func(t *testing.T) {
			nc := dial(t, s.ours)
			io.WriteString(nc, test.raw+probe)
			answers, err := readAnswers(nc)
			if got := statuses(answers); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
			if theirs := exchange(t, s.theirs, test.raw+probe); theirs == exchange(t, s.ours, test.raw+probe) {
				t.Errorf("net/http does the same:\n%s", theirs)
			}
		})
	}
}
