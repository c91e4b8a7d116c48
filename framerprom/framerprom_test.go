// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framerprom_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framerprom"
	"github.com/goframer/framer/framertest"
)

// newServer returns a server that sends every line back.
func newServer() *framer.Server {
	return &framer.Server{
		Config: framer.Config{Logger: slog.New(slog.DiscardHandler), MaxMessageSize: 100},
		NewHandler: framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
			return c.Push(append(msg, '\n'))
		}),
	}
}

// serve serves a connection. It returns the peer, and a channel for the error of
// ServeConn.
func serve(s *framer.Server) (*framertest.Conn, <-chan error) {
	nc, peer := framertest.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- s.ServeConn(context.Background(), nc) }()
	return peer, ended
}

func exchange(t *testing.T, peer net.Conn) {
	t.Helper()
	io.WriteString(peer, "line\n")
	if _, err := io.ReadFull(peer, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
}

// scrape returns the text that Prometheus would get.
func scrape(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	web := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	defer web.Close()
	response, err := http.Get(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v: %s", response.Status, err, body)
	}
	return string(body)
}

func TestCollector(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	smtp, irc := newServer(), newServer()
	for name, s := range map[string]*framer.Server{"smtp": smtp, "irc": irc} {
		if err := registry.Register(framerprom.NewCollector(name, s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := registry.Register(framerprom.NewCollector("irc", irc)); err == nil {
		t.Error("the same name twice is no error")
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint finds %v, %v", problems, err)
	}

	done, ended := serve(smtp) // this connection ends in order
	exchange(t, done)
	done.CloseWrite()
	io.Copy(io.Discard, done)
	done.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	long, ended := serve(smtp) // this one does not
	long.Write(make([]byte, 200))
	io.Copy(io.Discard, long)
	long.Close()
	<-ended
	open, ended := serve(smtp) // this one is still open
	exchange(t, open)
	for s := smtp.Stats(); s.BytesWritten < 10 || s.Conns != 1; s = smtp.Stats() { // a peer may see the answer before the figures have it
		runtime.Gosched()
	}
	stalls := smtp.Stats().WriteStalls // on a busy machine, a write to a pipe may take some time
	got := scrape(t, registry)
	for line := range strings.SplitSeq(strings.TrimSpace(`
framer_connections{server="smtp",state="active"} 1
framer_connections{server="smtp",state="handshake"} 0
framer_connections{server="irc",state="active"} 0
framer_connections_accepted_total{server="smtp"} 3
framer_connections_accepted_total{server="irc"} 0
framer_connections_refused_total{server="smtp"} 0
framer_connections_ended_total{reason="peer",server="smtp"} 1
framer_connections_ended_total{reason="framing",server="smtp"} 1
framer_connections_ended_total{reason="write_timeout",server="smtp"} 0
framer_received_bytes_total{server="smtp"} 210
framer_sent_bytes_total{server="smtp"} 10
framer_pushes_total{server="smtp"} 2
framer_queued_bytes{server="smtp"} 0
framer_push_waits_total{server="smtp"} 0
framer_pushes_refused_total{server="smtp"} 0
framer_write_stalls_total{server="smtp"} `+strconv.FormatInt(stalls, 10)+`
# TYPE framer_connections gauge
# TYPE framer_connections_ended_total counter
# TYPE framer_queued_bytes gauge`), "\n") {
		if !strings.Contains("\n"+got, "\n"+line+"\n") {
			t.Errorf("there is no %q", line)
		}
	}
	if strings.Contains(got, "not_ended") {
		t.Error("there is a reason for those that have not ended")
	}
	open.Close()
	<-ended
	got = scrape(t, registry)
	if !strings.Contains(got, `framer_received_messages_total{server="smtp"} 2`) || t.Failed() {
		t.Errorf("in the end it is\n%s", got)
	}
}

// The package documentation has every metric, with its type.
func TestDocumented(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(framerprom.NewCollector("smtp", newServer()))
	source, err := os.ReadFile("framerprom.go")
	if err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		line := regexp.MustCompile(fmt.Sprintf(`(?m)^//\t%s +%s +\S`, f.GetName(), strings.ToLower(f.GetType().String())))
		if !line.Match(source) {
			t.Errorf("%s, a %v, is not in the documentation", f.GetName(), f.GetType())
		}
	}
	if n := strings.Count(string(source), "\n//\tframer_"); n != len(families) {
		t.Errorf("%d metrics are documented, and there are %d", n, len(families))
	}
}

func Example() {
	server := &framer.Server{
		NewHandler: framer.Messages(framer.Delimiter("\n"), func(*framer.Conn, []byte) error { return nil }),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(framerprom.NewCollector("lines", server))
	// In a program: http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP framer_connections_accepted_total Connections that came, with those refused.
# TYPE framer_connections_accepted_total counter
framer_connections_accepted_total{server="lines"} 0
`), "framer_connections_accepted_total")
	fmt.Println("difference:", err)
	// Output: difference: <nil>
}
