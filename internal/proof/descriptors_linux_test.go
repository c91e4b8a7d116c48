// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/goframer/framer"
)

// asyncore: handle_expt. An urgent byte is not part of the stream. No byte of the stream
// is lost, and the reader is not kept busy.
func TestUrgentByte(t *testing.T) {
	t.Parallel()
	nc, peer := tcpPair(t)
	defer peer.Close()
	counting := &readCounter{Conn: nc}
	var s script
	s.onFound = func() error { return s.Push(append(s.Take(), '\n')) }
	c := s.serve(t, counting, framer.Config{})
	writeString(t, peer, "before ")
	control(t, peer, func(fd int) error { return syscall.Sendto(fd, []byte("!"), syscall.MSG_OOB, nil) })
	writeString(t, peer, "after\n")
	readString(t, peer, "before after\n")
	peer.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if counting.reads > 5 {
		t.Errorf("%d reads for three writes", counting.reads)
	}
}

// A readCounter counts the calls of Read.
type readCounter struct {
	net.Conn
	reads int
}

func (c *readCounter) Read(p []byte) (int, error) {
	c.reads++
	return c.Conn.Read(p)
}

// asyncore: create_socket. No descriptor is inherited by other programs.
func TestDescriptorsAreNotInherited(t *testing.T) {
	t.Parallel()
	nc, peer := tcpPair(t)
	defer peer.Close()
	var s script
	c := s.serve(t, nc, framer.Config{})
	control(t, c.NetConn(), func(fd int) error {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if errno != 0 {
			return errno
		}
		if flags&syscall.FD_CLOEXEC == 0 {
			t.Error("the descriptor is inherited")
		}
		return nil
	})
	peer.Close()
	c.Wait()
}

// asyncore: FileWrapper recv, send, dispatcher. Descriptors from outside work: a socket
// for a Conn, and the end of a pipe for a Framer.
func TestForeignDescriptors(t *testing.T) {
	t.Parallel()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		if ends[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		defer ends[i].Close()
		f.Close()
	}
	c := serve(t, ends[0], newEchoLine, framer.Config{})
	checkEcho(t, ends[1])
	ends[1].Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	writeString(t, w, "one\ntwo\n")
	w.Close()
	var got []string
	for message, err := range framer.NewFramer(r, nil).All(framer.Delimiter("\n")) {
		if err != nil {
			t.Error(err)
		}
		got = append(got, string(message))
	}
	if len(got) != 2 || got[0] != "one" || got[1] != "two" {
		t.Errorf("the messages are %q", got)
	}
}

// asyncore: resource_warning. No descriptor is left open, however a connection ends.
func TestNoDescriptorIsLeft(t *testing.T) {
	ends := []func(c *framer.Conn, peer net.Conn){
		func(c *framer.Conn, _ net.Conn) { c.Close() },
		func(c *framer.Conn, peer net.Conn) {
			c.CloseWhenDone()
			peer.Close()
		},
		func(_ *framer.Conn, peer net.Conn) { peer.Close() },
		func(_ *framer.Conn, peer net.Conn) {
			peer.(*net.TCPConn).SetLinger(0)
			peer.Close()
		},
	}
	end := func(i int) {
		nc, peer := tcpPair(t)
		defer peer.Close()
		c := framer.NewConn(nc, newEchoLine, nil)
		served := make(chan struct{})
		go func() {
			defer close(served)
			c.Serve(t.Context())
		}()
		checkEcho(t, peer)
		ends[i%len(ends)](c, peer)
		<-served
	}
	end(0) // the first use of the network opens descriptors that stay open
	before := openDescriptors(t)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() { end(i) })
	}
	all.Wait()
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors are open, %d before", after, before)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// If a packet was read only in part, Hijack leaves the rest of it.
func TestHijackOfPackets(t *testing.T) {
	t.Parallel()
	nc, peer := socketPair(t, "unixpacket", filepath.Join(t.TempDir(), "socket"))
	defer peer.Close()
	raw := pattern(30 << 10)
	var s script
	s.onFound = func() error {
		s.Hijack(func(nc net.Conn) {
			defer nc.Close()
			got := make([]byte, len(raw))
			if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, raw) {
				t.Errorf("the function did not get what was sent: %v", err)
			}
		})
		return nil
	}
	c := s.serve(t, nc, framer.Config{})
	writeString(t, peer, "hijack\n"+string(raw))
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
