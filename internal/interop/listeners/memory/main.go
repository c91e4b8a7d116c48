// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command memory measures what connections cost a server: the resident memory of the
// server process, on Linux. First each connection has a line of 64 bytes answered and is
// silent. Then each sends the beginning of a message, which its Collector keeps.
//
//	memory [-conns n] [-tls] [-read n] [-write n] [-pending n]
//
// It prints a row of a table: the number of connections, the transport, and the two
// buffer sizes of Config (0 is the default). Then come three figures of memory: without
// connections, with silent ones, and with connections that have begun a message. The last
// two are also given for each connection.
//
// The server is a separate process. Before each figure, it collects its garbage and
// returns free memory to the system. What the system keeps for a connection (sockets and
// their buffers) is not included.
package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sync/errgroup"
)

// options are the flags, for both processes.
type options struct {
	conns, pending int
	tls            bool
	read, write    int // buffer sizes of Config
	server         bool
}

func main() {
	var o options
	flag.IntVar(&o.conns, "conns", 1000, "measure `n` connections")
	flag.BoolVar(&o.tls, "tls", false, "over TLS")
	flag.IntVar(&o.read, "read", 0, "set Config.ReadBufferSize to `n` bytes")
	flag.IntVar(&o.write, "write", 0, "set Config.WriteBufferSize to `n` bytes")
	flag.IntVar(&o.pending, "pending", 1024, "begin a message with `n` bytes")
	flag.BoolVar(&o.server, "server", false, "be the server (for the program itself)")
	flag.Parse()
	run := measure
	if o.server {
		run = serve
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

// measure is the client. It starts the server and prints the row.
func measure(o options) error {
	s, err := startServer(o)
	if err != nil {
		return err
	}
	defer s.stop()
	var conns []net.Conn
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	empty, err := s.memory(0)
	if err != nil {
		return err
	}
	if conns, err = dialAll(o, s.address); err != nil {
		return err
	}
	line := strings.Repeat("x", 63) + "\n"
	for _, nc := range conns {
		if _, err := io.WriteString(nc, line); err != nil {
			return err
		}
	}
	for _, nc := range conns {
		if _, err := io.ReadFull(nc, make([]byte, len(line))); err != nil {
			return err
		}
	}
	received := o.conns * (len(line) - 1)
	idle, err := s.memory(received)
	if err != nil {
		return err
	}
	for _, nc := range conns {
		if _, err := nc.Write(make([]byte, o.pending)); err != nil {
			return err
		}
	}
	begun, err := s.memory(received + o.conns*o.pending)
	if err != nil {
		return err
	}
	transport := "TCP"
	if o.tls {
		transport = "TLS"
	}
	const mib = 1 << 20
	fmt.Printf("| %d | %s | %d, %d | %.1f | %.1f | %d | %.1f | %d |\n", o.conns, transport, o.read, o.write,
		float64(empty)/mib, float64(idle)/mib, (idle-empty)/o.conns, float64(begun)/mib, (begun-empty)/o.conns)
	return nil
}

// dialAll opens all connections, a few at a time, because handshakes take the processors.
func dialAll(o options, address string) ([]net.Conn, error) {
	conns := make([]net.Conn, o.conns)
	var g errgroup.Group
	g.SetLimit(8)
	for i := range conns {
		g.Go(func() (err error) {
			conns[i], err = net.Dial("tcp", address)
			if err != nil || !o.tls {
				return err
			}
			c := tls.Client(conns[i], &tls.Config{InsecureSkipVerify: true}) // the server is this program
			conns[i] = c
			return c.Handshake()
		})
	}
	return conns, g.Wait()
}

// A server is the server process.
type server struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	address string
}

func startServer(o options) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(program, "-server", fmt.Sprintf("-tls=%t", o.tls),
		fmt.Sprintf("-read=%d", o.read), fmt.Sprintf("-write=%d", o.write))}
	s.cmd.Stderr = os.Stderr
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.in, s.out = in, bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := fmt.Fscanln(s.out, &s.address); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// stop ends the server by closing its standard input.
func (s *server) stop() error {
	s.in.Close()
	return s.cmd.Wait()
}

// memory returns the server's resident memory, in bytes, when its handlers have been
// given that many bytes.
func (s *server) memory(received int) (bytes int, err error) {
	if _, err := fmt.Fprintln(s.in, received); err != nil {
		return 0, err
	}
	_, err = fmt.Fscanln(s.out, &bytes)
	return bytes, err
}
