// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const meta1 = "-- meta.yaml --\nformat: 1\ntaken: 2026-05-01T12:00:00Z\nhas: [spec, status]\n"

func readText(t *testing.T, text string) (*evidence.Snapshot, error) {
	t.Helper()
	files, err := txtar.FS(txtar.Parse([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return Bundle{FS: files}.Snapshot(t.Context(), evidence.Selection{})
}

func TestBundleSaysWhatIsWrong(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"no meta":        {"-- objects/shop/pod/a.yaml --\nkind: Pod\n", "this is not a bundle"},
		"newer format":   {strings.Replace(meta1, "format: 1", "format: 9", 1), "a newer inquest wrote this bundle"},
		"no time":        {"-- meta.yaml --\nformat: 1\n", "there is no time in taken"},
		"unknown kind":   {meta1 + "-- objects/shop/pod/a.yaml --\napiVersion: v1\nkind: Wombat\n", `kind "Wombat" is not a kind that is known`},
		"a list":         {meta1 + "-- objects/shop/pod/a.yaml --\napiVersion: v1\nkind: PodList\n", "not a single object"},
		"log path":       {meta1 + "-- logs/shop/web/0.log --\nx\n", "expected logs/<namespace>/<pod>/<container>/<attempt>.log"},
		"log number":     {meta1 + "-- logs/shop/web/app/last.log --\nx\n", `"last.log" is not the number of an attempt`},
		"unknown source": {meta1 + "-- nodes/n1/facts.jsonl --\n{\"source\":\"rumour\"}\n", `unknown source "rumour"`},
		"torn facts":     {meta1 + "-- nodes/n1/facts.jsonl --\n{\"source\":\n", "read nodes/n1/facts.jsonl"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readText(t, tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestBundleKeepsFactsGapsAndLogs(t *testing.T) {
	s := &evidence.Snapshot{
		Taken: noon(), Has: evidence.Status | evidence.Host, Subject: evidence.RefTo("Pod", "shop", "web"),
		Asked:  []evidence.Ref{evidence.RefTo("Pod", "shop", "web")},
		Absent: []evidence.Ref{evidence.RefTo("ConfigMap", "shop", "settings")},
		Gaps: []evidence.Gap{
			{Kind: evidence.Events, Why: "forbidden: cannot list events"},
			{Kind: evidence.Logs, About: evidence.RefTo("Pod", "shop", "web").InContainer("app").InAttempt(2), Why: "rotated away"},
		},
		Logs: []evidence.Log{{
			Of: evidence.RefTo("Pod", "shop", "web").InContainer("app").InAttempt(0), Text: "a\nb", Missing: "everything before", Masked: 2,
		}},
		Facts: []evidence.Fact{
			{Kind: evidence.Host, Source: evidence.FromKernel, About: evidence.RefTo("Node", "", "n1"), At: noon(), Where: "kmsg", Text: "oom-kill"},
			{Kind: evidence.Host, Source: evidence.FromRuntime, At: noon(), Where: "cri", Text: "x"},
		},
		Runs: []evidence.Attempt{{
			Of: evidence.RefTo("Pod", "shop", "web").InContainer("app").InAttempt(1), Started: noon(), Finished: noon(), ExitCode: 137, Signal: 9,
			Reason: "Error", Message: "m", Where: "runtime",
		}},
	}
	files, err := Files(s.Freeze())
	if err != nil {
		t.Fatal(err)
	}
	archive := &txtar.Archive{}
	for name, data := range files {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
	}
	fsys, err := txtar.FS(archive)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Bundle{FS: fsys}.Snapshot(t.Context(), evidence.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	for _, diff := range []string{
		cmp.Diff(s.Gaps, got.Gaps), cmp.Diff(s.Absent, got.Absent), cmp.Diff(s.Facts, got.Facts), cmp.Diff(s.Logs, got.Logs), cmp.Diff(s.Runs, got.Runs),
		cmp.Diff(s.Has, got.Has), cmp.Diff(s.Subject, got.Subject), cmp.Diff(s.Asked, got.Asked),
	} {
		if diff != "" {
			t.Errorf("a round trip changes (-before +after):\n%s", diff)
		}
	}
}

// FuzzBundle reads a bundle that anybody may have written: it never panics, and what is read can be written and read
// again to the same bytes.
func FuzzBundle(f *testing.F) {
	f.Add([]byte(meta1))
	f.Add([]byte(meta1 + "-- objects/shop/pod/a.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\n" +
		"status: {containerStatuses: [{name: app, restartCount: -1, lastState: {terminated: {exitCode: 137}}}]}\n"))
	f.Add([]byte(meta1 + "-- events/shop.yaml --\nitems: [{metadata: {name: e}, reason: Killing, series: {count: 2}}]\n"))
	f.Add([]byte(meta1 + "-- nodes/n1/facts.jsonl --\n{\"source\":\"kernel\",\"kind\":\"host\"}\n-- logs/shop/a/app/0.log --\nx\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := txtar.FS(txtar.Parse(data))
		if err != nil {
			return
		}
		s, err := Bundle{FS: files}.Snapshot(t.Context(), evidence.Selection{})
		if err != nil {
			return
		}
		if _, err := Files(s); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
	})
}
