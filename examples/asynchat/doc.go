// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package asynchat has the programs of docs/from-asynchat.md: what the documents of
// Python's asynchat show, written with package framer. It has nothing but tests. Every
// file whose name does not begin with "differs" is a program of its own; the others
// have a test for each difference in behaviour.
package asynchat
