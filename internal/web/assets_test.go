// SPDX-License-Identifier: Apache-2.0

package web

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

// TestVendored: what is of others is what vendored.json says, and all that is in static and not named there is ours.
func TestVendored(t *testing.T) {
	raw, err := os.ReadFile("vendored.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ File, Name, Version, License, Text, Source, SHA256 string }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, v := range all {
		named = append(named, v.File, v.Text)
		data, err := os.ReadFile(v.File)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != v.SHA256 {
			t.Errorf("%s has the checksum %x", v.File, sum)
		}
		if text, err := os.ReadFile(v.Text); err != nil || len(text) < 300 {
			t.Errorf("the licence of %s is not in %s", v.Name, v.Text)
		}
		if v.Version == "" || v.License == "" || v.Source == "" {
			t.Errorf("%+v lacks something", v)
		}
		if strings.HasSuffix(v.File, ".js") && v.Name == "uPlot" && !strings.Contains(string(data[:200]), "v"+v.Version) {
			t.Errorf("%s is of another version than %s", v.File, v.Version)
		}
	}
	own(t, named)
}

// own finds that all else in static is ours.
func own(t *testing.T, others []string) {
	t.Helper()
	err := filepath.WalkDir("static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || slices.Contains(others, name) {
			return err
		}
		data, err := os.ReadFile(name)
		if !strings.Contains(string(data), "SPDX-License-Identifier: Apache-2.0") {
			t.Errorf("%s is neither ours nor named in vendored.json", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStatic: a browser keeps what pages use for as long as it is the same.
func TestStatic(t *testing.T) {
	h := console(t)
	_, body, _ := get(t, h, "*", "/")
	at := strings.Index(body, "/static/htmx.js?v=")
	address := body[at : at+strings.IndexByte(body[at:], '"')]
	_, script, header := get(t, h, "", address)
	if !strings.Contains(header.Get("Cache-Control"), "immutable") || !strings.HasPrefix(header.Get("Content-Type"), "text/javascript") || len(script) < 10_000 {
		t.Errorf("%s is served with %v", address, header)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	r.Header.Set("If-None-Match", header.Get("ETag"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusNotModified {
		t.Errorf("what is known is sent again: %d", w.Code)
	}
	if _, _, header := get(t, h, "", "/static/htmx.js?v=old"); strings.Contains(header.Get("Cache-Control"), "immutable") {
		t.Error("an old address is kept for ever")
	}
	for _, address := range []string{"/static/", "/static/../console.go", "/static/none.js", "/static/licenses/"} {
		if code, _, _ := get(t, h, "", address); code == http.StatusOK {
			t.Errorf("%s: %d", address, code)
		}
	}
}

// TestFirstPage: with all that it uses it has less than 100 KB, compressed.
func TestFirstPage(t *testing.T) {
	var deaths []history.Death
	for i := range 100 {
		deaths = append(deaths, died("shop", strings.Repeat("w", i%7+1)+string(rune('a'+i%26)), i))
	}
	h := console(t, deaths...)
	_, page, _ := get(t, h, "*", "/")
	sum := 0
	for _, address := range append([]string{"/"}, assetsOf(page)...) {
		_, body, header := getAs(t, h, http.Header{"Who": {"*"}, "Accept-Encoding": {"gzip, br"}}, address)
		sum += len(body)
		if len(body) < 1000 {
			continue
		}
		z, err := gzip.NewReader(strings.NewReader(body))
		if err != nil || header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s is not compressed: %v", address, err)
		}
		if _, err := io.Copy(io.Discard, io.LimitReader(z, 10<<20)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d bytes", sum)
	if sum > 100_000 || sum < 10_000 {
		t.Errorf("the first page has %d bytes", sum)
	}
	if _, body, _ := getAs(t, h, http.Header{"Who": {"*"}, "Accept-Encoding": {"gzip;q=0"}}, "/"); !strings.HasPrefix(body, "<!doctype html>") {
		t.Error("it is compressed for who does not take that")
	}
}

func assetsOf(page string) []string {
	var all []string
	for _, before := range []string{`href="`, `src="`} {
		for _, part := range strings.Split(page, before)[1:] {
			if link, _, _ := strings.Cut(part, `"`); strings.HasPrefix(link, "/static/") {
				all = append(all, link)
			}
		}
	}
	return all
}

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain\n\ttext": "plain\n\ttext", "a\u202eb": `a\u202eb`, "a\x1b[31m": `a\u001b[31m`, "\u200b\ufeff": `\u200b\ufeff`, "\xff": "\ufffd", "ä €": "ä €", "\u2028": `\u2028`,
	} {
		if got := string(visible([]byte(text))); got != want {
			t.Errorf("%q is shown as %q, expected %q", text, got, want)
		}
	}
}

// TestStreams: no more streams than there may be; each tells of what comes, and ends with the program.
func TestStreams(t *testing.T) {
	base, end := context.WithCancel(t.Context())
	defer end()
	c := consoleWith(t, headerAccess{})
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.Config.BaseContext = func(net.Listener) context.Context { return base }
	server.Start()
	defer server.Close()
	listen := func(ctx context.Context) *http.Response {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/live", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Who", "*")
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	first := listen(t.Context())
	defer first.Body.Close()
	if text := read(t, first.Body, "hello"); !strings.Contains(text, "retry: ") {
		t.Errorf("it begins with %q", text)
	}
	occupy(c.streams)
	refused := listen(t.Context())
	if refused.Body.Close(); refused.StatusCode != http.StatusServiceUnavailable || refused.Header.Get("Retry-After") == "" {
		t.Errorf("one too many gets %s", refused.Status)
	}
	if err := c.Store.Record(t.Context(), died("shop", "late", 1)); err != nil {
		t.Fatal(err)
	}
	read(t, first.Body, "event: change")
	end()
	if _, err := io.Copy(io.Discard, io.LimitReader(first.Body, 1<<20)); err != nil {
		t.Errorf("the stream ends with %v", err)
	}
}

// read reads until a text has come.
func read(t *testing.T, from io.Reader, until string) string {
	t.Helper()
	var all strings.Builder
	buffer := make([]byte, 1024)
	for !strings.Contains(all.String(), until) {
		n, err := from.Read(buffer)
		all.Write(buffer[:n])
		if err != nil {
			t.Fatalf("%q and then %v", all.String(), err)
		}
	}
	return all.String()
}

// TestSlowReader: who does not read what he is told is let go of, and holds nobody else up.
func TestSlowReader(t *testing.T) {
	c := consoleWith(t, headerAccess{})
	if _, err := c.Handler(); err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	defer far.Close()
	w := &stuck{ResponseWriter: httptest.NewRecorder(), conn: near}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/live", http.NoBody)
	r.Header.Set("Who", "*")
	c.live(w, r) // returns although nobody reads
	if w.deadline.IsZero() || c.streams.taken != 0 {
		t.Errorf("there is no deadline, or %d streams are left", c.streams.taken)
	}
}

// A stuck writer is one whose other end does not read.
type stuck struct {
	http.ResponseWriter
	conn     net.Conn
	deadline time.Time
}

func (s *stuck) SetWriteDeadline(at time.Time) error {
	s.deadline = at
	return s.conn.SetWriteDeadline(time.Now()) // it has passed already, so that nothing is waited for
}

func (s *stuck) Write(data []byte) (int, error) { return s.conn.Write(data) }

// Flush has nothing to do.
func (s *stuck) Flush() {}

// TestBusy: what is too much at once is refused, and told so.
func TestBusy(t *testing.T) {
	c := consoleWith(t, headerAccess{})
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	occupy(c.asked)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as the time for one page would
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/?format=json", http.NoBody)
	r.Header.Set("Who", "*")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
