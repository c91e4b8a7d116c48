// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Listen listens on a TCP address. name is the flag with the address.
func Listen(ctx context.Context, name, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, &failure{fmt.Sprintf("can't listen on %s (-%s): %s", address, name, Reason(err)), err}
	}
	return l, nil
}

// DialError returns the error to print if no connection could be made. name is the flag
// with the address.
func DialError(name, address string, err error) error {
	return &failure{fmt.Sprintf("can't connect to %s (-%s): %s", address, name, Reason(err)), err}
}

// Reword returns an error with another text that wraps err.
func Reword(err error, text string) error { return &failure{text, err} }

// A failure is an error with another text.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// Reason returns the text of a network error, without the names of the calls that were
// made.
func Reason(err error) string {
	var dns *net.DNSError
	var errno syscall.Errno
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("the host %q is not known", dns.Name)
	case errors.As(err, &dns):
		return fmt.Sprintf("the host %q can't be looked up: %s", dns.Name, dns.Err)
	case errors.Is(err, syscall.EADDRINUSE):
		return "the port is in use, perhaps by another copy of this program"
	case errors.Is(err, syscall.EACCES):
		return "permission denied; for a port below 1024 a program may need a privilege"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine has no such address"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused; nobody listens there"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &errno):
		return errno.Error()
	}
	return err.Error()
}

// LoadCertificate loads the certificate and key from the files of the flags -cert and
// -key.
func LoadCertificate(cert, key string) (tls.Certificate, error) {
	chain, err := os.ReadFile(cert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("-cert: %w", err)
	}
	private, err := os.ReadFile(key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("-key: %w", err)
	}
	certificate, err := tls.X509KeyPair(chain, private)
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "tls: ")
		return tls.Certificate{}, &failure{fmt.Sprintf("-cert %s and -key %s: %s", cert, key, text), err}
	}
	return certificate, nil
}

// CutOff returns the error to print when Shutdown has returned err because its context
// has ended. The context ends after timeout, or because of a second signal.
func CutOff(err error, timeout time.Duration) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &failure{fmt.Sprintf("connections were cut off that had not ended %v after the signal", timeout), err}
	}
	return &failure{"connections were cut off by a second signal", err}
}
