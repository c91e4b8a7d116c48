// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/internal/poison"
)

const (
	exhaustive  = 12      // inputs of up to this many bytes are cut in every way
	singleLimit = 2048    // inputs of up to this many bytes are cut once at every place
	minRandom   = 20      // the least number of random cuts, for inputs longer than exhaustive
	maxRandom   = 300     // the greatest number of random cuts
	randomBytes = 8 << 20 // between these, the number of random cuts times the input's size

	minOverwrite   = 4 << 10  // the least number of bytes that a Read overwrites
	overwriteBytes = 64 << 20 // if more, the number of bytes that all Reads of a run overwrite together
)

// Recut runs f on the whole input, and then on the input cut into reads in many other
// ways: in every way if it has at most 12 bytes. Otherwise it is cut once at every place
// (up to 2048 bytes), byte by byte, and into pieces of random sizes, which are the same
// in every run. If f does not always return the same text, Recut fails t and shows a cut
// that makes a difference: the smallest for a short input, otherwise one in which every
// place is needed.
//
// f reads its reader to the end and returns a text of the result, which must depend on
// nothing else. [Transcript] makes such a function for the handler of a connection.
//
// The reader of f overwrites all of the slice that is passed to Read, as an [io.Reader]
// may. Where it puts no input, it puts bytes from \xf5 to \xff, different ones in every
// run. So f also fails if it keeps memory that was lent until the next Read, such as a
// line of [bufio.Reader.ReadSlice]. A [framer.Framer] that reads directly from it lends
// copies, which are overwritten with such bytes when the loan ends, wherever the message
// was cut. That applies to Next, All, Run and the WriteTo of a reader of NextReader, as
// for [Poison].
func Recut(t testing.TB, input []byte, f func(io.Reader) string) {
	t.Helper()
	var poisons poisons
	run := func(cuts []int) string { return f(newCutReader(input, cuts, poisons.next())) }
	want := run(nil)
	if again := run(nil); again != want {
		t.Errorf("the same input makes a difference\n--- once\n%s\n--- again\n%s%s", want, again, hint(input, want+again))
		return
	}
	differs := func(cuts []int) bool { return run(cuts) != want }
	for cuts := range ways(len(input)) {
		if !differs(cuts) {
			continue
		}
		cuts = shrink(cuts, differs)
		got := run(cuts)
		t.Errorf("the cut makes a difference: %s\n--- whole\n%s\n--- cut\n%s%s", pieces(input, cuts), want, got, hint(input, want+got))
		return
	}
}

// ways yields the cuts of n bytes that are to be tried. A cut is a list of places in
// increasing order.
func ways(n int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		switch {
		case n < 2:
		case n <= exhaustive:
			allWays(n, yield)
		default:
			someWays(n, yield)
		}
	}
}

// allWays yields all subsets of the n-1 places, small subsets first.
func allWays(n int, yield func([]int) bool) {
	for size := 1; size < n; size++ {
		for set := range uint(1) << (n - 1) {
			if bits.OnesCount(set) == size && !yield(places(set)) {
				return
			}
		}
	}
}

// places returns a place for each bit that is set. The lowest bit is place 1.
func places(set uint) (cuts []int) {
	for ; set != 0; set &= set - 1 {
		cuts = append(cuts, 1+bits.TrailingZeros(set))
	}
	return cuts
}

// someWays yields cuts at a single place, the cut at all places, and random cuts.
func someWays(n int, yield func([]int) bool) {
	var all []int
	for i := 1; i < n; i++ {
		if n <= singleLimit && !yield([]int{i}) {
			return
		}
		all = append(all, i)
	}
	if !yield(all) {
		return
	}
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for range min(max(minRandom, randomBytes/n), maxRandom) {
		if !yield(randomPlaces(n, random)) {
			return
		}
	}
}

// randomPlaces cuts n bytes into pieces of random sizes. The sizes are small in some
// calls and large in others.
func randomPlaces(n int, random *rand.Rand) (cuts []int) {
	longest := n >> random.IntN(bits.Len(uint(n)))
	for i := 1 + random.IntN(longest); i < n; i += 1 + random.IntN(longest) {
		cuts = append(cuts, i)
	}
	return cuts
}

// shrink removes places from cuts as long as the rest still makes a difference. It tries
// to remove many at once first.
func shrink(cuts []int, differs func([]int) bool) []int {
	for size := len(cuts) / 2; size > 0; size /= 2 {
		for dropped := true; dropped; {
			cuts, dropped = drop(cuts, size, differs)
		}
	}
	return cuts
}

// drop removes runs of size places from cuts where the rest still makes a difference. It
// reports whether it has removed any.
func drop(cuts []int, size int, differs func([]int) bool) (rest []int, dropped bool) {
	for i := 0; i+size <= len(cuts); {
		fewer := slices.Concat(cuts[:i], cuts[i+size:])
		if differs(fewer) {
			cuts, dropped = fewer, true
		} else {
			i += size
		}
	}
	return cuts, dropped
}

// pieces returns a text that shows the pieces of a cut.
func pieces(input []byte, cuts []int) string {
	var all []string
	last := 0
	for _, i := range append(slices.Clone(cuts), len(input)) {
		all = append(all, quote(string(input[last:i])))
		last = i
	}
	return strings.Join(all, " | ")
}

// quote quotes s. If s is long, it quotes only both ends.
func quote(s string) string { return quoteEnds(s, 30) }

// quoteEnds quotes s. If s has more than 2*end bytes, it quotes only the first and the
// last end bytes.
func quoteEnds(s string, end int) string {
	if len(s) <= 2*end {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%q...%q", s[:end], s[len(s)-end:])
}

// A cutReader returns one piece of its input in each Read.
type cutReader struct {
	poison.Mark // a Framer that reads from it finds the byte here
	input       []byte
	pos         int
	cuts        []int
	room        int // how many bytes of p a Read overwrites
}

func newCutReader(input []byte, cuts []int, with poison.Byte) *cutReader {
	r := &cutReader{input: input, cuts: cuts, room: max(minOverwrite, overwriteBytes/(len(cuts)+1))}
	poison.Set(r, with)
	return r
}

func (r *cutReader) Read(p []byte) (int, error) {
	poison.Of(r).Overwrite(p[:min(len(p), r.room)])
	if r.pos == len(r.input) {
		return 0, io.EOF
	}
	end := len(r.input)
	if len(r.cuts) > 0 {
		end = r.cuts[0]
	}
	n := copy(p, r.input[r.pos:end])
	r.pos += n
	if r.pos == end && len(r.cuts) > 0 {
		r.cuts = r.cuts[1:]
	}
	return n, nil
}

// Transcript returns a function for [Recut] that serves a connection whose input
// is the reader's, and returns a transcript: what the handler was given, what it
// sent, and how it ended. For a handler that answers lines in upper case, and the
// input "one\r\ntwo\r\nthr", it is
//
//	message "one"
//	message "two"
//	rest "thr"
//	sent "ONE\r\nTWO\r\n"
//	end unexpected EOF
//
// Each line is a word, a space and what it says, and ends in a line feed. Bytes are
// quoted as %q of package fmt does, whole, however many they are. First come, in the
// order of the input, none or many of
//
//	message "..."   a message, without its delimiter, when FoundTerminator is called
//	too long "..."  what was given of a message that is longer than MaxMessageSize,
//	                up to that size
//
// and then, once each,
//
//	rest "..."      the unfinished message at the end of the input, or ""
//	sent "..."      all that was sent
//	end ...         the error of Serve, or <nil>; for a framer.MessageTooLongError,
//	                "message too long, limit" and the limit
//
// A handler may refuse its input: return an error, panic, or call CloseWhenDone or
// Close. How much it was given before may depend on the cut, and is left out then. If
// CollectIncomingData refuses, rest is "", whatever came of the message. If
// HandleReadComplete refuses, there are no messages either, because all that came in
// the same read were given before.
//
// Of a handler made by [framer.Session], [framer.Messages] or [framer.Replies] only the
// output and the reason of the end are told: rest is "".
//
// What is lent to the handler is overwritten when the loan has ended, as by [Poison]:
// a handler that keeps it shows that, at the latest, when Transcript is called again.
//
// newHandler is called for every connection anew. Its handler must not depend on
// the time, nor on when its output is sent, as it does if it calls Close with
// output that waits, nor call StartTLS. cfg has the limits: for a Server, pass a pointer to
// its Config. Nothing is logged unless cfg has a Logger. cfg may be nil, which is the zero
// Config.
func Transcript(newHandler func(*framer.Conn) framer.Handler, cfg *framer.Config) func(io.Reader) string {
	config := silent(cfg)
	newHandler = Poison(newHandler)
	var poisons poisons
	return func(r io.Reader) string {
		nc := &scriptedConn{r: r, poison: poisons.next()}
		var seen recorder
		c := framer.NewConn(nc, func(c *framer.Conn) framer.Handler {
			h := newHandler(c)
			if h == nil || isReadyMade(h) {
				return h
			}
			seen.wrapper, seen.conn = wrap(h), c
			return &seen
		}, config)
		err := c.Serve(context.Background())
		if !nc.explains(err) {
			seen.message = nil // the handler has ended the connection, by setting a terminator that was refused
		}
		return fmt.Sprintf("%srest %q\nsent %q\nend %s\n", seen.told(), seen.rest(), nc.written(), describe(err))
	}
}

// describe returns the text of err. For a message that is too long it leaves out how much
// was seen, because that depends on the cut.
func describe(err error) string {
	var long *framer.MessageTooLongError
	if errors.As(err, &long) {
		return fmt.Sprintf("message too long, limit %d", long.Limit)
	}
	return fmt.Sprint(err)
}

// A recorder passes all calls on to a Handler and records them.
type recorder struct {
	wrapper
	conn    *framer.Conn
	message []byte
	log     bytes.Buffer
	refused refusal
}

// A refusal says which method has refused its input. How much input the Handler was given
// before that depends on the cut.
type refusal int

const (
	noRefusal    refusal = iota
	pieceRefused         // CollectIncomingData has refused
	readRefused          // HandleReadComplete has refused
)

// told returns what was recorded, or nothing if it depends on the cut.
func (r *recorder) told() []byte {
	if r.refused == readRefused {
		return nil
	}
	return r.log.Bytes()
}

// rest returns the unfinished message, or nothing if it depends on the cut.
func (r *recorder) rest() []byte {
	if r.refused != noRefusal {
		return nil
	}
	return r.message
}

// watch calls f. It records the refusal if f fails, panics, or closes the connection.
func (r *recorder) watch(refused refusal, f func() error) error {
	if r.closing() {
		return f() // the connection is closing already, so this can't be a refusal
	}
	r.refused = refused
	err := f()
	if err == nil && !r.closing() {
		r.refused = noRefusal
	}
	return err
}

// closing reports whether nothing can be pushed any more.
func (r *recorder) closing() bool { return errors.Is(r.conn.TryPush(nil), net.ErrClosed) }

func (r *recorder) CollectIncomingData(data []byte) error {
	r.message = append(r.message, data...)
	return r.watch(pieceRefused, func() error { return r.Handler.CollectIncomingData(data) })
}

func (r *recorder) HandleReadComplete() error {
	if h, ok := r.Handler.(framer.ReadCompleteHandler); ok {
		return r.watch(readRefused, h.HandleReadComplete)
	}
	return nil
}

func (r *recorder) FoundTerminator() error {
	fmt.Fprintf(&r.log, "message %q\n", r.message)
	r.message = nil
	return r.Handler.FoundTerminator()
}

func (r *recorder) HandleOversize(e *framer.MessageTooLongError) error {
	// Under None, how much a Collector has above the limit depends on the cut.
	fmt.Fprintf(&r.log, "too long %q\n", r.message[:min(int64(len(r.message)), e.Limit)])
	r.message = nil
	return r.wrapper.HandleOversize(e)
}

// A scriptedConn is a net.Conn whose input comes from a reader. It keeps its output.
type scriptedConn struct {
	r      io.Reader
	err    error // the error that r has returned
	poison poison.Byte

	mu  sync.Mutex
	out bytes.Buffer
}

func (c *scriptedConn) Read(p []byte) (n int, err error) {
	c.poison.Overwrite(p[:min(len(p), minOverwrite)]) // r may overwrite the rest
	n, err = c.r.Read(p)
	if err != nil {
		c.err = err
	}
	return n, err
}

// explains reports whether err, the error of Serve, can come from the end of the input.
func (c *scriptedConn) explains(err error) bool {
	return err == nil || err == io.ErrUnexpectedEOF || c.err != nil && errors.Is(err, c.err)
}

func (c *scriptedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

func (c *scriptedConn) written() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.out.Bytes())
}

func (c *scriptedConn) Close() error                     { return nil }
func (c *scriptedConn) LocalAddr() net.Addr              { return addr("local") }
func (c *scriptedConn) RemoteAddr() net.Addr             { return addr("remote") }
func (c *scriptedConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptedConn) SetWriteDeadline(time.Time) error { return nil }
