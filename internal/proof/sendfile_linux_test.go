// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// writeFile returns a file with data, which is open for reading.
func writeFile(t *testing.T, data []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// sentByReference reports whether send sends the pages of the file and not a copy. It
// changes the file when send has returned and before the peer reads. After sendfile(2),
// which passes on the pages, the peer reads the changed bytes. If the bytes were copied,
// it reads the old ones.
func sentByReference(t *testing.T, send func(nc net.Conn, f *os.File)) bool {
	t.Helper()
	before := bytes.Repeat([]byte("before"), 2000) // fits into the buffers of the socket
	after := bytes.Repeat([]byte("after."), 2000)
	f := writeFile(t, before)
	nc, peer := tcpPair(t)
	defer peer.Close()
	send(nc, f)

	change, err := os.OpenFile(f.Name(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer change.Close()
	if _, err := change.WriteAt(after, 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(before))
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, before) && !bytes.Equal(got, after) {
		t.Errorf("the peer got %.100q", got)
	}
	return bytes.Equal(got, after)
}

// TestSendfile checks that a file is sent in the same way as net.TCPConn sends it.
func TestSendfile(t *testing.T) {
	want := sentByReference(t, func(nc net.Conn, f *os.File) {
		t.Cleanup(func() { nc.Close() })
		if _, err := nc.(*net.TCPConn).ReadFrom(f); err != nil {
			t.Error(err)
		}
	})
	if !want {
		t.Log("this system copies what it sends")
	}
	const long = 1 << 40
	tests := []struct {
		name     string
		producer func(f *os.File) framer.Producer
		want     bool
	}{
		{"file", func(f *os.File) framer.Producer { return framer.NewReaderProducer(f) }, want},
		{"limited", func(f *os.File) framer.Producer {
			return framer.NewReaderProducer(io.LimitReader(f, long))
		}, want},
		{"concat", func(f *os.File) framer.Producer {
			return framer.Concat(framer.NewReaderProducer(f), framer.NewBytesProducer(nil))
		}, want},
		{"done", func(f *os.File) framer.Producer {
			return framer.OnDone(framer.Concat(framer.OnDone(framer.NewReaderProducer(f), func(int64, error) {})), func(int64, error) {})
		}, want},
		{"copied", func(f *os.File) framer.Producer {
			return framer.NewReaderProducer(struct{ io.Reader }{f})
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := sentByReference(t, func(nc net.Conn, f *os.File) {
				var s script
				c := s.serve(t, nc, framer.Config{})
				if err := errors.Join(c.PushWithProducer(test.producer(f)), c.Flush(t.Context())); err != nil {
					t.Error(err)
				}
			})
			if got != test.want {
				t.Errorf("sent by reference: %v, want %v", got, test.want)
			}
		})
	}
}

// Files and pieces arrive whole and in order. Each file is sent from its current offset,
// and is closed.
func TestFilesBetweenPushes(t *testing.T) {
	data := make([]byte, 2<<20)
	rand.Read(data)
	onTransports(t, func(t *testing.T, nc, peer net.Conn) {
		var want []byte
		var s script
		files := []*os.File{writeFile(t, data), writeFile(t, data), writeFile(t, data)}
		if _, err := files[1].Seek(1234567, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var sent int64
		s.onConnect = func() error {
			return errors.Join(
				s.Push([]byte("one")),
				s.PushWithProducer(framer.NewReaderProducer(files[0])),
				s.Push([]byte("two")),
				s.PushWithProducer(framer.Concat(
					framer.NewBytesProducer([]byte("header")),
					framer.OnDone(framer.NewReaderProducer(files[1]), func(n int64, err error) {
						sent = n
						if err != nil {
							t.Error(err)
						}
					}),
					framer.NewBytesProducer([]byte("trailer")),
				)),
				s.PushWithProducer(framer.NewReaderProducer(io.LimitReader(files[2], 1<<20+1))),
				s.CloseWhenDone(),
			)
		}
		want = append(want, "one"...)
		want = append(want, data...)
		want = append(want, "two"...)
		want = append(want, "header"...)
		want = append(want, data[1234567:]...)
		want = append(want, "trailer"...)
		want = append(want, data[:1<<20+1]...)
		c := s.serve(t, nc, framer.Config{})
		if got := readAll(t, peer); got != string(want) {
			t.Errorf("the peer got %d bytes, want %d others", len(got), len(want))
		}
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if got, want := sent, int64(len(data)-1234567); got != want {
			t.Errorf("OnDone was told of %d bytes, want %d", got, want)
		}
		if got, want := c.Stats().BytesWritten, int64(len(want)); got != want {
			t.Errorf("BytesWritten is %d, want %d", got, want)
		}
		for i, f := range files {
			if err := f.Close(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("file %d was not closed", i)
			}
		}
	})
}

// If a write of a file has timed out, it goes on at the place that it has reached,
// provided that the peer has taken something.
func TestFileAfterExpiredWrites(t *testing.T) {
	data := make([]byte, 4<<20)
	rand.Read(data)
	nc, peer := tcpPair(t)
	defer peer.Close()
	if err := errors.Join(nc.(*net.TCPConn).SetWriteBuffer(64<<10), peer.(*net.TCPConn).SetReadBuffer(64<<10)); err != nil {
		t.Fatal(err)
	}
	var s script
	s.onConnect = func() error {
		return errors.Join(s.PushWithProducer(framer.NewReaderProducer(writeFile(t, data))), s.CloseWhenDone())
	}
	c := s.serve(t, nc, framer.Config{})
	var got bytes.Buffer
	// Each time the peer has taken some of the write that goes on, but not all of it: the
	// buffers hold much less than one write.
	for _, n := range []int64{64 << 10, 536 << 10, 1, 100 << 10, 1, 1} {
		if _, err := io.CopyN(&got, peer, n); err != nil {
			t.Fatal(err)
		}
		if err := nc.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.Copy(&got, peer); err != nil {
		t.Error(err)
	}
	peer.Close()
	if !bytes.Equal(got.Bytes(), data) {
		t.Errorf("the peer got %d bytes, want %d others", got.Len(), len(data))
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
