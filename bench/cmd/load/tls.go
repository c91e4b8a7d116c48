// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// parallel is how many TLS connections are handled at the same time.
const parallel = 16

// holdTLS sends one window of the script on each of n TLS connections, keeps them until
// the end of stdin, and ends them. It sends all of a window before it reads, so a window
// must fit into the buffers of the sockets.
func holdTLS(addr netip.AddrPort, n int, s script, stdin io.Reader, stdout io.Writer) error {
	conns := make([]*tls.Conn, n)
	err := forEach(n, func(i int) (err error) {
		if conns[i], err = connectTLS(addr, i); err != nil {
			return err
		}
		return ask(conns[i], &s, i%s.starts)
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "held")
	if _, err := io.Copy(io.Discard, stdin); err != nil {
		return err
	}
	return forEach(n, func(i int) error {
		// Another answer proves that the server has held the connection.
		if err := ask(conns[i], &s, (i+1)%s.starts); err != nil {
			return err
		}
		return endTLS(conns[i])
	})
}

// forEach calls f for n connections until a call fails. It returns the error.
func forEach(n int, f func(i int) error) error {
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(parallel)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if err := f(i); err != nil {
				return fmt.Errorf("connection %d: %w", i, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// connectTLS opens connection i to addr, from the same source address as the loop.
func connectTLS(addr netip.AddrPort, i int) (*tls.Conn, error) {
	fd, err := connect(addr, i)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close() // FileConn has duplicated it
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	// The certificate of the server is self-signed.
	return tls.Client(c, &tls.Config{InsecureSkipVerify: true}), nil
}

// ask sends a window of the script and checks the replies. The first call also performs
// the handshake.
func ask(c *tls.Conn, s *script, start int) error {
	requests, replies := s.window(start)
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.Write(requests); err != nil {
		return err
	}
	got := make([]byte, len(replies))
	if n, err := io.ReadFull(c, got); err != nil {
		return fmt.Errorf("%d bytes of replies are missing: %w", len(replies)-n, err)
	}
	if !bytes.Equal(got, replies) {
		return difference(got, replies)
	}
	return nil
}

// endTLS ends the client's side and waits for the end of the server's side. No data may
// come before it.
func endTLS(c *tls.Conn) error {
	if err := c.CloseWrite(); err != nil {
		return err
	}
	extra := make([]byte, 1)
	n, err := c.Read(extra)
	switch {
	case n > 0:
		return difference(extra, nil)
	case err != io.EOF:
		return fmt.Errorf("waiting for the server's end: %w", err)
	}
	return c.Close()
}
