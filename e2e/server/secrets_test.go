// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/history"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// A sieve is what everything that leaves the server goes through.
type sieve struct {
	garden *garden
	known  map[string]int // the first bytes of each form of each secret, and whose they are
	forms  map[string][]string
	found  map[string]bool   // what was found, where
	words  map[string]string // by word beside a secret, all places where it was read
	read   map[string]int    // bytes, by place
}

func newSieve(t *testing.T, g *garden) *sieve {
	t.Helper()
	s := &sieve{garden: g, known: map[string]int{}, forms: map[string][]string{}, found: map[string]bool{}, words: map[string]string{}, read: map[string]int{}}
	for i, secret := range g.secrets {
		for _, form := range secret.forms() {
			if owner, known := s.known[form[:piece]]; known && owner != i {
				t.Fatalf("%q begins a form of two secrets, %q and %q", form[:piece], g.secrets[owner].text, secret.text)
			}
			s.known[form[:piece]] = i
			s.forms[form[:piece]] = append(s.forms[form[:piece]], form)
		}
	}
	return s
}

// pass looks at every byte of a text for the beginning of a secret, and for the words beside them.
func (s *sieve) pass(where, text string) {
	s.read[where] += len(text)
	for i := 0; i+piece <= len(text); i++ {
		at := func(form string) bool { return strings.HasPrefix(text[i:], form) }
		if owner, known := s.known[text[i:i+piece]]; known && slices.ContainsFunc(s.forms[text[i:i+piece]], at) {
			s.found[fmt.Sprintf("%s has what was planted as %s: %.60q", where, s.garden.places[owner], s.garden.secrets[owner].text)] = true
		}
		if !at("beside") {
			continue
		}
		word := text[i:]
		if end := strings.IndexFunc(word, isNoLetter); end >= 0 {
			word = word[:end]
		}
		if place := s.garden.beside[word]; place != "" && !strings.Contains(s.words[place], where) {
			s.words[place] += where + " "
		}
	}
}

// isNoLetter tells whether a word ends here.
func isNoLetter(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }

// database goes through all rows of all tables, and through the evidence and the report of each death as they were before they were packed.
func (s *sieve) database(t *testing.T, where string, db *sql.DB, tables, address string) {
	t.Helper()
	var names []string
	each(t, db, tables, func(row []any) { names = append(names, fmt.Sprint(row[0])) })
	if len(names) < 10 {
		t.Fatalf("%s has the tables %q", where, names)
	}
	for _, name := range names {
		each(t, db, `SELECT * FROM "`+name+`"`, func(row []any) {
			for _, value := range row {
				if data, ok := value.([]byte); ok {
					value = string(data)
				}
				s.pass(where+" rows", fmt.Sprint(value))
			}
		})
	}
	store, err := history.Open(t.Context(), address, history.Options{ReadOnly: true})
	must(t, err)
	defer func() { must(t, store.Close()) }()
	page, err := store.Deaths(t.Context(), history.Filter{Limit: 1000})
	must(t, err)
	for _, d := range page.Items {
		if !d.HasBundle {
			continue
		}
		report, err := store.Report(t.Context(), d.ID, nil)
		must(t, err)
		files, err := store.Bundle(t.Context(), d.ID, nil)
		must(t, err)
		s.pass(where+" reports", string(report))
		for name, data := range files {
			s.pass(where+" bundles", name+"\n"+string(data))
		}
	}
}

func each(t *testing.T, db *sql.DB, query string, take func(row []any)) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	columns, err := rows.Columns()
	must(t, err)
	for rows.Next() {
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		must(t, rows.Scan(into...))
		take(row)
	}
	must(t, rows.Err())
}

// A mailbox takes what is sent to Alertmanager, to a hook and to a chat.
type mailbox struct {
	*httptest.Server
	mu   sync.Mutex
	mail map[string]string // by path
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	m := &mailbox{mail: map[string]string{}}
	m.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what came is what counts
		m.mu.Lock()
		defer m.mu.Unlock()
		m.mail[r.URL.Path] += fmt.Sprint(r.URL, r.Header, "\n", string(body), "\n")
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mailbox) all() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.mail)
}

// config is a file of --notify with a target of each kind.
func (m *mailbox) config(t *testing.T) string {
	t.Helper()
	name, key := filepath.Join(t.TempDir(), "notify.yaml"), filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(key, []byte("key of the hook"), 0o600))
	must(t, os.WriteFile(name, []byte(`{"targets":[{"name":"alerts","kind":"alertmanager","private":true,"url":"`+m.URL+`"},
		{"name":"hook","kind":"webhook","private":true,"keyFile":"`+key+`","url":"`+m.URL+`/hook"},
		{"name":"room","kind":"chat","private":true,"url":"mattermost://bot@`+strings.TrimPrefix(m.URL, "http://")+`/room?disabletls=yes"}]}`), 0o600))
	return name
}

// settled waits until a history has all that happened with what was captured of them.
func settled(t *testing.T, address string, n int) {
	t.Helper()
	eventually(t, 3*time.Minute, "all that happened is in the history with its evidence", func() bool {
		store, err := history.Open(t.Context(), address, history.Options{ReadOnly: true})
		if err != nil {
			return false
		}
		defer func() { must(t, store.Close()) }()
		page, err := store.Deaths(t.Context(), history.Filter{Limit: 1000})
		must(t, err)
		pods := map[string]bool{}
		for _, d := range page.Items {
			if d.Verdict != nil && d.Verdict.Settled && d.HasBundle {
				pods[d.Of.Name] = true
			}
		}
		return len(pods) >= n
	})
}

// TestSecrets plants secrets wherever a cluster can hold them, has the containers beside them die, and goes through all that the server
// keeps, shows, sends and says.
func TestSecrets(t *testing.T) {
	m, scratch := newMailbox(t), t.TempDir()
	file, metrics := filepath.Join(scratch, "history.db"), metricsAddress(t)
	shared := postgres.create(t, "secrets")
	r := serve(t, "secrets", "admin", "--db", file, "--notify", m.config(t), "--events", "--metrics-listen", metrics)
	other := serve(t, "secrets-pg", "admin", "--db", postgres.url("secrets", "inquest"))
	control.namespace(t, "vault", "vera")
	g := &garden{mint: newMint(), beside: map[string]string{}, logs: map[string]string{}}
	n := g.sow(t)
	t.Cleanup(func() { g.reap(t) })
	settled(t, file, n)
	settled(t, postgres.url("secrets", "test"), n)
	if len(g.secrets) < 200 {
		t.Fatalf("only %d secrets", len(g.secrets))
	}
	s := newSieve(t, g)
	s.pass("a mirror", g.secrets[0].text)
	if len(s.found) != 1 {
		t.Fatalf("of a text with a secret in it is found %v", s.found)
	}
	clear(s.found)
	clear(s.read)
	s.outside(t, r, m, metrics)
	s.terminal(t, file)
	for _, name := range []string{file, file + "-wal"} {
		data, err := os.ReadFile(name)
		must(t, err)
		s.pass("file "+filepath.Ext(name), string(data))
	}
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	must(t, err)
	defer func() { must(t, db.Close()) }()
	s.database(t, "sqlite", db, `SELECT name FROM sqlite_schema WHERE type = 'table'`, file)
	s.database(t, "postgres", shared, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`, postgres.url("secrets", "test"))
	for _, name := range []string{r.log, other.log} {
		data, err := os.ReadFile(name)
		must(t, err)
		s.pass("log", string(data))
	}
	s.judge(t)
}

// outside goes through what leaves the server: pages, JSON, archives, notifications, Events and metrics.
func (s *sieve) outside(t *testing.T, r *replica, m *mailbox, metrics string) {
	t.Helper()
	pages := (caller{base: r.url, token: "admin"}).crawl(t, func(path, body string) {
		where := "pages"
		switch {
		case strings.HasSuffix(path, ".zip"):
			where = "archives"
		case strings.Contains(path, "format=json"):
			where = "JSON"
		}
		s.pass(where, body)
	})
	t.Logf("%d pages", len(pages))
	eventually(t, 2*time.Minute, "everybody is told", func() bool { return len(m.all()) == 3 })
	for path, text := range m.all() {
		s.pass("mail to "+path, text)
	}
	eventually(t, 2*time.Minute, "Events are written", func() bool {
		events, err := control.CoreV1().Events("vault").List(t.Context(), metav1.ListOptions{})
		must(t, err)
		told := 0
		for i := range events.Items {
			if e := &events.Items[i]; strings.HasPrefix(e.ReportingController, "inquest") || strings.HasPrefix(e.ReportingController, "kubeinquest") || strings.Contains(e.ReportingInstance, "inquest") {
				told++
				s.pass("Events", e.String())
			}
		}
		return told > 0
	})
	code, body := (caller{base: "http://" + metrics}).ask(t, "/metrics")
	if code != http.StatusOK || !strings.Contains(body, "inquest_") {
		t.Errorf("/metrics answers %d with %.200q", code, body)
	}
	s.pass("metrics", body)
}

// terminal goes through what commands write.
func (s *sieve) terminal(t *testing.T, file string) {
	t.Helper()
	config := control.kubeconfig(t, "admin")
	for _, args := range [][]string{
		{"why", "-n", "vault", "--kubeconfig", config}, {"why", "-n", "vault", "--kubeconfig", config, "-o", "json"},
		{"history", "list", "--db", file}, {"history", "list", "--db", file, "-o", "json"}, {"history", "list", "--db", file, "-o", "csv"}, {"history", "rerun", "--db", file},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out, err := exec.CommandContext(ctx, inquest, args...).CombinedOutput()
		cancel()
		if err != nil {
			t.Errorf("%q: %v: %s", args, err, out)
		}
		s.pass("terminal "+args[0], string(out))
	}
}

// judge tells what leaked, and whether there was anything to leak: the words beside the secrets have to be in the evidence, and what
// died in each way out.
func (s *sieve) judge(t *testing.T) {
	t.Helper()
	for what := range s.found {
		t.Error(what)
	}
	for place := range s.garden.placesOfWords() {
		for _, where := range []string{"sqlite bundles", "postgres bundles", "archives"} {
			if !strings.Contains(s.words[place], where) {
				t.Errorf("%s have nothing of what stood beside the secrets in a %s: in %q", where, place, s.words[place])
			}
		}
	}
	for _, place := range []string{"log, previous", "log, current", "termination message", "Event"} {
		if !strings.Contains(s.words[place], "pages") || !strings.Contains(s.words[place], "JSON") {
			t.Errorf("no page shows what stood beside the secrets in a %s: it is in %q", place, s.words[place])
		}
	}
	for where, n := range s.read {
		if n == 0 {
			t.Errorf("%s has %d bytes", where, n)
		}
	}
	t.Logf("%d secrets; read %v", len(s.garden.secrets), s.read)
}
