// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package faq has the examples behind the questions and answers of the README. Each of
// them shows what goes wrong without the library, and what happens with it.
package faq
