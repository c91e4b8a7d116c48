// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A command is a call of run that is in progress.
type command struct {
	url     string
	signals chan os.Signal
	exit    chan int    // the exit status
	log     chan string // the log after the first line
}

func startCommand(t *testing.T, args ...string) *command {
	t.Helper()
	r, w := io.Pipe()
	c := &command{signals: make(chan os.Signal, 2), exit: make(chan int, 1), log: make(chan string, 1)}
	go func() {
		code := run(append([]string{"-addr", "127.0.0.1:0", "-shutdown-timeout", "0"}, args...), w, func() <-chan os.Signal { return c.signals })
		w.Close()
		c.exit <- code
	}()
	stderr := bufio.NewReader(r)
	line, err := stderr.ReadString('\n')
	c.url = regexp.MustCompile(`https?://[^/]+`).FindString(line)
	if err != nil || c.url == "" {
		t.Fatalf("no address in %q: %v", line, err)
	}
	go func() {
		rest, _ := io.ReadAll(stderr)
		c.log <- string(rest)
	}()
	return c
}

// writeCertificate writes the certificate of ts and its key to files.
func writeCertificate(t *testing.T, ts *httptest.Server) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(ts.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")
	err = errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func TestCommand(t *testing.T) {
	t.Parallel()
	ts := httptest.NewTLSServer(nil)
	defer ts.Close()
	cert, key := writeCertificate(t, ts)
	_, dir := newSite(t)
	const size = 32 << 20 // more than the buffers of the kernel
	big := filepath.Join(dir, "big")
	if err := errors.Join(os.WriteFile(big, nil, 0o644), os.Truncate(big, size)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-v", "-dir", dir},
		{"-v", "-dir", dir, "-cert", cert, "-key", key},
	} {
		c := startCommand(t, args...)
		transport := ts.Client().Transport.(*http.Transport).Clone()
		transport.ForceAttemptHTTP2 = true // ALPN must tell the client that there is no HTTP/2
		client := &http.Client{Transport: transport}
		res, err := client.Get(c.url + "/small.txt")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || string(body) != small || res.ProtoMajor != 1 {
			t.Errorf("got %q over %s: %v", body, res.Proto, err)
		}
		if res.TLS != nil && res.TLS.NegotiatedProtocol != "http/1.1" {
			t.Errorf("ALPN chose %q", res.TLS.NegotiatedProtocol)
		}
		if res.TLS != nil {
			res, err := client.Get(strings.Replace(c.url, "https", "http", 1))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if want := "Client sent an HTTP request to an HTTPS server.\n"; err != nil || res.StatusCode != 400 || string(body) != want {
				t.Errorf("got %s and %q, %v", res.Status, body, err)
			}
		}
		res, err = client.Get(c.url + "/big")
		if err != nil {
			t.Fatal(err)
		}
		c.signals <- os.Interrupt
		if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size {
			t.Errorf("got %d bytes of %d during shutdown: %v", n, size, err)
		}
		transport.CloseIdleConnections()
		if code := <-c.exit; code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		log := <-c.log
		if want := "method=GET uri=/small.txt status=200 bytes=13\n"; !strings.Contains(log, want) {
			t.Errorf("got log %q, want %q in it", log, want)
		}
	}
}

// After the first signal, the server waits for a slow client. After the second, it does
// not.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	_, dir := newSite(t)
	big := filepath.Join(dir, "big")
	if err := errors.Join(os.WriteFile(big, nil, 0o644), os.Truncate(big, 256<<20)); err != nil {
		t.Fatal(err)
	}
	c := startCommand(t, "-dir", dir)
	nc := dial(t, strings.TrimPrefix(c.url, "http://"))
	fmt.Fprint(nc, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil {
		t.Fatal(err)
	}
	c.signals <- os.Interrupt
	c.signals <- os.Interrupt
	if code := <-c.exit; code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if log := <-c.log; !strings.Contains(log, "cut off") {
		t.Errorf("got log %q", log)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, dir := newSite(t)
	file := filepath.Join(dir, "small.txt")
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-h"}, 0, "Httpd serves a directory"},
		{[]string{"-nonsense"}, 2, "-nonsense"},
		{[]string{"nonsense"}, 2, `unexpected argument "nonsense"`},
		{[]string{"-cert", file}, 2, "-cert and -key go together"},
		{[]string{"-key", file}, 2, "-cert and -key go together"},
		{[]string{"-max-header", "0"}, 2, "-max-header: want at least 1"},
		{[]string{"-max-conns", "-1"}, 2, "-max-conns: want at least 0"},
		{[]string{"-addr", ""}, 2, "-addr: it is empty"},
		{[]string{"-dir", ""}, 2, "-dir: it is empty"},
		{[]string{"-cert", "", "-key", ""}, 2, "it is empty"},
		{[]string{"-idle-timeout", "-1s"}, 2, "-idle-timeout: want at least 0s"},
		{[]string{"-idle-timeout", "5"}, 2, "-idle-timeout: want a number with a unit"},
		{[]string{"-max-conns", "x"}, 2, "-max-conns: want a whole number"},
		{[]string{"-dir", filepath.Join(dir, "nothing")}, 1, "no such file or directory"},
		{[]string{"-dir", file}, 1, "not a directory"},
		{[]string{"-dir", dir, "-cert", file, "-key", file}, 1, "-cert " + file + " and -key " + file},
		{[]string{"-dir", dir, "-addr", l.Addr().String()}, 1, "(-addr): the port is in use"},
		{[]string{"-dir", dir, "-addr", "nonsense"}, 2, "the port is missing"},
	}
	for _, test := range tests {
		var stderr bytes.Buffer
		code := run(test.args, &stderr, nil)
		said := stderr.String()
		if code != test.code || !strings.Contains(said, test.want) {
			t.Errorf("%q: got %d and %q, want %d and %q", test.args, code, said, test.code, test.want)
		}
		if code != 0 && (!strings.HasPrefix(said, "httpd: ") || strings.Count(said, "\n") != 1) {
			t.Errorf("%q: got %q, want one line that begins with the name of the program", test.args, said)
		}
	}
}
