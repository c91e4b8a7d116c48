// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// DialHTTP connects to the server of an http or https URL, asks it to upgrade the
// connection to the protocol (RFC 9110 section 7.8), and starts a [Conn], which serves on
// a goroutine of its own. It is the client's side of [Server.ServeHTTP]. Close ends the
// connection, and Wait waits for its end. newHandler is called when the server has
// agreed, and has been called when DialHTTP returns. What the server has sent after its
// answer is input for the Handler.
//
// ctx only limits the time for connecting and for the upgrade; the context of the
// connection has its values. cfg may be nil. The TLS handshake and the upgrade may each
// take cfg.HandshakeTimeout; after that the error is [os.ErrDeadlineExceeded]. If the
// server does not upgrade the connection, the error is an [*UpgradeError].
//
// A user and password in the URL are sent as Basic authentication (RFC 7617). Proxies are
// not used, and redirections are not followed.
//
// For another [tls.Config], a Unix socket, a proxy, or header fields such as
// Authorization, connect by other means and call [UpgradeHTTP]. For a protocol by ALPN,
// connect with a [tls.Dialer] whose Config has the protocol in NextProtos, and call
// [NewConn].
func DialHTTP(ctx context.Context, url, protocol string, newHandler func(*Conn) Handler, cfg *Config) (*Conn, error) {
	r, err := newUpgradeRequest(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := checkProtocol(protocol); err != nil {
		return nil, err
	}
	nc, err := dialURL(ctx, r.URL, cfg)
	if err != nil {
		return nil, err
	}
	return UpgradeHTTP(nc, r, protocol, newHandler, cfg)
}

// UpgradeHTTP is [DialHTTP] on a connection that the caller has made, with a request that
// the caller has made. nc belongs to the [Conn] from now on, and is closed if UpgradeHTTP
// returns an error. r must have no body; Upgrade and Connection are added to a copy of it.
// The context of r is used like that of DialHTTP.
//
// If nc is a [*tls.Conn], its NextProtos should be "http/1.1" or none.
func UpgradeHTTP(nc net.Conn, r *http.Request, protocol string, newHandler func(*Conn) Handler, cfg *Config) (*Conn, error) {
	unread, err := askForUpgrade(nc, r, protocol, cfg)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return start(r.Context(), Unread(nc, unread), newHandler, cfg)
}

// An UpgradeError is the answer of an HTTP server that did not upgrade the connection;
// see [DialHTTP].
//
// See ExampleDialHTTP in example_test.go.
type UpgradeError struct {
	StatusCode int // as those of http.Response
	Header     http.Header
	Body       []byte // its beginning, of at most 1 KiB
}

// maxErrorBody is how many bytes of the body an UpgradeError has at most.
const maxErrorBody = 1 << 10

// Error returns a text with the status and the beginning of the body.
func (e *UpgradeError) Error() string {
	s := fmt.Sprintf("framer: the connection was not upgraded: the server says %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if text := bytes.TrimSpace(e.Body); len(text) > 0 {
		s += fmt.Sprintf(": %q", text)
	}
	return s
}

// newUpgradeRequest returns the request for a URL. Its errors do not show the URL, which
// may contain a password.
func newUpgradeRequest(ctx context.Context, rawURL string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		var wrong *url.Error
		if errors.As(err, &wrong) {
			err = wrong.Err
		}
		return nil, fmt.Errorf("framer: wrong URL: %w", err)
	}
	switch {
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return nil, fmt.Errorf("framer: wrong URL: the scheme is %q, and must be http or https", r.URL.Scheme)
	case r.URL.Hostname() == "":
		return nil, errors.New("framer: wrong URL: no host")
	}
	if user := r.URL.User; user != nil {
		password, _ := user.Password()
		r.SetBasicAuth(user.Username(), password)
	}
	return r, nil
}

func checkProtocol(protocol string) error {
	if !isProtocol(protocol) {
		return fmt.Errorf("framer: the protocol %q is no name for an upgrade: a token, and perhaps a slash and another one", protocol)
	}
	return nil
}

// dialURL connects to the server of u.
func dialURL(ctx context.Context, u *url.URL, cfg *Config) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = u.Scheme // net.Dial accepts the name of the scheme as the port
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil || u.Scheme == "http" {
		return nc, err
	}
	ctx, cancel := withHandshakeTimeout(ctx, cfg, "TLS handshake")
	defer cancel()
	t := tls.Client(nc, &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}})
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, failed("TLS handshake", err)
	}
	return t, nil
}

// withHandshakeTimeout returns a context that ends after HandshakeTimeout. Its cause says
// that what is not complete.
func withHandshakeTimeout(ctx context.Context, cfg *Config, what string) (context.Context, context.CancelFunc) {
	if cfg == nil {
		cfg = new(Config)
	}
	if timeout := cfg.handshakeTimeout(); timeout > 0 {
		text := fmt.Sprintf("%s not complete after %v (Config.HandshakeTimeout)", what, timeout)
		return context.WithTimeoutCause(ctx, timeout, &TimeoutError{EndHandshakeTimeout, text})
	}
	return ctx, func() {}
}

// failed returns err with what has failed. A TimeoutError says so itself.
func failed(what string, err error) error {
	if timeout, ok := err.(*TimeoutError); ok {
		return timeout
	}
	return fmt.Errorf("framer: %s: %w", what, err)
}

// askForUpgrade sends r and returns what came after the answer 101.
func askForUpgrade(nc net.Conn, r *http.Request, protocol string, cfg *Config) (unread []byte, err error) {
	if err := checkProtocol(protocol); err != nil {
		return nil, err
	}
	if r.Body != nil && r.Body != http.NoBody {
		return nil, errors.New("framer: the request for an upgrade has a body")
	}
	what := "upgrade to " + protocol
	ctx, cancel := withHandshakeTimeout(r.Context(), cfg, what)
	defer cancel()
	r = r.Clone(ctx)
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", protocol)

	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(longAgo) })
	if err = r.Write(nc); err == nil {
		unread, err = readSwitch(nc, r, protocol)
	}
	stopped := stop()
	switch _, refused := err.(*UpgradeError); {
	case refused:
		return nil, err
	case !stopped: // the function that sets the deadline has run, or may run later and set it then
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, failed(what, err)
	}
	return unread, nil
}

const (
	maxResponse = 64 << 10 // bytes that are read of the responses, up to the end of the 101
	maxInterim  = 5        // responses before the 101, as in net/http
)

// readSwitch reads the answer to r. It returns the input that it has read after the
// answer.
func readSwitch(nc net.Conn, r *http.Request, protocol string) (unread []byte, err error) {
	limited := &io.LimitedReader{R: nc, N: maxResponse}
	in := bufio.NewReader(limited)
	for range maxInterim + 1 {
		response, err := http.ReadResponse(in, r)
		switch {
		case err != nil && limited.N == 0:
			return nil, fmt.Errorf("the answer has more than %d bytes", maxResponse)
		case err != nil:
			return nil, err
		case response.StatusCode == http.StatusSwitchingProtocols:
			unread, _ := in.Peek(in.Buffered())
			return unread, checkSwitch(response, protocol)
		case response.StatusCode >= 200:
			body, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
			return nil, &UpgradeError{StatusCode: response.StatusCode, Header: response.Header, Body: body}
		}
	}
	return nil, fmt.Errorf("more than %d informational answers", maxInterim)
}

// checkSwitch returns an error if the server has switched to another protocol.
func checkSwitch(response *http.Response, protocol string) error {
	upgrade := listElements(strings.Join(response.Header["Upgrade"], ","))
	switch {
	case !hasToken(response.Header["Connection"], "upgrade"):
		return errors.New("the server switches protocols without Connection: Upgrade")
	case len(upgrade) != 1 || !sameProtocol(upgrade[0], protocol):
		return fmt.Errorf("the server switches to %q", upgrade)
	}
	return nil
}
