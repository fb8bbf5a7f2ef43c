// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/rules"
	"github.com/kubeinquest/inquest/internal/watch"
	"github.com/kubeinquest/inquest/internal/web"
)

// checkoutDied is the death of the example, with its bundle, as it would have been of another pod in another hour.
func checkoutDied(t *testing.T, pod, hour string, attempt int) history.Death {
	t.Helper()
	uid := map[string]string{"pwfrd": "d7809153"}[pod]
	if uid == "" {
		uid = "aaaaaaaa"
	}
	other := strings.NewReplacer("pwfrd", pod, "d7809153", uid, "T19:", "T"+hour+":", "restartCount: 3", fmt.Sprint("restartCount: ", attempt+1), "app/2.log", fmt.Sprintf("app/%d.log", attempt))
	bundle := map[string][]byte{}
	example := os.DirFS("../../examples/liveness-kill")
	err := fs.WalkDir(example, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || name == "report.txt" {
			return err
		}
		data, err := fs.ReadFile(example, name)
		bundle[other.Replace(name)] = []byte(other.Replace(string(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, "2026-11-23T"+hour+":49:40Z")
	if err != nil {
		t.Fatal(err)
	}
	d := history.Death{
		Cluster: "c", PodUID: uid + "-4737-4071-80fb-1e4b312bfadd", Of: evidence.RefTo("Pod", "shop", "checkout-598bd59448-"+pod).InContainer("app").InAttempt(attempt),
		Workload: evidence.RefTo("Deployment", "shop", "checkout"), Node: "n1", Started: at.Add(-10 * time.Second), Finished: at, Seen: at, ExitCode: 137,
	}
	v, err := watch.Judge(t.Context(), rules.All(), d, bundle)
	if err != nil {
		t.Fatal(err)
	}
	v.Settled, v.Bundle, v.Report = true, bundle, []byte(`{}`)
	d.Verdict = &v
	return d
}

// checkouts is a history of one incident: two deaths of one pod and between them one of another, each with its evidence, and a fourth
// without. Of the first something else was told than is today.
func checkouts(t *testing.T) (file string, in history.Incident) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "h.db")
	s, err := history.Open(t.Context(), file, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first, second, third := checkoutDied(t, "pwfrd", "18", 2), checkoutDied(t, "other", "19", 2), checkoutDied(t, "pwfrd", "20", 3)
	first.Verdict.Confidence, first.Verdict.Message = "possible", "container app ended \x1b[31msomehow"
	fourth := third
	told := *third.Verdict
	told.Bundle = nil
	fourth.Of.Attempt, fourth.Verdict = 4, &told
	if err := s.Record(t.Context(), first, second, third, fourth); err != nil {
		t.Fatal(err)
	}
	page, err := s.Incidents(t.Context(), history.Filter{})
	if err != nil || len(page.Items) != 1 || page.Items[0].Deaths != 4 {
		t.Fatalf("%+v, %v", page.Items, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return file, page.Items[0]
}

// inquest runs a command line that is to end so, and returns what it wrote.
func inquest(t *testing.T, status int, args ...string) (out, notes string) {
	t.Helper()
	var o, n bytes.Buffer
	if got := Main(t.Context(), args, strings.NewReader(""), &o, &n); got != status {
		t.Fatalf("%v: exit status %d, expected %d: %s%s", args, got, status, o.String(), n.String())
	}
	return o.String(), n.String()
}

// TestHistoryExport: the evidence of all deaths of an incident is in one bundle, the same bytes from the command and from the console,
// and why, serve and rerun read it.
func TestHistoryExport(t *testing.T) {
	file, in := checkouts(t)
	dir := t.TempDir()
	bundle, again := filepath.Join(dir, "case.zip"), filepath.Join(dir, "again.zip")
	_, notes := inquest(t, 0, "history", "export", in.ID[:6], "--db", file, "-o", bundle)
	if !strings.Contains(notes, "the evidence of 3 deaths in 3 bundles; of 1 more none was kept") {
		t.Error(notes)
	}
	inquest(t, 0, "history", "export", in.ID, "--db", file, "-o", again)
	written, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(again); err != nil || !bytes.Equal(written, second) {
		t.Errorf("written twice, it is not the same: %v", err)
	}
	if !bytes.Equal(written, downloaded(t, file, in.ID)) {
		t.Error("the console gives other bytes")
	}
	for _, tt := range []struct{ ask, of, at string }{
		{"", "pwfrd", "T20:"}, {"checkout-598bd59448-other", "other", "T19:"}, {"checkout-598bd59448-pwfrd", "pwfrd", "T20:"},
	} {
		out, notes := inquest(t, 0, strings.Fields("why --from "+bundle+" "+tt.ask)...)
		if !strings.Contains(out, "PRB001") || !strings.Contains(out, tt.at) || !strings.Contains(out, tt.of) || !strings.Contains(notes, "has 3 bundles") {
			t.Errorf("%q: %s%s", tt.ask, out, notes)
		}
	}
	if _, notes := inquest(t, 1, "history", "export", in.ID, "--db", file, "-n", "elsewhere", "-o", bundle); !strings.Contains(notes, "no incident") {
		t.Error(notes)
	}
	checkServed(t, bundle)
}

// downloaded is what the console gives of an incident.
func downloaded(t *testing.T, file, id string) []byte {
	t.Helper()
	s, err := history.Open(t.Context(), file, history.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	access, secret := web.NewLoopbackAccess(time.Now)
	h, err := (&web.Console{Store: s, Rules: rules.All(), Log: slog.New(slog.DiscardHandler), Now: time.Now, Access: access}).Handler()
	if err != nil {
		t.Fatal(err)
	}
	status, data := visitConsole(t, h, letIn(t, h, "/login?token="+secret, ""), "/incidents/"+id+"/bundle.zip")
	if status != http.StatusOK {
		t.Fatalf("%d: %.200s", status, data)
	}
	return []byte(data)
}

// checkServed: serve makes of an export the incident that it was of, from the file, and from a folder of unpacked ones.
func checkServed(t *testing.T, bundle string) {
	t.Helper()
	folder := t.TempDir()
	e, err := readExport(bundle)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(folder, "case"), e.files); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{bundle, folder, filepath.Join(folder, "case")} {
		s, err := history.Open(t.Context(), "memory:", history.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := &watch.Recorder{Rules: rules.All(), Store: s, Cluster: "c", Version: "v1", Log: slog.New(slog.DiscardHandler), Now: time.Now}
		last, err := replayAll(t.Context(), r, bundlesIn(from))
		if err != nil || last.Hour() != 20 {
			t.Errorf("%s: until %s, %v", from, last, err)
		}
		page, err := s.Incidents(t.Context(), history.Filter{Rule: "PRB001"})
		if err != nil || len(page.Items) != 1 || page.Items[0].Pods != 2 {
			t.Errorf("%s: %+v, %v", from, page.Items, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestServeCaseOfSiblings: of pods that died together each stands in the recording of the other, without its own evidence. What is told
// of each is what its own recording tells.
func TestServeCaseOfSiblings(t *testing.T) {
	first, second := checkoutDied(t, "other", "19", 2), checkoutDied(t, "pwfrd", "19", 2)
	for name, data := range second.Verdict.Bundle {
		if strings.HasPrefix(name, "objects/shop/pod/") {
			first.Verdict.Bundle[name] = data
		}
	}
	meta := second.Verdict.Bundle["meta.yaml"]
	second.Verdict.Bundle["meta.yaml"] = bytes.Replace(meta, []byte("19:49:42Z"), []byte("19:49:52Z"), 1)
	if bytes.Equal(meta, second.Verdict.Bundle["meta.yaml"]) {
		t.Fatalf("the example was taken at another time: %s", meta)
	}
	files := map[string][]byte{"incident.json": []byte(`{}`)}
	for folder, d := range map[string]history.Death{"death-1": first, "death-2": second} {
		for name, data := range d.Verdict.Bundle {
			files[folder+"/"+name] = data
		}
	}
	file := filepath.Join(t.TempDir(), "case.zip")
	if err := collect.WriteArchive(file, files); err != nil {
		t.Fatal(err)
	}
	r := &watch.Recorder{Rules: rules.All(), Cluster: "c", Version: "v1", Log: slog.New(slog.DiscardHandler), Now: time.Now}
	var err error
	if r.Store, err = history.Open(t.Context(), "memory:", history.Options{}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Store.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := replayAll(t.Context(), r, []string{file}); err != nil {
		t.Fatal(err)
	}
	page, err := r.Store.Incidents(t.Context(), history.Filter{})
	if err != nil || len(page.Items) != 1 || page.Items[0].Rule != "PRB001" || page.Items[0].Pods != 2 || page.Items[0].Confidence != "certain" {
		t.Errorf("%+v, %v", page.Items, err)
	}
}

// TestRerunOfOlderExport: what consoles once gave to narrowed callers is in the form of a page, and who gives it is told what to do.
func TestRerunOfOlderExport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "case.zip")
	if err := collect.WriteArchive(file, map[string][]byte{"incident.json": []byte(`{"incident":{"id":"abc","state":"open"},"deaths":[{"id":7,"kind":"ended"}]}`)}); err != nil {
		t.Fatal(err)
	}
	if _, told := inquest(t, 1, "history", "rerun", "--from", file); !strings.Contains(told, "an older console wrote "+file+": judge its folders by inquest why --from "+filepath.Join(file, "death-N")) {
		t.Error(told)
	}
}

// TestHistoryRerun: what changed is told, old and new, of what was asked for, and in the exit status where that is asked for.
func TestHistoryRerun(t *testing.T) {
	file, in := checkouts(t)
	bundle := filepath.Join(t.TempDir(), "case.zip")
	inquest(t, 0, "history", "export", in.ID, "--db", file, "-o", bundle)
	for _, from := range [][]string{{"--db", file}, {"--db", file, "--incident", in.ID[:5], "--rule", "PRB001", "--since", "876000h"}, {"--from", bundle}} {
		run := func(status int, more ...string) string {
			out, _ := inquest(t, status, append(append([]string{"history", "rerun"}, from...), more...)...)
			return out
		}
		out := run(0)
		for _, says := range []string{
			"pod/checkout-598bd59448-pwfrd[app]#2 at 2026-11-23T18:49:40Z, incident " + in.ID + "\n  was  PRB001 possible: container app ended ", "\n  now  PRB001 certain: container app was ended by the kubelet",
			"PRB001 → PRB001: 1 death\n", "3 deaths judged, 1 changed, 0 could not be judged\n",
		} {
			if !strings.Contains(out, says) || strings.Contains(out, "\x1b") {
				t.Errorf("%v: %s\nlacks %q", from, out, says)
			}
		}
		run(1, "--exit-code")
		var told struct {
			Changed int
			Changes []history.Rerun
		}
		if err := json.Unmarshal([]byte(run(0, "-o", "json")), &told); err != nil || told.Changed != 1 || told.Changes[0].Death.Verdict.Confidence != "possible" || told.Changes[0].Now.Confidence != "certain" {
			t.Errorf("%v: %+v, %v", from, told, err)
		}
	}
	for _, tt := range []struct {
		status     int
		says, args string
	}{
		{0, "0 deaths judged", "--db " + file + " --rule MEM001 --exit-code"},
		{0, "0 deaths judged", "--db " + file + " --since 1s"},
		{1, "no incident", "--db " + file + " --incident zzz"},
		{2, "no incident", "--db " + file + " --incident zzz --exit-code"},
		{1, "leave out --db", "--db " + file + " --from " + bundle},
		{1, "no incident.json", "--from ../../examples/liveness-kill"},
		{1, "as text or json", "--db " + file + " -o csv"},
		{1, "lies ahead", "--db " + file + " --since -1s"},
	} {
		if out, notes := inquest(t, tt.status, append([]string{"history", "rerun"}, strings.Fields(tt.args)...)...); !strings.Contains(out+notes, tt.says) {
			t.Errorf("%s: %s%s", tt.args, out, notes)
		}
	}
}
