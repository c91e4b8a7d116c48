// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package proof_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// passing are the errors of accept(2) after which Accept may succeed. Some systems have
// more.
var passing = []syscall.Errno{
	// A lack of resources.
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	// The connection is gone, or a firewall forbids it.
	syscall.ECONNABORTED, syscall.EPERM,
	// "already-pending network errors on the new socket"
	syscall.ENETDOWN, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EHOSTUNREACH,
	syscall.EOPNOTSUPP, syscall.ENETUNREACH,
}

// After an error of Accept that passes, the server waits, each time longer. It never
// closes the listener.
func TestAcceptErrorsPass(t *testing.T) {
	t.Parallel()
	wraps := map[string]func(err error) error{
		"bare":    func(err error) error { return err },
		"syscall": func(err error) error { return os.NewSyscallError("accept4", err) },
		"net": func(err error) error {
			return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
		},
		"wrapped": func(err error) error { return fmt.Errorf("listener of its own: %w", err) },
	}
	for _, errno := range passing {
		for name, wrap := range wraps {
			t.Run(fmt.Sprintf("%d %v/%s", errno, errno, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testAcceptErrorPasses(t, wrap(errno)) })
			})
		}
	}
}

// bareFailures is a Listener whose Accept returns errs as they are. Fail would wrap them
// in a [net.OpError].
type bareFailures struct {
	*framertest.Listener
	errs chan error
}

func (l *bareFailures) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, err
	default:
		return l.Listener.Accept()
	}
}

func testAcceptErrorPasses(t *testing.T, passing error) {
	l := &bareFailures{Listener: framertest.Listen(), errs: make(chan error, 10)}
	for range cap(l.errs) {
		l.errs <- passing
	}
	var logs logBook
	s := framer.Server{NewHandler: newEchoLine, Config: framer.Config{Logger: slog.New(&logs)}}
	start := time.Now()
	served := startServer(t, &s, l)
	peer, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	// The waits are 5, 10, 20 ms and so on, and a second at most.
	if got, want := time.Since(start), 1275*time.Millisecond+2*time.Second; got != want {
		t.Errorf("ten errors were waited out in %v, want %v", got, want)
	}
	checkEcho(t, peer)
	peer.Close()
	records := logs.find("framer: accept failed")
	if len(records) != 10 {
		t.Errorf("%d errors are logged, want 10", len(records))
	}
	for _, r := range records {
		if r.Level != slog.LevelWarn {
			t.Errorf("the level is %v, want Warn", r.Level)
		}
		if got := attr(r, "error"); got != passing.Error() {
			t.Errorf("the error logged is %q, want %q", got, passing)
		}
	}

	// After a success, the waits are short again.
	synctest.Wait() // the server waits in Accept
	l.errs <- passing
	l.errs <- passing
	if peer, err = l.Dial(); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	peer.Close()
	if peer, err = l.Dial(); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	if got, want := time.Since(start), 15*time.Millisecond; got != want {
		t.Errorf("after a success, two errors were waited out in %v, want %v", got, want)
	}
	s.Close()
	if err := <-served; err != framer.ErrServerClosed {
		t.Errorf("Serve: %v, want ErrServerClosed", err)
	}
}

// Neither Close nor Shutdown waits for the end of the wait after an error of Accept.
func TestCloseWhileAcceptFails(t *testing.T) {
	t.Parallel()
	ends := map[string]func(s *framer.Server) error{
		"Close":    (*framer.Server).Close,
		"Shutdown": func(s *framer.Server) error { return s.Shutdown(context.Background()) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := framertest.Listen()
				s := framer.Server{NewHandler: newEchoLine, MaxConns: 1}
				served := startServer(t, &s, l)
				for range 9 {
					l.Fail(syscall.ENETDOWN)
				}
				waits(t, "Serve", served) // it waits for a second
				start := time.Now()
				if err := end(&s); err != nil {
					t.Error(err)
				}
				if err := <-served; err != framer.ErrServerClosed {
					t.Errorf("Serve: %v, want ErrServerClosed", err)
				}
				if got := time.Since(start); got != 0 {
					t.Errorf("it took %v", got)
				}
			})
		})
	}
}

// A closeBook is a listener that counts how often it is closed. Close returns err.
type closeBook struct {
	*framertest.Listener
	err     error
	closes  atomic.Int32
	onClose func()
}

func (l *closeBook) Close() error {
	l.closes.Add(1)
	if l.onClose != nil {
		l.onClose()
	}
	l.Listener.Close()
	return l.err
}

// The listener is closed once, whatever ends Serve, and also if Shutdown and Close
// follow. The call that has closed it returns its error.
func TestListenerClosedOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	errClose, errBad := errors.New("close failed"), errors.New("bad listener")
	config, _ := tlsConfigs(t)
	plain := func(s *framer.Server, l net.Listener) error { return s.Serve(l) }
	withTLS := func(s *framer.Server, l net.Listener) error { return s.ServeTLS(l, "", "") }
	closeServer := func(_ *testing.T, s *framer.Server, _ *closeBook) error { return s.Close() }
	shutDown := func(_ *testing.T, s *framer.Server, _ *closeBook) error { return s.Shutdown(ctx) }
	tests := []struct {
		name    string
		prepare func(s *framer.Server)
		serve   func(s *framer.Server, l net.Listener) error
		end     func(t *testing.T, s *framer.Server, l *closeBook) error
		endErr  error // what end must return
		want    error // what serve must return; nil means any error
	}{
		{"Close", nil, plain, closeServer, errClose, framer.ErrServerClosed},
		{"Shutdown", nil, plain, shutDown, errClose, framer.ErrServerClosed},
		{"Close with TLS", nil, withTLS, closeServer, errClose, framer.ErrServerClosed},
		{"Shutdown with TLS", nil, withTLS, shutDown, errClose, framer.ErrServerClosed},
		{"Close at MaxConns", nil, plain, func(t *testing.T, s *framer.Server, l *closeBook) error {
			peer, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			synctest.Wait()
			return s.Close()
		}, errClose, framer.ErrServerClosed},
		{"Close after a failure that passes", nil, plain, func(_ *testing.T, s *framer.Server, l *closeBook) error {
			l.Fail(syscall.ENETDOWN)
			return s.Close()
		}, errClose, framer.ErrServerClosed},
		{"at once", nil, plain, func(_ *testing.T, s *framer.Server, _ *closeBook) error {
			var calls []<-chan error
			for range 4 {
				calls = append(calls, call(s.Close), call(func() error { return s.Shutdown(ctx) }))
			}
			var errs []error
			for _, c := range calls {
				if err := <-c; err != nil {
					errs = append(errs, err)
				}
			}
			return errors.Join(errs...)
		}, errClose, framer.ErrServerClosed},
		{"Accept fails", nil, plain, func(_ *testing.T, _ *framer.Server, l *closeBook) error {
			l.Fail(errBad)
			return nil
		}, nil, errBad},
		{"Accept fails, a connection is left", func(s *framer.Server) { s.MaxConns = 2 }, plain, func(t *testing.T, s *framer.Server, l *closeBook) error {
			peer, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			l.Fail(errBad)
			synctest.Wait()
			return s.Close()
		}, nil, errBad},
		{"user", nil, plain, func(_ *testing.T, _ *framer.Server, l *closeBook) error {
			return l.Listener.Close()
		}, nil, net.ErrClosed},
		{"user, with TLS", nil, withTLS, func(_ *testing.T, _ *framer.Server, l *closeBook) error {
			return l.Listener.Close()
		}, nil, net.ErrClosed},
		{"closed before", func(s *framer.Server) { s.Close() }, plain, nil, nil, framer.ErrServerClosed},
		{"closed before, with TLS", func(s *framer.Server) { s.Close() }, withTLS, nil, nil, framer.ErrServerClosed},
		{"closed before, without a certificate", func(s *framer.Server) {
			s.TLSConfig = nil
			s.Close()
		}, withTLS, nil, nil, framer.ErrServerClosed},
		{"shut down before", func(s *framer.Server) { s.Shutdown(ctx) }, plain, nil, nil, framer.ErrServerClosed},
		{"closed in BaseContext", func(s *framer.Server) {
			s.BaseContext = func(net.Listener) context.Context {
				s.Close()
				return ctx
			}
		}, plain, nil, nil, framer.ErrServerClosed},
		{"panic in BaseContext", func(s *framer.Server) {
			s.BaseContext = func(net.Listener) context.Context { panic(errBad) }
		}, func(s *framer.Server, l net.Listener) (err error) {
			defer func() { err = recover().(error) }()
			return s.Serve(l)
		}, nil, nil, errBad},
		{"no NewHandler", func(s *framer.Server) { s.NewHandler = nil }, plain, nil, nil, nil},
		{"no NewHandler, with TLS", func(s *framer.Server) { s.NewHandler = nil }, withTLS, nil, nil, nil},
		{"no certificate", func(s *framer.Server) { s.TLSConfig = nil }, withTLS, nil, nil, nil},
		{"no file", nil, func(s *framer.Server, l net.Listener) error {
			return s.ServeTLS(l, "none", "none")
		}, nil, nil, os.ErrNotExist},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &closeBook{Listener: framertest.Listen(), err: errClose}
				s := framer.Server{
					NewHandler: newEchoLine,
					TLSConfig:  config,
					MaxConns:   1,
					Config:     framer.Config{Logger: slog.New(slog.DiscardHandler)},
				}
				l.onClose = func() { s.Stats() } // Stats must not wait for the server
				if test.prepare != nil {
					test.prepare(&s)
				}
				served := call(func() error { return test.serve(&s, l) })
				synctest.Wait()
				if test.end != nil {
					if err := test.end(t, &s, l); !errors.Is(err, test.endErr) {
						t.Errorf("the end: %v, want %v", err, test.endErr)
					}
				}
				if err := <-served; err == nil || test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("it returned %v, want %v", err, test.want)
				}
				if err := errors.Join(s.Close(), s.Shutdown(ctx), s.Close()); err != nil {
					t.Errorf("Close and Shutdown afterwards: %v", err)
				}
				if got := l.closes.Load(); got != 1 {
					t.Errorf("the listener was closed %d times, want 1", got)
				}
			})
		})
	}
}

// Close closes all listeners and returns the errors of all.
func TestCloseListeners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := framer.Server{NewHandler: newEchoLine}
		var listeners []*closeBook
		var served []<-chan error
		for i := range 3 {
			l := &closeBook{Listener: framertest.Listen(), err: fmt.Errorf("listener %d", i)}
			listeners = append(listeners, l)
			served = append(served, startServer(t, &s, l))
		}
		synctest.Wait()
		err := s.Close()
		for i, l := range listeners {
			if !errors.Is(err, l.err) {
				t.Errorf("Close: %v, want also %v", err, l.err)
			}
			if err := <-served[i]; err != framer.ErrServerClosed {
				t.Errorf("Serve: %v, want ErrServerClosed", err)
			}
			if got := l.closes.Load(); got != 1 {
				t.Errorf("the listener was closed %d times, want 1", got)
			}
		}
	})
}

// Shutdown, Close and Serve return only when the listener is closed, whichever of them
// closes it.
func TestSlowListenerClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &closeBook{Listener: framertest.Listen()}
		goOn := make(chan struct{})
		l.onClose = func() {
			l.Listener.Close() // makes Accept return
			<-goOn
		}
		s := framer.Server{NewHandler: newEchoLine}
		served := startServer(t, &s, l)
		synctest.Wait()
		calls := []<-chan error{call(s.Close), call(s.Close), call(func() error { return s.Shutdown(t.Context()) }), served}
		for i, c := range calls {
			waits(t, fmt.Sprintf("call %d", i), c)
		}
		close(goOn)
		for _, c := range calls {
			<-c
		}
	})
}
