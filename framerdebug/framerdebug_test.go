// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framerdebug_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framerdebug"
	"github.com/goframer/framer/framertest"
)

// An addr is a net.Addr with any text.
type addr string

func (addr) Network() string  { return "test" }
func (a addr) String() string { return string(a) }

// A named is a connection whose addresses the test chooses.
type named struct {
	*framertest.Conn
	peer addr
}

func (n named) RemoteAddr() net.Addr { return n.peer }
func (n named) LocalAddr() net.Addr  { return addr("here") }

// A fleet is a server with many connections in memory.
type fleet struct {
	*framer.Server
	peers []*framertest.Conn
}

// newFleet serves a connection for each name until the end of the test. The name is the
// address of the peer. A line with a number is answered by that many bytes.
func newFleet(t testing.TB, names ...string) *fleet {
	t.Helper()
	f := &fleet{Server: &framer.Server{
		Protocol: "lines/1",
		Config:   framer.Config{Logger: slog.New(slog.DiscardHandler)},
		NewHandler: framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
			n, err := strconv.Atoi(string(msg))
			if err != nil {
				return err
			}
			return c.Push(make([]byte, n))
		}),
	}}
	var served sync.WaitGroup
	t.Cleanup(func() {
		f.Close()
		served.Wait()
	})
	for i, name := range names {
		nc, peer := framertest.Pipe()
		f.peers = append(f.peers, peer)
		served.Go(func() { f.ServeConn(context.Background(), named{nc, addr(name)}) })
		if i%100 == 99 || i == len(names)-1 || len(names) < 100 { // if the names are few, wait for each, so that the IDs are in their order
			waitFor(t, func() bool { return f.Stats().States[framer.StateActive] == i+1 })
		}
	}
	return f
}

// waitFor waits until done returns true.
func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(end) {
			t.Fatal("nothing happens")
		}
		runtime.Gosched()
	}
}

func get(t testing.TB, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func report(t testing.TB, h http.Handler, params string) (r framerdebug.Report) {
	t.Helper()
	w := get(t, h, "/?format=json&"+params)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// peersOf returns the peers of the connections in r.
func peersOf(r framerdebug.Report) (peers []string) {
	for _, c := range r.Conns {
		peers = append(peers, c.Peer)
	}
	return peers
}

func TestStatus(t *testing.T) {
	f := newFleet(t, "alice")
	reading, closing := framerdebug.Handler(f.Server), framerdebug.New(framerdebug.Options{AllowClose: true}, f.Server)
	form := "server=0&id=99"
	tests := []struct {
		handler      http.Handler
		method, path string
		body         string
		header       http.Header
		status       int
		allow        string
	}{
		{reading, "GET", "/", "", nil, 200, ""},
		{reading, "HEAD", "/", "", nil, 200, ""},
		{reading, "GET", "/any/path?file=style.css", "", nil, 200, ""},
		{reading, "GET", "/?file=script.js", "", nil, 200, ""},
		{reading, "GET", "/?file=page.html", "", nil, 404, ""},
		{reading, "GET", "/?file=../framerdebug.go", "", nil, 404, ""},
		{reading, "GET", "/?format=xml", "", nil, 400, ""},
		{reading, "GET", "/?format=json&sort=nothing", "", nil, 400, ""},
		{reading, "GET", "/?format=json&order=up", "", nil, 400, ""},
		{reading, "GET", "/?format=json&limit=-1", "", nil, 400, ""},
		{reading, "GET", "/?format=json&limit=99999999999999999999", "", nil, 400, ""},
		{reading, "GET", "/?format=json&offset=x", "", nil, 400, ""},
		{reading, "POST", "/", form, nil, 405, "GET, HEAD"},
		{reading, "PUT", "/", "", nil, 405, "GET, HEAD"},
		{closing, "DELETE", "/", "", nil, 405, "GET, HEAD, POST"},
		{closing, "OPTIONS", "/", "", nil, 405, "GET, HEAD, POST"},
		{closing, "POST", "/", form, nil, 404, ""},
		{closing, "POST", "/", "server=1&id=1", nil, 404, ""},
		{closing, "POST", "/", "server=-1&id=1", nil, 404, ""},
		{closing, "POST", "/", "server=0&id=0", nil, 404, ""},
		{closing, "POST", "/", "server=0", nil, 400, ""},
		{closing, "POST", "/", "id=1", nil, 400, ""},
		{closing, "POST", "/", "server=0&id=1;", nil, 400, ""},
		{closing, "POST", "/", "server=0&id=1&x=" + strings.Repeat("x", 5000), nil, 400, ""},
		{closing, "POST", "/", form, http.Header{"Sec-Fetch-Site": {"same-origin"}}, 404, ""},
		{closing, "POST", "/", form, http.Header{"Origin": {"http://example.com"}}, 404, ""}, // the same as the Host
		{closing, "POST", "/", "server=0&id=1", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, ""},
		{closing, "POST", "/", "server=0&id=1", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403, ""},
		{closing, "POST", "/", "server=0&id=1", http.Header{"Origin": {"http://evil.example"}}, 403, ""},
		{closing, "POST", "/", "server=0&id=1", http.Header{"Origin": {"null"}}, 403, ""},
		{closing, "GET", "/?server=0&id=1", "", nil, 200, ""}, // a GET closes nothing
	}
	for _, test := range tests {
		r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
		if test.body != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for name, values := range test.header {
			r.Header[name] = values
		}
		w := httptest.NewRecorder()
		test.handler.ServeHTTP(w, r)
		if w.Code != test.status || w.Header().Get("Allow") != test.allow {
			t.Errorf("%s %s %.30q %v: status %d, Allow %q; want %d, %q", test.method, test.path, test.body, test.header, w.Code, w.Header().Get("Allow"), test.status, test.allow)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: the header is %v", test.method, test.path, w.Header())
		}
	}
	if got := f.Stats().Conns; got != 1 {
		t.Errorf("%d connections are open", got)
	}
}

// The page needs no files but its own. It contains no script and no style, and refers to
// nothing by a path.
func TestPageIsSelfContained(t *testing.T) {
	h := framerdebug.New(framerdebug.Options{AllowClose: true})
	page := get(t, h, "/").Body.String()
	for _, reference := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(reference[1], "?") && reference[1] != "data:," {
			t.Errorf("the page refers to %q", reference[1])
		}
	}
	if found := regexp.MustCompile(`<style|style=| on[a-z]+=|<script>|https?:`).FindString(page); found != "" {
		t.Errorf("the page has %q", found)
	}
	for name, contentType := range map[string]string{"script.js": "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8"} {
		w := get(t, h, "/?file="+name)
		if got := w.Header().Get("Content-Type"); got != contentType {
			t.Errorf("%s has the type %q", name, got)
		}
		if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|@import|url\(`).FindString(w.Body.String()); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
	if strings.Contains(get(t, framerdebug.Handler(), "/").Body.String(), "data-allow-close") {
		t.Error("the page of Handler has buttons")
	}
}

func TestReport(t *testing.T) {
	f := newFleet(t, "alice", "bob", "carol")
	other := newFleet(t, "dave")
	other.Protocol, other.Addr = "", "localhost:1234"
	h := framerdebug.New(framerdebug.Options{Describe: func(c *framer.Conn) string {
		return "user " + c.RemoteAddr().String()[:1]
	}}, f.Server, other.Server)
	io.WriteString(f.peers[1], "100\n")
	io.ReadFull(f.peers[1], make([]byte, 100))
	waitFor(t, func() bool { return f.Stats().BytesWritten == 100 && f.Stats().MessagesRead == 1 })

	got := report(t, h, "sort=peer&order=asc")
	if age := time.Since(got.Time); age < 0 || age > time.Minute {
		t.Errorf("the time is %v", got.Time)
	}
	if len(got.Servers) != 2 || got.Servers[0].Name != "server 1 lines/1" || got.Servers[1].Name != "server 2 localhost:1234" {
		t.Fatalf("the servers are %+v", got.Servers)
	}
	if diff := cmp.Diff(f.Stats(), got.Servers[0].Stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if got.Open != 4 || got.Matching != 4 || got.Offset != 0 || len(got.Conns) != 4 {
		t.Errorf("%d open, %d match, %d from %d on", got.Open, got.Matching, len(got.Conns), got.Offset)
	}
	bob := got.Conns[1]
	if bob.Began.IsZero() || bob.LastMoved.Before(bob.Began) {
		t.Errorf("bob began at %v and moved at %v", bob.Began, bob.LastMoved)
	}
	bob.Began, bob.LastMoved = time.Time{}, time.Time{}
	bob.WriteStalls = 0 // on a busy machine, a write to a pipe may take some time
	want := framerdebug.Conn{Peer: "bob", Local: "here", Info: "user b"}
	want.ConnStats = framer.ConnStats{ID: 2, State: framer.StateActive, BytesRead: 4, BytesWritten: 100, MessagesRead: 1, Pushes: 1}
	if diff := cmp.Diff(want, bob); diff != "" {
		t.Errorf("bob (-want +got):\n%s", diff)
	}

	queries := []struct{ params, want string }{
		{"sort=peer&order=asc", "alice bob carol dave"},
		{"sort=peer", "dave carol bob alice"},
		{"sort=info&order=asc", "alice bob carol dave"},
		{"sort=local&order=asc", "alice bob carol dave"}, // all are equal, so the order is by server and number
		{"sort=read&limit=1", "bob"},
		{"sort=written&limit=1", "bob"},
		{"sort=server&order=desc&limit=1", "dave"},
		{"sort=id&order=asc&limit=2", "alice dave"},
		{"sort=age&order=asc&filter=lines", "carol bob alice"},
		{"sort=peer&order=asc&offset=1&limit=2", "bob carol"},
		{"sort=peer&order=asc&offset=9", ""},
		{"sort=peer&order=asc&limit=0", ""},
		{"filter=BO", "bob"},
		{"filter=+user++carol+", "carol"},
		{"filter=alice+bob", ""},
		{"filter=server+2", "bob dave"}, // matches server 2, and bob, who is #2
		{"filter=%232", "bob"},
		{"filter=active&sort=peer&order=asc", "alice bob carol dave"},
		{"filter=closing", ""},
	}
	for _, q := range queries {
		if got := strings.Join(peersOf(report(t, h, q.params)), " "); got != q.want {
			t.Errorf("%s: %q, want %q", q.params, got, q.want)
		}
	}
	for _, column := range strings.Split("server id peer local state info age idle waiting queued messages pushes read written stalls waits refused", " ") {
		up, down := peersOf(report(t, h, "order=asc&sort="+column)), peersOf(report(t, h, "order=desc&sort="+column))
		slices.Sort(up)
		slices.Sort(down)
		if diff := cmp.Diff([]string{"alice", "bob", "carol", "dave"}, up); diff != "" || !slices.Equal(up, down) {
			t.Errorf("sorted by %s: %v, %v", column, up, down)
		}
	}
}

// With descending order, the connection that has waited longest comes first, and those
// that do not wait come last.
func TestSortByWaiting(t *testing.T) {
	f := newFleet(t, "alice", "bob", "carol", "dave")
	h := framerdebug.Handler(f.Server)
	for _, i := range []int{2, 1} {
		io.WriteString(f.peers[i], "200000\n") // more than the connection accepts
		waitFor(t, func() bool {
			for _, c := range report(t, h, "").Conns {
				// 64 KiB is what a Pipe holds. The writes before were only about to wait.
				if c.ID == int64(i+1) && c.BytesWritten == 64<<10 && !c.WaitingSince.IsZero() {
					return true
				}
			}
			return false
		})
	}
	if got := strings.Join(peersOf(report(t, h, "sort=waiting")), " "); !strings.HasPrefix(got, "carol bob ") {
		t.Errorf("sorted by waiting: %s", got)
	}
	if got := strings.Join(peersOf(report(t, h, "sort=waiting&order=asc")), " "); got != "alice dave bob carol" {
		t.Errorf("sorted by waiting, ascending: %s", got)
	}
	if got := report(t, h, ""); got.Conns[0].QueuedBytes == 0 || got.Servers[0].Stats.QueuedBytes == 0 {
		t.Error("nothing is queued")
	}
}

// Text from peers and from the program is never taken for HTML.
func TestEscaping(t *testing.T) {
	const evil = `"><script>alert(1)</script>&'` + "\u2028\x00\xff"
	f := newFleet(t, evil)
	f.Protocol = evil
	h := framerdebug.New(framerdebug.Options{Describe: func(*framer.Conn) string { return evil }}, f.Server)
	w := get(t, h, "/?format=json&filter=script")
	if body := w.Body.String(); strings.ContainsAny(body, "<>&\u2028") {
		t.Errorf("the JSON is %s", body)
	}
	clean := strings.ToValidUTF8(evil, "\ufffd")
	if got := report(t, h, "").Conns[0]; got.Peer != clean || got.Info != clean {
		t.Errorf("the connection is %q, %q", got.Peer, got.Info)
	}
	for _, target := range []string{"/?" + url.Values{"filter": {evil}}.Encode(), "/?format=json&sort=" + url.QueryEscape(evil), "/?format=" + url.QueryEscape(evil)} {
		w := get(t, h, target)
		if strings.Contains(w.Body.String(), "<script>alert") && strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s is answered with %s", target, w.Body)
		}
	}
}

// The page is the same with or without a prefix, and with or without a slash at the end.
func TestMounted(t *testing.T) {
	f := newFleet(t, "alice")
	h := framerdebug.Handler(f.Server)
	var mux http.ServeMux
	mux.Handle("/debug/framer", h)
	mux.Handle("/slash/", h)
	mux.Handle("/stripped/", http.StripPrefix("/stripped", h))
	for _, path := range []string{"/debug/framer", "/slash/", "/stripped/", "/stripped/?x=y"} {
		w := get(t, &mux, path)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "?file=script.js") {
			t.Errorf("%s: status %d", path, w.Code)
		}
		base, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		script, err := base.Parse("?file=script.js") // resolve the reference as a browser does
		if err != nil {
			t.Fatal(err)
		}
		if w := get(t, &mux, script.String()); !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
			t.Errorf("%s: status %d", script, w.Code)
		}
	}
}

func TestClose(t *testing.T) {
	f := newFleet(t, "alice", "bob")
	h := framerdebug.New(framerdebug.Options{AllowClose: true}, f.Server)
	post := func(id int) int {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(fmt.Sprintf("server=0&id=%d", id)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if code := post(2); code != http.StatusNoContent {
		t.Errorf("status %d", code)
	}
	if _, err := f.peers[1].Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
	waitFor(t, func() bool { return f.Stats().Conns == 1 })
	if n := f.Stats().Ended[framer.EndWithError]; n != 1 {
		t.Errorf("%d connections have ended with an error", n)
	}
	if code := post(2); code != http.StatusNotFound {
		t.Errorf("again: status %d", code)
	}
	if got := peersOf(report(t, h, "")); len(got) != 1 || got[0] != "alice" {
		t.Errorf("open are %v", got)
	}
}

// many returns n names of peers.
func many(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("10.0.%d.%d:1024", i/256, i%256))
	}
	return names
}

func TestTenThousand(t *testing.T) {
	f := newFleet(t, many(10_000)...)
	h := framerdebug.Handler(f.Server)
	got := report(t, h, "sort=peer&order=asc")
	if got.Open != 10_000 || got.Matching != 10_000 || len(got.Conns) != 100 {
		t.Errorf("%d open, %d match, %d shown", got.Open, got.Matching, len(got.Conns))
	}
	if !slices.IsSorted(peersOf(got)) {
		t.Error("they are not sorted")
	}
	if got := report(t, h, "filter=10.0.7."); got.Matching != 256 {
		t.Errorf("%d match, want 256", got.Matching)
	}
	seen := make(map[string]bool)
	for offset := 0; offset < 10_000; offset += 1000 {
		for _, peer := range peersOf(report(t, h, fmt.Sprintf("sort=read&limit=1000&offset=%d", offset))) {
			seen[peer] = true
		}
	}
	if len(seen) != 10_000 {
		t.Errorf("all pages have %d connections", len(seen))
	}
}

// tcpFleet returns a server with n connections by TCP.
func tcpFleet(b *testing.B, n int) *framer.Server {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &framer.Server{NewHandler: framer.Messages(framer.Delimiter("\n"), nil), Config: framer.Config{Logger: slog.New(slog.DiscardHandler)}}
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	b.Cleanup(func() {
		s.Close()
		<-served
	})
	for range n {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Skip(err) // perhaps there are too few file descriptors
		}
		b.Cleanup(func() { nc.Close() })
	}
	waitFor(b, func() bool { return s.Stats().States[framer.StateActive] == n })
	return s
}

// BenchmarkReport measures the cost of 10,000 connections that the package documentation
// states.
func BenchmarkReport(b *testing.B) {
	s := tcpFleet(b, 9_900) // each needs two file descriptors, and the limit is often 20,000
	h := framerdebug.Handler(s)
	for _, params := range []string{"", "sort=peer", "filter=127", "limit=10000"} {
		b.Run("params="+params, func(b *testing.B) {
			for b.Loop() {
				get(b, h, "/?format=json&"+params)
			}
		})
	}
	b.Run("Server.Stats", func(b *testing.B) {
		for b.Loop() {
			s.Stats()
		}
	})
}

func Example() {
	server := &framer.Server{
		Protocol:   "lines/1",
		NewHandler: framer.Messages(framer.Delimiter("\n"), func(*framer.Conn, []byte) error { return nil }),
	}
	// In a program: http.Handle("/debug/framer", handler), on a loopback address.
	handler := framerdebug.New(framerdebug.Options{AllowClose: true}, server)

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/debug/framer?format=json&sort=idle&limit=10", nil))
	var report framerdebug.Report
	if err := json.Unmarshal(w.Body.Bytes(), &report); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	fmt.Printf("%s: %d connections\n", report.Servers[0].Name, report.Open)
	// Output: server 1 lines/1: 0 connections
}

// On a loopback address, a site whose own name resolves to that address is refused.
func TestHosts(t *testing.T) {
	server := httptest.NewServer(framerdebug.New(framerdebug.Options{AllowClose: true, Hosts: []string{"debug.example"}}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for host, want := range map[string]int{
		"localhost:" + port:      http.StatusOK,
		"LOCALHOST":              http.StatusOK,
		"127.0.0.1:" + port:      http.StatusOK,
		"[::1]:" + port:          http.StatusOK,
		"[::1]":                  http.StatusOK,
		"debug.example":          http.StatusOK,
		"evil.example:" + port:   http.StatusForbidden,
		"localhost.evil.example": http.StatusForbidden,
		"127.0.0.1.evil.example": http.StatusForbidden,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r, err := http.NewRequest(method, server.URL+"?format=json", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			r.Header.Set("Origin", "http://"+host)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if method == http.MethodPost && want == http.StatusOK {
				want = http.StatusBadRequest // the form names no connection
			}
			if resp.StatusCode != want {
				t.Errorf("%s with the host %q: %s, want %d", method, host, resp.Status, want)
			}
		}
	}
}

// If Describe panics, the panic is the text of that connection, and the other connections
// are shown as before.
func TestDescribePanics(t *testing.T) {
	f := newFleet(t, "alice", "bob")
	h := framerdebug.New(framerdebug.Options{Describe: func(c *framer.Conn) string {
		if c.RemoteAddr().String() == "bob" {
			panic("who is bob")
		}
		return "fine"
	}}, f.Server)
	got := report(t, h, "sort=peer&order=asc")
	if len(got.Conns) != 2 || got.Conns[0].Info != "fine" || got.Conns[1].Info != "panic in Describe: who is bob" {
		t.Errorf("the connections are %+v", got.Conns)
	}
}
