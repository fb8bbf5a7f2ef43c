// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/journal"
)

// journalRoot is a host whose journal systemd wrote: of two boots, with what the kernel wrote, and what programs wrote as if they were it.
func journalRoot(t *testing.T) string {
	t.Helper()
	f, err := os.Open("testdata/system.journal.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	root := t.TempDir()
	dir := filepath.Join(root, "run/log/journal/0123456789abcdef0123456789abcdef")
	if err == nil {
		err = os.MkdirAll(dir, 0o750)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "system.journal"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestJournal(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	root := journalRoot(t)
	begin := func(from Position) (*told, *Reader, *journaled) {
		who := &told{}
		o := who.options()
		o.Root, o.Journal, o.Device, o.From = root, []string{"var/log/journal", "run/log/journal"}, Journal, from
		r, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		r.begin(boot, clock{noon})
		s, err := r.open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
		return who, r, s.(*journaled)
	}
	look := func(who *told, r *Reader, j *journaled) []string {
		if _, err := j.read(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		r.end()
		return who.said()
	}
	who, r, j := begin(Position{})
	if diff := cmp.Diff([]string{"conntrack-full node/n1", "oom-kill pod/web-0[app]#2uid-1", "segfault node/n1"}, look(who, r, j)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if at := who.entries[0].Fact.At; !at.Equal(noon.Add(2 * time.Second)) {
		t.Errorf("what the kernel wrote before journald began has the time %s", at)
	}
	if at := who.entries[1].Fact.At; at.Sub(noon).Round(time.Second) != 10*time.Second {
		t.Errorf("a kill has the time %s", at)
	}
	if r.at.Journal.Seq != 6 || r.at.Since != 11999*time.Millisecond || r.saved != r.at || r.Counts().Records < 3 {
		t.Errorf("it is at %+v, counted %+v", r.at, r.Counts())
	}
	for name, c := range map[string]struct {
		from Position
		want []string
	}{
		"a restart":                        {r.at, nil},
		"a restart of the machine":         {Position{Boot: "another", Journal: journal.Cursor{ID: r.at.Journal.ID, Seq: 0, Real: 1}}, []string{"fs-error node/n1", "conntrack-full node/n1", "oom-kill pod/web-0[app]#2uid-1", "segfault node/n1"}},
		"another source that was read":     {Position{Boot: boot, Seq: 800, Since: 11 * time.Second}, []string{"segfault node/n1"}},
		"another source after the journal": {Position{Boot: boot, Seq: 800, Since: 11 * time.Second, Journal: journal.Cursor{ID: r.at.Journal.ID, Seq: 1, Boot: plain(boot), Mono: 1, Real: 1}}, []string{"segfault node/n1"}},
		"another source of an older boot":  {Position{Boot: "another", Seq: 800, Since: 11 * time.Second}, []string{"conntrack-full node/n1", "oom-kill pod/web-0[app]#2uid-1", "segfault node/n1"}},
		"a journal that was removed since": {Position{Boot: boot, Journal: journal.Cursor{ID: "00", Seq: 5, Real: 1}}, []string{"fs-error node/n1", "conntrack-full node/n1", "oom-kill pod/web-0[app]#2uid-1", "segfault node/n1", "gap of 0 records: " + removed}},
	} {
		who, r, j := begin(c.from)
		if got := look(who, r, j); !cmp.Equal(c.want, got) {
			t.Errorf("%s: %s", name, cmp.Diff(c.want, got))
		}
	}
	who, r, j = begin(r.at)
	j.take(journal.Entry{At: noon, Transport: "driver", Message: "Missed 7 kernel messages"})
	if diff := cmp.Diff([]string{"gap of 7 records: " + overrun}, look(who, r, j)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
