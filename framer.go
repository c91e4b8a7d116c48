// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package framer is for TCP protocols whose messages end in a delimiter or have a length.
// It is the successor, in Go, of Python's asynchat.
//
// A server that sends every line back:
//
//	newHandler := framer.Messages(framer.Delimiter("\r\n"), func(c *framer.Conn, line []byte) error {
//		_, err := fmt.Fprintf(c, "%s\r\n", line)
//		return err
//	})
//	s := framer.Server{Addr: ":7007", NewHandler: newHandler}
//	log.Fatal(s.ListenAndServe())
//
// The parts, each usable without those after it:
//
//   - a [Terminator] says how a message ends;
//   - a [Framer] divides what an [io.Reader] gives into messages, for a [Handler], or one
//     by one with [Framer.Next], [Framer.NextReader] and [Framer.All];
//   - a [Producer] makes outgoing bytes when there is room for them;
//   - a [Conn] runs a Handler on a [net.Conn] and queues what it pushes;
//   - a [Server] accepts connections, knows them, and shuts them down.
//
// A Handler is a type of the program, which may embed a *Conn and a [Collector], as a
// subclass of asynchat's class would. Or it is made of a function: [Messages] calls it
// for every message, [Replies] sends what it returns, and [Session] runs it once, as
// straight-line code.
//
// # Concurrency
//
// All methods of a Handler run on one goroutine, the one that called [Conn.Serve]. They
// never run two at once, and none runs after HandleClose. Producers run on the writer
// goroutine of their connection.
//
// [Conn.Push] and the other methods of Conn that send or close may be called from any
// goroutine. SetTerminator, Terminator, Matched, Next, NextReader, SetConfig, StartTLS
// and Hijack must be called on the goroutine of the Handler. The methods of a Framer must
// be called from one goroutine at a time.
//
// # Buffers
//
// Data that is given to a Handler is lent: it is valid until the method returns. Data
// that Next, All or More returns is lent until the next call. After that the memory is
// used again, also by other connections. Data that is pushed is copied.
//
// Tests find code that keeps what was lent with Poison and Recut of package
// [github.com/goframer/framer/framertest].
//
// # Limits
//
// [Config] limits the size of a message and the output that waits. It can limit every
// kind of waiting. The zero Config limits memory and writes. A program whose peers may be
// silent sets IdleTimeout or ReadIdleTimeout, and MessageTimeout.
//
// # Errors
//
// Where the documentation says that an error is, say, [net.ErrClosed], then
// errors.Is(err, net.ErrClosed) holds. Timeouts are [os.ErrDeadlineExceeded]; a
// [TimeoutError] says which limit has run out.
//
// # Examples
//
// The documentation of each type names examples of it. They are in the file
// example_test.go, in the directory that this command prints:
//
//	go list -f '{{.Dir}}' github.com/goframer/framer
//
// Whole programs are in the directories cmd and examples.
package framer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync/atomic"

	"github.com/goframer/framer/internal/poison"
)

// A Handler receives the input of a [Conn] or a [Framer]. Its methods are those of
// asynchat's channels. An error that one of them returns ends the connection: what was
// pushed before is still sent, and Serve returns the error.
//
// A Handler may also implement [ReadCompleteHandler] and [OversizeHandler]. The Handler
// of a Conn may also implement [ConnectHandler], [TimeoutHandler], [EndHandler],
// [ShutdownHandler] and [CloseHandler].
//
// See Example and ExampleConn_SetTerminator in example_test.go.
type Handler interface {
	// CollectIncomingData is given the next piece of the current message as soon as it has
	// come. data is never empty. It is never longer than ReadBufferSize, or 65,536 bytes if
	// that is not set, except for a token of Split. data is lent: it is valid until
	// CollectIncomingData returns, which may change it and append to it. Poison, in package
	// framertest, finds handlers that keep it.
	CollectIncomingData(data []byte) error

	// FoundTerminator is called when the current message is complete. An empty message is a
	// call of FoundTerminator without one of CollectIncomingData before it.
	FoundTerminator() error
}

// A ReadCompleteHandler is a [Handler] that is told when it has been given all input that
// has come so far.
//
// See ExampleReadCompleteHandler in example_test.go.
type ReadCompleteHandler interface {
	// HandleReadComplete is called when all input that was read has been given to the other
	// methods, as far as it can be given yet: before more is read, at the end of the input,
	// and before an error in the framing ends it. One call of it follows any number of
	// theirs. It is not called if none of them was.
	//
	// A Handler that collects its answers until then needs one Push for all of them. That is
	// its fastest way to answer many small requests, but the first answer waits for the last.
	// The Handler must limit what it collects, and push large answers earlier.
	// HandleReadComplete is not called after CloseWhenDone, nor after an error of the
	// Handler: push what was collected before that.
	//
	// After an error in the framing, that error is the reason of the end, also if
	// HandleReadComplete returns another. If HandleOversize returns the error it was given,
	// that is an error in the framing.
	HandleReadComplete() error
}

// An OversizeHandler is a [Handler] that decides what to do with a message that is longer
// than Config.MaxMessageSize, or than the [Terminator.Limit] of its terminator.
//
// See ExampleOversizeHandler in example_test.go.
type OversizeHandler interface {
	// HandleOversize is called once for a message that is too long, after CollectIncomingData
	// was given as many bytes of it as the limit allows. If it returns nil, the message is
	// thrown away without a call of FoundTerminator: what an embedded Collector holds of it,
	// and the rest when it comes. Then the next message begins. If HandleOversize sets a
	// terminator, that takes effect from the next byte instead, and the message continues.
	//
	// HandleOversize is not called for a Length that SetTerminator has refused. To skip the
	// bytes that were announced, set Length(n).Limit(-1) instead, and drop the pieces.
	//
	// Without an OversizeHandler, e ends the connection.
	HandleOversize(e *MessageTooLongError) error
}

// headSize is how many bytes of a message an error quotes.
const headSize = 32

// A MessageTooLongError reports a message that is longer than Config.MaxMessageSize, or
// than the [Terminator.Limit] of its terminator.
//
// See ExampleMessageTooLongError in example_test.go.
type MessageTooLongError struct {
	Limit int64  // the limit, in bytes
	Seen  int64  // bytes of the message that had come, or that its header or a Length announced
	Head  []byte // a copy of its first bytes, at most 32, with the header if it has one; nil for a Length

	own bool // Limit is that of the Terminator
}

// Error returns a text with the limit, the size, and the first bytes of the message.
func (e *MessageTooLongError) Error() string {
	origin := "Config.MaxMessageSize"
	if e.own {
		origin = "Terminator.Limit"
	}
	text := fmt.Sprintf("framer: message too long: %d bytes, limit %d (%s)", e.Seen, e.Limit, origin)
	if len(e.Head) == 0 { // a Length that was refused has no bytes yet
		return text
	}
	return fmt.Sprintf("%s; it begins %q%s", text, e.Head, guessProtocol(e.Head))
}

// guessProtocol returns a hint for the text of an error if head looks like the beginning
// of a protocol whose client has connected to the wrong port. Otherwise it returns the
// empty string.
func guessProtocol(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\x16\x03")):
		return ", like a TLS handshake"
	case bytes.Contains(head, []byte(" HTTP/1.")),
		bytes.HasPrefix(head, []byte("GET /")),
		bytes.HasPrefix(head, []byte("POST /")),
		bytes.HasPrefix(head, []byte("PRI * HTTP/2")):
		return ", like HTTP"
	}
	return ""
}

// A Framer divides the bytes of an [io.Reader] into messages. The reader can be anything:
// a connection, a file, a pipe, a serial line. The methods of a Framer must be called
// from one goroutine at a time.
//
// There are several styles. [Framer.Run] calls the methods of a [Handler]. [Framer.Next]
// returns the next message. [Framer.NextReader] returns a reader of the next message.
// [Framer.All] ranges over the messages. They may be mixed: bytes that one call has
// buffered are there for the next.
//
// A panic of the Handler passes through Run. In a [Conn] it becomes a [PanicError].
//
// See ExampleFramer_Next, ExampleFramer_NextReader, ExampleFramer_All and
// ExampleFramer_Run in example_test.go.
type Framer struct {
	r         io.Reader
	memory    *buffers
	smallSize int   // Config.ReadBufferSize, or smallBuffer
	pieceSize int   // Config.ReadBufferSize, or largeBuffer
	maxSize   int64 // Config.MaxMessageSize, or math.MaxInt64

	term    Terminator
	limit   int64 // the limit in force: that of term, or maxSize
	search  search
	refused error // the error that the last SetTerminator returned, or errPaused
	changed bool  // SetTerminator was called; cleared before each callback
	gave    bool  // callbacks were made since the last HandleReadComplete
	failed  bool  // Run has returned an error that came from the Handler
	paused  bool  // between pause and resume: no more may be given out

	postpones bool // SetTerminator sets the terminator for the message after the skipped one
	newLimit  bool // MaxMessageSize has changed in the middle of a message; it counts from the next one

	tooLongErr *MessageTooLongError // the last one that noteTooLong has seen

	lender *lender // nil except in tests

	// In a Session, Next calls finish before it returns an error. If that is errWouldBlock,
	// finish waits for input and continues Next. It returns what Next returns. So Conn.Next
	// has so little to do that it is inlined, and a short message takes a sixth less.
	finish func(msg []byte, err error) ([]byte, error)

	buf        []byte // nil while there is no input
	start, end int    // buf[start:end] is unread
	readErr    error  // what Read has returned after buf[:end]

	// The result of the last search: from start on, there are known bytes of the message
	// that were not given out yet.
	known int
	drop  int    // length of the delimiter after the known bytes
	token []byte // Split: the token, in place of known bytes; start is already after it
	ended bool   // the message ends after the known bytes, or the token

	filled   bool  // the last read has filled buf, so a larger buffer is better
	much     bool  // the last read has returned much, even if buf could hold more
	begun    bool  // a byte of the current message, or at least of its header, has come
	skipping bool  // the rest of the current message is thrown away
	finished bool  // Split returned its final token
	asked    bool  // Split has no token in what is unread
	returned bool  // Next: message was returned, or never will be
	size     int64 // bytes of the current message that were given out
	found    int64 // messages found
	ends     int64 // messages found, and those that were thrown away
	empties  int   // tokens in a row from Split without progress
	head     [headSize]byte
	message  gathering   // Next: the message so far, if the buffer could not hold it
	usual    int         // Next: the length of the last message that was collected here, at most largestPooled
	then     *Terminator // Next: the terminator after the skipped message, if not nil

	requests atomic.Uint32 // of a Conn, from any goroutine: stop, discard

	reader *messageReader // NextReader: the valid reader, or nil
	last   lastDelimiter
}

// These are the bits of Framer.requests.
const (
	stop    uint32 = 1 << iota // give out no more
	discard                    // drop the buffered input
)

func (f *Framer) stopped() bool   { return f.requests.Load()&stop != 0 }
func (f *Framer) toDiscard() bool { return f.requests.Load()&discard != 0 }

// NewFramer returns a [Framer] that reads from r. It uses ReadBufferSize and
// MaxMessageSize of cfg, which may be nil. The terminator is [None] until another is set.
func NewFramer(r io.Reader, cfg *Config) *Framer {
	f := new(Framer)
	f.init(r, cfg, new(buffers))
	return f
}

func (f *Framer) init(r io.Reader, cfg *Config, memory *buffers) {
	f.r = r
	f.memory = memory
	f.smallSize, f.pieceSize = cfg.readBufferSizes()
	f.maxSize = cfg.maxMessageSize()
	f.limit = f.maxSize
	f.lender = newLender(poison.Of(r))
}

// setMaxSize changes MaxMessageSize. The new value counts from the next message on.
func (f *Framer) setMaxSize(n int64) {
	f.maxSize = n
	f.newLimit = f.begun || f.skipping
	if !f.newLimit {
		f.limit = limitOr(f.term.limit, n)
	}
}

// takeNewLimit makes what setMaxSize has set the limit. It is called when the message that
// was current then is over.
func (f *Framer) takeNewLimit() {
	if f.newLimit {
		f.newLimit = false
		f.limit = limitOr(f.term.limit, f.maxSize)
	}
}

// errPaused is the error that Run returns after pause.
var errPaused = errors.New("framer: paused")

// pause makes Run, or another method that gives out messages, return errPaused when the
// method of the Handler has returned.
func (f *Framer) pause() {
	f.paused = true
	if f.refused == nil {
		f.refused = errPaused
	}
}

// resume ends a pause. It drops the buffered input, and what has come of the current
// message. The next message begins with the next byte that is read.
func (f *Framer) resume() {
	f.paused, f.refused, f.failed = false, nil, false
	f.closeReader()
	f.message.reset(f.memory)
	f.start, f.token, f.readErr = f.end, nil, nil
	f.skipping, f.returned = false, false
	if f.then != nil {
		f.set(*f.then)
		return
	}
	f.search.matched = 0
	f.search.restart(f.term)
	f.restart()
}

// received returns about how many bytes of the current message have come.
func (f *Framer) received() int64 { return f.size + int64(f.end-f.start) }

// SetTerminator makes t the terminator from the next byte on, also for bytes that are
// already in the buffer. Within CollectIncomingData, that is the byte after the piece. A
// message that is being collected continues under t, and its size is counted anew. The
// bytes of a token of [Split] that was too long are lost.
//
// SetTerminator returns an error, and the terminator in force stays, if t makes no sense:
// an empty delimiter or no delimiter, a negative count, a [FixedLength] of zero, an invalid
// [Prefix], or no function. For a [Length] or FixedLength above MaxMessageSize or its own
// Limit, the error is a [*MessageTooLongError]. If the method of the Handler then returns
// without setting another terminator, Run ends with that error, because otherwise it could
// collect for ever.
func (f *Framer) SetTerminator(t Terminator) error {
	if !f.fresh() || f.known > 0 || f.refused != nil {
		return f.setTerminator(t)
	}
	// There is no token left here, and no terminator for later. Both exist only in a
	// message that has ended or is skipped.
	limit := limitOr(t.limit, f.maxSize)
	switch how := t.how.(type) {
	case delimiter:
		if len(how) == 0 || len(how) > math.MaxInt32 {
			return f.setTerminator(t)
		}
	case nextLength:
		if t.n < 0 || t.n > limit {
			return f.setTerminator(t)
		}
	default:
		return f.setTerminator(t)
	}
	f.changed = true
	f.keepLast()
	f.enforce(t, limit)
	return nil
}

// setTerminator is SetTerminator for all cases. SetTerminator itself is short, because a
// protocol in which lines and lengths take turns calls it for every message.
func (f *Framer) setTerminator(t Terminator) error {
	if err := t.validate(f.maxSize); err != nil {
		f.refused = err
		f.noteTooLong(err)
		return err
	}
	if f.postpones {
		f.setThen(t)
		return nil
	}
	f.changed = true
	f.set(t)
	return nil
}

// setThen makes t the terminator for the message after the skipped one.
func (f *Framer) setThen(t Terminator) {
	f.mendRefusal()
	f.then = &t
}

// mendRefusal clears the error of a terminator that was refused, because a valid one has
// been set. A pause remains in force.
func (f *Framer) mendRefusal() {
	f.refused = nil
	if f.paused {
		f.refused = errPaused
	}
}

// noteTooLong reports whether err says that a message is too long. If so, it keeps err in
// tooLongErr.
func (f *Framer) noteTooLong(err error) bool {
	long, ok := err.(*MessageTooLongError)
	if ok {
		f.tooLongErr = long
	}
	return ok
}

// set makes t the terminator from the next byte on. t must be valid.
func (f *Framer) set(t Terminator) {
	f.mendRefusal()
	f.then, f.token, f.asked = nil, nil, false
	f.keepLast()
	if !f.fresh() || f.known > 0 {
		f.skipping = false
		f.search.matched = 0
		f.restart()
	}
	f.newLimit = false
	f.enforce(t, limitOr(t.limit, f.maxSize))
}

// keepLast keeps the delimiter that ended the last message, for Matched.
func (f *Framer) keepLast() {
	if f.last.number == f.ends {
		return
	}
	f.last = lastDelimiter{f.ends, f.term.how, f.search.at}
}

// enforce makes t, which must be valid, the terminator for a message of which nothing is
// known. limit is the limit for the message.
func (f *Framer) enforce(t Terminator, limit int64) {
	f.term, f.limit = t, limit
	f.search.restart(t)
}

// Terminator returns the terminator in force. Under a [Length], it is the Length of what
// remains.
func (f *Framer) Terminator() Terminator {
	t := f.term
	if t.limit == lifted {
		t.limit = 0
	}
	if t.isLength() {
		t.n = f.search.remaining + int64(f.known)
	}
	return t
}

// Matched returns the delimiter that ended the last message, as it was given to
// [Delimiter] or [AnyDelimiter]. It returns the empty string if no delimiter did: the
// message was counted, or found by [Split], or cut off by the end of the input, or there
// was no message yet. Matched does not allocate.
//
// During Run, Matched is valid from FoundTerminator until the next message begins,
// whatever terminator was set meanwhile. Otherwise it is valid until the next call of
// Next or NextReader, or the next iteration of All. For a message of NextReader, it is
// known when the reader has returned [io.EOF].
func (f *Framer) Matched() string {
	if f.last.number == f.ends {
		return f.last.String()
	}
	d := lastDelimiter{how: f.term.how, at: f.search.at}
	return d.String()
}

// restart forgets how far the current message has got.
func (f *Framer) restart() {
	f.known, f.ended, f.drop = 0, false, 0
	f.size, f.begun = 0, false
	f.takeNewLimit()
}

// inMessage reports whether a byte of the current message has come, even one that is only
// held back.
func (f *Framer) inMessage() bool {
	return !f.term.isNone() && (f.begun || f.skipping || f.start < f.end)
}

// unfinished returns the error for an input that has ended: io.EOF after a whole message,
// io.ErrUnexpectedEOF in the middle of one.
func (f *Framer) unfinished() error {
	if f.begun || f.skipping {
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// Run reads until the end of the input and gives what it reads to h. It returns nil if
// the input ended after a whole message, or under [None], and [io.ErrUnexpectedEOF] if it
// ended in the middle of a message. Before that, h has been given all that has come. What
// NextReader has left unread is skipped first.
//
// Otherwise Run returns
//
//   - an error of the reader or of h, as it is;
//   - a [*MessageTooLongError] for a message above MaxMessageSize or its own Limit;
//   - an error that is [ErrBadPrefix] for a header that makes no sense;
//   - the error of SetTerminator for a terminator that was refused and not replaced, also
//     before Run.
func (f *Framer) Run(h Handler) error {
	f.closeReader()
	if f.returned {
		f.forgetMessage()
	}
	if f.lender != nil {
		f.endLoan()
		h = f.lender.handler(h)
	}
	complete, _ := h.(ReadCompleteHandler)
	collector := collectorOf(h)
	if err := f.giveGathered(h); err != nil {
		return err
	}
	for {
		if err := f.runShort(h); err != nil {
			return err
		}
		switch {
		case f.stopped():
			return nil
		case f.refused != nil:
			if err := f.lastWord(h); err != nil && f.refused == errPaused {
				return f.fail(err)
			}
			return f.fail(f.refused)
		case f.toDiscard():
			f.discardInput()
		}
		p, ok, err := f.next()
		switch {
		case err != nil:
			err = f.oversize(h, err)
		case ok:
			err = f.give(h, p)
		case complete != nil && f.gave:
			f.gave = false
			if err = complete.HandleReadComplete(); err != nil {
				err = f.fail(err)
			}
		default:
			f.grow(collector)
			if err = f.more(); err == io.EOF {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

// giveGathered gives h the bytes of the message that a Next which has failed has already
// collected.
func (f *Framer) giveGathered(h Handler) error {
	if f.message.len() == 0 {
		return nil
	}
	defer f.message.reset(f.memory)
	for piece := range slices.Chunk(f.wholeMessage(), f.pieceSize) {
		f.changed, f.gave = false, true
		if err := h.CollectIncomingData(piece); err != nil {
			return f.fail(err)
		}
	}
	return nil
}

// grow makes room in c for the rest of a large counted message when half of it has come,
// as moreOfMessage does. Then the whole message need not be moved at its end.
func (f *Framer) grow(c *Collector) {
	if c == nil || !f.search.counting || f.skipping {
		return
	}
	have, missing := c.Len(), f.search.remaining
	if missing <= int64(min(have, math.MaxInt32/2)) && missing+int64(have) > collectorStep {
		c.Grow(int(missing))
	}
}

// lastWord calls HandleReadComplete before an error that does not come from h ends Run,
// so that h can send what it has collected. It returns the error of HandleReadComplete.
// That error becomes the reason of the end only if Run ends because of a pause.
func (f *Framer) lastWord(h Handler) error {
	if complete, ok := h.(ReadCompleteHandler); ok && f.gave && !f.stopped() {
		f.gave = false
		return complete.HandleReadComplete()
	}
	return nil
}

// runShort is Run for messages that lie whole in the buffer. It returns nil at a message
// that does not, or when Run has something else to do. It repeats the code of nextWhole
// and give, because calls of them would take half of the time for a short message.
func (f *Framer) runShort(h Handler) error {
	for {
		if f.begun || f.skipping || f.search.matched > 0 || f.refused != nil || f.requests.Load() != 0 {
			return nil
		}
		data := f.buf[f.start:f.end]
		skip, n, drop := 0, 0, 0
		switch how := f.term.how.(type) {
		case delimiter:
			n, drop = how.indexLast(data), len(how)
			if !how.beginsAt(data, n) {
				return nil
			}
		case nextLength, fixedLength:
			if f.term.n > int64(len(data)) {
				return nil
			}
			n = int(f.term.n)
		case lengthPrefix:
			skip, n = prefixFormat(f.term.n).whole(data)
		case delimiterSet:
			n, drop = f.search.commonEnd(how, data)
		case *bufio.SplitFunc:
			token, err := f.shortToken(*how)
			if err != nil {
				return f.oversize(h, err)
			}
			if token == nil {
				return nil
			}
			data, n = token, len(token)
			f.start -= n // added again below
		default:
			return nil
		}
		if n < 0 || n > f.pieceSize || int64(n) > f.limit {
			return nil
		}
		f.start += skip + n + drop
		f.ends++
		if f.term.isLength() {
			f.endLength()
		}
		f.changed, f.gave = false, true
		if n > 0 {
			err := h.CollectIncomingData(data[skip : skip+n : skip+n])
			if err != nil || f.changed && drop > 0 || f.stopped() || f.refused != nil {
				f.start -= drop
				return f.breakOff(err, drop)
			}
		}
		f.found++
		if err := h.FoundTerminator(); err != nil {
			return f.fail(err)
		}
	}
}

// breakOff is called after the last piece of a message, if the message does not end there
// after all, or if the Handler must not be told of the end. err is what
// CollectIncomingData has returned. drop is the length of the delimiter.
func (f *Framer) breakOff(err error, drop int) error {
	if err != nil {
		return f.fail(err)
	}
	if f.changed && drop > 0 {
		f.goOn()
	}
	return nil
}

// fail records that err comes from the Handler, and returns it.
func (f *Framer) fail(err error) error {
	f.failed = true
	return err
}

// more reads more input. It is called when all buffered input has been searched.
func (f *Framer) more() error {
	if f.readErr == io.EOF || f.finished {
		f.last = lastDelimiter{number: f.ends}
		return f.unfinished()
	}
	return f.fill()
}

// give passes p on to h.
func (f *Framer) give(h Handler, p part) error {
	f.changed, f.gave = false, true
	if len(p.data) > 0 {
		if err := h.CollectIncomingData(p.data); err != nil {
			return f.fail(err)
		}
	}
	if p.drop == goesOn || f.changed && p.drop > 0 {
		f.goOn()
		if f.term.isNone() {
			return f.boundCollector(h)
		}
		return nil
	}
	if f.stopped() || f.refused != nil {
		return nil
	}
	f.start += p.drop
	f.found++
	if err := h.FoundTerminator(); err != nil {
		return f.fail(err)
	}
	return nil
}

// goOn is called when the message continues after a piece: because the piece was not the
// last one, or because the Handler has set another terminator. In the second case, the
// bytes of the old delimiter are input under the new terminator.
func (f *Framer) goOn() { f.begun = f.begun || f.changed && !f.term.isNone() }

// oversize lets h decide what to do about err, if err says that a message is too long.
// Any other error ends Run.
func (f *Framer) oversize(h Handler, err error) error {
	tooLong := f.noteTooLong(err)
	oversize, ok := h.(OversizeHandler)
	if !tooLong || !ok {
		f.lastWord(h)
		return err
	}
	long := f.tooLongErr
	f.changed, f.gave = false, true
	if err := oversize.HandleOversize(long); err != nil {
		if err == error(long) {
			f.lastWord(h)
			return err
		}
		return f.fail(err)
	}
	if !f.changed {
		f.skipping = true
		if c := collectorOf(h); c != nil {
			c.Reset()
		}
		if b, ok := h.(borrower); ok {
			b.endLoanOfBytes()
		}
	}
	return nil
}

// boundCollector limits what a Collector holds under None, where no other limit applies.
// A Collector that holds more is treated as a message that is too long.
func (f *Framer) boundCollector(h Handler) error {
	c := collectorOf(h)
	if c == nil || int64(c.Len()) <= f.maxSize {
		return nil
	}
	head := c.message.last
	if len(c.message.full) > 0 {
		head = c.message.full[0]
	}
	return f.oversize(h, f.tooLong(int64(c.Len()), head))
}

// discardInput drops the buffered input. A counted message still needs as many bytes as
// before. Any other message begins anew.
func (f *Framer) discardInput() {
	f.requests.And(^discard)
	if f.start < f.end { // otherwise matched is about bytes that were given out: see DotBlock
		f.search.matched = 0
	}
	f.search.remaining += int64(f.known)
	f.start, f.token, f.asked = f.end, nil, false
	f.size -= min(f.size, int64(f.message.len())) // what a Handler was given still counts
	f.message.reset(f.memory)
	f.known, f.ended, f.drop = 0, false, 0
}
