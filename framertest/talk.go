// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/goframer/framer"
)

// Talk serves one connection in memory, and returns a text of what its peer receives. The
// peer sends input and ends its side. Examples of a handler can print the text, and tests
// can compare it. For a handler that answers lines in upper case, and the input
// "one\r\ntwo\r\nthr", it is
//
//	"ONE\r\n"
//	"TWO\r\n"
//	ended: unexpected EOF
//
// First comes each line that the peer receives, with its line feed, quoted as %q of
// package fmt does. Then come, if there is such an error,
//
//	read: ...    what the peer got instead of the end of the output: a reset
//	ended: ...   the error of Serve
//
// Input of up to 64 KiB has come before newHandler is called. The peer reads while it
// sends, so input and output may have any size. What the connection does not read of
// input before its end is dropped. If the connection is reset, the lines that the peer
// receives before that may differ from run to run.
//
// Talk blocks until the connection has ended, and closes both of its ends, also if a
// function of Hijack has left it open. It calls newHandler and the methods of the handler
// on its own goroutine, so they may call t.Fatal. It may be called from any goroutine, and
// in a bubble of [testing/synctest].
//
// Nothing is logged unless cfg has a Logger. cfg may be nil, which is the zero Config.
//
// See ExampleTalk in example_test.go.
func Talk(input string, newHandler func(*framer.Conn) framer.Handler, cfg *framer.Config) string {
	client, nc := Pipe()
	var peer sync.WaitGroup
	defer peer.Wait() // here, and not below, if the handler calls runtime.Goexit
	defer client.Close()

	send := func() {
		io.WriteString(client, input)
		client.CloseWrite()
	}
	if len(input) <= bufferSize {
		send() // does not block, and so the handler finds the same input in every run
	} else {
		peer.Go(send)
	}
	var output []byte
	var readErr error
	peer.Go(func() { output, readErr = io.ReadAll(client) })

	err := framer.NewConn(nc, newHandler, silent(cfg)).Serve(context.Background())
	nc.Close() // for Hijack
	peer.Wait()
	return told(output, readErr, err)
}

// told returns the text of Talk.
func told(output []byte, readErr, err error) string {
	var text strings.Builder
	for line := range strings.Lines(string(output)) {
		fmt.Fprintf(&text, "%q\n", line)
	}
	if readErr != nil {
		fmt.Fprintln(&text, "read:", readErr)
	}
	if err != nil {
		fmt.Fprintln(&text, "ended:", err)
	}
	return text.String()
}

// silent returns a copy of cfg, which may be nil, that logs nothing if cfg has no Logger.
func silent(cfg *framer.Config) *framer.Config {
	var config framer.Config
	if cfg != nil {
		config = *cfg
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &config
}
