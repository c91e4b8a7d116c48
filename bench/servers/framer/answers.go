// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"sync"

	"github.com/goframer/framer"
)

// answers collects what a Handler has to say to all that came at once, so that it
// takes one Push.
type answers struct {
	*framer.Conn
	buf    []byte
	memory *[]byte // what buf began as, or nil: a silent connection keeps none
}

var memory sync.Pool // of *[]byte

// begin gets memory for buf, if it has none.
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
