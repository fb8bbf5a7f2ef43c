// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package web

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/kubeinquest/inquest/internal/history"
	ruleset "github.com/kubeinquest/inquest/internal/rules"
)

var shots = flag.String("shots", "", "a `folder` for screenshots of every page")

// axe is axe-core, which finds what makes a page hard to use for some. See testdata/axe.
//
//go:embed testdata/axe/axe.min.js.gz
var axe []byte

// A served console is one that a browser can reach.
type served struct {
	url, secret string
	store       *history.Store
	console     *Console
}

// serve serves a history on the loopback address, as inquest serve does.
func serve(t *testing.T, now func() time.Time, fill func(*history.Store)) *served {
	t.Helper()
	store, err := history.Open(t.Context(), "memory:", history.Options{Now: now})
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	fill(store)
	access, secret := NewLoopbackAccess(time.Now)
	c := &Console{Store: store, Rules: ruleset.All(), Access: access, Log: slog.New(slog.DiscardHandler), Now: now, Version: "test", Source: "recorded"}
	handler, err := c.Handler()
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := NewServer(handler)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return &served{"http://" + listener.Addr().String(), secret, store, c}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A browser is a Chromium in which every page is watched.
type browser struct {
	t   *testing.T
	ctx func() context.Context // of its tab
	mu  sync.Mutex
	bad []string // what must not happen
}

// watching tells of what the page's own policy refused, from before any of its scripts runs.
const watching = `window.refused = []; window.pwned = 0;
addEventListener("securitypolicyviolation", (e) => refused.push(e.violatedDirective + " " + e.blockedURI + " " + e.sample));`

// open starts a browser that is let in to a console.
func open(t *testing.T, s *served) *browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	if path := os.Getenv("CHROMIUM"); path != "" {
		options = append(options, chromedp.ExecPath(path))
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: func() context.Context { return ctx }}
	must(t, chromedp.Listen(ctx, b.see)) // starts it, for as long as the context lasts
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watching})
	b.do(chromedp.Navigate(s.url + "/login?token=" + s.secret))
	return b
}

// call has the browser carry out a command of its protocol.
func call[P, R any](b *browser, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx(), command, params)
	must(b.t, err)
	return result
}

// see notes what a page does that none may do.
func (b *browser) see(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if at, err := url.Parse(e.Request.URL); err != nil || at.Scheme != "data" && at.Hostname() != "127.0.0.1" {
			b.note("a request went to %s", e.Request.URL)
		}
	case *page.EventJavascriptDialogOpening:
		b.note("a script of a stranger ran: %s", e.Message)
	case *runtime.EventExceptionThrown:
		b.note("a script failed: %s", e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "404") {
			b.note("the browser complained: %s %s", e.Entry.Text, e.Entry.URL)
		}
	}
}

func (b *browser) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bad = append(b.bad, fmt.Sprintf(format, args...))
}

// do fails the test where the browser does.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	result(b, chromedp.Steps(actions...))
}

func result[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx(), 5*time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	return v
}

// eval returns what an expression is in the page.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	return result(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// stranger is what in a page would be of somebody else's making.
const stranger = `[...document.querySelectorAll("script:not([src^='/static/']),iframe,object,embed,img,video,audio,base,form[action^='http'],math,foreignObject")].map((e) => e.outerHTML).concat(
[...document.querySelectorAll("*")].filter((e) => [...e.attributes].some((a) => /^on/i.test(a.name) || /^\s*(javascript|vbscript|data):/i.test(a.value) && /^(href|src|action|formaction)$/i.test(a.name))).map((e) => e.outerHTML)).concat(
refused, pwned ? ["a script ran"] : [])`

// visit opens a page and finds nothing on it that must not be there.
func (b *browser) visit(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address), chromedp.WaitReady(chromedp.CSS("#content")))
	if found := eval[[]string](b, stranger); len(found) > 0 {
		b.t.Errorf("%s has %q", address, found)
	}
	b.well(address)
}

func (b *browser) well(address string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, what := range b.bad {
		b.t.Errorf("%s: %s", address, what)
	}
	b.bad = nil
}

// as shows pages to one who prefers dark or light, in a window of that width.
func (b *browser) as(scheme string, width int64) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1})
}

// shoot writes a picture of the whole page, where pictures are asked for.
func (b *browser) shoot(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	picture := result(b, chromedp.FullScreenshot(100))
	must(b.t, os.MkdirAll(*shots, 0o750))
	must(b.t, os.WriteFile(filepath.Join(*shots, name+".png"), picture, 0o600))
}

// accessible runs axe over the page.
func (b *browser) accessible(address string) {
	b.t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(axe))
	must(b.t, err)
	script, err := io.ReadAll(z)
	must(b.t, err)
	eval[int](b, string(script)+"\n;0")
	for _, v := range eval[[]string](b, `axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + " " + n.failureSummary).join(" | ")))`) {
		b.t.Errorf("%s: %s", address, v)
	}
}

// pagesOf are the pages of a console, one of each kind.
func pagesOf(t *testing.T, s *served) map[string]string {
	t.Helper()
	found, err := s.store.Incidents(t.Context(), history.Filter{Limit: 1000})
	must(t, err)
	pages := map[string]string{
		"now": "/", "incidents": "/incidents", "workloads": "/workloads", "nodes": "/nodes", "control": "/control", "rules": "/rules", "rule": "/rules/MEM001",
		"search": "/search?q=container&from=7d", "nothing": "/search?q=thereisnosuchthing", "refusal": "/incidents/none",
	}
	for _, in := range found.Items[:min(len(found.Items), 3)] {
		pages["incident-"+strings.ToLower(in.Rule)] = "/incidents/" + in.ID
		for _, node := range in.Nodes[:min(len(in.Nodes), 1)] {
			pages["node"] = "/nodes/" + url.PathEscape(node)
		}
	}
	deaths, err := s.store.Deaths(t.Context(), history.Filter{Limit: 1})
	must(t, err)
	for _, d := range deaths.Items {
		pages["death"] = fmt.Sprintf("/deaths/%d", d.ID)
	}
	return pages
}

// inSession offers everybody to log out.
type inSession struct{ Access }

func (inSession) InSession(*http.Request) bool { return true }

// TestEveryPage has every page looked at by axe, in dark and light and in three widths, and photographed.
func TestEveryPage(t *testing.T) {
	var last time.Time
	s := serve(t, func() time.Time { return last }, func(store *history.Store) { last = replayed(t, store) })
	s.console.Access, s.console.Survey = inSession{s.console.Access}, surveys(mostNodes+1)
	b := open(t, s)
	for name, path := range pagesOf(t, s) {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{320, 800, 1600} {
				b.as(scheme, width)
				b.visit(s.url + path)
				if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
					t.Errorf("%s at %d is %d too wide", path, width, over)
				}
				b.accessible(fmt.Sprintf("%s %s %d", path, scheme, width))
				b.shoot(fmt.Sprintf("%s-%s-%d", name, scheme, width))
			}
		}
	}
}
