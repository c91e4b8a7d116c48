// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"log/slog"
	"math"
	"time"
)

// A Config has the limits of a connection. The zero value is ready for
// production; a nil *Config is the same. A negative value switches a limit off,
// where the field does not say otherwise.
//
// The functions that take a Config copy it, so that it may be changed afterwards;
// that of a [Server] must not be, as its other fields.
type Config struct {
	// ReadBufferSize is the size of the read buffer, and the greatest size of the
	// pieces that CollectIncomingData is given, in bytes, at most 16 MiB. If zero or
	// negative, it is 4096 at first, and 65,536 while reads fill the buffer.
	ReadBufferSize int

	// WriteBufferSize is the greatest number of bytes in one write to the
	// connection; longer pieces are cut. If zero, it is 256 KiB, or 64 KiB for a
	// write that has to wait. If negative, there is no limit. Over TLS it is 16
	// KiB, a record, at most. Files that go out by sendfile are not affected.
	WriteBufferSize int

	// MaxMessageSize is the greatest size of a message in bytes, without its
	// terminator; see [MessageTooLongError]. It does not apply under [None], but an
	// embedded [Collector] has no more than that even there.
	// If zero, it is 1 MiB. If negative, there is no limit.
	MaxMessageSize int64

	// MaxQueuedBytes is how many bytes may be pushed and not yet written. Push
	// waits while there would be more; a single push above the limit waits for
	// the queue to be empty. If zero, it is 1 MiB. If negative, there is no limit, and
	// Push never waits.
	// Producers don't count in bytes: 16 may wait, a further one waits for room.
	MaxQueuedBytes int

	// HandshakeTimeout is how long a TLS handshake may take. If zero, it is 10
	// seconds. If negative, there is no limit.
	HandshakeTimeout time.Duration

	// MessageTimeout is how long the peer may take from the first byte of a
	// message to its end. The time that the handler takes does not count. If zero
	// or negative, there is no limit.
	MessageTimeout time.Duration

	// IdleTimeout is how long the connection may wait for input while no byte is
	// moved either way, also while a write is stuck. While the connection is closing
	// WriteTimeout applies in its place, or IdleTimeout if there is none. If zero or
	// negative, there is no limit.
	IdleTimeout time.Duration

	// ReadIdleTimeout is how long the connection may wait for input without a byte of
	// it, whatever goes out: broadcasts to a peer that is gone keep no connection
	// alive. With a [TimeoutHandler] that sends a ping, as many protocols want, a
	// peer has as long again to answer. The time that the handler takes does not
	// count. It is no limit for the reply to a request: what is pushed does not begin
	// the wait anew. If zero or negative, there is no limit.
	ReadIdleTimeout time.Duration

	// WriteTimeout is how long the peer may accept no byte while output waits for
	// it; then the connection ends at once. What counts is what the peer's system
	// has acknowledged, where that can be known: on Linux, for TCP and Unix
	// sockets, also below TLS. It is looked at four times in a WriteTimeout, so that
	// a connection may last up to a quarter longer. A system whose receive buffer is
	// full acknowledges in steps, which on Linux may be as large as most of that
	// buffer, and of a segment of 64 KiB on a local network: one that reads more
	// slowly than a step in a WriteTimeout seems to take nothing. Elsewhere it is a
	// whole record over TLS, and a byte otherwise, that must be accepted.
	//
	// While the connection is closing, WriteTimeout is also how long a producer may
	// have nothing to say. If zero, it is one minute. If negative, there is no limit
	// but IdleTimeout.
	WriteTimeout time.Duration

	// MinReadRate is how many bytes a second a peer must send within a message, and
	// MinWriteRate how many it must take while output waits for it, on average over
	// the time that it was waited for, and after five seconds of grace: a peer that is
	// slow on purpose, and sends or takes a byte now and then, passes every timeout.
	// For TCP on Linux what counts is what its system has acknowledged. A connection
	// that falls short ends with an error that is [os.ErrDeadlineExceeded]. If zero or
	// negative, there is no limit. (Kestrel, the server of ASP.NET, has 240 for both.)
	MinReadRate, MinWriteRate int

	// LingerTimeout is how long a connection that has sent all its output, and the
	// end of it, waits for the peer's end. Until then input is read and thrown
	// away: to close a TCP connection with unread input would destroy output that
	// the peer has not received yet.
	//
	// On Linux the wait goes on while the peer's system has not acknowledged all of
	// the output, under two limits: it must acknowledge something in every
	// WriteTimeout, and all of it at 512 bytes a second on average; otherwise the
	// connection ends with an error. (At most 96 KiB are left, and what the network
	// has under way.)
	//
	// If zero, LingerTimeout is 5 seconds. If negative, there is no wait. A
	// connection without CloseWrite can't tell the peer of the end before it is
	// closed: of it, only what has come is read.
	LingerTimeout time.Duration

	// Logger is told, besides what Serve returns:
	//   - of panics, with their stack, at level Error;
	//   - of ends for an error that a handler has returned, or a producer, and of
	//     failures to accept, at level Warn;
	//   - of ends that a peer can bring about at will, by its framing, by being slow
	//     or in a handshake, and of refused connections, at level Info;
	//   - of errors of the network, and of ends that somebody has asked for, such as
	//     CloseWhenDone, Close, a Shutdown, a context or the peer's end, at level
	//     Debug.
	//
	// If nil, it is slog.Default().
	Logger *slog.Logger
}

// rateGrace is how long a peer may at first fall short of MinReadRate or MinWriteRate.
const rateGrace = 5 * time.Second

// timeFor returns how long n bytes may take at a rate in bytes a second, including
// rateGrace.
func timeFor(n int64, rate int) time.Duration {
	d := float64(n) / float64(rate) * float64(time.Second)
	return max(rateGrace, time.Duration(min(d, float64(math.MaxInt64/2))))
}

// Defaults of Config.
const (
	defaultMaxMessageSize   = 1 << 20
	defaultMaxQueuedBytes   = 1 << 20
	defaultHandshakeTimeout = 10 * time.Second
	defaultWriteTimeout     = time.Minute
	defaultLingerTimeout    = 5 * time.Second
)

// readBufferSizes returns the size of a read buffer at first, and its greatest size.
func (cfg *Config) readBufferSizes() (small, large int) {
	if cfg == nil || cfg.ReadBufferSize <= 0 {
		return smallBuffer, largeBuffer
	}
	size := min(cfg.ReadBufferSize, maxReadBuffer)
	return size, size
}

// maxReadBuffer is the greatest ReadBufferSize, in bytes. A larger one is reduced to it.
const maxReadBuffer = 16 << 20

// writeBufferSizes returns the greatest size of a write that need not wait, and of one
// that waits. The second is smaller, because nobody knows how far a write has got before
// it returns.
func (cfg *Config) writeBufferSizes() (direct, waiting int) {
	return limit(cfg.WriteBufferSize, 256<<10, math.MaxInt), limit(cfg.WriteBufferSize, 64<<10, math.MaxInt)
}

func (cfg *Config) maxMessageSize() int64 {
	if cfg == nil {
		return defaultMaxMessageSize
	}
	return limit(cfg.MaxMessageSize, defaultMaxMessageSize, math.MaxInt64)
}

// maxQueuedBytes returns MaxQueuedBytes, or 0 if there is no limit.
func (cfg *Config) maxQueuedBytes() int64 {
	return int64(limit(cfg.MaxQueuedBytes, defaultMaxQueuedBytes, 0))
}

// The methods below return 0 if there is no limit.

func (cfg *Config) handshakeTimeout() time.Duration {
	return limit(cfg.HandshakeTimeout, defaultHandshakeTimeout, 0)
}

func (cfg *Config) idleTimeout() time.Duration { return limit(cfg.IdleTimeout, 0, 0) }

func (cfg *Config) writeTimeout() time.Duration {
	return limit(cfg.WriteTimeout, defaultWriteTimeout, 0)
}

// lingerTimeout returns LingerTimeout, or 0 if there is no wait.
func (cfg *Config) lingerTimeout() time.Duration {
	return limit(cfg.LingerTimeout, defaultLingerTimeout, 0)
}

func (cfg *Config) logger() *slog.Logger {
	if cfg.Logger == nil {
		return slog.Default()
	}
	return cfg.Logger
}

// limit returns value, or zero if value is 0, or off if value is negative.
func limit[T int | int64 | time.Duration](value, zero, off T) T {
	switch {
	case value == 0:
		return zero
	case value < 0:
		return off
	}
	return value
}
