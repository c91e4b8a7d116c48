// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command framer is a server of lines with framer. See package lines.
package main

import (
	"context"

	"github.com/goframer/framer"
	"github.com/goframer/framer/bench/internal/lines"
)

type handler struct {
	*framer.Conn
	framer.Collector
}

func newHandler(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &handler{Conn: c}
}

func (h *handler) FoundTerminator() error {
	reply, last := lines.AnswerLine(string(h.Take()))
	if err := h.Push(reply); err != nil {
		return err
	}
	if last {
		return h.CloseWhenDone()
	}
	return nil
}

func main() {
	lines.Main(func(address string) (lines.Server, error) {
		s := &framer.Server{NewHandler: newHandler}
		return lines.Serve(address, s.Serve, func() error { return s.Shutdown(context.Background()) })
	})
}
