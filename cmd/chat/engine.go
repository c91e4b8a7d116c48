// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/goframer/framer/internal/cli"
)

// natsTimeout is how long NATS may take to answer.
const natsTimeout = 5 * time.Second

// These are limits of the NATS server in this process, in bytes.
const (
	maxMemory = 64 << 20
	maxStore  = 256 << 20
)

// An engine is the connection to NATS, and the NATS server if that runs in this process.
type engine struct {
	nc     *nats.Conn
	closed chan struct{} // closed when the callbacks have returned
	server *server.Server
	temp   string   // a directory to remove at the end
	lock   *os.File // keeps other processes from the directory
}

// connect returns when the connection is established. After an error there is nothing to
// close.
func (e *engine) connect(o *options, log *slog.Logger, more []nats.Option) error {
	e.closed = make(chan struct{})
	opts := append([]nats.Option{
		nats.Name("chat " + o.node),
		nats.DontRandomize(),
		nats.Timeout(natsTimeout),
		nats.FlusherTimeout(natsTimeout), // leave a server that accepts nothing
		nats.PingInterval(10 * time.Second),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.IgnoreAuthErrorAbort(), // the server may be restarted with other permissions
		nats.ReconnectBufSize(-1),   // publishing fails if there is no connection
		nats.ClosedHandler(func(*nats.Conn) { close(e.closed) }),
	}, more...)
	servers := o.nats
	if servers == "" {
		if err := e.start(o.data, log); err != nil {
			return err
		}
		opts = append(opts, nats.InProcessServer(e.server))
	}
	if o.creds != "" {
		opts = append(opts, nats.UserCredentials(o.creds))
	}
	nc, err := nats.Connect(servers, opts...)
	if err != nil {
		e.stop()
		return natsError(servers, err)
	}
	e.nc = nc
	return nil
}

// natsError returns the error to print if there is no connection to the servers. It
// leaves out user and password.
func natsError(servers string, err error) error {
	if servers == "" {
		return fmt.Errorf("NATS in this process: %w", err)
	}
	var file *fs.PathError
	if errors.As(err, &file) {
		return fmt.Errorf("-creds: %w", file)
	}
	var hosts []string
	for server := range strings.SplitSeq(servers, ",") {
		if u, err := url.Parse(server); err == nil {
			hosts = append(hosts, u.Host)
		}
	}
	reason := strings.TrimPrefix(cli.Reason(err), "nats: ")
	if errors.Is(err, nats.ErrNoServers) {
		reason = "no NATS server answers there"
	}
	return fmt.Errorf("can't connect to NATS at %s (-nats): %s", strings.Join(hosts, " or "), reason)
}

// start starts a server that does not listen on the network.
func (e *engine) start(data string, log *slog.Logger) error {
	var err error
	if data == "" {
		if data, err = os.MkdirTemp("", "chat-"); err != nil {
			return fmt.Errorf("a temporary directory for the history (TMPDIR, or -data): %w", err)
		}
		e.temp = data
	} else if e.lock, err = prepare(data); err != nil {
		return fmt.Errorf("-data: %w", err)
	}
	e.server, err = server.NewServer(&server.Options{
		ServerName:         "chat",
		DontListen:         true,
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           data,
		JetStreamMaxMemory: maxMemory,
		JetStreamMaxStore:  maxStore,
	})
	if err == nil {
		e.server.SetLoggerV2(natsLog{log}, false, false, false)
		e.server.Start()
		if !e.server.ReadyForConnections(natsTimeout) {
			err = errors.New("it does not get ready")
		}
	}
	if err != nil {
		e.stop()
		return fmt.Errorf("NATS in this process: %w", err)
	}
	return nil
}

// prepare makes the directory, and locks it: two processes would write the same files. It
// returns the file that holds the lock.
func prepare(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "chat.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		if errors.Is(err, syscall.EAGAIN) {
			return nil, fmt.Errorf("%s is in use by another process; each needs a directory of its own", dir)
		}
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return f, nil
}

// close sends what was published, and then closes the connection.
func (e *engine) close() {
	e.nc.FlushTimeout(natsTimeout) // fails if there is no connection; then nothing can be done
	e.nc.Close()
	<-e.closed
	e.stop()
}

// stop ends the server, if there is one.
func (e *engine) stop() {
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
	if e.temp != "" {
		os.RemoveAll(e.temp)
	}
	if e.lock != nil {
		e.lock.Close()
	}
}

// A natsLog is the log of the NATS server. It keeps only errors.
type natsLog struct{ log *slog.Logger }

func (l natsLog) Errorf(format string, args ...any) { l.fail(format, args) }
func (l natsLog) Fatalf(format string, args ...any) { l.fail(format, args) }

func (l natsLog) fail(format string, args []any) {
	l.log.Warn("chat: NATS in this process", "error", fmt.Sprintf(format, args...))
}

func (natsLog) Noticef(string, ...any) {}
func (natsLog) Warnf(string, ...any)   {}
func (natsLog) Debugf(string, ...any)  {}
func (natsLog) Tracef(string, ...any)  {}
