// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

var errAtOnce = errors.New("closed at once")

func TestTalk(t *testing.T) {
	crlf := framer.Delimiter("\r\n")
	tests := map[string]struct {
		input      string
		newHandler func(*framer.Conn) framer.Handler
		cfg        *framer.Config
		want       string
	}{
		"orderly": {"a\r\n", newEcho, nil, "\"a\\r\\n\"\n"},
		"nothing": {"", newEcho, nil, ""},
		"bytes": {"\x00\xff\r\n\n\r\n", newEcho, nil,
			"\"\\x00\\xff\\r\\n\"\n\"\\n\"\n\"\\r\\n\"\n"},
		"a last line without its end": {"a\r\nb\r\n", framer.Messages(crlf, func(c *framer.Conn, msg []byte) error {
			return c.Push(append(msg, "\n-"...))
		}), nil, "\"a\\n\"\n\"-b\\n\"\n\"-\"\n"},
		"unfinished": {"a\r\nb", newEcho, nil, "\"a\\r\\n\"\nended: unexpected EOF\n"},
		"an error": {"a\r\nb\r\n", framer.Messages(crlf, func(c *framer.Conn, msg []byte) error {
			fmt.Fprintf(c, "%s refused\n", msg)
			return io.ErrNoProgress
		}), nil, "\"a refused\\n\"\nended: " + io.ErrNoProgress.Error() + "\n"},
		"the limit of cfg": {"abc\r\n", newEcho, &framer.Config{MaxMessageSize: 2},
			"ended: framer: message too long: 3 bytes, limit 2 (Config.MaxMessageSize); it begins \"abc\"\n"},
		"more input than is wanted": {strings.Repeat("a\r\n", bufferSize), framer.Session(func(c *framer.Conn) error {
			fmt.Fprint(c, "enough\n")
			return nil
		}), nil, "\"enough\\n\"\n"},
		"reset": {"a\r\n", func(c *framer.Conn) framer.Handler {
			c.CloseWithError(errAtOnce) // with unread input
			return newEcho(c)
		}, nil, "read: read pipe a->b: connection reset by peer\nended: closed at once\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for range 2 {
					if got := framertest.Talk(test.input, test.newHandler, test.cfg); got != test.want {
						t.Errorf("got\n%swant\n%s", got, test.want)
					}
				}
			})
		})
	}
}

// The peer sends and reads at the same time, more than both buffers hold.
func TestTalkLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := strings.Repeat("x", 1000) + "\r\n"
		got := framertest.Talk(strings.Repeat(line, 5000), newEcho, nil)
		if want := strings.Repeat(fmt.Sprintf("%q\n", line), 5000); got != want {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
	})
}

// What a function of Hijack leaves open is closed.
func TestTalkHijack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := framertest.Talk("GO\r\nraw", framer.Messages(framer.Delimiter("\r\n"), func(c *framer.Conn, _ []byte) error {
			c.Hijack(func(nc net.Conn) {
				raw, _ := io.ReadAll(nc)
				fmt.Fprintf(nc, "%s\n", raw)
			})
			return nil
		}), nil)
		if want := "\"raw\\n\"\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A handler may end the goroutine, as t.Fatal does. No other is left behind.
func TestTalkGoexit(t *testing.T) {
	newHandlers := map[string]func(*framer.Conn) framer.Handler{
		"newHandler": func(*framer.Conn) framer.Handler {
			runtime.Goexit()
			return nil
		},
		"handler": framer.Messages(framer.Delimiter("\r\n"), func(*framer.Conn, []byte) error {
			runtime.Goexit()
			return nil
		}),
		"session": framer.Session(func(*framer.Conn) error {
			runtime.Goexit()
			return nil
		}),
	}
	for name, newHandler := range newHandlers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				returned := false
				done := make(chan struct{})
				go func() {
					defer close(done)
					framertest.Talk(strings.Repeat("a\r\n", bufferSize), newHandler, nil)
					returned = true
				}()
				<-done
				if returned {
					t.Error("Talk has returned: the handler had another goroutine")
				}
			})
		})
	}
}

// Nothing is logged, unless to the Logger of cfg.
func TestTalkLogs(t *testing.T) {
	var logged, standard bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&standard, nil)))
	defer slog.SetDefault(old)

	newHandler := framer.Session(func(*framer.Conn) error { return io.ErrNoProgress })
	for _, cfg := range []*framer.Config{nil, {}, {Logger: slog.New(slog.NewTextHandler(&logged, nil))}} {
		before := logged.Len()
		framertest.Talk("refused\r\n", newHandler, cfg)
		if got, want := logged.Len() > before, cfg != nil && cfg.Logger != nil; got != want {
			t.Errorf("cfg %v: logged: %t, want %t", cfg, got, want)
		}
	}
	if standard.Len() > 0 {
		t.Errorf("the standard Logger has got %q", standard.String())
	}
}
