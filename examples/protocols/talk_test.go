// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// quiet is a Config that logs nothing.
var quiet = &framer.Config{Logger: slog.New(slog.DiscardHandler)}

// talk serves one connection. The peer sends input and ends its side. talk prints the
// lines that the peer receives, and the error that the connection ended with, if any.
func talk(input string, newHandler func(*framer.Conn) framer.Handler) {
	client, nc := framertest.Pipe()
	defer client.Close()
	served := make(chan error, 1)
	go func() { served <- framer.NewConn(nc, newHandler, quiet).Serve(context.Background()) }()

	if _, err := io.WriteString(client, input); err != nil {
		fmt.Println("write:", err)
	}
	client.CloseWrite()
	output, err := io.ReadAll(client)
	if err != nil {
		fmt.Println("read:", err)
	}
	for line := range strings.Lines(string(output)) {
		fmt.Printf("%q\n", line)
	}
	if err := <-served; err != nil {
		fmt.Println("ended:", err)
	}
}
