// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/cli"
)

// serverTimeout is how long nothing may happen on a connection before it ends, unless the
// flags say otherwise.
const serverTimeout = time.Minute

// shutdownTimeout is how long clients may take to leave at a shutdown. It is longer than
// the default of Config.LingerTimeout.
const shutdownTimeout = 10 * time.Second

// maxCommand is the greatest size of a command in bytes.
const maxCommand = 128

// runServer serves until a signal arrives or ctx ends.
func (p *program) runServer(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	address := p.serve
	if address == "" {
		address = anyPort
	}
	l, err := cli.Listen(ctx, "serve", address)
	if err != nil {
		return err
	}
	if err := tell(ctx, p.stdout, fmt.Sprintln("echo: serving on", l.Addr())); err != nil {
		l.Close()
		return err
	}
	return serve(ctx, p.newServer(nil), l, p.once)
}

// tell writes text to w, but does not wait after ctx has ended. A write to a pipe that
// nobody reads can't be interrupted; it ends with the program.
func tell(ctx context.Context, w io.Writer, text string) error {
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(w, text)
		written <- err
	}()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return nil
	}
}

// newServer returns the server that the flags ask for. t may be nil.
func (p *program) newServer(t *turns) *framer.Server {
	newHandler := func(c *framer.Conn) framer.Handler {
		return newEchoHandler(c, p.logger("EchoHandler: "), t)
	}
	if p.lines {
		newHandler = func(c *framer.Conn) framer.Handler {
			return &lineHandler{Conn: c, log: p.logger("")}
		}
	}
	level := slog.LevelWarn
	if p.serving() {
		level = slog.LevelDebug // to log why each connection has ended
	}
	return &framer.Server{NewHandler: newHandler, Config: p.config(level, serverTimeout)}
}

// serve runs s until ctx ends, or until its first client has left if once is set. When
// ctx ends, serve shuts s down gracefully, unless a signal arrives meanwhile.
func serve(ctx context.Context, s *framer.Server, l net.Listener, once bool) error {
	if once {
		l = onceListener{l}
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		if once && errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	case <-ctx.Done():
	}
	hurry, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hurry, cancel := context.WithTimeout(hurry, shutdownTimeout)
	defer cancel()
	err := s.Shutdown(hurry)
	<-served
	if err != nil && hurry.Err() != nil {
		return cli.CutOff(hurry.Err(), shutdownTimeout)
	}
	return nil // any other error comes from l, which a onceListener may have closed
}

// A onceListener accepts one connection and closes itself.
type onceListener struct{ net.Listener }

// Accept accepts the connection; the next call fails with [net.ErrClosed].
func (l onceListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		l.Close()
	}
	return nc, err
}

// An echoHandler is the server's side of a conversation. The client sends a command,
// "ECHO n" and a newline, and then n bytes. The handler sends the bytes back, and closes
// the connection.
type echoHandler struct {
	*framer.Conn
	framer.Collector
	log     *log.Logger
	turns   *turns
	process func() error // processes a complete message
	size    int          // size of the text, once the command has come
}

func newEchoHandler(c *framer.Conn, l *log.Logger, t *turns) *echoHandler {
	e := &echoHandler{Conn: c, log: l, turns: t}
	e.process = e.processCommand
	return e
}

func (e *echoHandler) HandleConnect() error {
	return e.SetTerminator(framer.Delimiter("\n"))
}

func (e *echoHandler) CollectIncomingData(data []byte) error {
	e.log.Printf("collect_incoming_data() -> (%d bytes)\n\"\"\"%s\"\"\"", len(data), printable(data))
	if err := e.Collector.CollectIncomingData(data); err != nil {
		return err
	}
	if e.Terminator() == framer.Delimiter("\n") && e.Len() > maxCommand {
		return e.refuse(fmt.Errorf("the command is longer than %d bytes", maxCommand))
	}
	e.yield()
	return nil
}

func (e *echoHandler) FoundTerminator() error {
	e.log.Print("found_terminator()")
	return e.process()
}

func (e *echoHandler) processCommand() error {
	command := string(e.Take())
	e.log.Printf("_process_command() %q", command)
	size, err := parseCommand(command)
	if err == nil {
		err = e.SetTerminator(framer.Length(size))
	}
	if err != nil {
		return e.refuse(fmt.Errorf("%q: %w", command, err))
	}
	e.size = int(size)
	e.process = e.processMessage
	e.yield()
	return nil
}

func (e *echoHandler) processMessage() error {
	e.log.Printf("_process_message() echoing\n\"\"\"%s\"\"\"", printable(e.Bytes()))
	if err := e.Push(e.Bytes()); err != nil {
		return err
	}
	e.turns.hear(e.size)
	return e.CloseWhenDone()
}

// HandleShutdown tells a client that has not begun its text that it will get no echo.
func (e *echoHandler) HandleShutdown() error {
	_, err := fmt.Fprint(e, "error: the server is shutting down\n")
	return err
}

// refuse sends the reason to the client, logs it, and ends the connection.
func (e *echoHandler) refuse(reason error) error {
	if _, err := fmt.Fprintf(e, "error: %v\n", reason); err != nil {
		return err
	}
	e.turns.hear(math.MaxInt) // the client need not wait before it sends the rest
	// If refuse returned the reason, it would be logged as an error of this program.
	e.Config().Logger.Info("echo: client refused", "remote", e.RemoteAddr(), "error", reason)
	return e.CloseWhenDone()
}

// yield lets the client go on. If the client has sent everything, it must be answered
// first.
func (e *echoHandler) yield() {
	if e.Len() < e.size {
		e.turns.hear(e.Len())
	}
}

// parseCommand returns the n of the command "ECHO n".
func parseCommand(command string) (int64, error) {
	fields := strings.Fields(command)
	if len(fields) != 2 || fields[0] != "ECHO" {
		return 0, errors.New("a command is ECHO and a number of bytes")
	}
	n, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the number of bytes: %w", errors.Unwrap(err))
	}
	if n < 0 || n > maxText {
		return 0, fmt.Errorf("the number of bytes: 0 to %d are possible", maxText)
	}
	return n, nil
}

// A lineHandler sends every line back.
type lineHandler struct {
	*framer.Conn
	framer.Collector
	log *log.Logger
}

func (h *lineHandler) HandleConnect() error {
	h.log.Printf("conn_made: client_address=%v", h.RemoteAddr())
	return h.SetTerminator(framer.Delimiter("\r\n"))
}

func (h *lineHandler) CollectIncomingData(data []byte) error {
	h.log.Printf("collect_incoming_data: [%s]", printableLine(data))
	return h.Collector.CollectIncomingData(data)
}

func (h *lineHandler) FoundTerminator() error {
	h.log.Print("found_terminator")
	h.log.Printf("sending: [%s]", printableLine(h.Bytes()))
	return h.Push(append(h.Take(), "\r\n"...))
}

func (h *lineHandler) HandleOversize(reason *framer.MessageTooLongError) error {
	if _, err := fmt.Fprintf(h, "error: the line is longer than %d bytes\r\n", reason.Limit); err != nil {
		return err
	}
	return reason
}

func (h *lineHandler) HandleClose(error) {
	h.log.Printf("conn_closed: client_address=%v", h.RemoteAddr())
}
