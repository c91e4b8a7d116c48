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

// A delimiterSet is the set of delimiters of an AnyDelimiter, and what is needed to
// search for all of them at once. It is a string, so that it can be compared, and all
// connections share it. Its parts are:
//
//   - two numbers, which say where the labels and the nodes of the automaton begin;
//   - the hints;
//   - the delimiters, longest first, each after its length;
//   - the automaton: its labels, then its nodes.
//
// A number has four bytes, the least significant first. The place of a delimiter is the
// index of its length in the set.
type delimiterSet string

// These are the indexes of the parts of a set.
const (
	setLabels = 0
	setNodes  = 4
	setHints  = 8
	setDelims = setHints + hintsSize
)

// maxDelimiters is the greatest total length of the delimiters of a set, in bytes.
const maxDelimiters = 1 << 20

// newDelimiterSet returns the set of delims. It has an automaton only if delims are
// valid.
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

// validate returns an error if no automaton can be made of s.
func (s delimiterSet) validate() error {
	if s.number(setNodes) > s.number(setLabels) {
		return nil // it has an automaton already
	}
	size := 0
	for _, delim := range s.all {
		if delim == "" {
			return fmt.Errorf("framer: empty delimiter in %v", Terminator{how: s})
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

// numberAt returns the number at s[i:i+4].
func numberAt(s string, i int) int {
	p := s[i : i+4]
	return int(uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 | uint32(p[3])<<24)
}

func (s delimiterSet) number(i int) int { return numberAt(string(s), i) }

// delimiter returns the delimiter at the place at.
func (s delimiterSet) delimiter(at int) string {
	return string(s[at+4:][:s.number(at)])
}

// all iterates over the delimiters, longest first, and their places.
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

// hints help to find quickly where a delimiter begins or ends.
type hints string

const (
	hintFirst      = 0                      // how many bytes delimiters can begin with, then these bytes; 0 if they are more than maxFew
	hintLast       = hintFirst + 1 + maxFew // 1, then a byte, if there are at most maxFew delimiters, and all end in this byte and have it nowhere else
	hintBeginnings = hintLast + 2           // a bit for each byte: set if delimiters can begin with it
	hintsSize      = hintBeginnings + 256/8
	maxFew         = 3
)

// makeHints sets h to the hints for delims.
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

// beginning returns the first index in data at which a delimiter can begin, or len(data).
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

// indexFew returns the index of the first byte of data that is in few, or len(data). It
// searches in windows of growing size. So it does not search all of data for one byte if
// another one is near.
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

// An automaton is an Aho-Corasick automaton. It has a node for each beginning of a
// delimiter. That beginning is the text of the node. The root, whose text is empty, comes
// first, then the others, shorter texts first. The texts of the children of a node are
// one byte longer than its own. The children of a node lie together.
type automaton struct {
	labels string // the last byte of the text of each node
	nodes  string // for each node nodeSize bytes: the numbers below
}

const (
	nodeFail     = 4 * iota // the node with the longest text that is a proper suffix of its own text
	nodeJump                // the first node, following nodeFail, that has a child for a byte for which this node has none; or the root
	nodeChild               // its first child
	nodeChildren            // how many children it has
	nodeDepth               // the length of its text
	nodeMatch               // the place of the delimiter that begins first in the text (the longest of several), or 0
	nodeBegin               // the index in the text at which that delimiter begins
	nodeSize
)

// root is the node of the empty text.
const root = 0

func (a automaton) get(node, what int) int { return numberAt(a.nodes, node*nodeSize+what) }

// children returns the bytes that can follow the text of node.
func (a automaton) children(node int) string {
	return a.labels[a.get(node, nodeChild):][:a.get(node, nodeChildren)]
}

// step returns the next node when c follows the text of node: the one with the longest
// text that is a suffix of both together.
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

// A trieNode is a node of an automaton that is being built.
type trieNode struct {
	delims       []int // the places of the delimiters that begin with the text, sorted by their bytes
	depth, fail  int
	match, begin int
	suffix       int // the place of the longest delimiter that the text ends in, or 0
}

// newAutomaton returns the automaton of s.
func newAutomaton(s delimiterSet) automaton {
	// Sorted by their bytes, delimiters with the same beginning lie together.
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
			if i != root { // all nodes with shorter texts are written by now
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

// children iterates over the bytes that can follow the text of n. With each byte it
// yields the delimiters that begin with the text and that byte.
func (n trieNode) children(s delimiterSet) iter.Seq2[byte, []int] {
	return func(yield func(byte, []int) bool) {
		rest := n.delims
		for len(rest) > 0 && len(s.delimiter(rest[0])) == n.depth {
			rest = rest[1:] // this delimiter ends here
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

// end records the longest delimiter that the text of n ends in. That is the whole text,
// if it is a delimiter, and otherwise suffix, which comes from the node of the longest
// proper suffix.
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
