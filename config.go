// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"log/slog"
	"math"
	"time"
)

// A Config holds the limits and timeouts of a connection. The zero value limits memory,
// writes, handshakes and the end of the connection; a nil *Config means the same. Limits
// for peers that are silent or slow depend on the protocol, and are off. A negative value
// switches a limit off, unless the field says otherwise.
//
// Functions that take a Config copy it, so it may be changed afterwards. The Config of a
// [Server] must not be changed once the server serves, like its other fields.
//
// See ExampleConfig_timeout in example_test.go.
type Config struct {
	// ReadBufferSize is the size of the read buffer, and the greatest size of the pieces that
	// CollectIncomingData is given, in bytes, at most 16 MiB. If zero or negative, it is 4096
	// at first, and 65,536 while reads fill the buffer.
	ReadBufferSize int

	// WriteBufferSize is the greatest number of bytes in one write to the connection; longer
	// pieces are cut. If zero, it is 256 KiB, or 64 KiB for a write that has to wait. If
	// negative, there is no limit. Over TLS it is at most 16 KiB, one record. It does not
	// apply to files that are sent by sendfile.
	WriteBufferSize int

	// MaxMessageSize is the greatest size of a message in bytes, without its terminator; see
	// MessageTooLongError. It does not apply under None, but it limits an embedded Collector
	// even there. If zero, it is 1 MiB. If negative, there is no limit.
	MaxMessageSize int64

	// MaxQueuedBytes is how many bytes may be pushed and not yet written. Push blocks while
	// there would be more. A single push above the limit waits until the queue is empty. If
	// zero, it is 1 MiB. If negative, there is no limit, and Push never blocks. The bytes of a
	// NewBytesProducer count like a push. Other producers are not counted in bytes: 16 may be
	// queued, and a further one waits for room.
	MaxQueuedBytes int

	// HandshakeTimeout is how long a TLS handshake may take. If zero, it is 10
	// seconds. If negative, there is no limit.
	HandshakeTimeout time.Duration

	// MessageTimeout is how long the peer may take from the first byte of a
	// message to its end. The time that the handler takes does not count. If zero
	// or negative, there is no limit.
	MessageTimeout time.Duration

	// IdleTimeout is how long the connection may wait for input without a byte moving in
	// either direction. The time for which a write is blocked, or a Push of the handler,
	// counts. The time in which the handler works does not. If zero or negative, there is no
	// limit. While the connection is closing, WriteTimeout applies instead, or IdleTimeout if
	// WriteTimeout is off.
	IdleTimeout time.Duration

	// ReadIdleTimeout is how long the connection may wait for input without receiving a byte,
	// whatever is sent: broadcasts to a peer that is gone do not keep the connection open.
	// The time that the handler takes does not count. If zero or negative, there is no limit.
	//
	// With a TimeoutHandler that sends a ping, the peer has the same time again to answer.
	// A push does not start the wait again, so ReadIdleTimeout is no limit for the reply to a
	// request. Any byte starts it again, so it is no limit from one message to the next.
	ReadIdleTimeout time.Duration

	// WriteTimeout is how long the peer may accept no byte while output waits for it. Then
	// the connection ends at once. If zero, it is one minute. If negative, there is no limit
	// but IdleTimeout.
	//
	// A byte is accepted when the peer's system has acknowledged it, where that is known: on
	// Linux, for TCP and Unix sockets, also below TLS. Elsewhere it is accepted when the
	// local system has taken it; over TLS that is a whole record. The state is looked at four
	// times in a WriteTimeout, so a connection may last up to a quarter longer. Where the
	// local system counts, and for a net.Conn that wraps a socket, other than a tls.Conn, it
	// may last up to four times as long.
	//
	// On Linux, a system whose receive buffer is full acknowledges in steps, which may be as
	// large as most of that buffer, and as a segment of 64 KiB on a local network. A peer
	// that reads less than a step in a WriteTimeout seems to accept nothing.
	//
	// While the connection is closing, WriteTimeout is also how long a producer may have
	// nothing to send.
	WriteTimeout time.Duration

	// MinReadRate is how many bytes a second a peer must send within a message. MinWriteRate
	// is how many it must accept while output waits for it. Both are averages over the time
	// that was spent waiting, after five seconds of grace. If zero or negative, there is no
	// limit.
	//
	// They are for peers that are slow on purpose: one that sends or accepts a byte now and
	// then passes every timeout. For TCP on Linux, a byte is accepted when the peer's system
	// has acknowledged it. A connection that is too slow ends with an error that is
	// os.ErrDeadlineExceeded. (Kestrel, the server of ASP.NET, uses 240 for both.)
	MinReadRate, MinWriteRate int

	// LingerTimeout is how long a connection that has sent all its output, and the end of it,
	// waits for the peer's end. Until then input is read and thrown away, because closing a
	// TCP connection with unread input would destroy output that the peer has not received
	// yet. If zero, it is 5 seconds. If negative, there is no wait.
	//
	// On Linux the wait continues while the peer's system has not acknowledged all output,
	// under two limits: it must acknowledge something in every WriteTimeout, and all of it at
	// 512 bytes a second on average. Otherwise the connection ends with an error. (At most 96
	// KiB are left, and what is on its way in the network.)
	//
	// A connection without CloseWrite can't tell the peer of the end before it is closed.
	// Then only the input that has already come is read.
	LingerTimeout time.Duration

	// Logger receives, besides what Serve returns:
	//   - panics, with their stack, at level Error;
	//   - ends because of an error of a handler or a producer, and failures to accept, at
	//     level Warn (a handler that refuses a peer should push its answer, call
	//     CloseWhenDone, and return nil, because anybody could fill the log otherwise);
	//   - ends that a peer can cause at will, by its framing, by being slow or in a
	//     handshake, and refused connections, at level Info;
	//   - errors of the network, and ends that somebody asked for, by CloseWhenDone, Close, a
	//     Shutdown, a context or the peer's end, at level Debug.
	//
	// If nil, it is slog.Default().
	Logger *slog.Logger
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
