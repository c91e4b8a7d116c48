// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command echo sends a text to a server, which sends it back, and compares the two. It is
// the example program of asynchat's tutorials, and an example of how to use package
// framer.
//
// Without flags it is both server and client. Usage:
//
//	echo [-v] [-file name]
//	echo [-v] [-timeout d] [-once] -serve address
//	echo [-v] [-timeout d] [-file name] -dial address
//	echo [-v] [-timeout d] [-once] -lines [-serve address]
//
// The flags are:
//
//	-dial address
//		be the client only
//	-file name
//		send this file in place of the built-in text
//	-lines
//		be a server that sends every line back, by default on a free port
//	-once
//		serve one client, then exit
//	-serve address
//		be the server only, until interrupted
//	-timeout duration
//		end a connection on which nothing happens for so long, by default 10s
//		for the client and 1m for a server
//	-v
//		print the conversation, call by call
//
// The exit status is 0 on success, 1 on failure and 2 for wrong usage. SIGINT and SIGTERM
// end a server gracefully. They kill a client, which has nothing to clean up.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/cli"
	"github.com/goframer/framer/internal/logqueue"
)

// maxText is the greatest size of a text or a line, in bytes.
const maxText = 1 << 20

// pieceSize is the size of the pieces with -v, in bytes. It is small, to show how a
// message is sent and received in parts.
const pieceSize = 64

// anyPort is the address of a server if the flags give none.
const anyPort = "127.0.0.1:0"

//go:embed lorem.txt
var lorem string

func main() {
	cli.IgnoreSIGPIPE()
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process. It returns the exit status. The end of ctx ends the
// connections. Only a server catches signals. A signal ends a client at once, whatever it
// is waiting for, even a file that is a pipe, or the reader of its output.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return cli.Misused
	}
	p := &program{opts, stdout, stderr}
	if opts.serving() {
		queue := logqueue.New(stderr, logSize)
		defer queue.Close() // nobody could be told of its error
		p.stderr = queue
		err = p.runServer(ctx)
	} else {
		transcript := &checkedWriter{w: stderr}
		p.stderr = transcript
		if err = p.runClient(ctx); err == nil {
			err = transcript.failure()
		}
	}
	if err != nil {
		fmt.Fprintln(p.stderr, "echo:", err)
		return cli.Failed
	}
	return 0
}

// logSize is how many bytes of a server's log may wait to be read. With -v, that is
// enough for the conversation about the largest text.
const logSize = 8 << 20

// A program is one run of the command.
type program struct {
	options
	stdout, stderr io.Writer
}

// A checkedWriter remembers whether everything that was written to it has reached w. Its
// methods may be called concurrently.
type checkedWriter struct {
	w   io.Writer
	mu  sync.Mutex
	err error // the first one
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.w.Write(p)
	c.err = cmp.Or(c.err, err)
	return n, err
}

// failure returns the first error of Write, or nil.
func (c *checkedWriter) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// runClient runs the client. If the flags name no server, it runs the server, too.
func (p *program) runClient(ctx context.Context) error {
	text, err := p.text()
	if err != nil {
		return err
	}
	if p.dial == "" {
		return p.runBoth(ctx, text)
	}
	return p.talk(ctx, p.dial, text, nil)
}

// runBoth runs the server, for one client, and the client.
func (p *program) runBoth(ctx context.Context, text []byte) error {
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		return err
	}
	var t *turns
	if p.verbose {
		t = newTurns()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serve(ctx, p.newServer(t), l, true) })
	g.Go(func() error { return p.talk(ctx, l.Addr().String(), text, t) })
	return g.Wait()
}

// text returns the text that the client is to send.
func (p *program) text() ([]byte, error) {
	if p.file == "" {
		return []byte(lorem), nil
	}
	f, err := os.Open(p.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("%s is larger than %d bytes", p.file, maxText)
	}
	return text, err
}

// config returns the configuration of one side. Messages below level are not logged. A
// connection may be idle for the time of the flags, or else for timeout. There is no
// limit by default if both sides are in this process, because only the reader of the
// transcript can make them wait.
func (p *program) config(level slog.Level, timeout time.Duration) framer.Config {
	switch {
	case p.timeout > 0:
		timeout = p.timeout
	case !p.serving() && p.dial == "":
		timeout = -1
	}
	cfg := framer.Config{
		MaxMessageSize: maxText,
		IdleTimeout:    timeout,
		WriteTimeout:   timeout,
		Logger:         slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level})),
	}
	if p.verbose {
		cfg.ReadBufferSize = pieceSize
		cfg.WriteBufferSize = pieceSize
	}
	return cfg
}

// logger returns the logger for the conversation.
func (p *program) logger(prefix string) *log.Logger {
	if !p.verbose {
		return log.New(io.Discard, "", 0)
	}
	return log.New(p.stderr, prefix, 0)
}
