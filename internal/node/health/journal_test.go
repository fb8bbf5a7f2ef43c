// SPDX-License-Identifier: Apache-2.0

package health

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/journal"
	"github.com/kubeinquest/inquest/internal/record"
)

// journal puts a journal there that systemd wrote, of 150 entries from noon on, a fifth of which are the kubelet's.
func (w *world) journal() {
	w.t.Helper()
	f, err := os.Open("../../journal/testdata/compact.journal.gz")
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("run/log/journal/0123456789abcdef0123456789abcdef/system.journal", string(data))
}

// TestJournal: units are read from the journal, once, and a restart goes on.
func TestJournal(t *testing.T) {
	w := newWorld(t)
	var saved []journal.Cursor
	o := Options{
		Units: []string{"kubelet.service", "crio.service"}, Journal: []string{"var/log/journal", "run/log/journal"},
		Save: func(at journal.Cursor) { saved = append(saved, at) },
	}
	c := w.checker(o)
	c.followUnits(t.Context())
	c.followUnits(t.Context())
	if diff := cmp.Diff("gap node-log 0 : no journal of systemd is to be read in var/log/journal, run/log/journal: mount the host's, which root and the group systemd-journal may read, or name files by --node-logs", w.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.journal()
	w.now = noon.Add(time.Second)
	for range 3 {
		c.followUnits(t.Context())
	}
	facts := w.told
	got := strings.Split(w.texts(), "\n")
	const first = `pleg-unhealthy 0 12:00:00: "Skipping pod synchronization" err="PLEG is not healthy: pleg was last seen active 1m"`
	if len(got) != 31 || got[0] != "gap node-log 0 : the journal could not be looked at" || got[1] != first {
		t.Errorf("told %d: %s", len(got), strings.Join(got[:min(2, len(got))], "\n"))
	}
	if e := facts[1]; e.Names != record.Anybody || e.Brief != "pleg-unhealthy: a line in the journal" {
		t.Errorf("told %+v", e)
	}
	if gap := facts[0].Gap; !gap.From.Equal(noon) || !gap.To.Equal(w.now) {
		t.Errorf("the gap is from %s to %s", gap.From, gap.To)
	}
	if len(saved) != 1 {
		t.Fatalf("saved %v", saved)
	}
	c.close()
	o.From = saved[0]
	c = w.checker(o)
	c.followUnits(t.Context())
	if got := w.texts(); got != "" {
		t.Errorf("after a restart: %s", got)
	}
	w.now = noon.Add(48 * time.Hour)
	o.From = journal.Cursor{}
	c = w.checker(o)
	c.followUnits(t.Context())
	if got := w.texts(); got != "" {
		t.Errorf("of what was long ago: %s", got)
	}
}

// TestFilesGoFirst: where files are named, the journal is not read.
func TestFilesGoFirst(t *testing.T) {
	w := newWorld(t)
	w.journal()
	if c := w.checker(Options{Logs: []string{"x"}, Units: []string{"kubelet.service"}, Journal: []string{"run/log/journal"}}); c.unitLog != nil {
		t.Error("it is")
	}
}

// TestWhoSaysIt: what is about a unit is taken from systemd alone, for anybody may write it.
func TestWhoSaysIt(t *testing.T) {
	w := newWorld(t)
	c := w.checker(Options{Units: []string{"kubelet.service"}, Journal: []string{"run/log/journal"}})
	for _, e := range []journal.Entry{
		{At: noon, Unit: "kubelet.service", SystemdUnit: "app.service", PID: 7, Message: pleg},
		{At: noon, SystemdUnit: "app.service", PID: 8, Message: pleg},
		{At: noon, SystemdUnit: "kubelet.service", PID: 9, Message: "text\n" + gc + "more"},
		{At: noon.Add(time.Second), Unit: "kubelet.service", SystemdUnit: "init.scope", PID: 1, Message: "Started kubelet.service - The Kubernetes Node Agent."},
		{At: noon, Transport: "driver", Message: "Suppressed 3 messages from kubelet.service"},
		{At: noon, Transport: "driver", Message: "Suppressed 4 messages from app.service"},
	} {
		c.unitLog.take(e)
	}
	if len(c.unitLog.dropped) != 1 || c.unitLog.dropped[0].Count != 3 {
		t.Errorf("dropped %+v", c.unitLog.dropped)
	}
	c.words(c.unitLog.words, "the journal", &c.unitLog.skipped)
	if diff := cmp.Diff("image-gc-failed 0 12:00:00: \"Image garbage collection failed once\" err=\"x\"\nunit-start 0 12:00:01: Started kubelet.service - The Kubernetes Node Agent.", w.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNoJournal: one that is not there is looked for seldom, and told of once.
func TestNoJournal(t *testing.T) {
	w := newWorld(t)
	c := w.checker(Options{Journal: []string{"var/log/journal"}, Units: []string{"kubelet.service"}})
	for look := range 2 {
		if next := c.followUnits(t.Context()); next != fileEvery {
			t.Errorf("looked for again after %s", next)
		}
		if len(w.told) != 1 {
			t.Errorf("told %d things at look %d", len(w.told), look)
		}
	}
}

// TestGapsEnd: each sort of thing that was missing is told of again when it is there.
func TestGapsEnd(t *testing.T) {
	w := newWorld(t)
	c := w.checker(Options{Config: "kubelet/config.yaml", Certificates: []string{"pki"}, Logs: []string{"kubelet.log"}})
	look := func() string {
		w.now = w.now.Add(time.Minute)
		c.files(t.Context())
		c.follow(t.Context())
		var gaps []string
		for _, e := range w.told {
			if e.Gap != nil {
				end := "open"
				if !e.Gap.To.IsZero() {
					end = e.Gap.To.Sub(e.Gap.From).String()
				}
				gaps = append(gaps, e.Gap.What+" "+end)
			}
		}
		w.told = nil
		return strings.Join(gaps, ", ")
	}
	for i, want := range []string{"kubelet-config open, certificates open, node-log open", "", "kubelet-config 2m0s, certificates 2m0s, node-log 2m0s", "", "node-log open", "node-log 1m0s"} {
		switch i {
		case 2:
			w.write("kubelet/config.yaml", "{}")
			w.write("pki/kubelet.crt", issue(t, "n1", noon, noon.Add(time.Hour)))
			w.write("kubelet.log", "")
		case 4:
			if err := os.Rename(filepath.Join(w.root, "kubelet.log"), filepath.Join(w.root, "away")); err != nil {
				t.Fatal(err)
			}
			c.logs[0].close()
		case 5:
			w.write("kubelet.log", "")
		}
		if got := look(); got != want {
			t.Errorf("look %d: %q, want %q", i, got, want)
		}
	}
}
