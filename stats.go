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
	"time"
)

// ConnStats are the figures of a [Conn]. In JSON they have the names of the fields;
// State and End are texts.
type ConnStats struct {
	ID    int64     // of the connections of a Server: its number, from 1 on, which no other one gets; otherwise 0
	State ConnState // as of now
	End   EndReason // why the connection ends, if it is known by now

	Began time.Time // when the connection was given to NewConn or the Server

	// LastMoved is when a byte last moved, either way. On Linux, for TCP and what
	// runs on it, it is what the system says, to some milliseconds: there it is zero
	// after the end of the connection.
	LastMoved time.Time `json:",omitzero"`

	// WaitingSince is since when the write that waits for the peer has waited; zero if
	// none does. What is queued has waited for as long, or came later. WriteTimeout
	// may count from later on: from when the peer has last taken something.
	WaitingSince time.Time `json:",omitzero"`

	BytesRead    int64 // given by the connection
	BytesWritten int64 // accepted by the connection
	MessagesRead int64 // as of the last read

	// Pushes is how often something was pushed: pieces that were not empty, and
	// producers. These are the messages sent, if each is pushed by itself. What
	// Replies answers to one read is one push.
	Pushes int64

	QueuedBytes int64 // pushed and not yet written, without producers
	PushWaits   int64 // pushes that had to wait, because the queue was full
	PushRefused int64 // pushes that TryPush or TryPushWithProducer refused for that
	WriteStalls int64 // writes that have waited for the peer for 10 milliseconds or longer
}

// ServerStats are the figures of a [Server]. They are of one moment, and none but Conns,
// States and QueuedBytes ever gets smaller. Accepted is always the sum of Conns,
// Refused, and all of Ended. In JSON they have the names of the fields; States and Ended
// are objects.
type ServerStats struct {
	Conns    int         // open now
	States   StateCounts // the same by state
	Accepted int64       // connections that came, with those refused
	Refused  int64       // connections that VerifyConn refused, or Refuse
	Ended    EndCounts   // connections that have ended, by reason

	BytesRead    int64 // these as in ConnStats, of all connections
	BytesWritten int64
	MessagesRead int64
	Pushes       int64
	QueuedBytes  int64 // pushed and not yet written, in all connections
	PushWaits    int64
	PushRefused  int64
	WriteStalls  int64
}

// stallTime is how long a write waits for the peer that is counted in WriteStalls.
const stallTime = 10 * time.Millisecond

// An EndReason says why a connection has ended, where [Conn.Serve] has an error, or nil.
// The reasons are few, for metrics: each end has one of them.
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

// MarshalText returns the name of r, for JSON.
func (r EndReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (r *EndReason) UnmarshalText(text []byte) error {
	i := slices.Index(endNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("framer: no EndReason has the name %q", text)
	}
	*r = EndReason(i)
	return nil
}

// EndCounts are numbers of connections, by [EndReason], which is the index. That of
// NotEnded is 0.
type EndCounts [endReasons]int64

// Total returns the sum.
func (c EndCounts) Total() (n int64) {
	for _, count := range c {
		n += count
	}
	return n
}

// MarshalJSON returns an object with the names of all reasons but NotEnded.
func (c EndCounts) MarshalJSON() ([]byte, error) {
	named := make(map[EndReason]int64, len(c))
	for r := NotEnded + 1; r < endReasons; r++ {
		named[r] = c[r]
	}
	return json.Marshal(named)
}

// UnmarshalJSON is the reverse of MarshalJSON.
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

// StateCounts are numbers of connections, by [ConnState], which is the index. One is
// counted as closed until HandleClose has returned.
type StateCounts [StateClosed + 1]int

// MarshalJSON returns an object with the names of all states.
func (c StateCounts) MarshalJSON() ([]byte, error) {
	named := make(map[ConnState]int, len(c))
	for s, n := range c {
		named[ConnState(s)] = n
	}
	return json.Marshal(named)
}

// UnmarshalJSON is the reverse of MarshalJSON.
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

// MarshalText returns the name of s, for JSON.
func (s ConnState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (s *ConnState) UnmarshalText(text []byte) error {
	for *s = StateNew; *s <= StateClosed; *s++ {
		if s.String() == string(text) {
			return nil
		}
	}
	return fmt.Errorf("framer: no ConnState has the name %q", text)
}

// timeoutReasons are the reasons for timeouts.
var timeoutReasons = [...]EndReason{
	handshakeTimeout: EndHandshakeTimeout,
	messageTimeout:   EndMessageTimeout,
	idleTimeout:      EndIdleTimeout,
	readIdleTimeout:  EndReadIdleTimeout,
	writeTimeout:     EndWriteTimeout,
	lingerTimeout:    EndLingerTimeout,
	readRate:         EndMinReadRate,
	writeRate:        EndMinWriteRate,
}

// reason returns what e is counted as.
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

// reasonOfPeer is reason for what a peer, or the network, has brought about.
func (e ending) reasonOfPeer() EndReason {
	var expired *expiry
	switch {
	case errors.As(e.err, &expired):
		return timeoutReasons[expired.which]
	case e.by == byHandshake:
		return EndTLSHandshake
	case errors.Is(e.err, io.ErrUnexpectedEOF):
		return EndTruncated
	case e.by == byNetwork, errors.Is(e.err, io.ErrNoProgress):
		return EndNetwork
	}
	return EndFraming
}

func (o orderly) reason() EndReason {
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

// noteRefused counts err, of a push that does not wait, if it is ErrQueueFull, and returns
// it.
func (c *Conn) noteRefused(err error) error {
	if err == ErrQueueFull {
		c.refused.Add(1)
	}
	return err
}

// Stats returns the figures of c so far. It may be called at any time, from any
// goroutine, also after the end. The state that input is in, such as the terminator, is
// not among them: it is the Handler's alone.
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

// counts returns what is quickly known of the figures of c.
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

// stallsSoFar returns how many writes have stalled, with the one that does now.
func (p *progress) stallsSoFar() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting && time.Since(p.since) >= stallTime {
		return p.stalls + 1
	}
	return p.stalls
}

// times returns when a byte has last moved, if that is kept, and since when a write
// waits, if one does.
func (p *progress) times() (moved, waiting time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting {
		waiting = p.since
	}
	return p.moved, waiting
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

// Stats returns the figures of all connections so far. It takes some 100 nanoseconds for
// each that is open, during which none can come or go.
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
