// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Producer makes outgoing bytes, piece by piece, when the connection has taken
// the piece before. See [Conn.PushWithProducer].
//
// A Producer that is also an [io.Closer] is closed exactly once: when it is
// exhausted, when it or its connection has failed, or when it is discarded, even
// if More was never called.
//
// See ExampleProducer in example_test.go.
type Producer interface {
	// More returns the next piece, of any size. The piece is lent: the connection reads it
	// until it calls More again. An empty piece means that the producer is exhausted, and so
	// does io.EOF, with a last piece or without one. More may block until there is something
	// to send. Any other error ends the connection at once, so that the peer does not take
	// what was cut off for the whole.
	//
	// More must not wait for its own connection, as Push does when the queue is full. It may
	// call TryPush.
	//
	// The connection can't end before More has returned. When the connection ends, or its
	// output is discarded, it can interrupt the producers of NewReaderProducer and
	// NewDotProducer, alone or within Concat and OnDone. Other producers that may block for
	// long should watch Conn.Context.
	More() ([]byte, error)
}

// An interrupter is a Producer whose More may block for a reason other than its
// connection.
type interrupter interface {
	// interrupt makes More return soon. It may be called from any goroutine, more than
	// once, and before, during and after calls of More, transfer and end. The caller must
	// not hold a lock that More or Close may need. After interrupt, the result of More is
	// not sent to the peer, and its error is not reported. More returns errDiscarded if it
	// might have had more to return.
	interrupt()
}

// interruptProducer interrupts p if that is possible.
func interruptProducer(p Producer) {
	if p, ok := p.(interrupter); ok {
		p.interrupt()
	}
}

// isReady reports whether it is known that More and transfer of p don't block, because p
// has its bytes in memory or in a file. It may be called before them, but not while they
// run. (It is not a method: a type that embeds a SimpleProducer and has a More of its own
// would have that method as well.)
func isReady(p Producer) bool {
	switch p := p.(type) {
	case *SimpleProducer, *bytesProducer:
		return true
	case *readerProducer:
		return p.hasAll
	case *dotProducer:
		return p.src.hasAll
	case *concatProducer:
		return !slices.ContainsFunc(p.rest, func(p Producer) bool { return !isReady(p) })
	case *doneProducer:
		return isReady(p.p)
	}
	return false
}

// A ProducerFunc is a function that implements [Producer]: More calls it.
//
// See ExampleProducerFunc in example_test.go.
type ProducerFunc func() ([]byte, error)

// More calls f.
func (f ProducerFunc) More() ([]byte, error) { return f() }

// A SimpleProducer is a [Producer] of a slice, in pieces, as asynchat's simple_producer
// is.
//
// See ExampleNewSimpleProducer in example_test.go.
type SimpleProducer struct {
	data []byte
	size int
}

// NewSimpleProducer returns a producer of data in pieces of at most bufferSize bytes. If
// bufferSize is zero or negative, it is 512. data is kept, and must not be changed any
// more.
func NewSimpleProducer(data []byte, bufferSize int) *SimpleProducer {
	if bufferSize <= 0 {
		bufferSize = 512
	}
	return &SimpleProducer{data, bufferSize}
}

// More returns the next piece, a part of the slice.
func (p *SimpleProducer) More() ([]byte, error) {
	n := min(p.size, len(p.data))
	piece := p.data[:n]
	p.data = p.data[n:]
	return piece, nil
}

// NewBytesProducer returns a producer of data in one piece. data is kept, and must not be
// changed any more. It is not copied, unless it has less than 512 bytes. One payload can be
// pushed to any number of connections, with a producer for each.
//
// It counts in bytes for Config.MaxQueuedBytes, as a push does, and not as a producer.
func NewBytesProducer(data []byte) Producer { return &bytesProducer{data} }

// A bytesProducer is what NewBytesProducer returns.
type bytesProducer struct{ data []byte }

func (p *bytesProducer) More() ([]byte, error) {
	data := p.data
	p.data = nil
	return data, nil
}

// NewReaderProducer returns a producer of all that r has. If r is an [io.Closer], it is
// closed with the producer.
//
// When the connection ends, or its output is discarded, a Read that is blocked is
// interrupted. If r has a method SetReadDeadline and that returns nil, as for a
// [net.Conn] or a pipe, it is used. Otherwise Close is called, which must be safe to call
// during Read and should unblock it, as [io.PipeReader.Close] does. If r has neither
// method, or is a file without deadlines, as [os.Stdin] may be, the connection and Serve
// must wait for Read.
//
// An [*io.LimitedReader] is closed and interrupted as the reader in it. On a TCP
// connection an [*os.File], or an *io.LimitedReader of one, is sent by sendfile(2) or its
// like, where the system has it.
func NewReaderProducer(r io.Reader) Producer { return &readerProducer{r: r, hasAll: hasAll(r)} }

// readerBufferSize is how many bytes a readerProducer reads at once.
const readerBufferSize = 32 << 10

type readerProducer struct {
	r      io.Reader
	hasAll bool // the result of the function hasAll; the queue needs it often, and the function may make a system call
	buf    []byte
	err    error // the error that r returned with the last piece

	stopped atomic.Bool // interrupted, or closed
	seeks   atomic.Bool // r is a file that has a position, so a transfer of it need not be interrupted by Close

	mu       sync.Mutex // held while r is interrupted or closed, but not while it is read
	closed   bool
	closeErr error
}

func (p *readerProducer) More() ([]byte, error) {
	if p.buf == nil {
		p.buf = make([]byte, readerBufferSize)
	}
	for empty := 0; p.err == nil && empty < maxEmpty; empty++ {
		if n := p.read(); n > 0 {
			return p.buf[:n], nil
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	return nil, io.ErrNoProgress
}

// read reads into p.buf, and sets p.err to the error of r.
func (p *readerProducer) read() (n int) {
	if p.stopped.Load() {
		p.err = errDiscarded
		return 0
	}
	room, left := len(p.buf), int64(0)
	limited, ok := p.r.(*io.LimitedReader)
	if ok {
		left = limited.N
		room = int(max(min(int64(room), left), 0))
	}
	n, p.err = p.r.Read(p.buf)
	switch {
	case p.stopped.Load():
		p.err = errDiscarded // not the error of r: an io.EOF may come from the Close
		return 0
	case n < 0 || n > room:
		if limited != nil {
			limited.N = left // limited has subtracted the wrong count
		}
		p.err = impossibleCount("the reader of a producer", int64(n))
		return 0
	}
	return n
}

// source returns the reader that can be closed or interrupted.
func (p *readerProducer) source() io.Reader { return sourceOf(p.r) }

// sourceOf returns the reader below r if r is an *io.LimitedReader, and otherwise r.
func sourceOf(r io.Reader) io.Reader {
	if limited, ok := r.(*io.LimitedReader); ok {
		return limited.R
	}
	return r
}

// hasAll reports whether all bytes of r are in memory or in a file.
func hasAll(r io.Reader) bool {
	switch r := sourceOf(r).(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return true
	case *os.File:
		info, err := r.Stat()
		return err == nil && info.Mode().IsRegular()
	}
	return false
}

func (p *readerProducer) interrupt() {
	if p.stopped.Swap(true) {
		return // perhaps by Close, which has called r, and r has called this
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.setReadDeadline() || p.seeks.Load() {
		return // no Close: on some systems it would wait for the transfer
	}
	p.closeOnce()
}

// setReadDeadline makes the reads of r return, and reports whether r can do that.
func (p *readerProducer) setReadDeadline() bool {
	r, ok := p.source().(interface{ SetReadDeadline(time.Time) error })
	return ok && protect(func() error { return r.SetReadDeadline(longAgo) }) == nil
}

func (p *readerProducer) Close() error {
	p.stopped.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeOnce()
	return p.closeErr
}

// closeOnce closes r. p.mu must be held.
func (p *readerProducer) closeOnce() {
	if p.closed {
		return
	}
	p.closed = true
	if c, ok := p.source().(io.Closer); ok {
		p.closeErr = protect(c.Close)
	}
}

// A transferrer is a Producer that can send its bytes to a connection without reading them
// into memory.
type transferrer interface {
	// transfer sends some bytes to w and returns their number. It returns 0 and no error
	// when the producer is exhausted. After an error, the next call goes on after the n
	// bytes that were sent. errNoTransfer means that the next piece must come from More.
	transfer(w io.ReaderFrom) (n int64, err error)
}

var errNoTransfer = errors.New("framer: not a file")

// transferSize is how many bytes one transfer sends at most.
const transferSize = 1 << 20

func (p *readerProducer) transfer(w io.ReaderFrom) (int64, error) {
	if p.err != nil {
		return 0, errNoTransfer // More returns p.err
	}
	src, size := p.r, int64(transferSize)
	limited, ok := src.(*io.LimitedReader)
	if ok {
		if limited.N <= 0 {
			return 0, nil
		}
		src, size = limited.R, min(size, limited.N)
	}
	file, ok := src.(*os.File)
	if !ok {
		return 0, errNoTransfer
	}
	offset, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, errNoTransfer // a pipe, perhaps
	}
	p.seeks.Store(true)
	if p.stopped.Load() {
		return 0, errDiscarded
	}
	n, err := w.ReadFrom(&io.LimitedReader{R: file, N: size})
	if n < 0 || n > size {
		return 0, impossibleCount("ReadFrom", n)
	}
	if limited != nil {
		limited.N -= n
	}
	if p.stopped.Load() && (err != nil || n == 0) {
		return n, errDiscarded
	}
	if err != nil {
		// ReadFrom may have read more than it could send, even if it has sent nothing.
		if _, seekErr := file.Seek(offset+n, io.SeekStart); seekErr != nil {
			return n, seekErr
		}
	}
	return n, err
}

// NewDotProducer returns a producer of all that r has, as lines that end in a lone dot.
// Mail is sent so by SMTP (RFC 5321 section 4.5.2), and articles by NNTP and POP3 (RFC
// 3977 section 3.1.1). Every line is sent with CRLF, also a last one without a line end
// in r. A dot at the beginning of a line is doubled. If r is empty, only the lone dot is
// sent.
//
// CRLF, LF and CR each end a line in r. The peer gets CRLF for all of them, and never a
// CR or an LF alone. A peer that takes these for line ends could otherwise find a lone
// dot in the text, and commands after it.
//
// r is closed and interrupted as by [NewReaderProducer]. After an error of r the lone dot
// is not sent: the connection ends, so that the peer does not take what it got for the
// whole. [Conn.DiscardBuffers] may leave the peer in the middle of the lines.
func NewDotProducer(r io.Reader) Producer {
	return &dotProducer{src: readerProducer{r: r, hasAll: hasAll(r)}, lineStart: true}
}

// A dotProducer sends the text of src line by line. It is not a transferrer, because every
// line of a file must be looked at.
type dotProducer struct {
	src       readerProducer
	block     []byte // the piece that is lent
	lineStart bool   // the next byte begins a line
	afterCR   bool   // the last byte was the CR of a line end, which was sent; an LF that follows belongs to it
	ended     bool   // the lone dot was sent
}

func (p *dotProducer) More() ([]byte, error) {
	p.block = p.block[:0]
	for len(p.block) == 0 && !p.ended {
		data, err := p.src.More()
		if err != nil && err != io.EOF {
			return nil, err
		}
		p.block = slices.Grow(p.block, len(data))
		p.stuff(data)
		if p.src.err == io.EOF {
			p.end()
		}
	}
	return p.block, nil
}

// stuff appends data to the block, with dots doubled and line ends replaced. It looks at
// each byte twice, however many lines there are, and however they end.
func (p *dotProducer) stuff(data []byte) {
	for len(data) > 0 {
		text, rest, newline := bytes.Cut(data, []byte{'\n'})
		data = rest
		for len(text) > 0 {
			part, more, cr := bytes.Cut(text, []byte{'\r'})
			text = more
			p.text(part)
			if cr {
				p.endLine()
				p.afterCR = true
			}
		}
		if newline {
			if !p.afterCR {
				p.endLine()
			}
			p.afterCR = false
		}
	}
}

// text appends a part of a line to the block.
func (p *dotProducer) text(part []byte) {
	if len(part) == 0 {
		return
	}
	if p.lineStart && part[0] == '.' {
		p.block = append(p.block, '.')
	}
	p.block = append(p.block, part...)
	p.lineStart, p.afterCR = false, false
}

func (p *dotProducer) endLine() {
	p.block = append(p.block, "\r\n"...)
	p.lineStart = true
}

// end appends the lone dot to the block.
func (p *dotProducer) end() {
	if !p.lineStart {
		p.endLine()
	}
	p.block = append(p.block, ".\r\n"...)
	p.ended = true
}

func (p *dotProducer) interrupt()   { p.src.interrupt() }
func (p *dotProducer) Close() error { return p.src.Close() }

// NewSeqProducer returns a producer of the values of seq. Each value is lent to the
// connection until it asks for the next one. Empty values are skipped. If the producer is
// closed before the end, seq is stopped, as by a break.
func NewSeqProducer(seq iter.Seq[[]byte]) Producer { return &seqProducer{seq: seq} }

type seqProducer struct {
	seq  iter.Seq[[]byte]
	next func() ([]byte, bool)
	stop func()
}

func (p *seqProducer) More() ([]byte, error) {
	if p.next == nil {
		p.next, p.stop = iter.Pull(p.seq)
	}
	for {
		piece, ok := p.next()
		if !ok || len(piece) > 0 {
			return piece, nil
		}
	}
}

func (p *seqProducer) Close() error {
	if p.stop != nil {
		p.stop()
	}
	return nil
}

// Concat returns a producer of what ps produce, one after the other. Each is closed when
// the next one begins. Those that were not reached are closed when the whole is. In the
// queue of a Conn, all of them count as one producer that is not bytes; see
// [Config.MaxQueuedBytes].
func Concat(ps ...Producer) Producer {
	return &concatProducer{rest: append([]Producer(nil), ps...)}
}

type concatProducer struct {
	mu   sync.Mutex // held while rest is changed, and while interrupt reads it
	rest []Producer
	errs []error // the errors of those that were closed

	interrupted atomic.Bool
}

func (p *concatProducer) More() ([]byte, error) {
	for len(p.rest) > 0 {
		if p.interrupted.Load() {
			return nil, errDiscarded // the interrupt was for an earlier producer
		}
		piece, err := p.rest[0].More()
		if err != nil && err != io.EOF {
			return nil, err
		}
		if len(piece) > 0 {
			if err == io.EOF {
				p.mu.Lock()
				p.rest[0] = lastPiece{p.rest[0]}
				p.mu.Unlock()
			}
			return piece, nil
		}
		p.advance()
	}
	return nil, nil
}

func (p *concatProducer) transfer(w io.ReaderFrom) (int64, error) {
	for len(p.rest) > 0 {
		if p.interrupted.Load() {
			return 0, errDiscarded
		}
		t, ok := p.rest[0].(transferrer)
		if !ok {
			return 0, errNoTransfer
		}
		if n, err := t.transfer(w); n > 0 || err != nil {
			return n, err
		}
		p.advance()
	}
	return 0, nil
}

// advance closes the first producer, which is exhausted. The next one follows even if the
// close fails, because all bytes were sent.
func (p *concatProducer) advance() {
	first := p.rest[0]
	p.setRest(p.rest[1:])
	p.errs = append(p.errs, endProducer(first, nil))
}

func (p *concatProducer) setRest(rest []Producer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = rest
}

func (p *concatProducer) interrupt() {
	p.interrupted.Store(true) // before the interrupt: after it, the next producer must not begin
	p.mu.Lock()
	var first Producer
	if len(p.rest) > 0 {
		first = p.rest[0]
	}
	p.mu.Unlock()
	interruptProducer(first)
}

func (p *concatProducer) end(cause error) error {
	rest, errs := p.rest, p.errs
	p.setRest(nil)
	p.errs = nil
	for _, q := range rest {
		errs = append(errs, endProducer(q, cause))
	}
	return errors.Join(errs...)
}

func (p *concatProducer) Close() error { return p.end(errDiscarded) }

// A lastPiece takes the place of a Producer that has returned io.EOF with a piece.
type lastPiece struct{ p Producer }

func (lastPiece) More() ([]byte, error)   { return nil, nil }
func (l lastPiece) interrupt()            { interruptProducer(l.p) }
func (l lastPiece) end(cause error) error { return endProducer(l.p, cause) }

// OnDone returns p with f added. f is called once, when p has come to its end and was
// closed. n is the number of its bytes that were handed to the system, or to TLS; a piece
// that was written only in part does not count. err is nil if p was exhausted and all its
// bytes were handed on. Otherwise err is the error of p, or what ended the connection, or
// an error that is [net.ErrClosed] if p was discarded.
//
// f runs on the writer goroutine, or on the goroutine that discarded p. It must not wait
// for the connection.
func OnDone(p Producer, f func(n int64, err error)) Producer {
	return &doneProducer{p: p, f: f}
}

type doneProducer struct {
	p         Producer
	f         func(n int64, err error)
	n         int64 // bytes that were sent
	lent      int64 // bytes of the last piece
	err       error
	last      bool // p returned io.EOF
	exhausted bool
}

func (p *doneProducer) More() ([]byte, error) {
	p.n += p.lent
	p.lent = 0
	if p.last {
		p.exhausted = true
		return nil, nil
	}
	piece, err := p.p.More()
	if err != nil && err != io.EOF {
		if err != errDiscarded { // the error of an interrupt is not the producer's own
			p.err = err
		}
		return nil, err
	}
	p.last = err == io.EOF
	p.lent = int64(len(piece))
	p.exhausted = len(piece) == 0
	return piece, nil
}

func (p *doneProducer) transfer(w io.ReaderFrom) (int64, error) {
	t, ok := p.p.(transferrer)
	if !ok {
		return 0, errNoTransfer
	}
	p.n += p.lent
	p.lent = 0
	n, err := t.transfer(w)
	p.n += n
	p.exhausted = n == 0 && err == nil
	return n, err
}

func (p *doneProducer) interrupt() { interruptProducer(p.p) }

func (p *doneProducer) end(cause error) error {
	if p.f == nil {
		return nil
	}
	f := p.f
	p.f = nil
	err := endProducer(p.p, cause)
	if cause == errDiscarded {
		p.n += p.lent // the last piece was sent: the writer stops only between two pieces
	}
	switch {
	case p.exhausted:
		cause = nil
	case p.err != nil:
		cause = p.err
	case cause == nil:
		cause = errDiscarded
	}
	f(p.n, cause)
	return err
}

func (p *doneProducer) Close() error { return p.end(errDiscarded) }

// An ender is a Producer that is told why it is closed. cause is nil if it is exhausted.
type ender interface{ end(cause error) error }

// endProducer closes p. It returns a panic as an error, so that other producers are still
// closed, and everybody who waits for the end is told.
func endProducer(p Producer, cause error) error {
	return protect(func() error {
		switch p := p.(type) {
		case ender:
			return p.end(cause)
		case io.Closer:
			return p.Close()
		}
		return nil
	})
}
