// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !unix

package main

import (
	"errors"
	"net"
)

// listen returns a new socket: here none is handed over.
func listen(address string) (*net.TCPListener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

func notifyReady() error { return nil }

func startSuccessor(*net.TCPListener) error { return errors.ErrUnsupported }

func hold(string, []string) error { return errors.ErrUnsupported }
