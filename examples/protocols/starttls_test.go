// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// serveSecure is the part of an SMTP server that STARTTLS needs.
func serveSecure(config *tls.Config) func(*framer.Conn) error {
	return func(c *framer.Conn) error {
		name, secret := "", false
		for {
			line, err := c.Next(framer.Delimiter("\r\n"))
			if err != nil {
				return err
			}
			command, argument, _ := strings.Cut(string(line), " ")
			switch {
			case command == "EHLO":
				name = argument
				fmt.Fprintf(c, "250 hello %s\r\n", name)
			case command == "STARTTLS" && !secret:
				fmt.Fprint(c, "220 go ahead\r\n") // goes out in clear
				if err := c.StartTLS(tls.Server, config); err != nil {
					return err
				}
				name, secret = "", true // forget what came in clear: anybody can have sent it
			case name == "":
				fmt.Fprint(c, "503 EHLO first\r\n")
			default:
				fmt.Fprintf(c, "250 %s, secret: %t\r\n", command, secret)
			}
		}
	}
}

// askSecure is a client.
func askSecure(config *tls.Config) func(*framer.Conn) error {
	return func(c *framer.Conn) error {
		say := func(command string) (string, error) {
			fmt.Fprintf(c, "%s\r\n", command)
			reply, err := c.Next(framer.Delimiter("\r\n"))
			fmt.Printf("%-10s %s\n", command, reply)
			return string(reply), err
		}
		if _, err := say("EHLO me"); err != nil {
			return err
		}
		if reply, err := say("STARTTLS"); err != nil || !strings.HasPrefix(reply, "220 ") {
			return fmt.Errorf("no TLS: %q, %v", reply, err) // do not go on in clear
		}
		if err := c.StartTLS(tls.Client, config); err != nil {
			return err
		}
		for _, command := range []string{"NOOP", "EHLO me", "NOOP"} {
			if _, err := say(command); err != nil {
				return err
			}
		}
		return nil
	}
}

func Example_startTLS() {
	certified := httptest.NewTLSServer(nil) // has a certificate
	defer certified.Close()
	clientConfig := certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	clientConfig.ServerName = "example.com"

	here, there := framertest.Pipe()
	served := make(chan error, 1)
	server := framer.NewConn(there, framer.Session(serveSecure(certified.TLS)), nil)
	go func() { served <- server.Serve(context.Background()) }()
	client := framer.NewConn(here, framer.Session(askSecure(clientConfig)), nil)
	if err := client.Serve(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("served:", <-served)

	// An attacker has put a command behind STARTTLS.
	fmt.Print(framertest.Talk("EHLO me\r\nSTARTTLS\r\nRSET\r\n", framer.Session(serveSecure(certified.TLS)), nil))
	// Output:
	// EHLO me    250 hello me
	// STARTTLS   220 go ahead
	// NOOP       503 EHLO first
	// EHLO me    250 hello me
	// NOOP       250 NOOP, secret: true
	// served: <nil>
	// "250 hello me\r\n"
	// "220 go ahead\r\n"
	// ended: framer: StartTLS: the peer has sent 6 bytes in clear before the handshake
}
