// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goframer/framer"
)

// An oracleVector is a line of the files in testdata/oracle. It says what asynchat does.
// The README there describes the fields.
type oracleVector struct {
	ID             string             `json:"id"`
	Quirk          string             `json:"quirk"`
	Chunks         []oracleBytes      `json:"chunks"`
	Terminators    []oracleTerminator `json:"terminators"`
	Messages       []oracleBytes      `json:"messages"`
	Tail           oracleBytes        `json:"tail"`
	Held           oracleBytes        `json:"held"`
	TerminatorLeft oracleTerminator   `json:"terminator_left"`
	Events         [][]oracleEvent    `json:"events"`
}

type oracleBytes string

func (b *oracleBytes) UnmarshalJSON(data []byte) error {
	var encoded string
	repeat := 1
	if data[0] == '{' {
		var r struct{ Repeat []json.RawMessage }
		if err := json.Unmarshal(data, &r); err != nil {
			return err
		}
		if len(r.Repeat) != 2 {
			return fmt.Errorf("not a pair: %s", data)
		}
		if err := json.Unmarshal(r.Repeat[1], &repeat); err != nil {
			return err
		}
		data = r.Repeat[0]
	}
	if err := json.Unmarshal(data, &encoded); err != nil {
		return err
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	*b = oracleBytes(strings.Repeat(string(decoded), repeat))
	return err
}

// An oracleTerminator has exactly one of its fields.
type oracleTerminator struct {
	Delim  *oracleBytes `json:"delim"`
	Length *int64       `json:"length"`
	None   bool         `json:"none"`
}

func (t oracleTerminator) terminator() framer.Terminator {
	switch {
	case t.Delim != nil:
		return framer.Delimiter(string(*t.Delim))
	case t.Length != nil:
		return framer.Length(*t.Length)
	}
	return framer.None()
}

// An oracleEvent is a call of CollectIncomingData, or of FoundTerminator.
type oracleEvent struct {
	Found bool
	Data  string
}

func (e *oracleEvent) UnmarshalJSON(data []byte) error {
	var fields []json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	switch {
	case len(fields) == 1 && string(fields[0]) == `"f"`:
		e.Found = true
		return nil
	case len(fields) == 2 && string(fields[0]) == `"c"`:
		var collected oracleBytes
		err := json.Unmarshal(fields[1], &collected)
		e.Data = string(collected)
		return err
	}
	return fmt.Errorf("not an event: %s", data)
}

// The numbers of vectors, so that a missing one is noticed.
const (
	oracleVectors    = 2104
	oracleWithEvents = 1160
	oracleQuirks     = 3
)

// oracleAnswer is what a Framer must do with a vector.
type oracleAnswer struct {
	program  []framer.Terminator // the terminators of the vector
	refused  bool                // the first terminator is an error, and None stays in force
	messages []string
	tail     string
	held     string
	left     framer.Terminator
	events   [][]oracleEvent // nil if the vector has none
}

func (v *oracleVector) answer(t *testing.T) oracleAnswer {
	t.Helper()
	if v.Quirk != "" {
		return v.quirkAnswer(t)
	}
	a := oracleAnswer{
		program: v.program(),
		tail:    string(v.Tail),
		held:    string(v.Held),
		left:    v.TerminatorLeft.terminator(),
		events:  v.Events,
	}
	for _, m := range v.Messages {
		a.messages = append(a.messages, string(m))
	}
	return a
}

func (v *oracleVector) program() []framer.Terminator {
	var program []framer.Terminator
	for _, t := range v.Terminators {
		program = append(program, t.terminator())
	}
	return program
}

// quirkAnswer returns what package framer promises where asynchat's answer is doubtful:
// Length(0) completes at once, and an empty delimiter is an error.
func (v *oracleVector) quirkAnswer(t *testing.T) oracleAnswer {
	t.Helper()
	found := oracleEvent{Found: true}
	collected := func(s string) oracleEvent { return oracleEvent{Data: s} }
	a := oracleAnswer{program: v.program()}
	switch v.ID {
	case "hand-084-http-zero-body-naive":
		const post, get = "POST /f HTTP/1.1\r\nContent-Length: 0", "GET /g HTTP/1.1"
		a.messages = []string{post, "", get}
		a.left = framer.Delimiter("\r\n\r\n")
		a.events = [][]oracleEvent{{collected(post), found, found, collected(get), found}}
	case "hand-085-length-zero":
		a.messages = []string{""}
		a.tail = "abcdef"
		a.events = [][]oracleEvent{{found, collected("abc")}, {collected("def")}}
	case "hand-086-delim-empty":
		a.refused = true
		a.tail = "abcdef"
		a.events = [][]oracleEvent{{collected("abc")}, {collected("def")}}
	default:
		t.Fatalf("%s: no answer of ours to the quirk %s", v.ID, v.Quirk)
	}
	return a
}

func (v *oracleVector) chunks() []string {
	chunks := make([]string, len(v.Chunks))
	for i, c := range v.Chunks {
		chunks[i] = string(c)
	}
	return chunks
}

// recut cuts the input of v in another way. The seed depends on the vector.
func (v *oracleVector) recut() []string {
	h := fnv.New64a()
	h.Write([]byte(v.ID))
	random := rand.New(rand.NewPCG(h.Sum64(), 0))
	input := strings.Join(v.chunks(), "")
	// The pieces of a short input are short. A long input is not cut into too many.
	longest := max(3, len(input)/50)
	var chunks []string
	for input != "" {
		n := min(1+random.IntN(longest), len(input))
		chunks = append(chunks, input[:n])
		input = input[n:]
	}
	return chunks
}

func readOracle(t *testing.T) []*oracleVector {
	t.Helper()
	var vectors []*oracleVector
	events, quirks := 0, 0
	for _, name := range []string{"hand.jsonl", "fuzz-open.jsonl"} {
		data, err := os.ReadFile(filepath.Join("testdata", "oracle", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			v := new(oracleVector)
			if err := json.Unmarshal(line, v); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			vectors = append(vectors, v)
			if v.Events != nil {
				events++
			}
			if v.Quirk != "" {
				quirks++
			}
		}
	}
	got := []int{len(vectors), events, quirks}
	want := []int{oracleVectors, oracleWithEvents, oracleQuirks}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("vectors, those with events, those with quirks (-want +got):\n%s", diff)
	}
	return vectors
}

// An oracleHandler sets the terminators of a vector and records what it is given.
type oracleHandler struct {
	set      func(framer.Terminator) error
	program  []framer.Terminator // the terminators that are still to be set
	messages []string
	current  []byte
	events   [][]oracleEvent // nil if events are not recorded
}

// start sets the first terminator.
func (h *oracleHandler) start(a oracleAnswer) error {
	h.program = a.program
	err := h.setNext()
	if a.refused {
		if err == nil {
			return errors.New("the terminator was not refused")
		}
		return h.set(framer.None()) // otherwise the refusal would end the Framer
	}
	return err
}

func (h *oracleHandler) setNext() error {
	if len(h.program) == 0 {
		return nil
	}
	t := h.program[0]
	h.program = h.program[1:]
	return h.set(t)
}

func (h *oracleHandler) CollectIncomingData(data []byte) error {
	h.record(oracleEvent{Data: string(data)})
	h.current = append(h.current, data...)
	return nil
}

func (h *oracleHandler) FoundTerminator() error {
	h.record(oracleEvent{Found: true})
	h.messages = append(h.messages, string(h.current))
	h.current = h.current[:0]
	return h.setNext()
}

func (h *oracleHandler) record(e oracleEvent) {
	if len(h.events) > 0 {
		last := len(h.events) - 1
		h.events[last] = append(h.events[last], e)
	}
}

func TestOracleRun(t *testing.T) {
	t.Parallel()
	replayed := 0
	for _, v := range readOracle(t) {
		replayed++
		a := v.answer(t)
		input := strings.Join(v.chunks(), "")
		replayRun(t, v.ID+" as recorded", a, v.chunks(), len(input), a.events != nil)
		if underRace {
			continue // one goroutine does it all, so there can be no race
		}
		replayRun(t, v.ID+" byte by byte", a, bytewise(input), 1, false)
		replayRun(t, v.ID+" recut", a, v.recut(), 16, false)
	}
	if replayed != oracleVectors {
		t.Errorf("%d vectors were replayed; want %d", replayed, oracleVectors)
	}
}

// replayRun gives chunks to a Framer. Each Read returns one chunk, or more if the chunks
// do not fit into the buffer. When the Framer reads again, everything that a chunk has
// caused is known. At the Read after the last chunk, the test checks what is held back.
// If events is true, it also compares what each chunk has caused.
func replayRun(t *testing.T, name string, a oracleAnswer, chunks []string, bufferSize int, events bool) {
	t.Helper()
	r := newChunkReader(chunks...)
	f := framer.NewFramer(r, &framer.Config{ReadBufferSize: bufferSize})
	h := &oracleHandler{set: f.SetTerminator}
	events = events && len(chunks) > 0
	if events {
		h.events = [][]oracleEvent{nil}
	}
	if err := h.start(a); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	begun, ended := false, false
	r.before = func() {
		switch {
		case ended:
			t.Errorf("%s: a Read after the end", name)
		case len(r.chunks) == 0:
			ended = true
			if got := string(h.current); got != a.tail {
				t.Errorf("%s: tail before the end is %q; want %q", name, got, a.tail)
			}
			if got := f.Terminator(); got != a.left {
				t.Errorf("%s: terminator left is %v; want %v", name, got, a.left)
			}
			if events && !slices.EqualFunc(a.events, h.events, slices.Equal) {
				t.Errorf("%s: events per chunk (-want +got):\n%s", name, cmp.Diff(a.events, h.events))
			}
		case begun && events:
			h.events = append(h.events, nil)
		}
		begun = true
	}
	err := f.Run(h)
	if !ended {
		t.Errorf("%s: the end of the input was not read", name)
	}
	compareOracle(t, name, a, h, err)
}

// compareOracle compares h with a after the end of the input, when what was held back has
// been delivered.
func compareOracle(t *testing.T, name string, a oracleAnswer, h *oracleHandler, err error) {
	t.Helper()
	if diff := diffStrings(a.messages, h.messages); diff != "" {
		t.Errorf("%s: messages (-want +got):\n%s", name, diff)
	}
	tail := a.tail + a.held
	if got := string(h.current); got != tail {
		t.Errorf("%s: tail is %q; want %q", name, got, tail)
	}
	var want error
	if tail != "" && a.left != framer.None() {
		want = io.ErrUnexpectedEOF
	}
	if err != want {
		t.Errorf("%s: the input ended with error %v; want %v", name, err, want)
	}
}

func TestOracleNext(t *testing.T) {
	t.Parallel()
	replayed := 0
	for _, v := range readOracle(t) {
		replayed++
		a := v.answer(t)
		for _, size := range []int{3, 4096} {
			if underRace && size > 3 {
				continue // one goroutine does it all, so there can be no race
			}
			replayNext(t, fmt.Sprintf("%s, buffer of %d", v.ID, size), a, v.chunks(), size)
		}
	}
	if replayed != oracleVectors {
		t.Errorf("%d vectors were replayed; want %d", replayed, oracleVectors)
	}
}

// replayNext asks for the messages one by one with Next, without a Handler.
func replayNext(t *testing.T, name string, a oracleAnswer, chunks []string, bufferSize int) {
	t.Helper()
	f := framer.NewFramer(newChunkReader(chunks...), &framer.Config{ReadBufferSize: bufferSize})
	h := new(oracleHandler)
	h.set = func(next framer.Terminator) error { return nil }
	var err error
	for k := 0; err == nil; k++ {
		t := a.program[min(k, len(a.program)-1)]
		if k == len(a.program) && a.left == framer.None() {
			t = framer.None() // the last one was a Length, after which comes None
		}
		if t == framer.None() {
			break
		}
		var message []byte
		message, err = f.Next(t)
		if err != nil {
			h.current = append(h.current, message...)
			break
		}
		h.messages = append(h.messages, string(message))
	}
	if a.refused {
		if err == nil || err == io.EOF {
			t.Errorf("%s: error %v; want a refusal", name, err)
		}
		err = nil
	}
	for err == nil {
		var piece []byte
		piece, err = f.Next(framer.None())
		h.current = append(h.current, piece...)
	}
	if err == io.EOF {
		err = nil
	}
	compareOracle(t, name, a, h, err)
}

func TestOracleConn(t *testing.T) {
	t.Parallel()
	replayed := 0
	for _, v := range readOracle(t) {
		replayed++
		a := v.answer(t)
		replayConn(t, v.ID+" as recorded", a, v.chunks())
		replayConn(t, v.ID+" recut", a, v.recut())
	}
	if replayed != oracleVectors {
		t.Errorf("%d vectors were replayed; want %d", replayed, oracleVectors)
	}
}

// replayConn sends chunks to a Conn, one in each Write.
func replayConn(t *testing.T, name string, a oracleAnswer, chunks []string) {
	t.Helper()
	here, there := net.Pipe()
	h := new(oracleHandler)
	var startErr error
	c := framer.NewConn(there, func(c *framer.Conn) framer.Handler {
		h.set = c.SetTerminator
		startErr = h.start(a)
		return h
	}, nil)
	sent := make(chan error, 1)
	go func() {
		var err error
		for _, chunk := range chunks {
			if _, err = io.WriteString(here, chunk); err != nil {
				break
			}
		}
		sent <- errors.Join(err, here.Close())
	}()
	err := c.Serve(t.Context())
	if err := errors.Join(<-sent, startErr); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	compareOracle(t, name, a, h, err)
}
