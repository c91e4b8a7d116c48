// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goframer/framer/framertest"
	"github.com/goframer/framer/internal/logqueue"
)

// A command is a call of run that is in progress.
type command struct {
	t       *testing.T
	address string
	stdout  *lockedBuffer
	signals chan os.Signal
	exit    chan int    // the exit status
	log     chan string // the log after the first line
}

// A lockedBuffer is a bytes.Buffer for one writer and one reader at a time.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startCommand calls run in the background. The standard output is stdout, or a buffer if
// stdout is nil.
func startCommand(t *testing.T, stdout io.Writer, args ...string) *command {
	t.Helper()
	r, w := io.Pipe()
	c := &command{t: t, stdout: new(lockedBuffer), signals: make(chan os.Signal, 2), exit: make(chan int, 1), log: make(chan string, 1)}
	if stdout == nil {
		stdout = c.stdout
	}
	go func() {
		code := run(append([]string{"-addr", "127.0.0.1:0", "-hostname", "mx", "-shutdown-timeout", "1h"}, args...), stdout, w, func() <-chan os.Signal { return c.signals })
		w.Close()
		c.exit <- code
	}()
	stderr := bufio.NewReader(r)
	line, err := stderr.ReadString('\n')
	match := regexp.MustCompile(`^smtpd: serving on smtps?://(.*)\n$`).FindStringSubmatch(line)
	if err != nil || match == nil {
		t.Fatalf("no address in %q: %v", line, err)
	}
	c.address = match[1]
	go func() {
		rest, _ := io.ReadAll(stderr)
		c.log <- string(rest)
	}()
	return c
}

// end sends a signal and checks the exit status. It returns the log.
func (c *command) end(code int) (log string) {
	c.t.Helper()
	c.signals <- os.Interrupt
	if got := <-c.exit; got != code {
		c.t.Errorf("got exit status %d, want %d", got, code)
	}
	return <-c.log
}

const mail = "Subject: x\r\n\r\nhi\r\n"

func (c *command) send() error { return c.sendText(mail) }

func (c *command) sendText(text string) error {
	return smtp.SendMail(c.address, nil, "a@x", []string{"b@y"}, []byte(text))
}

func TestCommandPrints(t *testing.T) {
	t.Parallel()
	c := startCommand(t, nil, "-v")
	if err := c.send(); err != nil {
		t.Error(err)
	}
	log := c.end(0)
	if want := `from=a@x recipients=1 bytes=18 "longest line"=12`; !strings.Contains(log, want) {
		t.Errorf("got log %q, want %q in it", log, want)
	}
	want := "---------- MESSAGE FOLLOWS ----------\nSubject: x\nX-Peer: 127.0.0.1\nX-MailFrom: a@x\nX-RcptTo: b@y\n\nhi\n------------ END MESSAGE ------------\n"
	if got := c.stdout.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCommandWrites(t *testing.T) {
	t.Parallel()
	for flag, pattern := range map[string]string{"-dir": `\.eml$`, "-maildir": `^new/`} {
		dir := t.TempDir()
		c := startCommand(t, nil, flag, dir)
		if err := c.send(); err != nil {
			t.Error(err)
		}
		if log := c.end(0); log != "" {
			t.Errorf("%s: got log %q, want none", flag, log)
		}
		if _, content := only(t, dir, pattern); !strings.HasSuffix(strings.ReplaceAll(content, "\r", ""), "\nSubject: x\n\nhi\n") {
			t.Errorf("%s: got content %q", flag, content)
		}
		if got := c.stdout.String(); got != "" {
			t.Errorf("%s: printed %q", flag, got)
		}
	}
}

// The server uses a given certificate for both kinds of TLS.
func TestCommandCertificate(t *testing.T) {
	t.Parallel()
	m, _ := newTestServer(t, "-starttls")
	der, err := x509.MarshalPKCS8PrivateKey(m.tlsConfig.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")
	err = errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.tlsConfig.Certificates[0].Certificate[0]}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	c := startCommand(t, nil, "-starttls", "-cert", cert, "-key", key)
	client, err := smtp.NewClient(dial(t, c.address), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(client.StartTLS(clientConfig(t, m)), send(client, mail), client.Quit()); err != nil {
		t.Error(err)
	}
	if log := c.end(0); log != "" || !strings.Contains(c.stdout.String(), "Subject: x") {
		t.Errorf("got log %q and output %q", log, c.stdout.String())
	}
}

// A mistake of a client is not an error of the server, and is not logged.
func TestClientAtFault(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"\x16\x03\x01\x00\xa5\r\n", "GET / HTTP/1.1\r\n", "EHLO x\n", strings.Repeat("x", 1000) + "\r\n", begin + "a\nb\r\n.\r\n"} {
		c := startCommand(t, nil)
		framertest.Play(t, dial(t, c.address), framertest.Send(input), framertest.ExpectUntil("^5"), framertest.Close())
		if log := c.end(0); log != "" {
			t.Errorf("%.20q: got log %q, want none", input, log)
		}
	}
}

// After the first signal, a mail that has begun is still received. The second signal cuts
// it off.
func TestSignals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	steps := []framertest.Step{framertest.Send(begin + "x\r\n"), framertest.ExpectUntil("^354 ")}
	c := startCommand(t, nil, "-dir", dir)
	nc := dial(t, c.address)
	framertest.Play(t, nc, steps...)
	c.signals <- os.Interrupt
	framertest.Play(t, nc, framertest.Send(".\r\n"), framertest.ExpectMatch("^250 "), framertest.ExpectMatch("^421 "), framertest.ExpectEnd(), framertest.Close())
	if code := <-c.exit; code != 0 {
		t.Errorf("got exit status %d after a mail, want 0", code)
	}
	<-c.log
	kept, _ := only(t, dir, `\.eml$`)

	c = startCommand(t, nil, "-dir", dir)
	framertest.Play(t, dial(t, c.address), steps...)
	c.signals <- os.Interrupt
	if log := c.end(1); !strings.Contains(log, "smtpd: connections were cut off by a second signal") {
		t.Errorf("got log %q", log)
	}
	if still, _ := only(t, dir, `\.eml$`); still != kept {
		t.Errorf("got file %s, want only %s", still, kept)
	}
}

// If nobody reads the standard output, mails have to wait, but the server still ends. If
// nobody reads the log, nothing has to wait.
func TestBlockedOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		blocked := writerFunc(func(p []byte) (int, error) {
			<-never
			return 0, io.ErrClosedPipe
		})
		log := logqueue.New(blocked, 1<<10)
		m, _ := newTestServer(t)
		m.store, m.log = &printer{w: blocked}, (&options{verbose: true}).newLogger(log)
		l, server, served := startInBubble(t, m)
		for range 20 {
			client, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			framertest.Play(t, client, framertest.ExpectMatch("^220 "), framertest.Send("WHAT\r\nQUIT\r\n"),
				framertest.ExpectMatch("^500 "), framertest.ExpectMatch("^221 "), framertest.ExpectEnd(), framertest.Close())
		}
		client, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		framertest.Play(t, client, framertest.Send(begin+"x\r\n.\r\n"), framertest.ExpectUntil("^354 "))
		start := time.Now()
		if err := shutdown(server, 10*time.Second, nil, served); err == nil {
			t.Error("the shutdown was orderly")
		}
		log.Close()
		if got, want := time.Since(start), 10*time.Second+cutOffTimeout+logqueue.CloseTimeout; got != want {
			t.Errorf("the end has taken %v, want %v", got, want)
		}
		client.Close()
		close(never)
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestUsage(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-h"}, 0, "Smtpd is a mail server"},
		{[]string{"-nonsense"}, 2, "-nonsense"},
		{[]string{"nonsense"}, 2, `unexpected argument "nonsense"`},
		{[]string{"-addr", ""}, 2, "-addr: it is empty"},
		{[]string{"-dir", ""}, 2, "-dir: it is empty"},
		{[]string{"-hostname", ""}, 2, "-hostname: it is empty"},
		{[]string{"-hostname", "a\r\nb"}, 2, "is not the name of a host"},
		{[]string{"-dir", "a", "-maildir", "b"}, 2, "-dir and -maildir exclude each other"},
		{[]string{"-cert", file}, 2, "-cert and -key go together"},
		{[]string{"-key", file}, 2, "-cert and -key go together"},
		{[]string{"-cert", file, "-key", file}, 2, "-cert needs -starttls or -tls"},
		{[]string{"-starttls", "-tls"}, 2, "-starttls and -tls exclude each other"},
		{[]string{"-max-size", "-1"}, 2, "-max-size: want at least 0"},
		{[]string{"-max-recipients", "-1"}, 2, "-max-recipients: want at least 0"},
		{[]string{"-max-conns", "x"}, 2, "-max-conns: want a whole number"},
		{[]string{"-timeout", "-1s"}, 2, "-timeout: want at least 0s"},
		{[]string{"-data-timeout", "5"}, 2, "-data-timeout: want a number with a unit"},
		{[]string{"-dir", filepath.Join(file, "below")}, 1, "smtpd: -dir: mkdir "},
		{[]string{"-maildir", file}, 1, "smtpd: -maildir: mkdir "},
		{[]string{"-tls", "-cert", file, "-key", file}, 1, "smtpd: -cert " + file + " and -key " + file},
		{[]string{"-addr", l.Addr().String()}, 1, "(-addr): the port is in use"},
		{[]string{"-addr", "nonsense"}, 2, "the port is missing"},
		{[]string{"-addr", "1025"}, 2, "the port is missing"},
		{[]string{"-addr", ":99999"}, 2, `"99999" is no port`},
	}
	for _, test := range tests {
		var stdout, stderr bytes.Buffer
		code := run(test.args, &stdout, &stderr, nil)
		if code != test.code || !strings.Contains(stderr.String(), test.want) || stdout.Len() > 0 {
			t.Errorf("%q: got %d, %q and %q, want %d and %q", test.args, code, stdout.String(), stderr.String(), test.code, test.want)
		}
		if said := stderr.String(); code != 0 && (!strings.HasPrefix(said, "smtpd: ") || strings.Count(said, "\n") != 1) {
			t.Errorf("%q: got %q, want one line that begins with the name of the program", test.args, said)
		}
	}
}
