// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package asynchat has the programs of docs/from-asynchat.md: what the documents of
// Python's asynchat show, written with package framer. It has only tests. The files
// whose names begin with "differs" have a test for each difference in behaviour. Each
// other file is a program.
package asynchat
