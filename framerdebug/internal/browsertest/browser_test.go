// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package browsertest tests the page of framerdebug in a real browser. If the environment
// variable FRAMERDEBUG_SCREENSHOTS names a directory, it writes pictures of the page
// there.
package browsertest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/goframer/framer"
	"github.com/goframer/framer/framerdebug"
)

// chromium returns the path of a browser. It skips the test if there is none.
func chromium(t *testing.T) string {
	t.Helper()
	names := []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless-shell", "headless_shell", "chrome",
		"/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("skipped: there is no Chromium, under any of the names", strings.Join(names, ", "))
	return ""
}

// peers is the number of connections, which is more than two pages can show.
const peers = 240

// evil is a text that would change the page if it were taken for HTML.
const evil = `<img src=x onerror="document.title='hurt'"><b>bold</b>`

// A site is a server with connections, and a page that shows the server.
type site struct {
	server *framer.Server
	url    string
	peers  []net.Conn // in the order of their numbers
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{server: &framer.Server{
		Protocol: "lines/1",
		Config:   framer.Config{Logger: slog.New(slog.DiscardHandler)},
		NewHandler: framer.Messages(framer.Delimiter("\n"), func(c *framer.Conn, msg []byte) error {
			n, err := strconv.Atoi(string(msg))
			if err != nil {
				return err
			}
			return c.Push(make([]byte, n))
		}),
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.server.Serve(l) }()
	t.Cleanup(func() {
		s.server.Close()
		<-served
	})
	for len(s.peers) < peers {
		s.dial(t, l.Addr().String())
	}
	page := framerdebug.New(framerdebug.Options{
		AllowClose: true,
		Describe: func(c *framer.Conn) string {
			if c.Stats().ID == 1 {
				return evil
			}
			return "user " + strconv.FormatInt(c.Stats().ID%7, 10)
		},
	}, s.server)
	var mux http.ServeMux
	mux.Handle("/debug/framer", page)
	web := httptest.NewServer(&mux)
	t.Cleanup(web.Close)
	s.url = web.URL + "/debug/framer"
	return s
}

// dial adds a peer. It waits for an answer, so that the numbers are in the order of the
// calls.
func (s *site) dial(t *testing.T, address string) {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	s.peers = append(s.peers, nc)
	s.ask(t, len(s.peers), 1)
}

// ask makes the peer with the number id ask for n bytes and read them.
func (s *site) ask(t *testing.T, id, n int) {
	t.Helper()
	nc := s.peers[id-1]
	nc.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintln(nc, n)
	if _, err := io.CopyN(io.Discard, nc, int64(n)); err != nil {
		t.Error(err)
	}
}

// A tab is a tab of the browser.
type tab struct {
	*testing.T
	ctx context.Context
}

// newTab opens a tab. Any message on its console fails the test.
func newTab(t *testing.T) tab {
	path := chromium(t)
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path)}
	options = append(options, chromedp.DefaultExecAllocatorOptions[:]...)
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run in a sandbox as root
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	messages := chromedp.Console(ctx)
	over := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-over
	})
	go func() {
		defer close(over)
		for m, err := range messages {
			if err != nil {
				return
			}
			t.Errorf("the console says %v", m)
		}
	}()
	return tab{t, ctx}
}

func (t tab) do(actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(t.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// js evaluates an expression whose value is a string.
func (t tab) js(expression string) string {
	t.Helper()
	value, err := chromedp.Run(t.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits until the expression is true. It does not use chromedp.Poll, which makes a
// function from a text: the policy of the page forbids that.
func (t tab) until(expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, 20*time.Second)
	defer cancel()
	promise := fmt.Sprintf(`new Promise(done => {
		const look = () => (%s) ? done(true) : setTimeout(look, 10);
		look();
	})`, expression)
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](promise, chromedp.EvalAwaitPromise)); err != nil {
		t.Fatalf("%s: %v\nthe rows are %s\nthe page says %s", expression, err,
			t.js(`[...document.querySelectorAll("#rows tr")].map(r => r.dataset.key).join(" ")`), t.js(`document.getElementById("refreshed").textContent`))
	}
}

// want fails the test unless the expression has the value.
func (t tab) want(expression, want string) {
	t.Helper()
	if got := t.js(expression); got != want {
		t.Errorf("%s is %q, want %q", expression, got, want)
	}
}

// refreshed waits until the page has been refreshed n times.
func (t tab) refreshed(n int) {
	t.Helper()
	for range n {
		before := t.js(`document.getElementById("refreshed").textContent`)
		t.until(fmt.Sprintf(`document.getElementById("refreshed").textContent !== %q`, before))
	}
}

func (t tab) open(s *site, fragment string) {
	t.Helper()
	t.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.url+fragment))
	t.until(`document.querySelectorAll("#rows tr").length > 0`)
}

func (t tab) look(width, height int64, scheme string, options ...chromedp.EmulateViewportOption) {
	t.Helper()
	t.do(chromedp.EmulateViewport(width, height, options...), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return chromedp.Void{}, err
	})
}

// picture writes a picture of the tab to a file, if a directory was named.
func (t tab) picture(name string) {
	t.Helper()
	dir := os.Getenv("FRAMERDEBUG_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(t.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// column returns an expression for the texts of the column with the label.
func column(label string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('#rows td[data-label=%q]')].map(td => td.textContent)`, label)
}

const (
	focused = `document.activeElement.closest("tr")?.dataset.key ?? document.activeElement.id`
	numbers = `[...document.querySelectorAll("#rows tr")].map(tr => Number(tr.dataset.key.split(".")[1]))`
)

// head returns an expression for the button at the head of a column.
func head(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#columns th")].find(th => th.textContent === %q)`, name)
}

func TestPage(t *testing.T) {
	chromium(t)
	s := newSite(t)
	b := newTab(t)
	b.look(1400, 900, "light")
	t.Run("sort", func(t *testing.T) { tab{t, b.ctx}.testSort(s) })
	t.Run("filter and pages", func(t *testing.T) { tab{t, b.ctx}.testFilter(s) })
	t.Run("refresh", func(t *testing.T) { tab{t, b.ctx}.testRefresh(s) })
	t.Run("close", func(t *testing.T) { tab{t, b.ctx}.testClose(s) })
	t.Run("looks", func(t *testing.T) { tab{t, b.ctx}.testLooks(s) })
}

func (t tab) testSort(s *site) {
	t.open(s, "")
	t.want(head("Queued")+`.getAttribute("aria-sort")`, "descending")
	t.js(head("#") + `.querySelector("button").focus()`)
	t.do(chromedp.KeyEvent(kb.Enter)) // with the keyboard alone
	t.until(numbers + `[0] === 240`)
	t.want(head("#")+`.getAttribute("aria-sort")`, "descending")
	t.want(head("Queued")+`.getAttribute("aria-sort")`, "null")
	t.do(chromedp.KeyEvent(" "))
	t.until(numbers + `[0] === 1`)
	t.want(head("#")+`.getAttribute("aria-sort")`, "ascending")
	t.want(numbers+`.join() === [...Array(100).keys()].map(i => i + 1).join()`, "true")
	t.want(`document.activeElement.textContent`, "#") // the button still has the focus
	t.want(`document.querySelectorAll("[aria-sort]").length`, "1")

	t.js(head("Peer") + `.querySelector("button").click()`)
	t.until(head("Peer") + `.getAttribute("aria-sort") === "ascending"`)
	t.refreshed(1)
	t.want(column("Peer")+`.every((peer, i, all) => i === 0 || all[i - 1] <= peer)`, "true")
	for _, name := range []string{"Local", "State", "Info", "Age", "Idle", "Messages in", "Pushes out", "Bytes in", "Bytes out", "Queued", "Output waits", "Stalls", "Push waits", "Refused"} {
		t.js(head(name) + `.querySelector("button").click()`)
		t.until(`location.hash.length > 1 && ` + head(name) + `.hasAttribute("aria-sort")`)
	}
	t.refreshed(1)
	t.want(`document.querySelector("caption").textContent`, "Open connections")
	t.want(head("Server")+`.hidden`, "true") // hidden, because there is only one server
}

func (t tab) testFilter(s *site) {
	t.open(s, "#sort=id&order=asc")
	t.want(`document.getElementById("range").textContent`, "1–100 of 240")
	t.want(`document.getElementById("previous").disabled`, "true")
	for _, want := range []string{"101–200 of 240", "201–240 of 240"} {
		t.js(`document.getElementById("next").click()`)
		t.until(fmt.Sprintf(`document.getElementById("range").textContent === %q`, want))
	}
	t.want(`document.getElementById("next").disabled`, "true")
	t.want(numbers+`[0]`, "201")

	t.js(`document.getElementById("filter").focus()`)
	t.do(chromedp.KeyEvent("#24"))
	t.until(`document.getElementById("range").textContent === "1–2 of 2 (all: 240)"`) // numbers 24 and 240
	t.refreshed(1)
	t.want(`document.activeElement.id + document.activeElement.value`, "filter#24")
	t.want(numbers+`.join()`, "24,240")
	t.do(chromedp.KeyEvent("x"))
	t.until(`!document.getElementById("nothing").hidden`)
	t.want(`document.getElementById("nothing").textContent`, "The filter lets none through.")

	// The address of the page has the filter, so it is still there after a reload.
	t.do(chromedp.Reload())
	t.until(`document.getElementById("range").textContent === "0 of 0 (all: 240)"`)
	t.want(`document.getElementById("filter").value`, "#24x")

	// Text from the program is not taken for HTML.
	t.open(s, "#filter=bold")
	t.want(column("Info")+`[0]`, evil)
	t.want(`document.querySelectorAll("#rows img, #rows b").length + document.title`, "0framer: connections")
}

func (t tab) testRefresh(s *site) {
	t.open(s, "#sort=id&order=asc&filter=active")
	t.until(`document.querySelectorAll("#rows tr").length === 100`)
	t.js(`document.querySelector("#rows tr[data-key='0.40'] button").focus()`)
	t.js(`window.scrollTo(0, 700)`)
	place := t.js(`window.scrollY`)
	text := t.js(`document.getElementById("totals").textContent`)
	s.ask(t.T, 40, 70_000)
	t.refreshed(3)
	t.want(`window.scrollY`, place)
	t.want(focused, "0.40")
	t.want(`document.getElementById("filter").value`, "active")
	t.want(head("#")+`.getAttribute("aria-sort")`, "ascending")
	t.want(`document.querySelector("#rows tr[data-key='0.40'] td[data-label='Bytes out']").textContent`, "68 KiB")
	if t.js(`document.getElementById("totals").textContent`) == text {
		t.Error("the totals have not changed")
	}
	t.want(`document.querySelector(".plot polyline").getAttribute("points").split(" ").length > 2`, "true")

	// When a row moves, it keeps the focus. When a row disappears, the focus goes to the
	// next row.
	t.open(s, "#sort=written&order=desc")
	t.until(numbers + `[0] === 40`)
	t.js(`document.querySelector("#rows tr:nth-child(5) button").focus()`)
	moving := t.js(focused)
	id, err := strconv.Atoi(strings.TrimPrefix(moving, "0."))
	if err != nil {
		t.Fatal(err)
	}
	s.ask(t.T, id, 100_000)
	t.until(fmt.Sprintf(numbers+`[0] === %d`, id))
	t.want(focused, moving)
	s.peers[id-1].Close()
	t.until(numbers + `[0] === 40`)
	t.want(focused, "0.40")

	// After Pause, no figure changes.
	t.js(`document.getElementById("pause").click()`)
	t.want(`document.getElementById("pause").getAttribute("aria-pressed")`, "true")
	t.until(`document.getElementById("refreshed").textContent.endsWith("paused")`)
	t.js(`document.getElementById("pause").click()`)
	t.refreshed(1)
	t.want(`document.getElementById("refreshed").textContent.endsWith("paused")`, "false")
}

func (t tab) testClose(s *site) {
	const open = `document.getElementById("confirm").open`
	t.open(s, "#sort=id&order=asc&filter=%2377")
	t.want(numbers+`.join()`, "77")
	t.js(`document.querySelector("#rows button").focus()`)
	t.do(chromedp.KeyEvent(kb.Enter))
	t.until(open)
	t.want(`document.activeElement.textContent`, "Cancel")
	t.want(`document.getElementById("question").textContent.includes("number 77")`, "true")
	t.picture("dialog")
	t.do(chromedp.KeyEvent(kb.Enter))
	t.until(`!` + open)
	t.refreshed(1)
	t.want(numbers+`.join()`, "77") // the connection was not closed
	t.want(focused, "0.77")
	t.do(chromedp.KeyEvent(kb.Enter))
	t.until(open)
	t.do(chromedp.KeyEvent(kb.Escape))
	t.until(`!` + open)
	t.refreshed(1)
	t.want(numbers+`.join()`, "77")

	t.do(chromedp.KeyEvent(kb.Enter))
	t.until(open)
	t.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	t.until(`document.querySelectorAll("#rows tr").length === 0`)
	t.until(`document.getElementById("said").textContent.startsWith("Closed 127.0.0.1:")`)
	s.peers[76].SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := bufio.NewReader(s.peers[76]).ReadByte(); err == nil || os.IsTimeout(err) {
		t.Errorf("the peer reads %v", err)
	}
	if n := s.server.Stats().Ended[framer.EndWithError]; n != 1 {
		t.Errorf("%d connections were closed", n)
	}
}

func (t tab) testLooks(s *site) {
	for i := range 5 { // some peers read nothing
		fmt.Fprintln(s.peers[100+i], 8<<20)
	}
	for i := range 20 { // others make their connections end with an error
		fmt.Fprintln(s.peers[200+i], []string{"no number", "1\nhalf"}[i%2])
		s.peers[200+i].Close()
	}
	traffic := make(chan struct{})
	over := make(chan struct{})
	defer func() { close(traffic); <-over }()
	go func() {
		defer close(over)
		for n := 1; ; n++ {
			select {
			case <-traffic:
				return
			case <-time.After(20 * time.Millisecond):
				s.ask(t.T, 120+n%60, n%4000)
			}
		}
	}()
	background := func() string { return t.js(`getComputedStyle(document.body).backgroundColor`) }
	t.look(1400, 900, "light")
	t.open(s, "")
	t.refreshed(6)
	t.picture("desktop-light")
	light := background()
	t.look(1400, 900, "dark")
	t.picture("desktop-dark")
	if dark := background(); dark == light {
		t.Errorf("dark or light, the background is %s", dark)
	}
	for _, scheme := range []string{"light", "dark"} {
		t.look(390, 844, scheme, chromedp.EmulateMobile, chromedp.EmulateTouch)
		t.refreshed(1)
		t.js(`window.scrollTo(0, 0)`)
		t.picture("phone-" + scheme)
		t.want(`document.documentElement.scrollWidth <= window.innerWidth`, "true")
		t.js(`document.getElementById("tools").scrollIntoView()`)
		t.picture("phone-rows-" + scheme)
	}
	t.want(`[...document.querySelectorAll("button, input")].filter(e => e.offsetParent && e.getBoundingClientRect().right > window.innerWidth).length`, "0")
	t.look(1400, 900, "light")
	t.js(`document.querySelector("#rows tr:nth-child(3) button").focus()`)
	t.js(`window.scrollTo(0, 400)`)
	t.picture("rows-light")
}
