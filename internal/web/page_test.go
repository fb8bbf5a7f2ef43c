// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// A cluster answers what is asked about it, and counts.
type cluster struct {
	asked int
	err   error
}

// Snapshot is a control plane with a slow database, or a node beyond its marks.
func (c *cluster) Snapshot(_ context.Context, sel evidence.Selection) (*evidence.Snapshot, error) {
	c.asked++
	if c.err != nil {
		return nil, c.err
	}
	fact := func(kind evidence.Kind, about evidence.Ref, name, text string, value float64) evidence.Fact {
		return evidence.Fact{Kind: kind, Source: evidence.FromMetric, About: about, At: noon, Name: name, Text: text, Value: value}
	}
	holder, seconds, renewed := "cm-1", int32(15), metav1.NewMicroTime(noon.Add(-time.Minute))
	return (&evidence.Snapshot{
		Taken: noon, Has: evidence.Control | evidence.Node,
		Facts: []evidence.Fact{
			fact(evidence.Control, sel.Ref, "etcd-latency", "requests of the API server to etcd took 150 ms in the mean, 300 ms at the 99th percentile (99 in 2s; below 10 ms is normal, above 100 ms is not)", 0.15),
			fact(evidence.Control, sel.Ref, "etcd-size", "etcd's database has 90 MiB", 9e7),
			fact(evidence.Usage, sel.Ref, "eased.disk.space", "disk.space of nodefs: 10% free, back below its mark of 90", 80),
			fact(evidence.Usage, sel.Ref, "saturated.usage.memory", "usage.memory: 95%, beyond its mark of 90", 95),
		},
		Objects: []evidence.Object{
			&coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Name: "kube-scheduler", Namespace: "kube-system"},
				Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &renewed},
			},
			&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Status: corev1.NodeStatus{
				NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "v1.37.2"},
				Conditions: []corev1.NodeCondition{
					{Type: corev1.NodeReady, Status: corev1.ConditionTrue}, {Type: corev1.NodeDiskPressure, Status: corev1.ConditionTrue, Reason: "KubeletHasDiskPressure"},
				},
			}},
		},
	}).Freeze(), nil
}

// contains finds each of some words in a page.
func contains(t *testing.T, where, body string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(body, w) {
			t.Errorf("%s does not say %q", where, w)
		}
	}
}

func TestControl(t *testing.T) {
	source := &cluster{}
	c := consoleWith(t, headerAccess{})
	c.Look = source
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, body, _ := get(t, h, "*", "/control")
		contains(t, "the control plane", body, "abnormal", `value="150"`, "normal below 10 ms", "kube-scheduler", "cm-1", " late", "90 MiB")
	}
	if source.asked != 1 {
		t.Errorf("the cluster was asked %d times", source.asked)
	}
	if _, body, _ := get(t, h, "shop", "/control"); strings.Contains(body, "cm-1") || source.asked != 1 {
		t.Error("who may see one namespace sees the control plane")
	}
	c.Look = &cluster{err: errors.New("forbidden: cannot get /metrics")}
	c.Now = func() time.Time { return noon.Add(time.Hour) }
	_, body, _ := get(t, h, "*", "/control")
	contains(t, "a control plane that cannot be seen", body, "forbidden: cannot get /metrics")
}

// TestUTC: a list says in UTC since when it is, whatever the zone of the server.
func TestUTC(t *testing.T) {
	c := consoleWith(t, headerAccess{})
	c.Now = func() time.Time { return noon.In(time.FixedZone("CET", 3600)) }
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := get(t, h, "*", "/incidents?since=1h&format=json")
	contains(t, "the list", body, `"from": "`+noon.Add(-time.Hour).Format(time.RFC3339)+`"`)
}

// TestTimes: incidents are found by when they were, absolute and relative, in the form, the address and JSON.
func TestTimes(t *testing.T) {
	early := died("shop", "early", 1)
	early.Started, early.Finished, early.Seen = noon.Add(-50*time.Hour), noon.Add(-49*time.Hour), noon.Add(-49*time.Hour)
	h := console(t, early, died("shop", "late", 2))
	for query, want := range map[string]string{
		"": "", "from=2h": "late", "to=2h": "early", "from=3d&to=2d": "early", "from=3d": "early late", "to=2026-10-31": "early", "q=late&from=2h": "late", "q=early&from=2h": "",
		"from=2026-11-01T00:00:00Z": "late", "to=2026-11-01T01:00:00%2B01:00": "early", "from=2026-11-01+00:00:00Z": "late", "from=1h30m": "late", "since=1h": "late",
	} {
		code, body, _ := get(t, h, "*", "/search?format=json&"+query)
		if code != http.StatusOK {
			t.Errorf("%s: %d %s", query, code, body)
		}
		for _, name := range []string{"early", "late"} {
			if got := strings.Contains(body, `"title": "`+name+`"`); got != strings.Contains(want, name) {
				t.Errorf("%q finds the %s one: %v", query, name, got)
			}
		}
	}
	for _, query := range []string{"from=yesterday", "to=-2h", "from=99999999d", "to=2026-13-01"} {
		if code, body, _ := get(t, h, "*", "/incidents?"+query); code != http.StatusBadRequest || !strings.Contains(body, "how long ago") {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	_, body, _ := get(t, h, "*", "/search?q=late&from=2h&to=2026-11-02")
	contains(t, "the form", body, `name="from" value="2h"`, `name="to" value="2026-11-02"`)
}

// TestControlAmongMany: an incident of the control plane is on its page however many others there are, as then.
func TestControlAmongMany(t *testing.T) {
	own := died("kube-system", "etcd-0", 1)
	own.Verdict.Rule, own.Verdict.Thing, own.Finished = "CTL003", evidence.RefTo("", "", ""), noon.Add(-time.Hour)
	all := []history.Death{own}
	for i := range 1000 {
		d := died("shop", fmt.Sprintf("web-%d", i), 2)
		d.Verdict.Thing, d.Finished = evidence.RefTo("Pod", "shop", d.Of.Name), noon
		all = append(all, d)
	}
	c := consoleWith(t, headerAccess{}, all...)
	c.Rules = append(c.Rules, &diagnosis.Rule{ID: "CTL003", Title: "Slow"})
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := get(t, h, "*", "/control")
	contains(t, "the control plane", body, "CTL003")
}

func TestNode(t *testing.T) {
	c := consoleWith(t, headerAccess{}, died("shop", "n1", 1))
	c.Look = &cluster{}
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := get(t, h, "*", "/nodes/n1")
	contains(t, "the node", body, "kubelet v1.37.2", "KubeletHasDiskPressure", "beyond its mark of 90", "back below its mark")
	if _, body, _ := get(t, h, "shop", "/nodes/n1"); strings.Contains(body, "v1.37.2") {
		t.Error("who may not see nodes does")
	}
	n := nodeIn(must1(t)((&cluster{}).Snapshot(t.Context(), evidence.Selection{Ref: evidence.RefTo("Node", "", "n1")})), "n1")
	if got := strings.Join(n.Troubles(), "; "); got != "DiskPressure; usage.memory: 95%, beyond its mark of 90" {
		t.Errorf("its troubles are %s", got)
	}
}

func must1(t *testing.T) func(*evidence.Snapshot, error) *evidence.Snapshot {
	t.Helper()
	return func(s *evidence.Snapshot, err error) *evidence.Snapshot {
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// TestStory: what happened to a container that ran into its limit, on one axis.
func TestStory(t *testing.T) {
	d := died("shop", "web-0", 2)
	d.Of = evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(2)
	d.Node, d.Started, d.Finished = "n1", noon.Add(-5*time.Minute), noon
	d.Verdict.Bundle = measuredBundle(t, d)
	h := console(t, d)
	_, body, _ := get(t, h, "*", "/incidents")
	at := strings.Index(body, "/incidents/")
	_, body, _ = get(t, h, "*", body[at:at+strings.IndexByte(body[at:], '"')])
	contains(t, "the incident", body, "Probes that failed", "kernel: oom-kill: app", "run 3: 11:55:00 to 12:00:00, exit 3", "data-plot=", `<a href="/deaths/1">run 3 ended: exit 3, web-0</a>`, "pod/web-0[app] memory", "panic: out of room", `<mark class="error">`)
	s := newStory()
	s.death(&d)
	s.snapshot(must1(t)(snapshotFrom(t, d)), &d)
	line := s.timeline(0, "")
	if len(line.Series) != 2 || line.Series[0].Limit != 256<<20 || len(line.Series[0].Points) != 21 {
		t.Errorf("the series are %+v", line.Series)
	}
	if short := s.timeline(time.Minute, "1m"); short.To.Sub(short.From) > 2*time.Minute || len(short.Series[0].Points) >= 21 {
		t.Errorf("a minute is from %s to %s", short.From, short.To)
	}
	s.mark("node", noon.Add(-10*time.Hour), "kernel: oom-task: another's", true)
	if whole := s.timeline(0, ""); !whole.From.Equal(line.From) || !whole.To.Equal(line.To) {
		t.Errorf("what was on the node before makes it begin at %s, not %s", whole.From, line.From)
	}
	if newStory().timeline(0, "") != nil {
		t.Error("nothing has a timeline")
	}
}

// TestCharts: what a node uses is not drawn beside what a pod does.
func TestCharts(t *testing.T) {
	plot, err := seriesOf(&Timeline{Series: []Series{{Name: "node/n1 memory", Unit: "bytes"}, {Name: "pod/web-0[app] memory", Unit: "bytes"}}})
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "the plot", plot, `"Name":"node/n1 memory","Unit":"bytes","Chart":"bytes of the node"`, `"Name":"pod/web-0[app] memory","Unit":"bytes","Chart":"bytes"`)
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		unit  string
		value float64
		want  string
	}{
		{"bytes", 64 << 20, "64Mi"}, {"bytes", 9.755e9, "9.1Gi"}, {"bytes", 49150, "48Ki"}, {"bytes", 12, "12"}, {"bytes", 0, "0"},
		{"processors", 0.03461, "0.0346"}, {"percent", 99.5, "99.5%"},
	} {
		if got := amount(c.unit, c.value); got != c.want {
			t.Errorf("%g %s is %s, expected %s", c.value, c.unit, got, c.want)
		}
	}
}

// TestUnseen: what could not be seen of many runs is one line.
func TestUnseen(t *testing.T) {
	web := report.Thing{Kind: "Pod", Namespace: "shop", Name: "web-0", Container: "app"}
	told := Told{Gaps: []report.Gap{{Kind: "events", About: web, Why: "dropped"}, {Kind: "control", Why: "not looked at"}, {Kind: "events", About: web, Why: "dropped"}}}
	want := []string{"events of web-0[app]: dropped (of 2 runs)", "control: not looked at"}
	if got := told.Unseen(); !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

func snapshotFrom(t *testing.T, d history.Death) (*evidence.Snapshot, error) {
	t.Helper()
	store := consoleWith(t, headerAccess{}, d)
	k, err := store.keptOf(t.Context(), 1, Rights{All: true})
	return k.snapshot, err
}

// TestStuck: a pod that does not start has not died.
func TestStuck(t *testing.T) {
	d := died("shop", "web-0", 1)
	d.Kind, d.Of, d.Finished, d.Started = history.Stuck, evidence.RefTo("Pod", "shop", "web-0"), time.Time{}, time.Time{}
	h := console(t, d)
	for _, path := range []string{"/deaths/1", "/"} {
		_, body, _ := get(t, h, "*", path)
		if strings.Contains(body, "exit 3") || strings.Contains(body, "ended") {
			t.Errorf("%s says that it ended", path)
		}
	}
	_, body, _ := get(t, h, "*", "/")
	at := strings.Index(body, "/incidents/")
	_, body, _ = get(t, h, "*", body[at:at+strings.IndexByte(body[at:], '"')])
	contains(t, "the incident", body, "Pods that are stuck")
}

func TestFix(t *testing.T) {
	s := must1(t)(snapshotFrom(t, func() history.Death {
		d := died("shop", "web-0", 2)
		d.Of = evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(2)
		d.Verdict.Bundle = measuredBundle(t, d)
		return d
	}()))
	target := report.Thing{Kind: "Pod", Namespace: "shop", Name: "web-0"}
	shown := fixOf(s, report.Fix{Patch: &report.Patch{Target: target, Type: "json", Data: `[{"op":"replace","path":"/spec/containers/0/resources/limits/memory","value":"512Mi"}]`}})
	var added, removed string
	for _, l := range shown.Diff {
		switch l.Mark {
		case "add":
			added += l.Text
		case "remove":
			removed += l.Text
		}
	}
	if !strings.Contains(added, "memory: 512Mi") || !strings.Contains(removed, "memory: 256Mi") || !strings.HasPrefix(shown.Command, "kubectl -n shop patch pod/web-0") || shown.Owned != "" {
		t.Errorf("the fix is shown as %+v", shown)
	}
	owned := fixOf(s, report.Fix{Owner: "Helm release shop/web", Patch: &report.Patch{Target: target, Type: "json", Data: `[]`}})
	if owned.Command != "" || !strings.HasPrefix(owned.Owned, "Helm release shop/web would put the old value back") {
		t.Errorf("the fix of what Helm owns is shown as %+v", owned)
	}
	for _, patch := range []report.Patch{{Target: target, Type: "odd"}, {Target: target, Type: "json", Data: "{"}, {Target: report.Thing{Kind: "Pod", Name: "none"}, Type: "json", Data: "[]"}} {
		if shown := fixOf(s, report.Fix{Patch: &patch}); len(shown.Diff) > 0 {
			t.Errorf("%+v has a diff: %+v", patch, shown.Diff)
		}
	}
}

func TestBlocks(t *testing.T) {
	blocks := Rule{Doc: "# Head\nOne `code` and\n**bold words** more.\n\n- an item\n  goes on\n- next\n\n```\nkubectl get\n  pods\n```\n\n    indented\n| a | b |\n"}.Blocks()
	var got []string
	for _, b := range blocks {
		text := b.Kind + ":"
		for _, s := range b.Spans {
			text += map[bool]string{true: "<", false: ""}[s.Code] + map[bool]string{true: "*", false: ""}[s.Bold] + s.Text
		}
		got = append(got, text)
	}
	want := "h:Head|p:One <code and *bold words more.|li:an item goes on|li:next|code:kubectl get\n  pods\n    indented\n| a | b |"
	if strings.Join(got, "|") != want {
		t.Errorf("the blocks are %q", got)
	}
}

func TestHeat(t *testing.T) {
	var deaths []history.Death
	for i := range 5 {
		d := died("shop", "web-0", i)
		d.Finished = noon.Add(-time.Duration(i/3) * 5 * time.Hour)
		d.Seen = d.Finished
		deaths = append(deaths, d)
	}
	h := console(t, append(deaths, died("bank", "one", 9))...)
	_, body, _ := get(t, h, "*", "/workloads?span=3d")
	contains(t, "the heat map", body, `<span class="cell c1"`, "EXT<b>3</b>", "EXT<b>2</b>", "exit of the program", "3× EXT001")
	if strings.Index(body, "web-0") > strings.Index(body, "Deployment/one") {
		t.Error("the workload with most deaths is not the first")
	}
}

// TestOneNamespace: a list of one namespace has what lies in it, for whoever may see that.
func TestOneNamespace(t *testing.T) {
	h := console(t, died("shop", "till", 1), died("bank", "vault", 2))
	for _, want := range []struct{ who, namespace, pod string }{
		{"*", "shop", "till"}, {"shop", "shop", "till"}, {"shop,bank", "bank", "vault"}, {"shop", "bank", ""}, {"*", "shopping", ""},
	} {
		_, page, _ := get(t, h, want.who, "/incidents?format=json&namespace="+want.namespace)
		for _, pod := range []string{"till", "vault"} {
			if strings.Contains(page, pod) != (pod == want.pod) {
				t.Errorf("%s, who asks for %s, is told of %s: %t", want.who, want.namespace, pod, pod != want.pod)
			}
		}
	}
}

// TestNowByImpact: however many incidents are open, those of most pods are shown, and it is said how many others there are.
func TestNowByImpact(t *testing.T) {
	for n, says := range map[int]string{mostOpen + 30: ">30 more with less impact</a>", mostWeighed + 30: ">900 more with less impact, and others whose deaths are longer ago</a>"} {
		var deaths []history.Death
		for i := range n {
			d := died("shop", fmt.Sprintf("web-%04d", i), i)
			d.Finished = noon.Add(time.Duration(i-n) * time.Second)
			d.Seen = d.Finished
			deaths = append(deaths, d)
		}
		wide := deaths[50]
		wide.PodUID = "another pod"
		h := console(t, append(deaths, wide)...)
		_, body, _ := get(t, h, "*", "/?format=json")
		var now Now
		if err := json.Unmarshal([]byte(body), &now); err != nil {
			t.Fatal(err)
		}
		if len(now.Open) != mostOpen || now.More != min(n, mostWeighed)-mostOpen || now.Beyond != (n > mostWeighed) || now.Open[0].Title != "web-0050" {
			t.Errorf("%d are shown and %d are not, of more than that: %t; the first is %s", len(now.Open), now.More, now.Beyond, now.Open[0].Title)
		}
		_, body, _ = get(t, h, "*", "/")
		contains(t, "the first page", body, ">"+strings.ReplaceAll(now.Total(), "+", "&#43;")+"</span>", says, "/incidents?state=open")
	}
}
