// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ServeHTTP makes s an [http.Handler] that upgrades requests (RFC 9110 section 7.8). A GET
// request with an Upgrade header that names Protocol is answered by 101, with the fields
// that w.Header() has. Then s serves the connection like one that it has accepted. What the
// client has sent behind the request comes first.
//
// ServeHTTP returns at once. The connection is served on a goroutine of its own, so that
// net/http can free what it needs for a request. It does not end with the request or its
// context, but with [Server.Shutdown] or [Server.Close]. The timeouts of the http.Server do
// not apply to it.
//
// The context of the connection has the values of the request's context, for ConnContext,
// NewHandler and [Conn.Context]: what a middleware has found out, for example. If a router
// takes back a value when the request is over, copy it before into the context of the
// request that s is given. VerifyConn is called before the answer, on the goroutine of the
// request. BaseContext is not called. A ResponseWriter that records the status for a log
// records none, as for every connection that is hijacked.
//
// Other requests are answered with
//   - 426, with an Upgrade header (RFC 9110 section 15.5.22), if the request does not ask for
//     an upgrade to Protocol
//   - 505, for HTTP/2 and HTTP/3, which have no upgrade (RFC 9113 section 8.6); clients would
//     try again after another status, such as 421
//   - 405, if the method is not GET
//   - 400, if the request has a body, which could be taken for messages
//   - 403, if VerifyConn refuses the connection
//   - 503, at MaxConns, and after Shutdown or Close
//   - 500, which is logged, if Protocol or NewHandler is missing, or if the ResponseWriter
//     does not give up the connection, such as the one of [http.TimeoutHandler]. A
//     ResponseWriter that wraps another needs a method Hijack, or a method Unwrap as for
//     [http.ResponseController]
//
// If an upgrade is refused, the connection is closed, because what the client has sent
// behind the request is not HTTP.
//
// The Handlers before s decide who may connect. The Origin of a request is not checked:
// scripts in a browser can ask for no upgrade but "websocket", which Protocol should not be.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status, why := s.checkRequest(r); status != 0 {
		s.refuseHTTP(w, r, status, why)
		return
	}
	if !s.tryAcquire() {
		s.noteFull(r.RemoteAddr)
		// The server does not know how long it will be full, so there is no Retry-After.
		s.refuseHTTP(w, r, http.StatusServiceUnavailable, "too many connections")
		return
	}
	nc, err := hijack(w)
	if err != nil {
		s.release()
		s.refuseHTTP(w, r, http.StatusInternalServerError, "the connection can't be upgraded: "+err.Error())
		return
	}
	c, err := s.register(nc, s.NewHandler, fromProgram)
	if err != nil {
		s.release()
		s.refuseUpgraded(nc, err)
		s.closeRejected(c)
		return
	}
	c.Push(s.switchingProtocols(w.Header()))
	ctx := context.WithoutCancel(r.Context())
	go func() { // Shutdown waits for c, and so for this goroutine
		defer s.release()
		s.serveRegistered(ctx, c)
	}()
}

// checkRequest returns the status with which to refuse r, and the reason. The status is 0
// if r is accepted.
func (s *Server) checkRequest(r *http.Request) (status int, why string) {
	upgrade := strings.Join(r.Header["Upgrade"], ",")
	switch {
	case !isProtocol(s.Protocol):
		return http.StatusInternalServerError, fmt.Sprintf("Server.Protocol is %q, which is no name for an upgrade", s.Protocol)
	case s.NewHandler == nil:
		return http.StatusInternalServerError, "Server without NewHandler"
	case r.ProtoMajor > 1:
		return http.StatusHTTPVersionNotSupported, "only HTTP/1.1 can be upgraded to " + s.Protocol
	case !r.ProtoAtLeast(1, 1), // RFC 9110 section 7.8: the server must ignore Upgrade
		!slices.ContainsFunc(listElements(upgrade), s.isOurs),
		!hasToken(r.Header["Connection"], "upgrade"):
		return http.StatusUpgradeRequired, "upgrade to " + s.Protocol + " required"
	case r.Method != http.MethodGet:
		return http.StatusMethodNotAllowed, "an upgrade to " + s.Protocol + " is a GET"
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return http.StatusBadRequest, "an upgrade to " + s.Protocol + " has no body"
	case s.isClosed():
		return http.StatusServiceUnavailable, "shutting down"
	}
	return 0, ""
}

// refuseHTTP answers a request that is not upgraded.
func (s *Server) refuseHTTP(w http.ResponseWriter, r *http.Request, status int, why string) {
	if status == http.StatusInternalServerError {
		s.Config.logger().Warn("framer: ServeHTTP failed", "remote", r.RemoteAddr, "error", why)
		why = "internal server error"
	}
	header := w.Header()
	if r.ProtoMajor == 1 && r.Header["Upgrade"] != nil {
		// net/http honors it only if it is set before the header is written.
		header.Set("Connection", "close")
	}
	switch status {
	case http.StatusUpgradeRequired:
		header.Set("Upgrade", s.Protocol)
		header.Add("Connection", "Upgrade")
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodGet)
	}
	http.Error(w, why, status)
}

// hijack takes the connection from net/http, with the input that net/http has buffered.
func hijack(w http.ResponseWriter) (net.Conn, error) {
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("the ResponseWriter %T, or what it wraps, has neither Hijack nor Unwrap", w)
	}
	if err != nil || buffered == nil || buffered.Reader == nil {
		return nc, err
	}
	unread, err := buffered.Reader.Peek(buffered.Reader.Buffered())
	return Unread(nc, unread), err // Unread keeps the slice; newConn copies it
}

// refuseUpgraded answers the request of a connection for which register has returned an
// error.
func (s *Server) refuseUpgraded(nc net.Conn, err error) {
	if err != ErrServerClosed {
		s.say(nc, func(nc net.Conn) { writeRefusal(nc, http.StatusForbidden) })
		return
	}
	// The server was shut down after checkRequest had accepted the request. There is no
	// time to wait for the peer.
	nc.SetDeadline(time.Now().Add(refuseTimeout))
	writeRefusal(nc, http.StatusServiceUnavailable)
}

// writeRefusal writes a whole response to a connection that was hijacked from net/http.
func writeRefusal(nc net.Conn, status int) {
	fmt.Fprintf(nc, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status, http.StatusText(status))
}

// switchingProtocols returns the response 101, with the fields of header.
func (s *Server) switchingProtocols(header http.Header) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: Upgrade\r\n", s.Protocol)
	header.WriteSubset(&b, map[string]bool{
		"Upgrade": true, "Connection": true, "Content-Length": true, "Content-Type": true, "Transfer-Encoding": true, "Trailer": true,
	})
	b.WriteString("\r\n")
	return b.Bytes()
}

// isOurs reports whether an element of the Upgrade field names the protocol of s.
func (s *Server) isOurs(protocol string) bool { return sameProtocol(protocol, s.Protocol) }

// TLSNextProto serves a connection that has agreed on Protocol by ALPN. It is for the
// TLSNextProto field of an [http.Server], which [Server.ConfigureHTTP] sets. It blocks until
// the connection has ended, because net/http closes the connection when TLSNextProto
// returns. That includes a connection that was handed to the function of [Conn.Hijack].
//
// The context of the connection comes from hs.BaseContext and hs.ConnContext. The connection
// ends when the context does. BaseContext of s is not called. At MaxConns, TLSNextProto does
// not wait: it calls Refuse, if that is set and does not already run 64 times, and the
// connection is closed.
func (s *Server) TLSNextProto(hs *http.Server, c *tls.Conn, h http.Handler) {
	if s.NewHandler == nil {
		s.Config.logger().Warn("framer: TLSNextProto failed", "remote", c.RemoteAddr(), "error", errNoHandler)
		return
	}
	ctx := context.Background()
	if base, ok := h.(interface{ BaseContext() context.Context }); ok {
		ctx = base.BaseContext() // net/http gives the context to its own HTTP/2 in this way
	}
	if s.tryAcquire() {
		defer s.release()
		s.serve(ctx, c, s.NewHandler, fromProgram)
		return
	}
	if s.Refuse != nil && s.refusals.TryAcquire(1) {
		defer s.refusals.Release(1)
		s.refuse(c)
		return
	}
	s.noteFull(c.RemoteAddr())
}

// ConfigureHTTP makes hs serve the protocol of s, too. A client that offers Protocol by ALPN
// (RFC 7301) is served by s, on the same port as HTTP/1.1 and HTTP/2. Those stay as they
// are: HTTP/2 is on if it was on, and off if TLSNextProto or Protocols of hs say so. To
// upgrade requests, register s as an [http.Handler]; see [Server.ServeHTTP].
//
// A connection by ALPN passes none of the Handlers of hs, and so no authentication. The
// client must be checked in VerifyConn, by its certificate, or in the protocol. Otherwise
// use ServeHTTP alone.
//
// Call ConfigureHTTP when the fields of hs are set, and before hs serves. It replaces the
// fields TLSConfig and TLSNextProto by clones with an entry for Protocol, and sets Protocols
// if that is nil. A program that makes the TLS listener itself must use hs.TLSConfig as it is
// afterwards. A [tls.Config] that GetConfigForClient returns must name Protocol in its
// NextProtos itself. ConfigureHTTP may be called for several Servers with different
// Protocols.
//
// hs.Shutdown starts the Shutdown of s. To end both, call
//
//	err := hs.Shutdown(ctx)
//	err = errors.Join(err, s.Shutdown(ctx))
//
// The first call waits for requests, and for the connections by ALPN, which are connections
// of hs. The second call waits for upgraded connections, which net/http has forgotten, and
// closes those that are left when ctx ends. hs.Close closes the connections by ALPN. Only
// s.Close closes upgraded ones. A program without TLS does not call ConfigureHTTP: it passes
// s.Shutdown to hs.RegisterOnShutdown, or calls both at the same time.
//
// The error is not nil if s has no Protocol or no NewHandler, or if hs already has an entry
// for Protocol.
func (s *Server) ConfigureHTTP(hs *http.Server) error {
	switch {
	case s.NewHandler == nil:
		return errNoHandler
	case s.Protocol == "" || len(s.Protocol) > 255 || isHTTP(s.Protocol):
		return fmt.Errorf("framer: ConfigureHTTP: Server.Protocol is %q, which is no name for ALPN, or one of HTTP's own", s.Protocol)
	case hs.TLSNextProto[s.Protocol] != nil:
		return fmt.Errorf("framer: ConfigureHTTP: the http.Server has a TLSNextProto for %q already", s.Protocol)
	}
	protocols := httpProtocols(hs)
	if hs.Protocols == nil && hs.TLSNextProto == nil && protocols.HTTP2() {
		hs.Protocols = &protocols // to set TLSNextProto alone would turn HTTP/2 off
	}
	config := hs.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	// A client that offers the protocol wants it, so it comes first, before all that the
	// client offers as well.
	next := append([]string{s.Protocol}, config.NextProtos...)
	if protocols.HTTP2() && !slices.Contains(next, "h2") {
		next = append(next, "h2")
	}
	if protocols.HTTP1() && !slices.Contains(next, "http/1.1") {
		next = append(next, "http/1.1")
	}
	config.NextProtos = next
	hs.TLSConfig = config

	hs.TLSNextProto = maps.Clone(hs.TLSNextProto)
	if hs.TLSNextProto == nil {
		hs.TLSNextProto = make(map[string]func(*http.Server, *tls.Conn, http.Handler))
	}
	hs.TLSNextProto[s.Protocol] = s.TLSNextProto
	hs.RegisterOnShutdown(func() { s.beginShutdown() })
	return nil
}

// isHTTP reports whether protocol is an ALPN name of HTTP, or a key that net/http uses
// for HTTP.
func isHTTP(protocol string) bool {
	return slices.Contains([]string{"http/1.0", "http/1.1", "h2", "h2c", "h3", "http/3", "unencrypted_http2"}, protocol)
}

// httpProtocols returns the versions of HTTP that hs speaks itself.
func httpProtocols(hs *http.Server) (p http.Protocols) {
	if hs.Protocols != nil {
		return *hs.Protocols
	}
	p.SetHTTP1(true)
	if hs.TLSNextProto != nil {
		p.SetHTTP2(hs.TLSNextProto["h2"] != nil)
		return p
	}
	// A program can be built or started without HTTP/2. If its Protocols asked for HTTP/2
	// then, hs would offer HTTP/2 and not serve it.
	probe := http.Server{}
	probe.Serve(noListener{})
	p.SetHTTP2(probe.TLSNextProto["h2"] != nil)
	return p
}

// A noListener is a net.Listener that is closed from the start.
type noListener struct{}

func (noListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (noListener) Close() error              { return nil }
func (noListener) Addr() net.Addr            { return &net.TCPAddr{} }

// isProtocol reports whether s can be an element of the Upgrade field: a name, perhaps
// with a version. Both are tokens (RFC 9110 sections 5.6.2 and 7.8).
func isProtocol(s string) bool {
	name, version, found := strings.Cut(s, "/")
	return isToken(name) && (!found || isToken(version))
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		alphanumeric := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// sameProtocol reports whether two elements of the Upgrade field are the same. The case
// of the name does not count (RFC 9110 section 7.8); the case of the version does.
func sameProtocol(a, b string) bool {
	nameA, versionA, _ := strings.Cut(a, "/")
	nameB, versionB, _ := strings.Cut(b, "/")
	return strings.EqualFold(nameA, nameB) && versionA == versionB
}

// listElements returns the elements of a field value that is a list of tokens (RFC 9110
// section 5.6.1).
func listElements(value string) (elements []string) {
	for element := range strings.SplitSeq(value, ",") {
		if element = strings.Trim(element, " \t"); element != "" {
			elements = append(elements, element)
		}
	}
	return elements
}

// hasToken reports whether one of the values has the element token. Case does not count.
func hasToken(values []string, token string) bool {
	return slices.ContainsFunc(listElements(strings.Join(values, ",")), func(element string) bool {
		return strings.EqualFold(element, token)
	})
}

var _ http.Handler = (*Server)(nil)
