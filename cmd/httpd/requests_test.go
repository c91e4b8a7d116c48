// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

const (
	get = "GET /small.txt HTTP/1.1\r\nHost: x\r\n"
	put = "POST /echo HTTP/1.1\r\nHost: x\r\n"

	inChunks = "Transfer-Encoding: chunked\r\n\r\n"

	// probe comes after every request of the table. The server answers it only if it is
	// certain where it begins.
	probe = "GET /noext HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"
)

// requestTests are raw requests. If the connection must stay open, the last status is
// that of the probe.
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
	{"greatest body", put + "Content-Length: 1048576\r\n\r\n" + strings.Repeat("x", 1<<20), []int{200, 200}},
	{"absolute form", "GET http://x/small.txt HTTP/1.1\r\nHost: x\r\n\r\n", []int{200, 200}},
	{"options", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", []int{200, 200}},
	{"not found", "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", []int{404, 200}},
	{"body on 404", "GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", []int{404, 200}},
	{"connection close", get + "Connection: close\r\n\r\n", []int{200}},
	{"1.0", "GET /small.txt HTTP/1.0\r\n\r\n", []int{200}},
	{"1.0 keep-alive", "GET /small.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", []int{200, 200}},
	{"stream", "GET /stream?lines=3 HTTP/1.1\r\nHost: x\r\n\r\n", []int{200, 200}},
	{"1.0 stream", "GET /stream?lines=1000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", []int{200}},
	{"1.0 short stream", "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", []int{200, 200}},
	{"stream of nonsense", "GET /stream?lines=many HTTP/1.1\r\nHost: x\r\n\r\n", []int{400, 200}},

	{"expect", put + "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\nab", []int{100, 200, 200}},
	{"expect on 1.0", "POST /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab", []int{200}},
	{"expect without body", get + "Expect: 100-continue\r\n\r\n", []int{200, 200}},
	{"expect too much", put + "Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n", []int{413}},
	{"expect wonders", put + "Content-Length: 2\r\nExpect: wonders\r\n\r\nab", []int{417}},

	{"no length", put + "\r\n", []int{200, 200}},
	{"too long body", put + "Content-Length: 1048577\r\n\r\n", []int{413}},
	{"huge length", put + "Content-Length: 99999999999999999999\r\n\r\n", []int{400}},
	{"negative length", put + "Content-Length: -2\r\n\r\nab", []int{400}},
	{"signed length", put + "Content-Length: +2\r\n\r\nab", []int{400}},
	{"no number", put + "Content-Length: two\r\n\r\nab", []int{400}},
	{"hexadecimal length", put + "Content-Length: 0x2\r\n\r\nab", []int{400}},
	{"no digits", put + "Content-Length:\r\n\r\nab", []int{400}},
	{"list of lengths", put + "Content-Length: 2, 2\r\n\r\nab", []int{400}},
	{"length twice", put + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", []int{400}},
	{"conflicting lengths", put + "Content-Length: 2\r\ncontent-length: 50\r\n\r\nab", []int{400}},
	{"chunked", put + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", []int{200, 200}},
	{"chunked and length", put + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400}},
	{"1.0 chunked and length", "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nab", []int{400}},
	{"chunks", put + inChunks + "1\r\na\r\n00000001\r\nb\r\nA\r\n0123456789\r\n0000\r\n\r\n", []int{200, 200}},
	{"chunk extension", put + inChunks + "1;a=\"b\t;c\"\r\na\r\n1 ; x\r\nb\r\n0;last\r\n\r\n", []int{200, 200}},
	{"trailer", put + "Trailer: X\r\n" + inChunks + "1\r\na\r\n0\r\nX: y\r\nZ: z\r\n\r\n", []int{200, 200}},
	{"chunk size too large", put + inChunks + "8000000000000000\r\n", []int{400}},
	{"chunk size overflows", put + inChunks + "10000000000000001\r\na\r\n0\r\n\r\n", []int{400}},
	{"negative chunk size", put + inChunks + "-1\r\na\r\n0\r\n\r\n", []int{400}},
	{"signed chunk size", put + inChunks + "+1\r\na\r\n0\r\n\r\n", []int{400}},
	{"prefixed chunk size", put + inChunks + "0x1\r\na\r\n0\r\n\r\n", []int{400}},
	{"empty chunk size", put + inChunks + "\r\n0\r\n\r\n", []int{400}},
	{"space before chunk size", put + inChunks + " 1\r\na\r\n0\r\n\r\n", []int{400}},
	{"space behind chunk size", put + inChunks + "1 \r\na\r\n0\r\n\r\n", []int{400}},
	{"bare LF behind chunk size", put + inChunks + "1\na\r\n0\r\n\r\n", []int{400}},
	{"bare LF in extension", put + inChunks + "1;x\na\r\n0\r\n\r\n", []int{400}},
	{"bare CR in extension", put + inChunks + "1;x\ry\r\na\r\n0\r\n\r\n", []int{400}},
	{"bare LF behind chunk", put + inChunks + "1\r\na\n0\r\n\r\n", []int{400}},
	{"chunk longer than told", put + inChunks + "1\r\nab\r\n0\r\n\r\n", []int{400}},
	{"endless extension", put + inChunks + "1;" + strings.Repeat("x", 5<<10) + "\r\na\r\n0\r\n\r\n", []int{400}},
	{"many extensions", put + inChunks + strings.Repeat("1;"+strings.Repeat("x", 100)+"\r\na\r\n", 1000) + "0\r\n\r\n", []int{400}},
	{"length in trailer", put + inChunks + "0\r\nContent-Length: 5\r\n\r\n", []int{400}},
	{"folded trailer", put + inChunks + "0\r\nX: y\r\n z\r\n\r\n", []int{400}},
	{"bare LF in trailer", put + inChunks + "0\r\nX: y\n\r\n", []int{400}},
	{"endless trailer", put + inChunks + "0\r\n" + strings.Repeat("X: y\r\n", 4<<10) + "\r\n", []int{400}},
	{"chunks nobody reads", get + inChunks + "1\r\na\r\n0\r\nX: y\r\n\r\n", []int{200, 200}},
	{"bad chunks nobody reads", get + inChunks + "x\r\na\r\n0\r\n\r\n", []int{200}},
	{"too long body nobody reads", get + "Content-Length: 1048577\r\n\r\n", []int{200}},
	{"encoding twice", put + "Transfer-Encoding: chunked\r\n" + inChunks + "0\r\n\r\n", []int{501}},
	{"list of encodings", put + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", []int{501}},
	{"identity", put + "Transfer-Encoding: identity\r\n\r\n", []int{501}},
	{"no encoding", put + "Transfer-Encoding:\r\n\r\n", []int{501}},
	{"encoding in upper case", put + "TRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n", []int{200, 200}},
	{"encoding with a vertical tab", put + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", []int{400}},
	{"encoding on 1.0", "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400}},
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
	{"SSH", "SSH-2.0-x\r\n", []int{400}},
	{"SMTP", "EHLO x\r\n", []int{400}},
	{"RTSP", "OPTIONS * RTSP/1.0\r\n", []int{400}},
	{"HTTP/1.2", "GET /small.txt HTTP/1.2\r\nHost: x\r\n\r\n", []int{200, 200}},
	{"three digits", "GET / HTTP/1.10\r\nHost: x\r\n\r\n", []int{400}},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
	{"space in target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
	{"first field folded", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", []int{400}},
	{"no colon", get + "X\r\n\r\n", []int{400}},
	{"empty name", get + ": x\r\n\r\n", []int{400}},
	{"empty host", "GET /small.txt HTTP/1.1\r\nHost:\r\n\r\n", []int{200, 200}},
	{"CONNECT", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", []int{405}},
	{"500 fields", get + strings.Repeat("X:\r\n", 499) + "\r\n", []int{200, 200}},
	{"501 fields", get + strings.Repeat("X:\r\n", 500) + "\r\n", []int{431}},
	{"upgrade", get + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", []int{200, 200}},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{505}},
	{"HTTP/0.9", "GET /\r\n\r\n", []int{400}},
	{"garbage", "garbage\r\n\r\n", []int{400}},
	{"lower case version", "GET / http/1.1\r\nHost: x\r\n\r\n", []int{400}},
	{"no host", "GET / HTTP/1.1\r\n\r\n", []int{400}},
	{"two hosts", get + "Host: y\r\n\r\n", []int{400}},
	{"bad host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", []int{400}},
	{"bad method", "G=T / HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
	{"delete", "DELETE /small.txt HTTP/1.1\r\nHost: x\r\n\r\n", []int{200, 200}},
	{"put", "PUT /small.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", []int{200, 200}},
	{"get echo", "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", []int{404, 200}},
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
			}
		})
	}
}

// A header has its own limit.
func TestHeaderLimit(t *testing.T) {
	t.Parallel()
	header := func(size int) string {
		return get + "X: " + strings.Repeat("x", size-len(get)-len("X: \r\n\r\n")) + "\r\n\r\n"
	}
	o := testOptions()
	o.maxHeader = 1000
	_, addr, _ := startServer(t, o)
	for size, want := range map[int][]int{1000: {200, 200}, 1001: {431}} {
		nc := dial(t, addr)
		io.WriteString(nc, header(size)+probe)
		answers, err := readAnswers(nc)
		if got := statuses(answers); err != nil || !slices.Equal(got, want) {
			t.Errorf("header of %d bytes: got %v, %v, want %v", size, got, err, want)
		}
	}
}

// Input that can't become a request is answered at once, without waiting for more.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	_, addr, _ := startServer(t, testOptions())
	for _, begin := range []string{"SSH-2.0-x\r\n", "\x16\x03\x01", "GET / HTTP/1.1\n", get + "X : y\r\n", "\r\n\r\n"} {
		nc := dial(t, addr)
		io.WriteString(nc, begin)
		answers, err := readAnswers(nc)
		if got := statuses(answers); err != nil || !slices.Equal(got, []int{400}) {
			t.Errorf("%q: got %v, %v, want 400", begin, got, err)
		}
	}
}
