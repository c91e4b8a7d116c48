// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import "github.com/goframer/framer/internal/cli"

// A printable is a text to print. Line ends and tabs are printed as they are. The text is
// escaped when it is printed, so that it costs nothing to log one without -v.
type printable []byte

func (p printable) String() string { return cli.Escape(string(p), "\n\t") }

// A printableLine is a printable that also escapes line ends.
type printableLine []byte

func (p printableLine) String() string { return cli.Escape(string(p), "\t") }
