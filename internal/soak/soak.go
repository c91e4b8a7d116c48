// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime/pprof"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A soak is one run.
type soak struct {
	options
	listen   func() (net.Listener, error)
	lifetime time.Duration // how long a server is used, on average
	grace    time.Duration // how long after the load connections may go on before they are cut off
	stderr   io.Writer
	log      *slog.Logger
	quiet    *slog.Logger // for package framer, which would log every injected fault
	ledger   ledger
	text     []byte          // payloads are parts of it
	file     string          // the name of a file that contains text
	life     context.Context // ends if connections must be cut off
}

func newSoak(opts options, stderr io.Writer) *soak {
	level := slog.LevelInfo
	if opts.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	s := &soak{
		options:  opts,
		listen:   func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
		lifetime: 2 * time.Second,
		grace:    shutdownLimit,
		stderr:   stderr,
		log:      log,
		quiet:    slog.New(slog.DiscardHandler),
		text:     newText(rand.New(rand.NewPCG(opts.seed, 0))),
	}
	s.ledger.log = log
	return s
}

// measure runs the soak and returns its figures.
func (s *soak) measure(ctx context.Context) (result, error) {
	if err := warmUp(); err != nil {
		return result{}, err
	}
	before := openResources()
	start := time.Now()
	err := s.run(ctx)
	took := time.Since(start)
	after := openResourcesDownTo(before)
	return s.result(took, before, after), err
}

// run sends messages for the duration, or until ctx ends. It waits for everything that it
// has started.
func (s *soak) run(ctx context.Context) error {
	file, err := s.writeText()
	if err != nil {
		return err
	}
	defer os.Remove(file)
	s.file = file

	life, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	s.life = life
	load, stop := context.WithTimeout(ctx, s.duration)
	defer stop()

	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { s.showProgress(ended) })
	watching.Go(func() { s.limit(load, ended, cut) })
	err = s.runAll(load)
	close(ended)
	watching.Wait()
	return err
}

// runAll runs the services and their clients.
func (s *soak) runAll(load context.Context) error {
	services, err := s.startServices()
	if err != nil {
		return err
	}
	g, load := errgroup.WithContext(load)
	for _, sv := range services {
		g.Go(func() error { return sv.run(load) })
	}
	for i := range s.conns {
		c := &client{
			soak:    s,
			service: services[i/2%len(services)],
			raw:     i%2 == 1,
			rnd:     rand.New(rand.NewPCG(s.seed, 1<<32+uint64(i))),
		}
		g.Go(func() error { return c.run(load) })
	}
	return g.Wait()
}

// startServices starts the first server of every service.
func (s *soak) startServices() (services []*service, err error) {
	for i, f := range framings() {
		sv := &service{soak: s, framing: f, rnd: rand.New(rand.NewPCG(s.seed, 1+uint64(i)))}
		first, err := sv.start()
		if err != nil {
			for _, started := range services {
				err = errors.Join(err, started.replace(nil).retire())
			}
			return nil, err
		}
		sv.replace(first)
		services = append(services, sv)
	}
	return services, nil
}

// writeText makes the file for payloads and returns its name.
func (s *soak) writeText() (string, error) {
	file, err := os.CreateTemp("", "soak-*.txt")
	if err != nil {
		return "", err
	}
	_, err = file.Write(s.text)
	if err := errors.Join(err, file.Close()); err != nil {
		os.Remove(file.Name())
		return "", err
	}
	return file.Name(), nil
}

// limit cuts off the connections if they have not ended within the grace period after
// load.
func (s *soak) limit(load context.Context, ended <-chan struct{}, cut context.CancelCauseFunc) {
	select {
	case <-ended:
		return
	case <-load.Done():
	}
	timer := time.NewTimer(s.grace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		s.ledger.cutOff.Add(1)
		pprof.Lookup("goroutine").WriteTo(s.stderr, 1)
		cut(fmt.Errorf("soak: connections did not end within %v", s.grace))
	}
}

// showProgress prints a line every few seconds.
func (s *soak) showProgress(ended <-chan struct{}) {
	start := time.Now()
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			fmt.Fprintf(s.stderr, "soak: %.0fs: %v\n", time.Since(start).Seconds(), &s.ledger)
		}
	}
}
