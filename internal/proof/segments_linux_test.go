// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux && !386 && !s390x

package proof_test

import (
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/goframer/framer"
)

// sentSegments returns how many segments with data nc has sent: tcpi_data_segs_out of
// tcp(7).
func sentSegments(t *testing.T, nc net.Conn) (n uint32) {
	t.Helper()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		var info [160 / 4]uint32
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 || size < 160 {
			t.Errorf("TCP_INFO of %d bytes: %v", size, errno)
		}
		n = info[39]
	})
	return n
}

// If a producer has followed a push several times, such as a body a header, the push and
// the beginning of the producer's output are then sent in one segment.
func TestPushLeavesWithProducer(t *testing.T) {
	const turns, learning = 50, 5
	header, body := strings.Repeat("h", 100), strings.Repeat("b", 1000)
	bodies := map[string]func(t *testing.T) framer.Producer{
		"file":   func(t *testing.T) framer.Producer { return framer.NewReaderProducer(writeFile(t, []byte(body))) },
		"reader": func(*testing.T) framer.Producer { return framer.NewReaderProducer(strings.NewReader(body)) },
		"shared": func(*testing.T) framer.Producer { return framer.NewBytesProducer([]byte(body)) },
		"pieces": func(*testing.T) framer.Producer { return framer.NewSimpleProducer([]byte(body), 10) },
	}
	for name, newBody := range bodies {
		for _, way := range []string{"push", "Concat", "push under TLS"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				nc, peer := tcpPair(t)
				defer peer.Close()
				tcp := nc
				if way == "push under TLS" {
					server, client := tlsConfigs(t)
					nc, peer = tls.Server(nc, server), tls.Client(peer, client)
				}
				s := &script{}
				s.onFound = func() error {
					s.Reset()
					if way == "Concat" {
						return s.PushWithProducer(framer.Concat(framer.NewBytesProducer([]byte(header)), newBody(t)))
					}
					s.Push([]byte(header))
					return s.PushWithProducer(newBody(t))
				}
				serve(t, nc, s.newHandler, framer.Config{})
				var before uint32
				for turn := range turns {
					if turn == learning {
						before = sentSegments(t, tcp)
					}
					writeString(t, peer, "get\n")
					readString(t, peer, header+body)
					for i := 0; i < 1000 && len(goroutines("runWriter")) > 0; i++ { // a writer that still runs would send the next header alone
						runtime.Gosched()
					}
				}
				n := sentSegments(t, tcp) - before
				if limit := uint32(turns-learning) * 5 / 4; way != "push under TLS" && n > limit {
					t.Errorf("%d answers left in %d segments, want at most %d", turns-learning, n, limit)
				}
			})
		}
	}
}

// A push is not held back for a producer that does not come, nor before an answer to
// STARTTLS. If it were held back, that would be for 200 milliseconds, which is long
// compared with everything else here.
func TestPushDoesNotWaitForProducer(t *testing.T) {
	const rounds, learning = 10, 6
	header, body := strings.Repeat("h", 100), strings.Repeat("b", 1000)
	server, _ := tlsConfigs(t)
	for name, without := range map[string]func(c *framer.Conn) error{
		"only a push": func(*framer.Conn) error { return nil },
		"StartTLS":    func(c *framer.Conn) error { return c.StartTLS(tls.Server, server) },
		"silent producer": func(c *framer.Conn) error {
			return c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
				<-c.Context().Done()
				return nil, nil
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var learned, took time.Duration
			for range rounds {
				nc, peer := tcpPair(t)
				s := &script{}
				s.onFound = func() error {
					s.Reset()
					s.Push([]byte(header))
					if s.called("found") > learning {
						return without(s.Conn)
					}
					return s.PushWithProducer(framer.NewBytesProducer([]byte(body)))
				}
				c := serve(t, nc, s.newHandler, framer.Config{})
				began := time.Now()
				for range learning {
					writeString(t, peer, "get\n")
					readString(t, peer, header+body)
				}
				learned += time.Since(began)
				began = time.Now()
				writeString(t, peer, "get\n")
				readString(t, peer, header)
				took += time.Since(began)
				c.Close()
				peer.Close()
			}
			if took > learned+rounds*100*time.Millisecond {
				t.Errorf("%d pushes took %v, after %v for all those before", rounds, took, learned)
			}
		})
	}
}
