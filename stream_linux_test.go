// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux && !386 && !s390x

package framer

import (
	"testing"
	"unsafe"
)

// What a write needs of a socket is one cache line, wherever the runtime puts it.
func TestSocketLayout(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of 64 bits")
	}
	s := new(socket)
	if size := unsafe.Sizeof(*s); size != 128 {
		t.Errorf("a socket has %d bytes, which does not put its beginning at a multiple of 64", size)
	}
	if end := unsafe.Offsetof(s.alone) + unsafe.Sizeof(s.alone); end > 64 {
		t.Errorf("a write needs the first %d bytes", end)
	}
}
