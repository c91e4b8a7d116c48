// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command send measures the cost of sending in a process, for the ways that the library
// and its alternatives offer. The program sink is the receiver.
//
// It prints "listening HOST:PORT". Then it accepts a control connection and the
// connections to send on, sends, and prints a report.Send as JSON. The receiver writes a
// byte on the control connection when it has received everything.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"

	"github.com/goframer/framer/bench/internal/report"
)

type options struct {
	task, style string
	conns       int
	size        int
	goroutines  int
	messages    int
	repeat      int
	path        string
}

// A way is one style in which a task is done.
type way struct {
	task, style string
	prepare     func(o options, conns []net.Conn) (*sender, error)
}

// A sender is a way that is ready to run.
type sender struct {
	messages int64        // messages, payloads or files in a window
	size     int64        // bytes of each of these
	windows  int          // how often send is called; each call but the first waits for an answer to the one before
	send     func() error // sends one window, or makes sure that it will be sent
	close    func() error // ends what was started
}

func ways() []way {
	return []way{
		{"push", "framer", preparePushFramer},
		{"push", "bufio", preparePushBufio},
		{"broadcast", "framer-push", prepareBroadcastPush},
		{"broadcast", "framer-producer", prepareBroadcastProducer},
		{"broadcast", "raw", prepareBroadcastRaw},
		{"file", "framer", prepareFileFramer},
		{"file", "copy", prepareFileCopy},
	}
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2)
	}
	if err := run(o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "send:", err)
		os.Exit(1)
	}
}

// parse reads the flags. It prints errors on stderr.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("send", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.task, "task", "push", "push, broadcast or file")
	fs.StringVar(&o.style, "style", "framer", "push: framer, bufio; broadcast: framer-push, framer-producer, raw; file: framer, copy")
	fs.IntVar(&o.conns, "conns", 1, "connections of a broadcast")
	fs.IntVar(&o.size, "size", 64, "bytes of the payload of a broadcast")
	fs.IntVar(&o.goroutines, "goroutines", 64, "goroutines that push")
	fs.IntVar(&o.messages, "messages", 1, "messages that each of them pushes")
	fs.IntVar(&o.repeat, "repeat", 1, "broadcasts, one after the other")
	fs.StringVar(&o.path, "path", "", "file to send")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 || min(o.conns, o.size, o.goroutines, o.messages, o.repeat) < 1 {
		err := errors.New("send: positive numbers, and no arguments, are needed")
		fmt.Fprintln(stderr, err)
		return o, err
	}
	if o.way() == nil {
		err := fmt.Errorf("send: there is no style %q of the task %q", o.style, o.task)
		fmt.Fprintln(stderr, err)
		return o, err
	}
	return o, nil
}

// way returns the way that o asks for, or nil.
func (o options) way() *way {
	all := ways()
	i := slices.IndexFunc(all, func(w way) bool { return w.task == o.task && w.style == o.style })
	if i < 0 {
		return nil
	}
	return &all[i]
}

func run(o options, stdout io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Fprintln(stdout, "listening", l.Addr())
	control, err := l.Accept()
	if err != nil {
		return err
	}
	defer control.Close()
	conns, err := accept(l, o.conns)
	if err != nil {
		return err
	}
	s, err := o.way().prepare(o, conns)
	if err != nil {
		return err
	}
	result, err := measure(s, control)
	if err != nil {
		return errors.Join(err, s.close())
	}
	result.Task, result.Style, result.Conns = o.task, o.style, o.conns
	return errors.Join(s.close(), json.NewEncoder(stdout).Encode(result))
}

func accept(l net.Listener, n int) ([]net.Conn, error) {
	conns := make([]net.Conn, 0, n)
	for range n {
		nc, err := l.Accept()
		if err != nil {
			return nil, err
		}
		conns = append(conns, nc)
	}
	return conns, nil
}

// measure makes s send its windows and waits for the answers.
func measure(s *sender, control io.Reader) (report.Send, error) {
	m, err := startMeter()
	if err != nil {
		return report.Send{}, err
	}
	for range s.windows {
		if err := s.send(); err != nil {
			return report.Send{}, err
		}
		if _, err := io.ReadFull(control, make([]byte, 1)); err != nil {
			return report.Send{}, fmt.Errorf("waiting for the receiver: %w", err)
		}
	}
	result, err := m.stop()
	result.Messages = s.messages * int64(s.windows)
	result.Size = s.size
	return result, err
}
