// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build unix

package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A witness records what its client has heard. The clients have names such as n2-17, and
// say numbers.
type witness struct {
	*client
	node  string
	last  map[string]int // the last number, by name
	heard map[string]int // how many numbers, by name
	total int            // sum of heard
	said  int            // numbers that it has said itself
	sent  map[int]bool   // the numbers that were not refused

	missed            map[string]int // how many events it was told it has missed, by node
	lostOwn           int            // how many of its own it was told are lost
	gone              map[string]bool
	cutOff, connected int // how often it was told that NATS is lost, and back
	helped            int // answers to /help
}

var (
	saidLine  = regexp.MustCompile(`^<([^@>]*)(@n\d)?> (\d+)$`)
	lostLine  = regexp.MustCompile(`^\* (\d+) messages? (?:was|were) lost, from node (n\d)$`)
	notSent   = regexp.MustCompile(`^\* not sent: .*: "(\d+)"$`)
	lostOwn   = regexp.MustCompile(`^\* lost, or heard by some only: "(\d+)"$`)
	goneLine  = regexp.MustCompile(`^\* node (n\d) has gone, `)
	otherLine = regexp.MustCompile(`^\* (/|welcome|everything|you are|node |n?guest|.* has (joined|left)$|.* is now )`)
)

func newWitness(t *testing.T, node, address, name string) *witness {
	w := &witness{
		node:   node,
		last:   make(map[string]int),
		heard:  make(map[string]int),
		sent:   make(map[int]bool),
		missed: make(map[string]int),
		gone:   make(map[string]bool),
	}
	joined := false
	w.client = dial(t, address, func(c *client, line string) {
		if line == "* you are in lobby" {
			joined = true
		}
		w.hear(line)
	})
	w.name = name
	w.say("/nick "+name, "/join lobby")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if !w.await(ctx, func() bool { return joined }) {
		t.Fatalf("%s can't join", name)
	}
	return w
}

// hear records a line. The lock must be held.
func (w *witness) hear(line string) {
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			w.t.Error(err)
		}
		return n
	}
	if m := saidLine.FindStringSubmatch(line); m != nil {
		name, n := m[1], number(m[3])
		if n <= w.last[name] {
			w.t.Errorf("%s hears %d of %s after %d", w.name, n, name, w.last[name])
		}
		if at := "@" + name[:2]; m[2] != at && (m[2] != "" || name[:2] != w.node) {
			w.t.Errorf("%s of %s hears %q", w.name, w.node, line)
		}
		w.last[name] = n
		w.heard[name]++
		w.total++
		return
	}
	if m := lostLine.FindStringSubmatch(line); m != nil {
		w.missed[m[2]] += number(m[1])
	} else if m := notSent.FindStringSubmatch(line); m != nil {
		delete(w.sent, number(m[1]))
	} else if lostOwn.MatchString(line) {
		w.lostOwn++
	} else if m := goneLine.FindStringSubmatch(line); m != nil {
		w.gone[m[1]] = true
	} else if strings.HasPrefix(line, "* the connection to NATS is lost") {
		w.cutOff++
	} else if line == "* connected to NATS again" {
		w.connected++
	} else if strings.HasPrefix(line, "* everything else") {
		w.helped++
	} else if !otherLine.MatchString(line) {
		w.t.Errorf("%s hears %q", w.name, line)
	}
}

// count says the next number.
func (w *witness) count() {
	w.mu.Lock()
	w.said++
	n := w.said
	w.sent[n] = true
	w.mu.Unlock()
	w.say(strconv.Itoa(n))
}

// all calls f for all witnesses at the same time.
func all(ws []*witness, f func(*witness)) {
	var group sync.WaitGroup
	for _, w := range ws {
		group.Go(func() { f(w) })
	}
	group.Wait()
}

// awaitAll waits until f returns true for all witnesses.
func awaitAll(t *testing.T, what string, ws []*witness, f func(*witness) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all(ws, func(w *witness) {
		if !w.await(ctx, func() bool { return f(w) }) {
			t.Errorf("%s waits for %s: %+v", w.name, what, w.missed)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
}

// hearAll waits until all witnesses have heard each other's last number.
func hearAll(t *testing.T, what string, ws []*witness) {
	t.Helper()
	said := make(map[string]int)
	for _, w := range ws {
		said[w.name] = w.said
	}
	awaitAll(t, what, ws, func(w *witness) bool {
		for name, n := range said {
			if name != w.name && w.last[name] < n {
				return false
			}
		}
		return true
	})
}

// Three nodes use three NATS servers. One node and one NATS server are killed while
// everybody talks. The others continue, and are told of everything that they miss.
func TestCluster(t *testing.T) {
	const clients = 100 // on each node
	natsA := startProcess(t, "nats")
	a := natsA.find(t, "^ready (.*) (.*)$")
	b := startProcess(t, "nats", a[1]).find(t, "^ready (.*) (.*)$")
	c := startProcess(t, "nats", a[1], b[1]).find(t, "^ready (.*) (.*)$")

	nodes := make(map[string]*process)
	byNode := make(map[string][]*witness)
	addresses := make(map[string]string)
	for name, urls := range map[string]string{
		"n1": a[0] + "," + b[0] + "," + c[0],
		"n2": b[0] + "," + c[0] + "," + a[0],
		"n3": c[0] + "," + b[0] + "," + a[0],
	} {
		nodes[name] = startProcess(t, "chat", "-addr", "127.0.0.1:0", "-node", name, "-nats", urls, "-rate", "0", "-queue", "4000000")
		addresses[name] = nodes[name].find(t, "serves on (.*)$")[0]
	}
	for name, address := range addresses {
		byNode[name] = append(byNode[name], newWitness(t, name, address, name+"-0"))
	}
	meet(t, byNode["n1"][0], byNode["n2"][0], byNode["n3"][0])
	for name, address := range addresses {
		for i := 1; i < clients; i++ {
			byNode[name] = append(byNode[name], newWitness(t, name, address, fmt.Sprintf("%s-%d", name, i)))
		}
	}
	survivors := append(byNode["n1"], byNode["n2"]...)
	everybody := append(survivors[:len(survivors):len(survivors)], byNode["n3"]...)

	// While nothing fails, nothing is lost.
	all(everybody, (*witness).count)
	hearAll(t, "the beginning", everybody)
	for _, w := range everybody {
		w.wantMissed(t, 0)
	}

	// A node is killed while everybody talks.
	talking := make(chan struct{})
	go func() {
		defer close(talking)
		all(everybody, func(w *witness) {
			for range 3 {
				w.mu.Lock()
				ended := w.ended
				w.mu.Unlock()
				if !ended {
					w.count()
				}
			}
		})
	}()
	heardMore(t, survivors[0], clients)
	if err := nodes["n3"].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-talking
	hearAll(t, "those who are left", survivors)
	awaitAll(t, "the end of a node", survivors, func(w *witness) bool { return w.gone["n3"] })
	awaitAll(t, "the end", byNode["n3"], func(w *witness) bool { return w.ended })
	for _, w := range survivors {
		w.wantMissed(t, 0) // events of n3 may be missing only at the end, which is not reported
	}

	// A NATS server stops and is then killed, while everybody talks. What n1 has
	// published meanwhile is lost, and so is some of what comes from n2.
	if err := natsA.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	talking = make(chan struct{})
	go func() {
		defer close(talking)
		all(survivors, func(w *witness) {
			for range 3 {
				w.count()
			}
			w.say("/help") // its answer shows that the lines before it were published
		})
	}()
	<-talking
	awaitAll(t, "the nodes to go on", survivors, func(w *witness) bool { return w.helped > 1 })
	if err := natsA.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	all(survivors, (*witness).count) // refused numbers are reported
	awaitAll(t, "NATS", byNode["n1"], func(w *witness) bool { return w.cutOff > 0 && w.connected > 0 })

	// The others continue, and everything is accounted for.
	all(survivors, (*witness).count)
	hearAll(t, "the last", survivors)
	missing, refused, own := 0, 0, 0
	for _, w := range survivors {
		missing += w.account(t, survivors)
		refused += w.said - len(w.sent)
		own += w.lostOwn
	}
	t.Logf("%d numbers were refused, %d lost on their way to NATS or back; %d times a number was missed, and told to be", refused, own, missing)
	if own == 0 { // the number depends on when the server has really stopped
		t.Error("no loss was told to its author")
	}
	for _, w := range byNode["n2"] {
		if w.cutOff > 0 {
			t.Errorf("%s was cut off from NATS", w.name)
		}
	}
}

// meet makes the witnesses talk until each has heard all others. From then on, NATS
// carries everything from each node to each node.
func meet(t *testing.T, ws ...*witness) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i, w := range ws {
		for j, other := range ws {
			for i != j && ctx.Err() == nil {
				w.count()
				answer, cancel := context.WithTimeout(ctx, patience/300)
				heard := other.await(answer, func() bool { return other.last[w.name] > 0 })
				cancel()
				if heard {
					break
				}
			}
		}
	}
	hearAll(t, "each other", ws)
	for _, w := range ws { // the counts begin here
		w.mu.Lock()
		clear(w.missed)
		clear(w.heard)
		clear(w.sent)
		w.mu.Unlock()
	}
}

// heardMore waits until w has heard n more numbers.
func heardMore(t *testing.T, w *witness, n int) {
	t.Helper()
	w.mu.Lock()
	want := w.total + n
	w.mu.Unlock()
	awaitAll(t, "more", []*witness{w}, func(w *witness) bool { return w.total >= want })
}

func (w *witness) wantMissed(t *testing.T, want int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.lostOwn
	for _, n := range w.missed {
		got += n
	}
	if got != want {
		t.Errorf("%s was told to have missed %d: %v", w.name, got, w.missed)
	}
}

// account checks that w was told of everything that it has missed of the others, and of
// nothing else. It returns how much that was.
func (w *witness) account(t *testing.T, others []*witness) int {
	t.Helper()
	missing := map[string]int{w.node: w.lostOwn} // the other clients of the node are told, too
	for _, other := range others {
		if other == w {
			continue
		}
		other.mu.Lock()
		sent := len(other.sent)
		other.mu.Unlock()
		w.mu.Lock()
		missing[other.node] += sent - w.heard[other.name]
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := 0
	for node, n := range missing {
		if n != w.missed[node] {
			t.Errorf("%s has missed %d of node %s, and was told %d", w.name, n, node, w.missed[node])
		}
		sum += n
	}
	return sum
}
