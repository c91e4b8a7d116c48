// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/goframer/framer"
)

// serve is the server process. For every number n on standard input it waits until its
// handlers have been given n bytes. Then it prints its resident memory.
func serve(o options) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r := &received{}
	r.more.L = &r.mu
	s := framer.Server{
		Config: framer.Config{ReadBufferSize: o.read, WriteBufferSize: o.write},
		NewHandler: func(c *framer.Conn) framer.Handler {
			c.SetTerminator(framer.Delimiter("\n"))
			return &conn{Conn: c, received: r}
		},
	}
	served := make(chan error, 1)
	if o.tls {
		certificate, err := newCertificate()
		if err != nil {
			return err
		}
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
		go func() { served <- s.ServeTLS(l, "", "") }()
	} else {
		go func() { served <- s.Serve(l) }()
	}
	fmt.Println(l.Addr())
	for in := bufio.NewReader(os.Stdin); ; {
		var want int
		if _, err := fmt.Fscanln(in, &want); err != nil {
			err := errors.Join(s.Close(), ignore(err, io.EOF))
			return errors.Join(err, ignore(<-served, framer.ErrServerClosed))
		}
		r.await(want)
		debug.FreeOSMemory()
		debug.FreeOSMemory() // the second call also frees what was in pools
		bytes, err := resident()
		if err != nil {
			return err
		}
		fmt.Println(bytes)
	}
}

// ignore returns err, or nil if err is the expected one.
func ignore(err, expected error) error {
	if err == expected {
		return nil
	}
	return err
}

// A received counts the bytes that all handlers were given.
type received struct {
	mu   sync.Mutex
	more sync.Cond
	n    int
}

func (r *received) add(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n += n
	r.more.Broadcast()
}

func (r *received) await(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.n < n {
		r.more.Wait()
	}
}

// A conn sends lines back.
type conn struct {
	*framer.Conn
	framer.Collector
	received *received
}

func (c *conn) CollectIncomingData(data []byte) error {
	err := c.Collector.CollectIncomingData(data)
	c.received.add(len(data))
	return err
}

func (c *conn) FoundTerminator() error { return c.Push(append(c.Take(), '\n')) }

// resident returns the resident memory of this process in bytes.
func resident() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	_, err = fmt.Sscan(rest, &kib)
	return kib << 10, err
}

func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
