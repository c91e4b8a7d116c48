// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !unix

package main

import (
	"context"
	"errors"
	"net"

	"github.com/goframer/framer/internal/cli"
)

// listen returns a new socket. On this system no socket can be handed over.
func listen(address string) (*net.TCPListener, error) {
	l, err := cli.Listen(context.Background(), "listen", address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

func notifyReady() error { return nil }

func startSuccessor(*net.TCPListener) error { return errors.ErrUnsupported }

func hold(string, []string) error { return errors.ErrUnsupported }
