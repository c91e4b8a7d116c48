// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// ConnStats are the figures of a [Conn]; see [Conn.Stats]. In JSON the fields have their
// Go names, and State and End are strings.
//
// See ExampleServer_Stats in example_test.go.
type ConnStats struct {
	ID    int64     // the number of the connection in its Server, from 1, never used again; 0 without a Server
	State ConnState // the state now
	End   EndReason // why the connection ends; NotEnded if it does not, or that is not known yet

	Began time.Time // when the connection was given to NewConn or the Server

	// LastMoved is when a byte was last sent or received. On Linux, for TCP and what runs on
	// it, the system knows, to some milliseconds; there it is zero after the end of the
	// connection.
	LastMoved time.Time `json:",omitzero"`

	// WaitingSince is when the write that waits for the peer began to wait; it is zero if
	// none waits. WriteTimeout may have begun later, when the peer last took something.
	WaitingSince time.Time `json:",omitzero"`

	BytesRead    int64 // bytes read from the connection
	BytesWritten int64 // bytes written to the connection
	MessagesRead int64 // messages completed, up to the last read

	// Pushes is the number of pushes, of data that was not empty and of producers. It is the
	// number of messages sent if each of them is one push. All that Replies answers to one
	// read is one push.
	Pushes int64

	QueuedBytes int64 // bytes pushed and not yet written, without producers
	PushWaits   int64 // pushes that had to wait because the queue was full
	PushRefused int64 // pushes that TryPush and TryPushWithProducer refused because the queue was full
	WriteStalls int64 // writes that waited for the peer for 10 milliseconds or longer
}

// ServerStats are the figures of a [Server]; see [Server.Stats]. All are taken at the
// same moment. Only Conns, States and QueuedBytes ever decrease. Accepted is always the
// sum of Conns, Refused and all of Ended. In JSON the fields have their Go names; States
// and Ended are objects.
//
// See ExampleServer_Stats in example_test.go.
type ServerStats struct {
	Conns    int         // open now
	States   StateCounts // the same by state
	Accepted int64       // connections that came, including refused ones
	Refused  int64       // connections refused by VerifyConn, and at MaxConns, unless they wait there
	Ended    EndCounts   // connections that have ended, by reason

	// The following are sums over all connections; see ConnStats.
	BytesRead    int64
	BytesWritten int64
	MessagesRead int64
	Pushes       int64
	QueuedBytes  int64 // pushed and not yet written, in all connections
	PushWaits    int64
	PushRefused  int64
	WriteStalls  int64
}

// stallTime is how long a write must wait for the peer to be counted in WriteStalls.
const stallTime = 10 * time.Millisecond

// An EndReason says why a connection has ended. It is one of a small fixed set, for
// metrics. The error that [Conn.Serve] returns says more.
//
// See ExampleServer_Stats in example_test.go.
type EndReason uint8

const (
	NotEnded EndReason = iota // it has not

	// Ends in order, for which Serve returns nil.
	EndPeer     // the peer has ended its side, after a whole message
	EndDone     // CloseWhenDone, or the function of a Session has returned
	EndShutdown // Server.Shutdown
	EndHijack   // the function of Hijack has returned

	// Ends that the program has asked for.
	EndClosed    // Close
	EndWithError // CloseWithError
	EndContext   // the context of Serve has ended
	EndCutOff    // Server.Close, or a Shutdown that was out of time

	// The peer, and the network.
	EndTruncated    // the peer has ended its side in the middle of a message
	EndNetwork      // an error of the network: a reset by the peer, for instance
	EndTLSHandshake // the TLS handshake has failed, or something came before that of StartTLS
	EndFraming      // a message that was too long, a senseless prefix, an error of a SplitFunc

	// Timeouts, by the field of Config.
	EndHandshakeTimeout
	EndMessageTimeout
	EndIdleTimeout
	EndReadIdleTimeout
	EndWriteTimeout
	EndLingerTimeout // the peer did not take the last output in time
	EndMinReadRate
	EndMinWriteRate

	// The program's own errors.
	EndHandlerError  // a method of the Handler, or newHandler, has returned an error
	EndPanic         // a panic of the Handler, or of a Producer
	EndProducerError // a Producer has failed

	endReasons // how many there are
)

var endNames = [endReasons]string{
	NotEnded:            "not_ended",
	EndPeer:             "peer",
	EndDone:             "done",
	EndShutdown:         "shutdown",
	EndHijack:           "hijack",
	EndClosed:           "closed",
	EndWithError:        "closed_with_error",
	EndContext:          "context",
	EndCutOff:           "cut_off",
	EndTruncated:        "truncated",
	EndNetwork:          "network",
	EndTLSHandshake:     "tls_handshake",
	EndFraming:          "framing",
	EndHandshakeTimeout: "handshake_timeout",
	EndMessageTimeout:   "message_timeout",
	EndIdleTimeout:      "idle_timeout",
	EndReadIdleTimeout:  "read_idle_timeout",
	EndWriteTimeout:     "write_timeout",
	EndLingerTimeout:    "linger_timeout",
	EndMinReadRate:      "min_read_rate",
	EndMinWriteRate:     "min_write_rate",
	EndHandlerError:     "handler_error",
	EndPanic:            "panic",
	EndProducerError:    "producer_error",
}

// String returns the name of r: lower case letters and underscores, such as
// "write_timeout", that can be the value of a label.
func (r EndReason) String() string {
	if r < endReasons {
		return endNames[r]
	}
	return fmt.Sprintf("EndReason(%d)", int(r))
}

// MarshalText implements [encoding.TextMarshaler]. It returns the name of r.
func (r EndReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. It accepts what MarshalText
// returns.
func (r *EndReason) UnmarshalText(text []byte) error {
	i := slices.Index(endNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("framer: no EndReason has the name %q", text)
	}
	*r = EndReason(i)
	return nil
}

// EndCounts are numbers of connections that have ended, indexed by [EndReason]. The
// number at NotEnded is 0.
//
// See ExampleServer_Stats in example_test.go.
type EndCounts [endReasons]int64

// Total returns the sum of all numbers.
func (c EndCounts) Total() (n int64) {
	for _, count := range c {
		n += count
	}
	return n
}

// String returns the reasons whose number is not 0, such as "peer:3 write_timeout:1".
func (c EndCounts) String() string {
	var parts []string
	for r, n := range c {
		if n != 0 {
			parts = append(parts, fmt.Sprintf("%v:%d", EndReason(r), n))
		}
	}
	return strings.Join(parts, " ")
}

// MarshalJSON implements [json.Marshaler]. It returns an object with the names of all
// reasons but NotEnded.
func (c EndCounts) MarshalJSON() ([]byte, error) {
	named := make(map[EndReason]int64, len(c))
	for r := NotEnded + 1; r < endReasons; r++ {
		named[r] = c[r]
	}
	return json.Marshal(named)
}

// UnmarshalJSON implements [json.Unmarshaler]. It accepts what MarshalJSON returns.
func (c *EndCounts) UnmarshalJSON(data []byte) error {
	var named map[EndReason]int64
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	*c = EndCounts{}
	for r, n := range named {
		c[r] = n
	}
	return nil
}

// StateCounts are numbers of connections, indexed by [ConnState]. A connection counts as
// closed until its HandleClose has returned.
//
// See ExampleServer_Stats in example_test.go.
type StateCounts [StateClosed + 1]int

// MarshalJSON implements [json.Marshaler]. It returns an object with the names of all
// states.
func (c StateCounts) MarshalJSON() ([]byte, error) {
	named := make(map[ConnState]int, len(c))
	for s, n := range c {
		named[ConnState(s)] = n
	}
	return json.Marshal(named)
}

// UnmarshalJSON implements [json.Unmarshaler]. It accepts what MarshalJSON returns.
func (c *StateCounts) UnmarshalJSON(data []byte) error {
	var named map[ConnState]int
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	*c = StateCounts{}
	for s, n := range named {
		c[s] = n
	}
	return nil
}

// MarshalText implements [encoding.TextMarshaler]. It returns the name of s.
func (s ConnState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. It accepts what MarshalText
// returns.
func (s *ConnState) UnmarshalText(text []byte) error {
	for state := StateNew; state <= StateClosed; state++ {
		if state.String() == string(text) {
			*s = state
			return nil
		}
	}
	return fmt.Errorf("framer: no ConnState has the name %q", text)
}

// reason returns the EndReason of e.
func (e ending) reason() EndReason {
	if e.err == nil {
		return e.what.reason()
	}
	var panicked *PanicError
	switch e.by {
	case inOrder:
		switch e.err {
		case errClosed:
			return EndClosed
		case ErrServerClosed:
			return EndCutOff
		}
		return EndContext
	case byProgram:
		return EndWithError
	case byHandler:
		return EndHandlerError
	case byPanic:
		return EndPanic
	case bySystem:
		if errors.As(e.err, &panicked) {
			return EndPanic
		}
		return EndProducerError
	}
	return e.reasonOfPeer()
}

// reasonOfPeer returns the EndReason of an end that the peer or the network has caused.
func (e ending) reasonOfPeer() EndReason {
	var expired *TimeoutError
	switch {
	case errors.As(e.err, &expired):
		return expired.Reason
	case e.by == byHandshake:
		return EndTLSHandshake
	case errors.Is(e.err, io.ErrUnexpectedEOF):
		return EndTruncated
	case e.by == byNetwork, errors.Is(e.err, io.ErrNoProgress):
		return EndNetwork
	}
	return EndFraming
}

func (o orderlyEnd) reason() EndReason {
	switch o {
	case endByPeer:
		return EndPeer
	case endByShutdown:
		return EndShutdown
	case endByHijack:
		return EndHijack
	}
	return EndDone
}

// noteRefused counts err in PushRefused if it is ErrQueueFull. It returns err.
func (c *Conn) noteRefused(err error) error {
	if err == ErrQueueFull {
		c.refused.Add(1)
	}
	return err
}

// Stats returns the figures of c so far. It may be called from any goroutine, also after
// the end. The state of the input, such as the terminator, is not included: it belongs to
// the Handler.
func (c *Conn) Stats() ConnStats {
	stats := c.counts()
	stats.ID = c.id
	stats.Began = time.Unix(0, c.began)
	c.mu.Lock()
	nc := c.nc
	c.mu.Unlock()
	stats.LastMoved, stats.WaitingSince = c.progress.times()
	switch {
	case !c.out.untold:
		stats.LastMoved = time.Time{}
		if ago, ok := lastMove(nc); ok {
			stats.LastMoved = later(stats.Began, time.Now().Add(-ago))
		}
	case stats.LastMoved.IsZero():
		stats.LastMoved = stats.Began
	}
	return stats
}

// counts returns those figures of c that cost little to get.
func (c *Conn) counts() ConnStats {
	stats := ConnStats{
		BytesRead:    c.traffic.read.Load(),
		BytesWritten: c.out.written.Load(),
		MessagesRead: c.traffic.messages.Load(),
		PushRefused:  c.refused.Load(),
		WriteStalls:  c.progress.stallsSoFar(),
	}
	stats.Pushes, stats.PushWaits, stats.QueuedBytes = c.queue.figures()
	c.mu.Lock()
	defer c.mu.Unlock()
	stats.State = c.state
	if c.state >= StateClosing {
		stats.End = c.end.reason()
	}
	return stats
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// stallsSoFar returns how many writes have stalled, including the one that waits now.
func (p *progress) stallsSoFar() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait.on && time.Since(p.since) >= stallTime {
		return p.stalls + 1
	}
	return p.stalls
}

// times returns when a byte has last moved, if that is recorded, and since when a write
// has waited, if one waits.
func (p *progress) times() (moved, waiting time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait.on {
		waiting = p.since
	}
	return p.movement.moved, waiting
}

// add adds the figures of a connection, which is open or has just ended.
func (s *ServerStats) add(c ConnStats) {
	s.BytesRead += c.BytesRead
	s.BytesWritten += c.BytesWritten
	s.MessagesRead += c.MessagesRead
	s.Pushes += c.Pushes
	s.QueuedBytes += c.QueuedBytes
	s.PushWaits += c.PushWaits
	s.PushRefused += c.PushRefused
	s.WriteStalls += c.WriteStalls
}

// Stats returns the figures of all connections so far. It takes about 100 nanoseconds for
// each that is open. Meanwhile no connection can be added or removed.
func (s *Server) Stats() ServerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Conns = len(s.conns)
	for c := range s.conns {
		counts := c.counts()
		stats.States[counts.State]++
		stats.add(counts)
	}
	return stats
}
