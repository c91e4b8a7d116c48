// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import "syscall"

func init() {
	passing = append(passing, syscall.EHOSTDOWN, syscall.ENONET)
}
