// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command echo sends a text to a server, which sends it back, and compares. It is
// the example program of asynchat's tutorials, and an example of how to use
// package framer.
//
// Without flags it is server and client in one. Usage:
//
//	echo [-v] [-file name]
//	echo [-v] [-once] -serve address
//	echo [-v] [-file name] -dial address
//	echo [-v] [-once] -lines [-serve address]
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
//	-v
//		print the conversation, call by call
//
// The exit status is 0 on success, 1 on failure and 2 for wrong usage.
package main

import (
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
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/goframer/framer"
)

// idleTimeout ends a connection on which nothing happens.
const idleTimeout = time.Minute

// maxText is the greatest size of a text, or of a line, in bytes.
const maxText = 1 << 20

// pieceSize is the size of the pieces with -v. It is small to show how a message
// is sent and received in parts.
const pieceSize = 64

// anyPort is the address of a server that was not given one.
const anyPort = "127.0.0.1:0"

//go:embed lorem.txt
var lorem string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is main without the process. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	p := &program{opts, stdout, stderr}
	switch {
	case opts.serving():
		err = p.runServer(ctx)
	case opts.dial != "":
		err = p.runClient(ctx)
	default:
		err = p.runBoth(ctx)
	}
	if err != nil {
		fmt.Fprintln(stderr, "echo:", err)
		return 1
	}
	return 0
}

// A program is one run of the command.
type program struct {
	options
	stdout, stderr io.Writer
}

func (p *program) runServer(ctx context.Context) error {
	address := p.serve
	if address == "" {
		address = anyPort
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(p.stdout, "echo: serving on", l.Addr()); err != nil {
		l.Close()
		return err
	}
	return serve(ctx, p.newServer(nil), l, p.once)
}

func (p *program) runClient(ctx context.Context) error {
	text, err := p.text()
	if err != nil {
		return err
	}
	return p.talk(ctx, p.dial, text, nil)
}

// runBoth runs the server, for one client, and the client.
func (p *program) runBoth(ctx context.Context) error {
	text, err := p.text()
	if err != nil {
		return err
	}
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

// text returns what the client is to send.
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

// config returns the configuration of one side. What is less than level is not
// logged.
func (p *program) config(level slog.Level) framer.Config {
	cfg := framer.Config{
		MaxMessageSize: maxText,
		IdleTimeout:    idleTimeout,
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
