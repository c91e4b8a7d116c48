// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Command http is what http.sh tests with programs that others have written. It is an
// HTTP server that serves a framed protocol, HTTP/1.1 and HTTP/2 on one TLS port. It is
// also a client of the framed protocol.
//
//	http serve FILE     write the certificate to FILE and the port to standard output,
//	                    serve until SIGTERM, and drain
//	http dial URL LINE  upgrade a connection, send the line, and print the answer
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/goframer/framer"
)

const protocol = "lines/1"

func main() {
	log.SetFlags(0)
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 2 && args[0] == "serve":
		err = serve(args[1])
	case len(args) == 3 && args[0] == "dial":
		err = dial(args[1], args[2])
	default:
		err = errors.New("usage: http serve FILE | http dial URL LINE")
	}
	if err != nil {
		log.Fatal(err)
	}
}

// newServers returns an HTTP server, and the Server of the framed protocol that it also
// serves.
func newServers() (*http.Server, *framer.Server, error) {
	lines := &framer.Server{Protocol: protocol, NewHandler: framer.Messages(framer.Delimiter("\n"), answer)}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello over", r.Proto) })
	mux.Handle("/lines", lines)
	hs := &http.Server{Handler: mux}
	return hs, lines, lines.ConfigureHTTP(hs)
}

// answer sends a line back. After "quit" it closes the connection.
func answer(c *framer.Conn, line []byte) error {
	if string(line) == "quit" {
		return c.CloseWhenDone()
	}
	return c.Push(append(line, '\n'))
}

func serve(certFile string) error {
	hs, lines, err := newServers()
	if err != nil {
		return err
	}
	certificate, err := newCertificate()
	if err != nil {
		return err
	}
	hs.TLSConfig.Certificates = []tls.Certificate{certificate}
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	if err := os.WriteFile(certFile, block, 0o600); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	served := make(chan error)
	go func() { served <- hs.ServeTLS(l, "", "") }()
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	<-ctx.Done()

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err = hs.Shutdown(ctx)
	err = errors.Join(err, lines.Shutdown(ctx))
	if end := <-served; end != http.ErrServerClosed {
		err = errors.Join(err, end)
	}
	return err
}

// newCertificate returns a self-signed certificate for framer.test and 127.0.0.1.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "framer.test"}, // curl needs a subject
		DNSNames:     []string{"framer.test"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func dial(url, line string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	newHandler := framer.Session(func(c *framer.Conn) error {
		fmt.Fprintf(c, "%s\nquit\n", line)
		for {
			line, err := c.Next(framer.Delimiter("\n"))
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			fmt.Printf("%s\n", line)
		}
	})
	c, err := framer.DialHTTP(ctx, url, protocol, newHandler, nil)
	if err != nil {
		return err
	}
	return c.Wait()
}
