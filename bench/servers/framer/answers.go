// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"sync"

	"github.com/goframer/framer"
)

// answers collects the answers of a Handler to everything that came in one read, so that
// it sends them with a single Push.
type answers struct {
	*framer.Conn
	buf    []byte
	memory *[]byte // the memory of buf, or nil: a silent connection keeps no memory
}

var memory sync.Pool // of *[]byte

// begin gets memory for buf, if buf has none.
func (a *answers) begin() {
	if a.memory != nil {
		return
	}
	var ok bool
	if a.memory, ok = memory.Get().(*[]byte); !ok {
		a.memory = new([]byte)
	}
	a.buf = *a.memory
}

// HandleReadComplete pushes the answers.
func (a *answers) HandleReadComplete() error {
	if a.memory == nil {
		return nil
	}
	err := a.Push(a.buf)
	*a.memory = a.buf[:0]
	memory.Put(a.memory)
	a.buf, a.memory = nil, nil
	return err
}
