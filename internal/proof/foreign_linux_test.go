// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// These tests check what happens if other code uses the same connection by means of
// package net.

// echoScript returns a script that sends every line back.
func echoScript() *script {
	s := new(script)
	s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
	return s
}

// os.File.Fd makes the descriptor blocking, and with it that of the connection. The
// scheduler must know of every system call that blocks. Otherwise the call would stop the
// process at the next garbage collection.
func TestDescriptorThatWaits(t *testing.T) {
	nc, peer := tcpPair(t)
	server := framer.Server{NewHandler: echoScript().newHandler}
	served := make(chan error, 1)
	go func() { served <- server.ServeConn(t.Context(), nc) }()
	exchange(t, peer)
	file, err := nc.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	file.Fd()
	file.Close()
	for range 10 { // until the connection knows that no other one has input
		exchange(t, peer)
	}
	writeString(t, peer, "half a")
	runtime.GC()
	writeString(t, peer, " line\n")
	readString(t, peer, "half a line\n")
	runtime.GC()
	peer.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// A deadline that was left on the connection, such as by code that has read a PROXY
// header, has no effect.
func TestForgottenDeadline(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		if err := nc.SetDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		c := echoScript().serve(t, nc, framer.Config{})
		for range 10 {
			exchange(t, peer)
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// Many interruptions in the life of a connection do not end it, as long as it makes
// progress.
func TestManyInterruptions(t *testing.T) {
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		c := echoScript().serve(t, nc, framer.Config{})
		for range 300 {
			exchange(t, peer)
			if err := nc.SetReadDeadline(time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}
