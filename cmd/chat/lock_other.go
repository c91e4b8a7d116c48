// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !linux && !darwin && !freebsd

package main

import "os"

// lock does nothing, because package syscall has no file locks for this system.
func lock(*os.File) error { return nil }
