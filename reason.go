// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"errors"
	"log/slog"
	"os"
)

// An origin says who has caused the end of a connection. The level of the log depends on
// it, and not on the error: a handler may return an error of the network, for instance.
type origin uint8

const (
	inOrder     origin = iota // somebody has asked for the end, or the peer has ended its side
	byNetwork                 // an error of the network
	byPeer                    // what a peer can cause at will: a framing error, a timeout
	byHandshake               // what a peer can cause in a handshake, or by sending something else instead
	byProgram                 // the error that CloseWithError was given
	byHandler                 // an error that a handler has returned
	byPanic                   // a panic of a handler, which was logged when it was caught
	bySystem                  // a fault of our own or of the system: a producer that has failed, for instance
)

func (o origin) level() slog.Level {
	switch o {
	case inOrder, byNetwork, byPanic:
		return slog.LevelDebug
	case byPeer, byHandshake, byProgram:
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// A TimeoutError reports that a limit of [Config] has run out. It is
// [os.ErrDeadlineExceeded].
//
// See ExampleTimeoutError in example_test.go.
type TimeoutError struct {
	// Reason is the reason for which the connection ends, if nobody lets it go on:
	// EndIdleTimeout for IdleTimeout, and so on.
	Reason EndReason

	text string
}

// Error returns a text with the limit and the name of its field.
func (e *TimeoutError) Error() string {
	return "framer: " + e.text + ": " + os.ErrDeadlineExceeded.Error()
}

// Unwrap returns [os.ErrDeadlineExceeded].
func (e *TimeoutError) Unwrap() error { return os.ErrDeadlineExceeded }

// An ending says why a connection ends.
type ending struct {
	err  error // nil if the end is in order
	by   origin
	what orderlyEnd // which end in order it is, if err is nil
}

// An orderlyEnd says which end in order it is.
type orderlyEnd uint8

const (
	endByPeer orderlyEnd = iota + 1
	endByClose
	endByShutdown
	endBySession
	endByHijack
)

func (o orderlyEnd) String() string {
	switch o {
	case endByPeer:
		return "the peer has ended its side"
	case endByClose:
		return "CloseWhenDone"
	case endByShutdown:
		return "Shutdown"
	case endBySession:
		return "the Session has returned"
	case endByHijack:
		return "Hijack"
	}
	return ""
}

// originOf returns the origin of an error that does not come from a handler or a
// producer.
func originOf(err error) origin {
	var panicked *PanicError
	switch {
	case errors.As(err, &panicked):
		return bySystem
	case errors.Is(err, os.ErrDeadlineExceeded):
		return byPeer
	}
	return byNetwork
}

// logEnd logs why the connection has ended.
func (c *Conn) logEnd(e ending) {
	if e.err == nil {
		c.log(slog.LevelDebug, "framer: connection ended", slog.String("end", e.what.String()))
		return
	}
	level := e.by.level()
	if _, ok := e.err.(*PanicError); ok && e.by == bySystem {
		level = slog.LevelDebug // logged when it was caught
	}
	c.log(level, "framer: connection ended", slog.Any("error", e.err))
}

// logPanic logs err if it is a panic that protect has caught. It is called where the
// panic was caught, because the connection may end for another reason.
func (c *Conn) logPanic(err error, where string) {
	if _, ok := err.(*PanicError); ok {
		c.logError(err, "panic in "+where)
	}
}

// logError logs an error that can't be returned to anybody. The level is Error if it is a
// panic.
func (c *Conn) logError(err error, msg string) {
	level, attrs := slog.LevelWarn, []slog.Attr{slog.Any("error", err)}
	var p *PanicError
	if errors.As(err, &p) {
		level, attrs = slog.LevelError, append(attrs, slog.String("stack", string(p.Stack)))
	}
	c.log(level, "framer: "+msg, attrs...)
}

func (c *Conn) log(level slog.Level, msg string, attrs ...slog.Attr) {
	ctx := c.Context()
	logger := c.config().logger()
	protect(func() error { // a panic of the logger itself can't be reported
		if logger.Enabled(ctx, level) {
			attrs = append([]slog.Attr{slog.Any("remote", c.RemoteAddr())}, attrs...)
			logger.LogAttrs(ctx, level, msg, attrs...)
		}
		return nil
	})
}
