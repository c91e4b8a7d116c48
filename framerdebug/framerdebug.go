// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package framerdebug shows the connections of a [framer.Server] on a page that updates
// itself, and as JSON:
//
//	http.Handle("/debug/framer", framerdebug.Handler(server))
//
// The page shows the totals of all servers, with small plots of messages and bytes a
// second, and a table of the open connections, which can be sorted and filtered. It needs
// JavaScript. It loads nothing from other sites or other paths.
//
// # Who may see it
//
// The page shows the addresses of all peers, and with AllowClose of [Options] it can
// close connections. The handlers do not authenticate, so the page must not be open to
// everybody. Serve it on a loopback address, on a listener of its own, or behind the
// authentication of the program.
//
//	go http.ListenAndServe("localhost:6060", nil)
//
// On a loopback address, the host of a request must be localhost, an IP address, or one
// of the Hosts of [Options]. Other requests are refused, because a site in a browser on
// the same machine can make its own name stand for that address (DNS rebinding).
//
// # JSON
//
// The answer to a GET with the parameter format=json is a [Report]. These parameters
// apply to it, and to the page:
//
//   - sort: the name of a column, such as peer, idle or queued; the Describe field of
//     [Options] lists them
//   - order: asc, or desc, which is the default
//   - filter: words that must all be in the text of a connection: its server, peer, local
//     address, state and information, and its number after a #
//   - limit: the greatest number of connections, by default 100
//   - offset: how many connections to leave out before the first
//
// With 10,000 connections, an answer with 100 of them takes about 30 milliseconds of CPU
// time, and one with all of them about 60.
package framerdebug

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goframer/framer"
)

// Options are the options of [New]. The zero value is what [Handler] uses.
//
// See Example in framerdebug_test.go.
type Options struct {
	// AllowClose lets the page close connections. It does so by a POST with the
	// parameters server, the index of the server, and id, the ID of the connection:
	// a number that no other one gets. A browser is heeded only if the request comes
	// from the page itself; see http.CrossOriginProtection. The connection ends
	// with ErrClosed.
	AllowClose bool

	// Hosts are further host names, without a port, under which the page may be requested on
	// a loopback address. They are for a proxy on the same machine that passes on the name it
	// was asked for.
	Hosts []string

	// Describe optionally returns a text about a connection, for the column info: who is
	// logged in, or what state the protocol is in. It is called for every connection whenever
	// the page is refreshed, from any goroutine. It must be quick, and must lock what it
	// reads of the Handler.
	//
	// The columns that can be sorted are server, id, peer, local, state, info, age, idle,
	// waiting, queued, messages, pushes, read, written, stalls, waits, refused.
	Describe func(c *framer.Conn) string
}

// ErrClosed is the reason of a connection that somebody has closed on the page; see
// Options.AllowClose.
var ErrClosed = errors.New("framerdebug: closed by hand")

// Handler returns a handler that shows the connections of the servers. It can't close
// them. It answers on every path, so it may be mounted anywhere.
func Handler(servers ...*framer.Server) http.Handler { return New(Options{}, servers...) }

// New is [Handler] with options. If opts.AllowClose is set, the handler must be mounted
// under a pattern that also matches POST, not under one for GET only.
func New(opts Options, servers ...*framer.Server) http.Handler {
	p := &page{
		opts:    opts,
		servers: servers,
		guard:   http.NewCrossOriginProtection(),
	}
	var html bytes.Buffer
	t := template.Must(template.ParseFS(files, "files/page.html"))
	if err := t.Execute(&html, opts); err != nil {
		panic("framerdebug: " + err.Error()) // the page is part of the program
	}
	p.html = html.Bytes()
	return p
}

//go:embed files
var files embed.FS

// A page is the http.Handler. The query says what is asked for, and the path does not
// matter. So the relative references in the page work wherever it is mounted, with or
// without a slash at the end.
type page struct {
	opts    Options
	servers []*framer.Server
	guard   *http.CrossOriginProtection
	html    []byte
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", policy)
	if !p.knowsHost(r) {
		http.Error(w, fmt.Sprintf("refused: the host %q is not localhost, nor an IP address, nor one of framerdebug.Options.Hosts", r.Host), http.StatusForbidden)
		return
	}
	switch {
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		p.get(w, r)
	case r.Method == http.MethodPost && p.opts.AllowClose:
		p.post(w, r)
	default:
		allow := "GET, HEAD"
		if p.opts.AllowClose {
			allow += ", POST"
		}
		header.Set("Allow", allow)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

// knowsHost reports whether the page accepts the host that r names.
func (p *page) knowsHost(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	return host == "localhost" || net.ParseIP(host) != nil || slices.Contains(p.opts.Hosts, host)
}

// policy lets the page use its own files and nothing else. Script and style are separate
// files, so that nothing inline has to be allowed.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// assets are the files that the page refers to, with the parameter file, and their types.
var assets = map[string]string{
	"style.css": "text/css; charset=utf-8",
	"script.js": "text/javascript; charset=utf-8",
}

func (p *page) get(w http.ResponseWriter, r *http.Request) {
	params := r.URL.Query()
	name := params.Get("file")
	contentType, isAsset := assets[name]
	switch {
	case isAsset:
		data, err := files.ReadFile("files/" + name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		write(w, contentType, data)
	case name != "":
		http.Error(w, "no such file", http.StatusNotFound)
	case params.Get("format") == "json":
		p.report(w, params)
	case params.Get("format") != "":
		http.Error(w, `format must be "json"`, http.StatusBadRequest)
	default:
		write(w, "text/html; charset=utf-8", p.html)
	}
}

func write(w http.ResponseWriter, contentType string, data []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.Write(data)
}

// report answers with a Report.
func (p *page) report(w http.ResponseWriter, params url.Values) {
	q, err := parseQuery(params)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	data, err := json.Marshal(p.look(q, time.Now()))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, "application/json", data)
}

// post closes a connection.
func (p *page) post(w http.ResponseWriter, r *http.Request) {
	if err := p.guard.Check(r); err != nil {
		http.Error(w, "refused: "+err.Error(), http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "bad form", http.StatusBadRequest)
		return
	}
	server, err1 := strconv.Atoi(r.Form.Get("server"))
	id, err2 := strconv.ParseInt(r.Form.Get("id"), 10, 64)
	if err1 != nil || err2 != nil {
		http.Error(w, "server and id must be numbers", http.StatusBadRequest)
		return
	}
	c := p.find(server, id)
	if c == nil {
		http.Error(w, fmt.Sprintf("there is no connection %d any more", id), http.StatusNotFound)
		return
	}
	c.CloseWithError(ErrClosed)
	w.WriteHeader(http.StatusNoContent)
}

// maxForm is the greatest size of a form, in bytes.
const maxForm = 4 << 10

// find returns an open connection, or nil.
func (p *page) find(server int, id int64) *framer.Conn {
	if server < 0 || server >= len(p.servers) {
		return nil
	}
	for c := range p.servers[server].Conns() {
		if stats := c.Stats(); stats.ID == id && stats.State != framer.StateClosed {
			return c
		}
	}
	return nil
}

// nameOf returns the name of a server on the page.
func nameOf(s *framer.Server, index int) string {
	parts := []string{"server", strconv.Itoa(index + 1)}
	switch {
	case s.Protocol != "":
		parts = append(parts, s.Protocol)
	case s.Addr != "":
		parts = append(parts, s.Addr)
	}
	return strings.Join(parts, " ")
}
