// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"io"
	"net"
	"os"

	"github.com/goframer/framer"
)

// prepareFileFramer sends the file with a producer.
func prepareFileFramer(o options, conns []net.Conn) (*sender, error) {
	f, s, err := newFile(o.path)
	if err != nil {
		return nil, err
	}
	g := serve(conns)
	s.send = func() error { return g.conns[0].PushWithProducer(framer.NewReaderProducer(f)) }
	s.close = g.close // the producer closes the file
	return s, nil
}

// prepareFileCopy sends the file with io.Copy.
func prepareFileCopy(o options, conns []net.Conn) (*sender, error) {
	f, s, err := newFile(o.path)
	if err != nil {
		return nil, err
	}
	s.send = func() error {
		_, err := io.Copy(conns[0], f)
		return err
	}
	s.close = func() error { return errors.Join(f.Close(), conns[0].Close()) }
	return s, nil
}

// newFile opens a file. It returns a sender for the file, without its functions.
func newFile(path string) (*os.File, *sender, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, &sender{messages: 1, size: info.Size(), windows: 1}, nil
}
