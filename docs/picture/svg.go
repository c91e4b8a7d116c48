// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"html"
	"strings"
)

// A theme has the colours of a picture. The picture has no background of its own.
type theme struct {
	ink, muted string // text
	rule       string // lines and borders
	box        string // boxes on the page or on a lane
	reader     string // the background of the lane of the reader goroutine; readerInk is its text
	readerInk  string
	writer     string
	writerInk  string
	alarm      string // back-pressure
	ours       string // bars
	others     string
}

var light = theme{
	ink: "#1f2328", muted: "#59636e", rule: "#818b98", box: "#ffffff",
	reader: "#ddf4ff", readerInk: "#0550ae", writer: "#dafbe1", writerInk: "#116329",
	alarm: "#bc4c00", ours: "#0969da", others: "#818b98",
}

var dark = theme{
	ink: "#f0f6fc", muted: "#a6b0bb", rule: "#7d8590", box: "#0d1117",
	reader: "#0c2d57", readerInk: "#a5d6ff", writer: "#0a3319", writerInk: "#7ee787",
	alarm: "#ffa657", ours: "#58a6ff", others: "#8b949e",
}

// These are common fonts of different systems. The positions are right for DejaVu, the
// widest of them.
const (
	sans = `-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, 'DejaVu Sans', sans-serif`
	mono = `ui-monospace, SFMono-Regular, 'SF Mono', Menlo, Consolas, 'Liberation Mono', 'DejaVu Sans Mono', monospace`
)

// A canvas collects the elements of a picture.
type canvas struct {
	b strings.Builder
}

func (c *canvas) addf(format string, args ...any) {
	fmt.Fprintf(&c.b, format+"\n", args...)
}

// A style is the style of a text.
type style struct {
	size   int
	fill   string
	anchor string // "", "middle" or "end"
	bold   bool
	mono   bool
}

func (c *canvas) text(x, y float64, s style, text string) {
	c.turned(x, y, 0, s, text)
}

// turned writes a text, rotated around its position.
func (c *canvas) turned(x, y float64, degrees int, s style, text string) {
	attributes := fmt.Sprintf(`x="%s" y="%s" font-size="%d" fill="%s"`, number(x), number(y), s.size, s.fill)
	if s.anchor != "" {
		attributes += fmt.Sprintf(` text-anchor="%s"`, s.anchor)
	}
	if s.bold {
		attributes += ` font-weight="600"`
	}
	if s.mono {
		attributes += ` class="mono"`
	}
	if degrees != 0 {
		attributes += fmt.Sprintf(` transform="rotate(%d %s %s)"`, degrees, number(x), number(y))
	}
	c.addf(`<text %s>%s</text>`, attributes, html.EscapeString(text))
}

func (c *canvas) rect(x, y, w, h, radius float64, fill, stroke string) {
	c.addf(`<rect x="%s" y="%s" width="%s" height="%s" rx="%s" fill="%s" stroke="%s" stroke-width="1.5"/>`,
		number(x), number(y), number(w), number(h), number(radius), fill, stroke)
}

// number formats a coordinate with at most one decimal.
func number(x float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0")
}

// document returns the picture. Title and description are for people who can't see it.
func (c *canvas) document(width, height float64, title, description string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%[1]s" height="%[2]s" viewBox="0 0 %[1]s %[2]s" role="img" aria-labelledby="title desc" font-family="%[3]s">
<title id="title">%[4]s</title>
<desc id="desc">%[5]s</desc>
<style>.mono { font-family: %[6]s }</style>
%[7]s</svg>
`, number(width), number(height), sans, html.EscapeString(title), html.EscapeString(description), mono, c.b.String())
}
