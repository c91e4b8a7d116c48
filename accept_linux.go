// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import "syscall"

// systemPasses are errors of accepting that pass and that only Linux has, or has
// in accept(2).
var systemPasses = []error{syscall.EHOSTDOWN, syscall.ENONET}
