// SPDX-License-Identifier: Apache-2.0

package history

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestErrors: what is in the way is named, and what to do about it.
func TestErrors(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, data []byte) string {
		name = filepath.Join(folder, name)
		must(t, os.WriteFile(name, data, 0o600))
		return name
	}
	used := filepath.Join(folder, "used.db")
	open(t, used, Options{})
	newer := filepath.Join(folder, "newer.db")
	s := open(t, newer, Options{})
	must(t, s.Close())
	db, err := sql.Open("sqlite", newer)
	must(t, err)
	_, err = db.Exec(`INSERT INTO history_version (version_id, is_applied) VALUES (99, 1)`)
	must(t, err)
	must(t, db.Close())
	none := filepath.Join(folder, "none.db")
	if _, err := Open(t.Context(), none, Options{ReadOnly: true}); err == nil || !strings.HasSuffix(err.Error(), "; name a file that inquest serve has written") {
		t.Errorf("no file to read: got %v", err)
	}
	for _, test := range []struct{ what, url, says string }{
		{"two processes", used, "another process writes to it; stop that one, name another file"},
		{"a newer version", newer, fmt.Sprintf("version 99 of the tables, this program knows %d; use that version of inquest", Version)},
		{"no folder", filepath.Join(folder, "none", "h.db"), "create its folder"},
		{"a folder", folder, "is a directory"},
		{"a text", write("text", []byte(strings.Repeat("not a database\n", 100))), "file is not a database"},
		{"no server", "postgres://inquest:secret-word@127.0.0.1:1/h?connect_timeout=1", "check that the server runs"},
		{"no server, and a password behind it", "postgres://inquest@127.0.0.1:1/h?connect_timeout=1&password=secret-word", "check that the server runs"},
		{"no address", "postgres://%zz", "postgres"},
	} {
		_, err := Open(t.Context(), test.url, Options{})
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: got %v, want it to say %q and no password", test.what, err, test.says)
		}
	}
}

// TestDamage: a file with a fault is refused at the start, or found by Check and told where it is read; never read wrongly
// in silence, and never a crash.
func TestDamage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "h.db")
	s := open(t, name, Options{})
	for i := range 50 {
		must(t, s.Record(t.Context(), death(fmt.Sprint("web-", i), 0, i)))
	}
	must(t, s.Close())
	whole, err := os.ReadFile(name)
	must(t, err)
	for what, damage := range map[string]func([]byte) []byte{
		"cut in half":       func(b []byte) []byte { return b[:len(b)/2] },
		"cut within a page": func(b []byte) []byte { return b[:len(b)-1000] },
		"zeroes":            func(b []byte) []byte { return append(b[:4096*3:4096*3], make([]byte, len(b)-4096*3)...) },
		"no header":         func(b []byte) []byte { return append(make([]byte, 100), b[100:]...) },
	} {
		t.Run(what, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "h.db")
			must(t, os.WriteFile(name, damage(append([]byte(nil), whole...)), 0o600))
			s, err := Open(t.Context(), name, Options{})
			if err == nil {
				err = s.Check(t.Context())
				must(t, s.Close())
			}
			if err == nil || !strings.Contains(err.Error(), "put back a copy") {
				t.Errorf("got %v, want it to say what to do", err)
			}
		})
	}
}

// earlier reads a death as the program before this one does.
func earlier(t *testing.T, url string, d Death) {
	t.Helper()
	s, err := connect(t.Context(), url, Options{})
	must(t, err)
	var text string
	var finished int64
	must(t, s.reads.QueryRowContext(t.Context(), `SELECT m.text, d.finished FROM deaths d JOIN pods p ON p.id = d.pod
		JOIN messages m ON m.id = d.message WHERE p.uid = $1`, s.dialect.uid(d.PodUID)).Scan(&text, &finished))
	want(t, "finished, of which 1 stands for the time that places it", finished, 1)
	want(t, "message", text, d.Verdict.Message)
	must(t, s.disconnect())
}

// TestMigrations: one version back and forth again, with data.
func TestMigrations(t *testing.T) {
	for name, backend := range backends() {
		if name == "memory" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			url := backend(t)
			s := open(t, url, Options{})
			one, two := death("web-0", 0, 0), death("web-1", 0, 60*48)
			one.PodUID, two.Finished = "6f0a1c9e-2c59-4b8a-9d0f-1d2f8f6f7a11", time.Time{}
			must(t, s.Record(t.Context(), one, two))
			before := deaths(t, s, Filter{})
			must(t, s.Close())
			must(t, Migrate(t.Context(), url, Version-1))
			must(t, Migrate(t.Context(), url, Version-1))
			earlier(t, url, one)
			must(t, Migrate(t.Context(), url, Version))
			must(t, Migrate(t.Context(), url, Version-1))
			s = open(t, url, Options{})
			if diff := cmp.Diff(before, deaths(t, s, Filter{})); diff != "" {
				t.Error(diff)
			}
			must(t, s.Record(t.Context(), one)) // is there already
			want(t, "of the pod", len(deaths(t, s, Filter{Pod: one.PodUID})), 1)
			want(t, "incidents", len(incidents(t, s, Filter{})), 2)
			want(t, "found", len(incidents(t, s, Filter{Text: "oom-kill web-1"})), 1)
			want(t, "found by the beginning of joined words", len(incidents(t, s, Filter{Text: "web-1 oom-ki"})), 1)
			want(t, "deaths", len(deaths(t, s, Filter{})), 2)
			must(t, s.commit([]*job{{run: func(t *txn) error {
				last, err := t.numbers(t.store.dialect.indexed)
				return errors.Join(err, t.exec(t.store.dialect.unindex, last[0])) // as where the program ended while it made the index
			}}}))
			must(t, s.Close())
			s = open(t, url, Options{})
			want(t, "found after it was made in two steps", len(incidents(t, s, Filter{Text: "oom-kill"})), 2)
			must(t, s.Close())
			if err := Migrate(t.Context(), url, 0); err == nil {
				t.Error("version 0 is none")
			}
			s = open(t, url, Options{ReadOnly: true})
			want(t, "read only", len(deaths(t, s, Filter{})), 2)
			if err := s.Record(t.Context(), death("web-0", 9, 9)); err == nil {
				t.Error("wrote to what was opened for reading")
			}
		})
	}
}
