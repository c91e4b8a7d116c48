// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
	"github.com/google/go-cmp/cmp"
)

// HandleConnect is called after the TLS handshake. If that fails, HandleConnect is not
// called.
func TestTLSHandshakeFails(t *testing.T) {
	t.Parallel()
	nc, peer := tcpPair(t)
	defer peer.Close()
	server, _ := tlsConfigs(t)
	var s script
	var logs logBook
	c := s.serve(t, tls.Server(nc, server), framer.Config{Logger: slog.New(&logs)})
	c.Push([]byte("secret\n"))
	writeString(t, peer, "GET / HTTP/1.1\r\n\r\n")
	got, _ := io.ReadAll(peer)
	if bytes.Contains(got, []byte("secret")) {
		t.Errorf("the peer got %q", got)
	}
	if err := c.Wait(); err == nil || !strings.HasPrefix(err.Error(), "framer: TLS handshake: ") {
		t.Errorf("Wait: %v, want an error of the handshake", err)
	}
	if diff := cmp.Diff([]string{"close"}, s.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// If the connection of a TLS peer is cut off within a record, the peer has not ended its
// side.
func TestTLSTruncation(t *testing.T) {
	t.Parallel()
	nc, peer := tcpPair(t)
	defer peer.Close()
	server, client := tlsConfigs(t)
	var s script
	s.onFound = func() error { return s.Push([]byte("reply\n")) }
	c := s.serve(t, tls.Server(nc, server), framer.Config{})
	tc := tls.Client(peer, client)
	writeString(t, tc, "request\n")
	readString(t, tc, "reply\n")
	writeString(t, peer, "\x17\x03\x03") // the beginning of the header of a record
	endInput(t, peer)
	readAll(t, tc)
	if err := c.Wait(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Wait: %v, want io.ErrUnexpectedEOF", err)
	}
}

// Over TLS, nothing is sent before the handshake. So a newHandler that waits for output
// waits until HandshakeTimeout ends the connection.
func TestNewHandlerWaitsOverTLS(t *testing.T) {
	t.Parallel()
	waits := map[string]func(c *framer.Conn) error{
		"Push":  func(c *framer.Conn) error { c.Push(make([]byte, 8)); return c.Push(make([]byte, 8)) },
		"Flush": func(c *framer.Conn) error { c.Push(make([]byte, 8)); return c.Flush(context.Background()) },
		"PushWithProducer": func(c *framer.Conn) (err error) {
			for err == nil {
				err = c.PushWithProducer(framer.NewSimpleProducer([]byte("data"), 1))
			}
			return err
		},
	}
	for name, wait := range waits {
		for _, result := range []string{"handler", "nil", "panic"} {
			t.Run(name+"/"+result, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := framertest.Pipe()
					defer peer.Close()
					var waitErr error
					c := serve(t, tls.Server(nc, new(tls.Config)), func(c *framer.Conn) framer.Handler {
						waitErr = wait(c)
						switch result {
						case "panic":
							panic("bad")
						case "nil":
							return nil
						}
						return &lineHandler{Conn: c}
					}, framer.Config{MaxQueuedBytes: 10, HandshakeTimeout: time.Second})
					wantTimeout(t, wantEndAfter(t, c, time.Second), "HandshakeTimeout")
					if !errors.Is(waitErr, net.ErrClosed) {
						t.Errorf("newHandler got %v, want net.ErrClosed", waitErr)
					}
				})
			})
		}
	}
}

// If the handshake of a tls.Conn was performed before, it is not performed again, and
// newHandler can push.
func TestHandshakeIsOver(t *testing.T) {
	t.Parallel()
	nc, peer := tcpPair(t)
	server, client := tlsConfigs(t)
	nc, peer = tls.Server(nc, server), tls.Client(peer, client)
	defer peer.Close()
	done := call(func() error { handshake(t, nc); return nil })
	handshake(t, peer)
	<-done
	var states []framer.ConnState
	const size = 4 << 20
	s := framer.Server{
		NewHandler: func(c *framer.Conn) framer.Handler {
			for range size / 4096 {
				c.Push(make([]byte, 4096)) // more than the queue holds
			}
			if got := c.String(); !strings.HasSuffix(got, "(new)") {
				t.Errorf("in newHandler the connection is %s", got)
			}
			return newEchoLine(c)
		},
		ConnState: func(c *framer.Conn, state framer.ConnState) { states = append(states, state) },
	}
	served := call(func() error { return s.ServeConn(t.Context(), nc) })
	if n, err := io.CopyN(io.Discard, peer, size); err != nil {
		t.Fatalf("got %d bytes and %v", n, err)
	}
	checkEcho(t, peer)
	peer.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if want := []framer.ConnState{framer.StateNew, framer.StateActive, framer.StateClosing, framer.StateClosed}; !slices.Equal(states, want) {
		t.Errorf("the states are %v, want %v", states, want)
	}
}

// If a TLS peer goes on with data that is not TLS, the connection does not end in order.
// The peer can't delay the end.
func TestTLSRubbish(t *testing.T) {
	t.Parallel()
	for name, newHandler := range lineStyles(func(c *framer.Conn, line []byte) error {
		return c.PushWithProducer(framer.NewBytesProducer(make([]byte, 8<<20)))
	}) {
		nc, peer := tcpPair(t)
		server, client := tlsConfigs(t)
		var logs logBook
		c := serve(t, tls.Server(nc, server), newHandler, framer.Config{Logger: slog.New(&logs)})
		tc := tls.Client(peer, client)
		writeString(t, tc, "line\n")
		io.CopyN(io.Discard, tc, 1000)
		io.WriteString(peer, "GET / HTTP/1.1\r\n\r\n")
		io.Copy(io.Discard, peer)
		peer.Close()
		if err := c.Wait(); err == nil {
			t.Errorf("%s: the end is in order", name)
		}
		if records := logs.above(); len(records) != 0 {
			t.Errorf("%s: logged %v", name, records)
		}
	}
}

// A slow peer receives a close_notify at the end of the output, however long it takes to
// read it, within WriteTimeout. A peer that does not read it is dropped.
func TestSlowCloseNotify(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{time.Second, 6 * time.Second, 50 * time.Second, time.Hour} {
		for _, isClient := range []bool{false, true} {
			t.Run(pause.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := framertest.Pipe()
					server, client := tlsConfigs(t)
					tc, tp := tls.Server(nc, server), tls.Client(peer, client)
					if isClient {
						tc, tp = tls.Client(nc, client), tls.Server(peer, server)
					}
					defer peer.Close()
					var s script
					s.onConnect = func() error { return s.Push([]byte("the end")) }
					c := s.serve(t, tc, framer.Config{})
					readString(t, tp, "the end")
					synctest.Wait()
					nc.HoldWrites(true)
					c.CloseWhenDone()
					if pause > time.Minute {
						wantTimeout(t, wantEndAfter(t, c, time.Minute), "WriteTimeout")
						return
					}
					wantOpenFor(t, c, pause)
					nc.HoldWrites(false)
					if rest := readAll(t, tp); rest != "" {
						t.Errorf("the peer got %q", rest)
					}
					tp.Close()
					if err := c.Wait(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// If the peer has changed its key, TLS may have to write in a Read. There is no deadline
// left from the last write, even if that was long ago, and later data arrives.
func TestKeyUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nc, peer := framertest.Pipe()
		defer peer.Close()
		server, client := tlsConfigs(t)
		var keys bytes.Buffer
		client.KeyLogWriter = &keys
		tc := tls.Client(peer, client)
		silence := make(chan struct{})
		var s script
		s.onConnect = func() error {
			return s.PushWithProducer(framer.NewSeqProducer(func(yield func([]byte) bool) {
				if yield([]byte("one")) {
					<-silence
					yield([]byte("two"))
				}
			}))
		}
		c := s.serve(t, tls.Server(nc, server), framer.Config{WriteTimeout: 10 * time.Second})
		readString(t, tc, "one")
		wantOpenFor(t, c, time.Hour)
		if tc.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
			t.Log("the record of this suite is not known here")
		} else if _, err := peer.Write(keyUpdate(t, keys.String())); err != nil {
			t.Error(err)
		}
		wantOpenFor(t, c, time.Hour)
		close(silence)
		readString(t, tc, "two")
		c.Close()
	})
}

// keyUpdate returns the record of a KeyUpdate that asks for an answer (RFC 8446 section
// 4.6.3). It is the first record of a client with the keys.
func keyUpdate(t *testing.T, keys string) []byte {
	t.Helper()
	_, line, _ := strings.Cut(keys, "CLIENT_TRAFFIC_SECRET_0 ")
	line, _, _ = strings.Cut(line, "\n")
	_, text, _ := strings.Cut(line, " ")
	secret, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	expand := func(label string, n int) []byte { // RFC 8446 section 7.1
		label = "tls13 " + label
		info := "\x00" + string(rune(n)) + string(rune(len(label))) + label + "\x00"
		key, err := hkdf.Expand(sha256.New, secret, info, n)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	block, err := aes.NewCipher(expand("key", 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte{24, 0, 0, 1, 1, 22} // key_update, its length, update_requested; content type handshake
	header := []byte{23, 3, 3, 0, byte(len(message) + aead.Overhead())}
	return aead.Seal(header, expand("iv", aead.NonceSize()), message, header)
}

// The error says what is missing and what to do.
func TestServeTLSWithoutCertificate(t *testing.T) {
	t.Parallel()
	config, _ := tlsConfigs(t)
	certFile, keyFile := writeCertificate(t, config)
	none := filepath.Join(t.TempDir(), "none")
	const empty = "framer: no certificate for TLS: "
	const advice = " empty; give both, or set Certificates, GetCertificate or GetConfigForClient in TLSConfig and give neither"
	tests := []struct {
		name              string
		config            *tls.Config
		certFile, keyFile string
		want              string
		notExist          bool
	}{
		{"nothing", nil, "", "", empty + "certFile and keyFile are" + advice, false},
		{"empty config", &tls.Config{NextProtos: []string{"echo"}}, "", "", empty + "certFile and keyFile are" + advice, false},
		{"certFile only", nil, certFile, "", empty + "keyFile is" + advice, false},
		{"keyFile only", nil, "", keyFile, empty + "certFile is" + advice, false},
		{"config and certFile", config, certFile, "", empty + "keyFile is" + advice, false},
		{"config and keyFile", config, "", keyFile, empty + "certFile is" + advice, false},
		{"no such certFile", nil, none, keyFile, none, true},
		{"no such keyFile", nil, certFile, none, none, true},
		{"config, no such files", config, none, none, none, true},
		{"no certificate in certFile", nil, keyFile, keyFile, "certificate", false},
		{"no key in keyFile", nil, certFile, certFile, "private key", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := framer.Server{Addr: "127.0.0.1:0", NewHandler: newEchoLine, TLSConfig: test.config}
			l := listen(t, "tcp", "127.0.0.1:0")
			for name, err := range map[string]error{
				"ServeTLS":          s.ServeTLS(l, test.certFile, test.keyFile),
				"ListenAndServeTLS": s.ListenAndServeTLS(test.certFile, test.keyFile),
			} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v, want %q", name, err, test.want)
				}
				if got := errors.Is(err, os.ErrNotExist); got != test.notExist {
					t.Errorf("%s: %v matches ErrNotExist: %v", name, err, got)
				}
			}
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the listener is not closed: %v", err)
			}
		})
	}
}

// writeCertificate writes the certificate of config to files and returns their names.
func writeCertificate(t *testing.T, config *tls.Config) (certFile, keyFile string) {
	t.Helper()
	certificate := config.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return write("cert.pem", "CERTIFICATE", certificate.Certificate[0]), write("key.pem", "PRIVATE KEY", key)
}
