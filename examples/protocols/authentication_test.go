// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goframer/framer"
)

var (
	authLine  = framer.Delimiter("\r\n")
	errDenied = errors.New("three wrong passwords")
)

// A stranger gets little memory and little time.
func strangerLimits(cfg framer.Config) framer.Config {
	cfg.MaxMessageSize = 128
	cfg.MaxQueuedBytes = 4 << 10
	cfg.IdleTimeout = 10 * time.Second
	cfg.MessageTimeout = 10 * time.Second
	return cfg
}

// A user gets what the protocol needs.
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
	for range 3 {
		line, err := c.Next(authLine)
		if err != nil {
			return err
		}
		password, ok := strings.CutPrefix(string(line), "PASS ")
		if ok && subtle.ConstantTimeCompare([]byte(password), []byte("s3cret")) == 1 {
			c.SetConfig(userLimits(c.Config())) // from the next message on
			_, err := fmt.Fprint(c, "+OK\r\n")
			return err
		}
		fmt.Fprint(c, "-ERR\r\n")
	}
	return errDenied
}

func serveUser(c *framer.Conn) error {
	if err := login(c); err != nil {
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
	talk("PASS guess\r\nPASS s3cret\r\n"+long, framer.Session(serveUser))
	fmt.Println("A stranger:")
	talk("PASS guess\r\n"+long+"PASS s3cret\r\n", framer.Session(serveUser))
	// Output:
	// A user:
	// "-ERR\r\n"
	// "+OK\r\n"
	// "+OK 500 bytes\r\n"
	// A stranger:
	// "-ERR\r\n"
	// ended: framer: message too long: 500 bytes, limit 128 (Config.MaxMessageSize); it begins "long long long long long long lo"
}
