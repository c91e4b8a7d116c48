// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"unsafe"
)

// After any sequence of calls, a backlog has given what was added, in order, and
// consecutive bytes in one batch. When it is empty, it has no memory, and all that it got
// was given back once.
func TestBacklog(t *testing.T) {
	// A pool then returns all that was put into it, except under the race detector.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	info, _ := debug.ReadBuildInfo()
	race := info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	text := make([]byte, 256<<10)
	rand.NewChaCha8([32]byte{}).Read(text)
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			b := backlogTest{t: t, random: rand.New(rand.NewPCG(seed, 0)), text: text}
			b.memory = new(buffers)
			check := watchPools(t, b.memory)
			for range 500 {
				b.step()
			}
			if seed%2 == 0 {
				b.dropAll()
			}
			for len(b.model) > 0 {
				b.takeNext()
			}
			b.takeNext()
			if b.tail != nil || b.entries != nil || b.rest != nil || b.taken.data != nil {
				t.Error("an empty backlog has memory")
			}
			check(!race)
		})
	}
}

// watchPools notes the memory that b makes. The function that it returns checks that b has
// no other memory, that none of it is there twice, and, if all is set, that none is
// missing.
func watchPools(t *testing.T, b *buffers) (check func(all bool)) {
	out := map[*byte]bool{}
	for i := range b.pools {
		b.pools[i].New = func() any {
			first := unsafe.SliceData(make([]byte, smallBuffer<<i))
			out[first] = true
			return first
		}
	}
	return func(all bool) {
		t.Helper()
		if len(out) == 0 {
			t.Error("no memory was used")
		}
		for i := range b.pools {
			b.pools[i].New = nil
			for first, ok := b.pools[i].Get().(*byte); ok; first, ok = b.pools[i].Get().(*byte) {
				if !out[first] {
					t.Errorf("memory of %d bytes was given back twice, or was not got", smallBuffer<<i)
				}
				delete(out, first)
			}
		}
		if all && len(out) > 0 {
			t.Errorf("%d pieces of memory were not given back", len(out))
		}
	}
}

// A backlogTest does the same with a backlog and with a model of it.
type backlogTest struct {
	t      *testing.T
	random *rand.Rand
	text   []byte // random bytes
	backlog
	model []modelEntry
	held  []byte // the batch that was taken and is not freed yet, or nil
	want  []byte // what must be in it
}

// A modelEntry is what one call of take returns.
type modelEntry struct {
	data []byte   // the bytes, also those of a *bytesProducer
	p    Producer // nil for bytes
	full bool     // nothing more joins the bytes
	rest bool     // it was put back
}

// step makes one call.
func (b *backlogTest) step() {
	switch n := b.random.IntN(100); {
	case n < 40:
		b.addBytes()
	case n < 60:
		b.addProducer()
	case n < 65:
		b.putBackBytes()
	case n < 70:
		b.removeOne()
	case n < 98:
		b.takeNext()
	default:
		b.dropAll()
	}
}

// newBytes returns random bytes, in memory of a size that the pools have.
func (b *backlogTest) newBytes() []byte {
	size := smallBuffer << b.random.IntN(4)
	data := make([]byte, 1+b.random.IntN(size), size)
	copy(data, b.text[b.random.IntN(len(b.text)-size):])
	return data
}

// addBytes adds bytes in one of three ways.
func (b *backlogTest) addBytes() {
	data := b.newBytes()
	want := bytes.Clone(data)
	switch b.random.IntN(3) {
	case 0:
		want = want[:min(len(data), b.spare())]
		b.tail = append(b.tail, want...)
	case 1:
		data = append(b.memory.get(len(data)), data...)
		if !b.keep(data) {
			b.memory.put(data)
			return
		}
		data = nil // it has another owner
	default:
		b.append(data)
	}
	clear(data)
	last := len(b.model) - 1
	switch {
	case len(want) == 0:
	case last >= 0 && !b.model[last].full:
		b.model[last].data = append(b.model[last].data, want...)
	default:
		b.model = append(b.model, modelEntry{data: want})
	}
}

// addProducer adds a producer of one of the kinds that are treated differently.
func (b *backlogTest) addProducer() {
	e := modelEntry{full: true}
	switch b.random.IntN(4) {
	case 0:
		e.data = b.newBytes()
		e.p = &bytesProducer{e.data}
	case 1:
		e.p = new(upgrade)
	case 2:
		e.p = make(flushMark) // not ready
	default:
		e.p = NewSimpleProducer(nil, 0)
	}
	b.add(e.p)
	if last := len(b.model) - 1; last >= 0 {
		b.model[last].full = true
	}
	b.model = append(b.model, e)
}

// putBackBytes puts bytes back, unless some were put back already.
func (b *backlogTest) putBackBytes() {
	if len(b.model) > 0 && b.model[0].rest {
		return
	}
	data := b.newBytes()
	e := modelEntry{data: bytes.Clone(data), full: true, rest: true}
	shared := b.random.IntN(2) == 0
	b.putBack(data, shared)
	if p, ok := b.rest.(*bytesProducer); ok != shared {
		b.t.Errorf("put back as a %T", b.rest)
	} else if shared {
		e.p = p
	} else {
		clear(data)
	}
	b.model = slices.Insert(b.model, 0, e)
}

// removeOne removes a producer, and tries to do it twice.
func (b *backlogTest) removeOne() {
	i := slices.IndexFunc(b.model, func(e modelEntry) bool { return e.p != nil && !e.rest })
	if i < 0 {
		return
	}
	p := b.model[i].p
	b.model = slices.Delete(b.model, i, i+1)
	if !b.remove(p) || b.remove(p) {
		b.t.Error("a producer was not removed once")
	}
}

// takeNext frees what was taken before, and takes the next entry.
func (b *backlogTest) takeNext() {
	if b.held != nil {
		b.compare(b.held)
		b.free(b.held)
		b.held = nil
	}
	p := b.take()
	if len(b.model) == 0 {
		if p != nil {
			b.t.Errorf("took %T, want nothing", p)
		}
		return
	}
	e := b.model[0]
	b.model, b.want = b.model[1:], e.data
	batch, isBatch := p.(*batch)
	switch {
	case isBatch && e.p == nil:
		b.held = batch.data
		b.compare(b.held)
	case p == nil || p != e.p:
		b.t.Fatalf("took %T, want %T", p, e.p)
	case len(e.data) > 0:
		b.compare(p.(*bytesProducer).data)
	}
	if ready := len(b.model) > 0 && isReady(b.model[0].p); b.isReady() != ready {
		b.t.Errorf("the next producer is ready: %t", !ready)
	}
}

func (b *backlogTest) compare(got []byte) {
	b.t.Helper()
	if !bytes.Equal(got, b.want) {
		b.t.Fatalf("took %d bytes, want %d others", len(got), len(b.want))
	}
}

// dropAll drops what the backlog has.
func (b *backlogTest) dropAll() {
	producers, n := b.drop()
	var left []modelEntry
	for _, e := range b.model {
		_, isUpgrade := e.p.(*upgrade)
		switch {
		case e.rest, isUpgrade:
			left = append(left, e)
			continue
		case e.data == nil && (len(producers) == 0 || producers[0] != e.p):
			b.t.Fatal("a producer was dropped, and not returned in order")
		case e.data == nil:
			producers = producers[1:]
		}
		n -= int64(len(e.data))
	}
	b.model = left
	if n != 0 || len(producers) > 0 {
		b.t.Errorf("dropped %d bytes and %d producers too many", n, len(producers))
	}
}

// A batch begins with the memory that the last one needed, within limits.
func TestBacklogBegins(t *testing.T) {
	for _, test := range []struct{ last, first, want int }{
		{0, 1, smallBuffer},
		{3 * smallBuffer, 1, 4 * smallBuffer},
		{4 * maxBatch, 1, maxBatch},
		{4 * maxBatch, 2 * maxBatch, 2 * maxBatch},
	} {
		b := backlog{memory: new(buffers)}
		b.append(make([]byte, test.last))
		if p, ok := b.take().(*batch); ok {
			b.free(p.data)
		}
		b.append(make([]byte, test.first))
		if got := b.spare() + test.first; got != test.want {
			t.Errorf("%+v: begins with %d bytes", test, got)
		}
	}
}
