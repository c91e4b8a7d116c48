// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package protocols has the code of docs/protocols.md, a cookbook for those who have a
// protocol to write. Each recipe is an example, or a test where it needs time, in a file
// of its own.
package protocols
