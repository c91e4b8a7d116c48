// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/goframer/framer"
)

// One http.Server serves a WebSocket and the framed protocol over TLS.
func TestWebSocket(t *testing.T) {
	hs, lines, err := newServers()
	if err != nil {
		t.Fatal(err)
	}
	hs.Handler.(*http.ServeMux).HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		kind, data, err := c.Read(r.Context())
		if err == nil {
			err = c.Write(r.Context(), kind, data)
		}
		if err != nil {
			t.Error(err)
		}
		c.Close(websocket.StatusNormalClosure, "")
	})
	certificate, err := newCertificate()
	if err != nil {
		t.Fatal(err)
	}
	hs.TLSConfig.Certificates = []tls.Certificate{certificate}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- hs.ServeTLS(l, "", "") }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	config := &tls.Config{InsecureSkipVerify: true} // the server is in this process

	framed := make(chan string, 1)
	newHandler := framer.Messages(framer.Delimiter("\n"), func(_ *framer.Conn, line []byte) error {
		framed <- string(line)
		return nil
	})
	nc, err := tls.Dial("tcp", l.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, "GET", "https://"+l.Addr().String()+"/lines", nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := framer.UpgradeHTTP(nc, r, protocol, newHandler, nil)
	if err != nil {
		t.Fatal(err)
	}

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	defer client.CloseIdleConnections()
	ws, _, err := websocket.Dial(ctx, "wss://"+l.Addr().String()+"/ws", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	c.Push([]byte("hello\n"))
	if _, data, err := ws.Read(ctx); err != nil || string(data) != "hello" {
		t.Errorf("the WebSocket gives %q, %v", data, err)
	}
	if line := <-framed; line != "hello" {
		t.Errorf("the framed protocol gives %q", line)
	}
	// The Server of the framed protocol refuses a WebSocket.
	if _, _, err := websocket.Dial(ctx, "wss://"+l.Addr().String()+"/lines", &websocket.DialOptions{HTTPClient: client}); err == nil {
		t.Error("a WebSocket was upgraded to lines")
	}
	response, err := client.Get("https://" + l.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()

	if err := hs.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := lines.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Error(err)
	}
}
