// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// A delimiterSet is the set of an AnyDelimiter, and what it takes to search for all of
// it at once. It is a string, so that it can be compared and all connections share it:
//
//   - where the labels and the nodes of its automaton begin;
//   - the hints;
//   - the delimiters, longest first, each behind its length;
//   - the automaton.
//
// A number has four bytes, the least significant first.
type delimiterSet string

// Where in a set its parts are.
const (
	setLabels = 0
	setNodes  = 4
	setHints  = 8
	setDelims = setHints + hintsSize
)

// maxDelimiters is how long all delimiters of a set may be together, in bytes.
const maxDelimiters = 1 << 20

// newDelimiterSet makes the set of delims. It has an automaton only if they make sense.
func newDelimiterSet(delims []string) delimiterSet {
	delims = slices.Clone(delims)
	slices.SortStableFunc(delims, func(a, b string) int { return len(b) - len(a) })
	set := make([]byte, setDelims)
	for _, delim := range delims {
		set = binary.LittleEndian.AppendUint32(set, uint32(len(delim)))
		set = append(set, delim...)
	}
	binary.LittleEndian.PutUint32(set[setLabels:], uint32(len(set)))
	binary.LittleEndian.PutUint32(set[setNodes:], uint32(len(set)))
	if delimiterSet(set).validate() == nil {
		makeHints(set[setHints:setDelims], delims)
		a := newAutomaton(delimiterSet(set))
		binary.LittleEndian.PutUint32(set[setNodes:], uint32(len(set)+len(a.labels)))
		set = append(append(set, a.labels...), a.nodes...)
	}
	return delimiterSet(set)
}

// validate says whether an automaton can be made of s.
func (s delimiterSet) validate() error {
	if s.number(setNodes) > s.number(setLabels) {
		return nil // it has one
	}
	size := 0
	for _, delim := range s.all {
		if delim == "" {
			return fmt.Errorf("framer: empty delimiter in %v", Terminator{kind: kindAnyDelimiter, delim: string(s)})
		}
		size += len(delim)
	}
	switch {
	case size == 0:
		return errors.New("framer: AnyDelimiter without delimiters")
	case size > maxDelimiters:
		return fmt.Errorf("framer: delimiters of %d bytes together, limit %d (AnyDelimiter)", size, maxDelimiters)
	}
	return nil
}

// numberAt returns the number that lies at i.
func numberAt(s string, i int) int {
	p := s[i : i+4]
	return int(uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 | uint32(p[3])<<24)
}

func (s delimiterSet) number(i int) int { return numberAt(string(s), i) }

// delimiter returns the delimiter that lies at at.
func (s delimiterSet) delimiter(at int) string {
	return string(s[at+4:][:s.number(at)])
}

// all is an iterator over the delimiters, longest first, and where they lie.
func (s delimiterSet) all(yield func(at int, delim string) bool) {
	end := s.number(setLabels)
	for at := setDelims; at < end; {
		delim := s.delimiter(at)
		if !yield(at, delim) {
			return
		}
		at += 4 + len(delim)
	}
}

func (s delimiterSet) hints() hints { return hints(s[setHints:setDelims]) }

func (s delimiterSet) automaton() automaton {
	labels, nodes := s.number(setLabels), s.number(setNodes)
	return automaton{string(s[labels:nodes]), string(s[nodes:])}
}

// hints say how to find quickly where a delimiter begins, or ends.
type hints string

const (
	hintFirst      = 0                      // how many bytes delimiters can begin with, and these bytes; 0 if more than maxFew
	hintLast       = hintFirst + 1 + maxFew // 1 and a byte, if each of at most maxFew delimiters ends in it, and has it nowhere else
	hintBeginnings = hintLast + 2           // a bit for each byte, if delimiters can begin with it
	hintsSize      = hintBeginnings + 256/8
	maxFew         = 3
)

// makeHints makes the hints for delims.
func makeHints(h []byte, delims []string) {
	var first []byte
	last := delims[0][len(delims[0])-1]
	common := len(delims) <= maxFew
	for _, delim := range delims {
		if !slices.Contains(first, delim[0]) {
			first = append(first, delim[0])
		}
		h[hintBeginnings+delim[0]>>3] |= 1 << (delim[0] & 7)
		common = common && strings.IndexByte(delim, last) == len(delim)-1
	}
	if len(first) <= maxFew {
		h[hintFirst] = byte(len(first))
		copy(h[hintFirst+1:], first)
	}
	if common {
		h[hintLast], h[hintLast+1] = 1, last
	}
}

// beginning returns where in data a delimiter can begin first, or the length of data.
func (h hints) beginning(data []byte) int {
	if n := h[hintFirst]; n > 0 {
		return indexFew(data, string(h[hintFirst+1:][:n]))
	}
	for i, c := range data {
		if h[hintBeginnings+c>>3]&(1<<(c&7)) != 0 {
			return i
		}
	}
	return len(data)
}

// indexFew returns the index of the first byte of data that is one of few, or the length
// of data. It looks far ahead only if none of them is near.
func indexFew(data []byte, few string) int {
	for from, size := 0, 64; from < len(data); from, size = from+size, 2*size {
		window := data[from:min(from+size, len(data))]
		found := false
		for i := range len(few) {
			if n := bytes.IndexByte(window, few[i]); n >= 0 {
				window, found = window[:n], true
			}
		}
		if found {
			return from + len(window)
		}
	}
	return len(data)
}

// An automaton is that of Aho and Corasick: a node for each beginning of a delimiter,
// shorter ones first, from the empty one on. The children of a node, which are a byte
// longer, lie together.
type automaton struct {
	labels string // the last byte of each node
	nodes  string // nodeSize bytes each: the numbers below
}

const (
	nodeFail     = 4 * iota // the node of its longest proper suffix that has one
	nodeJump                // the first one by nodeFail that has a child where this one has none, or the root
	nodeChild               // the first of its children
	nodeChildren            // and how many there are
	nodeDepth               // its length
	nodeMatch               // the delimiter that begins first in it, and of these the longest: where that lies in the set, or 0
	nodeBegin               // and where in the node it begins
	nodeSize
)

// root is the node of the empty beginning.
const root = 0

func (a automaton) get(node, what int) int { return numberAt(a.nodes, node*nodeSize+what) }

// children returns the bytes that can follow node.
func (a automaton) children(node int) string {
	return a.labels[a.get(node, nodeChild):][:a.get(node, nodeChildren)]
}

// step returns the node of the longest end of node and c that has one.
func (a automaton) step(node int, c byte) int {
	for {
		if i := strings.IndexByte(a.children(node), c); i >= 0 {
			return a.get(node, nodeChild) + i
		}
		if node == root {
			return root
		}
		node = a.get(node, nodeJump)
	}
}

// A trieNode is a node of an automaton that is being made.
type trieNode struct {
	delims       []int // where the delimiters that begin so lie in the set, in order
	depth, fail  int
	match, begin int
	suffix       int // where the longest delimiter that it ends in lies, or 0
}

// newAutomaton makes the automaton of s.
func newAutomaton(s delimiterSet) automaton {
	// In the order of their bytes, delimiters that begin alike lie together.
	var sorted []int
	for at := range s.all {
		sorted = append(sorted, at)
	}
	slices.SortFunc(sorted, func(a, b int) int { return strings.Compare(s.delimiter(a), s.delimiter(b)) })

	var labels, nodes strings.Builder
	labels.WriteByte(0)
	queue := []trieNode{{delims: sorted}}
	for i := 0; i < len(queue); i++ {
		n, first := queue[i], len(queue)
		for c, delims := range n.children(s) {
			child := trieNode{delims: delims, depth: n.depth + 1, match: n.match, begin: n.begin}
			if i != root { // all shorter nodes have been written
				child.fail = automaton{labels.String(), nodes.String()}.step(n.fail, c)
			}
			child.end(s, queue[child.fail].suffix)
			labels.WriteByte(c)
			queue = append(queue, child)
		}
		a := automaton{labels.String(), nodes.String()}
		jump := n.fail
		for jump != root && isSubset(a.children(jump), a.labels[first:]) {
			jump = a.get(jump, nodeJump)
		}
		for _, number := range [...]int{n.fail, jump, first, len(queue) - first, n.depth, n.match, n.begin} {
			nodes.Write(binary.LittleEndian.AppendUint32(nil, uint32(number)))
		}
	}
	return automaton{labels.String(), nodes.String()}
}

// isSubset reports whether all bytes of a are in b.
func isSubset(a, b string) bool {
	for i := range len(a) {
		if strings.IndexByte(b, a[i]) < 0 {
			return false
		}
	}
	return true
}

// children is an iterator over the bytes that can follow, and the delimiters that begin
// with that.
func (n trieNode) children(s delimiterSet) iter.Seq2[byte, []int] {
	return func(yield func(byte, []int) bool) {
		rest := n.delims
		for len(rest) > 0 && len(s.delimiter(rest[0])) == n.depth {
			rest = rest[1:] // it ends here
		}
		for len(rest) > 0 {
			c, k := s.delimiter(rest[0])[n.depth], 1
			for k < len(rest) && s.delimiter(rest[k])[n.depth] == c {
				k++
			}
			if !yield(c, rest[:k]) {
				return
			}
			rest = rest[k:]
		}
	}
}

// end takes note of the delimiter that n ends in: all of it, or that of its longest
// suffix.
func (n *trieNode) end(s delimiterSet, suffix int) {
	n.suffix = suffix
	if first := n.delims[0]; len(s.delimiter(first)) == n.depth {
		n.suffix = first
	}
	if n.suffix == 0 {
		return
	}
	begin := n.depth - len(s.delimiter(n.suffix))
	if n.match == 0 || begin <= n.begin {
		n.match, n.begin = n.suffix, begin
	}
}
