// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build !race

package framer

// UnderRace says that everything takes ten times as long.
const UnderRace = false
