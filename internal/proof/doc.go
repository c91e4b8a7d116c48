// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package proof has the large tests of package framer: what asynchat does with the
// recorded inputs, every input cut in every way, every fault on every medium, the
// bounds of memory and of time, the ends of a connection, shutdowns, what is logged,
// and the benchmarks. They see of it what everybody sees. It has nothing but tests.
package proof
