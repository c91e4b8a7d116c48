// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package protocols has the code of docs/protocols.md, a collection of recipes for those
// who write a protocol. Each recipe has a file of its own. It is an example, or a test if
// it needs time.
package protocols
