// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/rules"
)

// TestOnePath is the promise that there is one path: for every fixture of every rule that was recorded from a cluster,
// the causes found through the bundle are those found through a cluster that holds the same objects, Events and logs; and
// for every fixture at all, the whole report through that cluster is the report through the bundle that it gives. Gaps
// of the fixture itself are its own: it may be trimmed, and one made by hand leaves out what a cluster would know.
func TestOnePath(t *testing.T) {
	names, err := filepath.Glob("../rules/*/testdata/[A-Z]*.txtar")
	if err != nil || len(names) < 50 {
		t.Fatalf("%d fixtures, %v", len(names), err)
	}
	if raced {
		names = slices.DeleteFunc(names, func(name string) bool { return crc32.ChecksumIEEE([]byte(name))%8 != 0 })
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, 16) // more than there are processors: most of it is waiting for logs that are gone
	for _, name := range names {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { onePath(t, name) })
		})
	}
	group.Wait()
}

func onePath(t *testing.T, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := ruletest.Read(t, archive)
	complete(s)
	sel := question(s)
	s, err = collect.Select(s, sel)
	if err != nil {
		t.Fatal(err)
	}
	server := apitest.New(t, s)
	source := collect.Cluster{Config: server.Config(), Now: func() time.Time { return s.Taken }}
	got := patiently(t, source, sel)
	got.Facts = nil // which the fixture lacks as well, see complete
	got = got.Freeze()
	live := examine(got)
	recorded := strings.HasPrefix(string(archive.Comment), "origin: lab")
	if diff := cmp.Diff(encode(t, examine(s).Causes), encode(t, live.Causes)); recorded && diff != "" {
		t.Errorf("causes differ (-bundle +cluster):\n%s", diff)
	}
	files, err := collect.Files(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(encode(t, live), encode(t, examine(ruletest.Read(t, ruletest.Archive(files))))); diff != "" {
		t.Errorf("reports differ (-cluster +bundle):\n%s", diff)
	}
}

// patiently asks a cluster again that was too slow, as it is on a machine with other work: that is not what is tested.
func patiently(t *testing.T, source collect.Cluster, sel evidence.Selection) *evidence.Snapshot {
	for tries := 3; ; tries-- {
		got, err := source.Snapshot(t.Context(), sel)
		slow := func(g evidence.Gap) bool {
			return strings.Contains(g.Why, "time-out after") || strings.Contains(g.Why, "not read within")
		}
		switch {
		case err == nil && (tries == 1 || !slices.ContainsFunc(got.Gaps, slow)):
			return got
		case err != nil && (tries == 1 || !strings.Contains(err.Error(), "time-out after")):
			t.Fatal(err)
		}
	}
}

// complete gives a fixture made by hand what every API server gives: UIDs. It takes away what none has: facts without an
// object.
func complete(s *evidence.Snapshot) {
	s.Facts = nil
	for _, o := range s.Objects {
		if o.GetUID() == "" {
			o.SetUID(types.UID(evidence.RefOf(o).String()))
		}
	}
	for _, e := range s.Events {
		of := e.InvolvedObject
		if o := s.Object(evidence.RefTo(of.Kind, of.Namespace, of.Name)); o != nil && of.UID == "" && of.Kind != "Node" {
			e.InvolvedObject.UID = o.GetUID()
		}
	}
	s.Freeze()
}

// question is what a fixture was recorded to answer; of one without a subject, what is wrong with the one thing that it
// is about.
func question(s *evidence.Snapshot) evidence.Selection {
	ref := s.Subject
	for _, kind := range []string{"Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet", "PersistentVolumeClaim", "Node"} {
		var of []evidence.Ref
		for _, o := range s.Objects {
			if at := evidence.RefOf(o); at.Kind == kind {
				of = append(of, at)
			}
		}
		if ref.Kind == "" && len(of) == 1 {
			ref = of[0]
		}
	}
	return evidence.Selection{Ref: ref, Namespace: ref.Namespace}
}

func examine(s *evidence.Snapshot) report.Report {
	return report.New(diagnosis.Examine(s, rules.All()))
}

func encode(t *testing.T, v any) string {
	t.Helper()
	js, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(js)
}
