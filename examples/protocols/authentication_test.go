// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

var (
	authLine     = framer.Delimiter("\r\n")
	errDenied    = errors.New("three wrong passwords")
	errLoginTime = errors.New("no right password within a minute")
)

// strangerLimits gives a stranger little memory and little time.
func strangerLimits(cfg framer.Config) framer.Config {
	cfg.MaxMessageSize = 128
	cfg.MaxQueuedBytes = 4 << 10
	cfg.IdleTimeout = 10 * time.Second
	cfg.MessageTimeout = 10 * time.Second
	return cfg
}

// userLimits gives a user what the protocol needs.
func userLimits(cfg framer.Config) framer.Config {
	cfg.MaxMessageSize = 1 << 20
	cfg.MaxQueuedBytes = 1 << 20
	cfg.IdleTimeout = 30 * time.Minute
	cfg.MessageTimeout = time.Minute
	return cfg
}

// login returns nil when the peer has proved who it is.
func login(c *framer.Conn) error {
	c.SetConfig(strangerLimits(c.Config()))
	// The whole login takes at most a minute, whatever the stranger sends meanwhile.
	timer := time.AfterFunc(time.Minute, func() { c.CloseWithError(errLoginTime) })
	defer timer.Stop()
	for attempts := 0; attempts < 3; {
		line, err := c.Next(authLine)
		if err != nil {
			return err
		}
		if string(line) == "NOOP" {
			fmt.Fprint(c, "+OK\r\n")
			continue
		}
		password, ok := strings.CutPrefix(string(line), "PASS ")
		if ok && subtle.ConstantTimeCompare([]byte(password), []byte("s3cret")) == 1 {
			c.SetConfig(userLimits(c.Config())) // from the next message on
			_, err := fmt.Fprint(c, "+OK\r\n")
			return err
		}
		fmt.Fprint(c, "-ERR\r\n")
		attempts++
	}
	return errDenied
}

// logRefusal logs, at level Info, what any stranger can cause.
func logRefusal(c *framer.Conn, reason error) {
	logger := c.Config().Logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.Info("refused", "remote", c.RemoteAddr(), "error", reason)
}

func serveUser(c *framer.Conn) error {
	err := login(c)
	if errors.Is(err, errDenied) {
		logRefusal(c, err)
		return nil // an orderly end: the answers are sent, and nothing is logged at level Warn
	}
	if err != nil {
		return err
	}
	for {
		line, err := c.Next(authLine)
		if err != nil {
			return err
		}
		fmt.Fprintf(c, "+OK %d bytes\r\n", len(line))
	}
}

func Example_authentication() {
	long := strings.Repeat("long ", 100) + "\r\n"
	fmt.Println("A user:")
	fmt.Print(framertest.Talk("PASS guess\r\nPASS s3cret\r\n"+long, framer.Session(serveUser), nil))
	fmt.Println("A stranger:")
	fmt.Print(framertest.Talk("PASS guess\r\n"+long+"PASS s3cret\r\n", framer.Session(serveUser), nil))
	// Output:
	// A user:
	// "-ERR\r\n"
	// "+OK\r\n"
	// "+OK 500 bytes\r\n"
	// A stranger:
	// "-ERR\r\n"
	// ended: framer: message too long: 500 bytes, limit 128 (Config.MaxMessageSize); it begins "long long long long long long lo"
}

func TestDenied(t *testing.T) {
	var logged strings.Builder
	cfg := &framer.Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))}
	client, nc := framertest.Pipe()
	served := make(chan error, 1)
	go func() { served <- framer.NewConn(nc, framer.Session(serveUser), cfg).Serve(t.Context()) }()

	framertest.Play(t, client, framertest.Send("PASS a\r\nPASS b\r\nPASS c\r\n"),
		framertest.Expect("-ERR\r\n-ERR\r\n-ERR\r\n"), framertest.ExpectEnd(), framertest.Close())
	if err := <-served; err != nil {
		t.Errorf("served: %v", err)
	}
	if got := logged.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=INFO msg=refused") {
		t.Errorf("the log has %q, want one line at level Info", got)
	}
}

func TestLoginTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		client, nc := framertest.Pipe()
		cfg := &framer.Config{Logger: slog.New(slog.DiscardHandler)}
		served := make(chan error, 1)
		go func() { served <- framer.NewConn(nc, framer.Session(serveUser), cfg).Serve(t.Context()) }()

		for range 6 { // never idle for 10 seconds
			framertest.Play(t, client, framertest.Pause(9*time.Second),
				framertest.Send("NOOP\r\n"), framertest.Expect("+OK\r\n"))
		}
		if err := <-served; !errors.Is(err, errLoginTime) {
			t.Errorf("served: %v, want %v", err, errLoginTime)
		}
		if got := time.Since(begin); got != time.Minute {
			t.Errorf("the connection lasted %v, want a minute", got)
		}
		client.Close()
	})
}
