// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package protocols_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/goframer/framer"
)

func Example_insideHTTP() {
	// The program as it was before.
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello over", r.Proto) })
	hs := &http.Server{Handler: mux}

	// The protocol: the answer to a message is its length.
	lines := &framer.Server{
		Protocol: "lines/1",
		NewHandler: framer.Messages(framer.Delimiter("\r\n"), func(c *framer.Conn, line []byte) error {
			_, err := fmt.Fprintf(c, "%d bytes\r\n", len(line))
			return err
		}),
		Config: framer.Config{Logger: slog.New(slog.DiscardHandler)},
	}
	mux.Handle("/lines", lines)                     // for "Upgrade: lines/1"
	if err := lines.ConfigureHTTP(hs); err != nil { // for ALPN
		log.Fatal(err)
	}

	// Most programs call hs.ListenAndServeTLS. This server has a certificate for the example.
	test := httptest.NewUnstartedServer(nil)
	test.Config, test.TLS, test.EnableHTTP2 = hs, hs.TLSConfig, true
	test.StartTLS()
	defer test.Close()

	response, err := test.Client().Get(test.URL)
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	fmt.Printf("%q %v\n", body, err)
	response.Body.Close()
	test.Client().CloseIdleConnections()

	config := test.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"lines/1"}
	nc, err := tls.Dial("tcp", test.Listener.Addr().String(), config)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(nc, "by ALPN\r\n")
	line, err := bufio.NewReader(nc).ReadString('\n')
	fmt.Printf("%q %v\n", line, err)
	nc.Close()

	config.NextProtos = nil
	if nc, err = tls.Dial("tcp", test.Listener.Addr().String(), config); err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest("GET", test.URL+"/lines", nil)
	if err != nil {
		log.Fatal(err)
	}
	c, err := framer.UpgradeHTTP(nc, request, "lines/1", framer.Session(func(c *framer.Conn) error {
		fmt.Fprint(c, "by an upgrade\r\n")
		line, err := c.Next(framer.Delimiter("\r\n"))
		fmt.Printf("%q %v\n", line, err)
		return err
	}), &lines.Config)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ended:", c.Wait())

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = errors.Join(hs.Shutdown(ctx), lines.Shutdown(ctx))
	fmt.Println("drained:", err)
	// Output:
	// "hello over HTTP/2.0\n" <nil>
	// "7 bytes\r\n" <nil>
	// "13 bytes" <nil>
	// ended: <nil>
	// drained: <nil>
}
