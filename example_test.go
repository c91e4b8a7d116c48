// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framertest"
)

// talk serves one connection and sends it the input. It prints the lines of the answer,
// until the server closes the connection.
func talk(input string, newHandler func(*framer.Conn) framer.Handler) {
	client, nc := net.Pipe()
	var served sync.WaitGroup
	served.Go(func() { framer.NewConn(nc, newHandler, nil).Serve(context.Background()) })

	strings.NewReader(input).WriteTo(client)
	for lines := bufio.NewScanner(client); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	client.Close()
	served.Wait()
}

// echo sends every line back.
type echo struct {
	*framer.Conn
	framer.Collector
}

func newEcho(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\r\n"))
	return &echo{Conn: c}
}

func (e *echo) FoundTerminator() error { return e.Push(append(e.Take(), "\r\n"...)) }

// A server that sends every line back. Most programs call ListenAndServe; here a pipe
// connects the client.
func Example() {
	server := framer.Server{NewHandler: newEcho}

	client, nc := net.Pipe()
	var served sync.WaitGroup
	served.Go(func() { server.ServeConn(context.Background(), nc) })

	fmt.Fprint(client, "Hello,\r\nworld.\r\n")
	lines := bufio.NewScanner(client)
	for range 2 {
		lines.Scan()
		fmt.Println(lines.Text())
	}
	client.Close()
	served.Wait()
	// Output:
	// Hello,
	// world.
}

// A counted handler takes commands of the form "ECHO n". Each is followed by n bytes,
// which it sends back.
type counted struct {
	*framer.Conn
	framer.Collector
	inMessage bool
}

func newCounted(c *framer.Conn) framer.Handler {
	c.SetTerminator(framer.Delimiter("\n"))
	return &counted{Conn: c}
}

func (h *counted) FoundTerminator() error {
	data := h.Take()
	if h.inMessage {
		h.inMessage = false
		fmt.Fprintf(h, "%q\n", data)
		return h.SetTerminator(framer.Delimiter("\n"))
	}
	size, ok := strings.CutPrefix(string(data), "ECHO ")
	if !ok {
		return h.CloseWhenDone()
	}
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return err
	}
	h.inMessage = true
	return h.SetTerminator(framer.Length(n))
}

// A handler changes the terminator as the protocol needs it. A line announces how many
// bytes follow. After them comes a line again.
func ExampleConn_SetTerminator() {
	talk("ECHO 5\nHelloECHO 0\nECHO 7\n, world\nQUIT\n", newCounted)
	// Output:
	// "Hello"
	// ""
	// ", world"
}

// Flush returns when the peer's data has been sent, so that the next step comes after it.
func ExampleConn_Flush() {
	var unplugged bool
	talk("", framer.Session(func(c *framer.Conn) error {
		fmt.Fprintln(c, "unplugging")
		if err := c.Flush(c.Context()); err != nil {
			return err
		}
		unplugged = true
		return c.Close()
	}))
	fmt.Println("unplugged:", unplugged)
	// Output:
	// unplugging
	// unplugged: true
}

// TryPush does not wait for a slow peer. Use it for output that may be left out.
func ExampleConn_TryPush() {
	_, nc := net.Pipe()
	c := framer.NewConn(nc, newEcho, &framer.Config{MaxQueuedBytes: 16})
	defer c.Close()

	for i := range 3 {
		err := c.TryPush(fmt.Appendf(nil, "tick %d\r\n", i))
		if errors.Is(err, framer.ErrQueueFull) {
			fmt.Println("left out", i)
		}
	}
	fmt.Println(c.Stats().QueuedBytes, "bytes wait")
	// Output:
	// left out 2
	// 16 bytes wait
}

// A client is a Conn too. NewConn takes a connection; Dial takes an address and starts
// the Conn.
func ExampleNewConn() {
	here, there := net.Pipe()
	upper := framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
		return c.Push(append(bytes.ToUpper(msg), '\n'))
	})
	var served sync.WaitGroup
	served.Go(func() { framer.NewConn(there, upper, nil).Serve(context.Background()) })

	client := framer.NewConn(here, framer.Session(func(c *framer.Conn) error {
		fmt.Fprintln(c, "hello")
		reply, err := c.Next(framer.Delimiter("\n"))
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", reply)
		return nil
	}), nil)
	if err := client.Serve(context.Background()); err != nil {
		fmt.Println(err)
	}
	served.Wait()
	// Output: HELLO
}

// In a Session, a dialogue is straight-line code.
func ExampleSession() {
	talk("gopher\r\nsecret\r\n", framer.Session(func(c *framer.Conn) error {
		crlf := framer.Delimiter("\r\n")
		fmt.Fprint(c, "login?\r\n")
		line, err := c.Next(crlf)
		if err != nil {
			return err
		}
		user := string(line) // line is lent until the next call of Next, so it is copied

		fmt.Fprint(c, "password?\r\n")
		if line, err = c.Next(crlf); err != nil {
			return err
		}
		if string(line) != "secret" {
			fmt.Fprint(c, "no\r\n")
			return nil
		}
		fmt.Fprintf(c, "welcome, %s\r\n", user)
		return nil
	}))
	// Output:
	// login?
	// password?
	// welcome, gopher
}

// Messages calls a function for every message. It suits requests that do not depend on
// each other.
func ExampleMessages() {
	line := framer.Delimiter("\r\n")
	talk("one\r\ntwo\r\nQUIT\r\n", framer.Messages(line, func(c *framer.Conn, msg []byte) error {
		if string(msg) == "QUIT" {
			fmt.Fprint(c, "BYE\r\n")
			return c.CloseWhenDone()
		}
		_, err := fmt.Fprintf(c, "you said %q\r\n", msg)
		return err
	}))
	// Output:
	// you said "one"
	// you said "two"
	// BYE
}

// A greeter speaks first. It says goodbye when the server shuts down.
type greeter struct {
	*echo
}

func newGreeter(c *framer.Conn) framer.Handler {
	return &greeter{newEcho(c).(*echo)}
}

func (g *greeter) HandleConnect() error  { return g.Push([]byte("220 ready\r\n")) }
func (g *greeter) HandleShutdown() error { return g.Push([]byte("421 closing\r\n")) }

func ExampleConnectHandler() {
	client, nc := net.Pipe()
	var served sync.WaitGroup
	served.Go(func() { framer.NewConn(nc, newGreeter, nil).Serve(context.Background()) })

	greeting, err := bufio.NewReader(client).ReadString('\n')
	fmt.Printf("%q %v\n", greeting, err)
	client.Close()
	served.Wait()
	// Output: "220 ready\r\n" <nil>
}

// In a shutdown, every connection says goodbye.
func ExampleShutdownHandler() {
	server := framer.Server{NewHandler: newGreeter}
	client, nc := net.Pipe()
	var running sync.WaitGroup
	running.Go(func() { server.ServeConn(context.Background(), nc) })

	lines := bufio.NewScanner(client)
	lines.Scan()
	fmt.Println(lines.Text())
	running.Go(func() { server.Shutdown(context.Background()) })
	lines.Scan()
	fmt.Println(lines.Text())
	running.Wait()
	// Output:
	// 220 ready
	// 421 closing
}

// An ircClient is sent a PING when it is silent. It is dropped if it does not answer.
type ircClient struct {
	*framer.Conn
	framer.Collector
	asked bool
}

func (h *ircClient) FoundTerminator() error {
	h.asked = false // any line shows that the client is there
	h.Reset()
	return nil
}

func (h *ircClient) HandleTimeout(err error) error {
	if h.asked {
		h.TryPush([]byte("ERROR :Ping timeout\r\n"))
		return err
	}
	h.asked = true
	h.TryPush([]byte("PING :irc.example.com\r\n"))
	return nil
}

// An IRC server sends a PING to a silent client. What it sends to the client does not
// count as activity: otherwise the broadcasts of a channel would keep a dead client
// alive.
func ExampleTimeoutHandler() {
	client, nc := net.Pipe()
	newHandler := func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter("\r\n"))
		return &ircClient{Conn: c}
	}
	cfg := &framer.Config{
		ReadIdleTimeout: 2 * time.Millisecond, // in practice, minutes
		Logger:          slog.New(slog.DiscardHandler),
	}
	served := make(chan error)
	go func() { served <- framer.NewConn(nc, newHandler, cfg).Serve(context.Background()) }()

	for lines := bufio.NewScanner(client); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	fmt.Println(<-served)
	// Output:
	// PING :irc.example.com
	// ERROR :Ping timeout
	// framer: no byte came for 2ms (Config.ReadIdleTimeout): i/o timeout
}

// In a Session, Next returns the timeout as an error. An SMTP server tells the client
// before it closes.
func ExampleConfig_timeout() {
	client, nc := framertest.Pipe()
	newHandler := framer.Session(func(c *framer.Conn) error {
		fmt.Fprint(c, "220 mail.example.com\r\n")
		_, err := c.Next(framer.Delimiter("\r\n"))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.TryPush([]byte("421 4.4.2 timeout\r\n"))
		}
		return err
	})
	cfg := &framer.Config{
		IdleTimeout: 2 * time.Millisecond, // in practice, five minutes
		Logger:      slog.New(slog.DiscardHandler),
	}
	var served sync.WaitGroup
	served.Go(func() { framer.NewConn(nc, newHandler, cfg).Serve(context.Background()) })

	for lines := bufio.NewScanner(client); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	client.Close()
	served.Wait()
	// Output:
	// 220 mail.example.com
	// 421 4.4.2 timeout
}

// A server tells the client which limit has run out: the time for a command, or the time
// between two commands.
func ExampleTimeoutError() {
	client, nc := framertest.Pipe()
	newHandler := framer.Session(func(c *framer.Conn) error {
		_, err := c.Next(framer.Delimiter("\r\n"))
		if timeout, ok := errors.AsType[*framer.TimeoutError](err); ok {
			c.TryPush(fmt.Appendf(nil, "421 %v\r\n", timeout.Reason))
		}
		return err
	})
	cfg := &framer.Config{
		IdleTimeout:    time.Hour,
		MessageTimeout: 2 * time.Millisecond, // in practice, a minute
		Logger:         slog.New(slog.DiscardHandler),
	}
	var served sync.WaitGroup
	served.Go(func() { framer.NewConn(nc, newHandler, cfg).Serve(context.Background()) })

	fmt.Fprint(client, "HEL") // and not the rest
	for lines := bufio.NewScanner(client); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	client.Close()
	served.Wait()
	// Output:
	// 421 message_timeout
}

// A line asks for raw bytes. After it, the connection is no longer framed.
func ExampleConn_Hijack() {
	line := framer.Delimiter("\r\n")
	talk("CONNECT\r\nraw bytes\x00", framer.Messages(line, func(c *framer.Conn, msg []byte) error {
		if string(msg) != "CONNECT" {
			return c.Push([]byte("400 what?\r\n"))
		}
		c.Hijack(func(nc net.Conn) {
			defer nc.Close()
			raw, err := bufio.NewReader(nc).ReadString(0)
			fmt.Fprintf(nc, "tunnelled %q %v\n", raw, err)
		})
		return c.Push([]byte("200 connected\r\n")) // sent before the connection is handed over
	}))
	// Output:
	// 200 connected
	// tunnelled "raw bytes\x00" <nil>
}

// A client and a server upgrade their connection to TLS, as with STARTTLS of SMTP.
func ExampleConn_StartTLS() {
	certified := httptest.NewTLSServer(nil) // used only for its certificate
	defer certified.Close()
	serverConfig := certified.TLS
	clientConfig := certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	clientConfig.ServerName = "example.com"

	line := framer.Delimiter("\r\n")
	s := framer.Server{NewHandler: framer.Replies(line, func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
		if string(msg) == "STARTTLS" {
			err := c.StartTLS(tls.Server, serverConfig)
			return append(reply, "220 go ahead\r\n"...), err // sent in clear, before the handshake
		}
		_, secret := c.NetConn().(*tls.Conn)
		return fmt.Appendf(reply, "250 %s, secret: %t\r\n", msg, secret), nil
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	var served sync.WaitGroup
	served.Go(func() { s.Serve(l) })

	client, err := framer.Dial(context.Background(), "tcp", l.Addr().String(), framer.Session(func(c *framer.Conn) error {
		say := func(command string) {
			fmt.Fprintf(c, "%s\r\n", command)
			reply, _ := c.Next(line)
			fmt.Printf("%s\n", reply)
		}
		say("NOOP")
		say("STARTTLS")
		if err := c.StartTLS(tls.Client, clientConfig); err != nil {
			return err
		}
		say("NOOP")
		return nil
	}), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	client.Wait()
	s.Shutdown(context.Background())
	served.Wait()
	// Output:
	// 250 NOOP, secret: false
	// 220 go ahead
	// 250 NOOP, secret: true
}

// Some servers answer only after the end of the request, as sort does.
func ExampleConn_CloseWrite() {
	here, there := framertest.Pipe()
	go func() {
		defer there.Close()
		request, _ := io.ReadAll(there)
		lines := strings.Fields(string(request))
		slices.Sort(lines)
		fmt.Fprintln(there, strings.Join(lines, "\n"))
	}()

	client := framer.NewConn(here, framer.Session(func(c *framer.Conn) error {
		fmt.Fprint(c, "pear\napple\nfig\n")
		if err := c.CloseWrite(); err != nil {
			return err
		}
		for {
			line, err := c.Next(framer.Delimiter("\n"))
			if err != nil {
				return err // io.EOF is the end of the peer's side
			}
			fmt.Printf("%s\n", line)
		}
	}), nil)
	fmt.Println(client.Serve(context.Background()))
	// Output:
	// apple
	// fig
	// pear
	// <nil>
}

// A lineCount answers the end of the input with the number of lines.
type lineCount struct {
	*framer.Conn
	framer.Collector
	lines int
}

func (h *lineCount) FoundTerminator() error {
	h.lines++
	h.Reset()
	return nil
}

func (h *lineCount) HandleEnd(err error) error {
	fmt.Fprintf(h, "%d lines\n", h.lines)
	if err != nil {
		fmt.Fprintf(h, "and %q\n", h.Bytes())
	}
	return nil
}

// The peer has ended its side and still reads. HandleEnd can send it an answer.
func ExampleEndHandler() {
	client, nc := framertest.Pipe()
	newHandler := func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter("\n"))
		return &lineCount{Conn: c}
	}
	served := make(chan error)
	go func() { served <- framer.NewConn(nc, newHandler, nil).Serve(context.Background()) }()

	fmt.Fprint(client, "one\ntwo\nthr")
	client.CloseWrite()
	answer, _ := io.ReadAll(client)
	client.Close()
	fmt.Printf("%s%v\n", answer, <-served)
	// Output:
	// 2 lines
	// and "thr"
	// unexpected EOF
}

// Replies calls a function that appends its answer. It is the fastest way to serve small
// requests.
func ExampleReplies() {
	line := framer.Delimiter("\r\n")
	talk("PING\r\nADD 2\r\nQUIT\r\n", framer.Replies(line, func(c *framer.Conn, msg, reply []byte) ([]byte, error) {
		switch command, argument, _ := strings.Cut(string(msg), " "); command {
		case "PING":
			return append(reply, "PONG\r\n"...), nil
		case "ADD":
			n, err := strconv.ParseInt(argument, 10, 64)
			reply = strconv.AppendInt(reply, n+40, 10)
			return append(reply, "\r\n"...), err
		default:
			return append(reply, "BYE\r\n"...), c.CloseWhenDone()
		}
	}))
	// Output:
	// PONG
	// 42
	// BYE
}

// A client that sends too long a line is told so, and may go on.
func ExampleOnTooLong() {
	line := framer.Delimiter("\n").Limit(10)
	newHandler := framer.Messages(line, func(c *framer.Conn, msg []byte) error {
		fmt.Fprintf(c, "you said %q\n", msg)
		if string(msg) == "quit" {
			return c.CloseWhenDone()
		}
		return nil
	})
	talk("hello\nthis is a very long line\nquit\n", framer.OnTooLong(newHandler, func(c *framer.Conn, e *framer.MessageTooLongError) error {
		_, err := fmt.Fprintf(c, "no more than %d bytes, please\n", e.Limit)
		return err
	}))
	// Output:
	// you said "hello"
	// no more than 10 bytes, please
	// you said "quit"
}

// An upload is written to its destination while it comes. MaxMessageSize does not apply.
func ExampleConn_NextReader() {
	talk("PUT 12\nHello, world", framer.Session(func(c *framer.Conn) error {
		line, err := c.Next(framer.Delimiter("\n"))
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimPrefix(string(line), "PUT "), 10, 64)
		if err != nil {
			return err
		}
		body, err := c.NextReader(framer.Length(size))
		if err != nil {
			return err
		}
		sum := crc32.NewIEEE() // it could be a file
		n, err := io.Copy(sum, body)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c, "%d bytes, CRC-32 %08x\n", n, sum.Sum32())
		return err
	}))
	// Output: 12 bytes, CRC-32 e79aa9c2
}

// A member of a chat has a name.
type member struct {
	*echo
	name string
}

func (m *member) HandleConnect() error { return m.Push([]byte("welcome\r\n")) }

// One payload goes to all members, without a copy for each. A member that is too slow is
// dropped, and the reason has its name.
func ExampleConn_Handler() {
	names := make(chan string, 2)
	server := framer.Server{
		NewHandler: func(c *framer.Conn) framer.Handler {
			return &member{newEcho(c).(*echo), <-names}
		},
		Config: framer.Config{MaxQueuedBytes: 30, Logger: slog.New(slog.DiscardHandler)},
	}
	join := func(name string) (*bufio.Reader, <-chan error) {
		client, nc := net.Pipe()
		names <- name
		served := make(chan error, 1)
		go func() { served <- server.ServeConn(context.Background(), nc) }()
		in := bufio.NewReader(client)
		in.ReadString('\n')
		return in, served
	}
	quick, quickServed := join("quick")
	_, slowServed := join("slow")

	payload := []byte("hello, all\r\n")
	for range 3 {
		for c := range server.Conns() {
			err := c.TryPushWithProducer(framer.NewBytesProducer(payload))
			if errors.Is(err, framer.ErrQueueFull) {
				c.CloseWithError(fmt.Errorf("%s is too slow", c.Handler().(*member).name))
			}
		}
		line, _ := quick.ReadString('\n')
		fmt.Println(strings.TrimSpace(line))
	}
	fmt.Println(<-slowServed)
	server.Close()
	fmt.Println(<-quickServed)
	// Output:
	// hello, all
	// hello, all
	// hello, all
	// slow is too slow
	// framer: Server closed
}

// A proxy puts a line before the protocol. The program reads that line itself. Unread
// gives back what was buffered after it.
func ExampleUnread() {
	server := framer.Server{NewHandler: newEcho}
	client, nc := net.Pipe()
	var served sync.WaitGroup
	served.Go(func() {
		in := bufio.NewReader(nc)
		preface, _ := in.ReadString('\n')
		fmt.Printf("%q\n", preface)
		rest, _ := in.Peek(in.Buffered())
		server.ServeConn(context.Background(), framer.Unread(nc, rest))
	})

	fmt.Fprint(client, "PROXY UNKNOWN\r\nhello\r\n")
	answer, _ := bufio.NewReader(client).ReadString('\n')
	client.Close()
	served.Wait()
	fmt.Printf("%q\n", answer)
	// Output:
	// "PROXY UNKNOWN\r\n"
	// "hello\r\n"
}

// A mailbox receives a whole mail that has begun, even when the server shuts down.
type mailbox struct {
	*framer.Conn
	framer.Collector
	inMail, leaving bool
}

func (h *mailbox) FoundTerminator() error {
	switch line := string(h.Take()); {
	case line == "DATA":
		h.inMail = true
		return h.Push([]byte("354 go on\r\n"))
	case line == "." && h.leaving:
		return errors.Join(h.Push([]byte("250 queued\r\n421 closing\r\n")), h.CloseWhenDone())
	case line == ".":
		h.inMail = false
		return h.Push([]byte("250 queued\r\n"))
	}
	return nil
}

func (h *mailbox) HandleShutdown() error {
	if h.inMail {
		h.leaving = true
		return framer.ErrStayOpen
	}
	return h.Push([]byte("421 closing\r\n"))
}

func ExampleShutdownHandler_stayOpen() {
	server := framer.Server{NewHandler: func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter("\r\n"))
		return &mailbox{Conn: c}
	}}
	client, nc := framertest.Pipe()
	var running sync.WaitGroup
	running.Go(func() { server.ServeConn(context.Background(), nc) })

	lines := bufio.NewScanner(client)
	fmt.Fprint(client, "DATA\r\n")
	lines.Scan()
	fmt.Println(lines.Text())
	running.Go(func() { server.Shutdown(context.Background()) })
	fmt.Fprint(client, "Hello!\r\n.\r\n")
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
	client.Close()
	running.Wait()
	// Output:
	// 354 go on
	// 250 queued
	// 421 closing
}

// A pipelinedEcho sends back all lines that came at once in one push.
type pipelinedEcho struct {
	*framer.Conn
	framer.Collector
	answers []byte
}

func (e *pipelinedEcho) FoundTerminator() error {
	defer e.Reset()
	if string(e.Bytes()) == "quit" {
		// After CloseWhenDone, HandleReadComplete is not called any more.
		return errors.Join(e.HandleReadComplete(), e.CloseWhenDone())
	}
	e.answers = append(e.answers, e.Bytes()...)
	e.answers = append(e.answers, "\r\n"...)
	return nil
}

func (e *pipelinedEcho) HandleReadComplete() error {
	err := e.Push(e.answers)
	e.answers = e.answers[:0]
	return err
}

// Requests that come together are answered together.
func ExampleReadCompleteHandler() {
	talk("one\r\ntwo\r\nquit\r\n", func(c *framer.Conn) framer.Handler {
		c.SetTerminator(framer.Delimiter("\r\n"))
		return &pipelinedEcho{Conn: c}
	})
	// Output:
	// one
	// two
}

// A logged echo prints the reason for which its connection has ended.
type logged struct {
	*echo
}

func (l *logged) HandleClose(err error) { fmt.Println("closed:", err) }

// The reason is nil if the input ended after a whole message, and an error if it ended in
// the middle of one.
func ExampleCloseHandler() {
	client, nc := net.Pipe()
	newHandler := func(c *framer.Conn) framer.Handler { return &logged{newEcho(c).(*echo)} }
	var served sync.WaitGroup
	served.Go(func() { framer.NewConn(nc, newHandler, nil).Serve(context.Background()) })

	fmt.Fprint(client, "half a li")
	client.Close()
	served.Wait()
	// Output: closed: unexpected EOF
}

// In a Session, Next returns ErrServerClosed when the server shuts down.
func ExampleServer_Shutdown() {
	server := framer.Server{NewHandler: framer.Session(func(c *framer.Conn) error {
		fmt.Fprintln(c, "hello")
		_, err := c.Next(framer.Delimiter("\n"))
		if errors.Is(err, framer.ErrServerClosed) {
			fmt.Fprintln(c, "goodbye")
		}
		return err
	})}
	client, nc := net.Pipe()
	served := make(chan error)
	go func() { served <- server.ServeConn(context.Background(), nc) }()

	lines := bufio.NewScanner(client)
	lines.Scan()
	fmt.Println(lines.Text())

	shutdown := make(chan error)
	go func() { shutdown <- server.Shutdown(context.Background()) }()
	lines.Scan()
	fmt.Println(lines.Text())
	fmt.Println("served:", <-served)
	fmt.Println("shut down:", <-shutdown)
	// Output:
	// hello
	// goodbye
	// served: <nil>
	// shut down: <nil>
}

// ServeConn serves a connection that does not come from a listener of the server.
func ExampleServer_ServeConn() {
	server := framer.Server{
		NewHandler: framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
			fmt.Printf("got %q\n", msg)
			return nil
		}),
	}
	client, nc := net.Pipe()
	served := make(chan error)
	go func() { served <- server.ServeConn(context.Background(), nc) }()

	fmt.Fprint(client, "one\ntwo\n")
	client.Close()
	fmt.Println("served:", <-served)
	fmt.Println("messages:", server.Stats().MessagesRead)
	// Output:
	// got "one"
	// got "two"
	// served: <nil>
	// messages: 2
}

// A server knows its connections, and can send a message to all of them. TryPush leaves
// out the slow ones.
func ExampleServer_Conns() {
	var server framer.Server
	server.NewHandler = framer.Session(func(c *framer.Conn) error {
		fmt.Fprintln(c, "welcome")
		line, err := c.Next(framer.Delimiter("\n"))
		if err != nil {
			return err
		}
		said := append(bytes.Clone(line), '\n')
		for other := range server.Conns() {
			other.TryPush(said)
		}
		return nil
	})

	var served sync.WaitGroup
	connect := func() (net.Conn, *bufio.Reader) {
		client, nc := net.Pipe()
		served.Go(func() { server.ServeConn(context.Background(), nc) })
		replies := bufio.NewReader(client)
		replies.ReadString('\n')
		return client, replies
	}
	alice, toAlice := connect()
	bob, toBob := connect()

	fmt.Fprintln(alice, "hello, all")
	for _, replies := range []*bufio.Reader{toAlice, toBob} {
		said, _ := replies.ReadString('\n')
		fmt.Print(said)
	}
	alice.Close()
	bob.Close()
	served.Wait()
	// Output:
	// hello, all
	// hello, all
}

// Next suits code that knows what comes next. Here it is a string of Redis.
func ExampleFramer_Next() {
	f := framer.NewFramer(strings.NewReader("$12\r\nHello,\r\nyou!\r\n"), nil)
	line, err := f.Next(framer.Delimiter("\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(string(line), "$"), 10, 64)
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := f.Next(framer.Length(n))
	fmt.Printf("%q %v\n", value, err)
	// Output: "Hello,\r\nyou!" <nil>
}

// An upload of any size is copied to its destination. It is never in memory as a whole.
func ExampleFramer_NextReader() {
	f := framer.NewFramer(strings.NewReader("STORE 11\r\nhello worldQUIT\r\n"), nil)
	line := framer.Delimiter("\r\n")
	command, err := f.Next(line)
	if err != nil {
		fmt.Println(err)
		return
	}
	size, err := strconv.ParseInt(strings.TrimPrefix(string(command), "STORE "), 10, 64)
	if err != nil {
		fmt.Println(err)
		return
	}
	upload, err := f.NextReader(framer.Length(size))
	if err != nil {
		fmt.Println(err)
		return
	}
	var file strings.Builder // it could be any io.Writer
	n, err := io.Copy(&file, upload)
	fmt.Println(n, err, file.String())

	command, err = f.Next(line)
	fmt.Println(string(command), err)
	// Output:
	// 11 <nil> hello world
	// QUIT <nil>
}

// The last line is not complete, so it comes with an error.
func ExampleFramer_All() {
	const log = "first\nsecond\nthi"
	for line, err := range framer.NewFramer(strings.NewReader(log), nil).All(framer.Delimiter("\n")) {
		if err != nil {
			fmt.Printf("%q: %v\n", line, err)
			break
		}
		fmt.Printf("%q\n", line)
	}
	// Output:
	// "first"
	// "second"
	// "thi": unexpected EOF
}

// A sum adds up the numbers of its lines.
type sum struct {
	framer.Collector
	total int
}

func (s *sum) FoundTerminator() error {
	defer s.Reset()
	n, err := strconv.Atoi(string(s.Bytes()))
	s.total += n
	return err
}

// A handler can read a file, without a connection.
func ExampleFramer_Run() {
	files := fstest.MapFS{"numbers.txt": {Data: []byte("39\n2\n1\n")}}
	file, err := files.Open("numbers.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()

	f := framer.NewFramer(file, nil)
	f.SetTerminator(framer.Delimiter("\n"))
	var s sum
	err = f.Run(&s)
	fmt.Println(s.total, err)
	// Output: 42 <nil>
}

// A words handler keeps every message in a list.
type words struct {
	framer.Collector
	all []string
}

func (w *words) FoundTerminator() error {
	w.all = append(w.all, string(w.Take()))
	return nil
}

// A message may come in pieces. A Collector joins them.
func ExampleCollector() {
	f := framer.NewFramer(strings.NewReader("together again,"), &framer.Config{ReadBufferSize: 4})
	f.SetTerminator(framer.AnyDelimiter(" ", ","))
	var w words
	f.Run(&w)
	fmt.Printf("%q\n", w.all)
	// Output: ["together" "again"]
}

// A download first reads a length, and then as many bytes.
type download struct {
	*framer.Framer
	framer.Collector
	inBody bool
}

func (d *download) FoundTerminator() error {
	if d.inBody {
		fmt.Printf("%q\n", d.Take())
		return nil
	}
	n, err := strconv.Atoi(string(d.Bytes()))
	if err != nil {
		return err
	}
	if err := d.SetTerminator(framer.Length(int64(n))); err != nil {
		return err // n is above MaxMessageSize
	}
	d.Reset()
	d.Grow(n)
	d.inBody = true
	return nil
}

// If the length is known, Grow allocates the memory for the message at once.
func ExampleCollector_Grow() {
	f := framer.NewFramer(strings.NewReader("12\nHello, world"), nil)
	f.SetTerminator(framer.Delimiter("\n"))
	if err := f.Run(&download{Framer: f}); err != nil {
		fmt.Println(err)
	}
	// Output: "Hello, world"
}

// Lines may end in CRLF, LF or CR.
func ExampleAnyDelimiter() {
	f := framer.NewFramer(strings.NewReader("dos\r\nunix\nmac\r"), nil)
	for line, err := range f.All(framer.AnyDelimiter("\r\n", "\n", "\r")) {
		fmt.Printf("%q %v\n", line, err)
	}
	// Output:
	// "dos" <nil>
	// "unix" <nil>
	// "mac" <nil>
}

// A server must not let a client smuggle a line. It accepts only CRLF and refuses every
// other end of line.
func ExampleFramer_Matched() {
	f := framer.NewFramer(strings.NewReader("HELO example.com\r\nMAIL FROM:<a@example.com>\n"), nil)
	for line, err := range f.All(framer.AnyDelimiter("\r\n", "\n")) {
		switch {
		case err != nil:
			fmt.Println(err)
		case f.Matched() == "\n":
			fmt.Println("500 5.5.2 bare LF refused")
			return
		default:
			fmt.Printf("250 you said %q\n", line)
		}
	}
	// Output:
	// 250 you said "HELO example.com"
	// 500 5.5.2 bare LF refused
}

// A mail consists of lines up to a lone dot. A dot at the beginning of a line was
// doubled.
func ExampleDotBlock() {
	f := framer.NewFramer(strings.NewReader("Subject: dots\r\n\r\n..gitignore\r\n.\r\n.\r\nQUIT\r\n"), nil)
	for range 2 {
		mail, err := f.Next(framer.DotBlock())
		fmt.Printf("%q %v\n", mail, err)
	}
	line, err := f.Next(framer.Delimiter("\r\n"))
	fmt.Printf("%q %v\n", line, err)
	// Output:
	// "Subject: dots\r\n\r\n.gitignore\r\n" <nil>
	// "" <nil>
	// "QUIT" <nil>
}

// Every record has 7 bytes.
func ExampleFixedLength() {
	f := framer.NewFramer(strings.NewReader("ada1815alan912"), nil)
	for record, err := range f.All(framer.FixedLength(7)) {
		fmt.Printf("%q %v\n", record, err)
	}
	// Output:
	// "ada1815" <nil>
	// "alan912" <nil>
}

// In DNS over TCP, every message comes after its length, in two bytes.
func ExampleLengthPrefix() {
	f := framer.NewFramer(strings.NewReader("\x00\x05query\x00\x06answer"), nil)
	for msg, err := range f.All(framer.LengthPrefix(framer.Prefix{Size: 2})) {
		fmt.Printf("%q %v\n", msg, err)
	}
	// Output:
	// "query" <nil>
	// "answer" <nil>
}

// In PostgreSQL, a message begins with a byte for its type. Then comes its length in four
// bytes, which counts itself. Keep leaves both in the message.
func ExamplePrefix() {
	postgres := framer.LengthPrefix(framer.Prefix{Size: 4, Offset: 1, Adjustment: -4, Keep: true})
	f := framer.NewFramer(strings.NewReader("Q\x00\x00\x00\x0dselect 1\x00X\x00\x00\x00\x04"), nil)
	for msg, err := range f.All(postgres) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%c %q\n", msg[0], msg[5:])
	}
	// Output:
	// Q "select 1\x00"
	// X ""
}

// The same Prefix is used for sending.
func ExamplePrefix_AppendLength() {
	postgres := framer.Prefix{Size: 4, Offset: 1, Adjustment: -4}
	const query = "select 1\x00"
	msg, err := postgres.AppendLength([]byte("Q"), int64(len(query)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", append(msg, query...))
	// Output: "Q\x00\x00\x00\rselect 1\x00"
}

// Every split function for a bufio.Scanner can be a terminator.
func ExampleSplit() {
	f := framer.NewFramer(strings.NewReader("  to be\tor not "), nil)
	for word, err := range f.All(framer.Split(bufio.ScanWords)) {
		fmt.Printf("%q %v\n", word, err)
	}
	// Output:
	// "to" <nil>
	// "be" <nil>
	// "or" <nil>
	// "not" <nil>
}

// Commands are short, but the data that they announce may be long.
func ExampleTerminator_Limit() {
	f := framer.NewFramer(strings.NewReader("PUT 20\ntwenty bytes of databut a command is not so long\n"), &framer.Config{MaxMessageSize: 8})
	command := framer.Delimiter("\n")
	line, err := f.Next(command)
	fmt.Printf("%q %v\n", line, err)
	data, err := f.Next(framer.Length(20).Limit(100))
	fmt.Printf("%q %v\n", data, err)
	_, err = f.Next(command)
	fmt.Println(errors.As(err, new(*framer.MessageTooLongError)))
	// Output:
	// "PUT 20" <nil>
	// "twenty bytes of data" <nil>
	// true
}

// A tolerant handler prints the lines that are not too long.
type tolerant struct {
	framer.Collector
}

func (h *tolerant) FoundTerminator() error {
	fmt.Printf("%q\n", h.Take())
	return nil
}

func (h *tolerant) HandleOversize(e *framer.MessageTooLongError) error {
	fmt.Printf("a line that begins %q is longer than %d bytes\n", e.Head[:4], e.Limit)
	return nil
}

// A handler can skip a message that is too long.
func ExampleOversizeHandler() {
	const input = "short\nvery, very long\nfine\n"
	f := framer.NewFramer(strings.NewReader(input), &framer.Config{MaxMessageSize: 10})
	f.SetTerminator(framer.Delimiter("\n"))
	if err := f.Run(new(tolerant)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// "short"
	// a line that begins "very" is longer than 10 bytes
	// "fine"
}

// The error shows what came to the wrong port.
func ExampleMessageTooLongError() {
	f := framer.NewFramer(strings.NewReader("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"), nil)
	_, err := f.Next(framer.LengthPrefix(framer.Prefix{Size: 4}))
	var tooLong *framer.MessageTooLongError
	if errors.As(err, &tooLong) {
		fmt.Printf("%d bytes, which are %q\n", tooLong.Seen, tooLong.Head[:4])
		fmt.Println("like HTTP:", strings.HasSuffix(err.Error(), "like HTTP"))
	}
	// Output:
	// 1195725856 bytes, which are "GET "
	// like HTTP: true
}

// A dotText produces a text as SMTP and POP3 send it: it puts a second dot before a line
// that begins with a dot, and ends the text with a lone dot.
type dotText struct {
	lines *bufio.Scanner
	buf   []byte
}

func (t *dotText) More() ([]byte, error) {
	if !t.lines.Scan() {
		if err := t.lines.Err(); err != nil {
			return nil, err
		}
		return []byte(".\r\n"), io.EOF
	}
	t.buf = t.buf[:0]
	if bytes.HasPrefix(t.lines.Bytes(), []byte(".")) {
		t.buf = append(t.buf, '.')
	}
	t.buf = append(append(t.buf, t.lines.Bytes()...), "\r\n"...)
	return t.buf, nil
}

// A producer makes its output while it is sent. So the output may be of any size.
func ExampleProducer() {
	const mail = "Run\n./configure\n. or\nmake"
	talk("", framer.Session(func(c *framer.Conn) error {
		return c.PushWithProducer(&dotText{lines: bufio.NewScanner(strings.NewReader(mail))})
	}))
	// Output:
	// Run
	// ../configure
	// .. or
	// make
	// .
}

// A closure can be a producer. Its state is in its variables.
func ExampleProducerFunc() {
	talk("", framer.Session(func(c *framer.Conn) error {
		n := 3
		return c.PushWithProducer(framer.ProducerFunc(func() ([]byte, error) {
			if n == 0 {
				return nil, io.EOF
			}
			n--
			return fmt.Appendln(nil, n+1), nil
		}))
	}))
	// Output:
	// 3
	// 2
	// 1
}

// A large text is sent in small pieces.
func ExampleNewSimpleProducer() {
	p := framer.NewSimpleProducer([]byte("Lorem ipsum dolor sit amet"), 10)
	for {
		piece, _ := p.More()
		if len(piece) == 0 {
			break
		}
		fmt.Printf("%q\n", piece)
	}
	// Output:
	// "Lorem ipsu"
	// "m dolor si"
	// "t amet"
}

// One payload goes to many connections, without a copy for each.
func ExampleNewBytesProducer() {
	motd := []byte("Have a nice day.\n")
	newHandler := framer.Session(func(c *framer.Conn) error {
		return c.PushWithProducer(framer.NewBytesProducer(motd))
	})
	talk("", newHandler)
	talk("", newHandler)
	// Output:
	// Have a nice day.
	// Have a nice day.
}

// The file is closed when it has been sent. It is also closed if the connection ends
// before that.
func ExampleNewReaderProducer() {
	files := fstest.MapFS{"motd": {Data: []byte("Have a nice day.\n")}}
	talk("motd\nrumours\n", framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, name []byte) error {
		file, err := files.Open(string(name))
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(c, "no %s\n", name)
			return c.CloseWhenDone()
		}
		if err != nil {
			return err
		}
		return c.PushWithProducer(framer.NewReaderProducer(file))
	}))
	// Output:
	// Have a nice day.
	// no rumours
}

// Any sequence can be sent.
func ExampleNewSeqProducer() {
	lines := func(yield func([]byte) bool) {
		for i := range 3 {
			if !yield(fmt.Appendf(nil, "%d squared is %d\n", i, i*i)) {
				return
			}
		}
	}
	talk("", framer.Session(func(c *framer.Conn) error {
		return c.PushWithProducer(framer.NewSeqProducer(lines))
	}))
	// Output:
	// 0 squared is 0
	// 1 squared is 1
	// 2 squared is 4
}

// Concat makes one producer of a header, a body and a trailer.
func ExampleConcat() {
	body := strings.NewReader("Have a nice day.\n")
	talk("", framer.Session(func(c *framer.Conn) error {
		return c.PushWithProducer(framer.Concat(
			framer.NewBytesProducer(fmt.Appendf(nil, "150 %d bytes follow\n", body.Len())),
			framer.NewReaderProducer(body),
			framer.NewBytesProducer([]byte("226 done\n")),
		))
	}))
	// Output:
	// 150 17 bytes follow
	// Have a nice day.
	// 226 done
}

// OnDone tells how a transfer has ended, for the log.
func ExampleOnDone() {
	var entry string
	talk("", framer.Session(func(c *framer.Conn) error {
		body := framer.NewReaderProducer(strings.NewReader("Have a nice day.\n"))
		return c.PushWithProducer(framer.OnDone(body, func(n int64, err error) {
			entry = fmt.Sprintf("sent %d bytes, error: %v", n, err)
		}))
	}))
	fmt.Println(entry)
	// Output:
	// Have a nice day.
	// sent 17 bytes, error: <nil>
}

// A server of net/http also serves a protocol of lines on the same TLS port, by the
// upgrade of a request and by ALPN. Everything else works as before. Most programs call
// hs.ListenAndServeTLS; here package httptest provides the certificate.
func ExampleServer_ConfigureHTTP() {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello over", r.Proto) })
	hs := &http.Server{Handler: mux}

	lines := &framer.Server{Protocol: "lines/1", NewHandler: newEcho}
	mux.Handle("/lines", lines)
	if err := lines.ConfigureHTTP(hs); err != nil {
		log.Fatal(err)
	}

	test := httptest.NewUnstartedServer(nil)
	test.Config, test.TLS, test.EnableHTTP2 = hs, hs.TLSConfig, true
	test.StartTLS()
	defer test.Close()
	client := test.Client()
	response, err := client.Get(test.URL)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, response.Body)
	response.Body.Close()
	client.CloseIdleConnections()

	// A client uses the protocol by ALPN.
	config := client.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"lines/1"}
	agreed, err := tls.Dial("tcp", test.Listener.Addr().String(), config)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(agreed, "by ALPN\r\n")
	line, _ := bufio.NewReader(agreed).ReadString('\n')
	fmt.Println(strings.TrimSpace(line))
	agreed.Close()

	// Another client upgrades a request. DialHTTP does this if the system trusts the
	// server's certificate.
	config.NextProtos = nil
	nc, err := tls.Dial("tcp", test.Listener.Addr().String(), config)
	if err != nil {
		log.Fatal(err)
	}
	request, _ := http.NewRequest("GET", test.URL+"/lines", nil)
	c, err := framer.UpgradeHTTP(nc, request, "lines/1", framer.Session(func(c *framer.Conn) error {
		fmt.Fprint(c, "by an upgrade\r\n")
		line, err := c.Next(framer.Delimiter("\r\n"))
		fmt.Printf("%s\n", line)
		return err
	}), nil)
	if err != nil {
		log.Fatal(err)
	}
	c.Wait()

	// Shut down both servers. The first call also begins the second shutdown.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = errors.Join(hs.Shutdown(ctx), lines.Shutdown(ctx))
	fmt.Println("drained:", err)
	// Output:
	// hello over HTTP/2.0
	// by ALPN
	// by an upgrade
	// drained: <nil>
}

// The context of the connection has the values that the HTTP handlers before the Server
// have set.
func ExampleServer_ServeHTTP() {
	type userKey struct{}
	lines := &framer.Server{
		Protocol: "lines/1",
		NewHandler: framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
			fmt.Fprintf(c, "%v says %s\n", c.Context().Value(userKey{}), msg)
			return nil
		}),
	}
	authenticate := func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if password != "s3cret" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		lines.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	}
	hs := httptest.NewServer(http.HandlerFunc(authenticate))
	defer lines.Shutdown(context.Background())
	defer hs.Close()

	ask := framer.Session(func(c *framer.Conn) error {
		fmt.Fprintln(c, "hello")
		line, err := c.Next(framer.Delimiter("\n"))
		fmt.Printf("%s\n", line)
		return err
	})
	for _, password := range []string{"s3cret", "guess"} {
		url := strings.Replace(hs.URL, "http://", "http://ann:"+password+"@", 1)
		c, err := framer.DialHTTP(context.Background(), url, "lines/1", ask, nil)
		if err != nil {
			fmt.Println(err)
			continue
		}
		c.Wait()
	}
	// Output:
	// ann says hello
	// framer: the connection was not upgraded: the server says 401 Unauthorized: "who are you?"
}

// If a server does not upgrade the connection, the error has its answer. After a 503, as
// here, the client can try again later.
func ExampleDialHTTP() {
	lines := &framer.Server{Protocol: "lines/1", NewHandler: newEcho}
	lines.Close() // ends the connection
	hs := httptest.NewServer(lines)
	defer hs.Close()

	_, err := framer.DialHTTP(context.Background(), hs.URL, "lines/1", newEcho, nil)
	if refused := (*framer.UpgradeError)(nil); errors.As(err, &refused) {
		fmt.Printf("%d: %s", refused.StatusCode, refused.Body)
	}
	// Output:
	// 503: shutting down
}

// The figures of a server and of each connection can be given to any system for metrics.
// Here package expvar publishes them in one line.
func ExampleServer_Stats() {
	server := framer.Server{NewHandler: framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
		return c.Push(append(msg, '\n'))
	})}
	if expvar.Get("framer") == nil { // a name can be published only once
		expvar.Publish("framer", expvar.Func(func() any { return server.Stats() }))
	}

	client, nc := net.Pipe()
	served := make(chan error)
	go func() { served <- server.ServeConn(context.Background(), nc) }()
	fmt.Fprintln(client, "ping")
	answer, _ := bufio.NewReader(client).ReadString('\n')
	fmt.Printf("answer: %q\n", answer)
	for c := range server.Conns() {
		stats := c.Stats()
		fmt.Println("connection", stats.ID, "is", stats.State)
	}
	client.Close()
	<-served

	var published struct {
		Accepted, MessagesRead int
		Ended                  map[string]int
	}
	json.Unmarshal([]byte(expvar.Get("framer").String()), &published)
	fmt.Println(published.Accepted, "accepted,", published.MessagesRead, "message,", published.Ended["peer"], "ended by the peer")
	fmt.Println("write timeouts:", server.Stats().Ended[framer.EndWriteTimeout])
	// Output:
	// answer: "ping\n"
	// connection 1 is active
	// 1 accepted, 1 message, 1 ended by the peer
	// write timeouts: 0
}

// A handler that panics ends its own connection, and no other.
func ExamplePanicError() {
	client, nc := net.Pipe()
	client.Close()
	conn := framer.NewConn(nc, framer.Session(func(*framer.Conn) error {
		panic("a bug")
	}), &framer.Config{Logger: slog.New(slog.DiscardHandler)})

	err := conn.Serve(context.Background())
	if p := (*framer.PanicError)(nil); errors.As(err, &p) {
		fmt.Println("the handler has panicked:", p.Value)
	}
	// Output: the handler has panicked: a bug
}
