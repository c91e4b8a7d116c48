// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/goframer/framer"
	"github.com/google/go-cmp/cmp"
)

// letters returns n random ones of an alphabet.
func letters(random *rand.Rand, alphabet string, n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(text)
}

// Whatever the set, and however its members begin, end and contain one another, the
// messages are those of a search that tries all of them at every byte.
func TestDelimiterSets(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			for range 500 {
				alphabet := "abcdefgh"[:2+random.IntN(2)*random.IntN(7)]
				var delims []string
				for range 1 + random.IntN(6) {
					delims = append(delims, letters(random, alphabet, 1+random.IntN(1+random.IntN(6))))
				}
				if random.IntN(3) == 0 { // the same end, which is not otherwise in them
					for i := range delims {
						delims[i] += "\n"
					}
					alphabet += "\n"
				}
				input := letters(random, alphabet, random.IntN(60))
				for range random.IntN(3) {
					at := random.IntN(len(input) + 1)
					input = input[:at] + delims[random.IntN(len(delims))] + input[at:]
				}
				checkSet(t, random, delims, input)
			}
		})
	}
}

func checkSet(t *testing.T, random *rand.Rand, delims []string, input string) {
	t.Helper()
	r := anyDelimiterRule(delims...)
	want := program{r}.outcome(input, 1000)
	var chunks []string
	for rest := input; rest != ""; {
		n := 1 + random.IntN(len(rest))
		chunks = append(chunks, rest[:n])
		rest = rest[n:]
	}
	for _, chunks := range [][]string{{input}, bytewise(input), chunks} {
		got := program{r}.run(newChunkReader(chunks...), framer.Config{ReadBufferSize: 1 + random.IntN(20), MaxMessageSize: 1000})
		if !got.equal(want) {
			t.Fatalf("%v on %q: %s", r.terminator, chunks, cmp.Diff(want.Messages, got.Messages))
		}
	}
	var got []string
	f := framer.NewFramer(newChunkReader(chunks...), nil)
	for msg := range f.All(r.terminator) {
		got = append(got, string(msg)+"|"+f.Matched())
	}
	var whole []string
	for rest := input; ; {
		c := r.cut(rest)
		if c.err != nil {
			if c.message != "" {
				whole = append(whole, c.message+"|")
			}
			break
		}
		whole = append(whole, c.message+"|"+c.delim)
		rest = c.after
	}
	if diff := cmp.Diff(whole, got); diff != "" {
		t.Fatalf("%v on %q: %s", r.terminator, chunks, diff)
	}
}

func TestDelimiterSetLimits(t *testing.T) {
	const most = 1 << 20
	long := strings.Repeat("x", most)
	for _, test := range []struct {
		delims []string
		want   string
	}{
		{nil, "AnyDelimiter without delimiters"},
		{[]string{"a", "", "b"}, `empty delimiter in AnyDelimiter("a", "b", "")`},
		{[]string{""}, `empty delimiter in AnyDelimiter("")`},
		{[]string{long, "y"}, "delimiters of 1048577 bytes together, limit 1048576 (AnyDelimiter)"},
		{[]string{long[:most-1], "y"}, ""},
	} {
		err := framer.NewFramer(nil, nil).SetTerminator(framer.AnyDelimiter(test.delims...))
		if got := fmt.Sprint(err); test.want == "" && err != nil || !strings.HasSuffix(got, test.want) && test.want != "" {
			t.Errorf("%d delimiters: %.100s, want %q", len(test.delims), got, test.want)
		}
	}
}

// Two sets are equal if they were given alike.
func TestDelimiterSetsCompare(t *testing.T) {
	delims := []string{"\r\n", "\n", "end"}
	a, b := framer.AnyDelimiter(delims...), framer.AnyDelimiter(slices.Clone(delims)...)
	if a != b || a == framer.AnyDelimiter(delims[:2]...) {
		t.Errorf("%v and %v: equal is %t", a, b, a == b)
	}
}
