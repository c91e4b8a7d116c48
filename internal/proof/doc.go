// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package proof has the large tests of package framer. They compare it with asynchat on
// recorded inputs, cut every input in every way, and run every fault on every medium.
// They check the bounds of memory and of time, the ends of a connection, shutdowns, and
// what is logged. The benchmarks are here, too. The tests use only the public interface.
// The package has nothing but tests.
package proof
