// SPDX-License-Identifier: Apache-2.0

package report

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

var update = flag.Bool("update", false, "rewrite what the tests compare with")

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	current(t, filepath.Join("testdata", name), got)
}

func current(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is out of date (-want +got), run go test -update:\n%s", path, diff)
	}
}

var taken = time.Date(2026, 8, 24, 10, 6, 0, 0, time.UTC)

func ago4m(seconds int) time.Time {
	return taken.Add(-4*time.Minute + time.Duration(seconds)*time.Second)
}

func pod(name string) evidence.Ref { return evidence.RefTo("Pod", "shop", name) }

var (
	nodeDown = &diagnosis.Rule{ID: "NOD002", Title: "The container runtime stopped answering", Scope: diagnosis.Node, Effect: diagnosis.RuntimeFailed}
	liveness = &diagnosis.Rule{ID: "PRB001", Title: "Killed by a failed liveness probe", Effect: diagnosis.LivenessFailed}
	grace    = &diagnosis.Rule{ID: "EXT004", Title: "Ended by SIGKILL after its grace period", Effect: diagnosis.Killed}
	limit    = &diagnosis.Rule{ID: "MEM001", Title: "Container exceeded its memory limit", Effect: diagnosis.OutOfMemory}
	waiting  = &diagnosis.Rule{ID: "EVC001", Title: "Evicted under node pressure", Effect: diagnosis.Evicted}
)

// fleet is a report of everything that a report can hold: a node that takes pods down, five pods with one fault, a
// death that nothing explains, and evidence that is missing.
func fleet() *diagnosis.Report {
	r := &diagnosis.Report{Taken: taken, Subject: evidence.RefTo("Namespace", "", "shop"), Asked: 9}
	r.Causes = append(r.Causes, nodeCause())
	for _, name := range []string{"web-1", "web-2", "web-3", "web-10", "web-4"} {
		r.Causes = append(r.Causes, memoryCause(name))
	}
	r.Undetermined = []diagnosis.Undetermined{{
		About: pod("worker-3").InContainer("job").InAttempt(4), At: ago4m(-3600),
		Message: "container job ended with exit code 255, reason Unknown, and nothing that could be read says who ended it",
		SettledBy: []string{
			"the log of that attempt (rotated away)",
			"the node's kernel log and the record of who sent the signal (no node agent)",
		},
	}}
	for _, name := range []string{"web-1", "web-2", "web-3", "web-4"} {
		for _, rule := range []*diagnosis.Rule{waiting, liveness, grace, nodeDown} {
			r.Skipped = append(r.Skipped, diagnosis.Skip{
				Rule: rule, About: pod(name), Missing: evidence.Events, Why: "forbidden: cannot list events in namespace shop",
			})
		}
	}
	r.Gaps = []evidence.Gap{
		{Kind: evidence.Events, About: evidence.RefTo("Namespace", "", "shop"), Why: "forbidden: cannot list events in namespace shop"},
		{Kind: evidence.Host, Why: "no node agent"},
	}
	return r
}

func nodeCause() diagnosis.Cause {
	node := evidence.RefTo("Node", "", "node-7")
	app := pod("cart-0").InContainer("app")
	killed := diagnosis.Cause{Finding: diagnosis.Finding{
		Rule: grace, About: app.InAttempt(3), At: ago4m(41), Confidence: diagnosis.Certain,
		Message: "container app was ended by SIGKILL when its grace period of 30s was over, exit code 137",
		Facts: []evidence.Fact{{
			Kind: evidence.Status, Source: evidence.FromStatus, About: app.InAttempt(3), At: ago4m(41),
			Where: "status.containerStatuses[app].lastState.terminated", Text: "exitCode 137, reason Error",
		}},
	}}
	probe := diagnosis.Cause{Finding: diagnosis.Finding{
		Rule: liveness, About: app, At: ago4m(11), Confidence: diagnosis.Certain,
		Message: "the liveness probe of container app failed 3 times, so the kubelet ordered its end at 10:02:11",
		Facts: []evidence.Fact{{
			Kind: evidence.Events, Source: evidence.FromEvent, About: app, At: ago4m(11), Where: "events",
			Text: "Killing: Container app failed liveness probe, will be restarted",
		}},
	}, Leads: []diagnosis.Cause{killed}}
	return diagnosis.Cause{Finding: diagnosis.Finding{
		Rule: nodeDown, About: node, At: ago4m(-20), Confidence: diagnosis.Certain,
		Message: "containerd on node node-7 stopped answering the kubelet at 10:01:40",
		Facts: []evidence.Fact{
			{
				Kind: evidence.Node, Source: evidence.FromStatus, About: node, At: ago4m(-20), Where: "status.conditions[Ready]",
				Text: "Ready False, reason KubeletNotReady: container runtime is down",
			},
			{
				Kind: evidence.Node, Source: evidence.FromStatus, About: pod("cart-0"), At: ago4m(-86400), Where: "status.startTime",
				Text: "started the day before",
			},
		},
		Against: []evidence.Fact{{
			Kind: evidence.Node, Source: evidence.FromSpec, About: node, Where: "spec.unschedulable", Text: "the node is still schedulable",
		}},
		Fixes: []diagnosis.Fix{
			{Title: "Look at the log of containerd on node-7", Command: "kubectl get --raw '/api/v1/nodes/node-7/proxy/logs/?query=containerd&tailLines=200'"},
			{Title: "Restart containerd on node-7", Risk: diagnosis.NodeRestart},
		},
	}, Leads: []diagnosis.Cause{probe}}
}

func memoryCause(name string) diagnosis.Cause {
	app := pod(name).InContainer("app").InAttempt(2)
	return diagnosis.Cause{Finding: diagnosis.Finding{
		Rule: limit, About: app, At: ago4m(30), Confidence: diagnosis.Certain,
		Message: "container app of " + name + " was killed at its memory limit of 256Mi after 41s",
		Facts: []evidence.Fact{
			{
				Kind: evidence.Status, Source: evidence.FromStatus, About: app, At: ago4m(30),
				Where: "status.containerStatuses[app].lastState.terminated", Text: "exitCode 137, reason OOMKilled, finishedAt 2026-08-24T10:02:30Z",
			},
			{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: app,
				Where: "spec.containers[app].resources.limits.memory", Text: "256Mi",
			},
			{Kind: evidence.Logs, Source: evidence.FromLog, About: app, At: ago4m(29), Where: "log", Text: "loading the whole catalogue into memory"},
			{Kind: evidence.Logs, Source: evidence.FromLog, About: app, At: ago4m(29), Where: "log", Text: "12000 of 90000 read"},
		},
		Fixes: []diagnosis.Fix{{
			Title: "Raise the memory limit of app to 512Mi", Risk: diagnosis.Restart,
			Patch: &diagnosis.Patch{
				Target: evidence.RefTo("Deployment", "shop", "web"), Type: diagnosis.Strategic,
				Data: `{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"512Mi"}}}]}}}}`,
			},
		}},
	}}
}

func quiet() *diagnosis.Report {
	return &diagnosis.Report{Taken: taken, Subject: pod("web-0"), Asked: 1, Gaps: []evidence.Gap{{Kind: evidence.Host, Why: "no node agent"}}}
}

// crowd is a report of the whole cluster with more causes than the short form tells in full.
func crowd() *diagnosis.Report {
	r := &diagnosis.Report{Taken: taken, Asked: 40, Causes: []diagnosis.Cause{nodeCause()}}
	for _, name := range []string{"api", "cart", "db", "front", "mail", "pay", "queue", "search"} {
		c := memoryCause(name)
		c.Fixes[0].Patch.Target.Name = name
		r.Causes = append(r.Causes, c)
	}
	return r
}

func TestText(t *testing.T) {
	golden(t, "crowd.txt", Text([]Report{New(crowd())}, Options{Inquest: "kubectl inquest"}))
	golden(t, "fleet.txt", Text([]Report{New(fleet())}, Options{}))
	golden(t, "fleet-wide.txt", Text([]Report{New(fleet())}, Options{Wide: true, Width: 100, Kubectl: []string{"kubectl", "--context", "prod"}}))
	golden(t, "quiet.txt", Text([]Report{New(quiet()), New(quiet())}, Options{}))
	golden(t, "fleet.ansi", Text([]Report{New(fleet())}, Options{Color: true}))
}

func TestMarkdown(t *testing.T) {
	golden(t, "fleet.md", Markdown([]Report{New(fleet()), New(quiet())}, nil))
}

func TestEncode(t *testing.T) {
	for name, reports := range map[string][]Report{"fleet": {New(fleet())}, "list": {New(quiet()), New(quiet())}} {
		js, err := JSON(reports)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", string(js))
		ym, err := YAML(reports)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".yaml", string(ym))
	}
}
