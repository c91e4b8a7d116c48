// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goframer/framer"
)

// command calls run with arguments with which it must not start to serve.
func command(t *testing.T, args ...string) (code int, log string) {
	t.Helper()
	var stderr strings.Builder
	code = run(args, &stderr, func() <-chan os.Signal {
		t.Errorf("%v serves", args)
		signals := make(chan os.Signal, 1)
		signals <- os.Interrupt
		return signals
	})
	return code, stderr.String()
}

func TestBadFlags(t *testing.T) {
	for want, args := range map[string][]string{
		`unexpected argument "x"`:                          {"x"},
		"flag provided but not defined":                    {"-x"},
		"for flag -addr: it is empty":                      {"-addr", ""},
		"for flag -tls-addr: it is empty":                  {"-tls-addr", ""},
		"for flag -cert: it is empty":                      {"-cert", "", "-key", "k"},
		"for flag -key: it is empty":                       {"-cert", "c", "-key", ""},
		"for flag -nats: it is empty":                      {"-nats", ""},
		"for flag -data: it is empty":                      {"-data", ""},
		"for flag -creds: it is empty":                     {"-creds", ""},
		"for flag -node: it is empty":                      {"-node", ""},
		"localhost\" for flag -addr: the port is missing":  {"-addr", "localhost"},
		"localhost:\" for flag -addr: the port is missing": {"-addr", "localhost:"},
		"for flag -tls-addr: \"99999\" is no port":         {"-tls-addr", "x:99999", "-cert", "c", "-key", "k"},
		"-tls-addr needs -cert":                            {"-tls-addr", ":1"},
		"-cert and -key go together":                       {"-cert", "c"},
		"-data and -nats exclude":                          {"-data", "d", "-nats", "nats://x"},
		"-creds needs -nats":                               {"-creds", "c"},
		"-nats: number 2 is not a URL":                     {"-nats", "nats://x,"},
		"-nats: number 1 is not a URL":                     {"-nats", "user:secret@host:4222"},
		"-node \"a.b\" is not a name":                      {"-node", "a.b"},
		"for flag -queue: want at least 1":                 {"-queue", "0"},
		"for flag -rate: want at least 0":                  {"-rate", "-1"},
		"for flag -beat: want more than 0":                 {"-beat", "0s"},
		"for flag -beat: want a number with a unit":        {"-beat", "5"},
		"for flag -idle-timeout: want at least 0s":         {"-idle-timeout", "-1s"},
		`invalid value "x" for flag -max-dropped`:          {"-max-dropped", "x"},
	} {
		code, log := command(t, args...)
		if code != 2 || !strings.HasPrefix(log, "chat: ") || strings.Count(log, "\n") != 1 || !strings.Contains(log, want) || strings.Contains(log, "secret") {
			t.Errorf("%q: exit status %d and %q, want %q", args, code, log, want)
		}
	}
	if code, log := command(t, "-h"); code != 0 || !strings.HasPrefix(log, "Chat is a server ") {
		t.Errorf("-h: exit status %d and %q", code, log)
	}
}

func TestFailures(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	used := l.Addr().String()
	free := "127.0.0.1:0"
	cert, key := certificate(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0") // closed below, so that nobody listens at its address
	if err != nil {
		t.Fatal(err)
	}
	mute.Close()
	for want, args := range map[string][]string{
		"chat: can't listen on " + used + " (-addr): the port is in use":     {"-addr", used},
		"chat: can't listen on " + used + " (-tls-addr): the port is in use": {"-addr", free, "-tls-addr", used, "-cert", cert, "-key", key},
		"chat: -cert: open nowhere: ":                                        {"-addr", free, "-cert", "nowhere", "-key", key},
		"chat: -cert " + file + " and -key " + key + ": ":                    {"-addr", free, "-cert", file, "-key", key},
		"chat: -data: ": {"-addr", free, "-data", file},
		"chat: can't connect to NATS at " + mute.Addr().String() + " (-nats): no NATS server answers there\n": {"-addr", free, "-nats", "nats://user:secret@" + mute.Addr().String()},
		"chat: -creds: open nowhere: ": {"-addr", free, "-nats", "nats://" + mute.Addr().String(), "-creds", "nowhere"},
	} {
		code, log := command(t, args...)
		if code != 1 || !strings.HasPrefix(log, want) || strings.Count(log, "\n") != 1 {
			t.Errorf("%q: exit status %d and %q, want %q", args, code, log, want)
		}
	}
}

// certificate makes a certificate for 127.0.0.1, and returns its files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// trusting returns the configuration of a client that trusts only this certificate.
func trusting(t *testing.T, cert string) *tls.Config {
	t.Helper()
	data, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

// The server forgets what was said before /starttls. Nothing from the room comes between
// the answer and the handshake.
func TestStartTLS(t *testing.T) {
	cert, key := certificate(t)
	s := startServer(t, "-rate", "0", "-max-dropped", "1000000", "-cert", cert, "-key", key)
	bob := s.join("bob", "lobby")
	stop := make(chan struct{})
	talked := make(chan struct{})
	go func() { // until the end of the test
		defer close(talked)
		for {
			select {
			case <-stop:
				return
			default:
				bob.say("x")
			}
		}
	}()

	alice, err := framer.Dial(t.Context(), "tcp", s.address, framer.Session(func(c *framer.Conn) error {
		until := func(want string) error {
			for {
				line, err := c.Next(framer.Delimiter("\r\n"))
				if err != nil {
					return fmt.Errorf("waiting for %q: %w", want, err)
				}
				if string(line) == want {
					return nil
				}
			}
		}
		fmt.Fprint(c, "/nick alice\n/join lobby\n")
		if err := until("<bob> x"); err != nil {
			return err
		}
		fmt.Fprint(c, "/starttls\n")
		if err := until("* begin with TLS"); err != nil {
			return err
		}
		if err := c.StartTLS(tls.Client, trusting(t, cert)); err != nil {
			return err
		}
		if line, err := c.Next(framer.Delimiter("\r\n")); err != nil || string(line) != "* welcome to node n1, guest3" {
			t.Errorf("the first line under TLS is %q, %v", line, err)
		}
		fmt.Fprint(c, "secret?\n/starttls\n/nick alicia\n/join lobby\n")
		for _, want := range []string{
			`* not sent: you are in no room, try /join lobby: "secret?"`,
			"* TLS is not offered, or active",
			"* you are alicia",
			"<bob> x",
		} {
			if err := until(want); err != nil {
				return err
			}
		}
		return nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(patience, func() { alice.Close() }).Stop()
	if err := alice.Wait(); err != nil {
		t.Error(err)
	}
	close(stop)
	<-talked
	s.join("alice", "lobby") // succeeds, because the name is free again
}

// Bytes in clear after /starttls, from the client or from somebody else, are not executed
// under TLS.
func TestStartTLSInjection(t *testing.T) {
	cert, key := certificate(t)
	s := startServer(t, "-cert", cert, "-key", key)
	bob := s.join("bob", "lobby")
	mallory := dial(t, s.address, nil)
	mallory.say("/starttls\n/join lobby\nhello")
	mallory.Wait()
	if mallory.lines[len(mallory.lines)-1] != "* begin with TLS" {
		t.Errorf("the last line is %q", mallory.lines[len(mallory.lines)-1])
	}
	s.join("carol", "lobby")
	bob.expectMatch("has joined")
	if bob.say("/who"); bob.expectMatch("^. node") != "* node n1, 2 members: bob carol" {
		t.Error("mallory is in the room")
	}
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	s := startServer(t, "-cert", cert, "-key", key, "-tls-addr", "127.0.0.1:0")
	bob := s.join("bob", "lobby")
	nc, err := tls.Dial("tcp", s.tls, trusting(t, cert))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, "/nick alice\n/join lobby\nhi\n")
	bob.expect("* alice has joined")
	bob.expect("<alice> hi")
	nc.Close()
	bob.expect("* alice has left")
}

func TestWithoutTLS(t *testing.T) {
	s := startServer(t)
	alice := dial(t, s.address, nil)
	alice.say("/starttls", "/quit")
	alice.expect("* TLS is not offered, or active")
	alice.expect("* good-bye")
}

func TestShutdown(t *testing.T) {
	s := startServer(t)
	alice := s.join("alice", "lobby")
	newcomer := dial(t, s.address, nil)
	newcomer.expect("* everything else is said in the room")
	code, log := s.stop()
	if code != 0 || log != "" {
		t.Errorf("exit status %d, log %q", code, log)
	}
	for _, c := range []*client{alice, newcomer} {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		c.expect("* the server shuts down, good-bye")
	}
	if _, err := net.Dial("tcp", s.address); err == nil {
		t.Error("somebody listens")
	}
}

// At a shutdown, a client in the middle of a line is told, too. It does not delay the
// shutdown until the timeout.
func TestShutdownInLine(t *testing.T) {
	s := startServer(t, "-shutdown-timeout", "1h")
	alice := dial(t, s.address, nil)
	alice.expect("* everything else is said in the room")
	if err := alice.Push([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if code, log := s.stop(); code != 0 || log != "" {
		t.Errorf("exit status %d, log %q", code, log)
	}
	alice.expect("* the server shuts down, good-bye")
}

// A client that reads nothing delays the shutdown no longer than the timeout.
func TestShutdownCutsOff(t *testing.T) {
	s := startServer(t, "-rate", "0", "-queue", "20000", "-max-dropped", "1000000", "-shutdown-timeout", "100ms")
	nc, _ := s.joinSlowly("deaf")
	defer nc.Close()
	code, log := s.stop()
	if code != 1 || !strings.HasPrefix(log, "chat: connections were cut off that had not ended 100ms after the signal") {
		t.Errorf("exit status %d, log %q", code, log)
	}
}

func TestMaxConns(t *testing.T) {
	s := startServer(t, "-max-conns", "1")
	s.join("alice", "lobby")
	bob := dial(t, s.address, nil)
	bob.expect("* this server has too many connections, try again later")
}

func TestIdle(t *testing.T) {
	s := startServer(t, "-idle-timeout", "50ms")
	alice := dial(t, s.address, nil)
	alice.expect("* you have said nothing for 50ms, good-bye")
	if err := alice.Wait(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
