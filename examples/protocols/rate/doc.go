// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package rate has the recipe of docs/protocols.md that needs golang.org/x/time.
package rate
