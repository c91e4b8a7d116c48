// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !linux && !darwin && !freebsd

package main

import "os"

// lock does nothing: what the system has for it is not in package syscall.
func lock(*os.File) error { return nil }
